"""The page that says whether a PDF is intact: ours, ours but for one byte, somebody else's, none."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from egide.gateways.document_page import MAX_PDF, PATH
from tests.world import World

pytestmark = pytest.mark.anyio


async def sent(world: World, content: bytes, lang: str = "fr") -> httpx.Response:
    transport = httpx.ASGITransport(app=world.application)
    async with httpx.AsyncClient(transport=transport, base_url=world.kernel.settings.origin) as client:
        return await client.post(f"{PATH}?lang={lang}", files={"document": ("pv.pdf", content, "application/pdf")})


async def test_a_documents_seal_is_told_in_words(world: World) -> None:
    press, at = world.kernel.things["press"], datetime.now(UTC)
    made = press.seal(
        press.set("receipt", {"title": "Récépissé", "number": "PL-1"}, "fr", at=at), at=at, reason="Récépissé"
    )
    answer = await sent(world, made.pdf)
    assert answer.status_code == 200
    assert "Document intact" in answer.text
    assert "non qualifié" in answer.text
    assert "unsafe" not in answer.headers["content-security-policy"]
    for place in (9, len(made.pdf) // 3, len(made.pdf) // 2, len(made.pdf) - 9):
        changed = bytearray(made.pdf)
        changed[place] ^= 1
        told = await sent(world, bytes(changed), "en")
        assert "not an intact document" in told.text, place
        assert "data-valid" not in told.text
    more = await sent(world, made.pdf + b"\n%%EOF\n")
    assert "data-valid" not in more.text


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"PK\x03\x04", b"\0" * 99, b"%PDF-1.7\n<script>alert(1)</script>"])
async def test_what_is_no_document_of_ours(world: World, content: bytes) -> None:
    answer = await sent(world, content)
    assert answer.status_code == 200
    assert "data-invalid" in answer.text
    assert "<script>alert" not in answer.text


async def test_nothing_too_much_and_nonsense_are_refused_with_a_sentence(world: World) -> None:
    assert (await sent(world, b"")).status_code == 422
    assert (await sent(world, bytes(MAX_PDF + 1))).status_code == 413
    transport = httpx.ASGITransport(app=world.application)
    async with httpx.AsyncClient(transport=transport, base_url=world.kernel.settings.origin) as client:
        blank = await client.get(f"{PATH}?lang=en")
        assert "Verify a document" in blank.text
        for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "text/plain"):
            answer = await client.post(PATH, content=b"nonsense", headers={"content-type": kind})
            assert answer.status_code == 422, kind
            assert 'role="alert"' in answer.text
