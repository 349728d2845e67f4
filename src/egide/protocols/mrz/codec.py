"""The machine-readable zone read and written: TD1, TD2, TD3, MRV-A, MRV-B (ICAO Doc 9303 parts 3 to 7). Pure.

`parse` refuses a zone of which one check digit does not hold. `inspect` reads it all the same and says which do not: for a
picture of a zone, where the digits are what tells a right reading from a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from egide.protocols.mrz import names
from egide.protocols.mrz.digits import check_digit, holds, long_number
from egide.protocols.mrz.errors import MrzError
from egide.protocols.mrz.layout import ADMITTED, FILLER, LAYOUTS, LETTERS, OVERFLOWING, Field, Format, Layout, of

NUMBER = 9  # characters of a document number before it goes on in the optional field


class Mrz(msgspec.Struct, frozen=True, kw_only=True):
    """What a zone says. Texts without fillers; dates as they are printed (`dates.birth`, `dates.expiry` read them)."""

    format: Format
    code: str  # of the document: "P", "ID", "V"…
    state: str  # that issued it: three letters, or "D"
    number: str
    surname: str  # in the zone's letters, parts joined by a blank
    given: str = ""
    nationality: str
    birth: str  # YYMMDD; `<<` for a part that is unknown
    sex: str = FILLER  # as printed: M, F, X or `<`
    expiry: str  # YYMMDD
    optional: str = ""
    optional2: str = ""  # TD1 alone
    truncated: bool = False  # of the names something may have been left out


def parse(lines: Sequence[str]) -> Mrz:
    """Reads a zone. Raises `MrzError`: its form, its characters, or a check digit that does not hold."""
    mrz, failed = inspect(lines)
    if failed:
        raise MrzError("check", f"check digits that do not hold: {', '.join(failed)}")
    return mrz


def inspect(lines: Sequence[str]) -> tuple[Mrz, tuple[str, ...]]:
    """(what the zone says, names of the check digits that do not hold). Raises `MrzError` for its form and characters."""
    given = tuple(lines) if len(lines) <= 3 else ()
    layout = of(given)
    if layout is None:
        raise MrzError("format", "no number of lines and characters that a travel document has")
    for field in layout.fields:
        if not ADMITTED[field.kind].issuperset(_cut(given, field)):
            raise MrzError("character", f"a character that may not stand in the field {field.name}")
    number, optional, wrong = _number(given, layout)
    surname, secondary, truncated = names.split(_text(given, layout, "name"))
    mrz = Mrz(
        format=layout.format,
        code=_plain(given, layout, "code"),
        state=_plain(given, layout, "state"),
        number=number,
        surname=surname,
        given=secondary,
        nationality=_plain(given, layout, "nationality"),
        birth=_text(given, layout, "birth"),
        sex=_text(given, layout, "sex"),
        expiry=_text(given, layout, "expiry"),
        optional=optional,
        optional2=_plain(given, layout, "optional2"),
        truncated=truncated,
    )
    failed = tuple(each.name for each in layout.checks if each.name != "number" and not holds(given, each))
    return mrz, (("number", *failed) if wrong else failed)


def render(mrz: Mrz) -> tuple[str, ...]:
    """The lines of a zone, with every check digit. Raises `MrzError` for a value that the format cannot hold."""
    layout = LAYOUTS.get(mrz.format)
    if layout is None:
        raise MrzError("format", "a format that there is not")
    if (mrz.format in {"MRV-A", "MRV-B"}) != mrz.code.startswith("V"):
        raise MrzError("value", "a document code that is not of this format")
    number, check, optional = _written_number(mrz, layout)
    rows = [[FILLER] * layout.width for _ in range(layout.lines)]
    values = {
        "code": mrz.code, "state": mrz.state, "number": number, "number-check": check, "nationality": mrz.nationality,
        "birth": mrz.birth, "sex": mrz.sex, "expiry": mrz.expiry, "optional": optional, "optional2": mrz.optional2,
    }  # fmt: skip
    for field in layout.fields:
        if field.name == "name":
            width = field.width
            value = names.joined(names.transliterated(mrz.surname), names.transliterated(mrz.given), width)
        else:
            value = values.get(field.name, "").replace(" ", FILLER).ljust(field.width, FILLER)
        if len(value) != field.width or not ADMITTED[field.kind].issuperset(value):
            raise MrzError("value", f"a value that the field {field.name} cannot hold")
        rows[field.line][field.start : field.end] = value
    for each in layout.checks:
        if each.name == "number":
            continue
        covered = "".join("".join(rows[line][start:end]) for line, start, end in each.over)
        empty = each.may_be_empty and not covered.strip(FILLER)
        rows[each.line][each.column] = FILLER if empty else check_digit(covered)
    return tuple("".join(row) for row in rows)


def _number(lines: tuple[str, ...], layout: Layout) -> tuple[str, str, bool]:
    """(document number, what is optional, whether the number's check digit is wrong)."""
    number, check = _text(lines, layout, "number"), _text(lines, layout, "number-check")
    optional = _text(lines, layout, "optional")
    longer = long_number(check, optional) if layout.format in OVERFLOWING else None
    if longer is None:
        return number.rstrip(FILLER), _spaced(optional), check != check_digit(number)
    rest, digit, more = longer
    return number + rest, _spaced(more), digit != check_digit(number + rest)


def _written_number(mrz: Mrz, layout: Layout) -> tuple[str, str, str]:
    """(number, its check digit, the optional field)."""
    if len(mrz.number) <= NUMBER:
        padded = mrz.number.ljust(NUMBER, FILLER)
        return padded, check_digit(padded), mrz.optional
    if layout.format not in OVERFLOWING:
        raise MrzError("value", "a document number that is too long for this format")
    if not (LETTERS | set("0123456789")).issuperset(mrz.number) or FILLER in mrz.number:
        raise MrzError("value", "a long document number with what is neither letter nor digit")
    rest = f"{mrz.number[NUMBER:]}{check_digit(mrz.number)}{FILLER}{mrz.optional}"
    return mrz.number[:NUMBER], FILLER, rest.rstrip(FILLER)


def _cut(lines: tuple[str, ...], field: Field) -> str:
    return lines[field.line][field.start : field.end]


def _text(lines: tuple[str, ...], layout: Layout, name: str) -> str:
    field = layout.field(name)
    return "" if field is None else _cut(lines, field)


def _plain(lines: tuple[str, ...], layout: Layout, name: str) -> str:
    return _spaced(_text(lines, layout, name))


def _spaced(text: str) -> str:
    return text.rstrip(FILLER).replace(FILLER, " ")
