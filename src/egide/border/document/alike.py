"""What else a document's number may be, and how likely each is by the letters that were seen: in one picture, or in several.

No check digit tells G from 6 or L from 1, nor two changes that make up for one another. The recogniser says of each letter how
likely every other one was there. What is tried is what is known to look alike, and what the recogniser itself held possible;
what is left is what the check digits admit, the likeliest first.

The recogniser learnt from ordinary print and leans to digits: where an I or an O stands in OCR-B it says 1 or 0, and holds the
letter possible; where a 1 stands it holds no letter possible. So letters are given a start, measured on pages of their own.

Several pictures of one document: only what fits all of them stays, and the mean of what they say of each letter counts. The mean
and no sum: pictures of one moment are wrong together. What stands against another candidate is the one letter that tells them
apart best: two letters O taken for 0 are one mistake made twice. What is enough was measured (docs/border-measures.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from egide.border.document.letters import ALPHABET, Line
from egide.protocols import mrz
from egide.protocols.mrz.layout import FILLER, Field, of

# What a camera takes for one another in OCR-B, where both may stand. Where a recogniser's word is missing these alone are tried.
ALIKE = {
    "0": "OD", "O": "0D", "D": "O0", "1": "IL", "I": "1", "L": "1", "2": "Z", "Z": "2", "5": "S", "S": "5", "6": "G", "G": "6",
    "8": "B", "B": "8",
}  # fmt: skip
DOUBT = 6.0  # natural logarithm: a letter four hundred times less likely than the one that was read is not tried
TRIED = 400  # numbers at most whose digits are looked at
MOST = 24  # of them that are kept
LIKE = 0.8  # of a line's letters: a reading that agrees less was of another line, or has lost its place
NOTHING = -20.7  # the logarithm of 10⁻⁹, for a letter that nobody looked at (letters.py)
SURE = 4.0  # natural logarithm: a letter fifty times likelier than what else it may be
# What a letter is given against a digit (natural logarithms). On 79 drawn pages, of others than those of the measures, the
# likelihoods of letter and digit lay on the two sides of this: nearest are I and Z. Those of O and 0 overlap.
START, START_OF_O = 5.0, 9.0
UNTOLD = {
    "O",
    "0",
}  # never believed where these alone make the difference: four of 629 drawn pages were wrong when they were
FIT = 3.0  # natural logarithm: a number that did not hold is put right by what the letters themselves say, and not by much more

Place = Mapping[str, float]  # how likely each letter is at one place, natural logarithms


class Candidate(msgspec.Struct, frozen=True):
    """A zone whose check digits hold, and of each letter of its number how much less likely it is than the likeliest there."""

    lines: tuple[str, ...]
    letters: tuple[float, ...]

    @property
    def weight(self) -> float:
        """How likely the whole number is: natural logarithm, 0 at most."""
        return sum(self.letters)


def candidates(lines: tuple[str, ...], seen: Sequence[Sequence[Line]]) -> tuple[Candidate, ...]:
    """The zone that was read, if it holds, and what it may be too, the likeliest first; `seen`: every reading of every row."""
    field = _number(lines)
    number = _text(lines)
    rows = [row for readings in seen for reading in readings if (row := _placed(reading, lines[field.line], field))]
    places = [_mean([row[at] for row in rows]) for at in range(len(number))]
    found = []
    for each in _tried(number, places):
        line = lines[field.line][: field.start] + each + lines[field.line][field.end :]
        zone = (*lines[: field.line], line, *lines[field.line + 1 :])
        if _holds(zone):
            letters = tuple(place.get(letter, NOTHING) for place, letter in zip(places, each, strict=True))
            found.append(Candidate(zone, letters if rows else (0.0,) * len(number)))
    return tuple(sorted(found, key=lambda each: -each.weight)[:MOST])  # stable: nearest first among equals


def together(pictures: Sequence[Sequence[Candidate]]) -> tuple[Candidate, ...]:
    """What fits every picture, by the mean of them, the likeliest first; () where nothing does well: it was not one document."""
    if not pictures:
        return ()
    said = [{_held(each.lines): each for each in picture} for picture in pictures]
    found = []
    for key in said[0]:
        same = [each[key] for each in said if key in each]
        if len(same) == len(said):
            # Names have no check digit: what most pictures say.
            lines = Counter(each.lines for each in same).most_common(1)[0][0]
            letters = zip(*(each.letters for each in same), strict=True)
            found.append(Candidate(lines, tuple(sum(each) / len(same) for each in letters)))
    found.sort(key=lambda each: -each.weight)
    return tuple(found) if found and found[0].weight >= -FIT else ()


def margin(found: Sequence[Candidate]) -> float:
    """By how much the first is likelier than any other, at the letter that tells them apart best; infinite where it is alone."""
    first = found[0]
    return min((_apart(first, each) for each in found[1:]), default=float("inf"))


def _apart(one: Candidate, two: Candidate) -> float:
    letters = zip(_text(one.lines), _text(two.lines), one.letters, two.letters, strict=True)
    return max((a - b for x, y, a, b in letters if x != y and {x, y} != UNTOLD), default=0.0)


def _text(lines: tuple[str, ...]) -> str:
    """The number with its fillers."""
    field = _number(lines)
    return lines[field.line][field.start : field.end]


def _tried(number: str, places: Sequence[Place]) -> list[str]:
    """The number as read, and others in the order of how unlikely they are."""
    partial: list[tuple[float, str]] = [(0.0, "")]
    for read, place in zip(number, places, strict=True):
        options = {read: -place.get(read, 0.0)}
        options |= {each: -place.get(each, -1.0) for each in ALIKE.get(read, "")}
        options |= {each: -value for each, value in place.items() if -value < DOUBT and FILLER not in {read, each}}
        longer = [(loss + more, text + letter) for loss, text in partial for letter, more in options.items()]
        partial = sorted(longer, key=lambda each: each[0])[:TRIED]
    found = [text for _, text in partial]
    return found if number in found else [number, *found]


def _mean(rows: Sequence[Place]) -> Place:
    """What the readings say of one place, letters with their start, the likeliest 0; {} where there is no reading."""
    if not rows:
        return {}
    means = {each: sum(row.get(each, NOTHING) for row in rows) / len(rows) + _start(each) for each in ALPHABET}
    best = max(means.values())
    return {letter: value - best for letter, value in means.items()}


def _start(letter: str) -> float:
    if not letter.isalpha():
        return 0.0
    return START_OF_O if letter == "O" else START


def _holds(zone: tuple[str, ...]) -> bool:
    try:
        return not mrz.inspect(zone)[1]
    except mrz.MrzError:
        return False


def _number(lines: tuple[str, ...]) -> Field:
    layout = of(lines)
    field = None if layout is None else layout.field("number")
    if field is None:
        raise mrz.MrzError("format", "no number of lines and characters that a travel document has")
    return field


def _held(lines: tuple[str, ...]) -> tuple[str, str, str]:
    """What opens a chip: the fields that check digits hold."""
    found = mrz.parse(lines)
    return found.number, found.birth, found.expiry


def _placed(reading: Line, line: str, field: Field) -> list[dict[str, float]]:
    """How likely each letter was at each place of the number; [] where the reading is not of this line."""
    fitted = mrz.fitted(reading.text, len(line))
    if fitted is None or sum(a == b for a, b in zip(fitted, line, strict=True)) < LIKE * len(line):
        return []
    before = next(
        (at for at, (a, b) in enumerate(zip(fitted, reading.text, strict=False)) if a != b),
        min(len(fitted), len(reading.text)),
    )
    shift = len(reading.text) - len(fitted)
    places = [at if at < before else at + shift for at in range(field.start, field.end)]
    return [
        dict(zip(ALPHABET, (float(each) for each in reading.likely[at]), strict=True))
        if 0 <= at < len(reading.text)
        else {}
        for at in places
    ]
