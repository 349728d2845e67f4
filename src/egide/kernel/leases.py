"""Leases: a running view is decided again every 2 s and at every change of order, roster, perimeter or right.

Opening and closing are acts; an unchanged renewal writes nothing. The relay forwards a frame only while `lease.alive()`: if
this loop dies, the picture stops by itself (fail closed).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from egide.kernel.act import Act, Ctx, Receipt
from egide.kernel.errors import EgideError
from egide.kernel.waiting import came

if TYPE_CHECKING:
    from egide.kernel.guard import Decision
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.leases")

TTL_S = 2.0  # s, law.md §3: a lease re-checked every 2 s
GRACE_S = 0.4  # s, for a renewal that is under way


class Lease:
    """The right to go on with one running act."""

    __slots__ = ("about", "act", "expires", "given", "id", "on_end", "on_written", "principal", "purpose")

    def __init__(
        self, id_: str, act: Act, given: Any, principal: Principal, purpose: str, on_end: Callable[[Decision], None]
    ) -> None:
        self.id = id_
        self.act = act
        self.given = given
        self.principal = principal
        self.purpose = purpose
        self.on_end = on_end
        self.on_written: Callable[[Receipt], None] | None = None  # told where in the ledger the end stands
        self.about: dict[str, Any] = {}  # what oversight shows of it
        self.expires = monotonic() + TTL_S + GRACE_S

    def alive(self) -> bool:
        """Whether a frame may still pass."""
        return monotonic() < self.expires


class Leases:
    """All running leases of this process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._held: dict[str, Lease] = {}
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._now = asyncio.Event()

    def start(self) -> None:
        """Starts deciding again."""
        self._kernel.bus.watch(self._changed)
        self._task = asyncio.create_task(self._run(), name="leases")

    async def stop(self) -> None:
        """Stops; every lease then runs out by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._ending, return_exceptions=True)

    def open(self, lease: Lease) -> None:
        """Holds a lease from now on."""
        self._held[lease.id] = lease

    def close(self, lease_id: str) -> None:
        """The act ended by itself."""
        self._held.pop(lease_id, None)

    def held(self) -> list[Lease]:
        """Every running lease."""
        return list(self._held.values())

    def _changed(self, name: str, _payload: dict[str, Any]) -> None:
        if name in (
            "order.signed",
            "order.ended",
            "right.changed",
            "roster.changed",
            "source.changed",
            "perimeter.left",
        ):
            self._now.set()

    async def _run(self) -> None:
        while True:
            self.renew()
            if await came(self._now, TTL_S / 2):
                self._now.clear()

    def renew(self) -> None:
        """Decides every lease again, now."""
        shared: dict[Any, Any] = {}  # what does not depend on who looks is read once a round
        for lease in tuple(self._held.values()):
            try:
                decision, facts = self._decide(lease, shared)
            except (EgideError, SQLAlchemyError) as error:
                log.warning("lease %s cannot be renewed: %s", lease.id, error)
                continue  # it runs out by itself
            if decision.allowed:
                lease.expires = monotonic() + TTL_S + GRACE_S
                continue
            self._held.pop(lease.id, None)
            lease.expires = 0.0
            lease.on_end(decision)
            task = asyncio.create_task(self._write(lease, decision, facts))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _decide(self, lease: Lease, shared: dict[Any, Any]) -> tuple[Decision, dict[str, Any]]:
        kernel = self._kernel
        db = kernel.store.reader()
        ctx = Ctx(kernel, lease.principal, lease.act, kernel.clock.now_us(), db, lease.purpose, lease.id, shared=shared)
        facts = kernel.facts(ctx, lease.given, fresh=True)
        return kernel.guard.decide(lease.act.name, facts), facts

    async def _write(self, lease: Lease, decision: Decision, facts: dict[str, Any]) -> None:
        try:
            receipt = await self._kernel.door.record(
                lease.act.name, lease.given, lease.principal, decision, facts, cause=lease.id
            )
        except EgideError:
            log.exception("the end of lease %s is not in the ledger", lease.id)
            return
        if lease.on_written is not None:
            lease.on_written(receipt)
