"""What stands in a line of the zone: the recogniser that the package rapidocr carries (PP-OCRv6, small), and it alone.

Neither rapidocr's program nor its detector runs: the first fetches models where one is missing, the second takes seconds for
what the shape of the zone tells at once. The model gives, for each place of a line, how likely each of 18,709 characters is; the
zone has 37, and the others are not looked at. How likely each of the 37 was is kept beside each letter: where a check digit
cannot tell two of them apart, that may (alike.py). Nothing is loaded before the first line is read.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from egide.kernel.errors import Text, Unavailable

Grey = npt.NDArray[np.uint8]

MODEL = "models/PP-OCRv6_rec_small.onnx"
HEIGHT = 48  # px of a line as the model takes it
MAX_WIDTH = 2400  # px: fifty times as wide as high; a line of TD3 has forty
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
THREADS = 1  # a gate reads one document at a time, beside other work
FAINTEST = 1e-9  # a likelihood below which the model's numbers are rounding


class Line(msgspec.Struct, frozen=True):
    """What was read in a line; for each letter how likely each of the alphabet was (n×37, natural logarithms)."""

    text: str
    likely: npt.NDArray[np.float32]


class Letters:
    """The recogniser. Not for two threads at once while it loads."""

    def __init__(self) -> None:
        self._session: Any = None
        self._columns: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def read(self, lines: list[Grey]) -> list[Line]:
        """What stands in each cropped line (height × width, grey). Raises `Unavailable` where the model is not installed."""
        if self._session is None:
            self._load()
        return [self._read(each) for each in lines]

    def _load(self) -> None:
        import onnxruntime  # noqa: PLC0415  only who reads a zone pays for it

        found = importlib.util.find_spec("rapidocr")
        folder = (found.submodule_search_locations or [""])[0] if found is not None else ""
        place = Path(folder) / MODEL
        if not folder or not place.is_file():
            raise Unavailable(
                Text(
                    "Le module de lecture des documents n’est pas installé.",
                    "The document reading module is not installed.",
                ),
                Text("Installez l’extra « border ».", "Install the extra “border”."),
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(str(place), options, providers=["CPUExecutionProvider"])
        # Column 0 is “nothing here”; the characters follow in the order of the model's own list.
        known = session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._columns = np.array([0, *(known.index(each) + 1 for each in ALPHABET)], dtype=np.int64)
        self._session = session

    def _read(self, line: Grey) -> Line:
        width = min(MAX_WIDTH, max(HEIGHT, round(line.shape[1] * HEIGHT / line.shape[0])))
        sized = cv2.resize(line, (width, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
        batch = np.repeat((sized / 127.5 - 1.0)[np.newaxis, np.newaxis], 3, axis=1)
        return _collapsed(self._session.run(None, {"x": batch})[0][0][:, self._columns])


def _collapsed(likely: npt.NDArray[np.float32]) -> Line:
    """Best character of each place; the same twice running is one, unless nothing is between (CTC). Column 0 is nothing."""
    best = likely.argmax(axis=1)
    starts = [place for place, each in enumerate(best) if each and (place == 0 or each != best[place - 1])]
    rows = []
    for start in starts:
        end = start + 1
        while end < len(best) and best[end] == best[start]:
            end += 1
        surest = start + int(likely[start:end, best[start]].argmax())
        rows.append(np.log(np.maximum(likely[surest, 1:], FAINTEST)))
    text = "".join(ALPHABET[best[start] - 1] for start in starts)
    return Line(text, np.array(rows, dtype=np.float32).reshape(-1, len(ALPHABET)))
