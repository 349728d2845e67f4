"""Geofences as they run: at each tick, what moved is held against what is drawn, and a crossing becomes an act.

Held in memory is only who is inside of what, now; the path that led there is not. Whoever goes off duty is dropped from the wire
and with it from here. A fence has two edges: one is in once inside the drawn line, and out only `MARGIN_M` beyond it, so that
a device that jitters on the line says nothing twice.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import shapely
from shapely import affinity
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from egide.kernel.clock import iso
from egide.kernel.errors import EgideError, Refused
from egide.kernel.waiting import came
from egide.operations import tables
from egide.operations.relay import relay
from egide.operations.shifts import shifts
from egide.protocols.positions import SCALE

if TYPE_CHECKING:
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel
    from egide.operations.moving import Changed

log = logging.getLogger("egide.geofences")

MARGIN_M = 15.0  # m beyond the line before one is out: what a device is off by in a street
METRES = 111_195.0  # m of a degree of latitude on a sphere of the Earth's mean radius
CIRCLE_SIDES = 64
WAITING = 2_000  # crossings that may wait to be written; more at once is no crossing but a fault
HANDS = 8  # crossings written at once: they share the writer's transactions
RELOAD = frozenset({"geofence.changed", "mission.closed"})
ACT = "operations.geofence.cross"


class Circle(msgspec.Struct, forbid_unknown_fields=True):
    """A circle: WGS84 degrees, metres."""

    lat: float
    lon: float
    radius: float


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """What a geofence encloses: a ring of (longitude, latitude), or a circle."""

    ring: list[tuple[float, float]] | None = None
    circle: Circle | None = None


@dataclass(slots=True)
class Fence:
    """A geofence that stands."""

    id: str
    mission: str
    name: str
    kind: str
    until: int  # µs
    shape: Shape
    inside: set[int] = field(default_factory=set)  # numbers on the wire

    def alerts(self, way: str) -> bool:
        """Whether going in or out of it is what it was drawn for."""
        return way == ("out" if self.kind == "leave" else "in")

    def shown(self) -> dict[str, Any]:
        """As consoles take it."""
        return {
            "id": self.id, "mission": self.mission, "name": self.name, "kind": self.kind, "until": iso(self.until),
            "ring": [list(point) for point in shapely.get_coordinates(polygon(self.shape)).tolist()],
        }  # fmt: skip


def polygon(shape: Shape, margin_m: float = 0.0) -> Any:
    """The shape in degrees, grown by so many metres (local scale: right to 1 % for what one can survey)."""
    if shape.circle is not None:
        here, radius = shape.circle, shape.circle.radius + margin_m
        turns = [2 * math.pi * n / CIRCLE_SIDES for n in range(CIRCLE_SIDES)]
        wide = METRES * max(math.cos(math.radians(here.lat)), 0.01)
        ring = [
            (here.lon + radius * math.sin(turn) / wide, here.lat + radius * math.cos(turn) / METRES) for turn in turns
        ]
        return shapely.Polygon(ring)
    drawn = shapely.Polygon(shape.ring)
    if not margin_m:
        return drawn
    middle = drawn.centroid
    squeeze = max(math.cos(math.radians(middle.y)), 0.01)
    flat = affinity.scale(drawn, squeeze, 1.0, origin=(middle.x, middle.y))
    return affinity.scale(flat.buffer(margin_m / METRES), 1 / squeeze, 1.0, origin=(middle.x, middle.y))


class Fences:
    """The fences that stand, and the terminals that are told; lives in `kernel.things["fences"]`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._fences: list[Fence] = []
        self._inner: Any = np.array([])
        self._outer = shapely.STRtree([])
        self._box = (0.0, 0.0, 0.0, 0.0)
        self._watchers: dict[Any, None] = {}
        self._crossings: deque[tuple[Fence, int, str]] = deque(maxlen=WAITING)
        self._came = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Reads what stands, and looks from now on."""
        self.load()
        self._kernel.bus.watch(self._changed)
        relay(self._kernel).positions.on_tick.append(self.look)
        relay(self._kernel).positions.on_gone.append(self.forget)
        self._tasks = [asyncio.create_task(self._write(), name="geofences") for _ in range(HANDS)]

    async def stop(self) -> None:
        """Stops."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what stands --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Reads the fences that stand; who is inside of those known before is remembered, a new one looks at once."""
        table, mission = tables.geofence, tables.mission
        now = self._kernel.clock.latest_us()
        query = select(table).join(mission, mission.c.id == table.c.mission).where(table.c.removed.is_(None))
        query = query.where(mission.c.closed.is_(None), table.c.until > now).order_by(table.c.drawn)
        before = {fence.id: fence.inside for fence in self._fences}
        self._fences = [
            Fence(row.id, row.mission, row.name, row.kind, row.until, msgspec.json.decode(row.shape, type=Shape))
            for row in self._kernel.store.reader().execute(query).all()
        ]
        self._inner = np.array([polygon(fence.shape) for fence in self._fences], dtype=object)
        outer = [polygon(fence.shape, MARGIN_M) for fence in self._fences]
        self._outer = shapely.STRtree(outer)
        self._box = tuple(shapely.total_bounds(outer)) if outer else (0.0, 0.0, 0.0, 0.0)
        for place, fence in enumerate(self._fences):
            if fence.id in before:
                fence.inside = before[fence.id]
            else:
                self._first(place, fence)

    def _first(self, place: int, fence: Fence) -> None:
        """Who is inside of a new fence already: known as inside; where nobody may be, that is an alert."""
        records, _ = relay(self._kernel).positions.whole()
        points = shapely.points(records["lon"] / SCALE, records["lat"] / SCALE)
        for number in records["number"][shapely.intersects(self._inner[place], points)].tolist():
            self._enter(fence, number, told=fence.kind == "no-go")

    def standing(self) -> list[Fence]:
        """The fences that stand."""
        return self._fences

    # -- what moves ---------------------------------------------------------------------------------------------------

    def look(self, changed: Changed) -> None:
        """Holds what moved against what is drawn. Some 1 µs an entity near a fence, less for the others."""
        if not self._fences:
            return
        now = self._kernel.clock.latest_us()
        if any(fence.until <= now for fence in self._fences):
            self.load()
            if not self._fences:
                return
        lat, lon = changed.records["lat"] / SCALE, changed.records["lon"] / SCALE
        numbers = changed.records["number"]
        for number in numbers[
            ~changed.seen
        ].tolist():  # it was not there a moment ago: where it was before is not known
            for fence in self._fences:
                fence.inside.discard(number)
        west, south, east, north = self._box
        close = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        points = shapely.points(lon[close], lat[close])
        which, of = self._outer.query(points, predicate="intersects")
        within = shapely.intersects(self._inner[of], points[which]) if len(which) else np.zeros(0, np.bool_)
        near: set[tuple[int, int]] = set()
        for place, fence_place, inner in zip(close[which].tolist(), of.tolist(), within.tolist(), strict=True):
            number, fence = int(numbers[place]), self._fences[fence_place]
            near.add((fence_place, number))
            if inner and number not in fence.inside:
                self._enter(fence, number, told=fence.kind == "no-go" or bool(changed.seen[place]))
        moved = set(numbers.tolist())
        for fence_place, fence in enumerate(self._fences):
            for number in [n for n in fence.inside & moved if (fence_place, n) not in near]:
                fence.inside.discard(number)
                self._cross(fence, number, "out")

    def forget(self, numbers: set[int]) -> None:
        """They are gone from the wire (off duty): nobody knows any more where they were."""
        for fence in self._fences:
            fence.inside -= numbers

    def _enter(self, fence: Fence, number: int, *, told: bool) -> None:
        if self._concerns(fence, number):
            fence.inside.add(number)
            if told:
                self._cross(fence, number, "in")

    def _concerns(self, fence: Fence, number: int) -> bool:
        """A fence is its mission's: nobody else is looked at."""
        return f"mission:{fence.mission}" in relay(self._kernel).positions.entity(number)[2]

    def _cross(self, fence: Fence, number: int, way: str) -> None:
        """Of several processes that see it, the one that took the fix says it."""
        if (
            number not in relay(self._kernel).positions.elsewhere
            and fence.alerts(way)
            and self._concerns(fence, number)
        ):
            self._crossings.append((fence, number, way))
            self._came.set()

    async def _write(self) -> None:
        while True:
            await came(self._came, 1.0)
            self._came.clear()
            while self._crossings:
                fence, number, way = self._crossings.popleft()
                id_, kind, _groups = relay(self._kernel).positions.entity(number)
                given = {"geofence": fence.id, "way": way, "person" if kind == "officer" else "thing": id_}
                try:
                    await self._kernel.perform(
                        ACT, msgspec.json.encode(given), self._kernel.system("geofences"), cause=fence.id
                    )
                except Refused:
                    continue  # they went off duty meanwhile: nobody hears of it
                except EgideError as error:
                    log.warning("a crossing is not written: %s", error)

    # -- who is told --------------------------------------------------------------------------------------------------

    def join(self, channel: Any) -> None:
        """A terminal is told from now on."""
        if channel not in self._watchers:
            self._watchers[channel] = None
            channel.on_close(lambda: self._watchers.pop(channel, None))

    def may_see(self, principal: Principal, mission: str) -> bool:
        """Command, and who conducts the mission."""
        return "command" in principal.roles or mission in shifts(self._kernel).rosters.missions(principal.id)

    def _changed(self, name: str, payload: dict[str, Any]) -> None:
        try:
            if name in RELOAD:
                self.load()
                self._push({"push": "geofences"}, payload.get("mission"), None)
            elif name in ("geofence.crossed", "geofence.acknowledged"):
                self._tell(payload["crossing"])
        except (DatabaseError, EgideError) as error:
            log.warning("geofences are as they were: %s", error)

    def _tell(self, crossing: str) -> None:
        row = (
            self._kernel.store.reader().execute(select(tables.crossing).where(tables.crossing.c.id == crossing)).first()
        )
        fence = row and self._kernel.store.reader().execute(
            select(tables.geofence).where(tables.geofence.c.id == row.geofence)
        ).first()  # fmt: skip
        if row is not None and fence is not None:
            told = {"push": "crossing", "crossing": crossing_shown(self._kernel, row, fence)}
            self._push(told, fence.mission, None if row.acknowledged else row.person)

    def _push(self, message: dict[str, Any], mission: str | None, person: str | None) -> None:
        """Tells the mission's terminals, and the one who crossed, through the device that says where they are."""
        kernel, act = self._kernel, self._kernel.acts["operations.geofence.list"]
        told = set()
        for channel in tuple(self._watchers):
            principal = kernel.identity.still(channel.principal)
            if principal.may(act, kernel.clock.latest_us()) and (mission is None or self.may_see(principal, mission)):
                channel.push(message)
                told.add(channel)
        shift = shifts(kernel).shift(person) if person is not None else None
        if shift is not None and shift.stream is not None and shift.stream.channel not in told:
            shift.stream.channel.push(message)


def crossing_shown(kernel: Kernel, row: Any, fence: Any) -> dict[str, Any]:
    """A crossing as consoles take it."""
    who = kernel.identity.name(row.person) if row.person else kernel.things["vehicles"].get(row.thing, row.thing or "")
    return {
        "id": row.id, "geofence": fence.id, "name": fence.name, "kind": fence.kind, "way": row.way, "mission": fence.mission,
        "at": iso(row.at), "person": row.person, "who": who, "acknowledged": iso(row.acknowledged) if row.acknowledged else None,
        "by": kernel.identity.name(row.acknowledged_by) if row.acknowledged_by else None,
    }  # fmt: skip


def fences(kernel: Kernel) -> Fences:
    """The fences of this process."""
    found: Fences = kernel.things["fences"]
    return found
