"""Pages of documents that do not exist, drawn: held straight or not, sharp or not, whole or torn.

The font is OCR-B where it is installed (Debian's fonts-ocr-b), else DejaVu Sans Mono, else the one that Pillow brings; each
letter at its place, as a printer of documents sets them.
"""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = ("OCRB.otf", "OCR-B.ttf", "DejaVuSansMono.ttf")
WIDTH, HEIGHT = 1200, 840  # px of the page
LETTER = 28  # px
PAPER, INK, TABLE, PHOTO = 222, 40, 110, 150  # of 255


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def page(
    lines: tuple[str, ...],
    *,
    tilt: float = 0,
    blur: float = 0,
    noise: float = 0,
    glare: float = 0,
    ground: float = 0,
    torn: bool = False,
    scale: float = 1,
) -> bytes:
    """A JPEG of a page on a table: tilted (degrees), blurred, noisy, printed upon, under a lamp, torn, from afar.

    Blur in px, the rest in grey values of 255.
    """
    picture = Image.new("L", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 90, 360, 500), fill=PHOTO)
    for row, text in enumerate(("UTOPIA PASSPORT", "Nom ERIKSSON", "Prénoms ANNA MARIA", "12 AUG 1974")):
        draw.text((400, 100 + row * 70), text, font=font(20), fill=60)
    pitch = min(LETTER * 0.8, (WIDTH - 120) / len(lines[0]))
    for row, text in enumerate(lines):
        top = HEIGHT - 130 - (len(lines) - 2) * 60 + row * 60
        for column, letter in enumerate(text):
            draw.text((70 + column * pitch, top), letter, font=font(LETTER), fill=INK)
    if torn:
        draw.polygon([(620, HEIGHT), (760, HEIGHT - 180), (900, HEIGHT)], fill=TABLE)
    page_ = np.asarray(picture).astype(np.float32)
    if ground:
        down, right = np.mgrid[:HEIGHT, :WIDTH]
        page_ = page_ + ground * np.sin((right + 30 * np.sin(down / 23)) / 3.1)
    if glare:
        down, right = np.mgrid[:HEIGHT, :WIDTH]
        page_ = page_ + glare * np.exp(-(((right - 500) / 150) ** 2 + ((down - HEIGHT + 100) / 80) ** 2))
    seen = _turned(np.clip(page_, 0, 255).astype(np.uint8), tilt)
    if blur:
        seen = cv2.GaussianBlur(seen, (0, 0), blur)
    if scale != 1:
        seen = cv2.resize(seen, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if noise:
        seen = np.clip(seen + np.random.default_rng(1).normal(0, noise, seen.shape), 0, 255).astype(np.uint8)
    return encoded(Image.fromarray(seen))


def encoded(picture: Image.Image, format_: str = "JPEG") -> bytes:
    into = BytesIO()
    picture.save(into, format_, quality=85)
    return into.getvalue()


def _turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """On a table large enough that nothing is lost."""
    side = int(np.hypot(WIDTH, HEIGHT)) if degrees % 180 else WIDTH
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1.0)
    high = side if degrees % 180 else HEIGHT
    turn[:, 2] += ((side - WIDTH) / 2, (high - HEIGHT) / 2)
    return cv2.warpAffine(picture, turn, (side, high), borderValue=TABLE)
