"""SFace through ONNX Runtime: 128 numbers of a face (Y. Zhong et al., “SFace”, IEEE TIP 2021; OpenCV's model zoo, 2021dec).

The face is first brought to where the network was trained to see it (aligning.py). The network then wants **RGB from 0 to 255**:
given BGR it still answers, only worse (cosine 0.88 to 0.95 with itself), so a test compares with OpenCV's own answer.
"""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from egide.border.face.aligning import align, not_a_face
from egide.border.face.engine import SFACE, SIZE, Embedding, Engine, Face, Image
from egide.border.face.models import INPUT, matcher_model
from egide.border.face.wiping import wipe
from egide.border.face.yunet import YuNet


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
            raise not_a_face()
        return embedding


def build(threads: int) -> Engine:
    """YuNet and SFace. OpenCV's threads are the process's: they are set here, for the gate's process does nothing else."""
    cv2.setNumThreads(threads)
    return Engine(model=SFACE, detector=YuNet(), matcher=SFace(threads))
