"""The one writer of a process: takes decided acts from a queue and makes each durable, many in one commit (group commit).

Contract, after tessera's: *a durably assigned ledger index, or an error*. In one transaction per batch: the lead is taken (no
other process appends until the commit), what others appended is followed, volatile facts are gathered again and decided again
where another act may have changed them, rows are applied (one savepoint per act that needs one), bodies sealed, leaves hashed,
events put in the outbox, a checkpoint signed when due. Nothing is half-written: an error rolls the whole batch back, and every
act in it is told. Where the store went away during the commit, the writer looks before it says anything.
"""

from __future__ import annotations

import logging
import queue
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from egide.kernel import tables
from egide.kernel.act import Receipt
from egide.kernel.applying import Apart, Applying, once
from egide.kernel.errors import EgideError, Refused, Unavailable, Uncertain
from egide.kernel.store import put, unavailable
from egide.kernel.work import Work, signatory, written

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.writer")

BATCH = 256  # acts a commit, tessera's constant
CHECKPOINT_S = 0.25  # s, tessera's constant; also the longest an entry waits for a signed root
BUSY = 8  # acts in the last commit from which on the next one waits a little for company
GATHER_S = 0.004  # s it waits: what a commit takes on an ordinary disk (fsync); halves the cost of commits under load
SETTLE_S = 8.0  # s during which a commit of unknown outcome is looked for, before its acts are told that nobody knows

_encode = msgspec.json.Encoder().encode
_ENTRY = ("realm", "idx", "leaf", "body", "id", "at", "act", "outcome", "actor", "order_id")
_OUTBOX = ("at", "realm", "entry", "name", "payload", "process")
_CONCERN = ("realm", "idx", "person")
_TILE = ("realm", "level", "number", "hashes", "root")


class Writer:
    """The writer thread of one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._queue: queue.SimpleQueue[tuple[Work, ...] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="egide-writer", daemon=True)
        self._unsigned = 0
        self._signed_at = monotonic()
        self._applying = Applying(kernel)
        self._committing = False  # the commit was asked for: from here on a lost connection says nothing of its outcome
        self.failed: str | None = None  # the last batch's failure in words, for the health page

    def start(self) -> None:
        """Starts the thread; entries that a process left unsigned when it died are signed by the next idle moment."""
        signed = self._kernel.latest_checkpoint()
        self._unsigned = self._kernel.log.size - (signed[0] if signed else 0)
        self._thread.start()

    def stop(self) -> None:
        """Finishes what is queued, signs, and ends."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def submit(self, *works: Work) -> None:
        """Queues a decided act, or several that are written in one transaction."""
        self._queue.put(works)

    def _run(self) -> None:
        ending = False
        batch: list[Work] = []
        while not ending:
            busy, batch = len(batch) >= BUSY, []
            try:
                first = self._queue.get(timeout=CHECKPOINT_S)
                if busy and self._queue.qsize() < BATCH:
                    sleep(GATHER_S)
                while first is not None:
                    batch.extend(first)
                    if len(batch) >= BATCH:
                        break
                    first = self._queue.get_nowait()
                ending = first is None
            except queue.Empty:
                pass
            if batch:
                self._commit(batch)
            else:
                self._idle()

    def _idle(self) -> None:
        """Nothing to write: follows the others, signs what is unsigned, tries again after a failure."""
        if self.failed is not None and not self._unsigned:
            self._try_again()
        if self._kernel.store_stale:
            self._kernel.store_stale = False
            self._kernel.store.renew()
        try:
            self._follow(self._kernel.store.reader())
        except (SQLAlchemyError, OSError, EgideError) as error:
            self.failed = str(error)
            return
        if self._unsigned:
            self._sign_alone()

    @property
    def waiting(self) -> int:
        """How many acts are queued."""
        return self._queue.qsize()

    def _commit(self, batch: list[Work]) -> None:
        started = monotonic()
        try:
            self._transaction(batch, careful=False)
            self.failed = None
        except (IntegrityError, DataError, Apart):
            # One act's rows collided, or were not there: again, each under its own savepoint, so that only that act fails.
            self._guarded(batch)
        except (SQLAlchemyError, OSError, EgideError) as error:
            self._settle(batch, error)
        except Exception:
            # A row or a change of one act (a plug-in's, say) is at fault, whatever it raises: it must not end the one writer.
            log.exception("a batch of %d acts is written again, one by one", len(batch))
            self._guarded(batch)
        self._kernel.measures.committed(len(batch), monotonic() - started)
        self._kernel.door.committed(batch)

    def _guarded(self, batch: list[Work]) -> None:
        for work in batch:
            work.receipt = None
            if not isinstance(work.error, Refused):  # a refusal stays one, whatever became of its neighbours
                work.error = None
        try:
            self._transaction(batch, careful=True)
            self.failed = None
        except Exception as error:
            # The last resort: whatever it was, every act of the batch is told what became of it.
            log.exception("a batch of %d acts could not be written", len(batch))
            self._settle(batch, error)

    def _settle(self, batch: list[Work], error: Exception) -> None:
        """The batch failed: says so, unless the commit was under way when the store went away. Then it looks."""
        reason = error if isinstance(error, Unavailable) else unavailable(error)
        self.failed = reason.what.en
        log.warning("%d acts: %s", len(batch), reason.what.en)
        if not self._committing:
            self._fail(batch, reason)
            return
        until = monotonic() + SETTLE_S
        while monotonic() < until:
            try:
                written = self._written(batch)
            except (SQLAlchemyError, OSError, EgideError):
                sleep(GATHER_S * 25)
                continue
            for work in batch:
                if work.receipt is not None and work.receipt.id not in written:
                    self._fail([work], reason)
            return
        self._fail(batch, Uncertain())

    def _written(self, batch: list[Work]) -> set[str]:
        """Which acts of a lost commit are in the ledger. Under the lead: what the server still worked on is over by then."""
        store, realm = self._kernel.store, self._kernel.settings.realm
        store.drop_writer()
        table = tables.entry
        with store.writer.begin():
            store.lead(store.writer, realm)
            found = store.writer.execute(
                select(table.c.id).where(table.c.realm == realm, table.c.id.in_([work.id for work in batch]))
            )
            return {row[0] for row in found}

    @staticmethod
    def _fail(batch: list[Work], reason: EgideError) -> None:
        for work in batch:
            work.error = reason
            work.receipt = None

    def _transaction(self, batch: list[Work], *, careful: bool) -> None:
        kernel = self._kernel
        realm = kernel.settings.realm
        self._committing = False
        kernel.vault.ensure(owner for work in batch for owner in _keys(work))
        connection = kernel.store.writer
        with kernel.vault.commit(), connection.begin():
            kernel.store.lead(connection, realm)
            before = epoch = self._follow(connection)
            at = kernel.clock.now_us()
            waiting: list[Work] = []
            kept: list[Work] = []
            for work in batch:
                effect = work.effect
                alone = careful or work.epoch != epoch or work.act.recheck is not None
                alone = alone or (effect is not None and effect.apply is not None)
                if alone and (effect is not None or once(work)):
                    self._applying.together(connection, waiting)
                    if not self._applying.alone(connection, work, epoch):
                        continue
                else:
                    waiting.append(work)
                if work.effect is not None and work.effect.rights_changed:
                    epoch += 1
                kept.append(work)
            self._applying.together(connection, waiting)
            if epoch != before:
                put(connection, tables.rights, {"realm": realm}, {"epoch": epoch})
            adopt = self._append(connection, kept, at)
            kernel.vault.carry_out()
            self._committing = True
        self._committing = False
        adopt()
        kernel.epoch = epoch

    def _follow(self, connection: Connection) -> int:
        """Takes over what others appended since; gives the epoch of rights. Where the caller leads, nothing comes after."""
        kernel = self._kernel
        realm = kernel.settings.realm
        rows = connection.execute(_SINCE, {"realm": realm, "size": kernel.log.size}).all()
        if rows:
            kernel.log.adopt(kernel.log.prepare([bytes(row.leaf) for row in rows]))
            kernel.clock.remember(int(rows[-1].at))
            self._unsigned += len(rows)
        return int(connection.execute(_EPOCH, {"realm": realm}).scalar() or 1)

    def _append(self, connection: Connection, batch: list[Work], at: int) -> Any:
        kernel = self._kernel
        realm = kernel.settings.realm
        log = kernel.log
        leaves: list[bytes] = []
        rows: list[tuple[Any, ...]] = []
        events: list[tuple[Any, ...]] = []
        concerns: list[tuple[Any, ...]] = []
        for offset, work in enumerate(batch):
            index = log.size + offset
            sealed, leaf = written(work, kernel.vault, at, realm)
            leaves.append(leaf)
            effect = work.effect
            actor = (effect.actor if effect is not None else None) or work.ctx.principal.id
            order = effect.order if effect is not None else None
            rows.append((realm, index, leaf, sealed, work.id, at, work.act.name, work.outcome, actor or None, order))
            work.receipt = Receipt(realm, index, work.id)
            if effect is not None and effect.events:
                events.extend(
                    (at, realm, work.id, name, _encode(payload), kernel.process) for name, payload in effect.events
                )
            if effect is not None and effect.concerns:
                concerns.extend((realm, index, person) for person in dict.fromkeys(effect.concerns))
        if not rows:
            return _nothing
        kernel.store.insert(connection, tables.entry, _ENTRY, rows)
        kernel.store.insert(connection, tables.outbox, _OUTBOX, events)
        kernel.store.insert(connection, tables.concern, _CONCERN, concerns)
        placed = [(work.asked, work.receipt.index) for work in batch if work.asked and work.effect and work.receipt]
        kernel.repeats.place(connection, placed)
        prepared = log.prepare(leaves)
        kernel.store.insert(connection, tables.tile, _TILE, [(realm, *tile) for tile in prepared.tiles])
        unsigned = self._unsigned + len(rows)
        due = unsigned >= BATCH or monotonic() - self._signed_at >= CHECKPOINT_S
        if due:
            self._write_checkpoint(connection, prepared.size, prepared.root, at)

        def adopt() -> None:
            log.adopt(prepared)
            self._unsigned = 0 if due else unsigned
            if due:
                self._signed_at = monotonic()

        return adopt

    def _write_checkpoint(self, connection: Connection, size: int, root: bytes, at: int) -> None:
        note = self._kernel.sign_checkpoint(size, root)
        connection.execute(
            insert(tables.checkpoint), {"realm": self._kernel.settings.realm, "size": size, "at": at, "note": note}
        )

    def _sign_alone(self) -> None:
        """Nothing came for 250 ms: sign what is there, unless another process has."""
        kernel = self._kernel
        try:
            connection = kernel.store.writer  # may have to connect anew: that fails like the rest
            with connection.begin():
                kernel.store.lead(connection, kernel.settings.realm)
                self._follow(connection)
                signed = kernel.latest_checkpoint(connection)
                if signed is None or signed[0] < kernel.log.size:
                    self._write_checkpoint(connection, kernel.log.size, kernel.log.root(), kernel.clock.now_us())
        except (SQLAlchemyError, OSError, EgideError) as error:
            self.failed = str(error)
            return
        self._unsigned = 0
        self._signed_at = monotonic()
        self.failed = None

    def _try_again(self) -> None:
        """After a failure: once the store takes a write and the clock goes on, nobody is refused for want of a ledger."""
        try:
            self._kernel.clock.now_us()
            with self._kernel.store.writer.begin():
                put(self._kernel.store.writer, tables.consumer, {"name": "writer"}, {"seq": self._kernel.log.size})
        except (SQLAlchemyError, OSError, EgideError):
            return
        self.failed = None


# Built once: a statement costs more to build than to run.
_SINCE = (
    select(tables.entry.c.leaf, tables.entry.c.at)
    .where(tables.entry.c.realm == bindparam("realm"), tables.entry.c.idx >= bindparam("size"))
    .order_by(tables.entry.c.idx)
)
_EPOCH = select(tables.rights.c.epoch).where(tables.rights.c.realm == bindparam("realm"))


def _keys(work: Work) -> tuple[tuple[str, str], ...]:
    """The keys that writing this act takes, as far as they are known before."""
    return (signatory(work), *(work.effect.keys if work.effect is not None else ()))


def _nothing() -> None:
    return
