"""One contract for every way events go between processes: stored exactly once, in order, whatever dies or stops meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from nats import connect
from sqlalchemy import insert, select

from egide.kernel import tables, transport
from egide.kernel.listeners import position
from egide.kernel.outbox import KEEP_US, RELAY
from tests.engines.hears import capability, told
from tests.engines.nats import Nats, nats
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio
NATS = ("nats-sqlite", "nats-postgres")
on_nats = pytest.mark.parametrize("place", NATS, indirect=True)


@dataclass
class Place:
    """Where the platforms of one test stand."""

    folder: Path
    settings: dict[str, Any]
    nats: Nats | None
    made: list[World] = field(default_factory=list)

    async def platform(self) -> World:
        world = World(self.folder, extra=(capability(),), **self.settings)
        self.made.append(world)
        await world.start()
        return world


@pytest.fixture(scope="module")
def server() -> Iterator[Nats]:
    with nats() as found:
        yield found


@pytest.fixture(params=["alone", *NATS])
async def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    monkeypatch.setattr(transport, "RETRY_S", 0.05)
    settings: dict[str, Any] = {}
    nats = None
    if request.param.startswith("nats"):
        nats = request.getfixturevalue("server")
        settings |= {"bus": nats.url, "realm": f"r{os.urandom(4).hex()}"}
    if request.param.endswith("postgres"):
        settings["store"] = request.getfixturevalue("postgres_dsn")
    made = Place(tmp_path / "data", settings, nats)
    yield made
    for world in reversed(made.made):
        await world.stop()


def of(place: Place) -> Nats:
    assert place.nats is not None
    return place.nats


async def say(world: World, first: int, count: int) -> None:
    await asyncio.gather(*(world.act("officer", "hears.say", word=f"{n:05}") for n in range(first, first + count)))


def order_of_words(world: World) -> list[str]:
    """The words as the outbox has them: the order in which they must be stored."""
    table = tables.outbox
    rows = world.kernel.store.reader().execute(
        select(table.c.payload).where(table.c.name == "word.said").order_by(table.c.seq)
    )
    return [bytes(row[0])[9:14].decode() for row in rows]


async def stored(world: World, count: int, seconds: float = 20.0) -> None:
    """Both listeners have every word, once, in the outbox's order."""
    until = monotonic() + seconds
    while monotonic() < until and not all(len(told(world.kernel, by)) >= count for by in ("act", "batch")):
        await asyncio.sleep(0.05)
    for by in ("act", "batch"):
        words = told(world.kernel, by)
        assert len(words) == count, by
        assert words == order_of_words(world), by


async def test_every_event_is_stored_once_in_order(place: Place) -> None:
    world = await place.platform()
    await say(world, 0, 200)
    await stored(world, 200)


async def test_two_processes_share_and_each_event_is_stored_once(place: Place) -> None:
    first, second = await place.platform(), await place.platform()
    await asyncio.gather(say(first, 0, 100), say(second, 100, 100))
    await stored(first, 200)
    await first.stop()
    place.made.remove(first)
    await say(second, 200, 20)
    await stored(second, 220)


async def test_a_listener_that_fails_hears_it_again(place: Place) -> None:
    world = await place.platform()
    world.kernel.things["deaf"] = ["act", "batch"]
    await say(world, 0, 30)
    await stored(world, 30)
    assert world.kernel.things["deaf"] == []


async def test_an_effect_whose_cursor_was_lost_is_not_stored_again(place: Place) -> None:
    world = await place.platform()
    await say(world, 0, 20)
    await stored(world, 20)
    await world.stop()
    await world.start()  # the store is open again
    await world.kernel.bus.stop()
    with world.kernel.store.side() as connection:
        connection.execute(tables.consumer.delete().where(tables.consumer.c.name == "hears:word.said"))
    await world.stop()
    await world.start()
    await say(world, 20, 5)
    await stored(world, 25)


async def test_a_killed_process_loses_and_doubles_nothing(place: Place) -> None:
    words = [sys.executable, "-m", "tests.engines.hears", str(place.folder)]
    words += [f"{name}={value}" for name, value in place.settings.items()]
    child = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == b"ready\n"
        world = await place.platform()  # the child has every turn
        speaking = asyncio.create_task(say(world, 0, 300))
        await world.until(lambda: len(told(world.kernel, "act")) >= 20, 20)
        child.send_signal(signal.SIGKILL)
        killed = monotonic()
        before = monotonic()
        await speaking
        taken = monotonic() - before  # the hand-over runs meanwhile
        await world.until(lambda: all(each.mine() for each in world.kernel.bus.listening), 20)
        assert monotonic() - killed < max(2.0, taken + 0.5)
        await stored(world, 300)
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


@on_nats
async def test_nats_killed_and_started_again_under_load(place: Place) -> None:
    nats = of(place)
    world = await place.platform()
    speaking = asyncio.create_task(say(world, 0, 300))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(nats.stop, hard=True)
    await speaking  # acts go on
    await say(world, 300, 10)
    await world.until(lambda: not world.kernel.things["health"]()["ok"])
    part = next(each for each in world.kernel.things["health"]()["parts"] if each["id"] == "bus")
    assert "NATS" in part["detail"]
    await asyncio.to_thread(nats.start)
    await stored(world, 310)
    await world.until(lambda: world.kernel.things["health"]()["ok"])


@on_nats
async def test_nats_paused_under_load(place: Place) -> None:
    nats = of(place)
    world = await place.platform()
    speaking = asyncio.create_task(say(world, 0, 200))
    await asyncio.sleep(0.1)
    nats.pause()
    await speaking
    await say(world, 200, 20)
    await asyncio.sleep(4)
    nats.resume()
    await stored(world, 220)


@on_nats
async def test_nats_that_lost_everything(place: Place) -> None:
    nats = of(place)
    world = await place.platform()
    await say(world, 0, 50)
    await asyncio.to_thread(nats.forget)
    await say(world, 50, 50)
    await stored(world, 100)


@on_nats
async def test_the_platform_starts_while_nats_is_away(place: Place) -> None:
    nats = of(place)
    await asyncio.to_thread(nats.stop)
    try:
        world = await place.platform()
        await say(world, 0, 5)
        assert world.kernel.bus.transport.trouble() is not None
    finally:
        await asyncio.to_thread(nats.start)
    await stored(world, 5)


@on_nats
async def test_what_others_put_on_the_wire_is_nothing(place: Place) -> None:
    nats = of(place)
    world = await place.platform()
    await say(world, 0, 5)
    client = await connect(nats.url)
    for body in (b"", b"9" * 400, b"999999999999 ff", b'{"word":"forged"}'):
        await client.publish(f"egide.{place.settings['realm']}.event.word.said", body)
    await client.flush()
    await client.close()
    await say(world, 5, 5)
    await stored(world, 10)


async def test_the_river_shows_acts_of_other_processes(place: Place) -> None:
    first, second = await place.platform(), await place.platform()
    terminal = Terminal(second.person("dpo"))
    await second.perform("dpo", "oversight.follow", terminal)
    await say(first, 0, 3)
    await say(second, 3, 3)

    def shown() -> list[int]:
        pushed = [each["entry"] for each in terminal.pushed if each.get("push") == "act"]
        return [each["index"] for each in pushed if each["act"] == "hears.say"]

    await second.until(lambda: len(shown()) >= 6)
    await asyncio.sleep(0.6)
    assert len(shown()) == len(set(shown())) == 6


async def test_what_everyone_has_passed_is_removed_after_some_days(place: Place) -> None:
    world = await place.platform()
    await say(world, 0, 10)
    await stored(world, 10)
    pruner = world.kernel.bus.pruner
    assert pruner.prune(world.kernel.bus.listening) == 0
    world.clock.shift(timedelta(microseconds=KEEP_US + 1))
    with world.kernel.store.side() as connection:  # one that nobody has heard yet holds up what follows it
        row = {"at": 0, "realm": "x", "entry": "e", "name": "word.missed", "payload": b"{}", "process": ""}
        connection.execute(insert(tables.outbox), row)
    if place.nats is not None:
        await world.until(lambda: position(world.kernel.store.reader(), RELAY) > 10)
    assert pruner.prune(world.kernel.bus.listening) >= 11
    await world.kernel.bus.transport.trim()
    assert (
        not world.kernel.store.reader()
        .execute(select(tables.handled.c.seq).where(tables.handled.c.consumer == "hears:word.said"))
        .all()
    )
