"""Erasing a person: what follows the act, in steps that survive a crash, until nothing of them is left anywhere.

The act (administration/erasure.py) takes out rows, links and ledger bodies in the writer's transaction, with a row of `erasure`
that names the person only under a key of its own. From that row this task goes on, in whichever process lives:

    rows      once every process has dropped what it remembered: the rows again (a refusal of the last second, the act's own body)
    keys      the person's keys: what they sealed, in every copy and export, opens no more
    wipe      the files of the store and of the vault (their logs and freed pages too)
    backups   older sets of key backups, overwritten and removed; a new one is due
    done      the key under which the row named the person is destroyed: the row names nobody

Each step may be done twice. Sources: GDPR 17; directive 2016/680 art. 16(2); EDPB 02/2025 §§102-104.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel import tables
from egide.kernel.errors import EgideError
from egide.kernel.links import Link, Removed, links, remove
from egide.kernel.randomness import draw
from egide.kernel.vault import VaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from egide.kernel.door import Kernel

log = logging.getLogger("egide.erasure")

LOOK_S = 1.0  # s between looks at what is under way
SETTLE_US = 3_000_000  # µs after the act: by then every process has dropped its sessions, leases and keys
PURPOSE = "erasure"
STEPS = ("rows", "keys", "wipe", "backups", "done")
PART = 1 << 20  # bytes overwritten at once


def begin(kernel: Kernel, person: str) -> dict[str, Any]:
    """The row of a new erasure; its `person` opens only with a key of its own."""
    id_ = draw(16).hex()
    sealed = kernel.vault.seal(f"{PURPOSE}:{id_}", PURPOSE, person.encode(), id_.encode())
    now = kernel.clock.now_us()
    return {"id": id_, "realm": kernel.settings.realm, "at": now, "state": STEPS[0], "person": sealed, "kept": "{}"}


def known(kernel: Kernel) -> tuple[Link, ...]:
    """The declared links of every table of this installation."""
    return links([tables.metadata, *(each.tables for each in kernel.capabilities if each.tables is not None)])


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


def drop_unreadable(
    connection: Connection, known_links: Iterable[Link], holds_key: Callable[[bytes], bool | None]
) -> int:
    """In a store restored from an older backup: erases again everyone whose very name no key of the vault opens.

    No list of the erased is kept anywhere: that their key is gone says it. `holds_key(sealed)`: whether the vault has the key
    that a sealed value names; None for bytes that are no sealed value. Returns how many people.
    """
    person = tables.person
    lost = [
        row.id for row in connection.execute(select(person.c.id, person.c.name)) if holds_key(bytes(row.name)) is False
    ]
    found = tuple(known_links)
    for each in lost:
        remove(connection, found, each)
    return len(lost)


def destroy_file(file: Path) -> None:
    """Overwrites a file, durably, then removes it. A disk that copies on write may keep the old blocks (docs/erasure.md)."""
    with file.open("r+b", buffering=0) as out:
        left = out.seek(0, os.SEEK_END)
        out.seek(0)
        while left > 0:
            left -= out.write(bytes(min(left, PART)))
        os.fsync(out.fileno())
    file.unlink()


class Erasures:
    """Carries on with every erasure that is not done."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts looking; what a crash interrupted is taken up."""
        self._task = asyncio.create_task(self._run(), name="erasures")

    async def stop(self) -> None:
        """Stops after the step under way; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tick(self) -> int:
        """Takes every erasure that is due as far as it goes; returns how many are done now."""
        kernel, table = self._kernel, tables.erasure
        due = table.c.at <= kernel.clock.now_us() - SETTLE_US
        rows = kernel.store.reader().execute(
            select(table).where(table.c.realm == kernel.settings.realm, table.c.state != "done", due)
        ).all()  # fmt: skip
        done = 0
        for row in rows:
            state = row.state
            while state != "done":
                state = await asyncio.to_thread(self.step, row.id, bytes(row.person), state)
            done += 1
        return done

    def step(self, id_: str, sealed: bytes, state: str) -> str:
        """Does one step and writes that it is done; the next one. Raises `EgideError`: the same step comes again."""
        try:
            person = self._kernel.vault.open_(f"{PURPOSE}:{id_}", PURPOSE, sealed, id_.encode()).decode()
        except VaultError:  # the last step was interrupted: the person is forgotten, the word was not written
            return self._keep(id_, state="done", person=None)
        after = STEPS[STEPS.index(state) + 1]
        if state == "rows":
            self._rows(person)
        elif state == "keys":
            self._kernel.vault.shred(person)
            self._issuer_key(person)
        elif state == "wipe":
            self._kernel.store.wipe((person.encode(),) if len(person) >= 16 and not self._stays(person) else ())
            if hasattr(self._kernel.vault, "wipe"):  # rows of keys in a database are wiped when we say so
                self._kernel.vault.wipe()
        else:
            self._backups()
            if self._remains(person):
                return self._keep(id_, state="rows")
            self._kernel.vault.shred(f"{PURPOSE}:{id_}")
            return self._keep(id_, state="done", person=None)
        return self._keep(id_, state=after)

    def _rows(self, person: str) -> None:
        with self._kernel.store.side() as connection:
            remove(connection, known(self._kernel), person)

    def _remains(self, person: str) -> bool:
        """Whether something of the person was written after the first step, by a process that had not heard yet."""
        entry = tables.entry
        found = select(func.count()).select_from(entry).where(entry.c.actor == person)
        return bool(self._kernel.store.reader().execute(found).scalar_one())

    def _stays(self, person: str) -> bool:
        order = tables.order
        found = select(order.c.id).where(order.c.issuer == person).limit(1)
        return self._kernel.store.reader().execute(found).first() is not None

    def _issuer_key(self, person: str) -> None:
        """The person's own signing key, unless a signed order that stays is verified with it."""
        file = self._kernel.settings.folder / "keys" / "issuers" / f"{person}.key"
        if file.parent == file.resolve().parent and file.exists() and not self._stays(person):
            destroy_file(file)

    def _backups(self) -> None:
        """Every set of key backups that this installation can reach is older than the erasure: destroyed."""
        settings = self._kernel.settings
        place = Path(settings.backups) if settings.backups else settings.folder / "backups"
        for folder in (place, place / "keys"):
            for file in sorted(folder.glob(f"egide-keys-{settings.realm}-*.sealed")) if folder.is_dir() else ():
                destroy_file(file)
                log.warning("a key backup older than an erasure was destroyed, make a new one: %s", file.name)

    def _keep(self, id_: str, **values: Any) -> str:
        with self._kernel.store.side() as connection:
            connection.execute(update(tables.erasure).where(tables.erasure.c.id == id_).values(**values))
        return str(values["state"])

    async def _run(self) -> None:
        while True:
            try:
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
