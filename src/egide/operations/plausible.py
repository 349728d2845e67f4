"""Which positions of a moving thing can be true: on Earth, not of the future, and not a thousand kilometres from the last one.

Why here and not in the codecs: a position is impossible only beside another one and a clock. What is refused is counted, so that
somebody sees that a sender lies or is broken. A real jump (a receiver that had been wrong until now) is believed once the sender
has stayed near its new place for `BELIEVED` positions in a row.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final, Literal

from egide.protocols.geodesy import distance

Fault = Literal["off-earth", "future", "jump"]

FUTURE_US: Final = 60_000_000
"""Microseconds that a sender's clock may be ahead of ours."""
FASTEST: Final = 350.0
"""Metres a second: no aircraft of these services is faster."""
SLACK: Final = 1_000.0
"""Metres that a satellite receiver may be wrong while it starts."""
BELIEVED: Final = 10


class Track:
    """The last place believed of one thing, and what was refused since."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self._last: tuple[float, float, int] | None = None
        self._other: tuple[float, float, int] | None = None
        self._agree = 0

    def judge(self, lat: float, lon: float, now_us: int, said_us: int | None = None) -> Fault | None:
        """None when the place (degrees) may be true; `said_us` is the sender's own time. The fault is counted."""
        fault = self._fault(lat, lon, now_us, said_us)
        if fault is not None:
            self.refused[fault] += 1
        return fault

    def _fault(self, lat: float, lon: float, now_us: int, said_us: int | None) -> Fault | None:
        if not (math.isfinite(lat) and math.isfinite(lon)) or abs(lat) > 90 or abs(lon) > 180:
            return "off-earth"
        if lat == lon == 0:  # what a receiver without a fix says
            return "off-earth"
        if said_us is not None and said_us - now_us > FUTURE_US:
            return "future"
        here = (lat, lon, now_us)
        if self._last is not None and not _reachable(self._last, here):
            near = self._other is not None and _reachable(self._other, here)
            self._agree = self._agree + 1 if near else 1
            self._other = here
            if self._agree < BELIEVED:
                return "jump"
        self._last, self._other, self._agree = here, None, 0
        return None


def _reachable(a: tuple[float, float, int], b: tuple[float, float, int]) -> bool:
    seconds = max(0, b[2] - a[2]) / 1e6
    return distance(a[:2], b[:2]) <= SLACK + FASTEST * seconds
