"""Limit: the rows of an act in a bare PostgreSQL group-commit loop, and nothing else.

python -m egide.bench.peers.postgres_rows DSN SECONDS BATCH LEAF BODY NOTE    bytes of leaf, sealed body and note
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time

SCHEMA = """
CREATE TABLE entry (realm varchar, idx bigint, leaf bytea, body bytea, id varchar, at bigint, act varchar, outcome varchar, actor varchar,
                    order_id varchar, PRIMARY KEY (realm, idx));
CREATE INDEX entry_by_act ON entry (realm, act, idx);
CREATE INDEX entry_by_actor ON entry (actor);
CREATE TABLE note (id varchar PRIMARY KEY, mission varchar, person varchar, at bigint, lat float8, lon float8, body bytea);
"""


def main() -> None:
    """Prints {"per_s": acts per CPU second of this client, "wall": acts a second}."""
    try:
        import psycopg
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    dsn, seconds = sys.argv[1], float(sys.argv[2])
    count, leaf, body, note = map(int, sys.argv[3:])
    random, done = os.urandom(max(leaf, body, note)), 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SCHEMA)
        begun, end, before = time.monotonic(), time.monotonic() + seconds, time.process_time()
        while time.monotonic() < end:
            now = time.time_ns() // 1000
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO note VALUES (%s, %s, %s, %s, %s, %s, %b)",
                    [(secrets.token_hex(8), "m", "officer", now, 60.17, 24.945, random[:note]) for _ in range(count)],
                )
                cursor.executemany(
                    "INSERT INTO entry VALUES (%s, %s, %b, %b, %s, %s, %s, %s, %s, %s)",
                    [
                        ("police", done + each, random[:leaf], random[:body], secrets.token_hex(16), now, "operations.note.add", "allowed", "officer", "order")
                        for each in range(count)
                    ],
                )  # fmt: skip
            done += count
        cpu, wall = time.process_time() - before, time.monotonic() - begun
    print(json.dumps({"per_s": done / cpu, "wall": done / wall}))


if __name__ == "__main__":
    main()
