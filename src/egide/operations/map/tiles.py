"""Cutting layers into vector tiles.

What: ``cut`` yields (zoom, x, y, tile bytes) for features in Web Mercator.
Source: Mapbox Vector Tile specification 2.1; geometry work in bulk by shapely 2, encoding by mapbox-vector-tile.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import mapbox_vector_tile
import numpy as np
import shapely
from numpy.typing import NDArray

from .classes import MAX_ZOOM
from .osm import Box, Geometries, MapError

EXTENT = 4096
"""Units across a tile."""
BUFFER = 64
"""Units kept around a tile, so that lines and labels meet across its edge."""
SIMPLIFY = 6.0
"""Units a simplified line may stray (0.75 pixel of a 512-pixel tile); the last zoom, which is enlarged, keeps 1."""
MIN_AREA = 256.0
"""Square units below which a surface is not drawn before the last zoom (4 square pixels)."""

MAX_PIECES = 5_000_000
"""Pieces of one layer at one zoom; far above any town, reached only by features stretched across the whole map."""

Properties = dict[str, str | int]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """One layer ready to cut: geometries in the unit square of Web Mercator (y down), properties and first zoom."""

    name: str
    geometries: Geometries
    properties: list[Properties]
    min_zoom: NDArray[np.int64]


def mercator(geometries: Geometries) -> Geometries:
    """Degrees to the unit square of Web Mercator, origin at the north-west, latitudes clamped to its limits."""
    projected: Geometries = shapely.transform(geometries, _project)
    return projected


def _project(lonlat: Floats) -> Floats:
    sine = np.sin(np.radians(np.clip(lonlat[:, 1], -85.051129, 85.051129)))
    x = (np.clip(lonlat[:, 0], -180, 180) + 180) / 360
    return np.stack([x, 0.5 - np.log((1 + sine) / (1 - sine)) / (4 * np.pi)], axis=1)


def tile_range(box: Box, zoom: int) -> tuple[int, int, int, int]:
    """First and last column, first and last row of the tiles that a box in degrees touches."""
    corners = _project(np.array([[box[0], box[3]], [box[2], box[1]]])) * (1 << zoom)
    last = (1 << zoom) - 1
    x0, y0, x1, y1 = np.clip(np.floor(corners).astype(int).ravel(), 0, last).tolist()
    return x0, x1, y0, y1


def cut(layers: list[Layer], box: Box, zoom: int) -> Iterator[tuple[int, int, bytes]]:
    """(x, y, gzip-compressed tile) of each tile of one zoom that holds something, in rows."""
    tiles: dict[tuple[int, int], list[dict[str, object]]] = defaultdict(list)
    bounds = tile_range(box, zoom)
    for layer in layers:
        per_tile: dict[tuple[int, int], list[dict[str, object]]] = defaultdict(list)
        for tile, geometry, index in _pieces(layer, zoom, bounds):
            per_tile[tile].append({"geometry": geometry, "properties": layer.properties[index]})
        for tile, features in per_tile.items():
            tiles[tile].append({"name": layer.name, "features": features})
    options = {"y_coord_down": True, "extents": EXTENT, "check_winding_order": False}
    for (x, y), content in sorted(tiles.items()):
        data = mapbox_vector_tile.encode(content, default_options=options)
        yield x, y, gzip.compress(data, compresslevel=6, mtime=0)


def _pieces(
    layer: Layer, zoom: int, bounds: tuple[int, int, int, int]
) -> Iterator[tuple[tuple[int, int], shapely.Geometry, int]]:
    """(tile, geometry in its units, feature index) of one layer: scaled, simplified, cut, cleaned, in bulk."""
    chosen = np.flatnonzero(layer.min_zoom <= zoom)
    world = float(EXTENT << zoom)
    shapes = shapely.transform(layer.geometries[chosen], lambda points: points * world)
    shapes, chosen = _simplify(shapes, chosen, zoom)
    tile_of, feature_of = _spread(shapely.bounds(shapes), bounds)
    if not len(feature_of):
        return
    pieces = _clip(shapes, tile_of, feature_of)
    origin = tile_of * float(EXTENT)
    pieces, at = _clean(pieces)
    origin, tile_of, owner = origin[at], tile_of[at], chosen[feature_of[at]]
    points, row = shapely.get_coordinates(pieces, return_index=True)
    pieces = shapely.set_coordinates(pieces, np.rint(points - origin[row]))
    # y runs down: counter-clockwise numbers are the clockwise rings on screen that the format wants
    pieces = shapely.orient_polygons(pieces)
    for geometry, (x, y), index in zip(pieces, tile_of.tolist(), owner.tolist(), strict=True):
        yield (x, y), geometry, index


def _simplify(shapes: Geometries, index: NDArray[np.int64], zoom: int) -> tuple[Geometries, NDArray[np.int64]]:
    last = zoom >= MAX_ZOOM
    if not last:
        big = (shapely.get_dimensions(shapes) < 2) | (shapely.area(shapes) >= MIN_AREA)
        shapes, index = shapes[big], index[big]
    shapes = shapely.simplify(shapes, 1.0 if last else SIMPLIFY, preserve_topology=False)
    shapes = np.where(shapely.is_valid(shapes), shapes, shapely.make_valid(shapes))
    full = ~shapely.is_empty(shapes)
    return shapes[full], index[full]


def _spread(boxes: Floats, bounds: tuple[int, int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every (tile, feature) pair whose boxes meet, tiles limited to the map: arrays of (x, y) and of indices."""
    if not len(boxes):
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int64)
    x0, x1, y0, y1 = bounds
    low = np.floor((boxes[:, :2] - BUFFER) / EXTENT).astype(np.int64)
    high = np.floor((boxes[:, 2:] + BUFFER) / EXTENT).astype(np.int64)
    low, high = np.maximum(low, (x0, y0)), np.minimum(high, (x1, y1))
    wide, tall = np.maximum(high - low + 1, 0).T
    count = wide * tall
    if count.sum() > MAX_PIECES:
        raise MapError("too many large shapes for one map: give a smaller bbox")
    feature = np.repeat(np.arange(len(boxes)), count)
    place = np.arange(len(feature)) - np.repeat(np.cumsum(count) - count, count)
    tile = low[feature] + np.stack([place % wide[feature], place // wide[feature]], axis=1)
    return tile, feature


def _clip(shapes: Geometries, tile: NDArray[np.int64], feature: NDArray[np.int64]) -> Geometries:
    """The part of each feature within its tile and buffer; those wholly inside are taken as they are."""
    pieces = shapes[feature]
    low, high = tile * float(EXTENT) - BUFFER, (tile + 1) * float(EXTENT) + BUFFER
    box = shapely.bounds(pieces)
    crossing = np.flatnonzero((box[:, :2] < low).any(axis=1) | (box[:, 2:] > high).any(axis=1))
    order = crossing[np.lexsort((tile[crossing, 1], tile[crossing, 0]))]
    starts = np.flatnonzero(np.any(np.diff(tile[order], axis=0), axis=1)) + 1
    for group in np.split(order, starts):
        if len(group):
            pieces[group] = shapely.clip_by_rect(pieces[group], *low[group[0]], *high[group[0]])
    return pieces


_KINDS_OF_DIMENSION = ((0, 4), (1, 5), (3, 6))  # GEOS type numbers: points, lines, polygons, each single and multiple


def _clean(pieces: Geometries) -> tuple[Geometries, NDArray[np.int64]]:
    """Only whole points, lines and polygons, and where each stood; what clipping left in mixed bags is taken apart."""
    mixed = shapely.get_type_id(pieces) == 7
    at = np.arange(len(pieces))
    if mixed.any():
        parts, owner = shapely.get_parts(pieces[mixed], return_index=True)
        surfaces = np.isin(shapely.get_type_id(parts), _KINDS_OF_DIMENSION[2])
        pieces = np.concatenate([pieces[~mixed], parts[surfaces]])
        at = np.concatenate([at[~mixed], at[mixed][owner[surfaces]]])
    kept = ~shapely.is_empty(pieces) & np.isin(shapely.get_type_id(pieces), sum(_KINDS_OF_DIMENSION, ()))
    return pieces[kept], at[kept]
