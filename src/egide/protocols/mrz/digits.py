"""Check digits (ICAO Doc 9303 part 3 §4.9): weights 7, 3, 1; letters count from A = 10; the filler counts nothing."""

from __future__ import annotations

from egide.protocols.mrz.errors import MrzError
from egide.protocols.mrz.layout import FILLER, Check

WEIGHTS = (7, 3, 1)
VALUES = {FILLER: 0} | {each: value for value, each in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def check_digit(text: str) -> str:
    """The check digit of a text of the zone's alphabet. Raises `MrzError`."""
    try:
        total = sum(VALUES[each] * WEIGHTS[place % 3] for place, each in enumerate(text))
    except KeyError as error:
        raise MrzError("character", "a character that the zone does not have") from error
    return str(total % 10)


def long_number(check: str, optional: str) -> tuple[str, str, str] | None:
    """(rest of the number, its check digit, what else is optional) where a number goes on in the optional field; else None.

    A filler stands where the check digit of the number would; the rest, the check digit and a filler begin the optional field.
    """
    rest, _, more = optional.partition(FILLER)
    if check != FILLER or len(rest) < 2:
        return None
    return rest[:-1], rest[-1], more


def holds(lines: tuple[str, ...], check: Check) -> bool:
    """Whether a check digit is right."""
    covered = "".join(lines[line][start:end] for line, start, end in check.over)
    found = lines[check.line][check.column]
    if found == FILLER:
        return check.may_be_empty and not covered.strip(FILLER)
    return found == check_digit(covered)
