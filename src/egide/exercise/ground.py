"""The ground as a picture: the town seen from above, north up, four texels to the metre.

What: two planes, luma and packed chroma (YUV 4:2:0), which is what the encoder wants, and where they lie on the earth.
Why: the camera only looks texels up (camera.py); painting.py fills them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from egide.exercise.town import Town
from egide.protocols.geodesy import Tangent

RESOLUTION = 0.25
"""Metres per texel: what a pixel of a 640-wide picture covers 130 m below the camera."""
MARGIN = 120.0
"""Metres painted around the extract, so that a picture over its edge is not black."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """The painted plane. ``luma`` (rows, columns) uint8; ``chroma`` half as large each way, uint16 = U | V << 8.

    Row 0 is the north edge, column 0 the west edge; ``west`` and ``north`` are metres on ``tangent`` of the corner.
    """

    luma: Bytes
    chroma: NDArray[np.uint16]
    tangent: Tangent
    west: float
    north: float
    resolution: float = RESOLUTION

    def texel(self, lat: ArrayLike, lon: ArrayLike) -> tuple[Floats, Floats]:
        """Column and row (fractions of texels) of places, without regard to the edges."""
        east, north = self.tangent.to_plane(lat, lon)
        return (east - self.west) / self.resolution, (self.north - north) / self.resolution


def blank_ground(town: Town) -> Ground:
    """The unpainted ground of a town: its extract and MARGIN around."""
    plane = town.tangent
    west, south, east, north = town.box
    x, y = plane.to_plane([south, north], [west, east])
    columns, rows = (math.ceil((float(np.ptp(side)) + 2 * MARGIN) / RESOLUTION / 2) * 2 for side in (x, y))
    luma = np.zeros((rows, columns), np.uint8)
    chroma = np.zeros((rows // 2, columns // 2), np.uint16)
    return Ground(luma, chroma, plane, float(x[0]) - MARGIN, float(y[1]) + MARGIN)
