"""Homes to pass by: the one longest unseen first; whose home it is reads that somebody passed and when, and nothing more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import BadInput, Conflict, Refused
from egide.kernel.retention import Keeper
from egide.services import tables
from egide.services.contents import contents
from egide.services.definition import catalogue
from egide.services.outbox_tables import carried
from tests.services.filings import WHO, lawful
from tests.services.offline import Device
from tests.services.test_filing import asked
from tests.world import World

pytestmark = pytest.mark.anyio
WATCH = catalogue().find("holiday-watch")
assert WATCH is not None
PASS = "services.holiday_watch.pass"
WORD, LAT, LON = "Lumière au premier, la voisine arrose", 48.8571, 2.3512


def day(world: World, **by: float) -> str:
    return (datetime.fromtimestamp(world.clock.now_us() / 1e6, UTC) + timedelta(**by)).date().isoformat()


async def watched(
    world: World, address: str, leave: float = -1, back: float = 9, *, accept: bool = True
) -> dict[str, Any]:
    """A home under watch: its file's receipt."""
    assert WATCH is not None
    answers = lawful(WATCH) | {
        "home": {"address": address, "lat": 60.17, "lon": 24.945}, "leave_date": day(world, days=leave), "return_date": day(world, days=back),
    }  # fmt: skip
    given = {"channel": "counter", "version": WATCH.version, "answers": answers, "who": WHO}
    done: dict[str, Any] = await world.act("other-officer", "services.holiday_watch.take", **given)
    if accept:
        await world.act("other-officer", "services.holiday_watch.accept", file=done["file"])
    return done


async def shown(world: World, persona: str = "officer") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.act(persona, "services.rounds.list"))["stops"]
    return found


async def follow(world: World, home: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await asked(world, "services.file.follow", number=home["number"], code=home["code"])
    return found


async def test_the_home_longest_unseen_comes_first(world: World) -> None:
    first, second = await watched(world, "1 rue des Lilas"), await watched(world, "2 rue des Lilas")
    await watched(world, "3 rue des Lilas", leave=30, back=40)
    await watched(world, "4 rue des Lilas", leave=-30, back=-2)
    await watched(world, "5 rue des Lilas", accept=False)
    assert [one["address"] for one in await shown(world)] == ["1 rue des Lilas", "2 rue des Lilas"]
    await world.act("officer", PASS, file=first["file"])
    world.move(hours=2)
    assert [one["file"] for one in await shown(world)] == [second["file"], first["file"]]
    await world.act("officer", PASS, file=second["file"])
    (top, _) = await shown(world)
    assert (top["file"], top["rounds"], top["act"], top["kind"]["en"]) == (first["file"], 1, PASS, "A house")
    assert "contact_phone" not in top, "a neighbour's number goes with no patrol"
    await world.act("command", "services.holiday_watch.end", file=first["file"])
    assert [one["file"] for one in await shown(world)] == [second["file"]]


async def test_other_units_do_not_learn_which_homes_are_empty(world: World) -> None:
    home = await watched(world, "1 rue des Lilas")
    handed(world, home["file"])
    assert await shown(world) == []
    assert [one["file"] for one in await shown(world, "command")] == [home["file"]]
    for persona in ("prefect", "dpo", "magistrate"):
        with pytest.raises(Refused):
            await shown(world, persona)


async def test_whose_home_it_is_reads_that_somebody_passed_and_nothing_more(world: World) -> None:
    home = await watched(world, "1 rue des Lilas")
    made = datetime.fromtimestamp(world.clock.now_us() / 1e6, UTC).isoformat()
    world.move(hours=5)
    where = {"lat": LAT, "lon": LON, "accuracy": 12.0}
    done = await world.act("officer", PASS, file=home["file"], text=WORD, made_at=made, **where)
    assert (done["state"], done["event"]) == ("watched", 3)
    mine = await follow(world, home)
    event = mine["events"][-1]
    assert event["said"]["fr"] == "Une patrouille est passée devant chez vous"
    assert event["at"][:16] == made[:16], "when it was, not when it was sent"
    told = msgspec.json.encode(mine).decode()
    for word in (WORD, str(LAT), "48.857", "voisine"):
        assert word not in told
    read = await world.act("other-officer", "services.holiday_watch.read", file=home["file"])
    event = read["file"]["events"][-1]
    assert (event["text"], event["where"]) == (WORD, "48.85710, 2.35120 (± 12 m)")
    assert read["file"]["wrong"] is None
    found = (
        world.kernel.store.reader().execute(kernel_tables.entry.select().where(kernel_tables.entry.c.act == PASS)).one()
    )
    body = world.kernel.vault.open_("officer", "resident-services", bytes(found.body), found.id.encode())
    assert WORD.encode() in body
    assert b"48.85" not in body, "the ledger says that an officer passed, never where they stood"


async def test_who_passes_takes_nothing_over(world: World) -> None:
    home = await watched(world, "1 rue des Lilas")
    await world.act("officer", PASS, file=home["file"])
    row = world.kernel.store.reader().execute(tables.file.select()).one()
    assert row.officer == "other-officer"
    with pytest.raises(BadInput, match="not on the Earth"):
        await world.act("officer", PASS, file=home["file"], lat=91.0, lon=0.0)
    await world.act("officer", "services.holiday_watch.end", file=home["file"])
    with pytest.raises(Conflict):
        await world.act("officer", PASS, file=home["file"])


async def test_the_log_tells_each_time_and_nothing_more(world: World) -> None:
    home = await watched(world, "1 rue des Lilas")
    for _ in range(2):
        await world.act("officer", PASS, file=home["file"], text=WORD, lat=LAT, lon=LON)
        world.move(hours=3)
    ctx: Any = SimpleNamespace(kernel=world.kernel, db=world.kernel.store.reader())
    row = ctx.db.execute(tables.file.select()).one()
    assert WATCH is not None
    output = next(one for one in WATCH.outputs if one.id == "log")
    facts = contents(ctx, row, WATCH, output, "Brigade")["facts"]
    assert [one["answer"] for one in facts[-2:]] == ["Une patrouille est passée devant chez vous"] * 2
    assert facts[-1]["question"] != facts[-2]["question"]
    assert WORD not in str(facts)


# -- without network ------------------------------------------------------------------------------------------------------


def handed(world: World, file: str) -> None:
    """The file is another unit's from now on."""
    with world.kernel.store.side() as db:
        db.execute(tables.file.update().where(tables.file.c.id == file).values(unit="elsewhere", officer=None))


async def test_a_round_without_network_is_one_event_however_often_it_comes(world: World) -> None:
    home, device = await watched(world, "1 rue des Lilas"), await Device(world).enrol()
    pack = await world.act("officer", "services.outbox.pack", device=device.device)
    assert [one["file"] for one in pack["stops"]] == [home["file"]]
    assert pack["files"] == []
    entry = device.add(
        {
            "act": "pass",
            "target": home["file"],
            "text": WORD,
            "lat": LAT,
            "lon": LON,
            "accuracy": 8,
            "made": device.made(),
        }
    )
    world.move(hours=7)
    for _ in range(3):
        (told,) = await device.sync(entry, entry)
        assert (told["state"], told["number"]) == ("recorded", home["number"])
    events = (await follow(world, home))["events"]
    assert [one["step"] for one in events] == ["file", "accept", "pass"]
    (stop,) = await shown(world)
    assert (stop["rounds"], stop["last"]) == (1, events[-1]["at"])


async def test_a_round_past_a_home_whose_watch_is_over_is_looked_at(world: World) -> None:
    home, device = await watched(world, "1 rue des Lilas"), await Device(world).enrol()
    entry = device.add({"act": "pass", "target": home["file"], "text": WORD, "made": device.made()})
    await world.act("officer", "services.holiday_watch.end", file=home["file"])
    (told,) = await device.sync(entry)
    assert (told["state"], told["why"]["code"]) == ("review", "changed")
    (one,) = (await world.act("officer", "services.review.list"))["entries"]
    read = await world.act("officer", "services.review.read", device=one["device"], seq=one["seq"])
    assert read["entry"]["title"]["fr"] == "Passage devant un logement"
    assert [line["fr"] for line in read["lines"]] == [home["number"], WORD]
    assert not read["can_record"]
    with pytest.raises(Conflict):
        await world.act("officer", "services.review.settle", device=one["device"], seq=one["seq"], decision="record")


async def test_an_erased_file_is_no_longer_known_to_have_gone_along(world: World) -> None:
    home, device = await watched(world, "1 rue des Lilas"), await Device(world).enrol()
    await world.act("officer", "services.outbox.pack", device=device.device)
    reader = world.kernel.store.reader
    assert [row.file for row in reader().execute(carried.select())] == [home["file"]]
    await world.act("officer", "services.holiday_watch.end", file=home["file"])
    world.move(days=400)
    await Keeper(world.kernel, "retention.erase").tick()
    assert reader().execute(carried.select()).all() == []
