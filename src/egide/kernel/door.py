"""The one door: `Kernel.perform`. Validate → gather facts → decide → (refuse, naming every article) → compute → one durable
transaction → reply → publish.

A `Kernel` is what the composition root (app.py) builds: settings, clock, store, vault, ledger, law, acts. It knows no capability.
"""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Receipt
from egide.kernel.capability import Activity, Capability, activities, check
from egide.kernel.checkpoint import Checkpoint, parse
from egide.kernel.checkpoint import sign as sign_note
from egide.kernel.clock import Clock
from egide.kernel.downloads import Downloads
from egide.kernel.emergency import Emergency, Journalled, NoStore
from egide.kernel.engine import Engines
from egide.kernel.ephemeral import Ephemeral
from egide.kernel.erasure import Erasures
from egide.kernel.errors import (
    BadInput,
    Conflict,
    EgideError,
    Failed,
    NotFound,
    NotSignedIn,
    Refused,
    StartupError,
    Text,
    TooLarge,
    TooMany,
    Unavailable,
)
from egide.kernel.events import Bus
from egide.kernel.follow import Follower
from egide.kernel.gathering import Gathering
from egide.kernel.guard import ActLaw, Decision, Guard
from egide.kernel.identity import ANONYMOUS, Identity, Principal
from egide.kernel.law import LawBook
from egide.kernel.law_clock import LawClock
from egide.kernel.leases import Leases
from egide.kernel.ledger import Log, damaged
from egide.kernel.limits import Buckets
from egide.kernel.measures import Measures
from egide.kernel.orders import Orders
from egide.kernel.processes import Processes
from egide.kernel.randomness import draw
from egide.kernel.repeats import Asked, Repeats, kept
from egide.kernel.settings import Settings
from egide.kernel.store import unavailable
from egide.kernel.tiles import SqlTiles
from egide.kernel.together import Batch
from egide.kernel.vault import Vault
from egide.kernel.witnessing import Witnessing
from egide.kernel.work import Work
from egide.kernel.writer import Writer

log = logging.getLogger("egide.door")

LAW = Path(__file__).parent.parent / "law"


@dataclass(slots=True)
class Outcome:
    """What `perform` gives back: the act's result and where it stands in the ledger (None for the open class)."""

    result: Any
    receipt: Receipt | None
    effect: Effect
    journal: Journalled | None = None  # where it stands until the ledger takes it

    def told(self) -> Any:
        """The result for who goes on listening: as it is now; as it was decided where the store does not answer."""
        if self.effect.latest is None:
            return self.result
        try:
            return self.effect.latest()
        except (EgideError, DatabaseError):
            return self.result


class Kernel:
    """One process's kernel. Raises `StartupError` when a pack, a manifest or a setting is broken."""

    def __init__(
        self,
        settings: Settings,
        capabilities: tuple[Capability, ...],
        engines: Engines,
        *,
        clock: Clock | None = None,
        law: Path = LAW,
    ) -> None:
        self.settings = settings
        self.law = law  # the folder of packs: replay lays others over it
        self.clock = clock or Clock()
        self.capabilities = capabilities
        self.activities: dict[str, Activity] = {}
        for capability in capabilities:
            for activity in activities(capability):
                self.activities[activity.id] = activity
        self.acts = check(capabilities, self.activities)
        self._never = {name: self.acts[by] for each in capabilities for name, by in each.never.items()}
        self._gathering = Gathering(self)
        self.book, self.guard = self.law_of(self.clock.now())
        self.law_clock = LawClock(self)
        self.facts = self._gathering.facts
        self.store = engines.store
        self.objects = engines.objects
        self.store.create(
            [tables.metadata, *(capability.tables for capability in capabilities if capability.tables is not None)]
        )
        head = self.latest_checkpoint()  # before the size: whoever else writes meanwhile only adds entries
        with self.store.moment() as db:  # in one moment: others may append as fast as this reads
            size, last = self.store.last_entry(settings.realm, db)
            tiles = SqlTiles(self.store.reader, settings.realm)
            self.log = Log.recover(SqlTiles(lambda: db, settings.realm), size, later=tiles)
        self.vault = Vault.open(engines.rows, engines.keys, settings.realm, may_create=not size)
        self.key = engines.keys.signer(self.origin, may_create=not size)
        self.clock.remember(last)
        self._check_head(head)
        self.leaving = False  # making room for a newer process: takes up nothing new
        self.on_leaving: list[Callable[[], Awaitable[None]]] = []  # what capabilities hand over then
        self.process = draw(8).hex()  # this process among those that share the store
        # Of rights: grows with every change, in whichever process; read again inside the writer's transaction.
        self.epoch = self._stored_epoch()
        self.store_stale = False  # the writer's thread renews its connections when it has nothing to do
        self.bus = Bus(self, engines.transport)
        self.identity = Identity(self)
        self.orders = Orders(self)
        self.leases = Leases(self)
        self.buckets = Buckets(settings.acts_per_s)
        self.repeats = Repeats(self)
        self.writer = Writer(self)
        self.processes = Processes(self)
        self.ephemeral = Ephemeral(self)
        self.follower = Follower(self)
        self.witnessing = Witnessing(self)
        self.emergency = Emergency(self)
        self.erasures = Erasures(self)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.measures = Measures()
        self.counted: dict[str, int] = {}  # open-class acts, counted only
        self.downloads = Downloads(self.process)
        # Open class, by path under /map/: a file, or what computes the answer from the query. No personal data, ever.
        self.public: dict[str, Path | Callable[[Mapping[str, str]], bytes]] = {}
        self.things: dict[str, Any] = {}  # what capabilities start and keep: hub, exercise…, by name

    @property
    def origin(self) -> str:
        """The ledger's name in checkpoints (C2SP origin line)."""
        return f"egide/{self.settings.realm}"

    def law_of(self, at: datetime) -> tuple[LawBook, Guard]:
        """The law of a moment and the guard that decides by it. Raises `StartupError` where a pack is broken."""
        book = LawBook.load(self.law, self.settings.jurisdiction, at)
        laws = {name: ActLaw(name, self._gathering.groups(act)) for name, act in self.acts.items() if not act.open}
        guard = Guard(book, laws)
        self._gathering.check(guard)
        return book, guard

    def enact(self, book: LawBook, guard: Guard) -> None:
        """Decides by another law from now on; what is looked at under a lease is asked again within a second."""
        self.book, self.guard = book, guard
        self._gathering.forget()

    # -- start and stop ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Starts the writer, the bus, the leases and every capability."""
        self.loop = asyncio.get_running_loop()
        self._lock = lock(self.settings.folder)
        self.writer.start()
        await self.processes.start()
        self.bus.watch(lambda name, told: self.orders.note_end(told["order"]) if name == "order.ended" else None)
        await self.bus.start()
        self.ephemeral.start()
        self.follower.start()
        self.leases.start()
        self.witnessing.start()
        self.erasures.start()
        self.law_clock.start()
        for capability in self.capabilities:
            if capability.start is not None:
                await capability.start(self)
        await self.emergency.start()

    async def stop(self) -> None:
        """Stops everything in the reverse order; what is queued is finished first."""
        await self.emergency.stop()
        for capability in reversed(self.capabilities):
            if capability.stop is not None:
                await capability.stop(self)
        await self.law_clock.stop()
        await self.witnessing.stop()
        await self.erasures.stop()
        await self.leases.stop()
        await self.follower.stop()
        self.ephemeral.stop()
        await self.bus.stop()
        await self.processes.stop()
        await asyncio.to_thread(self.writer.stop)
        self.store.close()
        self.vault.close()
        os.close(self._lock)

    def _check_head(self, latest: tuple[int, str] | None) -> None:
        """What is stored must be what was signed: a leaf edited since then would otherwise be signed over."""
        if latest is None:
            return
        signed = parse(latest[1]).checkpoint
        if signed.size > self.log.size or self.log.root(signed.size) != signed.root:
            raise damaged(f"its leaves are not those signed at size {signed.size}")

    # -- the door ---------------------------------------------------------------------------------------------------

    async def perform(
        self,
        name: str,
        raw: bytes | msgspec.Struct,
        principal: Principal,
        *,
        cause: str = "",
        channel: Any = None,
        address: str = "",
        once: tuple[str, int] | None = None,
        batch: Batch | None = None,
    ) -> Outcome:
        """Runs one act for `principal`. `raw` is JSON or an input struct; `address` is only for limiting who is not signed in.

        `once`, (consumer, number), is written with an allowed act: the same a second time raises `Conflict`, nothing is done.
        An input with a `client_id` that was done already gives the first outcome again (repeats.py). `batch`: the acts it is
        asked for with, which were counted as one (together.py).

        Raises `BadInput`, `NotSignedIn`, `Refused` (recorded, every broken article listed), `Unavailable` (nothing was done),
        what the act itself raises of `EgideError`, and `Failed` for anything else that its code does.
        """
        act = self.act_of(name)
        if act is not None and act.name != name:
            name, raw = act.name, b"{}"  # what is never done reads nothing, and keeps nothing of what it was given
        if act is None or (act.system and principal.kind != "system") or (act.live and channel is None):
            raise NotFound(Text(f"Cet acte n’existe pas ici : {name}.", f"There is no such act here: {name}."))
        if batch is None and principal.kind != "system" and not self.buckets.take(principal.id or address):
            raise TooMany(
                Text("Trop de demandes en peu de temps.", "Too many requests in a short time."),
                Text("Attendez quelques secondes.", "Wait a few seconds."),
            )
        given, raw = self._validate(act, raw)
        if principal is ANONYMOUS and "anyone" not in act.roles and not act.open:
            raise NotSignedIn(
                Text(
                    "Vous n’êtes pas connecté, ou votre session est terminée.",
                    "You are not signed in, or your session has ended.",
                ),
                Text("Connectez-vous, puis recommencez.", "Sign in, then try again."),
            )
        ctx = self._ctx(act, principal, cause, channel, address)
        ctx.shared = batch.shared if batch is not None else None
        ctx.consumer = once[0] if once is not None else ""
        if act.open:
            self.counted[name] = self.counted.get(name, 0) + 1
            try:
                effect = await _resolved(act.handler(ctx, given))
            except EgideError:
                raise
            except Exception as error:  # an act's own code: whatever it raises reaches people as a sentence
                raise _plain(name, error) from error
            return Outcome(effect.result, None, effect)
        activity = self.activities[act.activity]
        ctx.purpose = (
            getattr(given, "purpose", None) if getattr(given, "says_purpose", True) else None
        ) or activity.purposes[0].id
        if act.emergency:
            return await self._urgent(act, ctx, given, raw)
        asked = self.repeats.asked(act, principal, given)
        # Used meanwhile all the same, it collides when it is written.
        again = None if asked is None or (batch is not None and asked.client in batch.new) else self._again(asked)
        if again is not None:
            return again
        try:
            if act.prepare is not None:
                await act.prepare(ctx, given)
            epoch = self._epoch_of(principal)
            facts = self.facts(ctx, given)
            decision = self.guard.decide(name, facts)
            computed = await _resolved(act.handler(ctx, given)) if decision.allowed else None
        except EgideError:
            again = self._again(asked)  # what refuses it may be that it was done a moment ago
            if again is None:
                raise
            return again
        except Exception as error:  # as above; nothing has been done yet
            raise _plain(name, error) from error
        try:
            receipt = await self._record(
                act, ctx, given, raw, facts, decision, computed, epoch, once=once, asked=asked, batch=batch
            )
        except Conflict:
            again = self._again(asked)  # the same was on its way already
            if again is None:
                raise
            return again
        effect = computed or Effect()
        if effect.after is not None:
            try:
                done = effect.after(receipt)
                if inspect.isawaitable(done):
                    await done
            except (EgideError, OSError):
                # The decision is in the ledger; that its effect did not happen must be there too (two commits, design §2).
                ctx.cause = receipt.id
                await self._record(
                    act, ctx, given, raw, facts, decision, Effect(order=effect.order), epoch, outcome="failed"
                )
                raise
        return Outcome(effect.result, receipt, effect)

    def act_of(self, name: str) -> Act | None:
        """The act of this name; for what is never done (`Capability.never`) the one that says by which article."""
        found = self.acts.get(name)
        if found is not None:
            return found
        return next((act for never, act in self._never.items() if name == never or name.startswith(f"{never}.")), None)

    def _again(self, asked: Asked | None) -> Outcome | None:
        """The first outcome of what a device asks again."""
        done = self.repeats.done(asked) if asked is not None else None
        return Outcome(done[0], done[1], Effect(done[0])) if done is not None else None

    def _ctx(self, act: Act, principal: Principal, cause: str, channel: Any, address: str) -> Ctx:
        if act.emergency:  # neither the store nor a wrong clock may keep it
            return Ctx(
                self, principal, act, self.clock.latest_us(), NoStore.connection(), cause=cause, channel=channel, address=address,
                seed=draw(32),
            )  # fmt: skip
        return Ctx(
            self,
            principal,
            act,
            self.clock.now_us(),
            self.store.reader(),
            cause=cause,
            channel=channel,
            address=address,
        )

    async def _urgent(self, act: Act, ctx: Ctx, given: Any, raw: bytes) -> Outcome:
        """An emergency act: decided from memory, into the ledger where it answers in time, else into the emergency journal."""
        try:
            epoch = self._epoch_of(ctx.principal)
            facts = self.facts(ctx, given)
            decision = self.guard.decide(act.name, facts)
            computed = await _resolved(act.handler(ctx, given)) if decision.allowed else None
        except EgideError:
            raise
        except Exception as error:  # as in `perform`: an act's own code
            raise _plain(act.name, error) from error
        receipt, journal = await self.emergency.keep(
            self._work(act, ctx, given, raw, facts, decision, computed, epoch, "allowed")
        )
        effect = computed or Effect()
        if effect.after is not None:
            done = effect.after(receipt)
            if inspect.isawaitable(done):
                await done
        return Outcome(effect.result, None if journal else receipt, effect, journal)

    def _validate(self, act: Act, raw: bytes | msgspec.Struct) -> tuple[Any, bytes]:
        if isinstance(raw, msgspec.Struct):
            return raw, msgspec.json.encode(raw)
        if len(raw) > act.max_bytes:
            raise TooLarge(
                Text(
                    f"Trop volumineux : {len(raw)} octets pour {act.max_bytes} au plus.",
                    f"Too large: {len(raw)} bytes, {act.max_bytes} at most.",
                )
            )
        try:
            return act.decoder.decode(raw or b"{}"), raw
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadInput(
                Text(
                    f"La demande n’a pas la forme attendue : {error}",
                    f"The request does not have the expected form: {error}",
                ),
                Text("Corrigez le champ nommé, puis renvoyez.", "Correct the field named, then send again."),
            ) from error

    async def _record(
        self,
        act: Act,
        ctx: Ctx,
        given: Any,
        raw: bytes,
        facts: Facts,
        decision: Decision,
        effect: Effect | None,
        epoch: int,
        *,
        outcome: str = "allowed",
        once: tuple[str, int] | None = None,
        asked: Asked | None = None,
        batch: Batch | None = None,
    ) -> Receipt:
        """Hands the decided act to the writer and waits until it is durable; raises the refusal or the failure."""
        work = self._work(act, ctx, given, raw, facts, decision, effect, epoch, outcome)
        work.once, work.asked = once, asked
        if batch is not None and batch.holding:
            batch.held.append(work)
        else:
            self.writer.submit(work)
        receipt: Receipt = await work.future
        return receipt

    def _work(
        self, act: Act, ctx: Ctx, given: Any, raw: bytes, facts: Facts, decision: Decision, effect: Effect | None,
        epoch: int, outcome: str,
    ) -> Work:  # fmt: skip
        if self.loop is None:
            raise Unavailable(Text("La plateforme n’est pas démarrée.", "The platform is not started."))
        if getattr(given, "unkept", None):
            raw = kept(given)
        work = Work(
            act, ctx, given, raw, facts, decision, effect, outcome if decision.allowed else "refused",
            epoch, draw(16).hex(), self.loop.create_future(),
        )  # fmt: skip
        self.bus.expect(work.id)
        if not decision.allowed:
            work.error = Refused(decision)
        return work

    async def record(
        self, name: str, given: Any, principal: Principal, decision: Decision, facts: Facts, *, cause: str
    ) -> Receipt:
        """Writes down a decision that was taken elsewhere than at `perform`: a lease that ended, an effect's outcome."""
        act = self.acts[name]
        ctx = Ctx(self, principal, act, self.clock.now_us(), self.store.reader(), cause=cause)
        try:
            return await self._record(act, ctx, given, msgspec.json.encode(given), facts, decision, None, self.epoch)
        except Refused as refusal:
            realm, index = refusal.receipt or (self.settings.realm, -1)
            return Receipt(realm, index, "")

    # -- called by the writer's thread ------------------------------------------------------------------------------

    def committed(self, batch: list[Work]) -> None:
        """A batch is durable (or failed): answers its callers on the event loop and publishes."""
        if self.loop is None or self.loop.is_closed():
            return
        self.loop.call_soon_threadsafe(self._answer, batch)

    def _answer(self, batch: list[Work]) -> None:
        if any(work.error is None and work.effect is not None and work.effect.rights_changed for work in batch):
            self.forget()
        for work in batch:
            if isinstance(work.error, Refused) and work.receipt is not None:
                work.error.receipt = (work.receipt.realm, work.receipt.index)
            if not work.future.done():
                if work.error is not None:
                    work.future.set_exception(work.error)
                else:
                    work.future.set_result(work.receipt)
        self.measures.answered(batch, self.clock.read_us())
        self.bus.publish(batch)

    def forget(self) -> None:
        """A right changed, here or in another process: everything that is remembered of rights is read again."""
        self.identity.forget()
        self.orders.forget()
        self.vault.forget()
        self.store_stale = True

    def _epoch_of(self, principal: Principal) -> int:
        """Of the rights that a decision rests on: whoever waited with a request holds older ones than this process knows."""
        return self.epoch if principal.epoch is None else min(self.epoch, principal.epoch)

    def _stored_epoch(self) -> int:
        found = select(tables.rights.c.epoch).where(tables.rights.c.realm == self.settings.realm)
        return int(self.store.reader().execute(found).scalar() or 1)

    def sign_checkpoint(self, size: int, root: bytes) -> str:
        """A C2SP signed note over the tree head."""
        return sign_note(Checkpoint(self.origin, size, root), [self.key])

    # -- small conveniences -----------------------------------------------------------------------------------------

    def system(self, activity: str) -> Principal:
        """The platform's own named activity as a principal: it inherits nobody's rights."""
        return Principal(
            id=f"system:{activity}", name=activity, roles=frozenset({"system"}), kind="system", strong=True
        )

    def latest_checkpoint(self, db: Connection | None = None) -> tuple[int, str] | None:
        """(size, note) of the newest signed tree head."""
        found = (
            (db or self.store.reader())
            .execute(
                select(tables.checkpoint.c.size, tables.checkpoint.c.note)
                .where(tables.checkpoint.c.realm == self.settings.realm)
                .order_by(tables.checkpoint.c.size.desc())
                .limit(1)
            )
            .first()
        )
        return (int(found[0]), str(found[1])) if found else None


def lock(folder: Path, *, alone: bool = False) -> int:
    """Marks the data folder as in use until the process ends; `alone`: only if nobody else uses it, and nobody may join.

    Several processes may serve one folder (an upgrade runs old and new side by side); a restore must be alone. Raises
    `StartupError`.
    """
    descriptor = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StartupError(
            Text("Une autre plateforme tourne déjà sur ce dossier.", "Another platform already runs on this folder."),
            Text("Arrêtez-la, ou donnez un autre dossier avec --data.", "Stop it, or give another folder with --data."),
            file=str(folder),
        ) from error
    return descriptor


def _plain(act: str, error: Exception) -> EgideError:
    """What an act's code raised, as an error for people."""
    if isinstance(error, OverflowError):
        return BadInput(Text("Un nombre donné est trop grand.", "A given number is too large."))
    if isinstance(error, DatabaseError):
        return unavailable(error)
    log.error("%s failed", act, exc_info=error)
    return Failed()


async def _resolved(value: Effect | Awaitable[Effect]) -> Effect:
    return value if isinstance(value, Effect) else await value
