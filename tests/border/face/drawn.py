"""Faces that nobody has: drawn, good enough for a detector, in colour so that red and blue cannot be swapped unseen."""

from __future__ import annotations

import numpy as np

from egide.border.face.engine import Face, Image


def portrait(seed: int = 0, *, scale: float = 1.0, width: int = 320, height: int = 320, at: float = 0.5) -> Image:
    """A face from the front (RGB) in a picture; `at`: where across. Seeds are people."""
    draw = np.random.default_rng(seed)
    skin = np.array((205, 150, 120)) * draw.uniform(0.55, 1.1)
    shade, hair = skin * 0.75, np.array((50, 35, 25)) * draw.uniform(0.3, 3.0)
    eyes, mouth, wide = draw.uniform(21, 28), draw.uniform(40, 52), draw.uniform(52, 66)
    canvas = np.full((height, width, 3), (150, 165, 180), dtype=np.float32)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)

    def blob(x: float, y: float, a: float, b: float, colour: object, soft: float = 0.08) -> None:
        inside = ((xs - width * at - x * scale) / (a * scale)) ** 2 + ((ys - height / 2 - y * scale) / (b * scale)) ** 2
        share = 1 / (1 + np.exp(np.minimum((inside - 1) / soft, 50)))
        canvas[:] = canvas * (1 - share[..., None]) + np.asarray(colour, dtype=np.float32) * share[..., None]

    blob(0, -30, wide + 12, 80, hair)
    blob(0, 110, 35, 45, shade)
    blob(0, 0, wide, 80, skin)
    for side in (-1, 1):
        blob(side * eyes, -18, 15, 9, shade)
        blob(side * eyes, -17, 11, 5.5, (240, 240, 240))
        blob(side * eyes, -17, 5, 5, (60, 40, 30))
        blob(side * eyes, -34, 15, draw.uniform(2, 5), hair)
        blob(side * 7, 22, 4, 3, shade * 0.6)
    blob(0, 8, draw.uniform(6, 12), 22, np.minimum(skin * 1.08, 255), 0.3)
    blob(0, mouth, draw.uniform(16, 26), 6, (170, 70, 70))
    blob(0, mouth, 18, 1.2, (90, 30, 30))
    canvas += draw.normal(0, 3, canvas.shape)  # a camera's noise: no picture is as smooth as a drawing
    return np.clip(canvas, 0, 255).astype(np.uint8)


# mm, eyes at depth 0, the tip of the nose before them: a head of which one knows how it is turned.
HEAD = np.array(((-31, -27, 0), (31, -27, 0), (0, 8.3, -27.9), (-26, 44.5, 0), (26, 44.5, 0)), dtype=float)


def landmarks(
    yaw: float = 0, pitch: float = 0, roll: float = 0, size: float = 1.0, centre: tuple[float, float] = (320, 240)
) -> Face:
    """The face of a head that is turned (degrees; yaw to its left, pitch up), 0.7 m away; its eyes 62 px × size apart."""
    a, b, c = np.radians((yaw, pitch, roll))
    about_y = np.array(((np.cos(a), 0, -np.sin(a)), (0, 1, 0), (np.sin(a), 0, np.cos(a))))
    about_x = np.array(((1, 0, 0), (0, np.cos(b), np.sin(b)), (0, -np.sin(b), np.cos(b))))
    about_z = np.array(((np.cos(c), -np.sin(c), 0), (np.sin(c), np.cos(c), 0), (0, 0, 1)))
    turned = HEAD @ (about_z @ about_x @ about_y).T
    points = turned[:, :2] * (700 / (700 + turned[:, 2:])) * size + centre
    return at(points)


def at(points: np.ndarray) -> Face:
    """A face with these five points (px)."""
    low, high = points.min(axis=0), points.max(axis=0)
    wide, tall = high - low
    pairs = [(float(x), float(y)) for x, y in points]
    box = (float(low[0] - wide / 2), float(low[1] - tall / 2), float(wide * 2), float(tall * 2))
    return Face(box, *pairs, score=0.9)
