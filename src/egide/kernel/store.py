"""The store: readers that never block and one writer's connection; the writer itself is in writer.py.

SQLite in WAL mode with `synchronous=FULL`: what is acknowledged survives a power cut. Readers see the last committed state.
The engine behind the URL is replaceable (PostgreSQL by DSN is the next one): nothing here but `_pragmas` knows SQLite.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, func, inspect, select

from egide.kernel import tables
from egide.kernel.errors import Text, Unavailable

BUSY_MS = 5_000


class Store:
    """Opens the database; `reader()` per thread, `writer` for the one writer thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / "egide.db"
        self._read_engine = _engine(self.path, write=False)
        self._write_engine = _engine(self.path, write=True)
        self._local = threading.local()
        self._readers: list[Connection] = []
        self._lock = threading.Lock()
        self._writer: Connection | None = None

    @property
    def writer(self) -> Connection:
        """The single writing connection; only the writer thread and start-up use it."""
        if self._writer is None:
            self._writer = self._write_engine.connect()
        return self._writer

    def reader(self) -> Connection:
        """This thread's reading connection: each statement sees what is committed by then."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._read_engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        return connection

    @contextmanager
    def side(self) -> Iterator[Connection]:
        """A short write of bookkeeping that is nobody's state (cursors); waits for the writer like any other process would."""
        with self._write_engine.begin() as connection:
            yield connection

    def create(self, every: Iterable[MetaData]) -> None:
        """Brings the schema to this version; an up-to-date store costs one look."""
        from egide.kernel.migrate import upgrade  # noqa: PLC0415 — alembic takes 0.3 s to import and is rarely needed

        upgrade(self._write_engine, every)

    def last_entry(self, realm: str) -> tuple[int, int]:
        """(number of entries, time of the last in µs) of a realm's ledger."""
        found = (
            self.reader()
            .execute(select(func.count(), func.max(tables.entry.c.at)).where(tables.entry.c.realm == realm))
            .one()
        )
        return int(found[0]), int(found[1] or 0)

    def close(self) -> None:
        """Closes every connection; the WAL is folded back by SQLite on the last one."""
        with self._lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()
        self._local = threading.local()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._read_engine.dispose()
        self._write_engine.dispose()


def _engine(path: Path, *, write: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver's own begins are late and deferred
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        if not write:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    if write:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def unavailable(error: Exception) -> Unavailable:
    """The plain sentence for a store that cannot take an act (disk full, locked, read-only…)."""
    cause = str(getattr(error, "orig", None) or error)
    if "full" in cause or "No space" in cause:
        return Unavailable(
            Text(
                "Le disque est plein : rien n’a été enregistré, rien n’a été fait.",
                "The disk is full: nothing was recorded, nothing was done.",
            ),
            Text("Libérez de la place, puis réessayez.", "Free some space, then try again."),
        )
    return Unavailable(
        Text(
            f"Le registre ne peut pas écrire ({cause}) : rien n’a été fait.",
            f"The ledger cannot write ({cause}): nothing was done.",
        ),
        Text("Réessayez ; si cela dure, lancez « egide doctor ».", "Try again; if it lasts, run “egide doctor”."),
    )


def has_table(connection: Connection, name: str) -> bool:
    """Whether the store holds this table yet."""
    return inspect(connection).has_table(name)
