"""Painting the town: which colours, in which order; and the cache of the result.

The ground is the same at every start, so it is painted once per extract and kept as two .npy files.
"""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiPolygon, Polygon

from egide.exercise.ground import RESOLUTION, Bytes, Floats, Ground, blank_ground
from egide.exercise.raster import SUN, Brush, Colour, beside, fill_mask, shade
from egide.exercise.town import DRIVEABLE, Town, load_town, town_file

VERSION = 2
"""Part of the cache's name: raise it when the painting changes."""
SHADOW_PER_METRE = 0.75
"""Metres of shadow per metre of height (sun at 53°), capped at MAX_SHADOW so that streets stay readable."""
MAX_SHADOW = 14.0

BARE: Colour = (150, 146, 138)
COLOURS: dict[str, Colour] = {
    "green": (104, 124, 78), "wooded": (82, 103, 64), "water": (62, 84, 96), "paved": (128, 127, 125),
    "square": (168, 160, 148), "pitch": (122, 138, 96),
    "asphalt": (104, 105, 108), "kerb": (172, 169, 162), "path": (163, 155, 141), "ballast": (120, 110, 101),
    "rail": (84, 80, 78), "marking": (206, 206, 200), "tree": (70, 92, 54), "tree_light": (94, 116, 70),
}  # fmt: skip
ROOFS: tuple[Colour, ...] = (
    (134, 132, 130), (150, 148, 143), (121, 122, 125), (140, 102, 88), (148, 112, 96), (168, 164, 157),
    (112, 108, 105), (139, 131, 119), (108, 127, 119), (126, 98, 88), (176, 172, 164), (118, 114, 116), (128, 130, 134),
)  # fmt: skip
"""Sheet metal, felt, tile and copper, muted as from the air."""


def cached_ground(cache: Path, path: Path | None = None) -> tuple[Ground, Town]:
    """The town and its painted ground, from ``cache`` (made if absent) when the same extract was painted before.

    TownError when there is no town; OSError when the cache cannot be written.
    """
    path = path or town_file()
    town = load_town(path)
    name = f"ground-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}-{VERSION}"
    files = [cache / f"{name}-{plane}.npy" for plane in ("luma", "chroma")]
    blank = blank_ground(town)
    try:
        # Copy-on-write: the camera paints vehicles into its own pages, several processes share the others.
        luma, chroma = (np.load(file, mmap_mode="c") for file in files)
        if luma.shape == blank.luma.shape and chroma.shape == blank.chroma.shape:
            return Ground(luma.view(np.ndarray), chroma.view(np.ndarray), blank.tangent, blank.west, blank.north), town
    except (OSError, ValueError):
        pass  # Not painted yet, or a file cut short: paint again.
    ground = paint(town)
    cache.mkdir(parents=True, exist_ok=True)
    planes: tuple[Bytes | NDArray[np.uint16], ...] = (ground.luma, ground.chroma)
    for file, plane in zip(files, planes, strict=True):
        part = file.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as out:
            np.save(out, plane)
        part.replace(file)
    return ground, town


def paint(town: Town) -> Ground:
    """Paint the whole town; two to four seconds for a square kilometre or two."""
    ground = blank_ground(town)
    brush = _Painter(ground)
    brush.bare(BARE)
    by_kind: dict[str, list[Floats]] = {}
    for kind in ("green", "pitch", "wooded", "paved", "square", "water"):
        for area in town.areas:
            if area.kind == kind:
                brush.fill(brush.rings(area.shape), COLOURS[kind], grain=3 if kind == "water" else 9)
    for street in town.streets:
        by_kind.setdefault(street.kind, []).append(brush.texels(street.line))
    widths = {id(line): street.width for street, line in zip(town.streets, _in_order(town, by_kind), strict=True)}
    for kind in ("rail",):
        for line in by_kind.get(kind, []):
            brush.stroke(line, widths[id(line)] + 1.5, COLOURS["ballast"])
    for kind in ("footway", "path", "steps", "cycleway", "pedestrian"):
        for line in by_kind.get(kind, []):
            brush.stroke(line, widths[id(line)], COLOURS["path"])
    roads = [line for kind in (*DRIVEABLE, "service") for line in by_kind.get(kind, [])]
    for line in roads:
        brush.stroke(line, widths[id(line)] + 5.0, COLOURS["kerb"])
    for line in roads:
        brush.stroke(line, widths[id(line)], COLOURS["asphalt"])
    for kind in ("primary", "secondary", "tertiary"):
        for line in by_kind.get(kind, []):
            brush.dashes(line, COLOURS["marking"])
    for kind, gauge in (("tram", 1.0), ("rail", 1.5)):
        for line in by_kind.get(kind, []):
            for side in (-gauge / 2, gauge / 2):
                brush.stroke(beside(line, side / RESOLUTION), 0.25, COLOURS["rail"])
    buildings = [(brush.rings(area.shape), area) for area in town.areas if area.kind == "building"]
    for rings, area in buildings:
        brush.shadow(rings, min(area.height * SHADOW_PER_METRE, MAX_SHADOW))
    for number, (rings, area) in enumerate(buildings):
        brush.roof(rings, area.shape, number)
    brush.parked(roads, [widths[id(line)] for line in roads])
    brush.trees(town)
    brush.finish()
    return ground


def _in_order(town: Town, by_kind: dict[str, list[Floats]]) -> list[Floats]:
    queues = {kind: iter(lines) for kind, lines in by_kind.items()}
    return [next(queues[street.kind]) for street in town.streets]


class _Painter(Brush):
    """A brush that knows what a town is made of."""

    def roof(self, rings: list[Floats], shape: Polygon, number: int) -> None:
        """A roof: a colour of its own, a lit and a dark edge, a raised middle where it is large enough."""
        left, top, width, height = window = self.window(rings, 4)
        if not width:
            return
        colour = ROOFS[(number * 7 + int(shape.area * 1e12) % 5) % len(ROOFS)]
        mask = fill_mask(rings, left, top, width, height)
        self.put(mask, window, colour, 6)
        outline = Polygon(rings[0], rings[1:]).buffer(0)
        inner = outline.buffer(-3.5 / RESOLUTION, join_style="mitre")
        for part in inner.geoms if isinstance(inner, MultiPolygon) else (inner,):
            if part.area > 60 / RESOLUTION**2:
                raised = [np.asarray(part.exterior.coords), *(np.asarray(i.coords) for i in part.interiors)]
                middle = fill_mask(raised, left, top, width, height)
                change = 10 if number % 2 else -9
                self.put(middle, window, shade(colour, change), 6)
                self.edges(middle, window, 2, 10, -14)
                self.machines(part, colour)
        self.edges(mask, window, 2, 22, -26)

    def machines(self, part: Polygon, colour: Colour) -> None:
        """A few chimneys and ventilation boxes."""
        x0, y0, x1, y1 = part.bounds
        for _ in range(min(int(part.area * RESOLUTION**2 / 180) + 1, 12)):
            x, y = self.rng.uniform(x0, x1), self.rng.uniform(y0, y1)
            w, h = self.rng.uniform(4, 11, 2)
            block = shapely.box(x, y, x + w, y + h)
            if part.contains(block):
                ring = np.asarray(block.exterior.coords)
                self.fill([ring + np.array(SUN) * (5, -5)], shade(colour, -45), 3)
                self.fill([ring], shade(colour, 28), 3)

    def parked(self, lines: list[Floats], widths: list[float]) -> None:
        """Cars standing along the narrower streets, about half of the places taken."""
        for line, width in zip(lines, widths, strict=True):
            if not 5 <= width <= 9:
                continue
            path = LineString(line)
            s = np.arange(8.0, path.length * RESOLUTION - 8, 6.2) / RESOLUTION
            s = s[self.rng.random(len(s)) < 0.5]
            here, there = (shapely.get_coordinates(shapely.line_interpolate_point(path, s + d)) for d in (0.0, 1.0))
            side = (width / 2 - 1.1) / RESOLUTION * self.rng.choice((-1, 1), len(s))
            for spot, ahead, by in zip(here, there - here, side, strict=True):
                right = np.array([-ahead[1], ahead[0]])
                box = [ahead * a + right * b for a, b in ((-9, -3.6), (9, -3.6), (9, 3.6), (-9, 3.6), (-9, -3.6))]
                corners = np.array(box) + spot + right * by
                tone = int(self.rng.integers(45, 215))
                self.fill([corners + np.array((2, -3))], (58, 58, 60), 2)
                self.fill([corners], (tone, tone, min(tone + 6, 255)), 4)
                self.fill([(corners - corners[:4].mean(axis=0)) * 0.55 + corners[:4].mean(axis=0)], (50, 54, 60), 4)

    def trees(self, town: Town) -> None:
        """Crowns where trees are mapped, and scattered over wooded ground."""
        spots = [self.texels(town.trees)] if len(town.trees) else []
        for area in town.areas:
            if area.kind == "wooded":
                ring = self.texels(area.shape.exterior.coords)
                low, high = ring.min(axis=0), ring.max(axis=0)
                wood = Polygon(ring)
                number = min(int(wood.area * RESOLUTION**2 / 45) + 1, 400)  # a crown to 45 m²
                points = self.rng.uniform(low, high, (number, 2))
                inside = shapely.contains_xy(wood, points)
                spots.append(points[inside])
        for x, y in np.concatenate(spots) if spots else np.empty((0, 2)):
            radius = float(self.rng.uniform(1.8, 3.6)) / RESOLUTION
            lobes = self.rng.uniform(0.8, 1.15, 14)
            angle = np.linspace(0, 2 * math.pi, 14, endpoint=False)
            crown = np.column_stack([np.cos(angle) * lobes, np.sin(angle) * lobes]) * radius
            crown = np.concatenate([crown, crown[:1]])
            middle, lit = np.array((x, y)), np.array((x - radius / 4, y + radius / 4))
            self.shadow([crown + middle], 3.5)
            self.fill([crown + middle], COLOURS["tree"], 26)
            self.fill([crown * 0.55 + lit], COLOURS["tree_light"], 30)
