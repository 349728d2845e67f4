"""Brings the newest signed head to every witness and to the time-stamping authority, and keeps what they answer.

Why a task beside the writer: nobody outside may make an act wait. A witness that is away is asked again later and later; what is
kept (tables `cosignature`, `stamp`) is proof, not state: losing a row costs one more request. Several processes may do this over
one store: whoever sees that another has just done it waits for its next turn, and doing it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, func, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from egide.kernel import checkpoint, stamping, tables
from egide.kernel.clock import LAST_S
from egide.kernel.errors import EgideError, Text
from egide.kernel.outward import Unreachable, post
from egide.kernel.store import put
from egide.kernel.witness_client import WitnessClient, check_address

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.witnessing")

SECOND_US = 1_000_000
MAX_WAIT_S = 300.0  # s between two requests to one that is away or refuses
LATE_ROUNDS = 3  # rounds missed before people are told
MIN_LATE_S = 30  # s, whatever the interval
AHEAD_S = 60  # s that another's clock may be ahead of ours


@dataclass(slots=True)
class Standing:
    """How one party outside stands: since when it owes us an answer (µs), why, whether it refuses our history."""

    name: str
    every_s: float
    work: Callable[[Standing], None]
    known: int | None = None
    owes_since: int | None = None
    trouble: Text | None = None
    refuses: bool = False
    failures: int = field(default=0)

    def well(self) -> None:
        """It has answered as it should, or owes nothing."""
        self.owes_since, self.trouble, self.refuses, self.failures = None, None, False, 0

    def failed(self, now_us: int, trouble: Text, *, refuses: bool = False) -> None:
        """It has not."""
        self.owes_since = self.owes_since or now_us
        self.trouble, self.refuses = trouble, refuses
        self.failures += 1

    def wait_s(self) -> float:
        """Seconds until the next turn: twice as many each time it fails."""
        if not self.failures:
            return self.every_s
        return float(min(self.every_s * 2 ** min(self.failures, 10), max(MAX_WAIT_S, self.every_s)))


class Witnessing:
    """The parties outside and one task for each. Raises `StartupError` when a setting cannot be right."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        settings = kernel.settings
        self.witnesses: list[Standing] = []
        for address, vkey in settings.witnesses.items():
            client = WitnessClient(address, vkey)
            self.witnesses.append(Standing(client.name, settings.witness_every_s, self._cosigning(client)))
        self.authority: Standing | None = None
        if settings.stamps:
            check_address(settings.stamps)
            self.authority = Standing(settings.stamps, min(settings.stamp_every_s, 60), self._stamp)
        self._threads: ThreadPoolExecutor | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def _all(self) -> list[Standing]:
        return [*self.witnesses, *([self.authority] if self.authority else [])]

    def start(self) -> None:
        """Starts one task a party; nothing where none is set."""
        if self._all:
            self._threads = ThreadPoolExecutor(len(self._all), "egide-witnessing")
            self._tasks = [asyncio.create_task(self._run(each), name=f"witnessing {each.name}") for each in self._all]

    async def stop(self) -> None:
        """Stops; a request under way is waited for (5 s at most)."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._tasks, self._threads = [], None

    async def now(self) -> None:
        """One turn of everybody, at once."""
        await asyncio.gather(*(self._turn(each) for each in self._all))

    def told(self) -> list[tuple[str, bool, Text]]:
        """(name, refuses, what) of each party that people should know of: late, or refusing our history."""
        now, found = self._kernel.clock.now_us(), []
        for each in self._all:
            if each.owes_since is None or each.trouble is None:
                continue
            late = (now - each.owes_since) // SECOND_US
            if not each.refuses and late < max(LATE_ROUNDS * each.every_s, MIN_LATE_S):
                continue
            verb = (
                ("n’a pas horodaté", "has not stamped")
                if each is self.authority
                else ("n’a pas cosigné", "has not cosigned")
            )
            found.append(
                (
                    each.name,
                    each.refuses,
                    Text(
                        f"{each.name} {verb[0]} depuis {late} s : {each.trouble.fr}",
                        f"{each.name} {verb[1]} for {late} s: {each.trouble.en}",
                    ),
                )
            )
        return found

    async def _run(self, party: Standing) -> None:
        while True:
            await self._turn(party)
            await asyncio.sleep(party.wait_s())

    async def _turn(self, party: Standing) -> None:
        if self._threads is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, party.work, party)
        except EgideError as error:
            party.failed(self._kernel.clock.now_us(), error.what)
        except (SQLAlchemyError, OSError, ImportError) as error:
            party.failed(self._kernel.clock.now_us(), Text(str(error), str(error)))
        if party.trouble is not None and party.failures == 1:
            log.warning("%s: %s", party.name, party.trouble.en)

    # -- in a thread --------------------------------------------------------------------------------------------------

    def _cosigning(self, client: WitnessClient) -> Callable[[Standing], None]:
        return lambda party: self._cosign(client, party)

    def _cosign(self, client: WitnessClient, party: Standing) -> None:
        kernel, table = self._kernel, tables.cosignature
        newest = self._newest()
        done, at = self._last(table, table.c.witness == client.name)
        if newest is None or newest[0] <= done:
            party.well()
            return
        if self._ago(at) < party.every_s / 2:  # another process has just asked
            return
        size, note = newest
        asked = client.cosign(note, max(party.known or 0, done), kernel.log.consistency)
        party.known = asked.known
        if asked.cosignature is None:
            if asked.refuses and asked.known > size and self._signed(asked.known):
                return  # another process has got further; this one has not followed yet
            party.failed(kernel.clock.now_us(), asked.trouble or Text("?", "?"), refuses=asked.refuses)
            return
        given = asked.cosignature
        # A witness may sign any time; the line has it as it is, the column what a calendar can say.
        said = min(given.time, LAST_S) * SECOND_US
        self._keep(table, {"size": size, "witness": client.name}, {"at": said, "line": given.line})
        party.well()

    def _stamp(self, party: Standing) -> None:
        kernel, table = self._kernel, tables.stamp
        newest = self._newest()
        done, at = self._last(table)
        if newest is None or newest[0] <= done or self._ago(at) < kernel.settings.stamp_every_s:
            party.well()
            return
        trusted = stamping.certificates(kernel.settings.folder)
        question = stamping.Question(checkpoint.parse(newest[1]).body)
        try:
            reply = post(kernel.settings.stamps, question.encoded, stamping.QUERY_TYPE, stamping.MAX_ANSWER)
        except Unreachable as error:
            party.failed(kernel.clock.now_us(), Text(f"ne répond pas ({error})", f"does not answer ({error})"))
            return
        if reply.status != 200 or not reply.whole:
            party.failed(kernel.clock.now_us(), Text(f"répond {reply.status}", f"answers {reply.status}"))
            return
        made = stamping.verify(reply.body, question.body, trusted, question.nonce)
        self._keep(table, {"size": newest[0]}, {"at": made, "token": reply.body})
        party.well()

    def _newest(self) -> tuple[int, str] | None:
        """The newest signed head that this process's tree covers: of it, a proof can be made."""
        table = tables.checkpoint
        found = (
            self._kernel.store.reader()
            .execute(
                select(table.c.size, table.c.note)
                .where(table.c.realm == self._kernel.settings.realm, table.c.size <= self._kernel.log.size)
                .order_by(table.c.size.desc())
                .limit(1)
            )
            .first()
        )
        return None if found is None else (int(found[0]), str(found[1]))

    def _last(self, table: Table, *where: Any) -> tuple[int, int]:
        """(size, µs) of the newest row; zeros when there is none."""
        query = select(func.max(table.c.size), func.max(table.c.at))
        size, at = (
            self._kernel.store.reader().execute(query.where(table.c.realm == self._kernel.settings.realm, *where)).one()
        )
        return int(size or 0), int(at or 0)

    def _ago(self, at: int) -> float:
        """Seconds since a time that another machine's clock gave; long ago, if that clock lies far in the future."""
        ago = (self._kernel.clock.now_us() - at) / SECOND_US
        return ago if ago > -AHEAD_S else float("inf")

    def _signed(self, size: int) -> bool:
        table = tables.checkpoint
        query = select(table.c.size).where(table.c.realm == self._kernel.settings.realm, table.c.size == size)
        return self._kernel.store.reader().execute(query).first() is not None

    def _keep(self, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
        try:
            with self._kernel.store.side() as connection:
                put(connection, table, {"realm": self._kernel.settings.realm} | key, values)
        except IntegrityError:
            log.debug("another process kept it first")
