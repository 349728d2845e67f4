"""Leases: decided again every two seconds and at each change; what is not renewed stops by itself."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from egide.kernel import leases, tables
from egide.kernel.act import Nothing
from egide.kernel.guard import Decision
from egide.kernel.leases import GRACE_S, TTL_S, Lease
from egide.kernel.work import Leaf
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio


def lease(world: World, who: str = "officer", act: str = "works.follow") -> tuple[Lease, list[Decision]]:
    ended: list[Decision] = []
    made = Lease("l1", world.kernel.acts[act], Nothing(), world.person(who), "show", ended.append)
    world.kernel.leases.open(made)
    return made, ended


def refusals(world: World) -> list[Leaf]:
    rows = world.kernel.store.reader().execute(select(tables.entry.c.leaf).where(tables.entry.c.outcome == "refused"))
    return [msgspec.json.decode(row[0], type=Leaf) for row in rows]


async def test_a_lease_lives_two_seconds(plugged: World) -> None:
    made, _ended = lease(plugged)
    assert TTL_S == 2.0
    assert 0 < made.expires - monotonic() <= TTL_S + GRACE_S
    assert made.alive()


async def test_an_unchanged_renewal_writes_nothing(plugged: World) -> None:
    made, ended = lease(plugged)
    size = plugged.kernel.log.size
    made.expires = monotonic() + 0.1
    plugged.kernel.leases.renew()
    assert made.expires > monotonic() + 2.0
    assert not ended
    await asyncio.sleep(0.05)
    assert plugged.kernel.log.size == size


async def test_a_withdrawn_right_ends_it_at_once_and_is_recorded(plugged: World) -> None:
    made, ended = lease(plugged)
    began = monotonic()
    await plugged.act(
        "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
    )
    await plugged.until(lambda: ended, 1.0)
    assert monotonic() - began < 2.0
    assert not made.alive()
    assert "LED-29-e" in [reason.rule for reason in ended[0].reasons]
    await plugged.until(lambda: refusals(plugged))
    assert [(leaf.act, leaf.cause) for leaf in refusals(plugged)] == [("works.follow", "l1")]
    assert plugged.kernel.leases.held() == []


async def test_it_ends_once(plugged: World) -> None:
    _made, ended = lease(plugged, "prefect")
    for _ in range(3):
        plugged.kernel.leases.renew()
    assert len(ended) == 1
    await plugged.until(lambda: refusals(plugged))


async def test_when_the_loop_dies_the_picture_stops(plugged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TTL_S", 0.1)
    monkeypatch.setattr(leases, "GRACE_S", 0.05)
    await plugged.kernel.leases.stop()
    made, _ended = lease(plugged)
    assert made.alive()
    await asyncio.sleep(0.2)
    assert not made.alive()


async def test_a_store_that_cannot_be_read_renews_nothing(plugged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made, ended = lease(plugged)
    expires = made.expires

    def broken(*_args: Any, **_more: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patched:
        patched.setattr(plugged.kernel, "facts", broken)
        plugged.kernel.leases.renew()
    assert made.expires == expires, "not renewed: it runs out by itself"
    assert not ended
    plugged.kernel.leases.renew()
    assert made.expires > expires, "and goes on once the store answers"


async def test_a_closed_lease_is_not_renewed(plugged: World) -> None:
    made, ended = lease(plugged, "prefect")
    plugged.kernel.leases.close(made.id)
    plugged.kernel.leases.renew()
    assert not ended


async def test_a_change_of_roster_ends_the_picture(world: World) -> None:
    _order, mission, deployment = await world.flying()
    terminal = Terminal(world.person("officer"))
    await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
    await world.act("command", "operations.roster.change", mission=mission, remove=["officer"])
    await world.until(lambda: any(m.get("push") == "watch.ended" for m in terminal.pushed), 2.5)
    ended = next(m for m in terminal.pushed if m.get("push") == "watch.ended")
    assert [reason["rule"] for reason in ended["refusal"]["reasons"]] == ["CSI-242-2"]
    assert not world.kernel.leases.held()


async def test_an_order_that_lapses_ends_the_picture(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    terminal = Terminal(world.person("officer"))
    await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
    world.move(days=1, minutes=1)
    await world.until(lambda: any(m.get("push") == "watch.ended" for m in terminal.pushed), 2.5)


async def test_a_terminal_that_leaves_ends_its_lease(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    terminal = Terminal(world.person("officer"))
    await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
    assert len(world.kernel.leases.held()) == 1
    terminal.leave()
    assert not world.kernel.leases.held()
    await world.until(
        lambda: (
            world.kernel.store.reader()
            .execute(select(tables.entry).where(tables.entry.c.act == "operations.watch.end"))
            .first()
        )
    )
