"""A chain's blocks in a SQLite file of their own: what was added is on the disk before anybody is told (WAL, synchronous=FULL).

Why a file of its own: a chain is public among its members, and is backed up apart from what a realm keeps of people.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FILE = "consortium.db"
PAGE = 64  # blocks read at once; of at most 64 KiB each

TABLES = (
    "CREATE TABLE IF NOT EXISTS block (height INTEGER PRIMARY KEY CHECK (height > 0), body BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS fault (number INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS word (kind TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
)


class SqliteChainStore:
    """The store of one authority's chain, in this folder. One process at a time; any thread, one after the other.

    Raises `OSError` where the disk is full or the file is not to be read or written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / FILE
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *TABLES):
            self._connection.execute(statement)

    def blocks(self, start: int) -> Iterator[bytes]:
        """The blocks from this height on, a page at a time: the store may grow meanwhile."""
        while True:
            rows = self._run(
                "SELECT body FROM block WHERE height >= ? ORDER BY height LIMIT ?", (start, PAGE)
            ).fetchall()
            yield from (body for (body,) in rows)
            if len(rows) < PAGE:
                return
            start += PAGE

    def append(self, height: int, block: bytes) -> None:
        """Adds a block; sqlite3.IntegrityError where there is one."""
        self._run("INSERT INTO block VALUES (?, ?)", (height, block))

    def add_fault(self, fault: bytes) -> None:
        """Keeps a fault and its proof."""
        self._run("INSERT INTO fault (body) VALUES (?)", (fault,))

    def faults(self) -> Iterator[bytes]:
        """All faults, the oldest first."""
        yield from (body for (body,) in self._run("SELECT body FROM fault ORDER BY number").fetchall())

    def remember(self, words: Mapping[str, bytes]) -> None:
        """Keeps the last word of each kind, in one statement."""
        places = ", ".join(["(?, ?)"] * len(words))
        values = [value for pair in words.items() for value in pair]
        self._run(f"INSERT OR REPLACE INTO word VALUES {places}", values)  # noqa: S608 — question marks only

    def words(self) -> Iterator[bytes]:
        """The last word of each kind."""
        yield from (body for (body,) in self._run("SELECT body FROM word").fetchall())

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise OSError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
