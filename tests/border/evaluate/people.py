"""A set of people whose pictures are a few grey pixels, and an engine that reads who they are out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from egide.border.face.engine import Engine, Face

FACE = Face((1, 1, 4, 4), (2, 2), (4, 2), (3, 3), (2, 4), (4, 4), score=0.9)
NOBODY = 255


class Reading:
    """The first pixel says who, the second which picture; `NOBODY` is a picture without a face."""

    def __init__(self, noise: float = 0.06) -> None:
        self.noise = noise

    def detect(self, image: np.ndarray) -> list[Face]:
        return [] if image[0, 0, 0] == NOBODY else [FACE] * (2 if image[0, 2, 0] else 1)

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        person = np.random.default_rng(int(image[0, 0, 0])).normal(size=128)
        moment = np.random.default_rng(1000 * int(image[0, 0, 0]) + int(image[0, 1, 0])).normal(size=128)
        made = person / np.linalg.norm(person) + self.noise * moment
        return (made / np.linalg.norm(made)).astype(np.float32)


def reading(noise: float = 0.06) -> Engine:
    return Engine("reading", Reading(noise), Reading(noise))


def picture(path: Path, person: int, which: int, *, several: bool = False) -> None:
    pixels = np.zeros((6, 6, 3), dtype=np.uint8)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = person, which, 9 * several
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels).save(path)


def people(folder: Path, count: int, pictures: int = 5) -> Path:
    for person in range(count):
        for which in range(pictures):
            picture(folder / f"person {person:03}" / f"{which}.png", person, which)
    return folder
