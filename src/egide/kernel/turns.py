"""Turns: what one process of an installation does at a time (relay the outbox, serve a listener), and who does it now.

A turn is a row. Its holder adds one to `beat` twice a second; whoever sees neither holder nor beat change for `LOST_S` by its
own clock takes the row over with a compare-and-set. No two machines' clocks are compared. A holder that could not add its
beat for `SURE_S` stops by itself, before anyone may follow. What is done in a turn is still protected where it is written
(cursor and `handled` rows): a turn saves work and keeps order, it is not the proof against doing things twice.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from egide.kernel import tables
from egide.kernel.errors import EgideError
from egide.kernel.transport import end

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.turns")

BEAT_S = 0.5  # s between beats
SURE_S = 1.2  # s after its last beat during which a holder may act
LOST_S = 1.5  # s without a beat after which another takes over
_TABLE = tables.turn


class Turns:
    """Which turns this process holds."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._wanted: set[str] = set()
        self._held: dict[str, float] = {}  # name → when its last beat began
        self._seen: dict[str, tuple[str, int, float]] = {}  # name → holder, beat, since when it looks so
        self._task: asyncio.Task[None] | None = None

    def want(self, name: str) -> None:
        """Takes part in this turn from now on."""
        self._wanted.add(name)

    def mine(self, name: str) -> bool:
        """Whether this process has the turn, for certain, now."""
        held = self._held.get(name)
        return held is not None and monotonic() - held < SURE_S

    async def start(self) -> None:
        """Takes what is free, then goes on looking."""
        if self._wanted:
            await self._again()
            self._task = asyncio.create_task(self._run(), name="turns")

    async def stop(self) -> None:
        """Hands every turn over at once."""
        if self._task is None:
            return
        await end([self._task])
        self._task = None
        self._held.clear()
        with suppress(SQLAlchemyError, EgideError), self._kernel.store.side() as connection:
            connection.execute(update(_TABLE).where(_TABLE.c.process == self._kernel.process).values(process=""))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            await self._again()

    async def _again(self) -> None:
        try:
            await asyncio.to_thread(self._round)
        except (SQLAlchemyError, EgideError, OSError) as error:
            log.warning("turns: %s", error)

    def _round(self) -> None:
        """One look, and a write only where there is something to say."""
        reader = self._kernel.store.reader()
        rows = {row.name: row for row in reader.execute(select(_TABLE)).all() if row.name in self._wanted}
        living = self._kernel.processes.alive(reader)
        free = [name for name in sorted(self._wanted) if self._free(name, rows.get(name), living)]
        now = monotonic()
        if not free and not self._held:
            return
        with self._kernel.store.side() as connection:
            held = {name for name in free if self._take(connection, name, rows.get(name))}
            kept = connection.execute(
                select(_TABLE.c.name).where(_TABLE.c.process == self._kernel.process, _TABLE.c.name.in_(self._wanted))
            ).all()
            held |= {row[0] for row in kept}
            connection.execute(
                update(_TABLE)
                .where(_TABLE.c.process == self._kernel.process, _TABLE.c.name.in_(held))
                .values(beat=_TABLE.c.beat + 1)
            )
        self._held = dict.fromkeys(held, now)

    def _free(self, name: str, row: Any, living: set[str]) -> bool:
        """Whether nobody holds it, or whoever did is gone or silent."""
        if row is None or not row.process:
            return True
        if row.process == self._kernel.process:
            return False
        seen = self._seen.get(name)
        if seen is None or seen[:2] != (row.process, row.beat):
            self._seen[name] = (row.process, row.beat, monotonic())
            return row.process not in living
        return row.process not in living or monotonic() - seen[2] >= LOST_S

    def _take(self, connection: Connection, name: str, row: Any) -> bool:
        """Compare and set: of several who try, one has it."""
        mine = self._kernel.process
        if row is None:
            point = connection.begin_nested()
            try:
                connection.execute(insert(_TABLE), {"name": name, "process": mine, "beat": 0})
            except IntegrityError:
                point.rollback()
                return False
            point.commit()
            return True
        taken = connection.execute(
            update(_TABLE)
            .where(_TABLE.c.name == name, _TABLE.c.process == row.process, _TABLE.c.beat == row.beat)
            .values(process=mine, beat=row.beat + 1)
        )
        return taken.rowcount == 1
