"""What the border does by itself: once an hour the erasures that wait go into one tree, whose root everybody can see."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from egide.border import tables
from egide.border.erasure import NoInput
from egide.kernel.errors import EgideError

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

log = logging.getLogger("egide.border")

THING = "border-clerk"  # among the kernel's things
EVERY_S = 3600.0  # s between two roots: many travellers in each, and a proof within the hour


class Clerk:
    """Anchors erasures; of several processes the first that comes has done it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts waiting."""
        self._task = asyncio.create_task(self._run(), name="border clerk")

    async def close(self) -> None:
        """Stops waiting; what waits is anchored after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tick(self) -> None:
        """Anchors what waits; nothing is written where nothing does."""
        leaf = tables.leaf
        waits = self._kernel.store.reader().execute(select(leaf.c.hash).where(leaf.c.batch.is_(None)).limit(1)).first()
        if waits is not None:
            await self._kernel.perform("border.erasure.anchor", NoInput(), self._kernel.system(tables.FACILITATION))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.tick()
            except (EgideError, DatabaseError) as error:  # it comes again in an hour
                log.warning("erasures were not anchored: %s", error)
