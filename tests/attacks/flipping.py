"""Flips one bit: of a cell through SQL, of a file; and says what a store holds, so that a change can be told from none."""

from __future__ import annotations

import math
import random
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

Row = tuple[Any, ...]


class Cell(NamedTuple):
    """One value: its table, column, and the row as it was."""

    table: str
    column: str
    row: dict[str, Any]


def flipped(value: Any, chance: random.Random) -> Any:
    """The value with one bit changed, of the same type; None where there is no bit to change."""
    if isinstance(value, bytes) and value:
        at = chance.randrange(len(value))
        return value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :]
    if isinstance(value, str) and value:
        at = chance.randrange(len(value))
        changed = chr(ord(value[at]) ^ (1 << chance.randrange(7)))
        return value[:at] + changed + value[at + 1 :] if changed != "\0" else None
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(max(value.bit_length(), 1)))
    if isinstance(value, float):
        (bits,) = struct.unpack("<Q", struct.pack("<d", value))
        changed = struct.unpack("<d", struct.pack("<Q", bits ^ (1 << chance.randrange(64))))[0]
        return None if math.isnan(changed) else changed
    return None


def columns(db: sqlite3.Connection, table: str) -> tuple[list[str], list[str]]:
    """(every column, those of the primary key) of a table."""
    about = db.execute(f"PRAGMA table_info({table})").fetchall()
    return [row[1] for row in about], [row[1] for row in about if row[5]]


def tables(db: sqlite3.Connection) -> list[str]:
    """Every table, SQLite's own aside."""
    found = db.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    return [row[0] for row in found]


class Cells:
    """The cells of a SQLite file that hold something, by column."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with opened(file) as db:
            self._rows = {table: _rows(db, table) for table in tables(db)}
            self._keys = {table: columns(db, table)[1] for table in self._rows}
        self.columns = sorted(
            {
                (table, name)
                for table, rows in self._rows.items()
                for row in rows
                for name, value in row.items()
                if value is not None and value not in ("", b"")
            }
        )

    def draw(self, table: str, column: str, chance: random.Random) -> Cell:
        """A random cell of a column."""
        rows = [row for row in self._rows[table] if row[column] not in (None, "", b"")]
        return Cell(table, column, chance.choice(rows))

    @contextmanager
    def changed(self, cell: Cell, value: Any) -> Iterator[bool]:
        """The cell holds this value for a while; False where the table's own rules do not let it."""
        keys = self._keys[cell.table]
        where = " AND ".join(f"{key}=?" for key in keys)
        before = [cell.row[key] for key in keys]
        after = [value if key == cell.column else cell.row[key] for key in keys]
        words = f'UPDATE "{cell.table}" SET "{cell.column}"=? WHERE {where}'
        with opened(self._file) as db:
            try:
                assert db.execute(words, [value, *before]).rowcount == 1
            except sqlite3.IntegrityError:
                yield False
                return
            yield True
            assert db.execute(words, [cell.row[cell.column], *after]).rowcount == 1


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """The file, each statement durable by itself."""
    db = sqlite3.connect(file, isolation_level=None, timeout=10)
    try:
        db.execute("PRAGMA synchronous=OFF")
        yield db
    finally:
        db.close()


def _rows(db: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    names, _ = columns(db, table)
    return [dict(zip(names, row, strict=True)) for row in db.execute(f'SELECT * FROM "{table}"')]


def dump(file: Path) -> dict[str, list[dict[str, Any]]] | None:
    """Every row of every table; None where the file cannot be read to its end."""
    try:
        with opened(file) as db:
            return {table: _rows(db, table) for table in tables(db)}
    except (sqlite3.Error, UnicodeDecodeError, OverflowError):
        return None


def whole(file: Path) -> bool:
    """Whether SQLite itself finds nothing wrong with the file."""
    try:
        with opened(file) as db:
            return db.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
    except (sqlite3.Error, UnicodeDecodeError):
        return False


def differing(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> set[tuple[str, str]]:
    """The columns in which two dumps differ; where rows came or went, all of the table."""
    found = set()
    for table in before.keys() | after.keys():
        old, new = before.get(table, []), after.get(table, [])
        if len(old) != len(new):
            found |= {(table, name) for name in (old or new)[0]}
            continue
        for one, other in zip(old, new, strict=True):
            found |= {(table, name) for name in one.keys() | other.keys() if _other(one.get(name), other.get(name))}
    return found


def _other(one: Any, other: Any) -> bool:
    return type(one) is not type(other) or one != other


def flip_file(raw: bytes, chance: random.Random, *, held: bool = False) -> tuple[int, bytes]:
    """(place, the bytes with one bit of it changed); `held`: where something is, not in the zeros of free space."""
    at = chance.randrange(len(raw))
    while held and not raw[at]:
        at = chance.randrange(len(raw))
    return at, raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :]
