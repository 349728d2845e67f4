"""Events: written to the outbox in the act's own transaction, handed to durable listeners in order, at least once.

`listen` consumers keep a cursor, so that a restart goes on where it stopped; they are idempotent by (cause, act). `watch`
subscribers live in memory (open pages, leases) and only ever see what happens while they look.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import DatabaseError

from egide.kernel import tables
from egide.kernel.errors import EgideError
from egide.kernel.store import put

if TYPE_CHECKING:
    from egide.kernel.door import Kernel
    from egide.kernel.writer import Work

log = logging.getLogger("egide.events")

Watcher = Callable[[str, dict[str, Any]], None]
ActWatcher = Callable[["Work"], None]
_SINCE = (
    select(tables.outbox.c.seq, tables.outbox.c.name, tables.outbox.c.payload, tables.outbox.c.process)
    .where(tables.outbox.c.seq > bindparam("seq"))
    .order_by(tables.outbox.c.seq)
    .limit(1000)
)
RETRY_S = 1.0  # s between attempts of a listener that failed


class Bus:
    """In-process bus behind the outbox."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._watchers: list[Watcher] = []
        self._act_watchers: list[ActWatcher] = []
        self._wake = asyncio.Event()
        self._told = 0  # seq up to which the events of other processes were told here
        self._tasks: list[asyncio.Task[None]] = []

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Calls `watcher(name, payload)` for each event from now on; returns the way to stop."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def watch_acts(self, watcher: ActWatcher) -> Callable[[], None]:
        """Calls `watcher(work)` for each recorded act (act.done, act.refused) from now on; returns the way to stop."""
        self._act_watchers.append(watcher)
        return lambda: self._act_watchers.remove(watcher) if watcher in self._act_watchers else None

    def tell(self, name: str, payload: dict[str, Any]) -> None:
        """Tells who looks, and only them: for what is true after the commit (a lease now runs), not for what happened."""
        for live in tuple(self._watchers):
            live(name, payload)

    async def start(self) -> None:
        """Starts one task per durable listener; what others wrote before this process started is not news."""
        table = tables.outbox
        self._told = int(self._kernel.store.reader().execute(select(func.max(table.c.seq))).scalar() or 0)
        for capability in self._kernel.capabilities:
            for name, listener in capability.listeners.items():
                consumer = f"{capability.name}:{name}"
                self._tasks.append(asyncio.create_task(self._consume(consumer, name, listener), name=consumer))

    async def stop(self) -> None:
        """Stops the listeners; their cursors stay."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def publish(self, batch: list[Work]) -> None:
        """On the event loop, after the commit: tells who looks, wakes who listens."""
        told = False
        for work in batch:
            if work.receipt is not None:
                for watcher in tuple(self._act_watchers):
                    watcher(work)
            if work.error is None and work.effect is not None:
                for name, payload in work.effect.events:
                    told = True
                    self.tell(name, payload)
        if told:
            self._wake.set()

    def follow(self) -> None:
        """Tells who looks what other processes have written since (`Follower.look`)."""
        rows = self._kernel.store.reader().execute(_SINCE, {"seq": self._told}).all()
        for row in rows:
            self._told = row.seq
            if row.process != self._kernel.process:
                self.tell(row.name, msgspec.json.decode(row.payload))
        if rows:
            self._wake.set()

    async def _consume(
        self, consumer: str, name: str, listener: Callable[[Kernel, dict[str, Any]], Awaitable[None] | None]
    ) -> None:
        store = self._kernel.store
        table = tables.outbox
        cursor = (
            store.reader().execute(select(tables.consumer.c.seq).where(tables.consumer.c.name == consumer)).scalar()
            or 0
        )
        while True:
            rows = (
                store.reader()
                .execute(
                    select(table.c.seq, table.c.payload, table.c.entry)
                    .where(table.c.seq > cursor, table.c.name == name)
                    .order_by(table.c.seq)
                    .limit(100)
                )
                .all()
            )
            for seq, payload, entry in rows:
                try:
                    done = listener(self._kernel, msgspec.json.decode(payload) | {"cause": entry})
                    if inspect.isawaitable(done):
                        await done
                except Exception as error:  # a capability's code: whatever it raises, its events wait and come again
                    log.warning("listener %s: %s", consumer, error, exc_info=not isinstance(error, EgideError))
                    await asyncio.sleep(RETRY_S)
                    break
                cursor = seq
            if rows:
                try:
                    await asyncio.to_thread(self._keep, consumer, cursor)
                except (
                    DatabaseError
                ) as error:  # at least once: an event told again does no harm, a listener lost for good would
                    log.warning("cursor of %s: %s", consumer, error)
            if not rows:
                self._wake.clear()
                await self._wake.wait()

    def _keep(self, consumer: str, cursor: int) -> None:
        """The cursor is bookkeeping, not state of people: it may lag (at least once), so a write of its own suffices."""
        with self._kernel.store.side() as connection:
            put(connection, tables.consumer, {"name": consumer}, {"seq": cursor})
