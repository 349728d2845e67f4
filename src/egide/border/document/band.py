"""Where in a picture the lines of the zone are: two or three long, thin, parallel rows of dark marks close to one another.

No model is asked. Dark marks on a light ground are what is left of the picture less its closing (black hat); marks of one row
are joined; rows as long and as thin as the zone's (ICAO Doc 9303 part 3 §4.1: letters 2.54 mm apart, lines 6.35 mm) that lie
beside one another are the zone. Each row is turned level by its own slant and cut out of the full picture.
"""

from __future__ import annotations

import math
from itertools import combinations, product

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

SIDE = 1600  # px of the longer side in which rows are looked for
HEIGHTS = (10, 16, 26)  # px there that a letter may be high: a page that fills a third of the picture, or all of it
GAPS = (1.6, 3.2)  # letters' heights over which marks are joined: as printed; with a letter lost to a glare
THIN = 14  # times as long as high: a row of TD1 has 25, one of TD3 forty
SHORTEST = 0.3  # of the picture's width
SLANT = 3.0  # degrees that rows of one zone may differ
MAX_ROWS = 40  # rows that are compared with one another
BRIGHT = 250  # of 255: nothing is read under it


class Row(msgspec.Struct, frozen=True):
    """A row of marks: its middle, length and height in px, its slant in degrees (positive: downwards to the right)."""

    x: float
    y: float
    length: float
    height: float
    slant: float


class Band(msgspec.Struct, frozen=True):
    """The zone in a picture: its rows from above, cut out and level; what may be wrong with how it was held."""

    lines: tuple[Grey, ...]
    slant: float  # degrees
    spread: float  # degrees by which the rows differ
    height: float  # px of a letter in the picture as it came
    glare: float  # part of the zone that is burnt out, 0 to 1


def find(picture: Grey) -> Band | None:
    """The zone in a picture (height × width, grey); None where nothing looks like one."""
    scale = min(1.0, SIDE / max(picture.shape))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    best: tuple[Row, ...] = ()
    for height in HEIGHTS:
        for marks, gap in product(_marks(np.asarray(small, dtype=np.uint8), height), GAPS):
            found = _together(_rows(marks, height, gap))
            if sum(row.length for row in found) > sum(row.length for row in best) * 1.05:
                best = found
    if not best:
        return None
    rows = [
        Row(row.x / scale, row.y / scale, row.length / scale, row.height / scale, row.slant)
        for row in sorted(best, key=_across)
    ]
    lines = tuple(_cut(picture, row) for row in rows)
    slants = [row.slant for row in rows]
    return Band(
        lines=lines,
        slant=sum(slants) / len(slants),
        spread=max(slants) - min(slants),
        height=min(row.height for row in rows),
        glare=max(_glare(each) for each in lines),
    )


def _marks(small: Grey, height: int) -> list[Grey]:
    """Dark marks no larger than a letter, white on black: all of them, and the darker half of them.

    The ground of a document is itself printed, in fine pale lines: against those the second is for.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (height * 3 // 2, height * 3 // 2))
    hat = cv2.morphologyEx(cv2.GaussianBlur(small, (3, 3), 0), cv2.MORPH_BLACKHAT, kernel)
    level, _ = cv2.threshold(hat, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    dark = hat[hat > level]
    levels = [level]
    if dark.size:
        levels.append(cv2.threshold(dark, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0])
    return [np.where(hat > each, 255, 0).astype(np.uint8) for each in levels]


def _rows(marks: Grey, height: int, gap: float) -> list[Row]:
    """The marks of one row joined; what is as long and thin as a row of the zone."""
    joined = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones((3, round(height * gap)), dtype=np.uint8))
    cleaned = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((max(3, height // 3), height), dtype=np.uint8))
    outlines, _ = cv2.findContours(cleaned, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines:
        (x, y), (one, two), angle = cv2.minAreaRect(outline)
        length, thickness, slant = (one, two, angle) if one >= two else (two, one, angle - 90)
        slant = (slant + 90) % 180 - 90
        if length >= SHORTEST * marks.shape[1] and thickness * THIN <= length and thickness >= height / 2:
            found.append(Row(x, y, length, thickness, slant))
    return sorted(found, key=lambda row: -row.length)[:MAX_ROWS]


def _together(rows: list[Row]) -> tuple[Row, ...]:
    """The longest two or three rows that lie as those of one zone."""
    best: tuple[Row, ...] = ()
    for pair in combinations(rows, 2):
        if not _beside(*pair):
            continue
        third = [row for row in rows if row not in pair and any(_beside(row, each) for each in pair)]
        found = (*pair, *third[:1])
        if sum(row.length for row in found) > sum(row.length for row in best):
            best = found
    return best


def _beside(one: Row, two: Row) -> bool:
    """Parallel, as long, as high, and as far from one another as two lines of the zone."""
    away = abs(_across(one) - _across(two))
    height = max(one.height, two.height)
    along = abs(_along(one) - _along(two))
    return (
        abs(one.slant - two.slant) <= SLANT * 2
        and min(one.length, two.length) >= 0.85 * max(one.length, two.length)
        and min(one.height, two.height) >= 0.45 * height
        and 0.9 * height <= away <= 4 * height
        and along <= 0.1 * max(one.length, two.length)
    )


def _across(row: Row) -> float:
    """How far down a row is, seen along its slant."""
    slant = math.radians(row.slant)
    return row.y * math.cos(slant) - row.x * math.sin(slant)


def _along(row: Row) -> float:
    slant = math.radians(row.slant)
    return row.x * math.cos(slant) + row.y * math.sin(slant)


def _cut(picture: Grey, row: Row) -> Grey:
    """The row, level, with a margin of a letter and more at its ends, for thin letters there are lost."""
    width, height = round(row.length + row.height * 2.6), max(8, round(row.height * 1.5))
    turn = cv2.getRotationMatrix2D((row.x, row.y), row.slant, 1.0)
    turn[:, 2] += np.array((width / 2 - row.x, height / 2 - row.y))
    return np.asarray(
        cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.uint8,
    )


def _glare(line: Grey) -> float:
    """The burnt-out part of a line, if the rest of its ground is not as bright."""
    burnt = float((line >= BRIGHT).mean())
    return (
        burnt if float(np.percentile(line[line < BRIGHT], 75) if (line < BRIGHT).any() else 255) < BRIGHT - 10 else 0.0
    )
