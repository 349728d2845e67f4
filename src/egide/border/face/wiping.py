"""Overwriting what must not stay in memory. Python may have made copies that nobody knows of: this keeps the time short and the
places few; that nothing remains is the operating system's doing, when the process that compared ends with the control.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def wipe(*things: NDArray[Any] | bytearray) -> None:
    """Overwrites each with zeros, in place. Raises `ValueError` for an array that is read-only: it would stay."""
    for thing in things:
        if isinstance(thing, bytearray):
            thing[:] = bytes(len(thing))
        else:
            thing[...] = np.zeros((), dtype=thing.dtype)
