"""Durable background work: due rows in the store, each of which performs one act as a named system activity.

A job's id is (cause, act), so that queueing it twice is doing it once. A failed job comes back with growing delay and is
shown on the health page after `MAX_ATTEMPTS`. Several processes look: each claims a job before it does it, the claim ends with
its process or its time, and the act is written with a row of `handled`, so that even two who claimed do it once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from egide.kernel import tables
from egide.kernel.errors import Conflict, EgideError, NotFound, Text

if TYPE_CHECKING:
    from collections.abc import Collection

    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.jobs")

LOOK_S = 0.5  # s between looks at what is due
MAX_ATTEMPTS = 8  # then a person must look
BACKOFF_US = 2_000_000  # µs, doubled at each attempt
TOGETHER = 8  # jobs of one claim; what is heavy waits for its own turn (a scanner's, a press's)
CLAIM_US = 60_000_000  # µs a claim holds while its process lives


_TABLE = tables.job
_DUE = select(_TABLE).where(_TABLE.c.state == "due", _TABLE.c.due <= bindparam("now")).order_by(_TABLE.c.due).limit(50)
_KEEP = update(_TABLE).where(_TABLE.c.id == bindparam("job"))
_KEEP = _KEEP.values(state=bindparam("now"), due=bindparam("at"), attempts=bindparam("tried"))
_LET_GO = delete(tables.claim).where(tables.claim.c.job == bindparam("job"))


def job(cause: str, act: str, raw: bytes, due_us: int) -> dict[str, Any]:
    """The row that queues `act` for `due_us`; put it in an effect's rows."""
    return {
        "id": f"{cause}/{act}",
        "due": due_us,
        "act": act,
        "input": raw,
        "cause": cause,
        "attempts": 0,
        "state": "due",
    }


class Runner:
    """Performs what is due."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts looking."""
        self._task = asyncio.create_task(self._run(), name="jobs")

    async def stop(self) -> None:
        """Stops looking; what is due waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tick(self) -> int:
        """Runs the jobs due now; returns how many were done."""
        kernel = self._kernel
        rows = kernel.store.reader().execute(_DUE, {"now": kernel.clock.now_us()}).all()
        done = 0
        for start in range(0, len(rows), TOGETHER):
            part = rows[start : start + TOGETHER]
            mine = await asyncio.to_thread(self._claim, [row.id for row in part])
            ours = [row for row in part if row.id in mine]
            results = await asyncio.gather(*(self._done(row) for row in ours))
            if ours:
                await asyncio.to_thread(
                    self._keep, [{"job": row.id} | values for row, values in zip(ours, results, strict=True)]
                )
            done += len(ours)
        return done

    async def _done(self, row: Any) -> dict[str, Any]:
        """Does one job; what its row says from then on."""
        kernel = self._kernel
        try:
            act = kernel.acts.get(row.act)
            if act is None:
                raise NotFound(Text(f"L’acte {row.act} n’existe plus.", f"The act {row.act} is no more."))
            await self._once(row, kernel.system(act.activity))
        except EgideError as error:
            attempts = row.attempts + 1
            log.warning("job %s: %s (attempt %d)", row.act, error, attempts)
            state = "failed" if attempts >= MAX_ATTEMPTS else "due"
            return {"tried": attempts, "now": state, "at": kernel.clock.now_us() + BACKOFF_US * 2**attempts}
        return {"tried": row.attempts, "now": "done", "at": row.due}

    async def _once(self, row: Any, principal: Principal) -> None:
        mark = (f"job:{row.id}", 0)
        try:
            await self._kernel.perform(row.act, bytes(row.input), principal, cause=row.cause, once=mark)
        except Conflict:
            table = tables.handled
            seen = exists().where(table.c.consumer == mark[0], table.c.seq == mark[1])
            if not self._kernel.store.reader().execute(select(seen)).scalar():
                raise
            # Done by whoever had claimed it before, and died or lost its claim before it could say so.

    def _claim(self, ids: list[str]) -> set[str]:
        """Takes those of these jobs that nobody does, or whose process is gone or late, in one transaction."""
        kernel = self._kernel
        living = kernel.processes.alive(kernel.store.reader())
        mine: set[str] = set()
        with kernel.store.side() as connection:
            for id_ in ids:
                if self._claimed(connection, id_, kernel.clock.now_us(), living):
                    mine.add(id_)
        return mine

    def _claimed(self, connection: Connection, id_: str, now: int, living: Collection[str]) -> bool:
        job, claim = tables.job, tables.claim
        due = select(job.c.id).where(job.c.id == id_, job.c.state == "due", job.c.due <= now)
        if connection.execute(due).first() is None:
            return False
        mine = {"process": self._kernel.process, "until": now + CLAIM_US}
        free = or_(claim.c.until < now, claim.c.process.not_in(living))
        if connection.execute(update(claim).where(claim.c.job == id_, free).values(**mine)).rowcount:
            return True
        try:
            with connection.begin_nested():
                connection.execute(insert(claim), {"job": id_} | mine)
        except IntegrityError:
            return False  # another does it
        return True

    def _keep(self, results: list[dict[str, Any]]) -> None:
        with self._kernel.store.side() as connection:
            connection.execute(_KEEP, results)
            connection.execute(_LET_GO, [{"job": one["job"]} for one in results])

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except (
                EgideError,
                DatabaseError,
            ) as error:  # clock gone back, disk full: the jobs wait, they are not forgotten
                log.warning("jobs: %s", error)
            await asyncio.sleep(LOOK_S)


def failed(connection: Connection) -> int:
    """How many jobs a person must look at."""
    return len(connection.execute(select(tables.job.c.id).where(tables.job.c.state == "failed")).all())
