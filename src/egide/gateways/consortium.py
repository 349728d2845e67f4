"""The platform as a member of the consortium: the ledger that the border asks (`CONSORTIUM`), started and stopped with it.

What is written comes from acts that were decided before, and no act waits for it:

    border.key.make, .end   the key is listed, or taken off, within the minutes that follow (here)
    erasures, own log       the hourly roots, and the digest of the status list (border/clerk.py)

A key is listed once. One that the authorities removed is never listed again by itself: they have the last word.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError

from egide.border import tables
from egide.border.clerk import Elsewhere
from egide.border.keys import CONSORTIUM, ROLES
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.model import Key, Role, kid_text
from egide.border.ledger.reading import Reading, number, word
from egide.border.realm import BOTH
from egide.gateways.consortium_machines import OwnChain
from egide.kernel.errors import EgideError, Text
from egide.protocols.vapid import decoded

if TYPE_CHECKING:
    from egide.border.ledger.ballots import Ballot
    from egide.border.ledger.model import Ledger
    from egide.gateways.consortium_machines import Machine
    from egide.kernel.capability import Capability
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.consortium")

STEP_S = 5.0  # s between two looks at who speaks for this authority, or at the node
LISTING = 13  # steps between two keys: the contract takes one a minute
KEY_LIFE_S = 730 * 86_400  # s a listed key is trusted; the contract takes two years and two days
LATE_US = (
    2 * 3_600_000_000
)  # µs that a root of erasures may wait before people are told: the contract takes one an hour


class Connected(Reading):
    """`Ledger` (border/ledger/model.py) of this platform."""

    def __init__(self, kernel: Kernel, machine: Machine) -> None:
        super().__init__(machine.read)
        self._kernel, self.machine = kernel, machine
        self.me, self.names = machine.me, machine.names
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    def trusted(self, kid: str, role: Role, at: int) -> Key | None:
        """The key of this name, if it is trusted for this role at this time."""
        return self.machine.trusted(kid, role, at)

    def ready(self) -> None:
        """Raises `Elsewhere` where another process writes for the member, `Unavailable` where nothing can be written now."""
        self._writer()

    def ballots(self) -> tuple[Ballot, ...] | None:
        """The open votes; None where they cannot be known."""
        return self.machine.ballots()

    def add_key(self, x: bytes, y: bytes, role: Role, since: int, until: int) -> str:
        """Trusts a key of this member's; gives its kid."""
        return self._writer().add_key(x, y, role, since, until)

    def remove_key(self, kid: str, role: Role) -> None:
        """Ends the trust in a key of this member's, at once."""
        self._writer().remove_key(kid, role)

    def put_status(self, kid: str, digest: bytes, sequence: int) -> None:
        """Says the digest of a status list that this member issues."""
        self._writer().put_status(kid, digest, sequence)

    def checkpoint(self, root: bytes, size: int) -> None:
        """Anchors the root of the platform's ledger."""
        self._writer().checkpoint(root, size)

    def erasure_root(self, root: bytes, size: int) -> None:
        """Anchors a root of erasures; one that stands there already, from a write that was answered too late, is good."""
        if self.erasure_at(self.machine.me, size) != root:
            self._writer().erasure_root(root, size)

    def vote(self, address: bytes, key: bytes | None) -> None:
        """For a new member with this key, or (None) for one to leave."""
        self._writer().vote(address, key)

    def _writer(self) -> Ledger:
        """The ledger that writes for the member. Raises `Elsewhere` where another process does, `Unavailable`."""
        if isinstance(self.machine, OwnChain) and self.machine.elsewhere:
            raise Elsewhere(
                Text("Un autre processus parle pour cette autorité.", "Another process speaks for this authority."),
                Text("Redemandez : il répondra.", "Ask again: that one will answer."),
            )
        return self.machine.writer()

    async def start(self) -> None:
        """Becomes the authority, or looks at the node, and goes on doing so."""
        await asyncio.to_thread(self.machine.step)
        self._task = asyncio.create_task(self._keep(), name="consortium")

    async def stop(self) -> None:
        """Ends; a write that is on its way is waited for, ten seconds at most (tcp.SETTLE_S)."""
        self._ending.set()
        if self._task is not None:
            await self._task
        await asyncio.to_thread(self.machine.close)

    def list_keys(self) -> None:
        """Lists one key of this platform that never was, and takes off those that ended here. Raises `EgideError`."""
        writer, now = self._writer(), self._kernel.clock.now_us() // 1_000_000
        listed, rows = self.keys(), self._rows()
        there = {(each.kid, each.role): each for each in listed}
        for row in rows:
            found = there.get((row.kid, ROLES[row.role]))
            if found is not None and row.until is not None and found.owner == self.machine.me:
                writer.remove_key(row.kid, ROLES[row.role])
        new = [row for row in rows if row.until is None and (row.kid, ROLES[row.role]) not in there]
        ever = self._ever() if new else set()
        for row in new:
            if (row.kid, ROLES[row.role]) not in ever:
                writer.add_key(decoded(row.x), decoded(row.y), ROLES[row.role], now, now + KEY_LIFE_S)
                return

    def told(self) -> tuple[bool, Text]:
        """(whether all is well, one line) for the health page."""
        trouble = self.machine.trouble()
        if trouble is not None:
            return False, trouble
        if self._failing:
            return False, Text(
                "une erreur imprévue revient : voyez le journal", "an unforeseen error comes again: look at the log"
            )
        batch = tables.batch
        late = batch.c.anchored.is_(False) & (batch.c.at < self._kernel.clock.now_us() - LATE_US)
        count = self._kernel.store.reader().execute(select(func.count()).where(late)).scalar() or 0
        if count:
            return False, Text(f"{count} racines d’effacement attendent", f"{count} roots of erasures wait")
        return True, Text("connecté", "connected")

    def _rows(self) -> list[Any]:
        db = self._kernel.store.reader()
        return [row for of in BOTH for row in db.execute(select(of.tables.key).order_by(of.tables.key.c.since)).all()]

    def _ever(self) -> set[tuple[str, Role]]:
        """Every key that ever was on the ledger: an entry stays where its key was removed."""
        read = self.machine.read
        return {
            (kid_text(word(read("entry_kid", place)[0])), Role(number(read("entry_role", place)[0])))
            for place in range(number(read("entry_count")[0]))
        }

    async def _keep(self) -> None:
        """Runs for as long as the platform: what nobody foresaw (a panic of the machine, too) ends one turn, not all."""
        while not self._ending.is_set():
            turn = asyncio.create_task(self._run(), name="consortium turn")
            try:
                await asyncio.wait({turn})
            finally:
                turn.cancel()
            failed = None if turn.cancelled() else turn.exception()
            self._failing = failed is not None
            if failed is not None:
                log.error("the consortium’s turn failed and is begun again", exc_info=failed)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), STEP_S)

    async def _run(self) -> None:
        steps = 0
        while not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), STEP_S)
                return
            steps += 1
            try:
                await asyncio.to_thread(self.machine.step)
                self._failing = False
                if steps % LISTING == 0:
                    await asyncio.to_thread(self.list_keys)
            except Elsewhere:
                continue
            except LedgerRefused as error:
                log.info("the consortium's ledger did not take a key yet: %s", error.why)
            except (EgideError, DatabaseError, OSError) as error:  # it comes again
                log.warning("the consortium's ledger is out of reach: %s", error)


def beside(capability: Capability) -> Capability:
    """The border's capability, with the consortium started before it and stopped after it where one is configured."""
    first, last = capability.start, capability.stop

    async def start(kernel: Kernel) -> None:
        connected: Connected | None = kernel.things.get(CONSORTIUM)
        if connected is not None:
            await connected.start()
        if first is not None:
            await first(kernel)

    async def stop(kernel: Kernel) -> None:
        if last is not None:
            await last(kernel)
        connected: Connected | None = kernel.things.get(CONSORTIUM)
        if connected is not None:
            await connected.stop()

    return replace(capability, start=start, stop=stop)
