"""The embedded store: SQLite in WAL mode with `synchronous=FULL`: what is acknowledged survives a power cut.

Readers see the last committed state. `BEGIN IMMEDIATE` is the lead: SQLite lets one transaction write at a time, whichever
process it is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Dialect,
    Engine,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    create_engine,
    event,
    insert,
)
from sqlalchemy import Text as LongString
from sqlalchemy.exc import SQLAlchemyError

from egide.engines import scrub
from egide.kernel.errors import Unavailable
from egide.kernel.store import Store

FILE = "egide.db"
BUSY_MS = 5_000
CLOSE_S = 0.2  # s a closing process waits for readers of others, who will close after it
CHUNKS = (64, 16, 4, 1)  # rows of one INSERT; few sizes, so that each statement is prepared once
# Column types whose values the driver takes as they are.
PLAIN = {BigInteger, Boolean, Float, Integer, LargeBinary, LongString, String}


class SqliteStore(Store):
    """One file in the data folder."""

    name: ClassVar[str] = "SQLite"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / FILE
        super().__init__(_engine(self.path, write=False), _engine(self.path, write=True))

    def lead(self, connection: Connection, realm: str) -> None:
        """Nothing more to do: the transaction began as IMMEDIATE."""

    def freeze(self, connection: Connection) -> None:
        """A deferred transaction: WAL readers keep the snapshot of their first read (SQLite, “Isolation”)."""
        connection.exec_driver_sql("BEGIN")

    def insert(
        self, connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Inserts rows, many in a statement.

        An `executemany` gives the interpreter lock away at every row and waits for it again while the event loop is busy;
        one statement for 64 rows does so once. Tables with other than plain columns take SQLAlchemy's way.
        """
        if not rows:
            return
        if not _plain(table, columns):
            connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])
            return
        at = 0
        for size in CHUNKS:
            while len(rows) - at >= size:
                values = tuple(chain.from_iterable(rows[at : at + size]))
                connection.exec_driver_sql(_statement(connection.dialect, table, columns, size), values)
                at += size

    def wipe(self, traces: Sequence[bytes] = ()) -> None:
        """Overwrites what deleting leaves in the log and in the pages (scrub.py)."""
        scrub.scrub(self.path, traces)

    def close(self) -> None:
        """Closes; the last to close removes the log, whose blocks are then anyone's: it is overwritten before."""
        with suppress(SQLAlchemyError, Unavailable), self._write_engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            scrub.scrub_log(driver, self.path, wait_s=CLOSE_S)
        super().close()


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
        cursor.execute("PRAGMA temp_store=MEMORY")  # a sort that spills over would leave people on the disk
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


@lru_cache(maxsize=256)
def _plain(table: Table, columns: tuple[str, ...]) -> bool:
    """Whether the driver takes these rows as they are: no conversion, no default that SQLAlchemy would fill in."""
    left_out = (column for column in table.columns if column.name not in columns)
    return all(type(table.columns[name].type) in PLAIN for name in columns) and all(
        column.default is None for column in left_out
    )


@lru_cache(maxsize=1024)
def _statement(dialect: Dialect, table: Table, columns: tuple[str, ...], rows: int) -> str:
    names = dialect.identifier_preparer
    one = f"({', '.join('?' * len(columns))})"
    into = f"{names.format_table(table)} ({', '.join(names.quote(name) for name in columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([one] * rows)}"  # noqa: S608 — our own tables' names
