"""PostgreSQL behind the kernel's store: what an installation of several processes, or machines, stands on.

The lead is a transaction-level advisory lock (PostgreSQL manual §13.3.5): one process appends to a realm's ledger at a time
and the next takes over at the commit, or at the end of whoever died. Reads, and short writes of bookkeeping, happen on the
event loop: the first that a hanging server keeps waiting opens the circuit (circuit.py), and the others are refused at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any, ClassVar

import psycopg
from psycopg import sql
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    create_engine,
    insert,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from egide.engines.circuit import Circuit, Patient, Quick
from egide.engines.postgres_wipe import rewrite
from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.store import Store

LEAD_S = 5.0  # s one process waits for another's transaction
STUCK_S = 10.0  # s after which the server ends a transaction whose process is stopped, and the lead passes on
WIPE_S = 3600.0  # s rewriting the tables may take
LOCK = b"egide ledger "
# The server's own limits: a stopped process loses the lead, nobody waits for it longer than this.
OPTIONS = f"-c lock_timeout={LEAD_S:.0f}s -c idle_in_transaction_session_timeout={STUCK_S:.0f}s"
# ANALYZE: statistics hold frequent values, people's ids too.
REWRITE = ("ANALYZE", "VACUUM FULL")
# What COPY must be told of each column type (binary format has no conversions).
OIDS: dict[type, str] = {
    BigInteger: "int8", Boolean: "bool", Float: "float8", Integer: "int4", LargeBinary: "bytea", String: "text",
}  # fmt: skip


class _Writing(Patient):
    """Its waits are the writer's thread's; the event loop's limit holds for it in `side()` only."""

    loops = False


class _Slow(Patient):
    limit_s = WIPE_S
    loops = False


class PostgresStore(Store):
    """One database of a PostgreSQL server (15 or newer)."""

    name: ClassVar[str] = "PostgreSQL"

    def __init__(self, dsn: str) -> None:
        try:
            url = make_url(dsn).set(drivername="postgresql+psycopg")
        except ArgumentError as error:
            raise StartupError(
                Text("L’adresse de la base n’est pas lisible.", "The database’s address cannot be read."),
                Text(
                    "Écrivez postgresql:///base?host=/run/postgresql", "Write postgresql:///base?host=/run/postgresql"
                ),
                file="egide.toml",
            ) from error
        conninfo = str(url.set(drivername="postgresql").render_as_string(hide_password=False))
        self._circuit = Circuit(conninfo, "store")
        super().__init__(self._engine(Quick), self._engine(_Writing))

    def reader(self) -> Connection:
        """As every store's; while the server is known to be away, refuses at once instead of waiting again."""
        if self._circuit.is_open:
            raise _away()
        try:
            return super().reader()
        except OperationalError as error:
            raise _away() from error

    @contextmanager
    def side(self) -> Iterator[Connection]:
        """As every store's; on the event loop it waits no longer than a read."""
        if self._circuit.is_open:
            raise _away()
        with self._write_engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.loops = True
            try:
                with connection.begin():
                    yield connection
            finally:
                driver.loops = False

    def probe(self) -> None:
        """Asks the server, unless that is being done already: then it is away."""
        if self._circuit.is_open:
            raise _away()
        try:
            self._circuit.probe()
        except psycopg.Error as error:
            raise _away() from error

    def away(self) -> bool:
        """Whether the server did not answer the last who asked."""
        return self._circuit.is_open

    def doubt(self) -> None:
        """Nobody asks any more until the server answers the circuit's probe."""
        self._circuit.open()

    def close(self) -> None:
        """Closes every connection, the probe's too."""
        self._circuit.end()
        super().close()

    def lead(self, connection: Connection, realm: str) -> None:
        """Takes the realm's advisory lock until the transaction ends."""
        try:
            connection.execute(_LEAD, {"key": _key(realm)})
        except OperationalError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise Unavailable(
                    Text(
                        "Un autre processus tient le registre depuis trop longtemps : rien n’a été fait.",
                        "Another process has held the ledger for too long: nothing was done.",
                    ),
                    Text("Réessayez dans un instant.", "Try again in a moment."),
                ) from error
            raise

    def freeze(self, connection: Connection) -> None:
        """One snapshot for the whole transaction (PostgreSQL manual §13.2.2)."""
        connection.execution_options(isolation_level="REPEATABLE READ")

    def insert(
        self, connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """COPY in binary: the least work for both sides from a few rows on."""
        if not rows:
            return
        types = _types(table, columns)
        if types is None:
            connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])
            return
        driver: Any = connection.connection.driver_connection
        try:
            with closing(driver.cursor()) as cursor, cursor.copy(_copy(table, columns)) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise DBAPIError.instance(
                "COPY", None, error, psycopg.Error, connection_invalidated=driver.closed, dialect=connection.dialect
            ) from error

    def wipe(self, traces: Sequence[bytes] = ()) -> None:  # noqa: ARG002 — the server's files are not ours to read
        """Rewrites the tables, the statistics too (they name frequent values), and lets the old files and log segments go.

        What the file system then holds in freed blocks is the operator's: mount with `discard` (docs/erasure.md). Old log
        segments are only removed with `wal_recycle = off`. Raises `Unavailable` while readers are in the way.
        """
        try:
            with self._circuit.connect(_Slow, options=OPTIONS, application_name="egide", autocommit=True) as db:
                rewrite(db, REWRITE)
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unavailable(
                Text(
                    "Le rôle de la base ne peut pas effacer les octets : il lui manque pg_checkpoint ou pg_switch_wal.",
                    "The database role cannot wipe: it lacks pg_checkpoint or pg_switch_wal.",
                ),
                Text("Accordez-les (docs/erasure.md).", "Grant them (docs/erasure.md)."),
            ) from error
        except psycopg.Error as error:
            raise _away() from error

    def renew(self) -> None:
        """An idle connection holds the log segment it wrote last, removed or not: until it closes, its blocks are not freed."""
        self.drop_writer()
        # Not `dispose`: a connection that is in use meanwhile would come back to a pool that nobody closes.
        for _ in range(self._write_engine.pool.checkedin()):  # type: ignore[attr-defined]  # it is a QueuePool
            idle = self._write_engine.raw_connection()
            idle.invalidate()
            idle.close()

    def _engine(self, kind: type[Patient]) -> Engine:
        def connect() -> Patient:
            return self._circuit.connect(kind, options=OPTIONS, application_name="egide")

        return create_engine("postgresql+psycopg://", creator=connect, pool_size=8, max_overflow=32)


_LEAD = text("SELECT pg_advisory_xact_lock(:key)")


def _key(realm: str) -> int:
    """The lock's number: 64 bits of a hash, so that realms in one server do not wait for one another."""
    return int.from_bytes(hashlib.sha256(LOCK + realm.encode()).digest()[:8], "big", signed=True)


@lru_cache(maxsize=256)
def _types(table: Table, columns: tuple[str, ...]) -> list[str] | None:
    """The types COPY writes; None where a column is of another kind or SQLAlchemy would fill in a default."""
    if any(column.default is not None for column in table.columns if column.name not in columns):
        return None
    found = [next((OIDS[kind] for kind in OIDS if isinstance(table.columns[name].type, kind)), "") for name in columns]
    return found if all(found) else None


@lru_cache(maxsize=256)
def _copy(table: Table, columns: tuple[str, ...]) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table.name), names)


def _away() -> Unavailable:
    return Unavailable(
        Text(
            "La base de données ne répond pas : rien n’a été fait.",
            "The database does not answer: nothing was done.",
        ),
        Text("Réessayez dans un instant.", "Try again in a moment."),
    )
