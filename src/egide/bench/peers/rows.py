"""Limit: the rows of an act in a bare SQLite group-commit loop, and nothing else. No program that keeps them durably is quicker.

python -m egide.bench.peers.rows acts FOLDER SECONDS BATCH LEAF BODY NOTE    bytes of leaf, sealed body and note
python -m egide.bench.peers.rows bulk FOLDER SECONDS ROWS LEAF BODY
python -m egide.bench.peers.rows filing FOLDER SECONDS BATCH LEAF BODY DRAFT     so many drafts saved, then filed: two commits
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
CREATE TABLE draft (id TEXT PRIMARY KEY, secret TEXT, service TEXT, version INTEGER, at INTEGER, body BLOB);
CREATE TABLE file (id TEXT PRIMARY KEY, number TEXT UNIQUE, secret TEXT, service TEXT, state TEXT, opened INTEGER, due INTEGER, body BLOB);
CREATE INDEX file_by_due ON file (due);
CREATE TABLE event (file TEXT, seq INTEGER, at INTEGER, step TEXT, link TEXT, body BLOB, PRIMARY KEY (file, seq));
CREATE TABLE job (id TEXT PRIMARY KEY, due INTEGER, act TEXT, input BLOB, state TEXT);
CREATE TABLE outbox (seq INTEGER PRIMARY KEY, at INTEGER, entry TEXT, name TEXT, payload BLOB);
CREATE TABLE retained (id TEXT PRIMARY KEY, category TEXT, due INTEGER);
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

    def filing(commits: int) -> int:
        now, start = time.time_ns() // 1000, commits * count
        if commits % 2 == 0:
            held[:] = [secrets.token_hex(16) for _ in range(count)]
            put(database, "draft", [(id_, secrets.token_hex(32), "theft", 1, now, random[: note[0]]) for id_ in held])
            put(database, "retained", [(id_, "service-draft", now) for id_ in held])
            put(database, "entry", [entry(start + each, now) for each in range(count)])
            return 0
        for table in ("draft", "retained"):
            database.execute(f"DELETE FROM {table} WHERE id IN ({','.join('?' * count)})", held)  # noqa: S608 — our own names
        files: list[tuple[object, ...]] = [
            (id_, f"PL-2026-{start + each:08}", secrets.token_hex(32), "theft", "filed", now, now, random[: note[0]])
            for each, id_ in enumerate(held)
        ]
        put(database, "file", files)
        put(database, "event", [(id_, 0, now, "file", secrets.token_hex(32), random[:64]) for id_ in held])
        put(database, "retained", [(f"file/{id_}", "complaints-file", None) for id_ in held])
        put(database, "job", [(id_, now, "services.document.make", random[:80], "due") for id_ in held])
        put(database, "outbox", [(None, now, id_, "service.filed", random[:80]) for id_ in held])
        put(database, "entry", [entry(start + each, now) for each in range(count)])
        return count

    held: list[str] = []
    print(json.dumps({"per_s": loop(database, seconds, {"acts": acts, "bulk": bulk, "filing": filing}[kind])}))


if __name__ == "__main__":
    main()
