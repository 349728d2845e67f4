"""The portrait of DG2: decoded from JPEG and JPEG 2000, and what is no portrait refused before it is decoded."""

from __future__ import annotations

import os
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from egide.border.document.portrait import read_portrait, shown
from egide.kernel.errors import BadInput, TooLarge
from egide.protocols.emrtd import lds
from egide.protocols.emrtd.errors import EmrtdError
from tests.border.document.drawn import encoded

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "50")), deadline=None)
RED = Image.new("RGB", (90, 120), (200, 30, 40))


def jpeg2000(picture: Image.Image) -> bytes:
    into = BytesIO()
    picture.save(into, "JPEG2000")
    return into.getvalue()


def read(data: bytes, format_: lds.ImageFormat = "jpeg") -> np.ndarray:
    return read_portrait(lds.portrait(lds.written_portrait(data, format_, 90, 120)))


@pytest.mark.parametrize(("data", "format_"), [(encoded(RED), "jpeg"), (jpeg2000(RED), "jpeg2000")])
def test_both_codings_are_decoded_and_shown_as_one_that_browsers_know(data: bytes, format_: lds.ImageFormat) -> None:
    found = read(data, format_)
    assert found.shape == (120, 90, 3)
    assert np.abs(found.astype(int).mean(axis=(0, 1)) - (200, 30, 40)).max() < 4
    with Image.open(BytesIO(shown(lds.portrait(lds.written_portrait(data, format_, 90, 120))))) as opened:
        assert (opened.format, opened.size) == ("JPEG", (90, 120))
        assert np.abs(np.asarray(opened).astype(int).mean(axis=(0, 1)) - (200, 30, 40)).max() < 6


def test_a_grey_portrait_has_three_channels() -> None:
    assert read(encoded(RED.convert("L"))).shape == (120, 90, 3)


def test_a_small_file_of_many_pixels_is_not_decoded() -> None:
    bomb = encoded(Image.new("L", (3000, 3000)), "JPEG")
    assert len(bomb) < lds.MAX_FILE
    with pytest.raises(TooLarge):
        read(bomb)


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(EmrtdError) as refused:
        read(encoded(RED) + bytes(lds.MAX_FILE))
    assert refused.value.why == "too-large"


@CASES
@given(st.binary(max_size=200), st.sampled_from([magic for magic, _ in lds.MAGIC] + [b"GIF89a", b"%!PS", b""]))
def test_anything_is_refused_as_no_portrait(data: bytes, magic: bytes) -> None:
    for group in (data, lds.written_portrait(magic + data, "jpeg", 90, 120)):
        with pytest.raises((BadInput, TooLarge, EmrtdError)):
            read_portrait(lds.portrait(group))
