"""The retention clock: every category is sealed, then erased, at the time its law pack says; holds stop the erasure only.

A row of `retained` stands for one object of one category. Its trigger (end of deployment, end of log year…) starts the clock;
from then nobody opens it but under the pack's exceptions, and at `erase_at` the system activity `retention.erase` destroys it
through the door: the key and the rows in the transaction (state `erasing`), then the objects outside, repeated
until they are gone (`erased`). A missed erasure makes reads refuse first (the state is computed, never trusted).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Connection, bindparam, delete, exists, or_, select, update
from sqlalchemy.exc import DatabaseError

from egide.kernel import tables
from egide.kernel.act import Change
from egide.kernel.clock import from_us, to_us
from egide.kernel.errors import Conflict, EgideError, StartupError, Text, Unavailable
from egide.kernel.law import add_duration

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.retention")

LOOK_S = 1.0  # s between looks at what is due
AT_ONCE = 100  # objects of one look
LATE = "erasure-late"  # among the kernel's things: until when (monotonic s) no deletion is tried
LATE_S = 5.0  # s between tries to delete where the place is away
SealState = Literal["open", "sealed", "expired"]


# Built once: a statement costs more to build than to run.
_TABLE = tables.retained
_START = update(_TABLE).where(_TABLE.c.id == bindparam("of"))
_START = _START.values(trigger=bindparam("began"), erase_at=bindparam("until"), state="sealed")
_STOP = update(_TABLE).where(_TABLE.c.id == bindparam("of")).values(trigger=None, erase_at=None, state="open")
_UNKEEP = delete(_TABLE).where(_TABLE.c.id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Erasing:
    """What destroys an object: its keys, (person, purpose), and the changes that take its rows, both with those of the others
    that a commit erases; `apply` for anything else.
    """  # fmt: skip

    keys: tuple[tuple[str, str | None], ...] = ()
    changes: tuple[Change, ...] = ()
    apply: Callable[[Connection], None] | None = None


Eraser = Callable[["Kernel", str], Erasing | Callable[[Connection], None]]


def keep(category: str, object_: str) -> dict[str, Any]:
    """The row for a new object whose clock has not started."""
    return {
        "id": f"{category}/{object_}",
        "category": category,
        "object": object_,
        "trigger": None,
        "erase_at": None,
        "state": "open",
    }


def begun(kernel: Kernel, category: str, object_: str, at_us: int) -> dict[str, Any]:
    """The row for a new object whose clock starts with it."""
    started = {"trigger": at_us, "erase_at": erase_at(kernel, category, at_us), "state": "sealed"}
    return keep(category, object_) | started


def trigger(kernel: Kernel, connection: Connection, category: str, object_: str, at_us: int) -> None:
    """Starts the clock of an object: from `at_us` it is sealed, and it is erased when its time has come."""
    until = erase_at(kernel, category, at_us)
    connection.execute(_START, {"of": f"{category}/{object_}", "began": at_us, "until": until})


def end(connection: Connection, category: str, object_: str, now_us: int, *, at_us: int = 0) -> None:
    """Its time comes before what the law allows at most: erased at the clock's next look, or at `at_us`."""
    ending(category, object_, at_us or now_us, now_us).make(connection)


def ending(category: str, object_: str, at_us: int, now_us: int) -> Change:
    """The change that makes `at_us` its time."""
    return Change(_START, {"of": f"{category}/{object_}", "began": now_us, "until": at_us})


def run(connection: Connection, category: str, object_: str) -> None:
    """Its clock stops: it lives as long as what it belongs to."""
    connection.execute(_STOP, {"of": f"{category}/{object_}"})


def unkept(category: str, object_: str) -> Change:
    """The object is gone, and nothing of it is left to look after."""
    return Change(_UNKEEP, {"of": f"{category}/{object_}"})


def erase_at(kernel: Kernel, category: str, trigger_us: int) -> int:
    """When an object of this category must be gone, by the parameter its activity names."""
    for activity in kernel.activities.values():
        for rule in activity.retention:
            if rule.category == category:
                duration = kernel.book.parameter(rule.parameter, from_us(trigger_us))
                return to_us(add_duration(from_us(trigger_us), str(duration)))
    raise StartupError(
        Text(f"Aucune durée pour « {category} ».", f"No duration for “{category}”."), file="activities.toml"
    )


def seal_state(kernel: Kernel, connection: Connection, category: str, object_: str) -> tuple[SealState, bool]:
    """(state now, whether a procedure holds it). Time decides, not the stored word: a late scheduler opens nothing."""
    found = connection.execute(
        select(tables.retained.c.trigger, tables.retained.c.erase_at).where(
            tables.retained.c.id == f"{category}/{object_}"
        )
    ).first()
    now = kernel.clock.now_us()
    held = _held(connection, f"{category}/{object_}", now)
    if found is None or (found.erase_at is not None and found.erase_at <= now):
        return "expired", held
    return ("sealed" if found.trigger is not None and found.trigger <= now else "open"), held


def _held(connection: Connection, retained: str, now_us: int) -> bool:
    table = tables.hold
    return (
        connection.execute(
            select(table.c.id)
            .where(table.c.retained == retained, or_(table.c.until.is_(None), table.c.until > now_us))
            .limit(1)
        ).first()
        is not None
    )


def hold_row(id_: str, retained: str, sealed_reference: bytes, since_us: int, until_us: int | None) -> dict[str, Any]:
    """A hold: the procedure for which an object is kept beyond its time."""
    return {"id": id_, "retained": retained, "reference": sealed_reference, "since": since_us, "until": until_us}


def due(kernel: Kernel, connection: Connection) -> list[tuple[str, str]]:
    """(category, object) whose time has come and which nothing holds."""
    now = kernel.clock.now_us()
    table, hold = tables.retained, tables.hold
    held = exists().where(hold.c.retained == table.c.id, or_(hold.c.until.is_(None), hold.c.until > now))
    rows = connection.execute(
        select(table.c.category, table.c.object)
        .where(table.c.state == "sealed", table.c.erase_at <= now, ~held)
        .order_by(table.c.erase_at)
        .limit(AT_ONCE)
    ).all()
    return [(row.category, row.object) for row in rows]


def unfinished(connection: Connection) -> list[tuple[str, str]]:
    """(category, object) whose key is destroyed and whose objects may still lie somewhere."""
    table = tables.retained
    rows = connection.execute(
        select(table.c.category, table.c.object).where(table.c.state == "erasing").limit(AT_ONCE)
    ).all()
    return [(row.category, row.object) for row in rows]


def left_outside(kernel: Kernel, category: str) -> bool:
    """Whether objects of this category may lie outside the store too."""
    return any(category in capability.removers for capability in kernel.capabilities)


async def finish(kernel: Kernel, category: str, object_: str) -> bool:
    """Deletes what an erased object left outside the store; False when that place is away, and the clock repeats it.

    While it is away only one of many waits for its answer: the destruction of the others' keys must not be late for it.
    """
    if kernel.things.get(LATE, 0.0) > monotonic():
        return False
    try:
        await asyncio.to_thread(_remove, kernel, category, object_)
    except Unavailable as error:
        kernel.things[LATE] = monotonic() + LATE_S
        log.warning("%s: key destroyed, objects not deleted yet: %s", category, error.what.en)
        return False
    return True


def _remove(kernel: Kernel, category: str, object_: str) -> None:
    for capability in kernel.capabilities:
        if category in capability.removers:
            capability.removers[category](kernel, object_)
    # Bookkeeping of retention.erase, which is in the ledger already.
    with kernel.store.side() as connection:
        connection.execute(
            update(tables.retained)
            .where(tables.retained.c.id == f"{category}/{object_}", tables.retained.c.state == "erasing")
            .values(state="erased")
        )


class Keeper:
    """Looks at what is due and has it erased, through the door."""

    def __init__(self, kernel: Kernel, act: str) -> None:
        self._kernel = kernel
        self._act = act
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts looking."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """Stops looking; what is due stays refused."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tick(self) -> int:
        """Erases what is due now and finishes what was begun; returns how many were due and are erased."""
        waiting: dict[str, list[str]] = {}
        for category, object_ in due(self._kernel, self._kernel.store.reader()):
            waiting.setdefault(category, []).append(object_)
        done = sum(await asyncio.gather(*(self._erased(*each) for each in waiting.items())))
        for category, object_ in unfinished(self._kernel.store.reader()):
            if not await finish(self._kernel, category, object_):
                break
        return done

    async def _erased(self, category: str, objects: list[str]) -> int:
        """How many of them are erased now, by this look: by one act, or by one each where one of them is in its way."""
        raw = msgspec.json.encode({"category": category, "objects": objects})
        try:
            await self._kernel.perform(self._act, raw, self._kernel.system("retention"))
        except EgideError as error:
            if len(objects) > 1 and not isinstance(error, Unavailable):
                return sum([await self._erased(category, [each]) for each in objects])
            if not isinstance(error, Conflict):  # another process erased it meanwhile
                log.exception("erasure of %s is late", category)
            return 0
        return len(objects)

    async def _run(self) -> None:
        while True:
            try:
                while await self.tick() >= AT_ONCE:
                    pass
            except (EgideError, DatabaseError) as error:  # what is due stays refused, and is looked at again
                log.warning("retention: %s", error)
            await asyncio.sleep(LOOK_S)
