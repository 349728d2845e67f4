"""One process's kernel: what the composition root (app.py) builds of settings, clock, store, vault, ledger, law and acts.

It knows no capability. Acts go through its one door (door.py).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from egide.kernel import tables
from egide.kernel.act import Act
from egide.kernel.capability import Activity, Capability, activities, check
from egide.kernel.checkpoint import Checkpoint, parse
from egide.kernel.checkpoint import sign as sign_note
from egide.kernel.clock import Clock
from egide.kernel.door import Door, Outcome
from egide.kernel.downloads import Downloads
from egide.kernel.emergency import Emergency
from egide.kernel.engine import Engines
from egide.kernel.ephemeral import Ephemeral
from egide.kernel.erasure import Erasures
from egide.kernel.events import Bus
from egide.kernel.follow import Follower
from egide.kernel.gathering import Gathering
from egide.kernel.guard import ActLaw, Guard
from egide.kernel.identity import Identity, Principal
from egide.kernel.law import PACKS, LawBook
from egide.kernel.law_clock import LawClock
from egide.kernel.leases import Leases
from egide.kernel.ledger import Log, damaged
from egide.kernel.limits import Buckets
from egide.kernel.lock import lock
from egide.kernel.measures import Measures
from egide.kernel.orders import Orders
from egide.kernel.processes import Processes
from egide.kernel.randomness import draw
from egide.kernel.repeats import Repeats
from egide.kernel.settings import Settings
from egide.kernel.tiles import SqlTiles
from egide.kernel.together import Batch
from egide.kernel.vault import Vault
from egide.kernel.witnessing import Witnessing
from egide.kernel.writer import Writer


class Kernel:
    """One process's kernel. Raises `StartupError` when a pack, a manifest or a setting is broken."""

    def __init__(
        self,
        settings: Settings,
        capabilities: tuple[Capability, ...],
        engines: Engines,
        *,
        clock: Clock | None = None,
        law: Path = PACKS,
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
        self.door = Door(self)
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
        return await self.door.perform(
            name, raw, principal, cause=cause, channel=channel, address=address, once=once, batch=batch
        )

    def act_of(self, name: str) -> Act | None:
        """The act of this name; for what is never done (`Capability.never`) the one that says by which article."""
        found = self.acts.get(name)
        if found is not None:
            return found
        return next((act for never, act in self._never.items() if name == never or name.startswith(f"{never}.")), None)

    def forget(self) -> None:
        """A right changed, here or in another process: everything that is remembered of rights is read again."""
        self.identity.forget()
        self.orders.forget()
        self.vault.forget()
        self.store_stale = True

    def _stored_epoch(self) -> int:
        found = select(tables.rights.c.epoch).where(tables.rights.c.realm == self.settings.realm)
        return int(self.store.reader().execute(found).scalar() or 1)

    def sign_checkpoint(self, size: int, root: bytes) -> str:
        """A C2SP signed note over the tree head."""
        return sign_note(Checkpoint(self.origin, size, root), [self.key])

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
