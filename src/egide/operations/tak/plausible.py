"""Positions that cannot be: dated in the future, or a thousand kilometres from where the same thing was a moment ago.

A refused place is not believed, and not forgotten either: where the next ones agree with it, the first fix was the wrong one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from egide.protocols.cot import CotEvent
from egide.protocols.geodesics import distance

AHEAD_MS = 5 * 60_000  # ms a device's clock may be ahead of ours
FASTEST = 1_000.0  # m/s: thrice the speed of an airliner
SLACK = 5_000.0  # m: two fixes of a bad receiver may differ so much at once
CONFIRMED = 3  # places in a row that agree with one another, after which they are believed
HELD = 20_000  # things remembered, the least recently heard is forgotten


@dataclass(slots=True)
class _Seen:
    lat: float
    lon: float
    at: float  # s, our own clock
    doubt: tuple[float, float, float] | None = None  # the last refused place and when
    agreed: int = 0


class Places:
    """Where each thing was last."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def doubt(self, event: CotEvent, now_ms: int, now: float) -> str | None:
        """Why this position is not believed ("future", "jump"), None where it is. `now`: seconds of a steady clock."""
        if event.time > now_ms + AHEAD_MS or event.start > now_ms + AHEAD_MS:
            return "future"
        point = event.point
        if not event.atom or not point.known:
            return None
        seen = self._seen.get(event.uid)
        if seen is None:
            self._seen[event.uid] = _Seen(point.lat, point.lon, now)
            if len(self._seen) > HELD:
                self._seen.popitem(last=False)
            return None
        self._seen.move_to_end(event.uid)
        if not _near(point.lat, point.lon, now, seen.lat, seen.lon, seen.at):
            agrees = seen.doubt is not None and _near(point.lat, point.lon, now, *seen.doubt)
            seen.agreed = seen.agreed + 1 if agrees else 1
            seen.doubt = (point.lat, point.lon, now)
            if seen.agreed < CONFIRMED:
                return "jump"
        seen.lat, seen.lon, seen.at, seen.doubt, seen.agreed = point.lat, point.lon, now, None, 0
        return None

    def forget(self, uid: str) -> None:
        """It is gone."""
        self._seen.pop(uid, None)


def _near(lat: float, lon: float, at: float, other_lat: float, other_lon: float, then: float) -> bool:
    """Whether one can get there in the time between; cheap where it is plain."""
    room = SLACK + FASTEST * (at - then)
    if abs(lat - other_lat) * 111_000 + abs(lon - other_lon) * 111_000 <= SLACK:  # m a degree spans at most
        return True
    return distance((lat, lon), (other_lat, other_lon)) <= room
