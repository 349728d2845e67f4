"""The sea, from pieces of coastline.

What: ``sea`` gives the polygons of water inside a box.
Why: OpenStreetMap draws the coast as lines with the land on their left; an extract cuts them anywhere, and a port's map
without its sea misleads.
"""

from __future__ import annotations

import numpy as np
import shapely

from .osm import Box, Geometries

AGREEMENT = 0.8
"""Share of the coast segments around a piece that must call it sea; below, the piece is left as land."""


def sea(lines: Geometries, box: Box) -> Geometries:
    """Sea polygons within ``box`` (degrees) from coastline ways (directed, water on the right); empty without coast."""
    lines = lines[shapely.intersects(lines, shapely.box(*box))]
    if not len(lines):
        return lines
    frame = shapely.box(*box)
    inside = shapely.get_parts(shapely.clip_by_rect(lines, *box))  # keeps the direction of lines
    merged = shapely.line_merge(shapely.union_all(inside))
    edges = [frame.exterior, merged, *_to_the_edge(merged, box)]
    pieces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.union_all(edges))))
    water, land = _votes(pieces, inside)
    chosen = (water > 0) & (water >= AGREEMENT * (water + land))
    kept: Geometries = pieces[chosen]
    return kept


def _to_the_edge(merged: shapely.Geometry, box: Box) -> list[shapely.LineString]:
    """Straight continuations, to the nearest edge of the box, of coastlines that the extract cut short inside it."""
    west, south, east, north = box
    slack = 1e-9 * max(1.0, east - west, north - south)
    out = []
    for line in shapely.get_parts(merged):
        if line.is_closed:
            continue
        for x, y in (line.coords[0], line.coords[-1]):
            gaps = {(west, y): x - west, (east, y): east - x, (x, south): y - south, (x, north): north - y}
            nearest = min(gaps, key=lambda point: gaps[point])
            if gaps[nearest] > slack:
                out.append(shapely.LineString([(x, y), nearest]))
    return out


def _votes(pieces: Geometries, lines: Geometries) -> tuple[np.ndarray, np.ndarray]:
    """For each piece, how many coast segments have it on their right (water) and on their left (land)."""
    points, owner = shapely.get_coordinates(lines, return_index=True)
    joined = owner[1:] == owner[:-1]
    start, end = points[:-1][joined], points[1:][joined]
    step = end - start
    length = np.hypot(step[:, 0], step[:, 1])
    keep = length > 0
    start, end, step, length = start[keep], end[keep], step[keep], length[keep]
    # a small step aside: far below the size of a quay, far above rounding
    aside = np.stack([step[:, 1], -step[:, 0]], axis=1) / length[:, None] * (np.minimum(length * 0.1, 1e-6))[:, None]
    middle = (start + end) / 2
    tree = shapely.STRtree(pieces)
    counts = []
    for side in (middle + aside, middle - aside):
        _, hit = tree.query(shapely.points(side), predicate="within")
        counts.append(np.bincount(hit, minlength=len(pieces)))
    return counts[0], counts[1]
