"""The one source of time. Retention, leases and orders ask it, so that tests can move it and a clock that runs back is seen.

Why not `time.time()` everywhere: a recording that must vanish on day 7 can only be tested with a clock one can move, and an
act stamped before the act that precedes it would make the ledger lie.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from egide.kernel.errors import Text, Unavailable

FIRST_S, LAST_S = -62_135_596_800, 253_402_300_799  # s; 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z
TOLERATED_STEP_BACK_US = 2_000_000  # µs; NTP slews stay under this, an altered clock does not


class Clock:
    """Wall clock in UTC with microseconds. `shift` moves it (tests and demonstrations only)."""

    def __init__(self) -> None:
        self._offset_us = 0
        self._latest_us = 0
        self._lock = threading.Lock()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC; raises `Unavailable` when the machine's clock has gone backwards."""
        now = time.time_ns() // 1000 + self._offset_us
        if now < self._latest_us:
            if now < self._latest_us - TOLERATED_STEP_BACK_US:
                raise Unavailable(
                    Text(
                        "L’horloge du serveur a reculé : plus rien n’est enregistré.",
                        "The server’s clock has gone backwards: nothing is recorded.",
                    ),
                    Text(
                        "Remettez l’horloge à l’heure (NTP), puis réessayez.",
                        "Set the clock right (NTP), then try again.",
                    ),
                )
            return self._latest_us
        self._latest_us = now
        return now

    def latest_us(self) -> int:
        """As `now_us`, and the latest time known where the machine's clock has gone backwards: for what must not wait."""
        return max(time.time_ns() // 1000 + self._offset_us, self._latest_us)

    def read_us(self) -> int:
        """Microseconds since 1970-01-01 UTC for measuring only: never raises, and may go backwards."""
        return time.time_ns() // 1000 + self._offset_us

    def now(self) -> datetime:
        """Aware datetime in UTC."""
        return from_us(self.now_us())

    def shift(self, by: timedelta) -> None:
        """Moves the clock; a negative shift is what a machine whose clock went backwards looks like."""
        with self._lock:
            self._offset_us += int(by.total_seconds() * 1_000_000)

    def remember(self, latest_us: int) -> None:
        """Tells the clock the time of the last recorded act, so that a restart cannot hide a step back."""
        self._latest_us = max(self._latest_us, latest_us)


def from_us(value: int) -> datetime:
    """Microseconds since 1970 → aware UTC datetime."""
    return datetime.fromtimestamp(value / 1_000_000, UTC)


def to_us(value: datetime) -> int:
    """Aware datetime → microseconds since 1970."""
    return int(value.timestamp() * 1_000_000)


def iso(value_us: int) -> str:
    """Microseconds since 1970 → `2026-11-23T22:49:38Z` (seconds are what people and logs need). Never raises.

    Others sign times too, and may sign any number: one that no calendar date can say is told as the nearest that one can,
    year 9999 as certificates do for an end that never comes (RFC 5280, 4.1.2.5).
    """
    second = min(max(value_us // 1_000_000, FIRST_S), LAST_S)
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat() + "Z"
