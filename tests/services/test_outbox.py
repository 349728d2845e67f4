"""A day without network, brought in: each act once, whatever is doubled or cut off; what cannot be, kept for the desk."""

from __future__ import annotations

import asyncio
import os
import random
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import BadInput, EgideError, Refused, TooLarge, TooMany
from egide.kernel.identity import ANONYMOUS
from egide.kernel.limits import Buckets
from egide.kernel.retention import Keeper
from egide.protocols import escrow
from egide.services import outbox_tables, tables
from egide.services.outbox import MAX_BYTES, MOST
from tests.services.filings import WHO, lawful
from tests.services.offline import REPORT, Chain, Device, again, point
from tests.world import World

pytestmark = pytest.mark.anyio
assert REPORT is not None


def files(world: World) -> list[str]:
    rows = world.kernel.store.reader().execute(select(tables.file.c.number).order_by(tables.file.c.number)).all()
    return [row.number for row in rows]


def ledger(world: World, name: str) -> list[str]:
    entry = kernel_tables.entry
    rows = world.kernel.store.reader().execute(select(entry.c.outcome).where(entry.c.act == name).order_by(entry.c.idx))
    return [row.outcome for row in rows]


async def test_each_act_once_whatever_is_doubled(world: World) -> None:
    device = await Device(world).enrol()
    entries = [device.add(device.report()) for _ in range(12)]
    random.Random(7).shuffle(entries)
    first = await device.sync(*entries, *entries[:5])
    assert [one["state"] for one in first] == ["recorded"] * 12
    assert sorted(one["number"] for one in first) == files(world) == [f"PC-2026-{n:06}" for n in range(1, 13)]
    assert ledger(world, "services.field_report.take") == ["allowed"] * 12, "each is an entry of the ledger"
    second = await device.sync(*reversed(entries))
    assert {one["id"]: (one["number"], one["code"]) for one in second} == {
        one["id"]: (one["number"], one["code"]) for one in first
    }
    assert all(one["again"] for one in second)
    assert len(files(world)) == 12
    assert ledger(world, "services.field_report.take") == ["allowed"] * 12
    opened = await world.act("officer", "services.field_report.read", file=first[0]["file"])
    assert opened["file"]["channel"] == "mobile"
    assert opened["file"]["who"]["birthdate"] == "1988-02-29"


async def test_a_number_that_is_drawn_while_it_is_written_is_told_again(world: World) -> None:
    given_ = {
        "channel": "mobile", "version": REPORT.version, "answers": lawful(REPORT), "who": WHO, "client_id": "client-0001",
    }  # fmt: skip
    first = await world.act("officer", "services.field_report.take", **given_)
    assert first["number"] == "PC-2026-000001"
    assert await world.act("officer", "services.field_report.take", **given_) == first


async def test_two_at_once_and_a_batch_that_was_cut_off(world: World) -> None:
    device = await Device(world).enrol()
    entries = [device.add(device.report()) for _ in range(6)]
    both = await asyncio.gather(device.sync(*entries[:4]), device.sync(*entries))
    assert len(files(world)) == 6
    assert {one["number"] for batch in both for one in batch} == set(files(world))
    # The acts are there and the server dies before it remembers the batch: asked again, the same numbers.
    with world.kernel.store.side() as db:
        db.execute(outbox_tables.entry.delete())
    after = await device.sync(*entries)
    assert [one["number"] for one in after] == [one["number"] for one in both[1]]
    assert len(files(world)) == 6


async def test_one_transaction_for_a_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    device = await Device(world).enrol()
    batches: list[int] = []
    committed = world.kernel.door.committed

    def counted(batch: list[Any]) -> None:
        batches.append(len(batch))
        committed(batch)

    monkeypatch.setattr(world.kernel.door, "committed", counted)
    await device.sync(*(device.add(device.report()) for _ in range(40)))
    assert batches == [40, 1], "the acts together, then the batch itself"


async def test_files_come_first_and_are_the_acts(world: World) -> None:
    device = await Device(world).enrol()
    named = [{"id": "0" * 8, "sha256": "0" * 64}]
    waiting = device.add(device.report(files=named))
    (told,) = await device.sync(waiting)
    assert (told["state"], told["missing"]) == ("waits", ["0" * 8])
    assert files(world) == []
    entry = device.add(device.report())
    notes = await device.notes(entry, 20)
    entry = again(device, entry, device.report(files=notes))
    first, second = await device.sync({**waiting, "without": ["0" * 8]}, entry)
    assert (first["state"], second["state"]) == ("recorded", "recorded")
    opened = await world.act("officer", "services.field_report.read", file=second["file"])
    assert sorted(one["sha256"] for one in opened["uploads"]) == sorted(one["sha256"] for one in notes)
    assert len(opened["file"]["answers"]["evidence"]) == 20
    world.move(days=40)  # what came before its act waits 30 days for it; once there it lives as long as its file
    await Keeper(world.kernel, "retention.erase").tick()
    opened = await world.act("officer", "services.field_report.read", file=second["file"])
    assert len(opened["uploads"]) == 20


async def test_a_file_whose_act_never_comes_goes(world: World) -> None:
    device = await Device(world).enrol()
    entry = device.add(device.report())
    await device.send(entry["id"], b"Note")
    world.move(days=31)
    assert await Keeper(world.kernel, "retention.erase").tick() >= 1
    listed = await world.act("officer", "services.upload.list", owner=f"entry:{device.device}.{entry['id']}")
    assert listed["files"] == []


async def test_what_is_added_to_a_file(world: World) -> None:
    device = await Device(world).enrol()
    take = device.add(device.report())
    target = f"entry:{take['id']}"
    attach = device.add({"act": "attach", "target": target, "files": [], "made": device.made()})
    notes = await device.notes(attach, 2)
    attach = again(device, attach, {"act": "attach", "target": target, "files": notes, "made": device.made()})
    device.head = "?"  # its hash changed with its content; nothing follows
    first, second = await device.sync(take, attach)
    assert (second["state"], second["number"]) == ("recorded", first["number"])
    opened = await world.act("officer", "services.field_report.read", file=first["file"])
    assert len(opened["uploads"]) == 2
    await world.act("officer", "services.field_report.sign", file=first["file"])
    other = await Device(world).enrol()
    further = {
        "act": "complement",
        "target": first["file"],
        "text": "Une trace de plus.",
        "seen": 3,
        "made": other.made(),
    }
    (done,) = await other.sync(other.add(further))
    assert (done["state"], done["number"]) == ("recorded", first["number"])
    (late,) = await other.sync(other.add({**further, "text": "Trop tard."}))
    assert (late["state"], late["why"]["code"]) == ("review", "changed")


@pytest.mark.parametrize(
    ("changed", "state", "code"),
    [
        ({"version": 99}, "review", "version"),
        ({"digest": "0" * 64}, "review", "version"),
        ({"service": "illegal-content"}, "refused", "offered"),
        ({"service": "nothing"}, "refused", "offered"),
        ({"form": {}}, "refused", "invalid"),
        ({"made": "yesterday"}, "review", "unread"),
        ({"unknown": 1}, "review", "unread"),
    ],
)
async def test_what_cannot_be_recorded(world: World, changed: dict[str, Any], state: str, code: str) -> None:
    device = await Device(world).enrol()
    entry = device.add(device.report(**changed))
    for _ in range(2):
        (told,) = await device.sync(entry)
        assert (told["state"], told["why"]["code"]) == (state, code)
        assert all(told["why"]["title"].values())
        assert all(told["why"]["do"].values())
    assert files(world) == []
    (fine,) = await device.sync(device.add(device.report()))
    assert fine["state"] == "recorded", "what follows is not held up by it"


async def test_a_clock_set_back_is_for_the_desk(world: World) -> None:
    device = await Device(world).enrol()
    fine = device.add(device.report())
    back, ahead = (
        device.add(device.report(made=device.made(hours=-5))),
        device.add(device.report(made=device.made(days=1))),
    )
    told = await device.sync(fine, back, ahead)
    assert [one["state"] for one in told] == ["recorded", "review", "review"]
    assert [one["why"]["code"] for one in told[1:]] == ["clock", "clock"]
    other = await Device(world).enrol()
    (old,) = await other.sync(other.add(other.report(made="2020-01-01T00:00:00Z")))
    assert old["why"]["code"] == "clock", "before the device was enrolled"


async def test_a_gap_waits_and_heals(world: World) -> None:
    device = await Device(world).enrol()
    first, second, third, fourth = (device.add(device.report()) for _ in range(4))
    told = await device.sync(third, fourth)
    assert [one["state"] for one in told] == ["review", "recorded"]
    assert told[0]["why"]["code"] == "gap"
    waiting = (await world.act("officer", "services.review.list"))["entries"]
    assert [(one["seq"], one["why"]["en"]) for one in waiting] == [(3, "Entries before this one have not come.")]
    told = await device.sync(second, third)
    assert [one["state"] for one in told] == ["review", "recorded"]
    told = await device.sync(first, second, third, fourth)
    assert [one["state"] for one in told] == ["recorded"] * 4
    assert len(files(world)) == 4
    assert (await world.act("officer", "services.review.list"))["entries"] == []


async def test_a_chain_that_is_not_this_devices(world: World) -> None:
    device, other = await Device(world).enrol(), await Device(world).enrol()
    entry = device.add(device.report())
    forged = {**entry, "body": entry["body"].replace("Zébulon", "Zoé").replace("Z\\u00e9bulon", "Zoe")}
    (told,) = await device.sync(forged)
    assert (told["state"], told["why"]["code"]) == ("refused", "signature")
    (told,) = await other.sync(entry)
    assert told["why"]["code"] == "signature", "another device's key did not sign it"
    with pytest.raises(Refused) as caught:  # another officer's device
        await device.sync(entry, persona="command")
    assert [one.rule for one in caught.value.decision.reasons] == ["LED-29-e-device"]
    await device.sync(entry)
    (told,) = await device.sync(again(device, entry, device.report(lang="en")))
    assert (told["state"], told["why"]["code"]) == ("refused", "taken")
    device.head = "1" * 64
    (told,) = await device.sync(device.add(device.report()))
    assert (told["state"], told["why"]["code"]) == ("refused", "broken")
    assert len(files(world)) == 1


async def test_a_revoked_device_brings_nothing(world: World) -> None:
    device = await Device(world).enrol()
    entry = device.add(device.report())
    await world.act("administrator", "services.device.block", device=device.device, reason="Perdu place du marché")
    with pytest.raises(Refused):
        await device.sync(entry)
    with pytest.raises(EgideError):
        await device.send(entry["id"], b"Note")
    assert files(world) == []
    assert (await world.act("officer", "services.device.renew", device=device.device))["state"] == "revoked"
    raw = msgspec.json.encode({"device": device.device})
    assert (await world.kernel.perform("services.device.state", raw, ANONYMOUS)).result.state == "revoked"


async def test_the_lease(world: World) -> None:
    device = await Device(world).enrol()
    assert device.lease["seconds"] == 72 * 3600
    again_ = await world.act("officer", "services.device.renew", device=device.device)
    assert again_["key"] == device.lease["key"], "what is on the device opens again"
    with pytest.raises(EgideError):
        await world.act("command", "services.device.renew", device=device.device)
    mine = (await world.act("officer", "services.device.mine"))["devices"]
    assert [(one["id"], one["label"], one["revoked"]) for one in mine] == [(device.device, "Téléphone", "")]
    for public in ("", "AAAA", b64encode(b"\4" + b"\1" * 64).decode()):
        with pytest.raises(BadInput):
            await world.act("officer", "services.device.enrol", label="Autre", public=public)


async def test_a_queue_brought_as_a_file_opens_for_its_officer(world: World) -> None:
    device, key, iv = await Device(world).enrol(), b"k" * 32, b"\7" * 12
    spot, data = escrow.sealed(b64decode(device.lease["escrow"]), device.device, key, iv)
    given = {
        "device": device.device, "point": b64encode(spot).decode(), "iv": b64encode(iv).decode(), "data": b64encode(data).decode(),
    }  # fmt: skip
    opened = await world.act("officer", "services.device.recover", **given)
    assert b64decode(opened["key"]) == key
    with pytest.raises(Refused):
        await world.act("other-officer", "services.device.recover", **given)
    with pytest.raises(BadInput):
        await world.act("officer", "services.device.recover", **given | {"data": "AAAA"})
    await world.act("officer", "services.device.revoke", device=device.device, reason="Perdu")
    with pytest.raises(Refused):
        await world.act("officer", "services.device.recover", **given)


async def test_too_much_at_once(world: World) -> None:
    device = await Device(world).enrol()
    entry = device.add(device.report())
    for number in (0, MOST + 1):
        with pytest.raises(TooMany):
            await device.sync(*[entry] * number)
    with pytest.raises(TooLarge):
        await device.sync({**entry, "body": "x" * (MAX_BYTES + 1)})
    (told,) = await device.sync(device.add("é" * 300_000))
    assert (told["state"], told["why"]["code"]) == ("refused", "form")


async def test_a_batch_counts_as_one_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    device = await Device(world).enrol()
    entries = [device.add(device.report()) for _ in range(MOST)]
    monkeypatch.setattr(world.kernel, "buckets", Buckets(1, 1))
    told = await device.sync(*entries)
    assert {one["state"] for one in told} == {"recorded"}


FUZZ = int(os.environ.get("EGIDE_FUZZ", "40"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["id", "seq", "prev", "body", "sig", "without"])


async def hostile(world: World, data: st.DataObject) -> None:
    device = await Device(world).enrol()
    before = len(files(world))
    entries = [device.add(device.report()) for _ in range(data.draw(st.integers(0, 2)))]
    sent: list[Any] = [one | data.draw(st.dictionaries(FIELDS, JSON, max_size=2)) for one in entries]
    sent += [device.add(msgspec.json.encode(one).decode()) for one in data.draw(st.lists(JSON, max_size=2))]
    sent += data.draw(st.lists(JSON, max_size=1))
    data.draw(st.randoms(use_true_random=False)).shuffle(sent)
    try:
        told = await device.sync(*sent, *sent)
    except EgideError as error:
        told = [{"state": "refused", "id": error.what.fr and error.what.en}]
    assert {one["state"] for one in told} <= {"recorded", "review", "refused", "waits"}
    assert all(one["id"] for one in told if one["state"] != "refused")
    assert len(files(world)) - before <= len(entries), "never a file that the device did not sign"
    for one in entries:  # and what it did sign is still taken, once
        assert [became["state"] for became in await device.sync(one)] == ["recorded"]
    assert len(files(world)) - before == len(entries)


def test_hostile_batches(tmp_path: Path) -> None:
    """Whatever is sent: an error in words or what became of each entry, and never a file that the device did not sign."""
    with asyncio.Runner() as runner:
        world = World(tmp_path / "data")
        runner.run(world.start())

        @settings(max_examples=FUZZ, deadline=None)
        @given(st.data())
        def play(data: st.DataObject) -> None:
            runner.run(hostile(world, data))

        play()
        runner.run(world.stop())


def test_a_point_is_a_point() -> None:
    assert len(point(Chain().key)) == 65
