"""Between TAK missions and the stream: what changed is told to their groups' clients, what is sent to a mission is placed in it.

Every process hears of every change (events), and tells its own clients. What a client sends to a mission is an act of its person;
at most `WAITING` such acts wait, beyond that the client's object is not placed and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel.errors import EgideError
from egide.operations.tak import mission_store as store
from egide.operations.tak import tables
from egide.operations.tak.contents import Placed
from egide.operations.tak.events import EventError, notice, read_head
from egide.operations.tak.identity import devices, name_on_the_wire
from egide.operations.tak.missions import CHANGED
from egide.operations.tak.packages import stored
from egide.operations.tak.ports import Contact, Event, router

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.tak")

WAITING = 256  # acts of placing that wait at once


class Notices:
    """Both directions, in one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._tasks: set[asyncio.Task[None]] = set()
        self._dropped = 0

    def start(self) -> None:
        """Listens to changes, and to the stream where there is one."""
        self._kernel.bus.watch(self._changed)
        found = router(self._kernel)
        if found is not None:
            found.on_event.append(self.heard)
            found.mission_groups = self.groups

    async def stop(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def heard(self, event: Event, contact: Contact | None) -> None:
        """An event of a client: placed in the missions it names."""
        if contact is None or b"mission" not in event.raw:
            return
        try:
            head = read_head(event.raw)
        except EventError:
            return  # the stream has told its sender already
        for mission in head.missions:
            if len(self._tasks) >= WAITING:
                self._dropped += 1
                log.warning("%d events for missions were not placed: too many at once", self._dropped)
                return
            task = asyncio.create_task(self._place(mission, contact.device, event.raw))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _place(self, mission: str, device: str, event: bytes) -> None:
        kernel = self._kernel
        try:
            known = devices(kernel, kernel.store.reader(), [device]).get(device)
            person = kernel.identity.person(known.person, kernel.store.reader(), strong=True) if known else None
            if person is not None:
                await kernel.perform(
                    "operations.tak.mission.place", Placed(mission=mission, device=device, event=event), person
                )
        except (EgideError, SQLAlchemyError) as error:
            log.info("an event was not placed in a mission: %s", error)

    def _changed(self, name: str, told: dict[str, Any]) -> None:
        out = router(self._kernel)
        if name != CHANGED or out is None:
            return
        try:
            made = self._notice(told["change"])
        except (EgideError, SQLAlchemyError) as error:
            log.warning("a change of a mission is not told, clients find it when they ask: %s", error)
            return
        if made is not None:
            out.publish(made[0], groups=made[1])

    def groups(self, name: str) -> frozenset[str]:
        """The groups of the missions of this name; the router lets a sender reach its own among them."""
        try:
            return store.groups_named(self._kernel.store.reader(), name)
        except SQLAlchemyError as error:
            log.warning("a mission's groups are not known now: %s", error)
            return frozenset()

    def _notice(self, change: str) -> tuple[bytes, frozenset[str]] | None:
        kernel, db = self._kernel, self._kernel.store.reader()
        row = db.execute(select(tables.change).where(tables.change.c.id == change)).first()
        if row is None:
            return None
        mission = db.execute(select(tables.mission).where(tables.mission.c.id == row.mission)).one()
        table, held = tables.subscriber, tables.content
        following = [each.device for each in db.execute(select(table.c.device).where(table.c.mission == row.mission))]
        known = devices(kernel, db, [row.device, *following])
        package = db.execute(
            select(held.c.package).where(held.c.mission == row.mission, held.c.ref == row.ref)
        ).scalar()
        found = stored(kernel, db, [package]) if package else []
        shown = store.change_shown(row, mission.name, known, {each.hash: each for each in found})
        uids = [name_on_the_wire(known, device) for device in following if device in known]
        return notice(shown, mission.tool, kernel.clock.now_us(), uids), store.groups_in(db, row.mission)
