"""YuNet through OpenCV: faces and five landmarks (W. Wu et al., “YuNet: A Tiny Millisecond-level Face Detector”, 2023).

It is a network of the size of a stamp; OpenCV's own decoder is used, for it is the reference. Two traps:
it wants BGR where the rest of this house is RGB, and it works best on a small picture, for which large ones are reduced.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from egide.border.face.engine import Face, Image
from egide.border.face.models import detector_model

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
        size = (max(SMALLEST, round(width * scale)), max(SMALLEST, round(height * scale)))
        small = image if scale == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self._net.setInputSize(size)
        rows: Any = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
        if rows is None:  # OpenCV's way of saying none
            return []
        back = np.array([width / size[0], height / size[1]] * 7, dtype=np.float64)
        faces = [_face((row[:14] * back).tolist(), float(row[14])) for row in rows if np.isfinite(row).all()]
        return sorted(faces, key=lambda face: -face.box[2] * face.box[3])


def _face(row: list[float], score: float) -> Face:
    """From YuNet's row: box, right eye, left eye, nose, right and left corner of the mouth."""
    points = [(row[at], row[at + 1]) for at in range(4, 14, 2)]
    return Face((row[0], row[1], row[2], row[3]), points[0], points[1], points[2], points[3], points[4], score)
