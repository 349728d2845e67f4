"""A face alone, in the place where a network was trained to see it: 112×112 px, by the similarity (turn, scale, shift) that
brings its five points nearest to fixed ones (S. Umeyama, IEEE PAMI 1991; ArcFace's places, as in OpenCV's FaceRecognizerSF).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from egide.border.face.engine import Face, Image
from egide.kernel.errors import BadInput, Text

EDGE = 112  # px, of the aligned face
PLACES = np.array(  # px: where eyes, nose and corners of the mouth come to lie
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)), dtype=np.float64
)  # fmt: skip


def align(image: Image, face: Face) -> Image:
    """The face alone, 112×112×3 RGB, eyes level. Raises `BadInput` where the five points are no face."""
    return np.asarray(
        cv2.warpAffine(image, _similarity(face.landmarks.astype(np.float64)), (EDGE, EDGE)), dtype=np.uint8
    )


def _similarity(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 2×3 matrix of turn, scale and shift that brings the points nearest to `PLACES`.

    Least squares in the plane with complex numbers: to = a·from + b gives Umeyama's answer without a mirrored one.
    """
    given = points[:, 0] + 1j * points[:, 1]
    wanted = PLACES[:, 0] + 1j * PLACES[:, 1]
    spread = given - given.mean()
    size = float(np.vdot(spread, spread).real)
    if not np.isfinite(size) or size < 1.0:  # px²: five points in one place
        raise not_a_face()
    turn = np.vdot(spread, wanted - wanted.mean()) / size
    shift = wanted.mean() - turn * given.mean()
    return np.array(((turn.real, -turn.imag, shift.real), (turn.imag, turn.real, shift.imag)))


def not_a_face() -> BadInput:
    """What is said where something that should be a face cannot be measured."""
    return BadInput(Text("Le visage n’a pas pu être mesuré.", "The face could not be measured."))
