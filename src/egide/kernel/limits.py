"""Token buckets: nobody, signed in or not, can keep the door busy alone (ASVS 2.4.1)."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic

HELD = 8192  # identities remembered; the least recent is forgotten, which only ever gives it a full bucket


class Buckets:
    """One bucket per identity: `rate` acts a second, `burst` at once (twice the rate unless told otherwise)."""

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = rate * 2 if burst is None else burst
        self._held: OrderedDict[str, list[float]] = OrderedDict()

    def take(self, who: str) -> bool:
        """Takes one token; False when the bucket is empty."""
        now = monotonic()
        bucket = self._held.get(who)
        if bucket is None:
            self._held[who] = [self._burst - 1, now]
            if len(self._held) > HELD:
                self._held.popitem(last=False)
            return True
        self._held.move_to_end(who)
        level = min(self._burst, bucket[0] + (now - bucket[1]) * self._rate)
        bucket[1] = now
        if level < 1:
            bucket[0] = level
            return False
        bucket[0] = level - 1
        return True
