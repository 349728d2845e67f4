"""SFace through ONNX Runtime: 128 numbers of a face (Y. Zhong et al., “SFace”, IEEE TIP 2021; OpenCV's model zoo, 2021dec).

The face is first brought to the place that the network was trained on: five points, 112×112 px, by the similarity (turn,
scale, shift) that fits best (S. Umeyama, IEEE PAMI 1991). The network then wants **RGB from 0 to 255**: given BGR it
still answers, only worse (cosine 0.88 with itself), so a test compares with OpenCV's own answer.
"""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from egide.border.face.engine import SIZE, Embedding, Engine, Face, Image
from egide.border.face.models import INPUT, matcher_model
from egide.border.face.wiping import wipe
from egide.border.face.yunet import YuNet
from egide.kernel.errors import BadInput, Text

MODEL = "sface-2021dec"
EDGE = 112  # px, of the aligned face
PLACES = np.array(  # px: where eyes, nose and corners of the mouth come to lie (ArcFace's template, as in OpenCV's FaceRecognizerSF)
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)), dtype=np.float64
)  # fmt: skip


class SFace:
    """A `Matcher`. Several threads may use one."""

    def __init__(self, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # nothing of a face waits in a pool for the next one
        self._session = onnxruntime.InferenceSession(matcher_model(), options, providers=["CPUExecutionProvider"])

    def embed(self, image: Image, face: Face) -> Embedding:
        """128 numbers of length 1. Raises `BadInput` where the five points are no face."""
        crop = align(image, face)
        tensor = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], dtype=np.float32)
        raw: NDArray[np.float32] = self._session.run(None, {INPUT: tensor})[0]
        length = float(np.linalg.norm(raw))
        embedding: Embedding = (raw[0] / max(length, 1e-9)).astype(np.float32)
        wipe(crop, tensor, raw)
        if embedding.shape != (SIZE,) or not np.isfinite(embedding).all():
            raise _not_a_face()
        return embedding


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
        raise _not_a_face()
    turn = np.vdot(spread, wanted - wanted.mean()) / size
    shift = wanted.mean() - turn * given.mean()
    return np.array(((turn.real, -turn.imag, shift.real), (turn.imag, turn.real, shift.imag)))


def _not_a_face() -> BadInput:
    return BadInput(Text("Le visage n’a pas pu être mesuré.", "The face could not be measured."))


def build(threads: int) -> Engine:
    """YuNet and SFace. OpenCV's threads are the process's: they are set here, for the gate's process does nothing else."""
    cv2.setNumThreads(threads)
    return Engine(model=MODEL, detector=YuNet(), matcher=SFace(threads))
