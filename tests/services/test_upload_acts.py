"""What becomes of a file that somebody sends: opened, brought, sealed, taken back; or refused with a sentence."""

from __future__ import annotations

from hashlib import sha256

import pytest

from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, TooLarge, TooMany, Unavailable
from egide.services import quarantine as room
from egide.services import upload_words
from egide.services.quarantine import quarantine
from tests.services.desk import MAKER, Desk, photo

pytestmark = pytest.mark.anyio


async def test_original_is_kept_as_it_came_and_its_hash_is_in_the_ledger(desk: Desk) -> None:
    content = photo()
    sealed = await desk.send(content, "photo.jpg", media="image/jpeg")
    assert (sealed["kind"], sealed["bytes"], sealed["sha256"]) == ("jpeg", len(content), sha256(content).hexdigest())
    assert b"".join(quarantine(desk.kernel).original(sealed["upload"])) == content
    lying = b"".join(desk.kernel.objects.get(name) for name in desk.kernel.objects.names("documents/uploads"))
    assert MAKER in content
    assert MAKER not in lying


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
    monkeypatch.setattr(room, "DAILY", upload_words.MAX_FILES + 3)
    with pytest.raises(TooLarge):
        await desk.open(b"", bytes=513 * 1024 * 1024)
    for _ in range(upload_words.MAX_FILES):
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
