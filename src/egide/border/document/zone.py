"""The machine-readable zone out of a picture: found, read, put right by its fields, and believed only if every digit checks.

Each line is read twice, and more where the two differ; the readings are put together letter by letter. What the
fields and check digits put right (`mrz.typed`) is told. Where nothing can be believed there is a word for the traveller: hold
it flat, less glare, closer.

Two things no check digit tells: names, which have none, and letters of a number that were taken for digits where it holds for
for both: G for 6, or two that make up for one another. What else a number may be is weighed by its letters (alike.py). Where that
does not settle it the reading is `unclear`, and is there nevertheless: the chip tells, which says the names again, signed, and
opens to the right number alone. `combined` puts several pictures of one document together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from io import BytesIO
from itertools import islice, product
from typing import Literal

import cv2
import msgspec
import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from egide.border.document.alike import FIT, SURE, Candidate, candidates, margin, together
from egide.border.document.band import Band, Grey, find
from egide.border.document.letters import Letters, Line
from egide.kernel.errors import BadInput, Text, TooLarge
from egide.protocols import mrz
from egide.protocols.mrz import Mrz, dates
from egide.protocols.mrz.typed import Correction

MAX_BYTES = 8 << 20  # a telephone's picture has 2 to 5 MB
MAX_PIXELS = 16_000_000  # 4,600 × 3,500
FORMATS = ("JPEG", "PNG", "WEBP")  # what a camera page or a scanner sends
WIDTHS = {2: (44, 36), 3: (30,)}  # letters of a line, by the number of lines
LEAST = 8.0  # px of a letter below which nothing is believed: with 6, names came out wrong while every digit held (measured)
SMALL = 14.0  # px below which to come closer is the best advice
SLANTED = 15.0  # degrees beyond which nothing was understood because of it
SPREAD = 2.0  # degrees by which two lines differ when the page is bent
BURNT = 0.04  # of the zone
TURNS = (0, 25, -25, 90)  # degrees; rows are found up to fifteen from level, and read either way up
MAX_SETS = 40  # lines put together before giving up
MAX_OTHERS = 4  # a chip takes a second for each, and longer the more often it was wrong

Why = Literal[
    "",  # read
    "not-found",  # nothing looks like a zone
    "closer",
    "glare",
    "flat",  # bent, or too slanted
    "unclear",  # seen, and not to be believed; or with letters of the number that the digits cannot tell apart
]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read. `mrz` is there only where every check digit holds and the dates are dates.

    Where it may as well be another, `why` is `unclear`: then it opens a chip, and is believed by nobody but who reads the page.
    """

    mrz: Mrz | None
    lines: tuple[str, ...] = ()  # as they are meant; () where nothing has the form of a zone
    corrected: tuple[Correction, ...] = ()
    candidates: tuple[
        Candidate, ...
    ] = ()  # what it may be, as the check digits see it: the likeliest, which was taken, first
    others: tuple[Mrz, ...] = ()  # the next of them: a chip that the first does not open is asked with these
    why: Why = ""


def combined(readings: Sequence[Reading]) -> Reading:
    """Pictures of one document, at least one, the newest last: what fits all that were read; where nothing does, the last."""
    read = [each for each in readings if each.mrz is not None]
    if len(read) < 2:
        return read[0] if read else readings[-1]
    found = together([each.candidates for each in read])
    return _chosen(found, read[-1].lines) if found else read[-1]


class ZoneReader:
    """Reads zones; loads its model at the first. One picture at a time."""

    def __init__(self) -> None:
        self._letters = Letters()

    def read(self, image: bytes, today: date) -> Reading:
        """The zone in a picture (JPEG, PNG, WebP). Raises `BadInput`, `TooLarge`, `Unavailable`.

        However it is turned.
        """
        picture = _decoded(image)
        for degrees in TURNS:
            turned = _turned(picture, degrees)
            band = find(turned)
            if band is None:
                continue
            reading = self._read_band(band, today)
            if reading.mrz is None and (other := find(_turned(turned, 180))) is not None:
                upside_down = self._read_band(other, today)
                reading = upside_down if upside_down.mrz is not None or not reading.lines else reading
            return reading
        return Reading(mrz=None, why=_why_not_found(picture))

    def _read_band(self, band: Band, today: date) -> Reading:
        """Two readings of each line; where they differ, or no digit holds, a third, and all of them together."""
        if band.height < LEAST:
            return Reading(mrz=None, why="closer")
        plain, evened = self._letters.read(list(band.lines)), self._letters.read([_evened(each) for each in band.lines])
        seen = list(zip(plain, evened, strict=True))
        if all(one.text == two.text for one, two in seen):
            for lines in _sets([[line.text] for line in plain]):
                reading = _judged(lines, today, seen)
                if reading.mrz is not None:
                    return reading
        higher = self._letters.read([_higher(each) for each in band.lines])
        three = list(zip(plain, evened, higher, strict=True))
        readings = [list(dict.fromkeys(line.text for line in each)) for each in three]
        best: Reading | None = None
        for lines in islice(_sets(readings), MAX_SETS):
            reading = _judged(lines, today, three)
            if reading.mrz is not None:
                return reading
            best = best or reading
        return msgspec.structs.replace(best or Reading(mrz=None), why=_why(band))


def _evened(line: Grey) -> Grey:
    """The line with its contrast evened along it."""
    return np.asarray(cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 1)).apply(line), dtype=np.uint8)


def _higher(line: Grey) -> Grey:
    """The line with more ground above and below: smaller letters for the recogniser."""
    margin = line.shape[0] // 5
    return np.asarray(cv2.copyMakeBorder(line, margin, margin, 0, 0, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _turned(picture: Grey, degrees: int) -> Grey:
    """The picture turned to the left, none of it lost."""
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(picture, degrees // 90))
    height, width = picture.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    wide = round(height * abs(turn[0, 1]) + width * turn[0, 0])
    high = round(height * turn[0, 0] + width * abs(turn[0, 1]))
    turn[:, 2] += np.array(((wide - width) / 2, (high - height) / 2))
    ground = float(np.median(picture))
    return np.asarray(cv2.warpAffine(picture, turn, (wide, high), borderValue=(ground,)), dtype=np.uint8)


def _sets(readings: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Lines that may be a zone together: the votes first, then each reading with each; a row too many is left out."""
    spans = [readings] if len(readings) == 2 else [readings, readings[1:], readings[:2]]
    for span in spans:
        for width in WIDTHS[len(span)]:
            fitted = [[fit for text in texts if (fit := mrz.fitted(text, width))] for texts in span]
            if not all(fitted):
                continue
            yield tuple(_voted(texts) for texts in fitted)
            yield from product(*fitted)


def _voted(texts: Sequence[str]) -> str:
    """The letter that most readings have at each place; the first reading's where there is no most."""
    return "".join(Counter(letters).most_common(1)[0][0] for letters in zip(*texts, strict=True))


def _judged(lines: tuple[str, ...], today: date, seen: Sequence[Sequence[Line]] = ()) -> Reading:
    """The lines put right, and of what the number may be the likeliest; `seen`: the readings they came of."""
    try:
        meant = mrz.typed(lines)
        zones = candidates(meant.lines, seen)
        if meant.lines not in {each.lines for each in zones} and not (zones and zones[0].weight >= -FIT):
            return Reading(mrz=None, lines=lines)
        found = mrz.parse(zones[0].lines)
        dates.birth(found.birth, today)
        dates.expiry(found.expiry, today)
    except mrz.MrzError:
        return Reading(mrz=None, lines=lines)
    if found.truncated and not found.given:
        # No filler between names, none at their end: what was taken for letters is fillers.
        return Reading(mrz=None, lines=lines)
    return _chosen(zones, lines)


def _chosen(found: tuple[Candidate, ...], read: tuple[str, ...]) -> Reading:
    lines = found[0].lines
    return Reading(
        mrz=mrz.parse(lines),
        lines=lines,
        corrected=mrz.differences(read, lines),
        candidates=found,
        others=tuple(mrz.parse(each.lines) for each in found[1 : 1 + MAX_OTHERS]),
        why="" if margin(found) >= SURE else "unclear",
    )


def _why(band: Band) -> Why:
    """What most likely kept the zone from being read."""
    if band.glare > BURNT:
        return "glare"
    if band.height < SMALL:
        return "closer"
    return "flat" if abs(band.slant) > SLANTED or band.spread > SPREAD else "unclear"


def _why_not_found(picture: Grey) -> Why:
    return "glare" if float((picture >= 250).mean()) > BURNT and float(np.median(picture)) < 240 else "not-found"


def _decoded(image: bytes) -> Grey:
    """The picture, grey, the right way up."""
    if len(image) > MAX_BYTES:
        raise _too_large()
    try:
        with Pillow.open(BytesIO(image), formats=FORMATS) as opened:  # reads the head alone
            fits = opened.width * opened.height <= MAX_PIXELS
            picture = np.array(ImageOps.exif_transpose(opened).convert("L"), dtype=np.uint8) if fits else None
    except Exception:  # noqa: BLE001  Pillow's decoders raise whatever their formats break; it all means the same here
        raise BadInput(
            Text("Cette image ne peut pas être lue.", "This picture cannot be read."),
            Text("Photographiez de nouveau le document.", "Take the picture of the document again."),
        ) from None
    if picture is None:
        raise _too_large()
    return picture


def _too_large() -> TooLarge:
    return TooLarge(
        Text("Cette image est trop grande.", "This picture is too large."),
        Text("Photographiez de nouveau le document, moins finement.", "Take the picture again, with fewer pixels."),
    )
