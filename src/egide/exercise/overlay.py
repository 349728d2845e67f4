"""What is burnt into the picture: a line of text, a crosshair, and a barcode of the time.

Why: the text tells a viewer that this is an exercise; the barcode lets a benchmark read, from the pixels a screen shows,
when the picture was taken (glass-to-glass latency) without trusting any clock on the way.
All functions draw in place on the luma plane of a picture, (rows, columns) uint8, limited range 16..235.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

BLACK, WHITE = 16, 235
SYNC = 0b10100110
"""First cells of the barcode: at least one dark and one light, and not a byte that a flat picture gives."""
TIME_BITS = 48
"""Milliseconds since 1970 fit until the year 10889."""
CELLS = 8 + TIME_BITS + 8
ROWS = 16
"""Rows of the barcode in a picture of 720 rows; in proportion elsewhere (a blurred reduction still reads)."""

_FONT = {
    "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31", "4": "1814127f10", "5": "2745454539",
    "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e", "A": "7e1111117e", "B": "7f49494936",
    "C": "3e41414122", "D": "7f4141221c", "E": "7f49494941", "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f",
    "I": "00417f4100", "J": "2040413f01", "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f",
    "O": "3e4141413e", "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "4649494931", "T": "01017f0101",
    "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0708700807", "Z": "6151494543",
    ":": "0036360000", "-": "0808080808", ".": "0060600000", "/": "2010080402", "+": "08083e0808", " ": "0000000000",
}  # fmt: skip
"""Five columns of seven dots per glyph, the lowest bit on top (the usual dot-matrix face)."""


@lru_cache(maxsize=64)
def _glyph(character: str, scale: int) -> NDArray[np.bool_]:
    columns = np.frombuffer(bytes.fromhex(_FONT.get(character, _FONT[" "])), np.uint8)
    dots = (columns[None, :] >> np.arange(8)[:, None]) & 1
    padded = np.pad(dots.astype(bool), ((0, 0), (0, 1)))
    return np.repeat(np.repeat(padded, scale, 0), scale, 1)


def text(luma: Bytes, words: str, x: int, y: int, scale: int = 2) -> None:
    """Write capitals, digits and ``:-./+`` in white on a darkened bar, upper left corner at (x, y); cut at the edges."""
    mask = np.concatenate([_glyph(c, scale) for c in words.upper()] or [_glyph(" ", scale)], axis=1)
    pad = 3 * scale
    bar = luma[max(y - pad, 0) : y + mask.shape[0] + pad // 2, max(x - pad, 0) : x + mask.shape[1] + pad]
    bar >>= 1
    bar += BLACK // 2
    place = luma[y : y + mask.shape[0], x : x + mask.shape[1]]
    place[mask[: place.shape[0], : place.shape[1]]] = WHITE


def crosshair(luma: Bytes) -> None:
    """A small open cross in the middle of the picture."""
    rows, columns = luma.shape
    middle_y, middle_x = rows // 2, columns // 2
    gap, arm = max(rows // 60, 2), max(rows // 25, 5)
    for sign in (-1, 1):
        a, b = sorted((sign * gap, sign * arm))
        luma[middle_y + a : middle_y + b, middle_x - 1 : middle_x + 1] = WHITE
        luma[middle_y - 1 : middle_y + 1, middle_x + a : middle_x + b] = WHITE


def barcode(image: Bytes, ms: int) -> None:
    """Burn ``ms`` (milliseconds since 1970) into the top rows: 8 cells of sync, 48 of time, 8 of check, left to right."""
    if not 0 <= ms < 1 << TIME_BITS:
        raise ValueError("a barcode carries 0 to 2**48 - 1 milliseconds")
    word = SYNC << (TIME_BITS + 8) | ms << 8 | _check(ms)
    bits = np.array([word >> (CELLS - 1 - i) & 1 for i in range(CELLS)], dtype=bool)
    columns = image.shape[1]
    cell = np.arange(columns) * CELLS // columns
    image[: _rows(image.shape[0])] = np.where(bits[cell], WHITE, BLACK).astype(np.uint8)


def read_barcode(pixels: Bytes) -> int | None:
    """The milliseconds in a picture (rows, columns) or (rows, columns, channels) of any size; None when none is read."""
    grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    if grey.ndim != 2 or grey.shape[0] < 2 or grey.shape[1] < 2 * CELLS:
        return None
    high = _rows(grey.shape[0])
    line = grey[high // 4 : max(high * 3 // 4, high // 4 + 1)].mean(axis=0)
    centres = (np.arange(CELLS) + 0.5) * grey.shape[1] / CELLS
    near = max(int(grey.shape[1] / CELLS / 5), 0)
    level = np.mean([line[(centres + d).astype(int)] for d in range(-near, near + 1)], axis=0)
    if level.max() - level.min() < 40:
        return None
    word = int("".join("1" if x else "0" for x in level > (level.max() + level.min()) / 2), 2)
    ms = word >> 8 & ((1 << TIME_BITS) - 1)
    return ms if word >> (TIME_BITS + 8) == SYNC and word & 0xFF == _check(ms) else None


def _check(ms: int) -> int:
    return sum(ms.to_bytes(TIME_BITS // 8, "big")) * 167 + 90 & 0xFF


def _rows(rows: int) -> int:
    return max(rows * ROWS // 720, 4)
