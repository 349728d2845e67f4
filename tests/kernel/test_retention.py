"""The retention clock: sealed when the deployment ends, gone seven days later, kept only for a procedure — by moved clock."""

from __future__ import annotations

import asyncio
import io

import av
import pytest
from sqlalchemy import func, insert, select

from egide.kernel import tables
from egide.kernel.clock import iso
from egide.kernel.errors import NotFound
from egide.kernel.retention import hold_row, keep, seal_state
from egide.kernel.vault import Erased
from egide.operations import archive
from tests.world import DAY_US, World

pytestmark = pytest.mark.anyio

READERS = ("officer", "command", "dpo")


async def recorded(world: World) -> str:
    """The id of a recording whose deployment has just ended; the keeper only looks when the test tells it to."""
    await world.kernel.things["keeper"].stop()
    _order, _mission, deployment = await world.flying()
    listed = await world.act("command", "operations.recordings.list")
    recording = str(listed["recordings"][0]["id"])
    assert listed["recordings"][0]["state"] == "recording"
    state = world.kernel.things["relay"].state(listed["recordings"][0]["source"])
    await world.until(lambda: state.place is not None)
    await asyncio.sleep(0.3)  # a few pictures; the segment is sealed when the camera stops
    await world.act("command", "operations.camera.stop", deployment=deployment, reason="Fin de l’intervention")
    return recording


async def opened(world: World, who: str, recording: str, reference: str | None = None) -> str:
    found = await world.act(
        who, "operations.recording.open", recording=recording, motive="Réquisition", judicial_reference=reference
    )
    return str(found["url"])


async def refused(world: World, who: str, recording: str, reference: str | None = None) -> list[str]:
    return await world.refused(
        who, "operations.recording.open", recording=recording, motive="Revoir la scène", judicial_reference=reference
    )


def downloaded(world: World, who: str, url: str) -> bytes:
    offer = world.kernel.downloads.take(url.rpartition("/")[2], who, world.clock.now_us())
    assert offer is not None
    return b"".join(offer.content())


async def shown(world: World, recording: str) -> dict[str, object]:
    listed = await world.act("command", "operations.recordings.list")
    return next(each for each in listed["recordings"] if each["id"] == recording)


async def test_sealed_then_opened_by_procedure_only_then_gone(world: World) -> None:
    recording = await recorded(world)
    folder = world.folder / archive.prefix(recording)
    sealed = sorted(folder.glob("*.seal"))
    assert sealed
    assert (await shown(world, recording))["state"] == "sealed"
    backup, chain = sealed[0].read_bytes(), sealed[0].name.removesuffix(".mp4.seal").partition("-")[2].encode()
    assert world.kernel.vault.open_(f"recording:{recording}", archive.PURPOSE, backup, chain)[4:8] == b"ftyp"
    assert not any(b"ftyp" in file.read_bytes()[:64] for file in sealed), "no film in clear on the disk"

    world.move(days=3)
    for who in READERS:
        assert "CSI-242-4-f" in await refused(world, who, recording)
        assert "CSI-242-4-f" in await refused(world, who, recording, "PARQUET-2026-1"), (
            "the reference is a magistrate’s to bring"
        )
    assert "CSI-242-4-f" in await refused(world, "magistrate", recording), "a magistrate too needs a procedure"
    clear = downloaded(world, "magistrate", await opened(world, "magistrate", recording, "PARQUET-2026-1"))
    with av.open(io.BytesIO(clear)) as film:
        assert sum(1 for _ in film.decode(video=0)) > 0, "a film that any player shows"

    late = await opened(world, "magistrate", recording, "PARQUET-2026-1")
    world.move(days=4, minutes=1)
    assert "CSI-242-4-f-expired" in await refused(world, "magistrate", recording, "PARQUET-2026-1"), (
        "before the keeper came"
    )
    assert (await shown(world, recording))["state"] == "erased"
    assert await world.kernel.things["keeper"].tick() == 1

    assert not folder.exists()
    with pytest.raises(Erased):  # a backup of the files is worth nothing without the key
        world.kernel.vault.open_(f"recording:{recording}", archive.PURPOSE, backup, chain)
    offer = world.kernel.downloads.take(late.rpartition("/")[2], "magistrate", world.clock.now_us())
    assert offer is None
    with pytest.raises(NotFound):
        await world.act("magistrate", "operations.recording.open", recording="gone", motive="x", judicial_reference="R")
    assert await refused(world, "magistrate", recording, "PARQUET-2026-1"), "and nobody opens what is no more"
    assert await world.kernel.things["keeper"].tick() == 0, "erased once"
    newest = (
        world.kernel.store.reader().execute(select(tables.entry).where(tables.entry.c.act == "retention.erase")).all()
    )
    assert [(row.outcome, row.actor) for row in newest] == [("allowed", "system:retention")]


async def test_a_hold_stops_the_erasure_and_nothing_else(world: World) -> None:
    recording = await recorded(world)
    world.move(days=3)
    given = {
        "category": archive.CATEGORY,
        "object": recording,
        "reference": "PARQUET-2026-7",
        "motive": "Enquête ouverte",
    }
    assert await world.refused("officer", "retention.hold", **given)
    await world.act("magistrate", "retention.hold", **given, until=iso(world.clock.now_us() + 30 * DAY_US))
    world.move(days=10)
    assert await world.kernel.things["keeper"].tick() == 0
    assert (await shown(world, recording))["held"] is True
    assert "CSI-242-4-f" in await refused(world, "officer", recording), "held is not open"
    assert downloaded(world, "magistrate", await opened(world, "magistrate", recording, "PARQUET-2026-7"))

    world.move(days=25)  # the hold is over
    assert "CSI-242-4-f-expired" in await refused(world, "magistrate", recording, "PARQUET-2026-7")
    assert await world.kernel.things["keeper"].tick() == 1
    assert not (world.folder / archive.prefix(recording)).exists()


async def test_the_keeper_comes_by_itself(world: World) -> None:
    recording = await recorded(world)
    world.move(days=8)
    await world.kernel.things["keeper"].start()
    await world.until(lambda: not (world.folder / archive.prefix(recording)).exists())


async def test_an_erasure_survives_a_restart(world: World) -> None:
    """Time decides, not the scheduler: after a week switched off, the recording is closed at once and soon gone."""
    recording = await recorded(world)
    await world.stop()
    world.move(days=9)
    await world.start()
    await world.kernel.things["keeper"].stop()
    assert "CSI-242-4-f-expired" in await refused(world, "magistrate", recording, "PARQUET-2026-1") or (
        not (world.folder / archive.prefix(recording)).exists()
    )
    await world.kernel.things["keeper"].tick()
    assert not (world.folder / archive.prefix(recording)).exists()


async def test_a_crowd_of_held_objects_hides_none_that_is_due(world: World) -> None:
    await world.kernel.things["keeper"].stop()
    now = world.clock.now_us()
    with world.kernel.store.side() as connection:
        for number in range(130):
            row = keep(archive.CATEGORY, f"held-{number}") | {"trigger": 1, "erase_at": 2, "state": "sealed"}
            connection.execute(insert(tables.retained), row)
            connection.execute(insert(tables.hold), hold_row(f"h{number}", str(row["id"]), b"", now, None))
        due = keep(archive.CATEGORY, "due") | {"trigger": 1, "erase_at": 3, "state": "sealed"}
        connection.execute(insert(tables.retained), due)
    assert await world.kernel.things["keeper"].tick() == 1
    db = world.kernel.store.reader()
    erased = db.execute(select(tables.retained.c.object).where(tables.retained.c.state == "erased")).all()
    assert [row[0] for row in erased] == ["due"]
    assert db.execute(select(func.count()).select_from(tables.hold)).scalar_one() == 130


def _due(world: World, *objects: str, state: str = "sealed") -> None:
    with world.kernel.store.side() as connection:
        for object_ in objects:
            row = keep(archive.CATEGORY, object_) | {"trigger": 1, "erase_at": 2, "state": state}
            connection.execute(insert(tables.retained), row)


def _erased(world: World) -> tuple[set[str], int]:
    """Which objects are, and by how many acts."""
    db = world.kernel.store.reader()
    objects = db.execute(select(tables.retained.c.object).where(tables.retained.c.state == "erased")).scalars()
    acts = select(func.count()).select_from(tables.entry).where(tables.entry.c.act == "retention.erase")
    return set(objects), db.execute(acts).scalar_one()


async def test_what_is_due_at_once_is_erased_by_one_act(world: World) -> None:
    await world.kernel.things["keeper"].stop()
    _due(world, "one", "two", "three")
    assert await world.kernel.things["keeper"].tick() == 3
    assert _erased(world) == ({"one", "two", "three"}, 1)


async def test_one_that_another_process_erased_keeps_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.kernel.things["keeper"].stop()
    _due(world, "one", "three")
    _due(world, "two", state="erased")
    looked = [(archive.CATEGORY, object_) for object_ in ("one", "two", "three")]
    monkeypatch.setattr("egide.kernel.retention.due", lambda _kernel, _db: looked)
    assert await world.kernel.things["keeper"].tick() == 2
    assert _erased(world) == ({"one", "two", "three"}, 2)


async def test_an_entry_that_names_one_object_is_still_read(world: World) -> None:
    await world.kernel.things["keeper"].stop()
    _due(world, "one")
    given = f'{{"category": "{archive.CATEGORY}", "object": "one"}}'.encode()
    await world.kernel.perform("retention.erase", given, world.kernel.system("retention"))
    assert _erased(world) == ({"one"}, 1)


async def test_what_is_not_there_counts_as_gone(world: World) -> None:
    assert seal_state(world.kernel, world.kernel.store.reader(), archive.CATEGORY, "never") == ("expired", False)


async def test_the_end_is_seven_calendar_days_after_the_deployment(world: World) -> None:
    recording = await recorded(world)
    found = await shown(world, recording)
    world.move(days=6, hours=23)
    assert await world.kernel.things["keeper"].tick() == 0
    assert found["erase_at"] == found["sealed_until"]
    world.move(hours=1, seconds=1)
    assert await world.kernel.things["keeper"].tick() == 1
