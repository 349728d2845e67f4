"""The frames that a gate or a phone seals to a room, opened: when each was taken, then a picture file."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from joserfc.jwk import ECKey

from egide.border.room.sealed import SealError, opened

TIME = 4  # bytes before each frame: when it was taken, milliseconds since the challenge was shown
MOST_FRAMES = 120  # of one attempt: seven seconds at seventeen a second


class Frame(msgspec.Struct):
    """One frame as it came (`data`, a picture file) and when, in milliseconds since the challenge was shown."""

    at_ms: int
    data: bytearray


def frames(sealed: Sequence[str], private: ECKey) -> list[Frame]:
    """The frames, opened. Raises `SealError`."""
    if len(sealed) > MOST_FRAMES:
        raise SealError("more frames than an attempt has")
    found = []
    for each in sealed:
        plain = opened(each, private)
        if len(plain) <= TIME:
            raise SealError("a frame without a picture")
        found.append(Frame(int.from_bytes(plain[:TIME], "big"), bytearray(plain[TIME:])))
    return found
