"""The cameras of the whole installation, as this process sees them.

A camera is filmed by the process that started it (`deployment.process`); the others show it too, each from the source itself and
without a second recording. Whoever stops it, wherever, stops it everywhere; what a process that died held is ended in the
ledger by one of the living. And whatever runs, runs under an order: a second after the order ends nothing is recorded any more,
though the camera stays ready for a renewal (L242-5 IV).
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel.errors import EgideError
from egide.kernel.leases import GRACE_S, TTL_S
from egide.operations import tables
from egide.operations.relay import Relay, push_picture
from egide.operations.source import spec_of

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

log = logging.getLogger("egide.operations")

LOOK_S = TTL_S / 2  # s between looks at the orders above the cameras
CHANGES = frozenset(
    {"camera.started", "camera.stopped", "order.signed", "order.ended", "recording.stopped", "right.changed"}
)


class Fleet:
    """Keeps the relay in step with the store."""

    def __init__(self, kernel: Kernel, relay: Relay) -> None:
        self._kernel = kernel
        self._relay = relay
        self._now = asyncio.Event()
        self._stopped = False  # Python 3.11’s wait_for may swallow a cancellation that comes with the event it waits for
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ends what dead processes left, joins what living ones film, and goes on looking."""
        await self.clear()
        await self.look()
        self._kernel.bus.watch(lambda name, _told: self._now.set() if name in CHANGES else None)
        self._kernel.processes.on_lost.append(lambda _lost: self._now.set())
        self._task = asyncio.create_task(self._run(), name="fleet")

    async def stop(self) -> None:
        """Stops looking; what this process films is the relay's to stop."""
        if self._task is not None:
            self._stopped = True
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def clear(self) -> None:
        """What ran in a process that is gone has ended: nobody watches or films through it, and the ledger says so."""
        kernel = self._kernel
        db, deployment, watch = kernel.store.reader(), tables.deployment, tables.watch
        living = kernel.processes.alive(db)
        gone = db.execute(
            select(deployment.c.id).where(deployment.c.ended.is_(None), deployment.c.process.not_in(living))
        ).all()
        for (id_,) in gone:
            given = msgspec.json.encode({"deployment": id_})
            await kernel.perform("operations.camera.interrupted", given, kernel.system("operations-means"))
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
        for source, row in flying.items():
            state = relay.state(source)
            if state.deployment is None and row.process != kernel.process:
                await self._join(row)
            if row.home_interior is not None and not state.home_interior:
                recorder = relay.stop_recording(source)
                if recorder is not None:
                    await asyncio.to_thread(recorder.close)
            lawful = kernel.orders.current(row.order_id, db, now).in_force(now)
            state.lawful_until = monotonic() + TTL_S + GRACE_S if lawful else 0.0

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
            self._relay.start(spec, row.id, source.name, None)
            push_picture(self._kernel)

    async def _run(self) -> None:
        while not self._stopped:
            try:
                await asyncio.wait_for(self._now.wait(), LOOK_S)
                self._now.clear()
                await self.clear()
            except TimeoutError:
                pass
            except (EgideError, SQLAlchemyError):
                log.exception("what dead processes left")
            try:
                await self.look()
            except (EgideError, SQLAlchemyError) as error:
                log.warning("the cameras of other processes: %s", error)
