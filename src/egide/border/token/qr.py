"""The two pictures of a control without a network: the gate's question, then the wallet's answer.

    EGIDE1Q:<base45 of the question>        EGIDE1A:<base45 of the answer>

Made by segno, read by zxing-cpp; error correction M for the question (a screen at an arm's length), L for the answer (dense, held
close). An image is read only for these two; whatever else a camera sees is left alone.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import segno
import zxingcpp
from numpy.typing import NDArray

from egide.border.token import base45
from egide.protocols.wallet.errors import WalletError

Kind = Literal["question", "answer"]
PREFIX: dict[Kind, str] = {"question": "EGIDE1Q:", "answer": "EGIDE1A:"}
CORRECTION: dict[Kind, str] = {"question": "M", "answer": "L"}
QUIET = 4  # modules of white around, ISO/IEC 18004 §9.1
MAX_SIDE = 4096  # pixels of an image that is looked at
MAX_TEXT = 2048  # characters; an answer has 1,000


def text_of(data: bytes, kind: Kind) -> str:
    """What the picture says."""
    return PREFIX[kind] + base45.encode(data)


def bytes_of(text: str, kind: Kind) -> bytes:
    """What a picture said. Raises `WalletError` (malformed, too-large)."""
    if len(text) > MAX_TEXT:
        raise WalletError("too-large", f"a picture that says more than {MAX_TEXT} characters")
    if not text.startswith(PREFIX[kind]):
        raise WalletError("malformed", "a picture of something else")
    return base45.decode(text.removeprefix(PREFIX[kind]))


def svg(data: bytes, kind: Kind) -> str:
    """The picture for a page, black on white, without a size of its own."""
    return str(_code(data, kind).svg_inline(border=QUIET, omitsize=True, dark="#000", light="#fff"))


def pixels(data: bytes, kind: Kind, scale: int = 4) -> NDArray[np.uint8]:
    """The picture as grey levels (height × width), `scale` pixels a module."""
    rows = [list(row) for row in _code(data, kind).matrix_iter(scale=scale, border=QUIET)]
    return np.where(np.array(rows, dtype=np.uint8) > 0, np.uint8(0), np.uint8(255))


def read(image: NDArray[np.uint8], kind: Kind) -> bytes | None:
    """What the first picture of this kind in an image says; None where there is none.

    `image`: grey (height × width) or BGR (height × width × 3), 4,096 pixels a side at most. Raises `WalletError` (malformed,
    too-large).
    """
    if image.ndim not in (2, 3) or image.dtype != np.uint8 or (image.ndim == 3 and image.shape[2] != 3):
        raise WalletError("malformed", "not an image")
    if max(image.shape[:2]) > MAX_SIDE or min(image.shape[:2]) == 0:
        raise WalletError("too-large", f"an image of more than {MAX_SIDE} pixels a side, or of none")
    found = zxingcpp.read_barcodes(
        np.ascontiguousarray(image), formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    )
    for each in found:
        if each.text.startswith(PREFIX[kind]):
            return bytes_of(each.text, kind)
    return None


def _code(data: bytes, kind: Kind) -> segno.QRCode:
    return segno.make(text_of(data, kind), error=CORRECTION[kind], micro=False, boost_error=False)
