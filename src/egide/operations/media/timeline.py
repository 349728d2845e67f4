"""One clock per source, that never steps back, from clocks that do.

A stream's own clock wraps (33 bits at 90 kHz, every 26.5 h), jumps when an encoder restarts, and starts again when a
file loops.  `Timeline` starts at 0 and follows the stream's steps as long as they are plausible; at a jump it goes on from
where it was, by the time that really passed.
"""

from __future__ import annotations

from typing import Final

MAX_STEP_US: Final = 10_000_000
"""A forward step beyond 10 s between two pictures is a jump of the clock, not a slow camera."""
REORDER_US: Final = 1_000_000
"""Without decoding times, a picture this much earlier than the last is one shown before it, not a jump."""
DEFAULT_INTERVAL_US: Final = 40_000
"""Until two pictures have told the rate: 25 per second."""
_TICKS: Final = 1 << 33


class Unwrapper:
    """33-bit 90 kHz ticks (ISO/IEC 13818-1, 2.4.3.7) to microseconds without the wrap; shared by a program's streams."""

    def __init__(self) -> None:
        self._last: int | None = None

    def __call__(self, ticks: int) -> int:
        """`ticks` in microseconds, within ±13 h of the last value given."""
        if self._last is None:
            self._last = ticks
        else:
            delta = (ticks - self._last + _TICKS // 2) % _TICKS - _TICKS // 2
            self._last += delta
        return self._last * 100 // 9


class Timeline:
    """Maps a stream's time stamps (µs, any origin) to unit time stamps (µs from 0).  Not thread-safe: one thread."""

    def __init__(self) -> None:
        self._offset: int | None = None
        self._raw = 0
        self._out = 0
        self._seen_us = 0
        self.interval_us = DEFAULT_INTERVAL_US
        self.jumps = 0

    @property
    def now_us(self) -> int:
        """Unit time of the last picture."""
        return self._out

    def video(self, dts_us: int | None, pts_us: int | None, clock_us: int) -> tuple[int, int]:
        """(dts, pts) of a picture in unit time; `clock_us` is this machine's monotonic clock, used across jumps."""
        dts = dts_us if dts_us is not None else pts_us
        if self._offset is None:
            self._offset = -(dts or 0)
            dts = dts or 0
        elif dts is None:
            dts = self._raw + self.interval_us
        else:
            step = dts - self._raw
            if dts_us is None and -REORDER_US < step <= 0:  # RTP tells presentation times only: a B-frame
                return self._out, self._out
            if not 0 < step <= MAX_STEP_US:
                self.jumps += 1
                self._offset = self._out + max(self.interval_us, clock_us - self._seen_us) - dts
            elif step < 1_000_000:
                self.interval_us = step
        self._raw = dts
        self._out = max(0, dts + self._offset)
        self._seen_us = clock_us
        # A picture is never shown before it is decoded; a pts far away from its dts is a broken stamp.
        lead = (pts_us if pts_us is not None else dts) - dts
        return self._out, self._out + (lead if 0 <= lead <= MAX_STEP_US else 0)

    def other(self, pts_us: int | None) -> int:
        """Unit time of a metadata packet: its own stamp when near the pictures', else that of the last picture."""
        if self._offset is None or pts_us is None or abs(pts_us - self._raw) > MAX_STEP_US:
            return self._out
        return max(0, pts_us + self._offset)
