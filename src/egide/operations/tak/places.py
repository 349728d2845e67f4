"""Where each thing on the TAK map was last, so that an event with a place that cannot be is refused (operations/plausible.py)."""

from __future__ import annotations

from collections import OrderedDict

from egide.operations.plausible import TAK, Fault, Plausible
from egide.protocols.cot import CotEvent

HELD = 20_000  # things remembered, the least recently heard is forgotten


class Places:
    """By uid."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Plausible] = OrderedDict()

    def doubt(self, event: CotEvent, now_ms: int) -> Fault | None:
        """Why this event is not believed, None where it is. Only its date counts where it is no moving thing, or has no fix."""
        now_us, said_us = now_ms * 1000, max(event.time, event.start) * 1000
        point = event.point
        if not event.atom or not point.known:
            return "future" if said_us > now_us + TAK.ahead_us else None
        seen = self._seen.get(event.uid)
        if seen is None:
            seen = self._seen[event.uid] = Plausible(TAK)
            if len(self._seen) > HELD:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(event.uid)
        return seen.judge(point.lat, point.lon, now_us, said_us)

    def forget(self, uid: str) -> None:
        """It is gone."""
        self._seen.pop(uid, None)
