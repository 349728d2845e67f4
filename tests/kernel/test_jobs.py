"""Background work: due rows that outlive the process, done once, and shown when they fail for good."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Row, insert, select

from egide.kernel import jobs, tables
from egide.kernel.jobs import MAX_ATTEMPTS, job
from tests.world import World

pytestmark = pytest.mark.anyio


async def queue(
    world: World, word: str, *, cause: str = "c1", act: str = "works.item.tidy", after_s: float = 0
) -> None:
    due = world.clock.now_us() + int(after_s * 1e6)
    row = job(cause, act, b'{"word":"%s"}' % word.encode(), due)
    with world.kernel.store.side() as connection:
        if connection.execute(select(tables.job.c.id).where(tables.job.c.id == row["id"])).first() is None:
            connection.execute(insert(tables.job), row)


def rows(world: World) -> list[Row[tuple[object, ...]]]:
    return list(world.kernel.store.reader().execute(select(tables.job).order_by(tables.job.c.id)).all())


def tidied(world: World) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = world.kernel.things.get("tidied", [])
    return found


@pytest.fixture
async def quiet(plugged: World) -> World:
    """The runner looks only when the test tells it to."""
    await plugged.kernel.things["jobs"].stop()
    return plugged


async def test_a_due_job_is_done_once_as_a_system_activity(quiet: World) -> None:
    await queue(quiet, "a", cause="parent")
    runner = quiet.kernel.things["jobs"]
    assert await runner.tick() == 1
    assert await runner.tick() == 0
    assert tidied(quiet) == [("a", "parent")]
    entry = (
        quiet.kernel.store.reader().execute(select(tables.entry).where(tables.entry.c.act == "works.item.tidy")).one()
    )
    assert (entry.actor, entry.outcome) == ("system:works-items", "allowed")
    assert b'"cause":"parent"' in bytes(entry.leaf)


async def test_queueing_it_twice_is_doing_it_once(quiet: World) -> None:
    await queue(quiet, "a")
    await queue(quiet, "b")
    await quiet.kernel.things["jobs"].tick()
    assert tidied(quiet) == [("a", "c1")]


async def test_a_job_waits_for_its_time(quiet: World) -> None:
    await queue(quiet, "a", after_s=3600)
    assert await quiet.kernel.things["jobs"].tick() == 0
    quiet.move(hours=1, seconds=1)
    assert await quiet.kernel.things["jobs"].tick() == 1


async def test_a_job_outlives_the_process(plugged: World) -> None:
    await queue(plugged, "a", after_s=3600)
    await plugged.stop()
    plugged.move(hours=2)
    await plugged.start()
    await plugged.until(lambda: tidied(plugged) == [("a", "c1")])


@pytest.mark.parametrize("act", ["works.item.tidy", "works.no.more"])
async def test_a_job_that_fails_comes_back_later_and_later_then_asks_for_a_person(quiet: World, act: str) -> None:
    await queue(quiet, "stubborn", act=act)
    await queue(quiet, "good", cause="c2")
    runner = quiet.kernel.things["jobs"]
    waits = []
    for _ in range(MAX_ATTEMPTS):
        assert quiet.kernel.things["health"]()["ok"] is True
        before = quiet.clock.now_us()
        await runner.tick()
        waits.append(rows(quiet)[0].due - before)
        quiet.move(minutes=30)
    assert waits[:-1] == sorted(waits[:-1])
    assert [row.state for row in rows(quiet)] == ["failed", "done"]
    assert jobs.failed(quiet.kernel.store.reader()) == 1
    assert quiet.kernel.things["health"]()["ok"] is False
    assert await runner.tick() == 0


async def test_the_runner_outlives_a_clock_that_ran_back(plugged: World) -> None:
    plugged.clock.shift(timedelta(hours=-1))
    await asyncio.sleep(jobs.LOOK_S * 1.5)
    assert not plugged.kernel.things["jobs"]._task.done()
    plugged.clock.shift(timedelta(hours=1))
    await plugged.until(lambda: plugged.kernel.writer.failed is None)
    await queue(plugged, "a")
    await plugged.until(lambda: tidied(plugged))
