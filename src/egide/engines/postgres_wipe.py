"""What PostgreSQL must do so that deleted rows are in none of its files: written once for the store and for the vault.

Dead rows go when tables and indexes are written anew, once nobody can see them any more (PostgreSQL 15 manual §25.1.2); the old
files go at the next checkpoint; a new log segment is begun, and the checkpoint after that lets the older ones go (§30.5), if
`wal_recycle` is off. What the file system then holds in freed blocks is the operator's: mount with `discard` (docs/erasure.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any

import psycopg

SEEN_S = 10.0  # s to wait for those who may still see deleted rows
LOG = ("CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
# Who is older than the given transaction: rows deleted before it may still be visible to them, and VACUUM would keep the rows.
SEEING = (
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE (datname = current_database() OR backend_type = 'walsender')"
    " AND pid <> pg_backend_pid() AND (age(backend_xmin) > age(%(now)s::xid) OR age(backend_xid) > age(%(now)s::xid)))"
    " + (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database())"
    " + (SELECT count(*) FROM pg_replication_slots WHERE age(xmin) > age(%(now)s::xid))"
)


def rewrite(db: psycopg.Connection[Any], statements: Sequence[str]) -> None:
    """Runs the statements that write the tables anew, then lets the old files and log segments go. Raises `psycopg.Error`."""
    _wait_unseen(db)
    for statement in (*statements, *LOG):
        db.execute(statement.encode())


def _wait_unseen(db: psycopg.Connection[Any]) -> None:
    """Waits for whoever began before now: what was deleted is dead for everybody after that."""
    found = db.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
    now = "" if found is None else str(found[0])
    until = monotonic() + SEEN_S
    while db.execute(SEEING, {"now": now}).fetchone() != (0,):
        if monotonic() > until:
            raise psycopg.OperationalError("somebody may still see deleted rows")
        sleep(0.05)
