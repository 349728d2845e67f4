"""What a camera read, put right by what may stand where: O or 0, I or 1, S or 5, B or 8 are told apart by the field.

Where both may stand (document number, optional data) the check digit decides: the one reading with the fewest changes that
makes it hold. Where there are two such readings nothing is changed. Each change is told, so that a person may be asked: a
digit in ten holds by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import msgspec

from egide.protocols.mrz.codec import inspect
from egide.protocols.mrz.errors import MrzError
from egide.protocols.mrz.layout import ADMITTED, FILLER, Layout, of

TO_DIGIT = {"O": "0", "Q": "0", "D": "0", "U": "0", "I": "1", "L": "1", "Z": "2", "S": "5", "G": "6", "B": "8"}
TO_LETTER = {"0": "O", "1": "I", "2": "Z", "5": "S", "6": "G", "8": "B"}
TO_SEX = {"H": "M", "N": "M", "E": "F", "P": "F"}
# What a camera takes for one another where both may stand. Few on purpose: each more is one more that holds by chance.
EITHER = {"O": "0", "0": "O", "I": "1", "1": "I", "S": "5", "5": "S", "B": "8", "8": "B"}
MAX_AMBIGUOUS = 12  # places in one zone that are tried otherwise
MAX_CHANGED = 2  # of them at once: a check digit holds by chance once in ten
MAX_MENDED = 4  # characters that a line may be too short or too long


class Correction(msgspec.Struct, frozen=True):
    """One character put right; lines and columns are counted from 0."""

    line: int
    column: int
    read: str
    meant: str


class Typed(msgspec.Struct, frozen=True):
    """The lines as they are meant, and what was changed."""

    lines: tuple[str, ...]
    corrections: tuple[Correction, ...]


def typed(lines: Sequence[str]) -> Typed:
    """Corrects a zone by its fields. Raises `MrzError` where the lines have no known size."""
    given = tuple(lines) if len(lines) <= 3 else ()
    layout = of(given)
    if layout is None:
        raise MrzError("format", "no number of lines and characters that a travel document has")
    rows = [list(line) for line in given]
    for field in layout.fields:
        for column in range(field.start, field.end):
            found = rows[field.line][column]
            if found in ADMITTED[field.kind]:
                continue
            change = {"letters": TO_LETTER, "digits": TO_DIGIT, "check": TO_DIGIT, "sex": TO_SEX}.get(field.kind, {})
            rows[field.line][column] = change.get(found, found)
    fixed = _decided(tuple("".join(row) for row in rows), layout)
    return Typed(fixed, differences(given, fixed))


def fitted(line: str, width: int) -> str | None:
    """A line that lost or won a few fillers, brought to its width where its longest run of fillers is; None: too far off."""
    missing = width - len(line)
    if missing == 0:
        return line
    if abs(missing) > MAX_MENDED and not (line.endswith(FILLER * 2) and len(line) > width // 2):
        return None
    runs = [run for run in _runs(line) if run[1] - run[0] >= 2]
    if not runs:
        return None
    start, end = max(runs, key=lambda run: (run[1] - run[0], run[0]))
    if missing > 0:
        return line[:end] + FILLER * missing + line[end:]
    return line[: end + missing] + line[end:] if end - start > -missing + 1 else None


def _decided(lines: tuple[str, ...], layout: Layout) -> tuple[str, ...]:
    """The reading with the fewest changes of what may be either that makes every check digit hold, if it is the only one."""
    if not _failed(lines):
        return lines
    places = [
        (field.line, column)
        for field in layout.fields
        if field.kind == "both"
        for column in range(field.start, field.end)
        if lines[field.line][column] in EITHER
    ]
    if len(places) > MAX_AMBIGUOUS:
        return lines
    for count in range(1, min(MAX_CHANGED, len(places)) + 1):
        found = [each for each in _otherwise(lines, places, count) if not _failed(each)]
        if found:
            return found[0] if len(found) == 1 else lines
    return lines


def _otherwise(lines: tuple[str, ...], places: Sequence[tuple[int, int]], count: int) -> Iterator[tuple[str, ...]]:
    """The lines with so many of the places read as what they are like, each as everything that it is like."""
    for chosen in combinations(places, count):
        for letters in product(*(EITHER[lines[line][column]] for line, column in chosen)):
            rows = [list(line) for line in lines]
            for (line, column), letter in zip(chosen, letters, strict=True):
                rows[line][column] = letter
            yield tuple("".join(row) for row in rows)


def _failed(lines: tuple[str, ...]) -> bool:
    try:
        return bool(inspect(lines)[1])
    except MrzError:
        return True


def differences(before: Sequence[str], after: Sequence[str]) -> tuple[Correction, ...]:
    """Where two readings of the same size are not the same."""
    return tuple(
        Correction(line, column, read, meant)
        for line, (old, new) in enumerate(zip(before, after, strict=True))
        for column, (read, meant) in enumerate(zip(old, new, strict=True))
        if read != meant
    )


def _runs(line: str) -> list[tuple[int, int]]:
    """(start, end) of each run of fillers."""
    found: list[tuple[int, int]] = []
    start = None
    for column, each in enumerate(line + "."):
        if each == FILLER and start is None:
            start = column
        elif each != FILLER and start is not None:
            found.append((start, column))
            start = None
    return found
