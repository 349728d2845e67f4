"""The one writer: a durably assigned index, or an error and nothing written, whatever happens to batch, disk or clock."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from egide.app import engines
from egide.engines import sqlite
from egide.kernel import tables
from egide.kernel.errors import Conflict, EgideError, Refused, Unavailable
from egide.kernel.merkle import Frontier, leaf_hash
from egide.kernel.work import Leaf, Work
from tests.plugins import works
from tests.plugins.works import item
from tests.world import World

pytestmark = pytest.mark.anyio


class Gate:
    """Holds the writer back so that several acts meet in one batch; remembers the size of each batch."""

    def __init__(self, world: World) -> None:
        self.writer = world.kernel.writer
        self.open = threading.Event()
        self.batches: list[int] = []
        self._commit = self.writer._commit

    def commit(self, batch: list[Work]) -> None:
        self.open.wait(10)
        self.batches.append(len(batch))
        self._commit(batch)


@asynccontextmanager
async def held(world: World) -> AsyncIterator[Gate]:
    gate = Gate(world)
    world.kernel.writer._commit = gate.commit  # type: ignore[method-assign]
    try:
        yield gate
    finally:
        gate.open.set()
        world.kernel.writer._commit = gate._commit  # type: ignore[method-assign]


async def together(world: World, gate: Gate, *acts: Coroutine[Any, Any, Any]) -> list[Any]:
    """Performs the acts so that the writer finds all of them in its queue at once; their results or errors."""
    first = asyncio.ensure_future(world.act("officer", "works.item.add", word=f"first-{len(gate.batches)}"))
    queue = gate.writer._queue
    await asyncio.sleep(0)
    await world.until(queue.empty)
    tasks = [asyncio.ensure_future(each) for each in acts]
    await world.until(lambda: queue.qsize() == len(tasks))
    gate.open.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def add(world: World, word: str) -> Coroutine[Any, Any, Any]:
    return world.perform("officer", "works.item.add", word=word)


def words(world: World) -> set[str]:
    return {row[0] for row in world.kernel.store.reader().execute(select(item.c.word))}


def check_contiguous(world: World) -> int:
    """Every entry is there once, in order, and hashes to the tree the log signs; returns how many."""
    db = world.kernel.store.reader()
    rows = db.execute(select(tables.entry.c.idx, tables.entry.c.leaf).order_by(tables.entry.c.idx)).all()
    assert [row.idx for row in rows] == list(range(world.kernel.log.size))
    tree = Frontier()
    tree.extend([leaf_hash(bytes(row.leaf)) for row in rows])
    assert tree.root() == world.kernel.log.root()
    return len(rows)


async def test_many_acts_one_commit(plugged: World) -> None:
    async with held(plugged) as gate:
        done = await together(plugged, gate, *(add(plugged, f"w{n}") for n in range(60)))
    assert gate.batches == [1, 60]
    indices = [outcome.receipt.index for outcome in done]
    assert indices == list(range(indices[0], indices[0] + 60))
    assert {f"w{n}" for n in range(60)} <= words(plugged)
    check_contiguous(plugged)


async def test_a_row_that_collides_fails_alone(plugged: World) -> None:
    await plugged.act("officer", "works.item.add", word="taken")
    async with held(plugged) as gate:
        done = await together(
            plugged, gate, add(plugged, "a"), add(plugged, "taken"), add(plugged, "b"), add(plugged, "b")
        )
    assert [type(each).__name__ for each in done] == ["Outcome", "Conflict", "Outcome", "Conflict"]
    assert {"a", "b", "taken"} <= words(plugged)
    assert done[2].receipt.index == done[0].receipt.index + 1, "what failed took no place in the ledger"
    check_contiguous(plugged)


async def test_a_refusal_stays_one_when_its_neighbour_collides(plugged: World) -> None:
    await plugged.act("officer", "works.item.add", word="taken")
    async with held(plugged) as gate:
        done = await together(
            plugged,
            gate,
            plugged.perform("prefect", "works.item.add", word="c"),
            add(plugged, "taken"),
            add(plugged, "d"),
        )
    assert [type(each).__name__ for each in done] == ["Refused", "Conflict", "Outcome"]
    assert done[0].receipt is not None
    row = (
        plugged.kernel.store.reader()
        .execute(select(tables.entry).where(tables.entry.c.idx == done[0].receipt[1]))
        .one()
    )
    assert row.outcome == "refused"
    assert "c" not in words(plugged)
    check_contiguous(plugged)


async def test_a_right_withdrawn_before_the_commit_refuses(plugged: World) -> None:
    """The act was allowed when it was decided; the withdrawal stands before it in the same transaction."""
    withdrawal = plugged.perform(
        "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
    )
    async with held(plugged) as gate:
        done = await together(
            plugged, gate, withdrawal, add(plugged, "late"), plugged.perform("command", "works.item.add", word="on")
        )
    assert [type(each).__name__ for each in done] == ["Outcome", "Refused", "Outcome"]
    assert "LED-29-e" in [reason.rule for reason in done[1].decision.reasons]
    assert words(plugged) >= {"on"}
    assert "late" not in words(plugged)
    leaf = msgspec.json.decode(
        plugged.kernel.store.reader()
        .execute(select(tables.entry.c.leaf).where(tables.entry.c.idx == done[1].receipt[1]))
        .scalar_one(),
        type=Leaf,
    )
    assert (leaf.outcome, "LED-29-e" in leaf.rules) == ("refused", True)


async def test_an_act_that_crashes_while_writing_fails_alone(plugged: World) -> None:
    """A plug-in's mistake inside the transaction must not end the writer, nor the acts beside it."""
    async with held(plugged) as gate:
        done = await together(
            plugged, gate, add(plugged, "before"), plugged.perform("officer", "crashes.apply"), add(plugged, "after")
        )
    assert [isinstance(each, EgideError) for each in done] == [False, True, False]
    assert {"before", "after"} <= words(plugged)
    await plugged.act("officer", "works.item.add", word="later")
    check_contiguous(plugged)


async def fill(world: World, *, pages: int) -> None:
    """The disk ends `pages` pages after what the file uses now."""
    await world.until(lambda: world.kernel.writer._unsigned == 0)
    world.full_at(world.kernel.store.reader().exec_driver_sql("PRAGMA page_count").scalar_one() + pages)


async def test_a_full_disk_refuses_with_the_reason_and_recovers(plugged: World) -> None:
    await plugged.act("officer", "works.item.add", word="before")
    size = plugged.kernel.log.size
    await fill(plugged, pages=2)
    failures = await asyncio.gather(
        *(plugged.perform("officer", "works.item.add", word=f"big-{n}", bytes=60_000) for n in range(3)),
        return_exceptions=True,
    )
    assert isinstance(failures[0], Unavailable)
    for failure in failures:
        if isinstance(
            failure, Refused
        ):  # decided after the first had failed: the law refuses while the ledger cannot write
            assert "LED-4-4" in [reason.rule for reason in failure.decision.reasons]
            size += 1
            continue
        assert isinstance(failure, Unavailable), failure
        assert "full" in failure.what.en
        assert "plein" in failure.what.fr
        assert failure.do is not None
    assert words(plugged) == {"before"}
    assert plugged.kernel.log.size == size
    check_contiguous(plugged)

    await fill(plugged, pages=100_000)
    await plugged.until(lambda: plugged.kernel.writer.failed is None)
    await plugged.act("officer", "works.item.add", word="after", bytes=60_000)
    assert words(plugged) == {"before", "after"}
    assert plugged.kernel.things["health"]()["ok"] is True
    check_contiguous(plugged)


async def test_a_vault_on_a_full_disk_says_so_too(plugged: World) -> None:
    vault = plugged.kernel.vault._rows._database
    vault.execute(f"PRAGMA max_page_count = {vault.execute('PRAGMA page_count').fetchone()[0]}")
    failures = []
    for number in range(60):  # each person needs a key; some fit in the last page
        try:
            plugged.kernel.vault.seal(f"person-{number}", "test", b"", b"")
        except Unavailable as error:
            failures.append(error)
    assert failures
    assert "full" in failures[0].what.en
    vault.execute("PRAGMA max_page_count = 1000000")
    plugged.kernel.vault.seal("person-late", "test", b"", b"")
    await plugged.act("command", "works.item.add", word="after")


async def test_a_restart_after_a_full_disk_finds_a_whole_ledger(plugged: World) -> None:
    await plugged.act("officer", "works.item.add", word="before")
    await fill(plugged, pages=1)
    with pytest.raises(Unavailable):
        await plugged.act("officer", "works.item.add", word="big", bytes=60_000)
    assert plugged.kernel.things["health"]()["ok"] is False
    size = plugged.kernel.log.size
    await plugged.stop()
    await plugged.start()
    assert plugged.kernel.log.size >= size
    assert words(plugged) == {"before"}
    check_contiguous(plugged)


async def test_a_clock_that_runs_back_stops_everything_and_says_so(plugged: World) -> None:
    size = plugged.kernel.log.size
    plugged.clock.shift(timedelta(hours=-1))
    with pytest.raises(Unavailable, match="backwards"):
        await plugged.act("officer", "works.item.add", word="early")
    assert plugged.kernel.log.size == size
    plugged.clock.shift(timedelta(hours=1))
    # What the writer would sign while idle met the wrong clock too, perhaps: the law refuses until it has written again.
    await plugged.until(lambda: plugged.kernel.writer.failed is None)
    await plugged.act("officer", "works.item.add", word="on-time")
    assert words(plugged) == {"on-time"}


async def test_a_clock_that_runs_back_between_decision_and_commit(plugged: World) -> None:
    async with held(plugged) as gate:
        task = asyncio.ensure_future(add(plugged, "early"))
        await asyncio.sleep(0.05)
        plugged.clock.shift(timedelta(hours=-1))
        gate.open.set()
        with pytest.raises(Unavailable, match="backwards"):
            await task
    plugged.clock.shift(timedelta(hours=1))
    assert "early" not in words(plugged)
    check_contiguous(plugged)


async def test_a_restart_does_not_hide_a_clock_that_ran_back(tmp_path: Path) -> None:
    made = World(tmp_path / "data")
    await made.start()
    await made.act("officer", "orders.list")
    await made.stop()
    made.clock.shift(timedelta(hours=-1))
    made.clock._latest_us = 0  # the process is new; only the store remembers
    with pytest.raises(Unavailable, match="backwards"):
        await made.start()
    await made.kernel.leases.stop()
    await made.kernel.bus.stop()
    await asyncio.to_thread(made.kernel.writer.stop)
    made.kernel.store.close()
    made.kernel.vault.close()


async def test_times_in_the_ledger_never_run_back(plugged: World) -> None:
    plugged.clock.shift(timedelta(seconds=-1))  # within what NTP may do
    await asyncio.gather(*(plugged.act("officer", "works.item.add", word=f"w{n}") for n in range(20)))
    times = [
        row[0] for row in plugged.kernel.store.reader().execute(select(tables.entry.c.at).order_by(tables.entry.c.idx))
    ]
    assert times == sorted(times)


async def test_every_entry_is_soon_under_a_signed_head(plugged: World) -> None:
    outcome = await plugged.perform("officer", "works.item.add", word="a")
    kernel = plugged.kernel

    def signed() -> bool:
        found = kernel.latest_checkpoint()
        return found is not None and found[0] > outcome.receipt.index  # type: ignore[union-attr]

    await plugged.until(signed, 1.0)


async def test_a_ledger_that_contradicts_its_signed_head_is_not_continued(plugged: World) -> None:
    """Whoever edits the newest leaves, which no tile holds yet, is found at the next start."""
    await plugged.act("officer", "works.item.add", word="a")
    await plugged.until(lambda: plugged.kernel.writer._unsigned == 0)
    with plugged.kernel.store.side() as connection:
        newest = connection.execute(select(func.max(tables.entry.c.idx))).scalar_one()
        leaf = bytes(connection.execute(select(tables.entry.c.leaf).where(tables.entry.c.idx == newest)).scalar_one())
        forged = leaf.replace(b'"allowed"', b'"refused"')
        assert forged != leaf
        connection.execute(tables.entry.update().where(tables.entry.c.idx == newest).values(leaf=forged))
    await plugged.stop()
    with pytest.raises(EgideError, match="damaged"):
        await plugged.start()
    with_the_leaf_back(plugged, newest, leaf)
    await plugged.start()


def with_the_leaf_back(world: World, index: int, leaf: bytes) -> None:
    store = engines(world.settings).store
    with store.side() as connection:
        connection.execute(tables.entry.update().where(tables.entry.c.idx == index).values(leaf=leaf))
    store.close()


async def test_conflict_says_what_to_do(plugged: World) -> None:
    await plugged.act("officer", "works.item.add", word="twice")
    with pytest.raises(Conflict) as caught:
        await plugged.act("officer", "works.item.add", word="twice")
    assert caught.value.do is not None
    with pytest.raises(Refused):
        await plugged.act("prefect", "works.item.add", word="twice")


async def test_a_store_that_another_process_holds_refuses_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 100)
    world = World(tmp_path / "data", extra=(works.capability(),))
    await world.start()
    await world.until(lambda: world.kernel.writer._unsigned == 0)
    other = sqlite3.connect(world.settings.folder / "egide.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await world.act("officer", "works.item.add", word="meanwhile")
    other.execute("ROLLBACK")
    other.close()
    await world.until(lambda: world.kernel.writer.failed is None)
    await world.act("officer", "works.item.add", word="after")
    assert words(world) == {"after"}
    check_contiguous(world)
    await world.stop()
