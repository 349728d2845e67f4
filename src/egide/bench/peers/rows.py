"""Limit: the rows of an act in a bare SQLite group-commit loop, and nothing else. No program that keeps them durably is quicker.

python -m egide.bench.peers.rows acts FOLDER SECONDS BATCH LEAF BODY NOTE    bytes of leaf, sealed body and note
python -m egide.bench.peers.rows bulk FOLDER SECONDS ROWS LEAF BODY
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

SCHEMA = """
CREATE TABLE entry (realm TEXT, idx INTEGER, leaf BLOB, body BLOB, id TEXT, at INTEGER, act TEXT, outcome TEXT, actor TEXT, order_id TEXT,
                    PRIMARY KEY (realm, idx)) WITHOUT ROWID;
CREATE INDEX entry_by_act ON entry (realm, act, idx);
CREATE INDEX entry_by_actor ON entry (actor);
CREATE TABLE note (id TEXT PRIMARY KEY, mission TEXT, person TEXT, at INTEGER, lat REAL, lon REAL, body BLOB);
CREATE TABLE record (batch INTEGER, number INTEGER, plate TEXT, at INTEGER, lat REAL, lon REAL, PRIMARY KEY (batch, number));
"""
CHUNK = 64  # rows of one INSERT


def put(database: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    """Inserts rows, 64 in a statement: measured quicker than an `executemany`."""
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        marks = ",".join(["(" + ",".join("?" * len(part[0])) + ")"] * len(part))
        database.execute(f"INSERT INTO {table} VALUES {marks}", tuple(chain.from_iterable(part)))  # noqa: S608 — our own names


def loop(database: sqlite3.Connection, seconds: float, commit: Callable[[int], int]) -> float:
    """What `commit(number of commits so far)` says it did, per CPU second."""
    done, commits, end, before = 0, 0, time.monotonic() + seconds, time.process_time()
    while time.monotonic() < end:
        database.execute("BEGIN IMMEDIATE")
        done += commit(commits)
        database.execute("COMMIT")
        commits += 1
    return done / (time.process_time() - before)


def main() -> None:
    """Prints {"per_s": acts or rows per CPU second}."""
    kind, folder, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    count, leaf, body, *note = map(int, sys.argv[4:])
    database = sqlite3.connect(
        Path(folder) / f"rows-{secrets.token_hex(4)}.db", isolation_level=None, cached_statements=512
    )
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(SCHEMA)
    random = os.urandom(max(leaf, body, *note, 1))

    def entry(number: int, now: int) -> tuple[object, ...]:
        return (
            "police",
            number,
            random[:leaf],
            random[:body],
            secrets.token_hex(16),
            now,
            "operations.note.add",
            "allowed",
            "officer",
            "order",
        )

    def acts(commits: int) -> int:
        now = time.time_ns() // 1000
        put(
            database,
            "note",
            [(secrets.token_hex(8), "mission", "officer", now, 60.17, 24.945, random[: note[0]]) for _ in range(count)],
        )
        put(database, "entry", [entry(commits * count + each, now) for each in range(count)])
        return count

    def bulk(commits: int) -> int:
        now = time.time_ns() // 1000
        put(
            database, "record", [(commits, number, "AA-123-BB", now + number, 60.17, 24.945) for number in range(count)]
        )
        put(database, "entry", [entry(commits, now)])
        return count

    print(json.dumps({"per_s": loop(database, seconds, acts if kind == "acts" else bulk)}))


if __name__ == "__main__":
    main()
