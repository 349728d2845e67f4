"""What an officer takes along, and what comes back for it: added once, with its number; to review where the file changed."""

from __future__ import annotations

from typing import Any

import pytest

from egide.kernel.errors import Refused
from egide.services import outbox_tables
from tests.services.filings import taken
from tests.services.offline import REPORT, Device, again
from tests.services.test_rounds import handed
from tests.world import World

pytestmark = pytest.mark.anyio
TEXT = "Une trace de plus, derrière la porte."
assert REPORT is not None


async def signed(world: World, device: Device) -> dict[str, Any]:
    """A report of this officer's, signed: more may be added to it."""
    (done,) = await device.sync(device.add(device.report()))
    await world.act("officer", "services.field_report.sign", file=done["file"])
    return done


async def pack(world: World, device: Device) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.act("officer", "services.outbox.pack", device=device.device))["files"]
    return found


def complement(device: Device, file: str, seen: int, **more: Any) -> dict[str, Any]:
    return {"act": "complement", "target": file, "text": TEXT, "seen": seen, "made": device.made()} | more


async def test_the_pack_is_what_tells_one_file_from_another(world: World) -> None:
    device = await Device(world).enrol()
    done = await signed(world, device)
    await taken(world, REPORT, "mobile", by="other-officer")
    (one,) = await pack(world, device)
    assert (one["id"], one["number"], one["events"], one["report"]) == (done["file"], done["number"], 2, True)
    assert one["place"].startswith("12 rue")
    assert set(one) == {"id", "number", "title", "said", "place", "events", "report"}, "nothing of what was told"
    with pytest.raises(Refused):
        await world.act("command", "services.outbox.pack", device=device.device)
    await world.act("officer", "services.device.revoke", device=device.device, reason="Perdu")
    with pytest.raises(Refused):
        await pack(world, device)


async def test_two_complements_and_files_of_one_batch_are_three_events(world: World) -> None:
    device = await Device(world).enrol()
    done = await signed(world, device)
    (one,) = await pack(world, device)
    first = device.add({})
    files = await device.notes(first, 2)
    first = again(device, first, complement(device, one["id"], one["events"], files=files))
    device.head = "?"
    other = await Device(world).enrol()
    await pack(world, other)
    (told,) = await device.sync(first)
    assert (told["state"], told["number"], told["event"]) == ("recorded", done["number"], 3)
    second = other.add(complement(other, one["id"], 3))
    third = other.add(complement(other, one["id"], 4, text="Et une empreinte."))
    both = await other.sync(third, second)
    assert [(one["state"], one["event"]) for one in both] == [("recorded", 4), ("recorded", 5)]
    for _ in range(2):
        assert [one["state"] for one in await other.sync(second, third)] == ["recorded", "recorded"]
        assert [one["state"] for one in await device.sync(first)] == ["recorded"]
    read = await world.act("officer", "services.field_report.read", file=one["id"])
    assert [one["step"] for one in read["file"]["events"]] == ["file", "sign", "complete", "complete", "complete"]
    assert len(read["uploads"]) == 2
    assert read["file"]["wrong"] is None


async def test_a_batch_that_was_cut_off_is_told_again_not_done_again(world: World) -> None:
    device = await Device(world).enrol()
    done = await signed(world, device)
    entry = device.add(complement(device, done["file"], 2))
    (first,) = await device.sync(entry)
    with world.kernel.store.side() as db:
        db.execute(outbox_tables.entry.delete().where(outbox_tables.entry.c.seq == entry["seq"]))
    (second,) = await device.sync(entry)
    assert (second["state"], second["event"]) == ("recorded", first["event"])


async def test_files_are_an_event_of_the_file_too(world: World) -> None:
    device = await Device(world).enrol()
    (done,) = await device.sync(device.add(device.report()))
    await pack(world, device)
    entry = device.add({})
    files = await device.notes(entry, 3)
    entry = again(device, entry, {"act": "attach", "target": done["file"], "files": files, "made": device.made()})
    (told,) = await device.sync(entry)
    assert (told["state"], told["number"], told["event"]) == ("recorded", done["number"], 2)
    read = await world.act("officer", "services.field_report.read", file=done["file"])
    assert read["file"]["events"][-1]["said"]["en"] == "Files added by an officer"
    assert not read["file"]["events"][-1]["mine"]
    assert len(read["uploads"]) == 3


@pytest.mark.parametrize("what", ["complement", "attach"])
async def test_a_file_that_was_handed_over_is_its_new_units_to_review(world: World, what: str) -> None:
    device = await Device(world).enrol()
    done = await signed(world, device)
    await pack(world, device)
    handed(world, done["file"])
    entry = device.add({})
    files = await device.notes(entry, 1)
    content = complement(device, done["file"], 2, files=files)
    if what == "attach":
        content = {"act": "attach", "target": done["file"], "files": files, "made": device.made()}
    entry = again(device, entry, content)
    for _ in range(2):
        (told,) = await device.sync(entry)
        assert (told["state"], told["why"]["code"]) == ("review", "handed")
    assert (await world.act("other-officer", "services.review.list"))["entries"] == [], "it lies on that unit's desk"
    (one,) = (await world.act("command", "services.review.list"))["entries"]
    place = {"device": one["device"], "seq": one["seq"]}
    read = await world.act("command", "services.review.read", **place)
    assert (len(read["files"]), read["can_record"]) == (1, True)
    settled = await world.act("command", "services.review.settle", **place, decision="record")
    assert settled["number"] == done["number"]
    shown = await world.act("command", "services.field_report.read", file=done["file"])
    assert len(shown["uploads"]) == 1
    (told,) = await device.sync(entry)
    assert told["state"] == "recorded"


async def test_a_file_that_never_went_along_is_refused(world: World) -> None:
    device = await Device(world).enrol()
    done = await signed(world, device)
    handed(world, done["file"])
    (told,) = await device.sync(device.add(complement(device, done["file"], 2)))
    assert told["state"] == "refused"
    assert told["why"]["reasons"]


async def test_a_closed_file_takes_nothing_and_nothing_is_lost(world: World) -> None:
    device = await Device(world).enrol()
    done = await signed(world, device)
    await world.act("officer", "services.field_report.send", file=done["file"])
    first = device.add(complement(device, done["file"], 2))
    second = device.add({})
    files = await device.notes(second, 1)
    second = again(device, second, {"act": "attach", "target": done["file"], "files": files, "made": device.made()})
    told = await device.sync(first, second)
    assert [(one["state"], one["why"]["code"]) for one in told] == [("review", "changed")] * 2
    lines = (await world.act("officer", "services.review.list"))["entries"]
    assert [one["title"]["en"] for one in lines] == ["Addition to a file", "Files for a file"]
