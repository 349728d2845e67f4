"""Durable listeners: each hears every event of its name in order, and its effect is stored exactly once.

An event may come twice (a process dies after the effect, before the cursor; a transport repeats). A listener that performs an
act passes `once=payload["once"]` to `Kernel.perform`: the act and the row of `handled` are one transaction, a second time
changes nothing and counts as done. A listener that performs two acts for one event gives each an own `once`:
`(f"{consumer}/second", seq)`. A commit is what an event costs. Where no event depends on the one before, the listener is
`Independent`: several are heard at once, and their acts share commits; where only some do, it is `Keyed`. A listener that only
computes is a `Batch`: its rows and its cursor are one transaction, many events in each.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from egide.kernel import tables
from egide.kernel.errors import Conflict, EgideError, Refused
from egide.kernel.transport import Event

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.events")

ROWS = 100  # events read at a time by a listener that performs acts
REFUSALS = 8  # in a row, about a second apart, after which an event counts as refused for good
AHEAD = 64  # events that an independent listener hears at once: a quarter of a commit (writer.BATCH), so that people come between
REST = 4  # times what hearing several took, for which they rest while somebody waits for acts of their own: a fifth of the time
MOST_REST_S = 0.5  # s
BATCH = 500  # events a batch listener stores in one transaction
_OUT = tables.outbox
_ROWS = (
    select(_OUT.c.seq, _OUT.c.payload, _OUT.c.entry)
    .where(_OUT.c.seq > bindparam("after"), _OUT.c.seq <= bindparam("upto"), _OUT.c.name == bindparam("name"))
    .order_by(_OUT.c.seq)
    .limit(bindparam("limit"))
)
_LAST = select(func.max(_OUT.c.seq))
_CURSOR = select(tables.consumer.c.seq).where(tables.consumer.c.name == bindparam("name"))
_HANDLED = select(tables.handled.c.seq).where(
    tables.handled.c.consumer == bindparam("consumer"),
    tables.handled.c.seq >= bindparam("first"),
    tables.handled.c.seq <= bindparam("last"),
)
_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Batch:
    """A listener that only computes: `store(kernel, connection, events)` writes inside the transaction of the cursor.

    It runs in a thread, writes no state of people (that is an act's) and awaits nothing.
    """

    store: Callable[[Kernel, Connection, Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class Independent:
    """A listener to events of which none depends on another: `hear(kernel, payload)` runs for several at once, in no order.

    Each must perform its act with `once=payload["once"]`: what was done stands, whatever becomes of its neighbours.
    """

    hear: Callable[[Kernel, dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A listener to events of which some depend on one before them: those that share a key are heard in order, others at once.

    `ask(kernel, payload)` finds out what an event is about, for several at once; None: there is nothing to do any more.
    `keys` names what that is. `hear(kernel, payload, asked)` performs its act with `once=payload["once"]`.
    """

    ask: Callable[[Kernel, dict[str, Any]], Awaitable[Any]]
    keys: Callable[[Any], Collection[str]]
    hear: Callable[[Kernel, dict[str, Any], Any], Awaitable[None]]


class Listening:
    """One listener at work."""

    def __init__(self, kernel: Kernel, consumer: str, event: str, listener: Any) -> None:
        self.consumer = consumer
        self.event = event
        self._kernel = kernel
        self._listener = listener
        self._hear: Callable[..., Any] = getattr(listener, "hear", listener)
        self._ahead = AHEAD if isinstance(listener, Independent | Keyed) else 1
        self._looked = 0  # up to here there is nothing unhandled of this name, whatever the cursor says
        self._lock = asyncio.Lock()
        self._refusals: dict[int, int] = {}  # of an event that is not done, in a row

    def mine(self) -> bool:
        """Whether this process serves it now."""
        return self._kernel.bus.turns.mine(self.consumer)

    async def handle(self, upto: int | None) -> int | None:
        """Hears what is written up to a number (None: to the end), in order; None when it must come again."""
        async with self._lock:
            try:
                return await self._handle(upto)
            except (SQLAlchemyError, EgideError, OSError) as error:
                log.warning("listener %s: %s", self.consumer, error)
                return None

    async def _handle(self, upto: int | None) -> int | None:
        last = int(self._kernel.store.reader().execute(_LAST).scalar() or 0)
        top = last if upto is None else min(upto, last)
        limit = BATCH if isinstance(self._listener, Batch) else ROWS
        while True:
            if not self.mine():
                return None
            cursor = position(self._kernel.store.reader(), self.consumer)
            after = max(cursor, self._looked)
            if top <= after:
                return upto if upto is not None else top
            asked = {"after": after, "upto": top, "name": self.event, "limit": limit}
            rows = self._kernel.store.reader().execute(_ROWS, asked).all()
            if rows:
                events = [Event(row.seq, self.event, _decode(row.payload), row.entry) for row in rows]
                done = await (self._store if isinstance(self._listener, Batch) else self._each)(events, cursor)
                if not done:
                    return None
            if len(rows) < limit:
                self._looked = top

    async def _store(self, events: list[Event], cursor: int) -> bool:
        try:
            await asyncio.to_thread(self._write, events, cursor)
        except Exception as error:  # a capability's code: whatever it raises, its events wait and come again
            log.warning("listener %s: %s", self.consumer, error, exc_info=not isinstance(error, EgideError))
            return False
        return True

    def _write(self, events: list[Event], cursor: int) -> None:
        """Cursor and effect in one transaction; where another process has moved the cursor meanwhile, nothing."""
        table = tables.consumer
        try:
            with self._kernel.store.side() as connection:
                moved = connection.execute(
                    update(table).where(table.c.name == self.consumer, table.c.seq == cursor).values(seq=events[-1].seq)
                )
                if not moved.rowcount:
                    if cursor:
                        return
                    connection.execute(insert(table), {"name": self.consumer, "seq": events[-1].seq})
                self._listener.store(self._kernel, connection, events)
        except IntegrityError:
            if position(self._kernel.store.reader(), self.consumer) == cursor:
                raise  # the listener's own rows collided

    async def _each(self, events: list[Event], cursor: int) -> bool:
        handled = self._handled(events[0].seq, events[-1].seq)
        through, done = cursor, True
        for start in range(0, len(events), self._ahead):
            part, started, asked = events[start : start + self._ahead], monotonic(), self._kernel.measures.asked
            heard = await self._part([event for event in part if event.seq not in handled])
            if self._ahead > 1 and self._kernel.measures.asked != asked:  # who waits for an answer goes first
                await asyncio.sleep(min(REST * (monotonic() - started), MOST_REST_S))
            for event in part:
                if event.seq in heard:
                    self._refusals.pop(event.seq, None)
                done = done and (event.seq in handled or event.seq in heard)
                through = event.seq if done else through
            if not done:
                break
        if through > cursor:
            try:
                await asyncio.to_thread(self._keep, through)
            except (
                SQLAlchemyError
            ) as error:  # at least once: told again it does no harm, a listener lost for good would
                log.warning("cursor of %s: %s", self.consumer, error)
                self._looked = max(self._looked, through)
        return done

    async def _part(self, events: list[Event]) -> set[int]:
        """Hears these, at once where that is allowed; the numbers of those that are done."""
        if not self.mine():
            return set()
        if isinstance(self._listener, Keyed):
            return await self._keyed(self._listener, events)
        return await self._wave(events, lambda _, given: self._hear(self._kernel, given))

    async def _keyed(self, listener: Keyed, events: list[Event]) -> set[int]:
        """As `_part`. What comes after an event that is not known yet, or not done, may depend on it: it waits."""
        asked: dict[int, Any] = {}

        async def ask(event: Event, given: dict[str, Any]) -> None:
            asked[event.seq] = await listener.ask(self._kernel, given)

        known = await self._wave(events, ask)
        ready = list(takewhile(lambda event: event.seq in known, events))
        about = [event for event in ready if asked.get(event.seq) is not None]
        heard = {event.seq for event in ready} - {event.seq for event in about}
        for wave in waves((event, listener.keys(asked[event.seq])) for event in about):
            done = await self._wave(wave, lambda event, given: listener.hear(self._kernel, given, asked[event.seq]))
            heard |= done
            if len(done) < len(wave):
                break
        return heard

    async def _wave(self, events: list[Event], hear: Callable[[Event, dict[str, Any]], Any]) -> set[int]:
        done = await asyncio.gather(*(self._one(event, hear) for event in events))
        return {event.seq for event, heard in zip(events, done, strict=True) if heard}

    async def _one(self, event: Event, hear: Callable[[Event, dict[str, Any]], Any]) -> bool:
        given = event.payload | {"cause": event.cause, "once": (self.consumer, event.seq)}
        try:
            done = hear(event, given)
            if inspect.isawaitable(done):
                await done
        except Conflict as error:
            if event.seq in self._handled(event.seq, event.seq):
                return True  # its effect is stored already
            log.warning("listener %s: %s", self.consumer, error)
            return False
        except Refused as error:
            return await self._refused(event, error)
        except Exception as error:  # a capability's code: whatever it raises, its events wait and come again
            log.warning("listener %s: %s", self.consumer, error, exc_info=not isinstance(error, EgideError))
            return False
        return True

    async def _refused(self, event: Event, error: Refused) -> bool:
        """The law may allow it in a moment (the ledger was away); refused again and again, it is done: the ledger says so."""
        count = self._refusals[event.seq] = self._refusals.get(event.seq, 0) + 1
        log.warning("listener %s: event %d, refusal %d: %s", self.consumer, event.seq, count, error)
        return count >= REFUSALS

    def _handled(self, first: int, last: int) -> set[int]:
        asked = {"consumer": self.consumer, "first": first, "last": last}
        return {int(row[0]) for row in self._kernel.store.reader().execute(_HANDLED, asked)}

    def _keep(self, seq: int) -> None:
        """The cursor is bookkeeping, not state of people: it may lag (at least once), so a write of its own suffices."""
        with self._kernel.store.side() as connection:
            advance(connection, self.consumer, seq)


def waves(keyed: Iterable[tuple[Event, Collection[str]]]) -> list[list[Event]]:
    """Cuts events, in their order, into as few waves as there must be for no two of a wave to share a key."""
    found: list[list[Event]] = []
    last: dict[str, int] = {}  # the wave in which a key was seen last
    for event, keys in keyed:
        place = max((last[key] for key in keys if key in last), default=-1) + 1
        last |= dict.fromkeys(keys, place)
        if place == len(found):
            found.append([])
        found[place].append(event)
    return found


def position(db: Connection, consumer: str) -> int:
    """Up to where a consumer has handled its events."""
    return int(db.execute(_CURSOR, {"name": consumer}).scalar() or 0)


def advance(connection: Connection, consumer: str, seq: int) -> None:
    """Moves a cursor on, never back."""
    table = tables.consumer
    if connection.execute(update(table).where(table.c.name == consumer, table.c.seq < seq).values(seq=seq)).rowcount:
        return
    if connection.execute(_CURSOR, {"name": consumer}).first() is None:
        connection.execute(insert(table), {"name": consumer, "seq": seq})
