"""Making a town's map: one OpenStreetMap file in, one PMTiles file out.

What: ``build_pmtiles`` and ``describe``. Seven layers (see ``classes.LAYERS``), zooms 10 to 15.
Why: operations need a background map with no outside server; a single file is served by range requests and kept whole
on the terminal for offline use.
Source: PMTiles specification 3; Mapbox Vector Tile 2.1. Data under ODbL: the attribution travels with the file.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import shapely
from pmtiles.tile import (
    Compression,
    MagicNumberNotFound,
    SpecVersionUnsupported,
    TileType,
    deserialize_header,
    zxy_to_tileid,
)
from pmtiles.writer import Writer

from .classes import LAYERS, MAX_ZOOM, MIN_ZOOM
from .coast import sea
from .osm import Box, Extract, Features, Geometries, MapError, read
from .tiles import Layer, Properties, cut, mercator, tile_range

ATTRIBUTION = "© OpenStreetMap contributors, ODbL"
"""To be shown on every map made from this file."""
MAX_TILES = 200_000
"""Tiles of the last zoom that a map may span: about a region, 60,000 km² at the latitude of Paris."""
MAX_METADATA = 1 << 20
"""Bytes of a PMTiles file's metadata that ``describe`` reads, packed or unpacked."""

_FOREIGN = (MagicNumberNotFound, SpecVersionUnsupported, ValueError, LookupError, TypeError, AttributeError, zlib.error)
"""What the PMTiles reader and the metadata raise on a file of another make; the reader has no error of its own."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class MapInfo:
    """A map file: where it is, what it covers (degrees), how it opens, what it holds."""

    path: Path
    bounds: Box
    center: tuple[float, float]
    """Longitude, latitude."""
    zoom: int
    min_zoom: int
    max_zoom: int
    tiles: int
    bytes: int
    features: dict[str, int]
    attribution: str


def _silent(_share: float, _stage: str) -> None:
    """No one is watching."""


def build_pmtiles(osm_path: Path, out: Path, *, bbox: Box | None = None, progress: Progress = _silent) -> MapInfo:
    """Build ``out`` from an .osm.pbf, .osm.gz or .osm file and say what it holds.

    ``bbox`` (west, south, east, north, degrees) limits the map; left out, it is the box that the file declares, else
    that of its streets and buildings. ``progress`` gets 0..1 and a stage: "reading", "assembling", "cutting zoom 12",
    "writing". The file appears whole or not at all. Raises MapError, with a plain sentence, on bad input.
    """
    extract = read(osm_path, lambda share, stage: progress(0.35 * share, stage))
    progress(0.35, "assembling")
    layers, box = _assemble(extract, bbox)
    if sum(len(layer.geometries) for layer in layers) <= 1:  # the ground alone
        raise MapError(f"{osm_path.name} holds nothing to draw within the map")
    half_built = out.with_name(out.name + ".part")
    try:
        with half_built.open("wb") as file:
            _write(file, layers, box, progress)
        half_built.replace(out)
    finally:
        half_built.unlink(missing_ok=True)
    progress(1.0, "writing")
    return describe(out)


def _write(file: BinaryIO, layers: list[Layer], box: Box, progress: Progress) -> None:
    """All tiles, zoom by zoom in the order of their numbers, then directories, header and metadata."""
    writer: Any = Writer(file)  # type: ignore[no-untyped-call]  # pmtiles leaves its writer untyped
    try:
        for zoom in range(MIN_ZOOM, MAX_ZOOM + 1):
            progress(0.45 + 0.08 * (zoom - MIN_ZOOM), f"cutting zoom {zoom}")
            for number, data in sorted((zxy_to_tileid(zoom, x, y), data) for x, y, data in cut(layers, box, zoom)):
                writer.write_tile(number, data)
        progress(0.95, "writing")
        writer.finalize(*_description(layers, box))
    finally:
        writer.tile_f.close()  # the writer closes its scratch file only when it comes to the end


def _assemble(extract: Extract, bbox: Box | None) -> tuple[list[Layer], Box]:
    """Layers in Web Mercator, cut to the map's box, streets joined, ground and sea added; and that box."""
    arrays = {name: shapely.from_wkb(np.array(f.geometries, dtype=object)) for name, f in extract.layers.items()}
    box = _box(extract.box if bbox is None else bbox, arrays)
    layers = []
    for name in LAYERS:
        geometries, features = arrays[name], extract.layers[name]
        if name in ("roads", "rail", "boundaries"):
            geometries, features = _join(geometries, features)
        properties, zooms = features.properties, np.array(features.min_zoom, dtype=np.int64)
        if name == "water":
            open_sea = sea(shapely.from_wkb(np.array(extract.coast, dtype=object)), box)
            geometries = np.concatenate([open_sea, geometries])
            seas: list[Properties] = [{"class": "sea"} for _ in open_sea]
            properties = seas + properties
            zooms = np.concatenate([np.full(len(open_sea), MIN_ZOOM), zooms])
        if name == "landuse":
            # what the file covers: outside of it nothing is known, and the style shows so
            geometries = np.concatenate([[shapely.box(*box)], geometries])
            properties, zooms = [{"class": "land"}, *properties], np.concatenate([[MIN_ZOOM], zooms])
        layer = _within(name, geometries, properties, zooms, box)
        if len(layer.geometries):
            layers.append(layer)
    return layers, box


def _within(name: str, geometries: Geometries, properties: list[Properties], zooms: Any, box: Box) -> Layer:
    """The part of a layer inside the box, projected; most important last, so that it is drawn over the others."""
    frame = shapely.box(*box)
    inside = np.flatnonzero(shapely.intersects(geometries, frame))
    order = sorted(inside.tolist(), key=lambda index: properties[index].get("rank", 0))
    kept = geometries[order]
    if len(kept):
        low, high = shapely.bounds(kept)[:, :2], shapely.bounds(kept)[:, 2:]
        over = (low < box[:2]).any(axis=1) | (high > box[2:]).any(axis=1)
        kept[over] = shapely.clip_by_rect(kept[over], *box)
    return Layer(name, mercator(kept), [properties[index] for index in order], zooms[order])


def _join(geometries: Geometries, features: Features) -> tuple[Geometries, Features]:
    """Lines of the same street, class and level joined end to end: fewer features, and labels with room to stand."""
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for index, (properties, zoom) in enumerate(zip(features.properties, features.min_zoom, strict=True)):
        groups[zoom, *properties.items()].append(index)
    lines: list[Geometries] = []
    joined = Features()
    for members in groups.values():
        parts = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(geometries[members])))
        lines.append(parts)
        joined.properties += [features.properties[members[0]]] * len(parts)
        joined.min_zoom += [features.min_zoom[members[0]]] * len(parts)
    return (np.concatenate(lines) if lines else geometries), joined


def _box(asked: Box | None, arrays: dict[str, Geometries]) -> Box:
    """The map's box, checked: ordered, on Earth, and not more tiles than ``MAX_TILES``."""
    if asked is None:
        town = np.concatenate([arrays["roads"], arrays["buildings"]])
        everything = town if len(town) else np.concatenate(list(arrays.values()))
        if not len(everything):
            raise MapError("the file holds nothing to draw")
        west, south, east, north = shapely.total_bounds(everything).tolist()
    else:
        west, south, east, north = (float(edge) for edge in asked)
    if not all(map(math.isfinite, (west, south, east, north))):
        raise MapError("the map's limits are not numbers")
    if not (-180 <= west < east <= 180 and -85 <= south < north <= 85):
        raise MapError(f"the map's limits are impossible: {west}, {south}, {east}, {north}")
    x0, x1, y0, y1 = tile_range((west, south, east, north), MAX_ZOOM)
    if (x1 - x0 + 1) * (y1 - y0 + 1) > MAX_TILES:
        raise MapError("the area is too large for one map: give a smaller bbox")
    return west, south, east, north


def _description(layers: list[Layer], box: Box) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and metadata of the PMTiles file."""
    west, south, east, north = box
    header = {
        "tile_type": TileType.MVT,
        "tile_compression": Compression.GZIP,
        "min_lon_e7": round(west * 1e7),
        "min_lat_e7": round(south * 1e7),
        "max_lon_e7": round(east * 1e7),
        "max_lat_e7": round(north * 1e7),
        "center_zoom": _opening_zoom(box),
        "center_lon_e7": round((west + east) / 2 * 1e7),
        "center_lat_e7": round((south + north) / 2 * 1e7),
    }
    fields = {"class": "String", "rank": "Number", "name": "String", "name_fr": "String", "name_en": "String"}
    metadata = {
        "name": "Égide",
        "format": "pbf",
        "type": "baselayer",
        "attribution": ATTRIBUTION,
        "vector_layers": [
            {"id": layer.name, "fields": fields, "minzoom": MIN_ZOOM, "maxzoom": MAX_ZOOM} for layer in layers
        ],
        "egide_features": {layer.name: len(layer.geometries) for layer in layers},
    }
    return header, metadata


def _opening_zoom(box: Box) -> int:
    """The zoom at which the box about fills a screen 1024 pixels wide (512-pixel tiles)."""
    span = max(box[2] - box[0], (box[3] - box[1]) * 1.6)
    return max(MIN_ZOOM, min(MAX_ZOOM, math.floor(math.log2(2 * 360 / span))))


def describe(path: Path) -> MapInfo:
    """What a PMTiles file built here holds, from its header and metadata; raises MapError when it is not one."""
    try:
        with path.open("rb") as file:
            header = deserialize_header(file.read(127))
            file.seek(header["metadata_offset"])
            packed = file.read(min(header["metadata_length"], MAX_METADATA))
        metadata = json.loads(zlib.decompressobj(wbits=31).decompress(packed, MAX_METADATA))
        counts = {str(name): int(count) for name, count in metadata["egide_features"].items()}
        attribution = str(metadata["attribution"])
    except OSError as problem:
        raise MapError(f"{path.name} cannot be read ({problem})") from problem
    except _FOREIGN as problem:
        raise MapError(f"{path.name} is not a map made by Égide") from problem
    edges = ("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7")
    west, south, east, north = (header[edge] / 1e7 for edge in edges)  # type: ignore[literal-required]
    return MapInfo(
        path=path,
        bounds=(west, south, east, north),
        center=(header["center_lon_e7"] / 1e7, header["center_lat_e7"] / 1e7),
        zoom=header["center_zoom"],
        min_zoom=header["min_zoom"],
        max_zoom=header["max_zoom"],
        tiles=header["addressed_tiles_count"],
        bytes=path.stat().st_size,
        features=counts,
        attribution=attribution,
    )
