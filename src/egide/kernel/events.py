"""Events: written to the outbox in the act's own transaction, handed to durable listeners in order, stored once.

Durable listeners (listeners.py) keep a cursor and go on where they stopped, in whichever process; the transport (transport.py)
says when. `watch` subscribers live in memory (open pages, leases) and only ever see what happens while they look, in this
process at once and in the others as soon as the follower sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, select

from egide.kernel import tables
from egide.kernel.listeners import Listening
from egide.kernel.outbox import PRUNE, RELAY, Pruner, Relay
from egide.kernel.transport import InProcess, Subscription, Transport, end
from egide.kernel.turns import Turns

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel
    from egide.kernel.work import Work


@dataclass(frozen=True, slots=True)
class Recorded:
    """An act that another process recorded, as its entry tells it."""

    index: int
    leaf: bytes
    actor: str | None
    order: str | None


Watcher = Callable[[str, dict[str, Any]], None]
ActWatcher = Callable[["Work"], None]
OtherWatcher = Callable[[Recorded], None]
LIMIT = 1000  # rows of one look
_SINCE = (
    select(tables.outbox.c.seq, tables.outbox.c.name, tables.outbox.c.payload, tables.outbox.c.process)
    .where(tables.outbox.c.seq > bindparam("seq"))
    .order_by(tables.outbox.c.seq)
    .limit(LIMIT)
)
_ENTRIES = (
    select(tables.entry.c.idx, tables.entry.c.id, tables.entry.c.leaf, tables.entry.c.actor, tables.entry.c.order_id)
    .where(tables.entry.c.realm == bindparam("realm"), tables.entry.c.idx > bindparam("after"))
    .order_by(tables.entry.c.idx)
    .limit(LIMIT)
)
_LAST = select(func.max(tables.entry.c.idx)).where(tables.entry.c.realm == bindparam("realm"))


class Bus:
    """Who hears what, in this process."""

    def __init__(self, kernel: Kernel, transport: Transport | None = None) -> None:
        self._kernel = kernel
        self.transport: Transport = transport or InProcess()
        self.turns = Turns(kernel)
        self.listening: list[Listening] = []
        self.pruner = Pruner(kernel)
        self._relay = Relay(kernel)
        self._watchers: list[Watcher] = []
        self._act_watchers: list[tuple[ActWatcher, OtherWatcher | None]] = []
        self._told = 0  # seq up to which the events of other processes were told here
        self._shown = -1  # index up to which the acts of other processes were shown here
        self._own: set[str] = set()  # acts of this process that may come by as entries
        self._tasks: list[asyncio.Task[None]] = []
        for capability in kernel.capabilities:
            for name, listener in capability.listeners.items():
                each = Listening(kernel, f"{capability.name}:{name}", name, listener)
                self.listening.append(each)
                self.turns.want(each.consumer)
                self.transport.subscribe(Subscription(each.consumer, name, each.handle, each.mine))
        self.turns.want(PRUNE)
        if self.transport.relays:
            self.turns.want(RELAY)

    # -- watching ---------------------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Calls `watcher(name, payload)` for each event from now on; returns the way to stop."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def watch_acts(self, watcher: ActWatcher, other: OtherWatcher | None = None) -> Callable[[], None]:
        """Calls `watcher(work)` for each act recorded here (act.done, act.refused) from now on, `other(recorded)` for those
        of other processes; returns the way to stop.
        """
        if not self._act_watchers:
            last = self._kernel.store.reader().execute(_LAST, {"realm": self._kernel.settings.realm}).scalar()
            self._shown = -1 if last is None else int(last)
        pair = (watcher, other)
        self._act_watchers.append(pair)
        return lambda: self._act_watchers.remove(pair) if pair in self._act_watchers else None

    def tell(self, name: str, payload: dict[str, Any]) -> None:
        """Tells who looks, and only them: for what is true after the commit (a lease now runs), not for what happened."""
        for live in tuple(self._watchers):
            live(name, payload)

    # -- start and stop ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Starts the transport and this process's share of the work; what others wrote before is not news."""
        table = tables.outbox
        self._told = int(self._kernel.store.reader().execute(select(func.max(table.c.seq))).scalar() or 0)
        await self.turns.start()
        self.transport.wake(self._kernel.follower.hurry)
        await self.transport.start()
        chores = [("prune", self.pruner.run), *([("relay", self._relay.run)] if self.transport.relays else [])]
        self._tasks = [asyncio.create_task(run(), name=name) for name, run in chores]

    async def stop(self) -> None:
        """Stops the listeners; their cursors stay, another process goes on."""
        await end(self._tasks)
        self._tasks.clear()
        await self.transport.stop()
        await self.turns.stop()

    # -- telling ----------------------------------------------------------------------------------------------------

    def expect(self, act_id: str) -> None:
        """An act of this process is on its way: its entry is not another's."""
        self._own.add(act_id)

    def publish(self, batch: list[Work]) -> None:
        """On the event loop, after the commit: tells who looks, wakes who listens."""
        recorded, told = False, set[str]()
        for work in batch:
            if work.receipt is not None:
                recorded = True
                for watcher, _other in tuple(self._act_watchers):
                    watcher(work)
            if work.receipt is None or not self._act_watchers or work.receipt.index <= self._shown:
                self._own.discard(work.id)
            if work.error is None and work.effect is not None:
                for name, payload in work.effect.events:
                    told.add(name)
                    self.tell(name, payload)
        if told:
            self._nudge(told)
        if recorded:
            self.transport.hint()

    def follow(self) -> None:
        """Tells who looks what other processes have written since (`Follower.look`)."""
        rows = self._kernel.store.reader().execute(_SINCE, {"seq": self._told}).all()
        for row in rows:
            self._told = row.seq
            if row.process != self._kernel.process:
                self.tell(row.name, msgspec.json.decode(row.payload))
        if rows:
            self._nudge({row.name for row in rows})
        if self._act_watchers:
            self._show()

    def _show(self) -> None:
        """Shows the acts that other processes recorded; costs one look where somebody follows acts, nothing elsewhere."""
        asked = {"realm": self._kernel.settings.realm, "after": self._shown}
        for row in self._kernel.store.reader().execute(_ENTRIES, asked).all():
            self._shown = row.idx
            if row.id in self._own:
                self._own.discard(row.id)
                continue
            recorded = Recorded(row.idx, bytes(row.leaf), row.actor, row.order_id)
            for _watcher, other in tuple(self._act_watchers):
                if other is not None:
                    other(recorded)

    def _nudge(self, names: Collection[str]) -> None:
        self._relay.nudge()
        self.transport.nudge(names)
