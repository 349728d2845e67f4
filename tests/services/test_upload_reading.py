"""Who reads a file that was sent: a copy that was scanned, or an officer with a reason."""

from __future__ import annotations

import pytest

from egide.kernel.errors import BadInput
from tests.services.desk import Desk, document, photo

pytestmark = pytest.mark.anyio


async def test_without_a_scanner_nothing_is_clean_and_only_an_officer_with_a_reason_opens_the_copy(desk: Desk) -> None:
    sealed = await desk.send(photo(), "photo.jpg")
    shown = await desk.examined(sealed["upload"])
    assert (shown["scan"], shown["copy"], shown["download"]) == ("unscanned", "ready", "")
    assert "Non analysé" in shown["said"]["fr"]
    with pytest.raises(BadInput, match="not scanned"):
        await desk.ask("read", "officer", upload=sealed["upload"])
    read = await desk.ask("read", "officer", upload=sealed["upload"], reason="Plainte en cours")
    assert read["download"].startswith("/api/downloads/")


async def test_original_is_exported_by_an_officer_for_a_reason_alone(desk: Desk) -> None:
    sealed = await desk.send(document(), "a.pdf")
    with pytest.raises(BadInput):
        await desk.ask("original", "officer", upload=sealed["upload"], reason=" ")
    told = await desk.ask("original", "officer", upload=sealed["upload"], reason="Expertise ordonnée")
    assert desk.kernel.downloads.take(told["download"].rpartition("/")[2], "officer", desk.clock.now_us()) is not None
