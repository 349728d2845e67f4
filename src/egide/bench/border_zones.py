"""Zones read from pictures: 500 pages of documents that do not exist, tilted, noisy and blurred; the share read entirely right.

Entirely right: every letter of every line, names too, which no check digit holds. What is believed and wrong is told apart from
what is not believed: the second asks for another picture or for a person's eye, the first is found out by the chip, whose keys
follow from number and dates. Numbers are drawn evenly from letters and digits, which is the worst that a state may do: a check
digit is modulo 10, so that G (16) for 6 changes none (ICAO Doc 9303 part 3 §4.9).
"""

from __future__ import annotations

import string
from collections import Counter
from datetime import date
from random import Random
from statistics import median
from time import process_time

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from egide.bench.border_scene import jpeg
from egide.bench.measure import Bench, BenchError, row
from egide.border.document.zone import Reading, ZoneReader, combined
from egide.border.room.reading import CHOICES
from egide.protocols import mrz
from egide.protocols.mrz.layout import Format

ZONES = 500
SHOTS = 3  # pictures of one page: as many as a kiosk takes (border/room/reading.py)
ENDS = ("right", "choice", "missing", "unread", "name", "wrong")
TILT, NOISE, BLUR = 8.0, 12.0, 1.6  # at most: degrees, standard deviation of grey (of 255), sigma in px
SWAY = 1.0  # degrees by which a hand moves between two pictures
FONTS = (
    "OCRB.otf",
    "OCR-B.ttf",
    "DejaVuSansMono.ttf",
)  # OCR-B (Debian: fonts-ocr-b) is the zone's typeface, 9303-3 §4.2
PAGE = (1200, 840)  # px: a data page of 125 × 88 mm at 244 dpi
LETTER, PITCH, LINES = (
    33,
    24.4,
    61.0,
)  # px: size of type; 2.54 mm from letter to letter, 6.35 mm from line to line (9303-3 §4.1)
PAPER, INK, TABLE, PHOTO = 222, 40, 110, 150  # of 255
FORMATS: tuple[Format, ...] = ("TD3", "TD3", "TD1", "TD2")  # as often as they are met: passports first
TODAY = date(2026, 11, 27)


def zones(bench: Bench) -> None:
    """The shares after one picture and after all of them, and what a picture costs."""
    font, count = _font(), 20 if bench.quick else ZONES
    reader, one, all_, times = ZoneReader(), Counter[str](), Counter[str](), []
    for number in range(count):
        if number % 20 == 0:
            bench.say(f"zones {number}/{count}")
        lines, pictures = page(number, font)
        before = process_time()
        readings = [reader.read(pictures[0], TODAY)]
        times.append((process_time() - before) * 1000)
        one[_end(readings[0], lines)] += 1
        if readings[0].why:
            readings += [reader.read(each, TODAY) for each in page(number, font, SHOTS)[1][1:]]
        all_[_end(_settled(readings), lines)] += 1
    bench.add(
        row("zones_right_share", all_["right"] / count, "of zones", "higher"),
        row("zones_right_share, one picture", one["right"] / count, "of zones", "higher"),
        row("zones_unclear_share", all_["choice"] / count, "of zones", "lower"),
        row("zones_wrongly_believed_share", (all_["wrong"] + all_["name"]) / count, "of zones", "lower"),
        row("zone_ms", median(times[1:]), "CPU ms", "lower"),
    )
    said = ", ".join(f"{name} {one[name]} and {all_[name]}" for name in ENDS)
    bench.note(
        f"zones: {count} pages of TD3, TD1 and TD2 in {font.getname()[0]}, tilted up to {TILT:.0f}°, noise up to {NOISE:.0f} grey levels, blur "
        f"up to {BLUR} px, JPEG. After one picture and after up to {SHOTS} of one moment: {said}. choice: the number is among the first three, to be chosen; missing: it is not, and no chip opens; unread: another picture is asked for; name: the number is right, a name or nationality is not; wrong: believed, with another number or date."
    )


def _settled(readings: list[Reading]) -> Reading:
    """As a kiosk does: pictures until one settles it."""
    taken: list[Reading] = []
    for each in readings:
        taken.append(each)
        if not combined(taken).why:
            break
    return combined(taken)


def _end(read: Reading, meant: tuple[str, ...]) -> str:
    """One of `ENDS`."""
    if read.mrz is None:
        return "unread"
    if read.why:
        return "choice" if any(_opens(each.lines, meant) for each in read.candidates[: 1 + CHOICES]) else "missing"
    if read.lines == meant:
        return "right"
    return "name" if _opens(read.lines, meant) else "wrong"


def _opens(read: tuple[str, ...], meant: tuple[str, ...]) -> bool:
    """Whether it opens the chip of what is meant."""
    found, wanted = mrz.parse(read), mrz.parse(meant)
    return (found.number, found.birth, found.expiry) == (wanted.number, wanted.birth, wanted.expiry)


def page(seed: int, font: ImageFont.FreeTypeFont, shots: int = 1) -> tuple[tuple[str, ...], list[bytes]]:
    """(the lines of a zone, so many JPEGs of the page that bears it, taken one after the other)."""
    dice = Random(seed)  # noqa: S311 — made-up documents
    lines = tuple(mrz.render(_document(dice)))
    picture = Pillow.new("L", PAGE, PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 90, 360, 500), fill=PHOTO)
    for number, text in enumerate(("UTOPIA", "PASSPORT / PASSEPORT", "UTOPIAN", "12 AUG 1974")):
        draw.text((400, 100 + number * 70), text, font=font, fill=60)
    pitch = min(PITCH, (PAGE[0] - 120) / len(lines[0]))
    for number, text in enumerate(lines):
        top = PAGE[1] - 60 - (len(lines) - number) * LINES
        for column, letter in enumerate(text):
            draw.text((70 + column * pitch, top), letter, font=font, fill=INK)
    return lines, [jpeg(each) for each in _taken(np.asarray(picture), dice, shots)]


def _taken(page_: NDArray[np.uint8], dice: Random, shots: int) -> list[NDArray[np.uint8]]:
    """As a hand takes it: on a table, tilted, not quite sharp, in bad light.

    The next pictures are of the same moment: as blurred, as noisy, nearly as tilted. Only noise falls anew.
    """
    tilt, blur, grain, noise = (
        dice.uniform(-TILT, TILT),
        dice.uniform(0.3, BLUR),
        dice.randrange(1 << 32),
        dice.uniform(0, NOISE),
    )
    return [
        _shot(page_, tilt + (dice.uniform(-SWAY, SWAY) if at else 0), blur, noise, grain + at) for at in range(shots)
    ]


def _shot(page_: NDArray[np.uint8], tilt: float, blur: float, noise: float, grain: int) -> NDArray[np.uint8]:
    side = int(np.hypot(*PAGE))
    turn = cv2.getRotationMatrix2D((PAGE[0] / 2, PAGE[1] / 2), tilt, 1.0)
    turn[:, 2] += np.array(((side - PAGE[0]) / 2, (side - PAGE[1]) / 2))
    seen = cv2.warpAffine(page_, turn, (side, side), borderValue=TABLE)
    blurred = cv2.GaussianBlur(seen, (0, 0), blur)
    grey = np.random.default_rng(grain).normal(0, noise, blurred.shape)
    return np.asarray(np.clip(blurred + grey, 0, 255), dtype=np.uint8)


def _document(dice: Random) -> mrz.Mrz:
    def letters(low: int, high: int) -> str:
        return "".join(dice.choices(string.ascii_uppercase, k=dice.randint(low, high)))

    kind = dice.choice(FORMATS)
    states = ("UTO", "FRA", "D", "USA", "SWE", "BRA")
    return mrz.Mrz(
        format=kind, code="P" if kind == "TD3" else "I", state=dice.choice(states),
        number="".join(dice.choices(string.ascii_uppercase + string.digits, k=9)),
        surname=letters(3, 9), given=" ".join(letters(2, 5) for _ in range(dice.randint(1, 2))), nationality=dice.choice(states),
        birth=f"{dice.randint(40, 99):02}{dice.randint(1, 12):02}{dice.randint(1, 28):02}", sex=dice.choice("MF<"),
        expiry=f"{dice.randint(27, 36):02}{dice.randint(1, 12):02}{dice.randint(1, 28):02}",
        optional="".join(dice.choices(string.ascii_uppercase + string.digits, k=dice.choice((0, 0, 7)))),
    )  # fmt: skip


def _font() -> ImageFont.FreeTypeFont:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, LETTER)
        except OSError:
            continue
    raise BenchError("no typeface to draw a zone with: install fonts-ocr-b")


MEASURES = (zones,)
