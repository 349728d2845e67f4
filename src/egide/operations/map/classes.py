"""Which OpenStreetMap objects appear on the map, in which layer and class, and from which zoom.

What: rules from tags to ``Placing``. Everything not listed is left out; so is everything about contributors.
Source: the tagging documented by OpenStreetMap ("Map features"); zooms chosen for a calm background on a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MIN_ZOOM, MAX_ZOOM = 10, 15
"""Zooms that have tiles; beyond the last the client enlarges it."""

LAYERS = ("landuse", "water", "buildings", "rail", "roads", "boundaries", "places")
"""Layers of a tile, in the order they are drawn."""

NODE_KEYS = ("place", "amenity", "railway", "aeroway")
AREA_KEYS = (*NODE_KEYS, "building", "landuse", "leisure", "natural", "waterway", "highway", "area:highway", "man_made")
"""Keys an object needs one of to be looked at, as a node or as an area."""

_NAME_LIMIT = 100  # characters of a label; longer ones are text, not names


@dataclass(frozen=True, slots=True)
class Placing:
    """One object's place on the map. ``rank`` orders what is drawn over what, and which label wins."""

    layer: str
    kind: str
    min_zoom: int
    rank: int = 0


_ROADS: dict[str, tuple[str, int, int]] = {
    "motorway": ("motorway", 10, 9),
    "trunk": ("motorway", 10, 8),
    "primary": ("primary", 10, 7),
    "secondary": ("secondary", 11, 6),
    "tertiary": ("tertiary", 12, 5),
    "residential": ("minor", 13, 4),
    "unclassified": ("minor", 13, 4),
    "living_street": ("minor", 13, 4),
    "road": ("minor", 13, 4),
    "pedestrian": ("pedestrian", 13, 3),
    "service": ("service", 14, 2),
    "busway": ("service", 14, 2),
    "track": ("path", 14, 1),
    "cycleway": ("path", 14, 1),
    "footway": ("path", 14, 1),
    "path": ("path", 14, 1),
    "bridleway": ("path", 14, 1),
    "steps": ("steps", 15, 1),
}
_RAILS = {"rail": 11, "subway": 13, "light_rail": 13, "tram": 14, "funicular": 14, "narrow_gauge": 13, "monorail": 14}
_WATERWAYS = {"river": 11, "canal": 12, "stream": 14, "drain": 15, "ditch": 15}
_PLACES = {
    "city": (10, 9),
    "town": (10, 8),
    "borough": (11, 7),
    "suburb": (12, 6),
    "village": (11, 6),
    "quarter": (13, 5),
    "neighbourhood": (13, 4),
    "hamlet": (13, 4),
    "island": (12, 4),
    "islet": (14, 2),
    "square": (15, 3),
}
_POINTS = {
    ("amenity", "police"): "police",
    ("amenity", "fire_station"): "fire_station",
    ("amenity", "hospital"): "hospital",
    ("amenity", "townhall"): "townhall",
    ("amenity", "courthouse"): "courthouse",
    ("amenity", "ferry_terminal"): "ferry",
    ("railway", "station"): "station",
    ("railway", "halt"): "station",
    ("aeroway", "terminal"): "terminal",
    ("aeroway", "helipad"): "helipad",
}
_GROUND = {
    ("landuse", "forest"): ("wood", 10),
    ("natural", "wood"): ("wood", 10),
    ("natural", "scrub"): ("wood", 12),
    ("natural", "heath"): ("grass", 12),
    ("natural", "grassland"): ("grass", 12),
    ("landuse", "grass"): ("grass", 13),
    ("landuse", "meadow"): ("grass", 11),
    ("landuse", "village_green"): ("park", 12),
    ("landuse", "recreation_ground"): ("park", 12),
    ("landuse", "allotments"): ("park", 13),
    ("landuse", "orchard"): ("wood", 12),
    ("landuse", "vineyard"): ("wood", 12),
    ("landuse", "farmland"): ("farmland", 11),
    ("landuse", "cemetery"): ("cemetery", 12),
    ("amenity", "grave_yard"): ("cemetery", 13),
    ("leisure", "park"): ("park", 11),
    ("leisure", "garden"): ("park", 13),
    ("leisure", "nature_reserve"): ("wood", 11),
    ("leisure", "golf_course"): ("park", 12),
    ("leisure", "playground"): ("sport", 14),
    ("leisure", "pitch"): ("sport", 13),
    ("leisure", "track"): ("sport", 13),
    ("leisure", "stadium"): ("sport", 12),
    ("leisure", "sports_centre"): ("sport", 13),
    ("natural", "beach"): ("sand", 12),
    ("natural", "sand"): ("sand", 12),
    ("natural", "bare_rock"): ("rock", 12),
    ("natural", "wetland"): ("wetland", 12),
    ("landuse", "residential"): ("built", 10),
    ("landuse", "commercial"): ("built", 11),
    ("landuse", "retail"): ("built", 11),
    ("landuse", "industrial"): ("industrial", 11),
    ("landuse", "railway"): ("industrial", 12),
    ("landuse", "military"): ("military", 11),
    ("amenity", "hospital"): ("institution", 13),
    ("amenity", "university"): ("institution", 13),
    ("amenity", "school"): ("institution", 13),
    ("amenity", "parking"): ("parking", 14),
    ("aeroway", "aerodrome"): ("aerodrome", 10),
    ("aeroway", "apron"): ("apron", 12),
    ("aeroway", "runway"): ("apron", 11),
    ("man_made", "pier"): ("pier", 13),
    ("man_made", "breakwater"): ("pier", 13),
    ("man_made", "bridge"): ("pier", 14),
    ("highway", "pedestrian"): ("square", 14),
    ("highway", "platform"): ("square", 15),
    ("railway", "platform"): ("square", 15),
    ("place", "square"): ("square", 14),
    ("area:highway", "pedestrian"): ("square", 15),
}

_LAST = ("railway", "highway", "place", "area:highway")  # keys that decide a surface only when no other does

Tags = Mapping[str, str]


def of_node(tags: Tags) -> Placing | None:
    """A named place or one of the few points an officer looks for."""
    place = tags.get("place")
    if place in _PLACES and "name" in tags:
        zoom, rank = _PLACES[place]
        return Placing("places", place, zoom, rank)
    return _point(tags)


def _point(tags: Tags) -> Placing | None:
    for key in ("amenity", "railway", "aeroway"):
        value = tags.get(key)
        if value is not None and (kind := _POINTS.get((key, value))):
            return Placing("places", kind, 14, 3)
    return None


def of_way(tags: Tags) -> Placing | None:
    """A line: street, railway, watercourse or runway. Boundaries are decided by their relations as well."""
    highway = tags.get("highway")
    if highway is not None and tags.get("area") != "yes":
        found = _ROADS.get(highway.removesuffix("_link"))
        return Placing("roads", *found) if found else None
    railway = tags.get("railway")
    if railway in _RAILS:
        zoom = 14 if tags.get("service") else _RAILS[railway]
        return Placing("rail", "rail" if railway == "rail" else "transit", zoom)
    waterway = tags.get("waterway")
    if waterway in _WATERWAYS:
        return Placing("water", waterway, _WATERWAYS[waterway])
    if tags.get("aeroway") in ("runway", "taxiway"):
        return Placing("roads", "runway", 11, 0)
    if tags.get("man_made") in ("pier", "breakwater"):
        return Placing("roads", "pier", 13, 0)
    return None


def of_area(tags: Tags) -> Placing | None:
    """A surface: water, green, ground use or building."""
    if tags.get("building", "no") != "no":
        return Placing("buildings", "building", 13)
    if tags.get("natural") == "water" or tags.get("waterway") in ("riverbank", "dock"):
        return Placing("water", "water", 10)
    if tags.get("landuse") in ("reservoir", "basin") or tags.get("leisure") in ("marina", "swimming_pool"):
        return Placing("water", "basin", 13) if tags.get("leisure") != "marina" else None
    for key in ("natural", "leisure", "landuse", "amenity", "aeroway", "man_made", *_LAST):
        value = tags.get(key)
        if value is None or (found := _GROUND.get((key, value))) is None:
            continue
        if key in ("highway", "railway") and tags.get("area") == "no":
            continue
        return Placing("landuse", *found)
    return None


def of_area_label(tags: Tags) -> Placing | None:
    """The point that names a surface: a park, a square, a hospital; None when it bears no name worth a label."""
    if "name" not in tags:
        return None
    if tags.get("place") == "square":
        return Placing("places", "square", 15, 3)
    if tags.get("leisure") in ("park", "nature_reserve") or tags.get("landuse") in ("forest", "cemetery"):
        return Placing("places", "park", 14, 2)
    if tags.get("natural") == "water":
        return Placing("places", "water", 13, 2)
    return _point(tags)


def properties(placing: Placing, tags: Tags) -> dict[str, str | int]:
    """What a feature says of itself: class, rank, names, bridge or tunnel. Nothing else of the tags is copied."""
    out: dict[str, str | int] = {"class": placing.kind}
    if placing.rank:
        out["rank"] = placing.rank
    if placing.layer in ("roads", "places"):
        name = _clean(tags.get("name"))
        if name:
            out["name"] = name
            for language in ("fr", "en"):
                other = _clean(tags.get(f"name:{language}"))
                if other and other != name:
                    out[f"name_{language}"] = other
    if placing.layer in ("roads", "rail"):
        if tags.get("tunnel", "no") != "no" or tags.get("covered") == "yes":
            out["tunnel"] = 1
        elif tags.get("bridge", "no") != "no":
            out["bridge"] = 1
    return out


def _clean(name: str | None) -> str:
    """A label without control characters, at most ``_NAME_LIMIT`` long."""
    return "".join(c for c in name if c.isprintable())[:_NAME_LIMIT].strip() if name else ""
