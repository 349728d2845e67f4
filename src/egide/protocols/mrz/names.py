"""Names in the zone (ICAO Doc 9303 part 3 §4.6): primary identifier, two fillers, secondary; one filler between the parts.

Transliteration (part 3 §6) is for Latin letters: diacritics go, and the letters that the standard writes with two become two.
Truncation (part 4 §4.2.3): the last place is a letter where something was left out, and each part keeps at least one.
"""

from __future__ import annotations

import unicodedata

from egide.protocols.mrz.errors import MrzError
from egide.protocols.mrz.layout import FILLER, LETTERS

MAX_NAME = 256  # characters of one name that are looked at
# Part 3 §6.A: letters that are more than a letter with a mark. Of the two writings of Ä, Ö, Ü and Å, the longer.
TWO = {
    "Ä": "AE", "Å": "AA", "Æ": "AE", "Ð": "D", "Ø": "OE", "Ö": "OE", "Ü": "UE", "Þ": "TH", "ß": "SS", "ẞ": "SS", "Œ": "OE",
    "Ł": "L", "Đ": "D", "Ħ": "H", "\u0131": "I", "Ĳ": "IJ", "Ŋ": "N", "Ŧ": "T", "Ñ": "N", "ĸ": "Q",
}  # fmt: skip


def transliterated(name: str) -> str:
    """A name in the zone's letters, its parts joined by one filler. Raises `MrzError` for what is no Latin letter."""
    if len(name) > MAX_NAME:
        raise MrzError("value", f"a name of more than {MAX_NAME} characters")
    found: list[str] = []
    for each in unicodedata.normalize("NFC", name):
        upper = TWO.get(each) or TWO.get(each.upper()) or unicodedata.normalize("NFD", each.upper())
        for letter in upper:
            if letter in LETTERS:
                found.append(letter)
            elif letter.isspace() or letter in "-‐–":  # noqa: RUF001 (a hyphen of Unicode is meant)
                found.append(FILLER)
            elif unicodedata.category(letter) not in {
                "Mn",
                "Po",
                "Pf",
                "Lm",
            }:  # marks, apostrophes and points are left out
                raise MrzError("character", "a name with what is no Latin letter")
    return FILLER.join(part for part in "".join(found).split(FILLER) if part)


def joined(surname: str, given: str, width: int) -> str:
    """The name field: padded, or truncated as Doc 9303 says. Both names already in the zone's letters."""
    first, second = _list(surname), _list(given)
    if not first:
        raise MrzError("value", "a name without a primary identifier")
    text = _text(first, second)
    if len(text) <= width:
        return text.ljust(width, FILLER)
    # The primary identifier leaves room for two fillers and a letter of the secondary.
    while second and len(FILLER.join(first)) > width - 3:
        _shorten(first)
    text = _text(first, second)
    while text[:width].endswith(FILLER) and len(text) > width:
        _shorten(second if second and max(map(len, first)) == 1 else first)
        text = _text(first, second)
    return text[:width].ljust(width, FILLER)


def split(field: str) -> tuple[str, str, bool]:
    """(primary, secondary, whether something may have been left out), parts joined by a blank."""
    primary, _, secondary = field.partition(FILLER * 2)
    return _plain(primary), _plain(secondary), not field.endswith(FILLER)


def _list(name: str) -> list[str]:
    return [part for part in name.split(FILLER) if part]


def _text(first: list[str], second: list[str]) -> str:
    return FILLER.join(first) + (FILLER * 2 + FILLER.join(second) if second else "")


def _shorten(parts: list[str]) -> None:
    """Takes a letter from the longest part; where each has but one left, the last part."""
    longest = max(range(len(parts)), key=lambda place: len(parts[place]))
    if len(parts[longest]) > 1:
        parts[longest] = parts[longest][:-1]
    else:
        parts.pop()


def _plain(text: str) -> str:
    return " ".join(part for part in text.split(FILLER) if part)
