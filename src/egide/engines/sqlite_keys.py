"""The vault's rows in a file of their own: `vault/vault.db`, SQLite (WAL, FULL, secure_delete), mode 0600.

Shredding looks instead of trusting the engine: the log is overwritten before it is cut, the gaps of pages are zeroed, then the
file is searched for the deleted bytes (scrub.py). Several processes of one machine may open the file; each looks for what it
deleted itself.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path

from egide.engines import scrub
from egide.engines.sqlite_parts import parts
from egide.kernel.errors import Text, Unavailable
from egide.kernel.keyfile import PRIVATE
from egide.kernel.keys import Advice, Owned, Owner, Row

BUSY = 5.0  # s, how long a lock of another process is waited for
CLOSE_S = 0.2  # s a closing process waits for readers of others, who will close after it
SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS data_key (
  id BLOB PRIMARY KEY, person TEXT NOT NULL, purpose TEXT NOT NULL, subject BLOB NOT NULL, wrapped BLOB NOT NULL,
  UNIQUE (person, purpose)
);
"""
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY")
OWNED = "SELECT id, person, purpose, subject, wrapped FROM data_key WHERE person=? AND purpose=?"
OF_PERSON = "SELECT id, person, purpose, subject, wrapped FROM data_key WHERE person=?"
OF_ID = "SELECT id, person, purpose, subject, wrapped FROM data_key WHERE id=?"
PAGE = "SELECT id, person, purpose, subject, wrapped FROM data_key WHERE id>? ORDER BY id LIMIT 1000"


class SqliteKeys:
    """`vault.db` of one folder."""

    name = "SQLite"
    wipes_at_once = True

    def __init__(self, folder: Path) -> None:
        self.path = folder / "vault.db"
        self.place = str(self.path)
        self._lock = threading.RLock()
        self._wiping = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._remains: list[bytes] = []  # of deleted rows, until the files are seen to be free of them

    def of_owner(self, person: str, purpose: str) -> Row | None:
        """The row of (person, purpose)."""
        return self._one(OWNED, (person, purpose))

    def of_id(self, identity: bytes) -> Row | None:
        """The row with this key id."""
        return self._one(OF_ID, (identity,))

    def every(self) -> Iterator[Row]:
        """By the page, so that nobody waits long for the connection."""
        last = b""
        while True:
            with self._lock:
                try:
                    rows = [Row(*found) for found in self._database.execute(PAGE, (last,))]
                except sqlite3.Error as problem:
                    raise _unavailable() from problem
            yield from rows
            if not rows:
                return
            given: object = rows[-1].id
            if not isinstance(given, bytes):  # a damaged file
                return
            last = given

    def missing(self, owners: Sequence[Owner]) -> list[Owner]:
        """Those owners that have no row yet."""
        found: set[Owner] = set()
        with self._lock:
            try:
                for part in parts(owners):
                    found.update(self._database.execute(_there(len(part)), tuple(chain.from_iterable(part))))
            except sqlite3.Error as problem:
                raise _unavailable() from problem
        return [owner for owner in owners if owner not in found]

    def add(self, rows: Sequence[Row]) -> set[bytes]:
        """One transaction, one fsync."""
        added: set[bytes] = set()
        with self._lock, self._transaction() as database:
            for part in parts(rows):
                added.update(row[0] for row in database.execute(_add(len(part)), tuple(chain.from_iterable(part))))
        return added

    def delete(self, owned: Sequence[Owned]) -> int:
        """One transaction, one fsync; remembers what to look for in the file."""
        with self._lock:
            with self._transaction() as database:
                found = (
                    database.execute(OF_PERSON, (person,))
                    if purpose is None
                    else database.execute(OWNED, (person, purpose))
                    for person, purpose in owned
                )
                rows = list({row[0]: Row(*row) for each in found for row in each}.values())
                database.executemany("DELETE FROM data_key WHERE id=?", [(row.id,) for row in rows])
            for row in rows:
                self._remains += [row.id, row.subject, row.wrapped]
        return len(rows)

    def wipe(self) -> bool:
        """Overwrites what deleting left in log and pages, then looks for it. Raises `Unavailable`.

        Some milliseconds, a tenth of a second where the file holds 50,000 keys; others read and write meanwhile.
        """
        with self._wiping:
            with self._lock:
                self._database  # noqa: B018 — opened by whoever asks first: there is a file to clean
                remains, self._remains = self._remains, []
            try:
                scrub.scrub(self.path, remains)
            except BaseException:
                with self._lock:
                    self._remains += remains
                raise
            return True

    def about(self, name: str) -> bytes | None:
        """A value about the rows."""
        with self._lock:
            try:
                row = self._database.execute("SELECT value FROM about WHERE name=?", (name,)).fetchone()
            except sqlite3.Error as problem:
                raise _unavailable() from problem
        return None if row is None else bytes(row[0])

    def note(self, name: str, value: bytes) -> None:
        """Remembers such a value."""
        with self._lock, self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))

    def absent(self) -> str:
        """The file, when it is not there."""
        return "" if self.path.exists() else f"{self.path.parent.name}/{self.path.name}"

    def advice(self) -> list[Advice]:
        """None: the file is ours, and was searched."""
        return []

    def release(self) -> None:
        """Nothing: an open file holds no deleted key, `wipe` saw to that."""

    def close(self) -> None:
        """Closes; the last to close removes the log, whose blocks are then anyone's: it is overwritten before."""
        with self._lock:
            if self._connection is not None:
                with suppress(sqlite3.Error, Unavailable):
                    scrub.scrub_log(self._connection, self.path, wait_s=CLOSE_S)
                self._connection.close()
                self._connection = None

    @property
    def _database(self) -> sqlite3.Connection:
        """The connection, opened by whoever asks first; the caller holds the lock."""
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.exists():  # closing a descriptor of a file in use would drop SQLite's POSIX locks on it
                with suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
            database = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=BUSY)
            for pragma in PRAGMAS:
                database.execute(f"PRAGMA {pragma}")
            database.executescript(SCHEMA)
            self._connection = database
        return self._connection

    def _one(self, query: str, values: tuple[object, ...]) -> Row | None:
        with self._lock:
            try:
                row = self._database.execute(query, values).fetchone()
            except sqlite3.Error as problem:
                raise _unavailable() from problem
        return None if row is None else Row(*row)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = None
        try:
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        except BaseException as problem:
            if database is not None:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
            if isinstance(problem, sqlite3.Error):
                raise _unavailable(problem) from problem
            raise


@cache
def _there(owners: int) -> str:
    """Which of so many owners have a key."""
    asked = ", ".join(["(?, ?)"] * owners)
    keys = "data_key AS k ON k.person = asked.person AND k.purpose = asked.purpose"
    # CROSS: the few who are asked for are looked up one by one, not the whole table read for them.
    return f"WITH asked (person, purpose) AS (VALUES {asked}) SELECT k.person, k.purpose FROM asked CROSS JOIN {keys}"  # noqa: S608


@cache
def _add(rows: int) -> str:
    """Adds so many, and says which nobody was faster with."""
    given = ", ".join(["(?, ?, ?, ?, ?)"] * rows)
    return f"INSERT INTO data_key VALUES {given} ON CONFLICT (person, purpose) DO NOTHING RETURNING id"  # noqa: S608 — as above


def _unavailable(problem: sqlite3.Error | None = None) -> Unavailable:
    if problem is not None and "full" in str(problem):
        return Unavailable(
            Text(
                "Le disque est plein : le coffre des clés ne peut pas écrire, rien n’a été fait.",
                "The disk is full: the key vault cannot write, nothing was done.",
            ),
            Text("Libérez de la place, puis réessayez.", "Free some space, then try again."),
        )
    return Unavailable(
        Text("Le coffre des clés est occupé ou inaccessible.", "The key vault is busy or cannot be reached."),
        Text("Réessayez dans un instant.", "Try again in a moment."),
    )
