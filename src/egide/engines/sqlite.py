"""The embedded store: SQLite in WAL mode with `synchronous=FULL`: what is acknowledged survives a power cut.

Readers see the last committed state. `BEGIN IMMEDIATE` is the lead: SQLite lets one transaction write at a time, whichever
process it is of.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Dialect,
    Engine,
    Float,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    UpdateBase,
    create_engine,
    event,
    insert,
)
from sqlalchemy import Text as LongString
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from egide.engines import scrub
from egide.engines.sqlite_parts import parts
from egide.kernel.errors import Unavailable
from egide.kernel.store import Store

FILE = "egide.db"
BUSY_MS = 5_000
PAGES_KIB = 65_536  # of the writing connection, else 2,000: what a commit touches is not written early for want of room
CLOSE_S = 0.2  # s a closing process waits for readers of others, who will close after it
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
        for part in parts(rows):
            statement = _statement(connection.dialect, table, columns, len(part))
            connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))

    def first(self, connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> Any:
        """By the driver itself where all it takes and gives is plain: SQLAlchemy's way costs three times what SQLite does."""
        read = _reading(connection.dialect, statement)
        if read is None:
            return super().first(connection, statement, values)
        with _cursor(connection, read.said) as cursor:
            found = cursor.execute(read.said.text, read.said.places(values)).fetchone()
        if found is None:
            return None
        if read.flags:
            found = list(found)
            for place in read.flags:
                found[place] = found[place] if found[place] is None else bool(found[place])
        return read.row(*found)

    def change(self, connection: Connection, statement: UpdateBase, each: Sequence[Mapping[str, Any]]) -> int:
        """By the driver itself, as `first`."""
        said = _said(connection.dialect, statement)
        if said is None or set(said.names) - said.own.keys() != each[0].keys():
            return super().change(connection, statement, each)
        with _cursor(connection, said) as cursor:
            cursor.executemany(said.text, [said.places(values) for values in each])
            return int(cursor.rowcount)

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
        cursor.execute(f"PRAGMA cache_size=-{PAGES_KIB}" if write else "PRAGMA query_only=ON")
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


class _Said(NamedTuple):
    """A statement as the driver takes it: its text, what goes to its places, and what of that is its own, not given."""

    text: str
    names: tuple[str, ...]
    own: dict[str, Any]

    def places(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in their places."""
        if not self.own:
            return [values[name] for name in self.names]
        return [self.own[name] if name in self.own else values[name] for name in self.names]


class _Reading(NamedTuple):
    """A statement that gives rows, and what they are."""

    said: _Said
    row: Callable[..., Any]
    flags: tuple[int, ...]  # which columns are yes or no: the driver gives 0 and 1


@lru_cache(maxsize=256)
def _said(dialect: Dialect, statement: Select[Any] | UpdateBase) -> _Said | None:
    """None where SQLAlchemy has a value to convert, or to fill in."""
    compiled = statement.compile(dialect=dialect)
    names = tuple(getattr(compiled, "positiontup", None) or ())
    asked = {name: compiled.binds[name] for name in names}
    if any(type(bind.type) not in PLAIN or bind.expanding or bind.callable for bind in asked.values()):
        return None
    return _Said(str(compiled), names, {name: bind.value for name, bind in asked.items() if not bind.required})


@contextmanager
def _cursor(connection: Connection, said: _Said) -> Iterator[Any]:
    """The driver's, its errors told as SQLAlchemy's; closed, for one that is not holds the moment it read."""
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    try:
        yield cursor
    except sqlite3.Error as error:
        raise DBAPIError.instance(said.text, None, error, sqlite3.Error, dialect=connection.dialect) from error
    finally:
        cursor.close()


@lru_cache(maxsize=256)
def _reading(dialect: Dialect, statement: Select[Any]) -> _Reading | None:
    """None where SQLAlchemy has something to convert, or to fill in."""
    columns, said = list(statement.selected_columns), _said(dialect, statement)
    if said is None or any(type(column.type) not in PLAIN for column in columns):
        return None
    names_of = [str(column.key) for column in columns]
    row: Callable[..., Any] = namedtuple("Row", names_of)  # type: ignore[misc]  # noqa: PYI024 — whatever the statement asks for
    flags = tuple(place for place, column in enumerate(columns) if isinstance(column.type, Boolean))
    return _Reading(said, row, flags)


@lru_cache(maxsize=1024)
def _statement(dialect: Dialect, table: Table, columns: tuple[str, ...], rows: int) -> str:
    names = dialect.identifier_preparer
    one = f"({', '.join('?' * len(columns))})"
    into = f"{names.format_table(table)} ({', '.join(names.quote(name) for name in columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([one] * rows)}"  # noqa: S608 — our own tables' names
