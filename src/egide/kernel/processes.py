"""The processes of one installation: each draws an id, says every second that it lives, and sees which others no longer do.

Why: what a process held in memory (a camera's pull, an open picture) ends with it, and the ledger must say so even when it was
killed; and a process must not end what another, living one holds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel import tables
from egide.kernel.errors import EgideError

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.processes")

BEAT_S = 1.0  # s between signs of life
LOST_US = 6_000_000  # µs without one after which a process counts as gone
FORGET_US = 3_600_000_000  # µs after which its row is removed


class Processes:
    """This process among the others of its store."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._machine = _machine()
        self._task: asyncio.Task[None] | None = None
        self._known: set[str] = set()
        self.on_lost: list[Callable[[set[str]], None]] = []  # told which processes have just gone

    async def start(self) -> None:
        """Enters this process and starts saying that it lives."""
        now = self._kernel.clock.now_us()
        row = {"id": self._kernel.process, "machine": self._machine, "pid": os.getpid(), "started": now, "seen": now}
        with self._kernel.store.side() as connection:
            connection.execute(insert(tables.process), row)
        self._task = asyncio.create_task(self._run(), name="processes")

    async def stop(self) -> None:
        """Leaves."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with suppress(SQLAlchemyError, EgideError), self._kernel.store.side() as connection:
            connection.execute(delete(tables.process).where(tables.process.c.id == self._kernel.process))

    @property
    def others(self) -> int:
        """How many others lived when last looked at."""
        return len(self._known - {self._kernel.process})

    def alive(self, db: Connection) -> set[str]:
        """The ids of the processes that live: seen lately and, on this machine, still there."""
        since = self._kernel.clock.now_us() - LOST_US
        rows = db.execute(select(tables.process)).all()
        return {
            row.id
            for row in rows
            if row.id == self._kernel.process
            or (row.seen >= since and (row.machine != self._machine or _runs(row.pid)))
        }

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await asyncio.to_thread(self._beat)
                living = self.alive(self._kernel.store.reader())
            except (SQLAlchemyError, EgideError, OSError) as error:
                log.warning("sign of life: %s", error)
                continue
            lost, self._known = self._known - living, living
            if lost:
                for told in self.on_lost:
                    told(lost)

    def _beat(self) -> None:
        now, table = self._kernel.clock.now_us(), tables.process
        with self._kernel.store.side() as connection:
            beaten = connection.execute(update(table).where(table.c.id == self._kernel.process).values(seen=now))
            if not beaten.rowcount:  # a restored or replaced store: enter again
                row = {
                    "id": self._kernel.process,
                    "machine": self._machine,
                    "pid": os.getpid(),
                    "started": now,
                    "seen": now,
                }
                connection.execute(insert(table), row)
            connection.execute(delete(table).where(table.c.seen < now - FORGET_US))


def _machine() -> str:
    """What tells this machine, this start of it and this container from others."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = str(Path("/proc/self/ns/pid").readlink())
        return f"{boot[:36]}/{space[5:-1]}"[:64]
    return platform.node()[:64]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
