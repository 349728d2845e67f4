"""YuNet through OpenCV: faces and five landmarks (W. Wu et al., “YuNet: A Tiny Millisecond-level Face Detector”, 2023).

It is a network of the size of a stamp; OpenCV's own decoder is used, for it is the reference. Three traps: it wants BGR where
the rest of this house is RGB; it works best on a small picture, for which large ones are reduced; and when the size changes
from picture to picture OpenCV (4.14) now and then finds faces in memory that it did not fill: it gets one size, the rest black.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from egide.border.face.engine import Face, Image
from egide.border.face.models import detector_model
from egide.border.face.wiping import wipe

SIDE = 320  # px of the longest side that is searched: a face at a gate is 60 px or more of it
SURE = 0.7  # least score of a face: drawings and logos stay below, a face turned by 40° above (docs/face.md)
OVERLAP = 0.3  # two boxes with more in common (intersection over union) are one face
MOST = 50  # faces looked at in one picture
SMALLEST = 16  # px of a picture's shorter side: below, there is nothing to be found


class YuNet:
    """A `Detector`. Not for two threads at once."""

    def __init__(self) -> None:
        model = np.frombuffer(detector_model(), dtype=np.uint8)
        no_config = np.zeros(0, dtype=np.uint8)
        self._net = cv2.FaceDetectorYN.create("onnx", model, no_config, (SIDE, SIDE), SURE, OVERLAP, MOST)

    def detect(self, image: Image) -> list[Face]:
        """The faces in an RGB picture, the largest first."""
        height, width = image.shape[:2]
        if min(height, width) < SMALLEST:
            return []
        scale = min(1.0, SIDE / max(height, width))
        wide, high = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
        small = image if scale == 1.0 else cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
        canvas[:high, :wide] = small[..., ::-1]
        rows: Any = self._net.detect(canvas)[1]
        wipe(canvas)
        if rows is None:  # OpenCV's way of saying none
            return []
        back = np.array([width / wide, height / high] * 7, dtype=np.float64)
        faces = [_face((row[:14] * back).tolist(), float(row[14])) for row in rows if _inside(row, wide, high)]
        return sorted(faces, key=lambda face: -face.box[2] * face.box[3])


def _inside(row: NDArray[np.float32], wide: int, high: int) -> bool:
    """Whether the middle of a box lies in the picture, and the box is one."""
    x, y, width, height = row[:4].tolist()
    return (
        bool(np.isfinite(row).all())
        and min(width, height) > 1
        and 0 <= x + width / 2 <= wide
        and 0 <= y + height / 2 <= high
    )


def _face(row: list[float], score: float) -> Face:
    """From YuNet's row: box, right eye, left eye, nose, right and left corner of the mouth."""
    points = [(row[at], row[at + 1]) for at in range(4, 14, 2)]
    return Face((row[0], row[1], row[2], row[3]), points[0], points[1], points[2], points[3], points[4], score)
