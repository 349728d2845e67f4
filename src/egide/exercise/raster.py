"""Filling shapes with texels: polygons, strokes, shadows, grain.

Why own: no drawing library is otherwise needed, and the planes are YUV 4:2:0 from the first stroke.
Source: even-odd polygon fill by edge toggles and a prefix sum (the parity rule of PostScript and SVG); ITU-R BT.601 for
the colours, limited range.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import LineString, MultiPolygon, Polygon

from egide.exercise.ground import RESOLUTION, Bytes, Floats, Ground

SUN = (0.55, 0.83)
"""Where shadows point (east, north): an afternoon in the north, the sun in the south-west; unit length."""
_NOISE = 1024
"""Texels after which the grain repeats."""

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]
Window = tuple[int, int, int, int]
"""Left, top, width, height in texels."""

_LEVELS = np.arange(256)
_IN_SHADE = np.maximum(_LEVELS * 0.62 + 8, 34).astype(np.uint8)
_GREYER = (128 + (_LEVELS - 128) * 0.65).astype(np.uint16)
"""Luma and chroma of a lit texel to those of the same texel in shade."""


def beside(line: Floats, by: float) -> Floats:
    """The line moved sideways by ``by`` texels (each vertex along the mean normal of its neighbours)."""
    ahead = np.gradient(line, axis=0)
    length = np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)
    beside: Floats = line + by * np.column_stack([-ahead[:, 1], ahead[:, 0]]) / length[:, None]
    return beside


def yuv(colour: Colour) -> tuple[int, int, int]:
    """BT.601 limited range."""
    r, g, b = colour
    return (
        round(16 + 0.257 * r + 0.504 * g + 0.098 * b),
        round(128 - 0.148 * r - 0.291 * g + 0.439 * b),
        round(128 + 0.439 * r - 0.368 * g - 0.071 * b),
    )


def fill_mask(rings: list[Floats], left: int, top: int, width: int, height: int) -> Mask:
    """Which texel centres of a window lie inside closed rings of (column, row), by the even-odd rule.

    Every edge toggles, on each row it crosses, the first texel at its right; the parity of the prefix sum is the fill.
    """
    toggles = np.zeros((height, width + 1), np.uint8)
    for ring in rings:
        x0, y0 = ring[:-1, 0] - left, ring[:-1, 1] - top
        x1, y1 = ring[1:, 0] - left, ring[1:, 1] - top
        first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.int64)
        last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.int64)
        count = last - first
        total = int(count.sum())
        if not total:
            continue
        edge = np.repeat(np.arange(len(count)), count)
        row = np.arange(total) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        x = x0[edge] + (row + 0.5 - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
        np.add.at(toggles, (row, column), 1)
    # Eight bits suffice: only the parity of the sum counts, and 256 is even.
    inside: Mask = (np.add.accumulate(toggles[:, :-1], axis=1, dtype=np.uint8) & 1).view(np.bool_)
    return inside


class Brush:
    """Paints into one Ground, in texel coordinates (column, row)."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.rng = np.random.default_rng(20240726)
        self.height, self.width = ground.luma.shape
        self.noise: Bytes = np.tile(self.rng.integers(0, 256, (_NOISE, _NOISE), dtype=np.uint8), (2, 2))

    def texels(self, lonlat: ArrayLike) -> Floats:
        """(n, 2) lon/lat to (n, 2) column and row."""
        points = np.asarray(lonlat, dtype=float)
        column, row = self.ground.texel(points[:, 1], points[:, 0])
        return np.column_stack([column, row])

    def rings(self, shape: Polygon) -> list[Floats]:
        """The outline and the holes of a lon/lat polygon, in texels."""
        return [self.texels(ring.coords) for ring in (shape.exterior, *shape.interiors)]

    def bare(self, colour: Colour) -> None:
        """Unmapped ground: one colour and its grain."""
        y, u, v = yuv(colour)
        for top in range(0, self.height, _NOISE):
            band = self.ground.luma[top : top + _NOISE]
            for left in range(0, self.width, _NOISE):
                part = band[:, left : left + _NOISE]
                rows, columns = part.shape
                np.right_shift(self.speckle(left, top, columns, rows), 5, out=part)
            band += np.uint8(y - 4)
        self.ground.chroma[:] = u | v << 8

    def finish(self) -> None:
        """Soften the edges (a 3 × 3 binomial filter) and lay broad, faint stains over all, so that nothing is flat."""
        raw = self.rng.normal(0, 3.0, (self.height // 64 + 3, self.width // 64 + 3)).astype(np.float32)
        cells = (raw + np.roll(raw, 1, 0) + np.roll(raw, 1, 1) + np.roll(raw, (1, 1), (0, 1))) / 2
        column = np.arange(self.width) / np.float32(64)
        left, part = column.astype(np.int64), column % 1
        lines = (cells[:, left] * (1 - part) + cells[:, left + 1] * part).astype(np.float32)
        luma = self.ground.luma
        previous = luma[:1].astype(np.uint16)
        for top in range(0, self.height, 64):
            band = luma[top : top + 64].astype(np.uint16)
            below = luma[top + 64 : top + 65].astype(np.uint16)
            stack = np.concatenate([previous, band, below if len(below) else band[-1:]])
            previous = band[-1:].copy()
            tall = stack[:-2] + 2 * stack[1:-1] + stack[2:]
            wide = 2 * tall
            wide[:, 1:] += tall[:, :-1]
            wide[:, :-1] += tall[:, 1:]
            wide[:, 0] += tall[:, 0]
            wide[:, -1] += tall[:, -1]
            down = (np.arange(len(band), dtype=np.float32) / 64)[:, None]
            stain = lines[top // 64] * (1 - down) + lines[top // 64 + 1] * down
            luma[top : top + 64] = np.clip((wide >> 4) + stain.astype(np.float32), 18, 232)

    def speckle(self, left: int, top: int, width: int, height: int) -> Bytes:
        """The grain of a window, the same for every brush stroke over the same place."""
        x, y = left % _NOISE, top % _NOISE
        if width <= _NOISE and height <= _NOISE:
            return self.noise[y : y + height, x : x + width]
        rows, columns = np.arange(y, y + height) % _NOISE, np.arange(x, x + width) % _NOISE
        return self.noise[rows[:, None], columns]

    def window(self, rings: list[Floats], pad: float = 1.0) -> Window:
        """(left, top, width, height) on even texels of what the rings cover, cut by the edges; width 0 if nothing."""
        points = np.concatenate(rings)
        low, high = points.min(axis=0) - pad, points.max(axis=0) + pad
        left, top = (max(int(x) // 2 * 2, 0) for x in low)
        right, bottom = min(math.ceil(high[0] / 2) * 2, self.width), min(math.ceil(high[1] / 2) * 2, self.height)
        return (left, top, right - left, bottom - top) if right > left and bottom > top else (0, 0, 0, 0)

    def fill(self, rings: list[Floats], colour: Colour, grain: int = 6) -> None:
        """Paint what lies inside closed rings (even-odd)."""
        left, top, width, height = window = self.window(rings)
        if width:
            self.put(fill_mask(rings, left, top, width, height), window, colour, grain)

    def put(self, mask: Mask, window: Window, colour: Colour, grain: int) -> None:
        """One colour through a mask, with ``grain`` levels of noise."""
        left, top, width, height = window
        y, u, v = yuv(colour)
        noise = self.speckle(left, top, width, height)
        paint = (y - grain // 2 + (noise.astype(np.uint16) * grain >> 8)).astype(np.uint8)
        np.copyto(self.ground.luma[top : top + height, left : left + width], paint, where=mask)
        chroma = self.ground.chroma[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
        chroma[mask[::2, ::2]] = u | v << 8

    def stroke(self, line: Floats, width: float, colour: Colour) -> None:
        """A line of a width in metres, with round joints; cut into pieces so that the windows stay small."""
        half = max(width / RESOLUTION / 2, 0.5)
        for shape in shapely.buffer([LineString(piece) for piece in _pieces(line, 240)], half, quad_segs=4):
            for part in shape.geoms if isinstance(shape, MultiPolygon) else (shape,):
                self.fill([shapely.get_coordinates(ring) for ring in (part.exterior, *part.interiors)], colour)

    def dashes(self, line: Floats, colour: Colour) -> None:
        """A broken centre line: 3 m drawn, 6 m left out."""
        path = LineString(line)
        starts = np.arange(4.0, path.length * RESOLUTION - 7, 9.0) / RESOLUTION
        ends = shapely.get_coordinates(
            shapely.line_interpolate_point(path, np.column_stack([starts, starts + 3 / RESOLUTION]).ravel())
        ).reshape(-1, 2, 2)
        for a, b in ends:
            across = (b - a)[::-1] * (-0.6, 0.6) / max(float(np.hypot(*(b - a))), 1e-9)
            self.fill([np.array([a - across, b - across, b + across, a + across, a - across])], colour)

    def shadow(self, rings: list[Floats], length: float) -> None:
        """Darken what a building of that shadow (metres) hides from the sun: its outline swept along the sun's way."""
        reach = length / RESOLUTION
        left, top, width, height = self.window(rings, reach + 2)
        if not width:
            return
        mask = fill_mask(rings, left, top, width, height)
        swept = mask.copy()
        done = 0
        while done < reach:  # Each pass doubles the distance already swept.
            step = min(max(done, 2), reach - done)
            dx, dy = round(SUN[0] * step), round(SUN[1] * step)
            swept[: height - dy, dx:] |= swept[dy:, : width - dx]
            done += math.ceil(step)
        lit = self.ground.luma[top : top + height, left : left + width]
        swept &= ~mask
        np.copyto(lit, _IN_SHADE[lit], where=swept)
        chroma = self.ground.chroma[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
        half = swept[::2, ::2]
        pair = chroma[half]
        chroma[half] = _GREYER[pair & 255] | _GREYER[pair >> 8] << 8

    def edges(self, mask: Mask, window: Window, texels: int, light: int, dark: int) -> None:
        """Brighten the rim that faces the sun, darken the other."""
        left, top, width, height = window
        luma = self.ground.luma[top : top + height, left : left + width]
        away = np.zeros_like(mask)
        away[texels:, :-texels] = mask[:-texels, texels:]
        towards = np.zeros_like(mask)
        towards[:-texels, texels:] = mask[texels:, :-texels]
        for rim, change in ((mask & ~towards, light), (mask & ~away, dark)):
            luma[rim] = np.clip(luma[rim].astype(np.int16) + change, 16, 235).astype(np.uint8)


def _pieces(line: Floats, texels: float) -> list[Floats]:
    """The line in parts of at most about ``texels`` each, sharing their ends."""
    path = LineString(line)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    parts = max(math.ceil(path.length / texels), 1)
    cuts = np.linspace(0, along[-1], parts + 1)
    every = np.union1d(along, cuts)
    points = np.column_stack([np.interp(every, along, line[:, axis]) for axis in (0, 1)])
    at = np.searchsorted(every, cuts)
    return [points[i : j + 1] for i, j in pairwise(at)]


def shade(colour: Colour, by: int) -> Colour:
    """A colour made lighter or darker by so many levels."""
    r, g, b = (min(max(x + by, 0), 255) for x in colour)
    return r, g, b
