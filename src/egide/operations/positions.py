"""Positions on the wire: 16 bytes an entity, the newest wins, cut out once for all who look at the same cells, sent in ticks.

A subscription is an act; what then passes is counted and sealed each minute as one leaf with its sub-root (design, “Busy wires”).
A terminal that says what it looks at gets that part alone and asks for the names it wants; one that does not gets everything.
Either way it gets only what its filter lets through: the filter is made from the roster and the unit when it subscribes, and
again whenever a right or a roster changes. An entity that is dropped is gone from every terminal at once, its place with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from egide.kernel.merkle import Frontier, leaf_hash
from egide.operations.moving import RECORD, Bools, Changed, Moving, Records
from egide.operations.viewports import Cells, Viewports, cells
from egide.protocols.positions import GONE, KIND, WHOLE, View, frame

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

__all__ = ["EVERYONE", "KIND", "PUBLIC", "Positions", "Wire"]

TICK_S = 0.05  # s: at most 20 frames a second a terminal, whatever the sources send
MINUTE_S = 60.0  # s between sealed counts
SECOND_S = 1.0  # s between looks at what has fallen silent
STALE_OUT_US = 600_000_000  # µs; grey for a while, then gone: a place ten minutes old helps nobody
PUBLIC = "public"  # the group of means that everyone on duty may see: aircraft, vehicles without a mission
EVERYONE = None  # the filter of command: all groups
Groups = frozenset[str]


class Wire(Protocol):
    """What a terminal's socket offers (gateways.live.Channel)."""

    def send(self, data: bytes) -> None:
        """Queues a frame."""

    def push(self, message: dict[str, Any]) -> None:
        """Queues a message."""

    def pending(self) -> int:
        """Bytes still queued."""


MAX_BEHIND = (
    256 * 1024
)  # bytes queued on a terminal; beyond, it misses ticks and gets all there is once it has caught up


@dataclass(slots=True, eq=False)
class _Seat:
    """A terminal that follows."""

    wire: Wire
    may: Callable[[], Groups | None] | None  # what it may see now; asked again when rights or rosters change
    groups: Groups | None
    where: Cells | None = None
    late: bool = False
    unnamed: bool = False  # it may see others than before, whose names it was not told


@dataclass(slots=True)
class _Entity:
    """What a number stands for."""

    id: str
    name: str
    kind: str
    groups: Groups

    def told(self, number: int) -> dict[str, Any]:
        return {"number": number, "id": self.id, "name": self.name, "kind": self.kind}


class Positions:
    """Latest positions and who wants them. Any thread may put; the rest belongs to the event loop."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._moving = Moving()
        self._numbers: dict[str, int] = {}
        self._entities: dict[int, _Entity] = {}
        self._audiences: dict[Groups, int] = {}
        self._allowed: dict[Groups | None, Bools | None] = {EVERYONE: None}
        self.elsewhere: set[int] = set()  # the newest place was taken by another process, which acts on it
        self._wires: dict[Wire, _Seat] = {}
        self._views = Viewports()
        self.on_tick: list[Callable[[Changed], None]] = []  # geofences look at what moved, and at nothing else
        self.on_gone: list[Callable[[set[int]], None]] = []  # and forget at once what is gone
        self._task: asyncio.Task[None] | None = None
        self._passed = 0
        self._frontier = Frontier()

    def start(self) -> None:
        """Starts the ticks."""
        self._task = asyncio.create_task(self._run(), name="positions")

    async def stop(self) -> None:
        """Stops the ticks."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- what moves ---------------------------------------------------------------------------------------------------

    def number(self, id_: str, name: str, kind: str, groups: Iterable[str] = (PUBLIC,)) -> int:
        """The wire number of an entity; terminals that may see it and have no viewport are told its name."""
        seen_by = frozenset(groups)
        number = self._numbers.get(id_)
        if number is None:
            number = self._numbers[id_] = self._moving.add(self._audience(seen_by))
        elif self._entities[number].groups != seen_by:
            self.regroup(id_, seen_by)
        entity = self._entities[number] = _Entity(id_, name, kind, seen_by)
        for seat in self._wires.values():
            if seat.where is None and _may(seat.groups, seen_by):
                seat.wire.push({"push": "entities", "entities": [entity.told(number)]})
        return number

    def regroup(self, id_: str, groups: Iterable[str]) -> None:
        """An entity belongs to other groups now: who may not see it any more does not."""
        number = self._numbers.get(id_)
        if number is None or self._entities[number].groups == frozenset(groups):
            return
        self._entities[number].groups = frozenset(groups)
        self._moving.audience[number] = self._audience(self._entities[number].groups)
        for seat in self._wires.values():
            seat.late = seat.unnamed = True

    def entity(self, number: int) -> tuple[str, str, Groups]:
        """(id, kind, groups) behind a number."""
        found = self._entities[number]
        return found.id, found.kind, found.groups

    def whole(self) -> tuple[Records, Any]:
        """(every record there is, for whom each is)."""
        return self._moving.whole(self._kernel.clock.read_us())

    def place(self, id_: str) -> tuple[float, float] | None:
        """Where an entity was last heard of (lat, lon)."""
        number = self._numbers.get(id_)
        if number is None or not self._moving.here[number]:
            return None
        record = self._moving.records[number]
        return int(record["lat"]) / 1e7, int(record["lon"]) / 1e7

    def taken_here(self, number: int, *, here: bool) -> None:
        """Whether this process or another takes an entity's fixes: one of them acts on what follows (a crossing)."""
        if here:
            self.elsewhere.discard(number)
        else:
            self.elsewhere.add(number)

    def put(self, number: int, lat: float, lon: float, heading: float, at_us: int | None = None) -> None:
        """The newest position (degrees, WGS84), measured at `at_us`. Any thread."""
        now = self._kernel.clock.read_us()
        self._moving.put(number, lat, lon, heading, now if at_us is None else at_us, now)

    def put_many(self, records: Sequence[tuple[int, float, float, float]]) -> None:
        """Many at once: (number, lat, lon, heading). Any thread."""
        if len(records):
            self._moving.put_many(np.asarray(records, np.float64), self._kernel.clock.read_us())

    def drop(self, id_: str) -> None:
        """The entity is gone: its place is forgotten here, and every terminal is told at once."""
        number = self._numbers.get(id_)
        if number is not None and self._moving.here[number]:
            self._gone(np.array([number]))

    def forget(self, id_: str) -> None:
        """The entity will not come again: nothing of it is kept but that its number was had."""
        self.drop(id_)
        number = self._numbers.pop(id_, None)
        if number is not None:
            del self._entities[number]

    def _gone(self, numbers: np.ndarray[Any, np.dtype[np.intp]]) -> None:
        audiences = self._moving.audience[numbers]
        self._moving.drop(numbers)
        for forget in self.on_gone:
            forget(set(numbers.tolist()))
        records: Records = np.zeros(len(numbers), RECORD)
        records["number"], records["flags"] = numbers, GONE
        for groups, seats in self._by_filter().items():
            may = self._filter(groups)
            payload = (records if may is None else records[may[audiences]]).tobytes()
            if payload:
                self._send(seats, frame(payload, self._kernel.clock.read_us()))

    # -- who looks ----------------------------------------------------------------------------------------------------

    def join(self, wire: Wire, view: View | None = None, may: Callable[[], Groups | None] | None = None) -> None:
        """A terminal subscribes: what is there first. `may` gives the groups it may see, EVERYONE (None) for all."""
        seat = self._wires[wire] = _Seat(wire, may, may() if may is not None else EVERYONE)
        if view is not None:
            self.look(wire, view)
            return
        self._views.leave(wire)
        seat.unnamed = True
        self._catch_up(seat)

    def look(self, wire: Wire, view: View) -> None:
        """A terminal looks elsewhere: all there is there, now."""
        seat = self._wires.get(wire)
        if seat is not None:
            seat.where = cells(view)
            self._views.look(wire, seat.groups, seat.where)
            self._catch_up(seat)

    def name(self, wire: Wire, numbers: Iterable[int]) -> None:
        """Tells a terminal the names it asks for, of what it may see."""
        seat = self._wires.get(wire)
        if seat is None:
            return
        known = ((n, self._entities[n]) for n in dict.fromkeys(numbers) if n in self._entities)
        told = [entity.told(n) for n, entity in known if _may(seat.groups, entity.groups)]
        wire.push({"push": "entities", "entities": told})

    def leave(self, wire: Wire) -> None:
        """A terminal goes."""
        self._views.leave(wire)
        self._wires.pop(wire, None)

    def refilter(self) -> None:
        """Rights or rosters changed: every filter is made again, and each terminal gets what it may see now."""
        for wire, seat in self._wires.items():
            if seat.may is None:
                continue
            groups = seat.may()
            if groups != seat.groups:
                seat.groups, seat.late, seat.unnamed = groups, True, True
                if seat.where is not None:
                    self._views.look(wire, groups, seat.where)
        in_use = {seat.groups for seat in self._wires.values()}
        self._allowed = {groups: may for groups, may in self._allowed.items() if groups in in_use} | {EVERYONE: None}

    # -- ticks --------------------------------------------------------------------------------------------------------

    def tick(self) -> int:
        """Sends what changed; returns how many records that were."""
        for seat in self._wires.values():
            if seat.late and seat.wire.pending() < MAX_BEHIND:
                self._catch_up(seat)
        now = self._kernel.clock.read_us()
        changed = self._moving.take(now)
        if changed is None:
            return 0
        for look in self.on_tick:
            look(changed)
        self._passed += len(changed.records)
        self._frontier.extend([leaf_hash(changed.records.tobytes())])
        head = frame(b"", now)
        filters = self._by_filter(viewing=False)
        for groups, seats in filters.items():
            may = self._filter(groups)
            records = changed.records if may is None else changed.records[may[changed.audience]]
            if len(records):
                self._send(seats, head + records.tobytes())
        allowed = {seat.groups: self._filter(seat.groups) for seat in self._wires.values()}
        for wires, parts in self._views.cut(changed, allowed):
            self._send([self._wires[wire] for wire in wires], b"".join([head, *parts]))
        return len(changed.records)

    def _send(self, seats: Iterable[_Seat], data: bytes) -> None:
        for seat in seats:
            if seat.wire.pending() < MAX_BEHIND:
                seat.wire.send(data)
            else:
                seat.late = True

    def _catch_up(self, seat: _Seat) -> None:
        """All there is for a terminal, in place of whatever it has."""
        if seat.unnamed and seat.where is None:
            told = [entity.told(n) for n, entity in self._entities.items() if _may(seat.groups, entity.groups)]
            seat.wire.push({"push": "entities", "entities": told})
        seat.late = seat.unnamed = False
        now = self._kernel.clock.read_us()
        records, audience = self._moving.whole(now)
        may = self._filter(seat.groups)
        inside = np.ones(len(records), np.bool_) if may is None else may[audience]
        if seat.where is not None:
            inside &= seat.where.holds(records)
        seat.wire.send(frame(records[inside].tobytes(), now, WHOLE))

    def _by_filter(self, *, viewing: bool = True) -> dict[Groups | None, list[_Seat]]:
        found: dict[Groups | None, list[_Seat]] = {}
        for seat in self._wires.values():
            if viewing or seat.where is None:
                found.setdefault(seat.groups, []).append(seat)
        return found

    def _audience(self, groups: Groups) -> int:
        return self._audiences.setdefault(groups, len(self._audiences))

    def _filter(self, groups: Groups | None) -> Bools | None:
        """By audience, whether it is let through; None where everything is."""
        if groups is None:
            return None
        found = self._allowed.get(groups)
        if found is None or len(found) < len(self._audiences):
            found = self._allowed[groups] = np.array(
                [not groups.isdisjoint(each) for each in self._audiences], np.bool_
            )
        return found

    async def _run(self) -> None:
        sealed = looked = monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()
            if monotonic() - looked >= SECOND_S:
                looked = monotonic()
                silent = self._moving.silent(self._kernel.clock.read_us() - STALE_OUT_US)
                if silent.size:
                    self._gone(silent)
            if monotonic() - sealed >= MINUTE_S:
                sealed = monotonic()
                await self.seal()

    async def seal(self) -> None:
        """One leaf for what passed since the last one."""
        if not self._passed:
            return
        given = msgspec.json.encode(
            {"records": self._passed, "terminals": len(self._wires), "root": self._frontier.root().hex()}
        )
        self._passed, self._frontier = 0, Frontier()
        await self._kernel.perform("operations.track.seal", given, self._kernel.system("picture"))


def _may(groups: Groups | None, of: Groups) -> bool:
    return groups is None or not groups.isdisjoint(of)
