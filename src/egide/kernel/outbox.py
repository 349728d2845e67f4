"""The outbox's two chores, each one process's turn: relaying it to the transport, and removing what everyone has passed."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, func, select
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel import tables
from egide.kernel.errors import EgideError
from egide.kernel.listeners import Listening, advance, position
from egide.kernel.repeats import KEEP_US as REPEATS_US
from egide.kernel.transport import IDLE_S, RETRY_S, Sent
from egide.kernel.waiting import came

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.outbox")

RELAY = "relay"  # the turn, and the cursor
PRUNE = "prune"
SEND = 200  # events of one publication
WINDOW = 16  # publications under way at once
ACK_S = 5.0  # s one may take; then all since the cursor is sent again
SAVE_S = 0.1  # s between two writes of the cursor under load
KEEP_US = 8 * 86_400_000_000  # µs an event stays although everyone has passed it: a backup older than this hears anew
PRUNE_S = 3600.0  # s between removals
_OUT = tables.outbox
_NEXT = (
    select(_OUT.c.seq, _OUT.c.name, _OUT.c.entry)
    .where(_OUT.c.seq > bindparam("after"))
    .order_by(_OUT.c.seq)
    .limit(SEND)
)


class Relay:
    """Publishes the outbox in its order; the cursor follows the acknowledgements."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._news = asyncio.Event()

    def nudge(self) -> None:
        """The outbox has grown."""
        self._news.set()

    async def run(self) -> None:
        """For ever: while it is this process's turn and the transport is there."""
        bus = self._kernel.bus
        while True:
            if not bus.turns.mine(RELAY) or bus.transport.trouble() is not None:
                await asyncio.sleep(IDLE_S)
                continue
            try:
                await self._spell()
            except (EgideError, SQLAlchemyError, TimeoutError, OSError) as error:
                log.warning("relay: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _spell(self) -> None:
        bus, store = self._kernel.bus, self._kernel.store
        sent = saved = done = position(store.reader(), RELAY)
        saved_at = monotonic()
        waiting: deque[tuple[int, Awaitable[None]]] = deque()
        while bus.turns.mine(RELAY) and bus.transport.trouble() is None:
            self._news.clear()
            while len(waiting) < WINDOW:
                rows = store.reader().execute(_NEXT, {"after": sent}).all()
                if not rows:
                    break
                batch = [Sent(row.seq, row.name, row.entry) for row in rows]
                waiting.append((batch[-1].seq, await asyncio.wait_for(bus.transport.publish(batch), ACK_S)))
                sent = batch[-1].seq
            if waiting:
                done, acknowledged = waiting.popleft()
                await asyncio.wait_for(acknowledged, ACK_S)
            if done > saved and (not waiting or monotonic() - saved_at > SAVE_S):
                await asyncio.to_thread(self._save, done)
                saved, saved_at = done, monotonic()
            if not waiting and done == sent:
                await came(self._news, IDLE_S)

    def _save(self, seq: int) -> None:
        with self._kernel.store.side() as connection:
            advance(connection, RELAY, seq)


class Pruner:
    """Removes old rows that every listener and the relay have passed."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def run(self) -> None:
        """For ever, once an hour."""
        bus = self._kernel.bus
        while True:
            await asyncio.sleep(PRUNE_S)
            try:
                if bus.turns.mine(PRUNE):
                    await asyncio.to_thread(self.prune, bus.listening)
                    await bus.transport.trim()
            except (EgideError, SQLAlchemyError, TimeoutError, OSError) as error:
                log.warning("prune: %s", error)

    def prune(self, listening: list[Listening]) -> int:
        """Removes what is due now; how many events."""
        kernel, handled, job, asked = self._kernel, tables.handled, tables.job, tables.client_act
        before = kernel.clock.now_us() - KEEP_US
        db = kernel.store.reader()
        floor = int(db.execute(select(func.max(_OUT.c.seq)).where(_OUT.c.at < before)).scalar() or 0)
        if kernel.bus.transport.relays:
            floor = min(floor, position(db, RELAY))
        for each in listening:
            first = db.execute(
                select(func.min(_OUT.c.seq)).where(_OUT.c.name == each.event, _OUT.c.seq > position(db, each.consumer))
            ).scalar()
            floor = floor if first is None else min(floor, int(first) - 1)
        old_job = exists().where(job.c.state == "done", job.c.due < before, handled.c.consumer == "job:" + job.c.id)
        with kernel.store.side() as connection:
            gone = connection.execute(delete(_OUT).where(_OUT.c.seq <= floor)).rowcount
            connection.execute(delete(handled).where(handled.c.seq > 0, handled.c.seq <= floor))
            connection.execute(delete(handled).where(handled.c.seq == 0, old_job))
            connection.execute(delete(asked).where(asked.c.at < kernel.clock.now_us() - REPEATS_US))
        return int(gone)
