"""Zones read from pictures: 500 pages of documents that do not exist, tilted, noisy and blurred; the share read entirely right.

Entirely right: every letter of every line, names too, which no check digit holds. What is believed and wrong is told apart from
what is not believed: the second asks for another picture, the first is found out by the chip, whose keys follow from number and
dates. Numbers are drawn evenly from letters and digits, which is the worst that a state may do: a check digit is modulo 10, so
that G (16) for 6 changes none (ICAO Doc 9303 part 3 §4.9).
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
from egide.border.document.zone import ZoneReader
from egide.protocols import mrz
from egide.protocols.mrz.layout import Format

ZONES = 500
TILT, NOISE, BLUR = 8.0, 12.0, 1.6  # at most: degrees, standard deviation of grey (of 255), sigma in px
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
    """The share, and what a picture costs."""
    font, count = _font(), 20 if bench.quick else ZONES
    reader, ends, times, sure = ZoneReader(), Counter[str](), [], 0
    for number in range(count):
        if number % 20 == 0:
            bench.say(f"zones {number}/{count}")
        lines, picture = page(number, font)
        before = process_time()
        found = reader.read(picture, TODAY)
        times.append((process_time() - before) * 1000)
        end = _end(found.lines if found.mrz else None, lines)
        sure += end == "right" and not found.why
        ends[end if end == "right" or not found.why else found.why] += 1  # what is `unclear` is not believed
    bench.add(
        row("zones_right_share", ends["right"] / count, "of zones", "higher"),
        row("zones_wrongly_believed_share", (ends["wrong"] + ends["name"]) / count, "of zones", "lower"),
        row("zone_ms", median(times[1:]), "CPU ms", "lower"),
    )
    rest = ", ".join(f"{name} {ends[name]}" for name in sorted(ends) if name != "right")
    bench.note(
        f"zones: {count} pages of TD3, TD1 and TD2 in {font.getname()[0]}, tilted up to {TILT:.0f}°, noise up to {NOISE:.0f} grey levels, blur "
        f"up to {BLUR} px, JPEG; {ends['right']} entirely right, {sure} of them by the page alone (the number can be no other; the chip tells the rest). The others: {rest or 'none'} (name: digits hold, a name or nationality is wrong; the rest asks for another picture); wrong: number or dates, though every digit holds."
    )


def _end(read: tuple[str, ...] | None, meant: tuple[str, ...]) -> str:
    """right; name: a letter that no digit holds; wrong: another; "" where nothing was believed."""
    if read is None:
        return ""
    if read == meant:
        return "right"
    found, wanted = mrz.parse(read), mrz.parse(meant)
    return (
        "name" if (found.number, found.birth, found.expiry) == (wanted.number, wanted.birth, wanted.expiry) else "wrong"
    )


def page(seed: int, font: ImageFont.FreeTypeFont) -> tuple[tuple[str, ...], bytes]:
    """(the lines of a zone, a JPEG of the page that bears it)."""
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
    return lines, jpeg(_taken(np.asarray(picture), dice))


def _taken(page_: NDArray[np.uint8], dice: Random) -> NDArray[np.uint8]:
    """As a hand takes it: on a table, tilted, not quite sharp, in bad light."""
    side = int(np.hypot(*PAGE))
    turn = cv2.getRotationMatrix2D((PAGE[0] / 2, PAGE[1] / 2), dice.uniform(-TILT, TILT), 1.0)
    turn[:, 2] += np.array(((side - PAGE[0]) / 2, (side - PAGE[1]) / 2))
    seen = cv2.warpAffine(page_, turn, (side, side), borderValue=TABLE)
    blurred = cv2.GaussianBlur(seen, (0, 0), dice.uniform(0.3, BLUR))
    noise = np.random.default_rng(dice.randrange(1 << 32)).normal(0, dice.uniform(0, NOISE), blurred.shape)
    return np.asarray(np.clip(blurred + noise, 0, 255), dtype=np.uint8)


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
