"""What a device asks again: done once, answered with the first receipt, whatever the order and the number of replays."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from egide.kernel import tables
from egide.kernel.door import Outcome
from egide.kernel.errors import BadInput, Conflict, EgideError
from egide.kernel.repeats import KEEP_US
from egide.operations.tables import mission as missions
from egide.operations.tables import note as notes
from tests.world import INSIDE, World

pytestmark = pytest.mark.anyio

QUEUES = itertools.count()  # a case may come again in the same world
CASES = int(os.environ.get("EGIDE_FUZZ", "40"))


def counted(world: World, act: str = "operations.note.add") -> int:
    entry = tables.entry
    query = select(func.count()).where(entry.c.act == act, entry.c.outcome == "allowed")
    return int(world.kernel.store.reader().execute(query).scalar() or 0)


async def noted(world: World, mission: str, client: str, text: str = "Vu", who: str = "officer") -> Outcome:
    given: dict[str, Any] = {"mission": mission, "text": text, "lat": INSIDE[0], "lon": INSIDE[1]}
    return await world.perform(who, "operations.note.add", client_id=client, made_at="2026-11-23T18:00:00Z", **given)


async def one_mission(world: World) -> str:
    """The same for every case: a department has a cap of orders."""
    row = world.kernel.store.reader().execute(select(missions.c.id)).first()
    return str(row[0]) if row else await world.mission(await world.order())


async def test_the_second_time_tells_the_first_receipt(world: World) -> None:
    mission = await world.mission(await world.order())
    first = await noted(world, mission, "client-0001")
    await world.act("command", "operations.mission.close", mission=mission)
    again = await noted(world, mission, "client-0001")
    assert again.receipt == first.receipt
    assert again.result["id"] == first.result.id
    assert counted(world) == 1
    row = world.kernel.store.reader().execute(select(notes)).one()
    assert row.made < row.at, "the device's own time is kept beside the server's"


async def test_many_at_once_are_one(world: World) -> None:
    mission = await world.mission(await world.order())
    found = await asyncio.gather(*(noted(world, mission, "client-0002") for _ in range(24)))
    assert len({each.receipt.index for each in found if each.receipt}) == 1
    assert counted(world) == 1


async def test_each_person_has_numbers_of_their_own(world: World) -> None:
    mission = await world.mission(await world.order())
    await noted(world, mission, "client-0003")
    await noted(world, mission, "client-0003", who="command")
    assert counted(world) == 2


async def test_the_same_number_for_something_else_is_told(world: World) -> None:
    mission = await world.mission(await world.order())
    await noted(world, mission, "client-0004")
    with pytest.raises(Conflict):
        await noted(world, mission, "client-0004", text="Autre chose")
    assert counted(world) == 1
    for wrong in ("a", "x" * 65, "é" * 10, "a b c d e f"):
        with pytest.raises(BadInput):
            await noted(world, mission, wrong)


async def test_what_was_refused_may_be_asked_again(world: World) -> None:
    mission = await world.mission(await world.order())
    given = {"mission": mission, "text": "Vu", "lat": INSIDE[0], "lon": INSIDE[1], "client_id": "client-0005"}
    assert await world.refused("prefect", "operations.note.add", **given)
    assert await world.refused("prefect", "operations.note.add", **given)
    await world.perform("officer", "operations.note.add", **given)
    assert counted(world) == 1


async def test_old_numbers_go(world: World) -> None:
    mission = await world.mission(await world.order())
    await noted(world, mission, "client-0006")
    table = tables.client_act
    world.kernel.bus.pruner.prune([])
    assert world.kernel.store.reader().execute(select(func.count()).select_from(table)).scalar() == 1
    world.move(seconds=KEEP_US / 1e6 + 1)
    world.kernel.bus.pruner.prune([])
    assert world.kernel.store.reader().execute(select(func.count()).select_from(table)).scalar() == 0


@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=24))
async def test_any_replay_leaves_each_once(world: World, plan: list[tuple[int, bool]]) -> None:
    """A queue of six acts replayed in any order, any number of times, some at once, by two tabs: each stands once."""
    mission = await one_mission(world)
    before, queue = counted(world), next(QUEUES)
    mine = [f"replay-{queue}-{number}" for number in range(6)]
    told: dict[int, set[int]] = {}

    async def send(number: int) -> None:
        try:
            outcome = await noted(world, mission, mine[number], f"n° {number}")
        except EgideError as error:  # pragma: no cover — none is expected; told whole when it comes
            raise AssertionError(error.what.en) from error
        assert outcome.receipt is not None
        told.setdefault(number, set()).add(outcome.receipt.index)

    under_way: list[asyncio.Task[None]] = []
    for number, alone in plan:
        under_way.append(asyncio.create_task(send(number)))
        if alone:
            await asyncio.gather(*under_way)
            under_way.clear()
    await asyncio.gather(*under_way)
    assert all(len(indexes) == 1 for indexes in told.values()), told
    assert counted(world) - before == len({number for number, _ in plan})
