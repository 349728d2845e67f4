"""What carries events from the outbox to the durable listeners, between the processes of one installation.

The outbox is the truth: a row is there or the act did not happen, and rows commit in the order of `seq`. A transport says
durably *that* there is something up to a number; the listener reads what it is from the outbox (listeners.py). So nothing that
a transport loses, repeats, reorders or invents can lose, double or forge an event, and no id of a person ever lies in a
transport's files, where erasure would not find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from egide.kernel.errors import Text
from egide.kernel.waiting import came

LOOK_S = 0.5  # s after which a listener looks although nothing woke it
RETRY_S = 1.0  # s between attempts of a listener that failed
IDLE_S = 0.1  # s between looks at whether it is this process's turn


class Event(NamedTuple):
    """One row of the outbox."""

    seq: int
    name: str
    payload: dict[str, Any]  # ids only
    cause: str  # id of the act's entry


class Sent(NamedTuple):
    """What a transport is told of an event: enough to ask for it."""

    seq: int
    name: str
    entry: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """One durable listener as a transport sees it."""

    consumer: str
    event: str
    handle: Callable[
        [int | None], Awaitable[int | None]
    ]  # up to a number (None: all there is) → handled through, or None
    mine: Callable[[], bool]  # whether this process serves it now


class Transport(Protocol):
    """An engine's side."""

    relays: bool  # whether the outbox must be relayed to it

    async def start(self) -> None:
        """Starts; an engine that is away is no reason not to."""

    async def stop(self) -> None:
        """Ends its tasks; everything unhandled comes again."""

    def subscribe(self, subscription: Subscription) -> None:
        """Before `start`: from then on `handle` is called whenever there may be news; acknowledged after it returns."""

    async def publish(self, batch: Sequence[Sent]) -> Awaitable[None]:
        """Sends in this order; what it gives ends once all of it is on disk there. Both raise `Unavailable`."""

    def wake(self, callback: Callable[[], None]) -> None:
        """`callback` is called when another process says that something happened."""

    def hint(self) -> None:
        """Something was committed here: tells the other processes (best effort, no content)."""

    def carry(self, data: bytes) -> None:
        """Sends sealed bytes to the other processes (ephemeral.py): best effort, kept nowhere, never waits."""

    def carried(self, callback: Callable[[bytes], None]) -> None:
        """`callback` gets what another process carries here."""

    def nudge(self, names: Collection[str]) -> None:
        """The outbox has grown by events of these names, here or elsewhere."""

    async def trim(self) -> None:
        """Lets go of what every listener has handled."""

    def trouble(self) -> Text | None:
        """What is wrong, in plain words; None when all is well."""


class InProcess:
    """The outbox and its cursors suffice: what the platform runs on without a setting."""

    relays = False

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._news: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    def subscribe(self, subscription: Subscription) -> None:
        """As the protocol says."""
        self._subscriptions.append(subscription)

    async def start(self) -> None:
        """One task per listener."""
        for each in self._subscriptions:
            news = asyncio.Event()
            self._news.append(news)
            self._tasks.append(asyncio.create_task(_serve(each, news), name=each.consumer))

    async def stop(self) -> None:
        """Ends the tasks; the cursors stay."""
        await end(self._tasks)
        self._tasks.clear()
        self._news.clear()

    async def publish(self, batch: Sequence[Sent]) -> Awaitable[None]:
        """Durable already."""
        del batch
        return asyncio.sleep(0)

    def wake(self, callback: Callable[[], None]) -> None:
        """Nobody calls: other processes are looked at four times a second."""

    def hint(self) -> None:
        """As `wake`."""

    def carry(self, data: bytes) -> None:
        """Sockets do it (ephemeral.py)."""

    def carried(self, callback: Callable[[bytes], None]) -> None:
        """As `carry`."""

    def nudge(self, names: Collection[str]) -> None:
        """Wakes who listens to them."""
        for each, news in zip(
            self._subscriptions, self._news, strict=False
        ):  # none is awake before the start, or at the end
            if each.event in names:
                news.set()

    async def trim(self) -> None:
        """Nothing is kept beyond the outbox."""

    def trouble(self) -> Text | None:
        """Its troubles are the store's."""
        return None


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks until they have ended: Python 3.11's `wait_for` may swallow a cancellation (python/cpython#86296)."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=IDLE_S)


async def _serve(subscription: Subscription, news: asyncio.Event) -> None:
    while True:
        if not subscription.mine():
            await asyncio.sleep(IDLE_S)
            continue
        news.clear()
        if await subscription.handle(None) is None:
            await asyncio.sleep(RETRY_S)
            continue
        await came(news, LOOK_S)
