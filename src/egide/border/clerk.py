"""What the border does by itself: the hourly root of erasures, and what the consortium's ledger is told.

    every minute   the digest of the status list goes out, so that nobody can show a gate an older one; and what the ledger says
                   of the lists that our gates go by comes in
    every hour     the erasures that wait go into one tree; its root, and the root of the platform's own ledger, go out

Digests and roots only. A clerk is in every process, of which one writes (`Elsewhere`); any would say the same. Without a
consortium's ledger the roots stand in the platform's own.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from egide.border import erasure, tables
from egide.border.erasure import NoInput
from egide.border.keys import CONSORTIUM, current_issuer
from egide.border.ledger.errors import LedgerRefused
from egide.border.statuses import digest_at, period_of, statuses
from egide.kernel.checkpoint import parse
from egide.kernel.errors import Conflict, EgideError, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from egide.border.consortium import Consortium
    from egide.border.ledger.model import Ledger
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.border")

THING = "border-clerk"  # among the kernel's things
MINUTE_S = 62.0  # s; the ledger takes a status digest a minute at most
DONE = frozenset({"early", "rollback"})  # the ledger's words where another process was first
HOURLY = 60  # minutes between two roots: many travellers in each, and a proof within the hour


class Elsewhere(Unavailable):
    """Another process of this platform writes for the member: nothing is wrong, and nothing is to be done here."""

    code = "elsewhere"


class Clerk:
    """Anchors and publishes; of several processes the first that comes has done it."""

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

    async def hour(self) -> None:
        """Anchors what waits; nothing is written where nothing does."""
        leaf = tables.leaf
        waits = self._kernel.store.reader().execute(select(leaf.c.hash).where(leaf.c.batch.is_(None)).limit(1)).first()
        if waits is not None:
            with suppress(Conflict):  # another process was first
                await self._kernel.perform("border.erasure.anchor", NoInput(), self._kernel.system(tables.FACILITATION))
        await self._tell(erasure.write_out)
        await self._tell(_checkpoint)

    async def minute(self) -> None:
        """Publishes the digest of the status list, and hears what is published."""
        await self._tell(_digest)
        await self._tell(_hear)

    async def _tell(self, what: Callable[[Kernel, Consortium], None]) -> None:
        consortium: Consortium | None = self._kernel.things.get(CONSORTIUM)
        if consortium is None:
            return
        try:
            await asyncio.to_thread(what, self._kernel, consortium)
        except (Elsewhere, NotFound):  # `NotFound`: this house has no issuer's key, hence no list
            return
        except LedgerRefused as error:
            level = logging.DEBUG if error.why in DONE else logging.WARNING
            log.log(level, "the consortium's ledger refuses: %s", error.why)
        except (EgideError, DatabaseError, OSError) as error:  # it comes again
            log.warning("the consortium's ledger was not told: %s", error)

    async def _run(self) -> None:
        minutes = 0
        while True:
            await asyncio.sleep(MINUTE_S)
            minutes += 1
            try:
                await self.minute()
                if minutes % HOURLY == 0:
                    await self.hour()
            except (EgideError, DatabaseError) as error:  # it comes again in an hour
                log.warning("erasures were not anchored: %s", error)


def _digest(kernel: Kernel, consortium: Ledger) -> None:
    now_us, db = kernel.clock.now_us(), kernel.store.reader()
    period = period_of(now_us)
    consortium.put_status(current_issuer(db, now_us), digest_at(db, period), period)


def _hear(kernel: Kernel, consortium: Ledger) -> None:
    ours = statuses(kernel)
    lists = kernel.things.get("border-lists", ())
    issuers = {each.issuer for each in lists} or {current_issuer(kernel.store.reader(), kernel.clock.now_us())}
    for kid in issuers:
        said = consortium.status_digest(kid)
        if said is not None:
            ours.hear(kid, said)


def _checkpoint(kernel: Kernel, consortium: Ledger) -> None:
    latest = kernel.latest_checkpoint()
    if latest is not None:
        signed = parse(latest[1]).checkpoint
        consortium.checkpoint(signed.root, signed.size)
