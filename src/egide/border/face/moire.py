"""A figure of how much a face looks like a screen: advice for an officer, never a reason.

Where a camera looks at the raster of a screen, fine stripes appear that skin does not have: single points of the spectrum far
above those around them. A little blur makes them vanish, a print has none, striped light has some (docs/face.md gives the
figures), which is why nothing is decided by it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy import fft  # by its name: numpy would load it at its first use, when a room can open no file any more
from numpy.typing import NDArray

from egide.border.face.engine import Face, Image
from egide.border.face.wiping import wipe

LEAST, MOST = 32, 128  # px of the square that is looked at
LOW = 0.12  # of the sampling rate: below lie the face's own features
AXES = 2.5  # places of the spectrum beside its axes, left out: there lie the blocks of JPEG and what cutting out a square makes
AROUND = 15  # places square: the neighbourhood that a point is measured against
NONE = 12.0  # times its neighbourhood: 95 of 100 real faces have no point above 10.4
FULL = 40.0  # times: a raster that is plainly seen has about 60


def moire(image: Image, face: Face) -> float:
    """0 (no raster seen) to 1 (plainly one), of the middle of the face in an RGB picture."""
    x, y, wide, high = face.box
    side = int(min(wide, high) * 0.7)
    left, top = int(x + (wide - side) / 2), int(y + (high - side) / 2)
    cut = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if min(cut.shape[:2]) < LEAST:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(cut), cv2.COLOR_RGB2GRAY).astype(np.float64)
    size = min(MOST, *grey.shape)
    square = (grey[:size, :size] - grey[:size, :size].mean()) * np.outer(np.hanning(size), np.hanning(size))
    power = np.abs(fft.fftshift(fft.fft2(square))) ** 2
    found = _peak(power)
    wipe(grey, square, power)
    return float(np.clip((found - NONE) / (FULL - NONE), 0.0, 1.0))


def _peak(power: NDArray[np.float64]) -> float:
    """How many times its neighbourhood the most outstanding point of the spectrum is, away from the middle and the axes."""
    rates = np.abs(fft.fftshift(fft.fftfreq(power.shape[0])))
    off_axes = rates > AXES / power.shape[0]
    looked = np.outer(off_axes, off_axes) & (np.hypot(rates[:, None], rates[None, :]) >= LOW)
    around = np.maximum(np.asarray(cv2.blur(power, (AROUND, AROUND))), 1e-9)
    return float((power / around)[looked].max())
