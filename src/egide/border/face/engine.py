"""What finds and compares faces, behind two protocols: another maker's engine takes the place of ours by one line of settings.

A deployment that needs the accuracy of the leaders of NIST's FRTE installs its maker's package, which announces itself under the
entry point group `egide.border.face`, and names it in the settings. Ours (`sface`) is found the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from egide.kernel.errors import StartupError, Text

Image = NDArray[np.uint8]  # height × width × 3, RGB in this order
Embedding = NDArray[np.float32]  # (128,), of length 1
Point = tuple[float, float]  # x, y (px), from the top left

SIZE = 128  # numbers in an embedding
GROUP = "egide.border.face"
SFACE = "sface-2021dec"  # the model of our own engine
BUILT_IN = (EntryPoint("sface", "egide.border.face.sface:build", GROUP),)


class Face(msgspec.Struct, frozen=True):
    """A face in an image. Right and left are the person's own: the right eye is on the left of the image."""

    box: tuple[float, float, float, float]  # x, y, width, height (px)
    right_eye: Point
    left_eye: Point
    nose: Point
    right_mouth: Point  # corners
    left_mouth: Point
    score: float  # the detector's, 0 to 1

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """The five points, 5×2 (px), in the order of the fields."""
        return np.array(
            (self.right_eye, self.left_eye, self.nose, self.right_mouth, self.left_mouth), dtype=np.float32
        )  # fmt: skip


class Detector(Protocol):
    """Finds faces."""

    def detect(self, image: Image) -> list[Face]:
        """The faces in it, the largest first; an empty list where there is none."""


class Matcher(Protocol):
    """Makes of one face the numbers that are compared by their cosine."""

    def embed(self, image: Image, face: Face) -> Embedding:
        """128 numbers of length 1. The caller overwrites them (`wipe`) when they have served."""


class Engine(msgspec.Struct, frozen=True):
    """A detector and a matcher. `model` goes with every template: two models' numbers do not compare."""

    model: str
    detector: Detector
    matcher: Matcher


Factory = Callable[[int], Engine]  # from the number of threads


def engine(name: str = "sface", *, threads: int = 1) -> Engine:
    """The engine of this name; loading ours takes about 0.6 s. One thread each: a gate has one core, a server many gates.

    Raises `StartupError` where no installed package offers it.
    """
    found = {each.name: each for each in (*entry_points(group=GROUP), *BUILT_IN)}  # ours cannot be displaced
    if name not in found:
        raise StartupError(
            Text(f"Aucun paquet installé n’offre le moteur de visage « {name} ».", f"No installed package offers the face engine “{name}”."),
            Text(f"Moteurs installés : {', '.join(sorted(found))}.", f"Installed engines: {', '.join(sorted(found))}."),
        )  # fmt: skip
    factory: Factory = found[name].load()
    return factory(threads)
