"""The store: readers that never block and one writing connection a process; the writer itself is in writer.py.

What is here is common to every engine (engines/sqlite.py, engines/postgres.py); what differs is what `Store` leaves abstract.
Several processes may share a store: `lead` makes the transaction that appends to the ledger the only one that does, until it
commits, so that whoever leads sees all that was appended before.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, MetaData, Select, Table, UpdateBase, func, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from egide.kernel import tables
from egide.kernel.errors import Text, Unavailable

LEAVE_S = 1.0  # s a closing store waits for a thread that still writes


class Store(ABC):
    """Opens the database; `reader()` per thread, `writer` for the one writer thread of this process."""

    name: ClassVar[str]  # for people: "SQLite", "PostgreSQL"

    def __init__(self, read_engine: Engine, write_engine: Engine) -> None:
        self._read_engine = read_engine
        self._write_engine = write_engine
        self._local = threading.local()
        self._readers: list[Connection] = []
        self._lock = threading.Lock()
        self._writer: Connection | None = None

    # -- what differs between engines -----------------------------------------------------------------------------

    @abstractmethod
    def lead(self, connection: Connection, realm: str) -> None:
        """Makes this transaction the realm's only one that appends, until it ends. Raises `Unavailable` after some seconds."""

    @abstractmethod
    def insert(
        self, connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Inserts many rows in the quickest way the engine has."""

    def first(self, connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> Any:
        """The first row of a statement that was built once for all, None where there is none; the quickest way the engine has."""
        return connection.execute(statement, values).first()

    def change(self, connection: Connection, statement: UpdateBase, each: Sequence[Mapping[str, Any]]) -> int:
        """Makes a change that was built once for all with each of these values; how many rows it touched."""
        return int(connection.execute(statement, [dict(values) for values in each]).rowcount)

    @abstractmethod
    def wipe(self, traces: Sequence[bytes] = ()) -> None:
        """Makes sure that what was deleted is no longer on the disk: files, write-ahead log, freed pages. May take long.

        `traces` are bytes that must not be found afterwards, where the engine can look. Raises `Unavailable`: ask again.
        """

    @abstractmethod
    def freeze(self, connection: Connection) -> None:
        """Begins a transaction whose first read fixes what all its reads see."""

    def probe(self) -> None:
        """Asks the engine for the least there is; raises when it does not answer. Not for the event loop: it may wait."""
        with self._read_engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def away(self) -> bool:
        """Whether the engine is known not to answer at this moment; costs nothing."""
        return False

    def doubt(self) -> None:  # noqa: B027 — a file has nothing to do here
        """A probe has gone unanswered: until one is answered no reader waits for the engine. Nothing to do for a file."""

    def renew(self) -> None:  # noqa: B027 — a file has nothing to do here
        """The writer has nothing to do, and a right changed: lets go of what idle connections hold of the past."""

    # -- connections ----------------------------------------------------------------------------------------------

    @property
    def writer(self) -> Connection:
        """The writing connection of this process; only the writer thread and start-up use it."""
        if self._writer is not None and (self._writer.invalidated or self._writer.closed):
            self.drop_writer()
        if self._writer is None:
            self._writer = self._write_engine.connect()
        return self._writer

    def drop_writer(self) -> None:
        """Closes the writing connection; the next use opens another (the server went away, or may have)."""
        if self._writer is not None:
            with suppress(SQLAlchemyError):
                self._writer.invalidate()
            with suppress(SQLAlchemyError):
                self._writer.close()
            self._writer = None

    def reader(self) -> Connection:
        """This thread's reading connection: each statement sees what is committed by then."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None and (connection.invalidated or connection.closed):  # the server went away
            self._local.connection = None  # first: what follows may fail, and is then tried anew
            with self._lock:
                self._readers.remove(connection)
            with suppress(SQLAlchemyError):
                connection.close()
            connection = None
        if connection is None:
            connection = self._read_engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        return connection

    @contextmanager
    def moment(self) -> Iterator[Connection]:
        """A reading connection to one moment: each statement sees the same, whatever others commit meanwhile."""
        with self._read_engine.connect() as connection:
            self.freeze(connection)
            yield connection

    @contextmanager
    def side(self) -> Iterator[Connection]:
        """A short write of bookkeeping that is nobody's state (cursors); waits for the writer like any other process would."""
        with self._write_engine.begin() as connection:
            yield connection

    def create(self, every: Iterable[MetaData]) -> None:
        """Brings the schema to this version; an up-to-date store costs one look."""
        from egide.kernel.migrate import upgrade  # noqa: PLC0415 — alembic takes 0.3 s to import and is rarely needed

        upgrade(self._write_engine, every, lambda connection: self.lead(connection, ""))

    def last_entry(self, realm: str, db: Connection | None = None) -> tuple[int, int]:
        """(number of entries, time of the last in µs) of a realm's ledger."""
        query = select(func.count(), func.max(tables.entry.c.at)).where(tables.entry.c.realm == realm)
        found = (db or self.reader()).execute(query).one()
        return int(found[0]), int(found[1] or 0)

    def close(self) -> None:
        """Closes every connection; a thread in the middle of something short may end it."""
        with self._lock:
            for connection in self._readers:
                with suppress(SQLAlchemyError):
                    connection.close()
            self._readers.clear()
        self._local = threading.local()
        if self._writer is not None:
            with suppress(SQLAlchemyError):
                self._writer.close()
            self._writer = None
        until = monotonic() + LEAVE_S
        while self._write_engine.pool.checkedout() and monotonic() < until:  # type: ignore[attr-defined]  # it is a QueuePool
            sleep(0.01)
        self._read_engine.dispose()
        self._write_engine.dispose()


def put(connection: Connection, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Sets the row of this key, whichever engine it is: changes it, or makes it where there is none."""
    where = [table.c[name] == value for name, value in key.items()]
    if values:
        if connection.execute(update(table).where(*where).values(**values)).rowcount:
            return
    elif connection.execute(select(*(table.c[name] for name in key)).where(*where)).first() is not None:
        return
    connection.execute(insert(table), key | values)


def unavailable(error: Exception) -> Unavailable:
    """The plain sentence for a store that cannot take an act (disk full, locked, read-only, server gone…)."""
    cause = str(getattr(error, "orig", None) or error).strip()
    if "full" in cause or "No space" in cause:
        return Unavailable(
            Text(
                "Le disque est plein : rien n’a été enregistré, rien n’a été fait.",
                "The disk is full: nothing was recorded, nothing was done.",
            ),
            Text("Libérez de la place, puis réessayez.", "Free some space, then try again."),
        )
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Unavailable(
            Text(
                "La base de données ne répond plus : rien n’a été fait.",
                "The database no longer answers: nothing was done.",
            ),
            Text("Réessayez dans un instant.", "Try again in a moment."),
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
