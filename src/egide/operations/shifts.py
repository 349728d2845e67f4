"""Who is on duty now, in memory: where they are, through which device, and the moment it all stops.

A position exists between the beginning and the end of a shift and nowhere else. The end comes from the officer, from command or
from the clock; whichever it is, every process drops the place at once, the device is told, and what comes afterwards is refused.
Source: CNIL, deliberation 2015-165, article 3 (no location outside working time).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from egide.kernel.errors import EgideError, Text
from egide.operations import tables
from egide.operations.audience import CHANGES, Rosters, filter_of, groups
from egide.operations.elsewhere import Elsewhere, Place
from egide.operations.plausible import OFFICER, Fault, Plausible
from egide.operations.positions import STALE_OUT_US
from egide.operations.relay import relay
from egide.operations.tracks import Tracks
from egide.protocols.positions import Fix

if TYPE_CHECKING:
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel
    from egide.operations.positions import Groups, Positions

log = logging.getLogger("egide.positions")

LOOK_S = 0.25  # s between looks at the clock
MINUTE_S = 60.0  # s between seals of the tracks
REPORT = "operations.position.report"
# What an officer's device is told.
WRONG: dict[Fault, Text] = {
    "off-earth": Text("Position hors de la Terre.", "A position off the Earth."),
    "future": Text(
        "Position datée du futur : mettez le terminal à l’heure.", "A position from the future: set the device’s clock."
    ),
    "early": Text("Position d’avant la prise de service.", "A position from before the shift."),
    "jump": Text(
        "Position trop loin de la précédente : elle n’est pas montrée.",
        "Too far from the position before it: it is not shown.",
    ),
}


@dataclass(slots=True)
class Stream:
    """A device that sends fixes over its socket."""

    channel: Any
    close: Callable[[], None]  # the lease and the inlet


@dataclass(slots=True)
class Shift:
    """One officer on duty."""

    id: str
    person: str
    name: str
    unit: str
    purpose: str
    began: int  # µs
    until: int  # µs
    lawful: bool = True  # False while their right to report is withdrawn
    vehicle: str | None = None  # the vehicle their device is bound to, in whose name it reports
    plausible: Plausible = field(default_factory=lambda: Plausible(OFFICER))
    newest: Fix | None = None  # the last fix that was believed
    stream: Stream | None = None
    here: bool = True  # False while another process takes the fixes

    def unseen(self, fixes: list[Fix]) -> list[Fix]:
        """Without those sent again after a break of the link."""
        return [fix for fix in fixes if self.newest is None or fix.at_ms > self.newest.at_ms]

    def judge(self, plausible: Plausible, fix: Fix, now_us: int) -> Fault | None:
        """What is wrong with a fix beside what is known; nothing from before the shift is believed."""
        return plausible.judge(fix.lat, fix.lon, now_us, fix.at_ms * 1000, self.began // 1000 * 1000)


class Shifts:
    """The board; lives in `kernel.things["shifts"]`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._held: dict[str, Shift] = {}  # by person
        self._elsewhere = Elsewhere(kernel.ephemeral, self.hear, self._places)
        self.rosters = Rosters(kernel)
        self.tracks = Tracks(kernel)
        self.taken: dict[tuple[str, str], list[Fix]] = {}  # what the seal under way writes
        self._task: asyncio.Task[None] | None = None
        self._sealing = asyncio.Lock()

    def start(self) -> None:
        """Reads who is on duty, and listens."""
        table, db = tables.duty, self._kernel.store.reader()
        for row in db.execute(select(table).where(table.c.ended.is_(None))).all():
            self._begin(row)
        self._kernel.bus.watch(self._changed)
        self._elsewhere.start()
        self._task = asyncio.create_task(self._run(), name="shifts")

    async def stop(self) -> None:
        """Stops; what waits is sealed first."""
        self._elsewhere.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.seal()

    # -- what others ask ----------------------------------------------------------------------------------------------

    def shift(self, person: str) -> Shift | None:
        """A person's shift that runs now; None off duty. From memory, so that a wire may ask for every message."""
        found = self._held.get(person)
        if found is None or not found.lawful or self._kernel.clock.latest_us() >= found.until:
            return None
        return found

    def running(self) -> list[Shift]:
        """Everyone on duty."""
        return [shift for person in tuple(self._held) if (shift := self.shift(person)) is not None]

    def may_see(self, principal: Principal) -> Callable[[], Groups | None]:
        """What makes the filter of a person's terminal, now and whenever it is asked again."""
        return lambda: filter_of(self._kernel, self.rosters, principal)

    # -- fixes --------------------------------------------------------------------------------------------------------

    def take(self, person: str, fixes: list[Fix]) -> Text | None:
        """Takes an officer's fixes; says what was wrong with the last that was not believed. Off duty: nothing is taken."""
        shift = self.shift(person)
        if shift is None:
            return None
        now_us, wrong, good = self._kernel.clock.latest_us(), None, []
        for fix in sorted(shift.unseen(fixes), key=lambda each: each.at_ms):
            fault = shift.judge(shift.plausible, fix, now_us)
            if fault is None:
                good.append(fix)
            wrong = fault or wrong
        if good:
            shift.newest = good[-1]
            self._show(shift, good[-1])
            self._elsewhere.tell(Place(person, shift.id, shift.vehicle, good[-1]))
            if shift.vehicle is None:
                self.tracks.add(shift.id, person, good)
        return WRONG[wrong] if wrong is not None else None

    def doubts(self, person: str, fixes: list[Fix]) -> Text | None:
        """What would be wrong with these fixes; nothing is shown or kept of them."""
        shift = self.shift(person)
        if shift is None:
            return None
        trial, now_us = shift.plausible.copy(), self._kernel.clock.latest_us()
        found = [shift.judge(trial, fix, now_us) for fix in shift.unseen(fixes)]
        wrong = next((each for each in found if each is not None), None)
        if wrong == "jump":
            last = fixes[-1]
            shift.plausible.doubt(last.lat, last.lon, last.at_ms * 1000)
        return WRONG[wrong] if wrong is not None else None

    def hear(self, place: Place) -> None:
        """Another process took a fix: it is shown here, where its shift runs here and it is the newest."""
        shift, vehicles = self.shift(place.person), self._kernel.things["vehicles"]
        if shift is None or shift.id != place.duty or (place.vehicle is not None and place.vehicle not in vehicles):
            return
        if not shift.unseen([place.fix]):
            return
        if shift.vehicle != place.vehicle:
            self._positions.drop(shift.vehicle or shift.person)
            shift.vehicle = place.vehicle
        shift.plausible.believe(place.fix.lat, place.fix.lon, place.fix.at_ms * 1000)
        shift.newest = place.fix
        self._show(shift, place.fix, here=False)

    def _places(self) -> Iterator[Place]:
        """Where those whose fixes are taken here were last heard of; nobody is told what is about to fade."""
        since_ms = (self._kernel.clock.latest_us() - STALE_OUT_US) // 1000
        for shift in self.running():
            last = shift.newest
            if shift.here and last is not None and last.at_ms > since_ms:
                yield Place(shift.person, shift.id, shift.vehicle, last)

    def _show(self, shift: Shift, fix: Fix, *, here: bool = True) -> None:
        positions = self._positions
        of = groups(self.rosters, shift.person, shift.unit)
        number = (
            positions.number(shift.person, shift.name, "officer", of)
            if shift.vehicle is None
            else positions.number(shift.vehicle, self._kernel.things["vehicles"][shift.vehicle], "vehicle", of)
        )
        shift.here = here
        positions.taken_here(number, here=here)
        positions.put(number, fix.lat, fix.lon, fix.heading, fix.at_ms * 1000)

    def bind(self, shift: Shift, vehicle: str | None, stream: Stream | None) -> None:
        """A device reports for this shift from now on, in the officer's name or in a vehicle's; one before it is closed."""
        self._unbind(shift)
        if shift.vehicle != vehicle:
            self._positions.drop(shift.vehicle or shift.person)
            shift.plausible, shift.newest = Plausible(OFFICER), None
        shift.vehicle, shift.stream = vehicle, stream

    def left(self, shift: Shift, stream: Stream) -> None:
        """A device went: the place stays, and grows old, until another comes or the shift ends."""
        if shift.stream is stream:
            shift.stream = None

    def _unbind(self, shift: Shift) -> None:
        stream, shift.stream = shift.stream, None
        if stream is not None:
            stream.close()

    @property
    def _positions(self) -> Positions:
        return relay(self._kernel).positions

    # -- begin and end ------------------------------------------------------------------------------------------------

    def _begin(self, row: Any) -> None:
        name = self._kernel.identity.name(row.person)
        self._held[row.person] = Shift(row.id, row.person, name, row.unit, row.purpose, row.began, row.until)

    def _end(self, shift: Shift) -> None:
        """Everything of a shift stops here, now."""
        self._held.pop(shift.person, None)
        self._unbind(shift)
        self._positions.drop(shift.vehicle or shift.person)
        self.tracks.ended(shift.id)

    def _changed(self, name: str, payload: dict[str, Any]) -> None:
        try:
            if name == "duty.began":
                table = tables.duty
                query = select(table).where(table.c.id == payload["duty"], table.c.ended.is_(None))
                row = self._kernel.store.reader().execute(query).first()
                if row is not None:
                    self._begin(row)
            elif name == "duty.ended":
                for shift in [shift for shift in self._held.values() if shift.id == payload["duty"]]:
                    self._end(shift)
            elif name == "right.changed":
                self._rights()
            elif name in CHANGES:
                self._groups(erased=name == "person.erased")
        except (DatabaseError, EgideError) as error:
            log.warning("who is on duty may be shown as before: %s", error)

    def _rights(self) -> None:
        """Whose right to report was withdrawn is not on duty for anyone any more, until it is given back."""
        kernel, db = self._kernel, self._kernel.store.reader()
        for shift in tuple(self._held.values()):
            person = kernel.identity.person(shift.person, db)
            shift.lawful = person is not None and person.may(kernel.acts[REPORT], kernel.clock.latest_us())
            if not shift.lawful:
                self._unbind(shift)
                self._positions.drop(shift.vehicle or shift.person)
        self._positions.refilter()

    def _groups(self, *, erased: bool) -> None:
        self.rosters.read()
        if erased:
            table = tables.duty
            known = {id_ for (id_,) in self._kernel.store.reader().execute(select(table.c.id))}
            for shift in [shift for shift in self._held.values() if shift.id not in known]:
                self._end(shift)
                self.tracks.forget(shift.id)
        for shift in self._held.values():
            self._positions.regroup(shift.vehicle or shift.person, groups(self.rosters, shift.person, shift.unit))
        self._positions.refilter()

    # -- the clock ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        sealed = monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._kernel.clock.latest_us()
            for shift in [shift for shift in self._held.values() if shift.until <= now]:
                self._end(shift)  # that it ended, `operations.duty.lapse` writes down
            if monotonic() - sealed >= MINUTE_S:
                sealed = monotonic()
                await self.seal()

    async def seal(self) -> None:
        """One leaf for the fixes that passed since the last one, and the sealed rows of what is kept of them."""
        async with self._sealing:
            passed, taken = self.tracks.passed, self.tracks.take()
            if not passed and not taken:
                return
            self.taken = taken
            given = msgspec.json.encode({"fixes": passed})
            try:
                await self._kernel.perform("operations.position.seal", given, self._kernel.system("officer-location"))
            except EgideError as error:
                log.warning("tracks wait for the store: %s", error)
                self.tracks.give_back(taken)
            finally:
                self.taken = {}


def shifts(kernel: Kernel) -> Shifts:
    """The board of this process."""
    found: Shifts = kernel.things["shifts"]
    return found


def on_duty(kernel: Kernel, person: str) -> bool:
    """Whether a person's position may be received and passed on at this moment. From memory."""
    return shifts(kernel).shift(person) is not None
