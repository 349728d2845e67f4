"""Erasing a person: what follows the act, in steps that survive a crash, until nothing of them is left anywhere.

The act (administration/erasure.py) takes out rows, links and ledger bodies in the writer's transaction, with a row of `erasure`
that names the person only under a key of its own. From that row this task goes on, in whichever process lives:

    rows      once every process has dropped what it remembered: the rows again (a refusal of the last second, the act's own body)
    keys      the person's keys: what they sealed, in every copy and export, opens no more
    wipe      the files of the store and of the vault (their logs and freed pages too)
    backups   every set of key backups, overwritten and removed; a new one is due
    own       the key under which the row named the person is destroyed: the row names nobody
    done

One process has the turn (turns.py); each step may be done twice.
Sources: GDPR 17; directive 2016/680 art. 16(2); EDPB 02/2025 §§102-104.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel import backup_sets, tables
from egide.kernel.errors import EgideError
from egide.kernel.links import Link, Removed, links, remove
from egide.kernel.randomness import draw
from egide.kernel.transport import end
from egide.kernel.vault import Erased

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import MetaData

    from egide.kernel.capability import Capability
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.erasure")

LOOK_S = 1.0  # s between looks at what is under way
SETTLE_US = 3_000_000  # µs after the act: by then every process has dropped its sessions, leases and keys
PURPOSE = "erasure"
LONG = 16  # characters from which an id cannot stand in the files by chance
STEPS = ("rows", "keys", "wipe", "backups", "own", "done")
TURN = "erasures"


def begin(kernel: Kernel, person: str) -> dict[str, Any]:
    """The row of a new erasure; its `person` opens only with a key of its own."""
    id_ = draw(16).hex()
    sealed = kernel.vault.seal(f"{PURPOSE}:{id_}", PURPOSE, person.encode(), id_.encode())
    now = kernel.clock.now_us()
    return {"id": id_, "realm": kernel.settings.realm, "at": now, "state": STEPS[0], "person": sealed, "kept": "{}"}


def known(kernel: Kernel) -> tuple[Link, ...]:
    """The declared links of every table of this installation."""
    return links(metadata(kernel.capabilities))


def metadata(capabilities: Iterable[Capability]) -> list[MetaData]:
    """Every table of an installation with these capabilities."""
    return [tables.metadata, *(each.tables for each in capabilities if each.tables is not None)]


def take(kernel: Kernel, connection: Connection, person: str, row: dict[str, Any]) -> Removed:
    """Rows, links and bodies, inside the writer's transaction, and the row from which the rest is done."""
    done = remove(connection, known(kernel), person)
    connection.execute(insert(tables.erasure), row | {"kept": msgspec.json.encode(done.kept).decode()})
    return done


def holds(kernel: Kernel, db: Connection, person: str, now_us: int) -> list[Any]:
    """The holds in force (id, since, until) on the person, or on an object that is theirs."""
    table = tables.hold
    rows = db.execute(select(table).where(or_(table.c.until.is_(None), table.c.until > now_us))).all()
    return [row for row in rows if row.retained == f"{tables.HELD}{person}" or _owns(kernel, db, person, row.retained)]


def _owns(kernel: Kernel, db: Connection, person: str, retained: str) -> bool:
    object_ = retained.partition("/")[2]
    for link in known(kernel):
        keys = list(link.table.primary_key.columns)
        if len(keys) == 1 and link.does in ("delete", "blank", "null") and not link.prefix:
            where = (keys[0] == object_, link.column == person)
            if keys[0] is not link.column and db.execute(select(keys[0]).where(*where)).first() is not None:
                return True
    return False


class Erasures:
    """Carries on with every erasure that is not done."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._task: asyncio.Task[None] | None = None
        self._one = asyncio.Lock()
        kernel.bus.turns.want(TURN)

    def start(self) -> None:
        """Starts looking; what a crash interrupted is taken up."""
        # In every process, whoever's turn it is: a file that waits may be for the person, or about them.
        self._kernel.bus.watch(lambda name, _told: self._kernel.downloads.drop() if name == "person.erased" else None)
        self._task = asyncio.create_task(self._run(), name="erasures")

    async def stop(self) -> None:
        """Stops after the step under way; the next start goes on."""
        if self._task is not None:
            await end([self._task])

    async def tick(self) -> int:
        """Takes every erasure that is due as far as it goes; returns how many are done now."""
        kernel, table = self._kernel, tables.erasure
        due = table.c.at <= kernel.clock.now_us() - SETTLE_US
        query = select(table).where(table.c.realm == kernel.settings.realm, table.c.state != "done", due)
        done = 0
        async with self._one:
            for row in kernel.store.reader().execute(query).all():
                state = row.state
                while state != "done":
                    state = await asyncio.to_thread(self.step, row.id, bytes(row.person), state)
                done += 1
        return done

    def step(self, id_: str, sealed: bytes, state: str) -> str:
        """Does one step and writes that it is done; the next one. Raises `EgideError`: the same step comes again."""
        kernel = self._kernel
        try:
            person = kernel.vault.open_(f"{PURPOSE}:{id_}", PURPOSE, sealed, id_.encode()).decode()
        except Erased:  # the last step was interrupted: the person is forgotten, the word was not written
            return self._last(id_)
        if state == "rows":
            self._rows(person)
        elif state == "keys":
            kernel.vault.shred(person)
            kernel.orders.drop_key(person)
        elif state == "wipe":
            kernel.store.wipe((person.encode(),) if len(person) >= LONG and not kernel.orders.signed_by(person) else ())
            kernel.vault.wipe()
        elif state == "backups":
            self._backups()
        elif self._remains(person):
            return self._keep(id_, state="rows")
        else:
            kernel.vault.shred(f"{PURPOSE}:{id_}")
            return self._last(id_)
        return self._keep(id_, state=STEPS[STEPS.index(state) + 1])

    def _last(self, id_: str) -> str:
        """A vault in a database holds the destroyed row of this erasure's own key until it is wiped."""
        self._kernel.vault.wipe()
        return self._keep(id_, state="done", person=None)

    def _rows(self, person: str) -> None:
        with self._kernel.store.side() as connection:
            remove(connection, known(self._kernel), person)

    def _remains(self, person: str) -> bool:
        """Whether something of the person was written after the first step, by a process that had not heard yet."""
        entry = tables.entry
        found = select(func.count()).select_from(entry).where(entry.c.actor == person)
        return bool(self._kernel.store.reader().execute(found).scalar_one())

    def _backups(self) -> None:
        """Every set of key backups that this installation can reach is older than the erasure: destroyed."""
        settings = self._kernel.settings
        for folder in backup_sets.places(settings):
            if folder.is_dir():
                with backup_sets.alone(folder):  # a backup under way may have read the keys already: it is waited for
                    for file in backup_sets.destroy_older(folder, settings.realm, kept=0):
                        log.warning("a key backup older than an erasure was destroyed, make a new one: %s", file.name)

    def _keep(self, id_: str, **values: Any) -> str:
        """Writes how far it has come; the epoch of rights with it: every process drops the keys it remembers."""
        kernel, rights = self._kernel, tables.rights
        with kernel.store.side() as connection:
            kernel.store.lead(connection, kernel.settings.realm)
            connection.execute(update(tables.erasure).where(tables.erasure.c.id == id_).values(**values))
            connection.execute(
                update(rights).where(rights.c.realm == kernel.settings.realm).values(epoch=rights.c.epoch + 1)
            )
        return str(values["state"])

    async def _run(self) -> None:
        while True:
            try:
                if self._kernel.vault.unwiped:  # each process looks for what it deleted itself
                    await asyncio.to_thread(self._kernel.vault.wipe)
                if self._kernel.bus.turns.mine(TURN):
                    await self.tick()
            except (EgideError, SQLAlchemyError, OSError) as error:
                log.warning("an erasure waits: %s", error)
            await asyncio.sleep(LOOK_S)


def under_way(db: Connection) -> int:
    """How many erasures are not done yet, for the health page."""
    with suppress(SQLAlchemyError):
        table = tables.erasure
        return int(db.execute(select(func.count()).select_from(table).where(table.c.state != "done")).scalar_one())
    return 0


def backup_due(db: Connection, realm: str) -> int | None:
    """When (µs) the newest erasure that destroyed the sets of keys began; None: there was none."""
    with suppress(SQLAlchemyError):
        table = tables.erasure
        found = db.execute(select(func.max(table.c.at)).where(table.c.realm == realm)).scalar_one()
        return None if found is None else int(found)
    return None
