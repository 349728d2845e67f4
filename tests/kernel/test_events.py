"""Events: written with the act, told in order, at least once — across a failure and across a restart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from egide.kernel import tables, transport
from egide.kernel.errors import Refused
from egide.kernel.work import Work
from tests.world import World

pytestmark = pytest.mark.anyio


def heard(world: World) -> list[str]:
    found: list[str] = world.kernel.things.get("heard", [])
    return found


async def say(world: World, *words: str) -> None:
    for word in words:
        await world.act("officer", "works.item.add", word=word)


async def test_a_listener_hears_each_event_in_order(plugged: World) -> None:
    await say(plugged, "a", "b", "c")
    await plugged.until(lambda: heard(plugged) == ["a", "b", "c"])


async def test_many_at_once_are_told_in_the_ledgers_order(plugged: World) -> None:
    await asyncio.gather(*(plugged.act("officer", "works.item.add", word=f"w{n:03}") for n in range(250)))
    await plugged.until(lambda: len(heard(plugged)) == 250)
    query = select(tables.outbox.c.payload).where(tables.outbox.c.name == "item.added").order_by(tables.outbox.c.seq)
    payloads = [bytes(row[0]) for row in plugged.kernel.store.reader().execute(query)]
    assert payloads == [b'{"word":"%s"}' % word.encode() for word in heard(plugged)]


async def test_a_listener_that_fails_hears_it_again_before_the_next(
    plugged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "RETRY_S", 0.01)
    plugged.kernel.things["deaf_to"] = "b"
    await say(plugged, "a", "b", "c")
    await plugged.until(lambda: heard(plugged) == ["a", "b", "b", "c"])


async def test_a_restart_goes_on_where_it_stopped(plugged: World) -> None:
    await say(plugged, "a")
    await plugged.until(lambda: heard(plugged) == ["a"])
    await plugged.until(lambda: cursor(plugged) > 0)
    await plugged.kernel.bus.stop()  # as if the process died between the commit and the listener
    await say(plugged, "b", "c")
    assert heard(plugged) == ["a"]
    await plugged.stop()
    await plugged.start()
    await plugged.until(lambda: heard(plugged) == ["b", "c"])


async def test_an_event_whose_cursor_was_lost_is_told_again(plugged: World) -> None:
    await say(plugged, "a")
    await plugged.until(lambda: cursor(plugged) > 0)
    with plugged.kernel.store.side() as connection:
        connection.execute(tables.consumer.delete())
    await plugged.stop()
    await plugged.start()
    await plugged.until(lambda: heard(plugged) == ["a"])


def cursor(world: World) -> int:
    query = select(tables.consumer.c.seq).where(tables.consumer.c.name == "works:item.added")
    return int(world.kernel.store.reader().execute(query).scalar() or 0)


async def test_what_was_not_done_is_not_told(plugged: World) -> None:
    await say(plugged, "a")
    with pytest.raises(Refused):
        await plugged.act("prefect", "works.item.add", word="b")
    results = await asyncio.gather(
        *(plugged.perform("officer", "works.item.add", word="a") for _ in range(2)), return_exceptions=True
    )
    assert all(isinstance(each, Exception) for each in results)
    await say(plugged, "z")
    await plugged.until(lambda: heard(plugged)[-1:] == ["z"])
    assert heard(plugged) == ["a", "z"]


async def test_an_event_carries_its_cause_and_no_person(plugged: World) -> None:
    outcome = await plugged.perform("officer", "works.item.add", word="a")
    row = plugged.kernel.store.reader().execute(select(tables.outbox).where(tables.outbox.c.name == "item.added")).one()
    assert outcome.receipt is not None
    assert row.entry == outcome.receipt.id
    assert b"officer" not in bytes(row.payload)


async def test_watchers_see_only_what_happens_while_they_look(plugged: World) -> None:
    seen: list[str] = []
    acts: list[tuple[str, str]] = []

    def see(name: str, _payload: dict[str, Any]) -> None:
        seen.append(name)

    def act(work: Work) -> None:
        acts.append((work.act.name, work.outcome))

    await say(plugged, "a")
    stops = [plugged.kernel.bus.watch(see), plugged.kernel.bus.watch_acts(act)]
    await say(plugged, "b")
    with pytest.raises(Refused):
        await plugged.act("prefect", "works.item.add", word="c")
    for stop in stops:
        stop()
        stop()  # twice does no harm
    await say(plugged, "d")
    assert seen == ["item.added"]
    assert acts == [("works.item.add", "allowed"), ("works.item.add", "refused")]
