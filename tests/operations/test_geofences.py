"""Geofences: who may draw, what counts as crossing, who is told, that it follows nobody off duty and keeps no path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import BadInput, Conflict, NotFound
from egide.operations import tables
from egide.operations.fences import Circle, Fence, Shape, fences, polygon
from egide.operations.geofences import CATEGORY
from egide.protocols.geodesics import distance, offset
from egide.protocols.positions import write_fixes
from tests.operations.devices import fixes, on_duty
from tests.world import INSIDE, SQUARE, Terminal, World

pytestmark = pytest.mark.anyio
DRAW, LIST, ACKNOWLEDGE = (f"operations.geofence.{word}" for word in ("draw", "list", "acknowledge"))
CIRCLE = {"circle": {"lat": INSIDE[0], "lon": INSIDE[1], "radius": 100.0}}
FAR = tuple(offset(INSIDE, 90, 400))


class Field:
    """An officer with a device on a mission, and a commander who is told."""

    def __init__(self, world: World, mission: str) -> None:
        self.world = world
        self.mission = mission
        self.device, self.command = Terminal(world.person("officer")), Terminal(world.person("command"))

    async def start(self) -> None:
        await on_duty(self.world)
        await self.world.act("officer", "operations.position.stream", self.device)
        await self.world.act("command", LIST, self.command)

    async def fence(self, kind: str, **given: Any) -> str:
        whole = {"mission": self.mission, "name": "Quai", "kind": kind, "shape": CIRCLE} | given
        return str((await self.world.act("command", DRAW, **whole))["id"])

    def go(self, place: tuple[float, float]) -> None:
        """The officer is there, a minute later."""
        self.world.move(seconds=60)
        self.device.say(write_fixes(fixes(self.world, place)))
        self.world.kernel.things["relay"].positions.tick()

    def alerts(self, terminal: Terminal | None = None) -> list[str]:
        return [p["crossing"]["way"] for p in (terminal or self.command).pushed if p["push"] == "crossing"]

    async def settled(self, count: int) -> None:
        """So many crossings are written, and nothing waits."""
        held = fences(self.world.kernel)
        rows = select(func.count()).select_from(tables.crossing)
        await self.world.until(lambda: not held._crossings and self._count(rows) == count)

    def _count(self, query: Any) -> Any:
        return self.world.kernel.store.reader().execute(query).scalar()


@pytest.fixture
async def field(world: World) -> Field:
    made = Field(world, await world.mission(await world.order()))
    await made.start()
    return made


async def test_entering_is_told_to_the_mission_and_to_the_one_who_enters(field: Field) -> None:
    fence = await field.fence("enter")
    field.go(FAR)
    field.go(INSIDE)
    await field.world.until(lambda: field.alerts() and field.alerts(field.device))
    (told,) = [push["crossing"] for push in field.command.pushed if push["push"] == "crossing"]
    assert (told["geofence"], told["way"], told["who"], told["name"]) == (fence, "in", "Camille Aubert", "Quai")
    db, entry = field.world.kernel.store.reader(), kernel_tables.entry
    row = db.execute(select(entry).where(entry.c.act == "operations.geofence.cross")).one()
    assert f'"cause":"{fence}"'.encode() in bytes(row.leaf)
    field.go(FAR)
    field.go(INSIDE)
    await field.settled(2)
    assert field.alerts() == ["in", "in"], "going out of it is nobody's business"


async def test_leaving(field: Field) -> None:
    await field.fence("leave")
    field.go(INSIDE)
    field.go(FAR)
    await field.world.until(lambda: field.alerts() == ["out"])


async def test_who_is_inside_when_it_is_drawn(field: Field) -> None:
    field.go(INSIDE)
    await field.fence("enter")
    field.go(INSIDE)
    await field.fence("no-go", name="Gaz")
    await field.world.until(lambda: field.alerts() == ["in"])
    field.go(INSIDE)
    await field.settled(1)


async def test_a_device_that_jitters_on_the_line_says_nothing_twice(field: Field) -> None:
    await field.fence("enter")
    await field.fence("leave", name="Sortie")
    field.go(FAR)
    for metres in (95, 105, 97, 110, 99, 113, 90):
        field.go(tuple(offset(INSIDE, 45, metres)))
    await field.settled(1)
    field.go(tuple(offset(INSIDE, 45, 125)))
    await field.settled(2)
    assert field.alerts() == ["in", "out"]


async def test_nobody_is_followed_off_duty(field: Field) -> None:
    await field.fence("no-go")
    held = fences(field.world.kernel)
    field.go(INSIDE)
    await field.settled(1)
    assert held.standing()[0].inside
    await field.world.act("officer", "operations.duty.end")
    assert not held.standing()[0].inside, "forgotten at once"
    assert not field.device.say(write_fixes(fixes(field.world, FAR)))
    number = field.world.kernel.things["relay"].positions._numbers["officer"]
    held._cross(held.standing()[0], number, "in")  # one that was under way when the shift ended
    await field.world.until(lambda: not held._crossings)
    entry = kernel_tables.entry
    outcomes = select(entry.c.outcome).where(entry.c.act == "operations.geofence.cross").order_by(entry.c.idx)
    await field.world.until(
        lambda: [row.outcome for row in field.world.kernel.store.reader().execute(outcomes)] == ["allowed", "refused"]
    )
    assert field.alerts() == ["in"]


async def test_only_the_mission_is_looked_at(field: Field) -> None:
    world = field.world
    await field.fence("no-go")
    other, terminal = Terminal(world.person("other-officer")), Terminal(world.person("other-officer"))
    assert (await world.act("other-officer", LIST, terminal))["geofences"] == []
    await on_duty(world, "other-officer")
    await world.act("other-officer", "operations.position.stream", other)
    other.say(write_fixes(fixes(world, INSIDE)))
    world.kernel.things["relay"].positions.tick()
    field.go(INSIDE)
    await field.settled(1)
    assert field.alerts(terminal) == field.alerts(other) == []
    crossing = (await world.act("command", LIST))["crossings"][0]["id"]
    with pytest.raises(NotFound):
        await world.act("other-officer", ACKNOWLEDGE, crossing=crossing)


async def test_a_human_acknowledges_once(field: Field) -> None:
    await field.fence("no-go")
    field.go(INSIDE)
    await field.settled(1)
    (crossing,) = (await field.world.act("officer", LIST))["crossings"]
    await field.world.act("officer", ACKNOWLEDGE, crossing=crossing["id"])
    await field.world.until(lambda: field.command.pushed[-1].get("crossing", {}).get("acknowledged"))
    assert field.command.pushed[-1]["crossing"]["by"] == "Camille Aubert"
    with pytest.raises(Conflict):
        await field.world.act("command", ACKNOWLEDGE, crossing=crossing["id"])
    assert (await field.world.act("command", LIST))["crossings"] == []


async def test_it_ends_by_the_hour_by_hand_and_with_the_mission(field: Field) -> None:
    held = fences(field.world.kernel)
    await field.fence("no-go", hours=0.5)
    by_hand = await field.fence("no-go", name="B", hours=20)
    await field.fence("no-go", name="C", hours=20)
    assert len(held.standing()) == 3
    field.world.move(hours=1)
    field.go(FAR)
    assert [fence.name for fence in held.standing()] == ["B", "C"]
    await field.world.act("command", "operations.geofence.remove", geofence=by_hand)
    assert [fence.name for fence in held.standing()] == ["C"]
    with pytest.raises(NotFound):
        await field.world.act("command", "operations.geofence.remove", geofence=by_hand)
    await field.world.act("command", "operations.mission.close", mission=field.mission)
    assert held.standing() == []
    with pytest.raises(Conflict):
        await field.fence("enter")


async def test_a_crossing_is_erased_after_its_term(field: Field) -> None:
    await field.fence("no-go")
    field.go(INSIDE)
    await field.settled(1)
    db, kept, entry = field.world.kernel.store.reader(), kernel_tables.retained.c, kernel_tables.entry
    field.world.move(days=63)
    state = select(kept.state).where(kept.category == CATEGORY)
    await field.world.until(lambda: db.execute(state).scalar() == "erased")
    assert db.execute(select(func.count()).select_from(tables.crossing)).scalar() == 0
    body = select(entry.c.body).where(entry.c.act == "operations.geofence.cross")
    assert db.execute(body).scalar_one() is None


NO_SHAPES: list[dict[str, Any]] = [
    {},
    CIRCLE | {"ring": SQUARE["coordinates"][0]},
    {"circle": {"lat": 91, "lon": 0, "radius": 100}},
    {"circle": {"lat": 0, "lon": 0, "radius": 1}},
    {"circle": {"lat": 0, "lon": 0, "radius": 1e9}},
    {"ring": [[0, 0], [1, 1]]},
    {"ring": [[0, 0], [1, 1], [2, 2]]},
    {"ring": [[0, 0], [1, 1], [0, 1], [1, 0]]},
    {"ring": [[0, 0], [200, 1], [0, 1]]},
    {"ring": [[-170, 0], [170, 1], [0, 1]]},
    {"ring": [[n / 1000, n % 2] for n in range(600)]},
]


async def test_who_draws_and_what_is_no_fence(field: Field) -> None:
    given = {"mission": field.mission, "name": "x", "kind": "enter", "shape": CIRCLE}
    assert "GDPR-29" in await field.world.refused("officer", DRAW, **given)
    for shape in NO_SHAPES:
        with pytest.raises(BadInput):
            await field.fence("enter", shape=shape)
    for wrong in ({"name": " "}, {"hours": 0}, {"hours": 73}, {"kind": "follow"}):
        with pytest.raises(BadInput):
            await field.world.act("command", DRAW, **(given | wrong))


@pytest.mark.parametrize("lat", [0.0, 45.0, 60.17, -75.0])
def test_metres_are_metres_everywhere(lat: float) -> None:
    ring = [(24.0, lat), (24.01, lat), (24.01, lat + 0.01), (24.0, lat + 0.01)]
    shapes: list[tuple[Shape, Callable[[float], float]]] = [
        (Shape(circle=Circle(lat=lat, lon=24.0, radius=100)), lambda margin: 100 + margin),
    ]
    for shape, radius in shapes:
        for margin in (0.0, 15.0):
            edge = polygon(shape, margin).exterior.coords
            assert all(abs(distance((lat, 24.0), (y, x)) - radius(margin)) < 1.5 for x, y in edge)
    grown = polygon(Shape(ring=ring), 15.0)
    west = min(x for x, _ in grown.exterior.coords)
    assert distance((lat + 0.005, west), (lat + 0.005, 24.0)) == pytest.approx(15, rel=0.02)


def test_what_each_kind_alerts() -> None:
    shape = Shape(circle=Circle(lat=0, lon=0, radius=100))
    told = {
        kind: [way for way in ("in", "out") if Fence("", "", "", kind, 0, shape).alerts(way)]
        for kind in ("enter", "leave", "no-go")
    }
    assert told == {"enter": ["in"], "leave": ["out"], "no-go": ["in"]}
