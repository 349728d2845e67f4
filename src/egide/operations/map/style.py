"""How the town's map looks: a MapLibre style, as JSON.

What: ``style`` for the three themes of the consoles. Ground, water, green, buildings, streets and their names, railways,
boundaries, places; few hues, low contrast.
Why: the map is the room, not the thing looked at. Tracks, footprints and perimeters must stand out over it, so the town
keeps to a narrow band of lightness and no saturated colour. Nothing is fetched from elsewhere: no glyph server (labels are
drawn with the page's own fonts), no sprites.
Source: MapLibre style specification 8; colours follow the consoles' tokens.
"""

from __future__ import annotations

from typing import Any, Literal

from .build import ATTRIBUTION

Theme = Literal["day", "night", "red-night"]

FONT = ["B612", "DejaVu Sans", "sans-serif"]
"""The consoles' font, then what the machine has; names, not files."""

_PALETTES: dict[Theme, dict[str, str]] = {
    "day": {
        "unknown": "#e3e1da",
        "land": "#f3f1eb",
        "built": "#eeebe4",
        "green": "#e4eadc",
        "wood": "#dce5d3",
        "sand": "#efe8d6",
        "paved": "#e9e6df",
        "water": "#cbd9de",
        "building": "#e1ddd4",
        "building_edge": "#d3cec4",
        "street": "#ffffff",
        "main_street": "#fdf8ec",
        "street_edge": "#d4cfc5",
        "path": "#cdc7bb",
        "rail": "#b8b2a7",
        "border": "#9c93a3",
        "label": "#454c51",
        "label_quiet": "#5c646a",
        "label_water": "#3f5f6c",
        "halo": "#f8f7f3",
    },
    "night": {
        "unknown": "#090d10",
        "land": "#12181c",
        "built": "#151b20",
        "green": "#141f1b",
        "wood": "#13211b",
        "sand": "#1c1d1b",
        "paved": "#192025",
        "water": "#0b1920",
        "building": "#1c242a",
        "building_edge": "#252e35",
        "street": "#2b353b",
        "main_street": "#3a454c",
        "street_edge": "#0f1519",
        "path": "#2a3238",
        "rail": "#3b444a",
        "border": "#5d5668",
        "label": "#c0c8cc",
        "label_quiet": "#95a1a8",
        "label_water": "#7d9dac",
        "halo": "#0d1215",
    },
    "red-night": {
        "unknown": "#030000",
        "land": "#0c0202",
        "built": "#0f0303",
        "green": "#0e0404",
        "wood": "#0d0403",
        "sand": "#130404",
        "paved": "#120404",
        "water": "#060101",
        "building": "#1b0605",
        "building_edge": "#260806",
        "street": "#2e0b08",
        "main_street": "#41100c",
        "street_edge": "#080101",
        "path": "#260806",
        "rail": "#3a0f0b",
        "border": "#5a1a14",
        "label": "#e0604f",
        "label_quiet": "#b84a3b",
        "label_water": "#a04035",
        "halo": "#080101",
    },
}

_MAIN = ["motorway", "primary"]
_MEDIUM = ["secondary", "tertiary"]
_SMALL = ["minor", "pedestrian"]
_POINTS = ["police", "fire_station", "hospital", "townhall", "courthouse", "ferry", "station", "terminal", "helipad"]

Spec = dict[str, Any]


def style(pmtiles_url: str, *, theme: Theme, language: str) -> Spec:
    """The whole style, ready to be sent as JSON.

    ``pmtiles_url`` is where the page fetches the file (``/map/town.pmtiles``); ``language`` ("fr", "en") chooses among
    a place's names, its own name coming first where it has no other. Raises ValueError on an unknown theme.
    """
    if theme not in _PALETTES:
        raise ValueError(f"no such theme: {theme}")
    colours = _PALETTES[theme]
    address = pmtiles_url if pmtiles_url.startswith("pmtiles://") else f"pmtiles://{pmtiles_url}"
    name = ["coalesce", ["get", f"name_{language}"], ["get", "name"]]
    large = 2 if theme == "red-night" else 0  # points added to every label: red on black reads worse
    return {
        "version": 8,
        "name": f"Égide {theme}",
        "sources": {"town": {"type": "vector", "url": address, "attribution": ATTRIBUTION}},
        "layers": [
            {"id": "unknown", "type": "background", "paint": {"background-color": colours["unknown"]}},
            *_ground(colours),
            *_buildings_and_borders(colours),
            *_streets(colours),
            *_labels(colours, name, large),
        ],
    }


def _layer(identifier: str, kind: str, source_layer: str, paint: Spec, **more: Any) -> Spec:
    return {"id": identifier, "type": kind, "source": "town", "source-layer": source_layer, "paint": paint, **more}


def _is(*classes: str) -> list[Any]:
    return ["in", ["get", "class"], ["literal", list(classes)]]


def _by_zoom(*stops: float, base: float = 1.5) -> list[Any]:
    """Width or size by zoom: pairs of zoom, pixels."""
    return ["interpolate", ["exponential", base], ["zoom"], *stops]


def _ground(colours: dict[str, str]) -> list[Spec]:
    surfaces = {
        "land": ("land",),
        "built": ("built", "industrial", "institution", "military"),
        "green": ("park", "grass", "cemetery", "sport", "farmland", "wetland"),
        "wood": ("wood",),
        "sand": ("sand", "rock"),
        "paved": ("square", "pier", "apron", "aerodrome", "parking"),
    }
    fills = [
        _layer(f"ground-{tone}", "fill", "landuse", {"fill-color": colours[tone]}, filter=_is(*classes))
        for tone, classes in surfaces.items()
        if tone != "paved"
    ]
    water = {"fill-color": colours["water"]}
    streams = {"line-color": colours["water"], "line-width": _by_zoom(11, 0.8, 15, 3, 18, 10)}
    return [
        *fills,
        _layer("water", "fill", "water", water, filter=["==", ["geometry-type"], "Polygon"]),
        _layer("waterways", "line", "water", streams, filter=["==", ["geometry-type"], "LineString"]),
        _layer(
            "ground-paved", "fill", "landuse", {"fill-color": colours["paved"]}, filter=_is(*surfaces["paved"])
        ),  # after the water: piers stand in it
    ]


def _buildings_and_borders(colours: dict[str, str]) -> list[Spec]:
    walls = {
        "fill-color": colours["building"],
        "fill-outline-color": colours["building_edge"],
        "fill-opacity": ["interpolate", ["linear"], ["zoom"], 13, 0.4, 15, 1],
    }
    border = {
        "line-color": colours["border"],
        "line-width": _by_zoom(10, 0.8, 16, 2),
        "line-dasharray": [4, 2],
        "line-opacity": 0.7,
    }
    return [
        _layer("buildings", "fill", "buildings", walls, minzoom=13),
        _layer("borders", "line", "boundaries", border, filter=_is("country", "region", "department", "district")),
    ]


def _streets(colours: dict[str, str]) -> list[Spec]:
    """Edges first, then surfaces, least important first; tunnels as a faint dashed edge."""
    widths = {
        "service": (("service",), (14, 0.6, 16, 3, 19, 14)),
        "small": (tuple(_SMALL), (13, 0.8, 16, 6, 19, 26)),
        "medium": (tuple(_MEDIUM), (11, 0.8, 14, 3, 16, 9, 19, 34)),
        "main": (tuple(_MAIN), (10, 1.0, 14, 4.5, 16, 12, 19, 42)),
    }
    smooth = {"line-cap": "round", "line-join": "round"}
    open_air = ["!", ["has", "tunnel"]]
    path = {"line-color": colours["path"], "line-width": _by_zoom(14, 0.6, 17, 1.6), "line-dasharray": [2, 1.5]}
    rail = {"line-color": colours["rail"], "line-width": _by_zoom(11, 0.6, 16, 1.4)}
    quay = {"line-color": colours["paved"], "line-width": _by_zoom(13, 1, 17, 8)}
    edges, surfaces = [], []
    for size, (classes, stops) in widths.items():
        here = _is(*classes)
        edge = {"line-color": colours["street_edge"], "line-width": 1, "line-gap-width": _by_zoom(*stops)}
        tone = colours["main_street" if size == "main" else "street"]
        fill = {"line-color": tone, "line-width": _by_zoom(*stops)}
        under = {**edge, "line-dasharray": [3, 2]}
        edges.append(_layer(f"tunnel-{size}", "line", "roads", under, filter=["all", here, ["has", "tunnel"]]))
        edges.append(
            _layer(f"edge-{size}", "line", "roads", edge, filter=["all", here, open_air], layout=smooth, minzoom=12)
        )
        surfaces.append(_layer(f"street-{size}", "line", "roads", fill, filter=["all", here, open_air], layout=smooth))
    over = ["all", _is("rail", "transit"), open_air]
    return [
        _layer("piers", "line", "roads", quay, filter=_is("pier", "runway")),
        _layer("paths", "line", "roads", path, filter=["all", _is("path", "steps"), open_air], minzoom=14),
        *edges,
        *surfaces,
        _layer("rails", "line", "rail", rail, filter=over),
        _layer(
            "rails-under", "line", "rail", {**rail, "line-dasharray": [2, 3], "line-opacity": 0.6}, filter=["!", over]
        ),
    ]


def _labels(colours: dict[str, str], name: list[Any], large: int) -> list[Spec]:
    """Names of streets along them, of points beside a dot, of places above all else."""

    def text(size: float, **layout: Any) -> Spec:
        return {"text-field": name, "text-font": FONT, "text-size": size + large, **layout}

    def ink(tone: str, halo: float = 1.4) -> Spec:
        return {"text-color": colours[tone], "text-halo-color": colours["halo"], "text-halo-width": halo}

    along = {"symbol-placement": "line", "symbol-spacing": 320, "text-max-angle": 35, "text-padding": 6}
    first = {"symbol-sort-key": ["-", 0, ["coalesce", ["get", "rank"], 0]]}
    dot = {
        "circle-radius": 2.5,
        "circle-color": colours["label_quiet"],
        "circle-stroke-color": colours["halo"],
        "circle-stroke-width": 1,
    }
    beside = {"text-variable-anchor": ["left", "right", "top", "bottom"], "text-radial-offset": 0.6}
    towns = _by_zoom(10, 13 + large, 15, 19 + large, base=1)
    return [
        _layer("names-streets", "symbol", "roads", ink("label_quiet"), layout=text(12, **along, **first), minzoom=14),
        _layer(
            "names-water",
            "symbol",
            "places",
            ink("label_water"),
            filter=_is("water"),
            layout=text(12, **{"text-max-width": 7}),
            minzoom=13,
        ),
        _layer(
            "names-green",
            "symbol",
            "places",
            ink("label_quiet"),
            filter=_is("park", "square"),
            layout=text(12, **{"text-max-width": 8}, **first),
            minzoom=15,
        ),
        _layer("points", "circle", "places", dot, filter=_is(*_POINTS), minzoom=15),
        _layer(
            "names-points",
            "symbol",
            "places",
            ink("label"),
            filter=_is(*_POINTS),
            layout=text(12, **beside, **{"text-max-width": 9}, **first),
            minzoom=15,
        ),
        _layer(
            "names-quarters",
            "symbol",
            "places",
            ink("label_quiet", 1.8),
            filter=_is("suburb", "borough", "quarter", "neighbourhood", "hamlet", "island", "islet"),
            layout=text(14, **{"text-max-width": 8, "text-letter-spacing": 0.05}, **first),
            minzoom=12,
            maxzoom=17,
        ),
        _layer(
            "names-towns",
            "symbol",
            "places",
            ink("label", 2),
            filter=_is("city", "town", "village"),
            layout={**text(16, **first), "text-size": towns, "text-max-width": 8},
            maxzoom=16,
        ),
    ]
