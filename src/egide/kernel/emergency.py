"""Emergency first: an alert is never refused because the ledger is down (docs/decisions/0021).

An emergency act is decided from memory. The ledger has `ANSWER_S` to take it; where it cannot, the act goes into the sealed
journal (journal.py), its effect is shown at once, and it is appended to the ledger afterwards: in the order it was called, once.
Once, because the journalled record has the act's entry id, and every emergency act is written together with the row
("emergency", number of that id) of `handled`: a second writing of it finds the row and is dropped, also when the first one's
outcome was not known, or this process was killed in between. While anything waits in the journal, later acts queue behind it.

On a full disk the journal has its reserve; beyond it, acts are kept in memory, said to be, and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import insort
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel import tables
from egide.kernel.act import Ctx, Effect, Facts, Receipt
from egide.kernel.clock import iso
from egide.kernel.errors import Conflict, EgideError, Refused, Text, Unavailable, Uncertain
from egide.kernel.identity import ANONYMOUS, Principal
from egide.kernel.journal import SUFFIX, Journal, load_key, read
from egide.kernel.work import Work

if TYPE_CHECKING:
    from pathlib import Path

    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.emergency")

ANSWER_S = 1.0  # s the ledger has to take an emergency act
APPEND_S = 15.0  # s one journalled act may take to be appended, before it is tried again
LOOK_S = 0.25  # s between looks at the store, at other processes' journals and at what waits
DOUBT_S = 1.0  # s a probe of the store may take before nobody waits for it any more
IN_MEMORY = 10_000  # acts kept in memory alone when even the journal cannot be written
CONSUMER = "emergency"
CAUSE = "journal "


class Held(msgspec.Struct, kw_only=True):
    """One journalled act: all it takes to do it again, to the same ids, as the same person."""

    entry: str
    act: str
    raw: bytes
    at: int  # µs; when it was called
    facts: Facts
    purpose: str
    outcome: str
    law: str
    seed: bytes
    person: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Journalled:
    """What the caller is told: the act waits for the ledger. `durable`: on the disk, not only in memory."""

    entry: str
    at: int  # µs
    durable: bool


@dataclass(slots=True, eq=False)
class Waiting:
    """A journalled act on its way to the ledger; `file` is None while it is in memory alone."""

    held: Held
    work: Work | None
    file: Journal | None

    @property
    def order(self) -> int:
        """Acts are appended in the order in which they were called."""
        return self.held.at


class NoStore:
    """What an emergency act sees instead of the store, so that it cannot come to depend on it."""

    @classmethod
    def connection(cls) -> Connection:
        """In the place of a connection."""
        return cast("Connection", cls())

    def __getattr__(self, name: str) -> Any:
        """Whatever is asked of it."""
        raise Unavailable(
            Text("Un acte d’urgence ne lit pas la base de données.", "An emergency act does not read the database.")
        )


def number(entry: str) -> int:
    """60 bits of an entry's random id: its number in `handled`."""
    return int(entry[:15], 16)


class Emergency:
    """The journal of one process, and what brings it into the ledger."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._folder = kernel.settings.folder / "emergency"
        self._key = b""
        self._own: Journal | None = None
        self._files: set[Journal] = set()  # taken over from dead processes
        self._waiting: list[Waiting] = []
        self._seen: dict[str, tuple[int, frozenset[str]]] = {}  # other processes' files: (when changed, entries in it)
        self._lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._prober = ThreadPoolExecutor(1, "egide-probe")
        self._writer = ThreadPoolExecutor(1, "egide-journal")
        self._probe_failed = False
        self.faults: list[str] = []  # what was tampered with, in words, for the health page
        self.on_appended: list[Callable[[str, Receipt], None]] = []

    # -- start and stop ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens this process's journal, takes over what dead ones left, and starts appending."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._key = load_key(self._folder)
        self._take_over()
        try:
            self._own = Journal.create(self._folder / f"{self._kernel.process}{SUFFIX}", self._key)
        except OSError as error:
            log.warning("no emergency journal: %s", error)
        self._tasks = [
            asyncio.create_task(self._append_all(), name="emergency"),
            asyncio.create_task(self._watch_store(), name="emergency-probe"),
        ]

    async def stop(self) -> None:
        """Stops; what still waits stays in its file for the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._prober.shutdown(wait=False, cancel_futures=True)
        self._writer.shutdown(wait=True)
        if self._own is not None:
            self._own.remove() if not self._waiting else self._own.close()
        for file in self._files:
            file.close()

    @property
    def waiting(self) -> int:
        """How many acts wait for the ledger."""
        return len(self._waiting)

    def pending(self, entry: str) -> bool:
        """Whether this act still waits for the ledger."""
        return any(each.held.entry == entry for each in self._waiting)

    # -- an act comes -----------------------------------------------------------------------------------------------

    async def keep(self, work: Work) -> tuple[Receipt, Journalled | None]:
        """Into the ledger where it answers in time, else into the journal. Raises the refusal, once it is kept."""
        work.once = (CONSUMER, number(work.id))
        refused = work.error
        if not self._is_away():
            self._kernel.writer.submit(work)
            work.future.add_done_callback(_heard)
            try:
                receipt: Receipt = await asyncio.wait_for(asyncio.shield(work.future), ANSWER_S)
            except (TimeoutError, Unavailable, Uncertain) as error:
                log.warning("%s goes to the emergency journal: %s", work.act.name, str(error) or "no answer")
                # The writer may still hold it, and write it late: then too its leaf says when it was called.
                work.ctx.cause, work.settled = _cause(work.ctx.now_us), True
            else:
                return receipt, None
        journalled = await self._journal(work)
        if refused is not None:
            raise refused
        return Receipt(self._kernel.settings.realm, -1, work.id), journalled

    def _is_away(self) -> bool:
        """What is known already need not be waited for; and what came later must not overtake what waits."""
        kernel = self._kernel
        return bool(self._waiting) or kernel.writer.failed is not None or self._probe_failed or kernel.store.away()

    async def _journal(self, work: Work) -> Journalled:
        held = _held(work)
        waiting = Waiting(held, _again(work), None)
        async with self._lock:
            durable = await self._write(waiting)
            if not durable and sum(each.file is None for each in self._waiting) >= IN_MEMORY:
                raise Unavailable(
                    Text(
                        "Ni le registre ni le journal d’urgence ne peuvent écrire : l’alerte n’est pas gardée.",
                        "Neither the ledger nor the emergency journal can write: the alert is not kept.",
                    ),
                    Text("Appelez le 17 ou le 112.", "Call 17 or 112."),
                )
            insort(self._waiting, waiting, key=lambda each: each.order)
        return Journalled(held.entry, held.at, durable)

    async def _write(self, waiting: Waiting) -> bool:
        """Puts a record on the disk; False when it is only in memory."""
        if self._own is None:
            return False
        content = msgspec.msgpack.encode(waiting.held)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, self._own.append, content)
        except OSError as error:
            log.warning("the emergency journal cannot write: %s", error)
            return False
        waiting.file = self._own
        return True

    # -- into the ledger afterwards -----------------------------------------------------------------------------------

    async def _append_all(self) -> None:
        while True:
            try:
                self._take_over()
                await self._look_at_others()
                await self._write_again()
                await self._append()
            except OSError as error:
                log.warning("emergency journal: %s", error)
            await asyncio.sleep(LOOK_S)

    async def _write_again(self) -> None:
        """What is in memory alone is tried on the disk again."""
        for waiting in [each for each in self._waiting if each.file is None]:
            async with self._lock:
                if not await self._write(waiting):
                    return

    async def _append(self) -> None:
        kernel = self._kernel
        while self._waiting and kernel.writer.failed is None and not self._probe_failed and not kernel.store.away():
            first = self._waiting[0]
            receipt = await self._append_one(first)
            if receipt is None:
                return
            async with self._lock:
                self._waiting.remove(first)
                for told in self.on_appended:
                    told(first.held.entry, receipt)
                await self._wipe()

    async def _append_one(self, waiting: Waiting) -> Receipt | None:
        """Where the act stands in the ledger now; None when it cannot be taken yet."""
        kernel = self._kernel
        work = waiting.work or self._restored(waiting.held)
        try:
            if await asyncio.to_thread(
                self._is_erased, work.ctx.principal
            ):  # who was erased meanwhile is not named again
                work = replace(work, ctx=replace(work.ctx, principal=ANONYMOUS))
        except (SQLAlchemyError, EgideError) as error:
            log.warning("a journalled act waits on: %s", error)
            return None
        waiting.work = _again(work)
        kernel.writer.submit(work)
        work.future.add_done_callback(_heard)
        try:
            receipt: Receipt = await asyncio.wait_for(asyncio.shield(work.future), APPEND_S)
        except Refused as refused:
            return Receipt(*(refused.receipt or (kernel.settings.realm, -1)), work.id)
        except (TimeoutError, Unavailable, Uncertain) as error:
            log.warning("a journalled act waits on: %s", str(error) or "no answer")
            return None
        except (Conflict, EgideError) as error:
            try:
                done = await asyncio.to_thread(self._is_in_ledger, work.id)
            except (SQLAlchemyError, EgideError):
                return None
            if done is None and work.effect is None and work.outcome == "failed":
                log.warning("a journalled act cannot be appended: %s", error)
                return None
            if done is None:
                # Its effect can no longer be had (what it was about is gone): the act itself still goes into the ledger.
                waiting.work = replace(_again(work), effect=None, outcome="failed")
            return done
        return receipt

    def _is_erased(self, who: Principal) -> bool:
        known = tables.person.c.id
        there = select(known).where(known == who.id)
        return who.kind == "person" and bool(who.id) and self._kernel.store.reader().execute(there).first() is None

    def _is_in_ledger(self, entry: str) -> Receipt | None:
        realm = self._kernel.settings.realm
        db, handled, table = self._kernel.store.reader(), tables.handled, tables.entry
        there = select(handled.c.seq).where(handled.c.consumer == CONSUMER, handled.c.seq == number(entry))
        if db.execute(there).first() is None:
            return None
        index = db.execute(select(table.c.idx).where(table.c.realm == realm, table.c.id == entry)).scalar()
        return Receipt(realm, -1 if index is None else int(index), entry)

    async def _wipe(self) -> None:
        """Files of which everything is in the ledger: they hold personal data and are of no more use."""
        used = {each.file for each in self._waiting}
        loop = asyncio.get_running_loop()
        if self._own is not None and self._own.used and self._own not in used:
            await loop.run_in_executor(self._writer, self._own.wipe)
        for file in [each for each in self._files if each not in used]:
            self._files.discard(file)
            await loop.run_in_executor(self._writer, file.remove)

    # -- what other processes journalled ------------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Files of processes that are gone: theirs is now ours to append."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if (self._own is not None and path == self._own.path) or any(path == file.path for file in self._files):
                continue
            file = Journal.take_over(path, self._key)
            if file is None:
                continue
            reading = file.read()
            self._fault(reading.faults)
            for held in self._decoded(path.name, reading.records):
                work = self._restored(held)
                insort(self._waiting, Waiting(held, work, file), key=lambda each: each.order)
                self._show(work)
            if reading.faults:
                file.close()
                path.rename(path.with_suffix(".damaged"))  # evidence: it is kept for who looks into it
                for waiting in self._waiting:
                    waiting.file = None if waiting.file is file else waiting.file
            elif reading.records:
                self._files.add(file)
            else:
                file.remove()

    async def _look_at_others(self) -> None:
        """What living processes journal is shown here too: whoever is connected sees an alert, wherever it came in.

        A file is wiped, or goes, once all of it is in the ledger: what was shown from it and has left it waits no more.
        """
        there: set[str] = set()
        for path in self._folder.glob(f"*{SUFFIX}"):
            if (self._own is not None and path == self._own.path) or any(path == file.path for file in self._files):
                continue
            there.add(path.name)
            changed, shown = self._seen.get(path.name, (0, frozenset()))
            with suppress(FileNotFoundError):
                now = path.stat().st_mtime_ns
                if now == changed:
                    continue
                records = await asyncio.get_running_loop().run_in_executor(self._writer, self._records, path)
                held = {each.entry: each for each in self._decoded(path.name, records)}
                for entry, each in held.items():
                    if entry not in shown:
                        self._show(self._restored(each))
                self._seen[path.name] = now, frozenset(held)
                self._left(shown - held.keys())
        for name in self._seen.keys() - there:
            self._left(self._seen.pop(name)[1])

    def _records(self, path: Path) -> list[bytes]:
        return read(path.name, path.read_bytes().rstrip(b"\0"), AESGCM(self._key)).records

    def _left(self, entries: Iterable[str]) -> None:
        for entry in entries:
            if not self.pending(entry):  # what this process has taken over is told when it is in the ledger
                for told in self.on_appended:
                    told(entry, Receipt(self._kernel.settings.realm, -1, entry))

    def _decoded(self, name: str, records: list[bytes]) -> list[Held]:
        found = []
        for content in records:
            try:
                held = msgspec.msgpack.decode(content, type=Held)
            except msgspec.DecodeError as error:
                self._fault([f"{name}: {error}"])
                continue
            act = self._kernel.acts.get(held.act)
            if act is None or not act.emergency:
                self._fault([f"{name}: {held.act} is no emergency act"])
                continue
            found.append(held)
        return found

    def _fault(self, faults: list[str]) -> None:
        for fault in faults:
            log.error("emergency journal: %s", fault)
        self.faults += [fault for fault in faults if fault not in self.faults]

    def _show(self, work: Work) -> None:
        """The effect of a restored act on what is shown; what is only for its caller (an answer) has gone with them."""
        if work.effect is not None and work.effect.after is not None:
            try:
                work.effect.after(Receipt(self._kernel.settings.realm, -1, work.id))
            except (EgideError, SQLAlchemyError) as error:
                log.warning("a journalled act is not shown: %s", error)

    def _restored(self, held: Held) -> Work:
        """The act as it was called: same person, time, facts, decision and ids."""
        kernel = self._kernel
        act = kernel.acts[held.act]
        person = Principal(**held.person | _typed(held.person))
        ctx = Ctx(
            kernel, person, act, held.at, NoStore.connection(), held.purpose, _cause(held.at), seed=held.seed, replayed=True
        )  # fmt: skip
        decision = replace(
            kernel.guard.decide(act.name, held.facts), law_hash=held.law, allowed=held.outcome == "allowed"
        )
        effect: Effect | None = None
        outcome = held.outcome
        given = act.decoder.decode(held.raw)
        if decision.allowed:
            try:
                made = act.handler(ctx, given)
                effect = made if isinstance(made, Effect) else None
            except EgideError as error:
                log.warning("a journalled %s has no effect any more: %s", act.name, error)
                outcome = "failed"
        work = Work(
            act, ctx, given, held.raw, held.facts, decision, effect, outcome, kernel.epoch, held.entry,
            asyncio.get_running_loop().create_future(), once=(CONSUMER, number(held.entry)), settled=True,
        )  # fmt: skip
        if not decision.allowed:
            work.error = Refused(decision)
        return work

    # -- is the store there? ------------------------------------------------------------------------------------------

    async def _watch_store(self) -> None:
        """Asks from a thread of its own, so that a database that hangs is known before the event loop waits for it."""
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.run_in_executor(self._prober, self._kernel.store.probe)
            since = monotonic()
            while not asked.done():
                await asyncio.wait({asked}, timeout=LOOK_S)
                if not asked.done() and monotonic() - since > DOUBT_S:
                    self._probe_failed = True
                    self._kernel.store.doubt()
            failed = asked.exception()
            self._probe_failed = failed is not None
            if failed is not None:
                self._kernel.store.doubt()
            await asyncio.sleep(LOOK_S)


def _heard(future: asyncio.Future[Any]) -> None:
    """Nobody may wait for this answer any more; that is not a mistake."""
    if not future.cancelled():
        future.exception()


def _cause(at: int) -> str:
    """What the leaf says of where the act waited: oversight shows when it was called beside when it was recorded."""
    return f"{CAUSE}{iso(at)}"


def called_at(cause: str) -> str | None:
    """When an act was called (ISO 8601) that waited in the emergency journal, from its leaf's cause; None for any other."""
    return cause.removeprefix(CAUSE) if cause.startswith(CAUSE) else None


def _held(work: Work) -> Held:
    who = work.ctx.principal
    return Held(
        entry=work.id, act=work.act.name, raw=work.raw, at=work.ctx.now_us, facts=dict(work.facts), purpose=work.ctx.purpose,
        outcome=work.outcome, law=work.decision.law_hash, seed=work.ctx.seed,
        person={
            "id": who.id, "name": who.name, "roles": sorted(who.roles), "kind": who.kind, "unit": who.unit, "session": who.session,
            "strong": who.strong, "scopes": who.scopes,
        },
    )  # fmt: skip


def _typed(person: dict[str, Any]) -> dict[str, Any]:
    return {"roles": frozenset(person["roles"]), "scopes": tuple((str(a), int(b)) for a, b in person["scopes"])}


def _again(work: Work) -> Work:
    """The same act for another try: decided and done already, called when it was."""
    ctx = replace(work.ctx, cause=_cause(work.ctx.now_us), channel=None, replayed=True)
    refused = None if work.decision.allowed else Refused(work.decision)
    loop = asyncio.get_running_loop()
    return replace(work, ctx=ctx, error=refused, receipt=None, settled=True, future=loop.create_future())
