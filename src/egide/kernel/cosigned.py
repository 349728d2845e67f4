"""Signed heads as they are shown and given away: each note with the cosignatures and the stamp that came for it.

Reads only; what brings cosignatures and stamps is witnessing.py. The note itself never changes: cosignature lines are put after
the log's own when it is read (C2SP signed-note lets a verifier skip signatures of keys it does not know).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from egide.kernel import cosignature, tables
from egide.kernel.store import has_table


class Head(NamedTuple):
    """A signed head: `note` holds the cosignature lines; `witnesses` is [(name, time in µs)]; `stamped` is a time in µs."""

    size: int
    at: int
    note: str
    witnesses: tuple[tuple[str, int], ...]
    stamped: int | None


def heads(db: Connection, realm: str) -> list[Head]:
    """Every signed head, oldest first."""
    table = tables.checkpoint
    rows = db.execute(
        select(table.c.size, table.c.at, table.c.note).where(table.c.realm == realm).order_by(table.c.size)
    )
    return _with(db, realm, [(int(row[0]), int(row[1]), str(row[2])) for row in rows], None)


def head(db: Connection, realm: str, size: int) -> Head | None:
    """The signed head of exactly this size."""
    table = tables.checkpoint
    row = db.execute(
        select(table.c.size, table.c.at, table.c.note).where(table.c.realm == realm, table.c.size == size)
    ).first()
    return None if row is None else _with(db, realm, [(int(row[0]), int(row[1]), str(row[2]))], [size])[0]


def latest(db: Connection, realm: str, count: int) -> list[Head]:
    """The newest head, and the `count` newest among those that are cosigned or stamped (else: the newest); newest first."""
    table = tables.checkpoint
    marked = {
        int(size)
        for other in (tables.cosignature, tables.stamp)
        for size in db.execute(
            select(other.c.size)
            .where(other.c.realm == realm)
            .group_by(other.c.size)
            .order_by(other.c.size.desc())
            .limit(count)
        ).scalars()
    }
    query = select(table.c.size, table.c.at, table.c.note).where(table.c.realm == realm).order_by(table.c.size.desc())
    rows = list(db.execute(query.limit(1 if marked else count)))
    kept = sorted(marked, reverse=True)[:count]
    if kept:
        seen = {int(row[0]) for row in rows}
        rows += [row for row in db.execute(query.where(table.c.size.in_(kept))) if int(row[0]) not in seen]
    found = [(int(row[0]), int(row[1]), str(row[2])) for row in rows]
    return _with(db, realm, found, [size for size, _, _ in found])


def best(db: Connection, realm: str) -> Head | None:
    """The newest cosigned head; where nobody cosigns, the newest."""
    for source in (tables.cosignature, tables.checkpoint):
        if not has_table(db, source.name):
            continue
        size = db.execute(
            select(source.c.size).where(source.c.realm == realm).order_by(source.c.size.desc()).limit(1)
        ).scalar()
        found = None if size is None else head(db, realm, int(size))
        if found is not None:
            return found
    return None


def stamps(db: Connection, realm: str) -> list[tuple[int, bytes]]:
    """(size, token) of every stamp, oldest first."""
    table = tables.stamp
    if not has_table(db, table.name):
        return []
    rows = db.execute(select(table.c.size, table.c.token).where(table.c.realm == realm).order_by(table.c.size))
    return [(int(size), bytes(token)) for size, token in rows]


def token(db: Connection, realm: str, size: int) -> bytes | None:
    """The stamp of the head of this size, RFC 3161 TimeStampResp."""
    table = tables.stamp
    found = db.execute(select(table.c.token).where(table.c.realm == realm, table.c.size == size)).scalar()
    return None if found is None else bytes(found)


def _with(db: Connection, realm: str, rows: list[tuple[int, int, str]], sizes: Iterable[int] | None) -> list[Head]:
    lines: dict[int, list[str]] = defaultdict(list)
    names: dict[int, list[tuple[str, int]]] = defaultdict(list)
    stamped: dict[int, int] = {}
    table, other = tables.cosignature, tables.stamp

    def among(column: ColumnElement[int]) -> list[ColumnElement[bool]]:
        return [] if sizes is None else [column.in_(list(sizes))]

    if has_table(db, table.name):  # an export may be made of a store that this program has not upgraded yet
        for size, name, at, line in db.execute(
            select(table.c.size, table.c.witness, table.c.at, table.c.line)
            .where(table.c.realm == realm, *among(table.c.size))
            .order_by(table.c.size, table.c.witness)
        ):
            lines[int(size)].append(str(line))
            names[int(size)].append((str(name), int(at)))
    if has_table(db, other.name):
        query = select(other.c.size, other.c.at).where(other.c.realm == realm, *among(other.c.size))
        stamped = {int(size): int(at) for size, at in db.execute(query)}
    return [
        Head(size, at, cosignature.attach(note, lines[size]), tuple(names[size]), stamped.get(size))
        for size, at, note in rows
    ]
