"""PostgreSQL behind the kernel's store: what an installation of several processes, or machines, stands on.

The lead is a transaction-level advisory lock (PostgreSQL manual §13.3.5): one process appends to a realm's ledger at a time
and the next takes over at the commit, or at the end of whoever died. Reads happen on the event loop, so that none may wait
for ever for a server that is stopped: after `READ_S` the connection is given up, and for a moment others are refused at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import lru_cache
from time import monotonic
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
    event,
    insert,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from egide.engines.postgres_wipe import rewrite
from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.store import Store

CONNECT_S = 3  # s to reach the server
READ_S = 2.5  # s a read on the event loop may take: a live picture is given up at about the same time
WRITE_S = 12.0  # s a writer's statement may take
LEAD_S = 5.0  # s one process waits for another's transaction
STUCK_S = 10.0  # s after which the server ends a transaction whose process is stopped, and the lead passes on
WIPE_S = 3600.0  # s rewriting the tables may take
DOWN_S = 0.5  # s during which no read tries again
WAIT_S = 0.25  # s between looks at the time
LOCK = b"egide ledger "
# The server's own limits: a stopped process loses the lead, nobody waits for it longer than this.
OPTIONS = f"-c lock_timeout={LEAD_S:.0f}s -c idle_in_transaction_session_timeout={STUCK_S:.0f}s"
# ANALYZE: statistics hold frequent values, people's ids too.
REWRITE = ("ANALYZE", "VACUUM FULL")
# What COPY must be told of each column type (binary format has no conversions).
OIDS: dict[type, str] = {
    BigInteger: "int8", Boolean: "bool", Float: "float8", Integer: "int4", LargeBinary: "bytea", String: "text",
}  # fmt: skip


class _Patient(psycopg.Connection[Any]):
    """A connection whose every wait ends."""

    limit_s = WRITE_S

    def wait(self, gen: Generator[Any, Any, Any], interval: float = WAIT_S, timeout: float | None = None) -> Any:
        """Waits for the server, at most `limit_s`; then the connection is of no more use."""
        try:
            return super().wait(gen, interval, min(timeout or self.limit_s, self.limit_s))
        except psycopg.OperationalError as error:
            if type(error).__name__ != "_WaitTimeout":  # psycopg gives it no public name
                raise
            self.close()
            raise psycopg.OperationalError("the server does not answer") from None


class _Quick(_Patient):
    limit_s = READ_S


class _Slow(_Patient):
    limit_s = WIPE_S


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
        self._down_until = 0.0
        self._conninfo = conninfo = str(url.set(drivername="postgresql").render_as_string(hide_password=False))
        super().__init__(self._engine(conninfo, _Quick), self._engine(conninfo, _Patient))

    def reader(self) -> Connection:
        """As every store's; while the server is known to be away, refuses at once instead of waiting again."""
        if monotonic() < self._down_until:
            raise _away()
        try:
            return super().reader()
        except OperationalError as error:
            raise _away() from error

    def away(self) -> bool:
        """A read has just failed, or a probe is unanswered."""
        return monotonic() < self._down_until

    def doubt(self, seconds: float) -> None:
        """Readers refuse at once instead of waiting on the event loop."""
        self._down_until = max(self._down_until, monotonic() + seconds)

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
            with _Slow.connect(
                self._conninfo, connect_timeout=CONNECT_S, options=OPTIONS, application_name="egide", autocommit=True
            ) as db:
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

    def _engine(self, conninfo: str, kind: type[_Patient]) -> Engine:
        def connect() -> _Patient:
            return kind.connect(conninfo, connect_timeout=CONNECT_S, options=OPTIONS, application_name="egide")

        engine = create_engine("postgresql+psycopg://", creator=connect, pool_size=8, max_overflow=32)

        @event.listens_for(engine, "handle_error")
        def _note(context: Any) -> None:
            if kind is _Quick and (context.is_disconnect or context.connection is None):
                self._down_until = monotonic() + DOWN_S

        return engine


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
