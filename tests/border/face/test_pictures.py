"""Pictures from outside: read, or refused with one's own error."""

from __future__ import annotations

import os
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from egide.border.face import pictures
from egide.border.face.pictures import read_picture
from egide.kernel.errors import BadInput, TooLarge
from tests.border.face.drawn import portrait

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)


def encoded(form: str, image: np.ndarray | None = None, **how: object) -> bytes:
    out = BytesIO()
    Pillow.fromarray(portrait(0) if image is None else image).save(out, form, **how)
    return out.getvalue()


JPEG = encoded("JPEG", quality=60)


@pytest.mark.parametrize("form", pictures.FORMATS)
def test_every_format_of_a_camera_and_of_a_chip_is_read_as_rgb(form):
    read = read_picture(encoded(form))
    assert read.shape == (320, 320, 3)
    assert np.abs(read.astype(int) - portrait(0)).mean() < 6


def test_a_phone_held_upright_is_read_upright():
    image = np.zeros((40, 80, 3), dtype=np.uint8)
    image[:, :40] = 255  # its left, which a turn by 90° brings to the top
    exif = Pillow.Exif()
    exif[0x0112] = 6
    read = read_picture(encoded("JPEG", image, exif=exif))
    assert read.shape == (80, 40, 3)
    assert read[:20].mean() > 240
    assert read[60:].mean() < 20


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(form):
    with pytest.raises(BadInput):
        read_picture(encoded(form))


def test_a_picture_too_large_is_refused_from_its_head(monkeypatch):
    with pytest.raises(TooLarge):
        read_picture(bytes(pictures.MAX_BYTES + 1))
    bomb = encoded("PNG", np.zeros((4000, 3001, 3), dtype=np.uint8))
    assert len(bomb) < 200_000
    monkeypatch.setattr(Pillow.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(TooLarge):
        read_picture(bomb)


@CASES
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(data):
    with pytest.raises(BadInput):
        read_picture(data)


@CASES
@given(st.integers(0, len(JPEG) - 1), st.integers(0, 255), st.integers(1, len(JPEG)))
def test_a_torn_picture_is_refused_or_read(place, byte, length):
    torn = bytearray(JPEG)
    torn[place] = byte
    try:
        assert read_picture(bytes(torn[:length])).ndim == 3
    except (BadInput, TooLarge):
        return
