"""A figure of how much a face looks like a screen or a print: advice for an officer, never a reason.

Where a camera looks at the raster of a screen, fine stripes appear that skin does not have: single peaks in the spectrum, away
from the centre. Good screens, distance and a little blur make them vanish, and striped light makes them appear: on real attacks
such figures are near to worthless (docs/face.md), which is why nothing is decided by it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from egide.border.face.engine import Face, Image
from egide.border.face.wiping import wipe

EDGE = 128  # px of the square that is looked at
LOW = 0.12  # of the sampling rate: below lie the face's own features
PEAK = 18.0  # times the median of its ring: noise reaches it in one picture of eighty (2^-18 each, 3,500 independent places)
FULL = 60.0  # times: as peaked as a raster seen at its best


def moire(image: Image, face: Face) -> float:
    """0 (no raster seen) to 1 (as peaked as they come), of the middle of the face in an RGB picture."""
    x, y, wide, high = face.box
    side = int(min(wide, high) * 0.7)
    left, top = int(x + (wide - side) / 2), int(y + (high - side) / 2)
    cut = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if min(cut.shape[:2]) < EDGE // 4:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(cut), cv2.COLOR_RGB2GRAY).astype(np.float64)
    size = min(EDGE, *grey.shape)
    square = grey[:size, :size] - grey[:size, :size].mean()
    window = np.hanning(size)
    power = np.abs(np.fft.fft2(square * np.outer(window, window))) ** 2
    found = _peak(power)
    wipe(grey, square, power)
    return float(np.clip((found - PEAK) / (FULL - PEAK), 0.0, 1.0))


def _peak(power: NDArray[np.float64]) -> float:
    """The highest peak outside the face's own features, against the median at the same distance from the spectrum's centre."""
    rates = np.fft.fftfreq(power.shape[0])
    distance = np.hypot(rates[:, None], rates[None, :])
    highest = 0.0
    for inner in np.arange(LOW, 0.5, 0.02):
        ring = power[(distance >= inner) & (distance < inner + 0.02)]
        middle = float(np.median(ring)) if ring.size else 0.0
        if middle > 0:
            highest = max(highest, float(ring.max()) / middle)
    return highest
