"""Dates of the zone: two digits for the year, and a birth whose day, month or year may be unknown (Doc 9303 part 3 §4.8).

The century is nowhere in the zone. A birth is the latest that is not after today. An expiry is the one that is nearest to
today: no document lives fifty years.
"""

from __future__ import annotations

import calendar
from datetime import date

import msgspec

from egide.protocols.mrz.errors import MrzError
from egide.protocols.mrz.layout import FILLER

UNKNOWN = FILLER * 2


class Partial(msgspec.Struct, frozen=True):
    """A date of which parts may be unknown (None)."""

    year: int | None
    month: int | None
    day: int | None

    def whole(self) -> date | None:
        """The date where nothing is unknown."""
        if self.year is None or self.month is None or self.day is None:
            return None
        return date(self.year, self.month, self.day)


def birth(text: str, today: date) -> Partial:
    """The birth that six characters of the zone say, seen from a day. Raises `MrzError`."""
    year, month, day = _parts(text)
    if year is not None:
        year += today.year // 100 * 100
        if (year, month or 1, day or 1) > (today.year, today.month, today.day):
            year -= 100
    return _checked(year, month, day)


def expiry(text: str, today: date) -> date | None:
    """The last day of validity; None where the document does not expire (all filler). Raises `MrzError`."""
    year, month, day = _parts(text)
    if year is None and month is None and day is None:
        return None
    if year is None or month is None or day is None:
        raise MrzError("date", "an expiry of which a part is missing")
    century = today.year // 100 * 100
    year = min((century - 100 + year, century + year, century + 100 + year), key=lambda each: abs(each - today.year))
    return _checked(year, month, day).whole()


def _parts(text: str) -> tuple[int | None, int | None, int | None]:
    if len(text) != 6 or not text.isascii():
        raise MrzError("date", "a date that has not six characters")
    found: list[int | None] = []
    for part in (text[:2], text[2:4], text[4:]):
        if part != UNKNOWN and not part.isdigit():
            raise MrzError("date", "a date that is neither digits nor unknown")
        found.append(None if part == UNKNOWN else int(part))
    return found[0], found[1], found[2]


def _checked(year: int | None, month: int | None, day: int | None) -> Partial:
    """A leap year stands for a year that is unknown: 29 February may be meant."""
    if month is not None and not 1 <= month <= 12:
        raise MrzError("date", "a month that there is not")
    longest = 31 if month is None else calendar.monthrange(2000 if year is None else year, month)[1]
    if day is not None and not 1 <= day <= longest:
        raise MrzError("date", "a day that there is not")
    return Partial(year, month, day)
