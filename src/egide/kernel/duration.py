"""ISO 8601 durations as the law counts them: in calendar months and days, not in multiples of 24 hours.

Source: ISO 8601-1:2019 §5.5.2 (the subset without fractions); "un mois" is a calendar month, and where the day does not exist
the month's last day is taken, which is the shorter reading.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DURATION = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII
)


def add_duration(start: datetime, duration: str) -> datetime:
    """`start` + an ISO 8601 duration, in calendar units as the law counts them ("un mois" is not 30 days).

    Years and months keep the day of the month, or take the month's last day when there is none (31 January + P1M = 28 or 29
    February: the shorter reading). The date part keeps `start`'s own wall clock, the time part is elapsed time. Raises
    `ValueError` for a string that is not a duration and `OverflowError` past the year 9999.
    """
    years, months, weeks, days, hours, minutes, seconds = _parts(duration)
    year, month = divmod(start.year * 12 + start.month - 1 + years * 12 + months, 12)
    if year > 9999:
        raise OverflowError("date value out of range")
    last = calendar.monthrange(year, month + 1)[1]
    moved = start.replace(year=year, month=month + 1, day=min(start.day, last)) + timedelta(weeks=weeks, days=days)
    elapsed = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not elapsed or moved.tzinfo is None:
        return moved + elapsed
    return (moved.astimezone(UTC) + elapsed).astimezone(moved.tzinfo)


@lru_cache(maxsize=256)  # laws and services name a few dozen, each act asks for some of them
def _parts(duration: str) -> tuple[int, ...]:
    """Years, months, weeks, days, hours, minutes, seconds."""
    parts = _DURATION.fullmatch(duration)
    if parts is None or not is_duration(duration):
        raise ValueError(f"not an ISO 8601 duration: {duration!r}")
    return tuple(int(part or 0) for part in parts.groups())


def is_duration(text: str) -> bool:
    """Whether the text is a duration that `add_duration` takes."""
    return bool(_DURATION.fullmatch(text)) and any(char.isdigit() for char in text) and not text.endswith("T")
