"""Whole databases out and in: SQLite by its online backup, PostgreSQL by pg_dump of one exported snapshot.

Why both from one snapshot: the entries, the tree and the signed heads of a backup must be those of one moment, while the
platform goes on writing. Sources: SQLite Online Backup API; PostgreSQL manual §9.28.5 (pg_export_snapshot), pg_dump.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from egide.kernel.backup_sets import destroy
from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.store import unavailable

PAGES = 2048  # pages a step of SQLite's backup: 8 MiB, a few milliseconds, between which others write
PIECE = 1 << 20  # bytes read from pg_dump at once
PROGRAMS = Path("/usr/lib/postgresql")  # where Debian keeps each version's programs
Steps = Callable[[int, int], None]  # (done, total) pages


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a database: a connection that sees it, and the bytes to keep."""

    db: Connection
    stream: Iterator[bytes]


class Database(ABC):
    """A database that can be copied out whole and put back."""

    engine: str  # as `Store.name`
    file: str  # what its copy is called in a set

    @abstractmethod
    @contextmanager
    def snapshot(self, aside: Path, steps: Steps) -> Iterator[Snapshot]:
        """A snapshot; `aside` is a folder for a working copy, which is gone afterwards."""

    @abstractmethod
    def content(self) -> Iterator[bytes]:
        """The bytes of a snapshot that never touch the disk on their way: for the keys."""

    @abstractmethod
    def empty(self) -> bool:
        """Whether nothing is stored there."""

    @abstractmethod
    def load(self, stream: Iterable[bytes]) -> None:
        """Puts a copy back where nothing is: whole, or not at all."""

    @abstractmethod
    @contextmanager
    def open(self) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end."""


class SqliteFile(Database):
    """One SQLite file."""

    engine = "SQLite"
    file = "sqlite.db"

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def snapshot(self, aside: Path, steps: Steps) -> Iterator[Snapshot]:
        """The online backup into a private working file; the file is overwritten and removed afterwards."""
        copy = aside / f".{self.path.name}.{os.getpid()}.copy"
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with (
                closing(
                    sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10, isolation_level=None)
                ) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                # A reading transaction held open: else each write of another process makes the copy begin again, for ever.
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master").fetchone()
                source.backup(
                    target, pages=PAGES, sleep=0.002, progress=lambda _s, left, all_: steps(all_ - left, all_)
                )
                target.execute("PRAGMA journal_mode=DELETE")
            engine = create_engine(f"sqlite:///file:{copy}?mode=ro&immutable=1&uri=true", poolclass=NullPool)
            with engine.connect() as db, copy.open("rb") as content:
                yield Snapshot(db, iter(lambda: content.read(PIECE), b""))
        except sqlite3.Error as error:
            raise unavailable(error) from error
        finally:
            for left in (copy, copy.with_name(copy.name + "-journal")):
                if left.exists():
                    destroy(left)

    def content(self) -> Iterator[bytes]:
        """The online backup into memory: what a removed working file leaves on the disk would outlive an erasure."""
        try:
            with (
                closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)) as source,
                closing(sqlite3.connect(":memory:")) as target,
            ):
                source.backup(target, pages=-1)  # in one step: small, and an erasure may be waiting for the log
                target.execute("PRAGMA journal_mode=DELETE")
                whole = memoryview(target.serialize())
        except sqlite3.Error as error:
            raise unavailable(error) from error
        for at in range(0, len(whole), PIECE):
            yield bytes(whole[at : at + PIECE])

    def empty(self) -> bool:
        """No file."""
        return not self.path.exists()

    def load(self, stream: Iterable[bytes]) -> None:
        """Writes the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            for piece in stream:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """What is deleted here is zeroed."""
        engine = create_engine(f"sqlite:///{self.path}", poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
            connection.exec_driver_sql("PRAGMA temp_store=MEMORY")
            connection.commit()
            with connection.begin():
                yield connection
        engine.dispose()


class PostgresDatabase(Database):
    """One database of a PostgreSQL server."""

    engine = "PostgreSQL"
    file = "postgresql.dump"

    def __init__(self, dsn: str) -> None:
        self._url = make_url(dsn)

    @contextmanager
    def snapshot(self, aside: Path, steps: Steps) -> Iterator[Snapshot]:  # noqa: ARG002 — the server needs no working copy
        """pg_dump -Fc of a snapshot that a transaction of ours holds open."""
        with self.open() as db:
            db.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            taken = db.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            words = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={taken}"]
            yield Snapshot(db, self._run("pg_dump", words, steps))

    def content(self) -> Iterator[bytes]:
        """pg_dump, which takes a snapshot of its own."""
        return self._run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges"], lambda *_: None)

    def empty(self) -> bool:
        """No table of anybody's."""
        with self.open() as db:
            return not inspect(db).get_table_names()

    def load(self, stream: Iterable[bytes]) -> None:
        """pg_restore in one transaction."""
        words = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
        with self._child("pg_restore", words, subprocess.PIPE, None) as child:
            try:
                for piece in stream:
                    _end(child.stdin).write(piece)
                _end(child.stdin).close()
            except BrokenPipeError:
                pass  # it has ended; why, it says itself
            self._ended(child, "pg_restore")

    def clear(self) -> None:
        """Takes out what a failed restore had put in: the database was empty before."""
        with self.open() as db:
            db.execute(text("DROP SCHEMA public CASCADE"))
            db.execute(text("CREATE SCHEMA public"))

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """A transaction that may take as long as it needs."""
        engine = create_engine(self._url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
        try:
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                yield connection
        except SQLAlchemyError as error:
            raise unavailable(error) from error
        finally:
            engine.dispose()

    def _run(self, name: str, words: list[str], steps: Steps) -> Iterator[bytes]:
        with self._child(name, words, None, subprocess.PIPE) as child:
            out, done = _end(child.stdout), 0
            while piece := out.read(PIECE):
                done += len(piece)
                steps(done, 0)
                yield piece
            self._ended(child, name)

    @contextmanager
    def _child(
        self, name: str, words: list[str], given: int | None, out: int | None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The program, which never outlives us; a password goes by its environment, never by its command line."""
        environment = dict(os.environ)
        if self._url.password:
            environment["PGPASSWORD"] = str(self._url.password)
        address = URL.create(
            "postgresql", self._url.username, None, self._url.host, self._url.port, self._url.database, self._url.query
        ).render_as_string(hide_password=False)
        child = subprocess.Popen(  # noqa: S603 — PostgreSQL's own program, found where PostgreSQL is installed
            [str(program(name)), *words, f"--dbname={address}"],
            stdin=given or subprocess.DEVNULL, stdout=out or subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            for end in (child.stdin, child.stdout, child.stderr):
                if end is not None:
                    end.close()

    @staticmethod
    def _ended(child: subprocess.Popen[bytes], name: str) -> None:
        said = _end(child.stderr).read(4096).decode("utf-8", "replace").strip()
        if child.wait():
            raise Unavailable(
                Text(f"{name} a échoué : {said}", f"{name} failed: {said}"),
                Text("Corrigez ce qu’il dit, puis recommencez.", "Put right what it says, then start again."),
            )


def program(name: str) -> Path:
    """A program of PostgreSQL: the newest version installed, or the one in PATH. Raises `StartupError`."""
    versions = [place for place in PROGRAMS.glob("*/bin") if (place / name).exists()]
    newest = max(versions, key=lambda place: _number(place.parent.name), default=None)
    if newest is not None:
        return newest / name
    found = shutil.which(name)
    if found is None:
        raise StartupError(
            Text(f"{name} n’est pas installé.", f"{name} is not installed."),
            Text(
                "Installez le client de PostgreSQL (postgresql-client).",
                "Install PostgreSQL’s client (postgresql-client).",
            ),
        )
    return Path(found)


def _number(version: str) -> float:
    try:
        return float(version)
    except ValueError:
        return 0.0


def _end(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the child was started without this pipe")
    return pipe


def database(setting: str, file: Path) -> Database:
    """The database of a setting; "" is the file in the data folder."""
    return PostgresDatabase(setting) if setting.startswith("postgresql:") else SqliteFile(file)
