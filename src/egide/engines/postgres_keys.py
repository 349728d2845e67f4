"""The vault's rows in a PostgreSQL database of their own: what several machines share.

Why another database than the store: each has its own backups, and those of the keys must expire first, else a restored backup
would bring an erased key back (kernel/vault.py).

What is done about deleted bytes: postgres_wipe.py; besides, the planner's statistics hold sample values, so that no column of
the table has any (`SET STATISTICS 0`). Without `wal_recycle=off` old log segments are kept until overwritten: `advice` says so.
Log archives, standby servers and file-system snapshots are the operator's (docs/keys.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from egide.engines.circuit import Circuit, Patient, Quick
from egide.engines.postgres import OPTIONS
from egide.engines.postgres_wipe import rewrite
from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.keys import Advice, Owned, Owner, Row

DEAD_S = 0.5  # s within which a dead connection is found out
WIPE_S = 120.0  # s a VACUUM FULL or a checkpoint may take
CHUNK = 1000  # rows of one statement
SCHEMA = (
    "SELECT pg_advisory_xact_lock(hashtext('egide vault schema'))",  # two processes that start at once
    "CREATE TABLE IF NOT EXISTS about (name text PRIMARY KEY, value bytea NOT NULL)",
    """CREATE TABLE IF NOT EXISTS data_key (id bytea PRIMARY KEY, person text NOT NULL, purpose text NOT NULL,
    subject bytea NOT NULL, wrapped bytea NOT NULL, UNIQUE (person, purpose))""",
    *(
        f"ALTER TABLE data_key ALTER COLUMN {column} SET STATISTICS 0"
        for column in ("id", "person", "purpose", "subject", "wrapped")
    ),
)
READY = "SELECT to_regclass('about') IS NOT NULL AND to_regclass('data_key') IS NOT NULL"
COLUMNS = "SELECT id, person, purpose, subject, wrapped FROM data_key "
MISSING = (
    "SELECT person, purpose FROM unnest(%s::text[], %s::text[]) AS wanted (person, purpose) WHERE NOT EXISTS"
    " (SELECT 1 FROM data_key k WHERE k.person = wanted.person AND k.purpose = wanted.purpose)"
)
ADD = (
    "INSERT INTO data_key SELECT * FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::bytea[], %s::bytea[])"
    " ON CONFLICT (person, purpose) DO NOTHING RETURNING id"
)
DELETE = (
    "DELETE FROM data_key k USING unnest(%s::text[], %s::text[]) AS gone (person, purpose)"
    " WHERE k.person = gone.person AND (gone.purpose IS NULL OR k.purpose = gone.purpose)"
)
MAY_WIPE = "SELECT pg_has_role(current_user, 'pg_checkpoint', 'usage') AND has_function_privilege('pg_switch_wal()', 'execute')"

Found = TypeVar("Found")


class _Slow(Patient):
    limit_s = WIPE_S
    loops = False


class PostgresKeys:
    """One database, for one realm."""

    name = "PostgreSQL"
    wipes_at_once = False

    def __init__(self, dsn: str, *, apart_from: str = "") -> None:
        try:
            parts = conninfo_to_dict(dsn)
        except psycopg.ProgrammingError:  # its words may repeat the password
            raise StartupError(
                Text("L’adresse du coffre n’est pas lisible.", "The vault’s address cannot be read."),
                Text(
                    "Écrivez postgresql:///coffre?host=/run/postgresql",
                    "Write postgresql:///vault?host=/run/postgresql",
                ),
                file="egide.toml",
            ) from None
        self.place = f"postgresql://{parts.get('host') or 'localhost'}/{parts.get('dbname') or ''}"
        if apart_from and _names(dsn) == _names(apart_from):
            raise self._same()
        self._dsn = dsn
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._ready = False
        self._circuit = Circuit(dsn, "vault")

    # -- rows -----------------------------------------------------------------------------------------------------

    def of_owner(self, person: str, purpose: str) -> Row | None:
        """The row of (person, purpose)."""
        return self._one(COLUMNS + "WHERE person = %s AND purpose = %s", (person, purpose))

    def of_id(self, identity: bytes) -> Row | None:
        """The row with this key id."""
        return self._one(COLUMNS + "WHERE id = %s", (identity,))

    def every(self) -> Iterator[Row]:
        """By the page, so that nobody waits long for the connection."""
        last = b""
        while rows := self._rows(COLUMNS + "WHERE id > %s ORDER BY id LIMIT %s", (last, CHUNK)):
            yield from (Row(*found) for found in rows)
            last = bytes(rows[-1][0])

    def missing(self, owners: Sequence[Owner]) -> list[Owner]:
        """Those owners that have no row yet."""
        found: list[Owner] = []
        for start in range(0, len(owners), CHUNK):
            people, purposes = zip(*owners[start : start + CHUNK], strict=True)
            found += self._rows(MISSING, (list(people), list(purposes)))
        return found

    def add(self, rows: Sequence[Row]) -> set[bytes]:
        """One transaction; a repeat after a lost answer finds the rows there and leaves them."""

        def work(db: psycopg.Connection[Any]) -> set[bytes]:
            found: set[bytes] = set()
            with db.transaction():
                for start in range(0, len(rows), CHUNK):
                    part = rows[start : start + CHUNK]
                    added = db.execute(ADD, [[row[field] for row in part] for field in range(5)])
                    found.update(bytes(one) for (one,) in added)
            return found

        return self._ask(work)

    def delete(self, owned: Sequence[Owned]) -> int:
        """One statement, one transaction; never sent twice, so that the count is right."""
        people, purposes = [list(each) for each in zip(*owned, strict=True)]
        self._ask(lambda db: db.execute("SELECT 1"))  # a connection that died meanwhile is replaced here
        return self._ask(lambda db: db.execute(DELETE, (people, purposes)).rowcount, again=False)

    def wipe(self) -> bool:
        """Writes the table anew and lets the old file and the old log go; holds up whoever needs a key for that time."""
        with self._open(_Slow) as db:
            self._prepare(db)
            rewrite(db, ("VACUUM FULL data_key",))
        return True

    # -- about them -----------------------------------------------------------------------------------------------

    def about(self, name: str) -> bytes | None:
        """A value about the rows."""
        found = self._rows("SELECT value FROM about WHERE name = %s", (name,))
        return bytes(found[0][0]) if found else None

    def note(self, name: str, value: bytes) -> None:
        """Remembers such a value."""
        self._ask(lambda db: db.execute("INSERT INTO about VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, value)))

    def absent(self) -> str:
        """The database, when it holds no vault yet."""
        with self._open(Quick) as db:
            found = db.execute(READY).fetchone()
            return "" if found == (True,) else self.place

    def advice(self) -> list[Advice]:
        """What the server's settings and rights leave behind."""
        with self._open(Quick) as db:
            recycled = (db.execute("SHOW wal_recycle").fetchone() or ("on",))[0] == "on"
            may = db.execute(MAY_WIPE).fetchone() == (True,)
        found: list[Advice] = []
        if recycled:
            found.append((
                Text(
                    "Coffre : PostgreSQL réemploie les anciens journaux, où des clés détruites peuvent rester un temps.",
                    "Vault: PostgreSQL reuses old log segments, in which destroyed keys may stay for a while.",
                ),
                Text("Réglez wal_recycle = off sur ce serveur.", "Set wal_recycle = off on that server."),
            ))  # fmt: skip
        if not may:
            found.append((
                Text(
                    "Coffre : ce compte PostgreSQL ne peut pas faire disparaître les clés détruites du disque.",
                    "Vault: this PostgreSQL account cannot make destroyed keys vanish from the disk.",
                ),
                _grants(),
            ))  # fmt: skip
        return found

    def release(self) -> None:
        """Lets the connection go, and the log segment the server holds for it (postgres.py); the next question opens one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def close(self) -> None:
        """Closes the connection; no other is opened."""
        self._circuit.end()
        self.release()

    # -- the connection -------------------------------------------------------------------------------------------

    def _one(self, words: str, values: tuple[object, ...]) -> Row | None:
        found = self._rows(words, values)
        return Row(*found[0]) if found else None

    def _rows(self, words: str, values: tuple[object, ...]) -> list[Any]:
        return self._ask(lambda db: db.execute(words.encode(), values).fetchall())

    def _ask(self, work: Callable[[psycopg.Connection[Any]], Found], *, again: bool = True) -> Found:
        """Runs `work` on the one connection; once more on a new one when the old turns out to be dead (a restarted server)."""
        with self._lock:
            if self._circuit.is_open:
                raise _away()
            known, began = self._connection is not None, monotonic()
            try:
                return work(self._connected())
            except psycopg.Error as error:
                dead = self._connection is None or self._connection.closed
                self.release()
                if not (
                    known and dead and again and monotonic() - began < DEAD_S
                ):  # whoever is slow is not asked twice
                    raise _away() from error
            try:
                return work(self._connected())
            except psycopg.Error as error:
                self.release()
                raise _away() from error

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = self._connect(Quick)
        if not self._ready:
            self._prepare(self._connection)
        return self._connection

    def _connect(self, kind: type[Patient]) -> psycopg.Connection[Any]:
        options = f"{OPTIONS} -c synchronous_commit=on"  # a key is on the disk before anything is sealed with it
        return self._circuit.connect(kind, options=options, application_name="egide vault", autocommit=True)

    @contextmanager
    def _open(self, kind: type[Patient]) -> Iterator[psycopg.Connection[Any]]:
        """A connection for one piece of work, whose failures are said as everywhere."""
        try:
            with self._connect(kind) as db:
                yield db
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unavailable(
                Text(
                    "PostgreSQL ne laisse pas ce compte nettoyer ses fichiers.",
                    "PostgreSQL does not let this account clean its files.",
                ),
                _grants(),
            ) from error
        except psycopg.Error as error:
            raise _away() from error

    def _prepare(self, db: psycopg.Connection[Any]) -> None:
        """Makes the tables once; refuses a database that holds the store."""
        if db.execute("SELECT to_regclass('entry') IS NOT NULL").fetchone() == (True,):
            raise self._same()
        if db.execute(READY).fetchone() != (True,):
            with db.transaction():
                for words in SCHEMA:
                    db.execute(words.encode())
        self._ready = True

    def _same(self) -> StartupError:
        return StartupError(
            Text(
                "Le coffre des clés et la base sont dans la même base de données.",
                "The key vault and the store are in the same database.",
            ),
            Text(
                "Donnez au coffre une base à lui (réglage « vault »), sauvegardée à part : sinon une restauration rendrait ce qui est effacé.",
                "Give the vault a database of its own (setting “vault”), backed up apart: else a restore would undo an erasure.",
            ),
            file="egide.toml",
        )


def _names(dsn: str) -> tuple[str, str, str]:
    """(host, port, database) that an address stands for, as far as the address tells."""
    with suppress(psycopg.ProgrammingError):
        parts = conninfo_to_dict(dsn)
        user = parts.get("user") or ""
        return str(parts.get("host") or ""), str(parts.get("port") or "5432"), str(parts.get("dbname") or user)
    return "", "", dsn


def _grants() -> Text:
    words = "GRANT pg_checkpoint TO …; GRANT EXECUTE ON FUNCTION pg_switch_wal() TO …"
    return Text(f"Donnez-lui ces droits : {words}", f"Grant it these rights: {words}")


def _away() -> Unavailable:
    return Unavailable(
        Text("Le coffre des clés est occupé ou inaccessible.", "The key vault is busy or cannot be reached."),
        Text("Réessayez dans un instant.", "Try again in a moment."),
    )
