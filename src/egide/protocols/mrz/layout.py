"""Where each field of a machine-readable zone stands (ICAO Doc 9303, 8th edition).

TD3: part 4 §4.2.2 · TD1: part 5 §4.2.2 · TD2: part 6 §4.2.2 · MRV-A, MRV-B: part 7 §4.2 and §5.2. Columns are counted from 0.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Format = Literal["TD1", "TD2", "TD3", "MRV-A", "MRV-B"]
# What may stand in a field: letters; digits; both; one check digit; the letter of the sex. The filler `<` may stand in each.
Kind = Literal["letters", "digits", "both", "check", "sex"]

FILLER = "<"
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ<")
DIGITS = frozenset("0123456789<")
ADMITTED: dict[Kind, frozenset[str]] = {
    "letters": LETTERS,
    "digits": DIGITS,
    "both": LETTERS | DIGITS,
    "check": DIGITS,
    "sex": frozenset("MFX<"),
}


class Field(msgspec.Struct, frozen=True):
    """A run of characters in one line: from `start` up to, not including, `end`."""

    name: str
    line: int
    start: int
    end: int
    kind: Kind

    @property
    def width(self) -> int:
        """Characters."""
        return self.end - self.start


class Check(msgspec.Struct, frozen=True):
    """A check digit and the runs of characters that it is computed over."""

    name: str
    line: int
    column: int
    over: tuple[tuple[int, int, int], ...]  # (line, start, end)
    may_be_empty: bool = False  # a filler instead of 0 where all that it is over is filler


class Layout(msgspec.Struct, frozen=True):
    """A format: its size, its fields, its check digits."""

    format: Format
    lines: int
    width: int
    fields: tuple[Field, ...]
    checks: tuple[Check, ...]

    def field(self, name: str) -> Field | None:
        """The field of a name; None where the format has none."""
        return next((each for each in self.fields if each.name == name), None)


def _two_lines(format_: Format, width: int, optional_end: int, checks: tuple[Check, ...]) -> Layout:
    """The formats of two lines differ in width and in what follows the expiry."""
    return Layout(
        format=format_,
        lines=2,
        width=width,
        fields=(
            Field("code", 0, 0, 2, "letters"),
            Field("state", 0, 2, 5, "letters"),
            Field("name", 0, 5, width, "letters"),
            Field("number", 1, 0, 9, "both"),
            Field("number-check", 1, 9, 10, "check"),
            Field("nationality", 1, 10, 13, "letters"),
            Field("birth", 1, 13, 19, "digits"),
            Field("birth-check", 1, 19, 20, "check"),
            Field("sex", 1, 20, 21, "sex"),
            Field("expiry", 1, 21, 27, "digits"),
            Field("expiry-check", 1, 27, 28, "check"),
            Field("optional", 1, 28, optional_end, "both"),
            *(Field(f"{each.name}-check", 1, each.column, each.column + 1, "check") for each in checks),
        ),
        checks=(
            Check("number", 1, 9, ((1, 0, 9),)),
            Check("birth", 1, 19, ((1, 13, 19),)),
            Check("expiry", 1, 27, ((1, 21, 27),)),
            *checks,
        ),
    )


TD3 = _two_lines(
    "TD3", 44, 42,
    (
        Check("optional", 1, 42, ((1, 28, 42),), may_be_empty=True),
        Check("composite", 1, 43, ((1, 0, 10), (1, 13, 20), (1, 21, 43))),
    ),
)  # fmt: skip
TD2 = _two_lines("TD2", 36, 35, (Check("composite", 1, 35, ((1, 0, 10), (1, 13, 20), (1, 21, 35))),))
MRV_A = _two_lines("MRV-A", 44, 44, ())
MRV_B = _two_lines("MRV-B", 36, 36, ())
TD1 = Layout(
    format="TD1",
    lines=3,
    width=30,
    fields=(
        Field("code", 0, 0, 2, "letters"),
        Field("state", 0, 2, 5, "letters"),
        Field("number", 0, 5, 14, "both"),
        Field("number-check", 0, 14, 15, "check"),
        Field("optional", 0, 15, 30, "both"),
        Field("birth", 1, 0, 6, "digits"),
        Field("birth-check", 1, 6, 7, "check"),
        Field("sex", 1, 7, 8, "sex"),
        Field("expiry", 1, 8, 14, "digits"),
        Field("expiry-check", 1, 14, 15, "check"),
        Field("nationality", 1, 15, 18, "letters"),
        Field("optional2", 1, 18, 29, "both"),
        Field("composite-check", 1, 29, 30, "check"),
        Field("name", 2, 0, 30, "letters"),
    ),
    checks=(
        Check("number", 0, 14, ((0, 5, 14),)),
        Check("birth", 1, 6, ((1, 0, 6),)),
        Check("expiry", 1, 14, ((1, 8, 14),)),
        Check("composite", 1, 29, ((0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 29))),
    ),
)
LAYOUTS: dict[Format, Layout] = {each.format: each for each in (TD1, TD2, TD3, MRV_A, MRV_B)}
# Formats whose document number may go on in the optional field (part 5 §4.2.2 note j, part 6 §4.2.2 note j).
OVERFLOWING: frozenset[Format] = frozenset({"TD1", "TD2"})


def of(lines: tuple[str, ...]) -> Layout | None:
    """The layout of a zone, by its size and, for two lines, by the `V` of a visa; None where there is none such."""
    for layout in LAYOUTS.values():
        visa = layout.format in {"MRV-A", "MRV-B"}
        sized = len(lines) == layout.lines and all(len(each) == layout.width for each in lines)
        if sized and visa == lines[0].startswith("V"):
            return layout
    return None
