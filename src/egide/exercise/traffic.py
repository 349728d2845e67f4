"""Anonymous vehicles that drive about the town: boxes with a windscreen, nobody in them.

What: routes along the town's streets, fixed by a seed; where each vehicle is at a time; sprites painted into the ground's
texels just before a picture is taken and taken away again just after.
Why: a still town does not look live, and a moving thing shows whether the picture is frozen. Painting on the ground gets
the perspective for nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from egide.exercise.ground import Ground
from egide.exercise.raster import Colour, fill_mask, yuv
from egide.exercise.town import DRIVEABLE, Town

ROUTE = 700.0
"""Metres driven before turning round."""
LANE = 2.2
"""Metres to the right of the middle of the street."""
HEADINGS = 64
"""Sprites per vehicle, one every 5.6 degrees."""
SIZES = ((4.4, 1.9), (5.6, 2.1), (12.0, 2.6))
"""Length and width in metres: car, van, bus."""
PAINTS: tuple[Colour, ...] = (
    (214, 214, 210), (52, 54, 58), (150, 154, 158), (88, 42, 40), (44, 62, 92), (196, 190, 176), (108, 112, 110),
)  # fmt: skip
GLASS, SHADE = 48, 60

Floats = NDArray[np.float64]


class _Sprite(NamedTuple):
    """Texels of one heading: 0 nothing, 1 shadow, 2 body, 3 glass; square, even side."""

    map: NDArray[np.uint8]
    drawn: NDArray[np.bool_]
    coloured: NDArray[np.bool_]


class Traffic:
    """``number`` vehicles on the streets of a town, in the texels of its ground; empty where no street can be driven."""

    def __init__(self, town: Town, ground: Ground, number: int = 130, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        self._ground = ground
        routes = _routes(town, ground, number, rng)
        self._points = np.concatenate(routes) if routes else np.zeros((0, 2))
        self._start = np.cumsum([0, *(len(route) for route in routes)])[:-1].astype(np.int64)
        self._size = np.array([len(route) for route in routes], dtype=np.int64)
        self._speed = rng.uniform(6.0, 10.5, len(routes)) / ground.resolution
        self._phase = rng.uniform(0, 1, len(routes)) * self._size
        self._kind = rng.choice(len(SIZES), len(routes), p=(0.78, 0.17, 0.05))
        self._paint = rng.integers(0, len(PAINTS), len(routes))
        self._sprites = [[_sprite(size, ground.resolution, h) for h in range(HEADINGS)] for size in SIZES]
        colours = [yuv(paint) for paint in PAINTS]
        self._luma = np.array([[0, SHADE, y, GLASS] for y, _, _ in colours], dtype=np.uint8)
        self._chroma = [u | v << 8 for _, u, v in colours]

    def __len__(self) -> int:
        return len(self._size)

    def places(self, t: float) -> tuple[Floats, NDArray[np.int64]]:
        """(n, 2) column and row of every vehicle at ``t`` seconds, and the number of its heading's sprite."""
        if not len(self):
            return np.zeros((0, 2)), np.zeros(0, np.int64)
        s = (self._phase + t * self._speed / _STEP) % self._size
        i = s.astype(np.int64)
        here, there = self._points[self._start + i], self._points[self._start + (i + 1) % self._size]
        ahead = there - here
        heading = np.arctan2(ahead[:, 0], -ahead[:, 1]) / (2 * math.pi) * HEADINGS
        return here + ahead * (s - i)[:, None], np.rint(heading).astype(np.int64) % HEADINGS

    @contextmanager
    def painted(self, t: float, left: float, top: float, right: float, bottom: float) -> Iterator[None]:
        """Within: the ground carries the vehicles of time ``t`` that lie in a window of texels."""
        luma, chroma = self._ground.luma, self._ground.chroma
        rows, columns = luma.shape
        places, headings = self.places(t)
        seen = (places > (left, top)).all(axis=1) & (places < (right, bottom)).all(axis=1)
        saved = []
        for n in np.nonzero(seen)[0]:
            sprite = self._sprites[self._kind[n]][headings[n]]
            side = len(sprite.map)
            x, y = (int(c) // 2 * 2 - side // 2 for c in places[n])
            if x < 0 or y < 0 or x + side > columns or y + side > rows:
                continue
            patch = luma[y : y + side, x : x + side]
            tint = chroma[y // 2 : (y + side) // 2, x // 2 : (x + side) // 2]
            saved.append((patch, patch.copy(), tint, tint.copy()))
            np.copyto(patch, self._luma[self._paint[n]][sprite.map], where=sprite.drawn)
            tint[sprite.coloured] = self._chroma[self._paint[n]]
        try:
            yield
        finally:
            for patch, before, tint, tint_before in reversed(saved):
                patch[:] = before
                tint[:] = tint_before


_STEP = 6.0
"""Texels between two points of a route."""


def _routes(town: Town, ground: Ground, number: int, rng: np.random.Generator) -> list[Floats]:
    """Closed routes (n, 2) in texels: out along the streets, back on the other side."""
    links: dict[int, list[tuple[int, Floats]]] = defaultdict(list)
    for street in town.streets:
        if street.kind in DRIVEABLE and len(street.nodes) == len(street.line):
            column, row = ground.texel(street.line[:, 1], street.line[:, 0])
            points = np.column_stack([column, row])
            for i, (a, b) in enumerate(zip(street.nodes[:-1], street.nodes[1:], strict=True)):
                links[a].append((b, points[i : i + 2]))
                links[b].append((a, points[i : i + 2][::-1]))
    starts = sorted(node for node, out in links.items() if len(out) > 1)
    routes: list[Floats] = []
    for _ in range(4 * number if starts else 0):  # a start too near a dead end gives no route
        if len(routes) == number:
            break
        node, last, length = starts[int(rng.integers(len(starts)))], -1, 0.0
        line: list[Floats] = []
        while length < ROUTE / ground.resolution:
            out = [link for link in links[node] if link[0] != last]
            if not out:
                break
            last, (node, piece) = node, _straightest(out, line, rng)
            line.extend(piece if not line else piece[1:])
            length += float(np.hypot(*(piece[1] - piece[0])))
        if length > 100 / ground.resolution:
            routes.append(_both_ways(np.array(line), ground.resolution))
    return routes


def _straightest(out: list[tuple[int, Floats]], line: list[Floats], rng: np.random.Generator) -> tuple[int, Floats]:
    """Mostly straight on; one time in four, whichever way."""
    if len(line) < 2 or len(out) == 1 or rng.random() < 0.25:
        return out[int(rng.integers(len(out)))]
    ahead = line[-1] - line[-2]

    def turn(link: tuple[int, Floats]) -> float:
        d = link[1][1] - link[1][0]
        return float(ahead @ d) / max(float(np.hypot(*d)), 1e-9)

    return max(out, key=turn)


def _both_ways(line: Floats, resolution: float) -> Floats:
    """The line driven on its right, turned round, and driven back; evenly set and softened at the corners."""
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(0.0, s[-1], _STEP)
    path = np.column_stack([np.interp(at, s, line[:, axis]) for axis in (0, 1)])
    ring = np.concatenate([path, path[::-1]])
    soft = np.mean([np.roll(ring, k, axis=0) for k in range(-3, 4)], axis=0)
    ahead = np.roll(soft, -2, axis=0) - np.roll(soft, 2, axis=0)
    right = np.column_stack([-ahead[:, 1], ahead[:, 0]]) / np.maximum(np.hypot(*ahead.T), 1e-6)[:, None]
    shifted = soft + right * (LANE / resolution)
    even: Floats = np.mean([np.roll(shifted, k, axis=0) for k in (-1, 0, 1)], axis=0)
    return even


def _sprite(size: tuple[float, float], resolution: float, heading: int) -> _Sprite:
    length, width = (x / resolution for x in size)
    angle = heading / HEADINGS * 2 * math.pi
    ahead, right = np.array([math.sin(angle), -math.cos(angle)]), np.array([math.cos(angle), math.sin(angle)])
    side = math.ceil((length + 8) / 4) * 4

    def block(front: float, back: float, half: float, shift: tuple[float, float] = (0, 0)) -> NDArray[np.bool_]:
        corners = [ahead * f + right * r for f, r in ((front, -half), (front, half), (back, half), (back, -half))]
        ring = np.array([*corners, corners[0]]) + side / 2 + np.array(shift)
        return fill_mask([ring], 0, 0, side, side)

    texels = np.zeros((side, side), np.uint8)
    texels[block(length / 2, -length / 2, width / 2, (2.5, -3.5))] = 1
    texels[block(length / 2, -length / 2, width / 2)] = 2
    texels[block(length * 0.28, length * 0.14, width * 0.42)] = 3
    texels[block(-length * 0.34, -length * 0.42, width * 0.4)] = 3
    return _Sprite(texels, texels > 0, texels[::2, ::2] >= 2)
