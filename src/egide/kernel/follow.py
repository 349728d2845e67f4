"""What other processes changed: seen four times a second, so that a right withdrawn there counts here within a second.

The writer reads the epoch of rights in its own transaction, so that no act is ever recorded under a right that is gone; this is
for what is decided without a transaction (who a cookie belongs to, leases, open pages) and for what is shown live.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel import tables
from egide.kernel.errors import EgideError
from egide.kernel.transport import end
from egide.kernel.waiting import came

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.follow")

LOOK_S = 0.25  # s
GAP_S = 0.01  # s between two looks, however many hints come
_EPOCH = select(tables.rights.c.epoch).where(tables.rights.c.realm == bindparam("realm"))


class Follower:
    """Looks at the epoch of rights and at the events of other processes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._task: asyncio.Task[None] | None = None
        self._seen = kernel.epoch
        self._now = asyncio.Event()

    def start(self) -> None:
        """Starts looking."""
        self._task = asyncio.create_task(self._run(), name="follow")

    async def stop(self) -> None:
        """Stops."""
        if self._task is not None:
            await end([self._task])

    def hurry(self) -> None:
        """Another process says that something happened: look now."""
        self._now.set()

    def look(self) -> None:
        """Drops what is remembered when a right changed anywhere, then tells the events that others wrote."""
        kernel = self._kernel
        epoch = int(kernel.store.reader().execute(_EPOCH, {"realm": kernel.settings.realm}).scalar() or 1)
        if epoch != self._seen:
            self._seen = epoch
            kernel.epoch = max(kernel.epoch, epoch)
            kernel.forget()
        kernel.bus.follow()

    async def _run(self) -> None:
        while True:
            try:
                self.look()
            except (SQLAlchemyError, EgideError) as error:
                log.warning("others are not seen: %s", error)
            await asyncio.sleep(GAP_S)
            if await came(self._now, LOOK_S):
                self._now.clear()
