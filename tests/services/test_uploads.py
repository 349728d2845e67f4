"""What becomes of a file that somebody sends: opened, brought, sealed, examined, read, erased; or refused with a sentence."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest
from PIL import Image

from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, TooLarge, TooMany, Unavailable
from egide.services import quarantine as room
from egide.services import uploads
from egide.services.quarantine import quarantine
from tests.services.desk import MAKER, PLACE, Desk, document, everything, packed, photo

pytestmark = pytest.mark.anyio


async def test_original_is_kept_as_it_came_and_its_hash_is_in_the_ledger(desk: Desk) -> None:
    content = photo()
    sealed = await desk.send(content, "photo.jpg", media="image/jpeg")
    assert (sealed["kind"], sealed["bytes"], sealed["sha256"]) == ("jpeg", len(content), sha256(content).hexdigest())
    assert b"".join(quarantine(desk.kernel).original(sealed["upload"])) == content
    lying = b"".join(desk.kernel.objects.get(name) for name in desk.kernel.objects.names("documents/uploads"))
    assert MAKER in content
    assert MAKER not in lying


async def test_without_a_scanner_nothing_is_clean_and_only_an_officer_with_a_reason_opens_the_copy(desk: Desk) -> None:
    sealed = await desk.send(photo(), "photo.jpg")
    shown = await desk.examined(sealed["upload"])
    assert (shown["scan"], shown["copy"], shown["download"]) == ("unscanned", "ready", "")
    assert "Non analysé" in shown["said"]["fr"]
    with pytest.raises(BadInput, match="not scanned"):
        await desk.ask("read", "officer", upload=sealed["upload"])
    read = await desk.ask("read", "officer", upload=sealed["upload"], reason="Plainte en cours")
    assert read["download"].startswith("/api/downloads/")


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


async def test_original_is_exported_by_an_officer_for_a_reason_alone(desk: Desk) -> None:
    sealed = await desk.send(document(), "a.pdf")
    with pytest.raises(BadInput):
        await desk.ask("original", "officer", upload=sealed["upload"], reason=" ")
    told = await desk.ask("original", "officer", upload=sealed["upload"], reason="Expertise ordonnée")
    assert desk.kernel.downloads.take(told["download"].rpartition("/")[2], "officer", desk.clock.now_us()) is not None


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


async def test_other_bytes_than_declared_are_refused(desk: Desk) -> None:
    opened = await desk.open(b"words", sha256="0" * 64)
    quarantine(desk.kernel).take(opened["id"], opened["secret"], 0, b"words")
    with pytest.raises(BadInput, match="SHA-256"):
        await desk.ask("seal", upload=opened["id"], secret=opened["secret"])
    opened = await desk.open(b"words and more")
    quarantine(desk.kernel).take(opened["id"], opened["secret"], 0, b"words")
    with pytest.raises(Conflict, match="5 bytes of 14"):
        await desk.ask("seal", upload=opened["id"], secret=opened["secret"])
    with pytest.raises(TooLarge):
        quarantine(desk.kernel).take(opened["id"], opened["secret"], 5, b" and more than was said")


async def test_who_holds_no_secret_opens_follows_and_withdraws_nothing(desk: Desk) -> None:
    with pytest.raises(NotFound):
        await desk.open(b"x", secret="wrong")
    with pytest.raises(NotFound):
        await desk.open(b"x", owner="someone")
    sealed = await desk.send(b"words")
    for name in ("follow", "withdraw"):
        with pytest.raises(NotFound):
            await desk.ask(name, upload=sealed["upload"], secret="wrong")
    with pytest.raises(EgideError, match="not signed in"):
        await desk.ask("read", upload=sealed["upload"])
    opened = await desk.open(b"words")
    with pytest.raises(NotFound):
        quarantine(desk.kernel).take(opened["id"], "wrong", 0, b"words")
    desk.move(hours=25)
    with pytest.raises(NotFound):
        quarantine(desk.kernel).take(opened["id"], opened["secret"], 0, b"words")


async def test_quotas(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "DAILY", uploads.MAX_FILES + 3)
    with pytest.raises(TooLarge):
        await desk.open(b"", bytes=513 * 1024 * 1024)
    for _ in range(uploads.MAX_FILES):
        await desk.open(b"x")
    with pytest.raises(TooMany, match="20 files"):
        await desk.open(b"x")
    for number in range(3):
        await desk.open(b"x", owner=f"draft:{number + 2}")
    with pytest.raises(TooMany, match="this network"):
        await desk.open(b"x", owner="draft:9")
    monkeypatch.setattr(room, "RESERVE", 1 << 60)
    with pytest.raises(Unavailable, match="no room"):
        await desk.open(b"x", who="officer", owner="draft:9")


async def test_what_is_never_sealed_is_erased_after_a_day_and_what_is_withdrawn_at_once(desk: Desk) -> None:
    left = await desk.open(b"words")
    quarantine(desk.kernel).take(left["id"], left["secret"], 0, b"words")
    kept, withdrawn = await desk.send(b"other words"), await desk.send(b"wrong file")
    await desk.ask("withdraw", upload=withdrawn["upload"], secret="right")
    with pytest.raises(NotFound):
        await desk.ask("follow", upload=withdrawn["upload"], secret="right")
    desk.move(hours=25)
    objects = desk.kernel.objects
    await desk.until(lambda: {name.split("/")[2] for name in objects.names("documents/uploads")} == {kept["upload"]})
    db = desk.kernel.store.reader()
    assert [row.id for row in db.exec_driver_sql("select id from service_upload")] == [kept["upload"]]
    bodies = "select count(*) from entry where act like 'services.upload.%' and body is null"
    assert db.exec_driver_sql(bodies).scalar() == 4  # opened twice, sealed once, withdrawn once
    assert [file.upload for file in uploads.files_of(desk.kernel, db, "draft:1")] == [kept["upload"]]


async def test_no_secret_enters_the_ledger(desk: Desk) -> None:
    sealed = await desk.send(b"words")
    db = desk.kernel.store.reader()
    for row in db.exec_driver_sql("select id, body from entry where act like 'services.upload.%'"):
        clear = desk.kernel.vault.open_(room.owner(sealed["upload"]), room.PURPOSE, row.body, row.id.encode())
        assert b"right" not in clear
        assert b'"secret"' not in clear


async def test_file_goes_on_where_another_process_left_it(desk: Desk) -> None:
    content = bytes(range(256)) * 5000
    opened = await desk.open(content, "a.txt")
    quarantine(desk.kernel).take(opened["id"], opened["secret"], 0, content[:700_000])
    await desk.stop()
    await desk.start()
    there, whole = quarantine(desk.kernel).offset(opened["id"], opened["secret"])
    assert (there, whole) == (700_000, len(content))
    quarantine(desk.kernel).take(opened["id"], opened["secret"], there, content[there:])
    assert quarantine(desk.kernel).file(opened["id"]).read() == content


async def test_who_did_not_hear_the_answer_seals_again(desk: Desk) -> None:
    opened = await desk.open(b"words")
    quarantine(desk.kernel).take(opened["id"], opened["secret"], 0, b"words")
    first = await desk.ask("seal", upload=opened["id"], secret=opened["secret"])
    again = await desk.ask("seal", upload=opened["id"], secret=opened["secret"])
    assert (again["upload"], again["sha256"], again["at"]) == (first["upload"], first["sha256"], first["at"])
    with pytest.raises(NotFound):
        await desk.ask("seal", upload=opened["id"], secret="wrong")
    jobs = "select count(*) from job where act = 'services.upload.examine'"
    assert desk.kernel.store.reader().exec_driver_sql(jobs).scalar() == 1
