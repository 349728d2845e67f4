"""The cameras of the whole installation, as this process sees them.

A camera is filmed by the process that started it (`deployment.process`); the others show it too, each from the source itself
and without a second recording. Whoever stops it, wherever, stops it everywhere. When that process leaves or dies, one of the
others goes on filming; when none was there, the ledger says that the camera stopped with the platform. And whatever runs, runs
under an order: a second after the order ends nothing is recorded any more, though the camera stays ready for a renewal
(code de la sécurité intérieure L242-5 IV).
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel.errors import Conflict, EgideError
from egide.kernel.leases import GRACE_S, TTL_S
from egide.kernel.waiting import came
from egide.operations import tables
from egide.operations.archive import recorder_for
from egide.operations.relay import Relay, push_picture
from egide.operations.source import spec_of

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.operations")

LOOK_S = TTL_S / 2  # s between looks at the orders above the cameras
CHANGES = frozenset(
    {
        "camera.released",
        "camera.started",
        "camera.stopped",
        "order.signed",
        "order.ended",
        "recording.stopped",
        "right.changed",
    }
)


class Fleet:
    """Keeps the relay in step with the store."""

    def __init__(self, kernel: Kernel, relay: Relay) -> None:
        self._kernel = kernel
        self._relay = relay
        self._now = asyncio.Event()
        self._changed: set[str] = set()  # sources that were declared or removed since the last look
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ends what dead processes left, joins what living ones film, and goes on looking."""
        await self.clear()
        await self.look()
        self._kernel.bus.watch(self._heard)
        self._kernel.processes.on_lost.append(lambda _lost: self._now.set())
        self._task = asyncio.create_task(self._run(), name="fleet")

    def _heard(self, name: str, told: dict[str, Any]) -> None:
        if name in CHANGES:
            self._now.set()
        elif name == "source.changed":
            self._changed.add(told["source"])

    async def stop(self) -> None:
        """Stops looking; what this process films is the relay's to stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def clear(self) -> None:
        """What ran in a process that is gone has ended: nobody watches or films through it, and the ledger says so."""
        kernel = self._kernel
        db, deployment = kernel.store.reader(), tables.deployment
        living = kernel.processes.alive(db)
        if living - {kernel.process}:
            return  # somebody was there: what a dead process filmed goes on (`look`)
        gone = db.execute(
            select(deployment.c.id).where(deployment.c.ended.is_(None), deployment.c.process.not_in(living))
        ).all()
        for (id_,) in gone:
            given = msgspec.json.encode({"deployment": id_})
            await kernel.perform("operations.camera.interrupted", given, kernel.system("operations-means"))
        await self._end_watches()

    async def _end_watches(self) -> None:
        """Nobody looks through a process that is gone."""
        kernel, watch = self._kernel, tables.watch
        db = kernel.store.reader()
        living = kernel.processes.alive(db)
        unseen = db.execute(select(watch.c.id).where(watch.c.closed.is_(None), watch.c.process.not_in(living))).all()
        for (id_,) in unseen:
            given = msgspec.json.encode({"watch": id_, "why": "interrupted"})
            await kernel.perform("operations.watch.end", given, kernel.system("aerial-surveillance-log"))

    async def look(self) -> None:
        """Brings the relay to what the store says now."""
        kernel, relay = self._kernel, self._relay
        db, table, now = kernel.store.reader(), tables.deployment, kernel.clock.now_us()
        flying = {row.source: row for row in db.execute(select(table).where(table.c.ended.is_(None)))}
        for source, state in list(relay.states()):
            if state.deployment is not None and (source not in flying or flying[source].id != state.deployment):
                await relay.stop(source, "La caméra a été arrêtée.", "The camera was stopped.")
        living = kernel.processes.alive(db) if self._task is not None else None
        for source, row in flying.items():
            state = relay.state(source)
            if living is not None and row.process not in living and not kernel.leaving:
                await self._adopt(row)
            elif state.deployment is None and row.process != kernel.process:
                await self._join(row)
            if row.home_interior is not None and not state.home_interior:
                recorder = relay.stop_recording(source)
                if recorder is not None:
                    await asyncio.to_thread(recorder.close)
            lawful = kernel.orders.current(row.order_id, db, now).in_force(now)
            state.lawful_until = monotonic() + TTL_S + GRACE_S if lawful else 0.0

    def _forget(self) -> None:
        """Sources that were removed, here or in another process, are not known any more."""
        db, table = self._kernel.store.reader(), tables.source
        for source in tuple(self._changed):
            if self._relay.state(source).deployment is not None:
                continue  # it is being stopped: the next look
            self._changed.discard(source)
            row = db.execute(select(table.c.removed).where(table.c.id == source)).first()
            if row is None or row.removed is not None:
                self._relay.forget(source)

    async def _join(self, row: Any) -> None:
        """Shows a camera that another process films."""
        source = (
            self._kernel.store.reader().execute(select(tables.source).where(tables.source.c.id == row.source)).first()
        )
        if source is None:
            return
        spec = spec_of(self._kernel, source)
        state = await self._relay.look(spec)
        if state.facts is not None and state.deployment is None:
            self._relay.start(spec, row.id, source.name, None, aerial=source.aerial)
            push_picture(self._kernel)

    async def _adopt(self, row: Any) -> None:
        """Goes on filming what a process filmed that left or died while this one ran: first come, first served."""
        kernel, relay = self._kernel, self._relay
        given = msgspec.json.encode({"deployment": row.id, "left_by": row.process})
        try:
            await kernel.perform("operations.camera.adopt", given, kernel.system("operations-means"))
        except Conflict:
            return  # another process was quicker
        if relay.state(row.source).deployment is None:
            await self._join(row)
        recording = self._recording(row.id)
        state = relay.state(row.source)
        if recording is not None and state.deployment == row.id and row.home_interior is None:
            state.recorder = recorder_for(kernel, recording, row.source)

    def _recording(self, deployment: str) -> str | None:
        table = tables.recording
        found = self._kernel.store.reader().execute(
            select(table.c.id).where(table.c.deployment == deployment, table.c.ended.is_(None))
        )
        id_: str | None = found.scalar()
        return id_

    async def release(self) -> None:
        """This process is leaving: what it films is sealed so far and free for another to go on with."""
        kernel = self._kernel
        db, table = kernel.store.reader(), tables.deployment
        own = db.execute(select(table).where(table.c.ended.is_(None), table.c.process == kernel.process)).all()
        for row in own:
            recorder = self._relay.release_recorder(row.source)
            if recorder is not None:
                await asyncio.to_thread(recorder.close)
            given = msgspec.json.encode({"deployment": row.id})
            await kernel.perform("operations.camera.release", given, kernel.system("operations-means"))

    async def _run(self) -> None:
        while True:
            if await came(self._now, LOOK_S):
                self._now.clear()
            try:
                await self.look()
                self._forget()
                await self._end_watches()
            except (EgideError, SQLAlchemyError) as error:
                log.warning("the cameras of other processes: %s", error)
