"""The law in force follows the clock: what begins or ends while the platform runs counts from that moment on, without a restart.

The book of the next moment is read and compiled a while before, so that it takes the place of the old one at once. Each entry of
the ledger names the law it was decided under (`Decision.law_hash`), which is another as soon as another rule is in force. Where
the next law cannot be read the old one goes on, and the health page says so until it can.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.guard import Guard
from egide.kernel.law import LawBook
from egide.kernel.transport import end

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.law")

LOOK_S = 0.25  # s between looks at the clock
AHEAD = timedelta(minutes=2)  # before it counts a law is read: reading and compiling take a second
RETRY_S = 60.0  # s between attempts to read a law that could not be


class LawClock:
    """Puts the next law in the place of this one when its moment comes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._task: asyncio.Task[None] | None = None
        self._next: tuple[LawBook, Guard] | None = None
        self.trouble: Text | None = None  # why the next law could not be read

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="law")

    async def stop(self) -> None:
        """Ends."""
        if self._task is not None:
            await end([self._task])

    async def _run(self) -> None:
        change = self._kernel.book.next_change()
        while change is not None:
            if await self._put(change):
                change = self._kernel.book.next_change()
            await asyncio.sleep(LOOK_S if self.trouble is None else RETRY_S)

    async def _put(self, change: datetime) -> bool:
        """Whether the law of this moment was put in force: read when it is near, put in when it has come."""
        try:
            now = self._kernel.clock.now()
        except Unavailable:  # the clock ran back: nothing is decided either
            return False
        if now < change - AHEAD:
            return False
        if self._next is None:
            try:
                # Where the machine slept over several, the law of today.
                self._next = await asyncio.to_thread(self._kernel.law_of, max(change, now))
                self.trouble = None
            except Exception as error:  # noqa: BLE001 — packs edited meanwhile: whatever reading them raises, this goes on
                # For whoever runs the platform: file, line and what was probably meant, as at a start.
                words = error.what if isinstance(error, StartupError) else Text(str(error), str(error))
                day = change.astimezone(self._kernel.book.zone).date()
                self.trouble = Text(f"{words.fr} (loi du {day})", f"{error} (law of {day})")
                log.warning("the law that counts from %s on cannot be read: %s", day, error)
                return False
        if now < change:
            return False
        book, guard = self._next
        self._next = None
        log.info("another law is in force: %s instead of %s", book.hash[:12], self._kernel.book.hash[:12])
        self._kernel.enact(book, guard)
        return True
