"""Reading an OpenStreetMap file into layers of geometries.

What: ``read`` turns .osm.pbf, .osm.gz or .osm into ``Features`` per layer, in degrees.
Why: the town's map is made where the platform runs, once, without any outside service. Contributors' names (user, uid)
are personal data: they are never looked at.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import osmium.filter
import osmium.geom
import osmium.osm
import shapely
from numpy.typing import NDArray

from . import classes
from .classes import Placing

MAX_FILE = 1 << 30
"""Bytes of an OSM file: a French region; larger areas are cut first."""
MAX_UNPACKED = 4 << 30
"""Bytes of an .osm.gz once unpacked."""
MAX_FEATURES = 4_000_000
"""Features kept; about 4 GB of memory."""

Geometries = NDArray[np.object_]
Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


class MapError(ValueError):
    """An OSM file that cannot be read, holds nothing to draw, or is too large; the message is a plain sentence."""


@dataclass
class Features:
    """Geometries of one layer with their properties and first zoom, index by index."""

    geometries: list[str] = field(default_factory=list)  # hexadecimal WKB, turned into arrays at the end
    properties: list[dict[str, str | int]] = field(default_factory=list)
    min_zoom: list[int] = field(default_factory=list)

    def add(self, wkb: str, placing: Placing, tags: classes.Tags) -> None:
        """Keep one object."""
        self.geometries.append(wkb)
        self.properties.append(classes.properties(placing, tags))
        self.min_zoom.append(placing.min_zoom)


@dataclass
class Extract:
    """All that was read: features by layer, the coastline, and the box the file declares, if it does."""

    layers: dict[str, Features]
    coast: list[str]
    box: Box | None

    def size(self) -> int:
        """Features kept so far."""
        return sum(len(layer.geometries) for layer in self.layers.values())


def read(path: Path, progress: Callable[[float, str], None]) -> Extract:
    """Read the file; ``progress`` gets a share of the objects seen (0..1, an estimate) and the stage "reading".

    Raises MapError with a plain sentence for a file missing, too large, truncated, or not OSM data.
    """
    _check(path)
    try:
        return _read(path, progress)
    except (osmium.InvalidLocationError, RuntimeError, ValueError, OverflowError, MemoryError, KeyError) as problem:
        if isinstance(problem, MapError):
            raise
        # osmium reports every kind of broken input by these; its wording names the damage, not the person's next step
        raise MapError(f"{path.name} is damaged, cut short or not OpenStreetMap data ({problem})") from problem


def _check(path: Path) -> None:
    if not path.name.endswith((".osm.pbf", ".osm.gz", ".osm")):
        raise MapError(f"{path.name} is not an .osm.pbf, .osm.gz or .osm file")
    if not path.is_file():
        raise MapError(f"there is no file {path.name}")
    if path.stat().st_size > MAX_FILE:
        raise MapError(f"{path.name} is larger than {MAX_FILE >> 20} MiB: cut the area of interest out of it first")
    if path.name.endswith(".gz"):
        _check_unpacked(path)


def _check_unpacked(path: Path) -> None:
    """Unpack once into nothing, so that a bomb or a cut file is refused before any of it is parsed."""
    total, unpack = 0, zlib.decompressobj(wbits=31)
    try:
        with path.open("rb") as source:
            while chunk := source.read(1 << 16):
                while chunk and not unpack.eof:
                    total += len(unpack.decompress(chunk, 1 << 22))
                    chunk = unpack.unconsumed_tail
                    if total > MAX_UNPACKED:
                        raise MapError(f"{path.name} unpacks to more than {MAX_UNPACKED >> 30} GiB")
    except zlib.error as problem:
        raise MapError(f"{path.name} is damaged: it does not unpack ({problem})") from problem
    if not unpack.eof:
        raise MapError(f"{path.name} is cut short")


def _read(path: Path, progress: Callable[[float, str], None]) -> Extract:
    out = Extract({name: Features() for name in classes.LAYERS}, [], _declared_box(path))
    borders = _borders(path)
    wkb = osmium.geom.WKBFactory()
    total = max(1, path.stat().st_size // (12 if path.name.endswith(".pbf") else 25))  # objects, roughly
    for seen, entity in enumerate(_objects(path)):
        if seen % 20_000 == 0:
            progress(min(0.99, seen / total), "reading")
            if out.size() > MAX_FEATURES:
                raise MapError(f"{path.name} holds more than {MAX_FEATURES} objects to draw: cut a smaller area")
        if isinstance(entity, osmium.osm.Node):
            placing = classes.of_node(_tags(entity))
            if placing is not None and entity.location.valid():
                out.layers[placing.layer].add(wkb.create_point(entity), placing, _tags(entity))
        elif isinstance(entity, osmium.osm.Way):
            _add_way(out, entity, borders, wkb)
        elif isinstance(entity, osmium.osm.Area):
            _add_area(out, entity, wkb)
    progress(1.0, "reading")
    return out


def _objects(path: Path) -> Iterator[Any]:
    """Nodes with a wanted key, all ways, areas with a wanted key; relations only as the areas they form."""
    wanted = osmium.filter.KeyFilter(*classes.NODE_KEYS)
    wanted.enable_for(osmium.osm.NODE)
    surfaces = osmium.filter.KeyFilter(*classes.AREA_KEYS)
    reader = osmium.FileProcessor(str(path)).with_locations("sparse_mem_array").with_areas(surfaces)
    return iter(reader.with_filter(wanted))


def _declared_box(path: Path) -> Box | None:
    with osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
        box = reader.header().box()
    if not box.valid():
        return None
    low, high = box.bottom_left, box.top_right
    return (low.lon, low.lat, high.lon, high.lat) if low.lon < high.lon and low.lat < high.lat else None


def _borders(path: Path) -> dict[int, int]:
    """Ways that belong to an administrative boundary relation, with the most important level among them (2..8)."""
    levels: dict[int, int] = defaultdict(lambda: 99)
    for relation in osmium.FileProcessor(str(path), osmium.osm.RELATION):
        if not isinstance(relation, osmium.osm.Relation) or relation.tags.get("boundary") != "administrative":
            continue
        level = _level(relation.tags.get("admin_level"))
        for member in relation.members:
            if member.type == "w":
                levels[member.ref] = min(level, levels[member.ref])
    return levels


def _level(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 3 else 99


def _tags(entity: Any) -> classes.Tags:
    return {tag.k: tag.v for tag in entity.tags}


def _add_way(out: Extract, way: osmium.osm.Way, borders: dict[int, int], wkb: Any) -> None:
    tags = _tags(way)
    level = borders.get(way.id, 99)
    if tags.get("boundary") == "administrative":
        level = min(level, _level(tags.get("admin_level")))
    coast = tags.get("natural") == "coastline"
    placing = classes.of_way(tags) if tags else None
    if placing is None and level > 8 and not coast:
        return
    line = _line(way, wkb)
    if line is None:
        return
    if coast:
        out.coast.append(line)
    if placing is not None:
        out.layers[placing.layer].add(line, placing, tags)
    if level <= 8 and not coast:  # a border along the shore says nothing that the shore does not
        kind = {2: "country", 4: "region", 6: "department"}.get(level, "district" if level > 6 else "region")
        zoom = 10 if level <= 6 else 12
        out.layers["boundaries"].add(line, Placing("boundaries", kind, zoom, 10 - level), {})


def _line(way: osmium.osm.Way, wkb: Any) -> str | None:
    """The way as WKB; where the extract lacks nodes, through those it has."""
    try:
        return str(wkb.create_linestring(way))
    except (osmium.InvalidLocationError, RuntimeError):
        points = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
        return shapely.LineString(points).wkb_hex if len(set(points)) > 1 else None


def _add_area(out: Extract, area: osmium.osm.Area, wkb: Any) -> None:
    tags = _tags(area)
    placing, label = classes.of_area(tags), classes.of_area_label(tags)
    if placing is None and label is None:
        return
    try:
        polygon = wkb.create_multipolygon(area)
    except (osmium.InvalidLocationError, RuntimeError):
        return  # rings that do not close in this extract
    if placing is not None:
        out.layers[placing.layer].add(polygon, placing, tags)
    if label is not None:
        out.layers["places"].add(shapely.point_on_surface(shapely.from_wkb(polygon)).wkb_hex, label, tags)
