"""What is read of a file when it is sealed, and what the job makes of it: refused, kept apart, or copied."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from egide.kernel.errors import BadInput
from egide.services.quarantine import quarantine
from tests.services.desk import MAKER, PLACE, Desk, document, everything, packed, photo

pytestmark = pytest.mark.anyio


async def test_copy_of_a_photo_has_no_metadata_and_stands_upright(desk: Desk) -> None:
    for form, name in (("JPEG", "a.jpg"), ("PNG", "a.png"), ("WEBP", "a.webp")):
        original = photo(form)
        assert MAKER in original
        assert PLACE in original
        sealed = await desk.send(original, name)
        await desk.examined(sealed["upload"])
        made = desk.copy(sealed["upload"])
        for word in (MAKER, PLACE, b"Exif", b"EXIF", b"xmp", b"ICC"):
            assert word not in made, (form, word)
        with Image.open(io.BytesIO(made)) as image:
            assert image.size == (200, 300)
            assert not image.getexif()


async def test_copy_of_a_document_neither_tells_nor_acts(desk: Desk) -> None:
    original = document(acts=True)
    words = (b"SECRETAUTHOR", b"SECRETXMP", b"SECRETATTACHED", b"SECRETPROGRAM", b"app.alert", MAKER)
    assert all(word in everything(original) for word in words)
    sealed = await desk.send(original, "facture.pdf", media="application/pdf")
    assert sealed["held"] == "active"
    assert (await desk.examined(sealed["upload"]))["copy"] == "ready"
    made = everything(desk.copy(sealed["upload"]))
    assert not [word for word in words if word in made]
    assert b"/DCTDecode" in made
    assert b"".join(quarantine(desk.kernel).original(sealed["upload"])) == original


REFUSED = {
    "zip named pdf": (packed(a=b"a"), "a.pdf", "application/pdf", "not accepted"),
    "program named text": (b"MZ" + bytes(64), "a.txt", "text/plain", "not accepted"),
    "photo named pdf": (photo(), "a.pdf", "application/pdf", "not what its name"),
    "photo declared as png": (photo(), "a.jpg", "image/png", "not what its name"),
    "photo with a zip behind": (photo() + packed(a=b"a"), "a.jpg", "image/jpeg", "contains another"),
    "document with a zip behind": (document() + packed(a=b"a"), "a.pdf", "application/pdf", "contains another"),
    "document behind a photo's head": (photo()[:20] + b"%PDF-1.7" + photo()[20:], "a.jpg", "image/jpeg", "contains another"),
    "text with a NUL": (b"a" * 5000 + b"\0", "a.txt", "text/plain", "not what its name"),
    "locked document": (document(password="p"), "a.pdf", "application/pdf", "password"),
    "broken document": (b"%PDF-1.7\n" + bytes(100), "a.pdf", "application/pdf", "cannot be read"),
    "half a picture's head": (photo("PNG")[:20], "a.png", "image/png", "cannot be read"),
    "nothing known": (bytes(100), "a.bin", "", "not accepted"),
}  # fmt: skip


async def test_what_is_not_what_it_says_is_refused_with_a_sentence(desk: Desk) -> None:
    for case, (content, name, media, word) in REFUSED.items():
        with pytest.raises(BadInput) as caught:
            await desk.send(content, name, media=media)
        assert word in caught.value.what.en, case
        assert caught.value.do is not None
        assert "gardé" in caught.value.do.fr
        assert "kept" in caught.value.do.en


async def test_bomb_is_kept_apart_and_never_decoded(desk: Desk) -> None:
    head = bytearray(photo("PNG"))
    head[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height
    import zlib

    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    sealed = await desk.send(bytes(head), "a.png")
    assert (sealed["held"], sealed["copy"]) == ("points", "none")
    shown = await desk.examined(sealed["upload"])
    assert (shown["copy"], shown["download"]) == ("none", "")
