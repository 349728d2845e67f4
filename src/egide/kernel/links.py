"""Every clear link from a person to what they did, as the tables declare it; counting and removing them all.

A column that may hold a person's id says so: `Column(…, info={"person": what})`, where `what` is what erasure does there:

    delete   the row goes
    null     the id goes
    blank    the id is replaced by a drawn one, another in each row
    within   the id is replaced wherever it stands inside the bytes (JSON of events and jobs)
    keep     the id stays, for a reason: `"why": (fr, en)`

`"prefix"`: what stands before the id. `"while": column`: where that column is set, the row stays as it is, for the reason `why`.
Leaves hold drawn subject ids only, so that every proof still verifies. Sources: GDPR 17(1), (3); directive 2016/680 art. 16(2);
EDPB 02/2025 §§102-104.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from egide.kernel import tables
from egide.kernel.randomness import draw

Does = Literal["delete", "null", "blank", "within", "keep"]
DOES: tuple[Does, ...] = ("delete", "null", "blank", "within", "keep")


@dataclass(frozen=True, slots=True)
class Link:
    """One column that may hold a person's id."""

    table: Table
    column: Column[Any]
    does: Does
    prefix: str = ""
    unless: str = ""  # the column that keeps the row where it is set
    why: tuple[str, str] = ("", "")

    @property
    def place(self) -> str:
        """`table.column`, for people and for the record."""
        return f"{self.table.name}.{self.column.name}"


@dataclass(slots=True)
class Removed:
    """How much was taken out, and what stays."""

    rows: dict[str, int] = field(default_factory=dict)  # by place
    bodies: int = 0  # of ledger entries
    kept: dict[str, int] = field(default_factory=dict)  # by place


def links(every: Iterable[MetaData]) -> tuple[Link, ...]:
    """The declared links of these tables. Raises `ValueError` for a declaration that says nothing, or keeps without a reason."""
    return tuple(_declared(every))


def _declared(every: Iterable[MetaData]) -> Iterator[Link]:
    for metadata in every:
        for table in metadata.sorted_tables:
            for column in table.columns:
                said = column.info.get("person")
                if said is None:
                    continue
                link = Link(
                    table, column, said, column.info.get("prefix", ""), column.info.get("while", ""), column.info.get("why", ("", "")),
                )  # fmt: skip
                if said not in DOES or ((said == "keep" or link.unless) and not all(link.why)):
                    raise ValueError(f"{link.place}: {said!r} says nothing, or keeps without a reason")
                if said == "null" and not column.nullable:
                    raise ValueError(f"{link.place} may not be null")
                yield link


def count(db: Connection, known: Iterable[Link], person: str) -> Removed:
    """What removing would do, without doing it."""
    found = Removed()
    for link in known:
        goes, stays = _where(db, link, person)
        if goes is not None:
            _note(found.rows, link, _number(db, link.table, goes))
        if stays is not None:
            _note(found.kept, link, _number(db, link.table, stays))
    found.bodies = _number(db, tables.entry, and_(tables.entry.c.body.is_not(None), _theirs(person)))
    return found


def remove(connection: Connection, known: Iterable[Link], person: str) -> Removed:
    """Takes out every link and every ledger body that is theirs or speaks of them; inside the caller's transaction."""
    found = Removed()
    entry = tables.entry
    # First the bodies: they are found by the links.
    found.bodies = connection.execute(
        update(entry).where(entry.c.body.is_not(None), _theirs(person)).values(body=None)
    ).rowcount
    for link in sorted(known, key=lambda link: link.does != "within"):  # the bytes first: their row may go afterwards
        goes, stays = _where(connection, link, person)
        if goes is not None:
            _note(found.rows, link, _take(connection, link, person, goes))
        if stays is not None:
            _note(found.kept, link, _number(connection, link.table, stays))
    return found


def _theirs(person: str) -> ColumnElement[bool]:
    entry, concern = tables.entry, tables.concern
    about = exists().where(concern.c.person == person, concern.c.realm == entry.c.realm, concern.c.idx == entry.c.idx)
    return or_(entry.c.actor == person, about)


def _where(db: Connection, link: Link, person: str) -> tuple[ColumnElement[bool] | None, ColumnElement[bool] | None]:
    """(which rows lose the link, which keep it)."""
    if link.does == "within" or (link.does == "keep" and not link.prefix):
        here = _inside(db, link.column, person)
    else:
        here = link.column == f"{link.prefix}{person}"
    if link.does == "keep":
        return None, here
    if not link.unless:
        return here, None
    stands = link.table.columns[link.unless]
    return and_(here, stands.is_(None)), and_(here, stands.is_not(None))


def _inside(db: Connection, column: Column[Any], person: str) -> ColumnElement[bool]:
    """Whether the id stands somewhere in the value."""
    binary = isinstance(column.type, LargeBinary)
    needle = literal(person.encode()) if binary else literal(person)
    if db.dialect.name == "sqlite":
        return func.instr(column, needle) > 0
    return func.strpos(column, needle) > 0 if not binary else func.position(needle.op("IN")(column)) > 0


def _take(connection: Connection, link: Link, person: str, where: ColumnElement[bool]) -> int:
    table, column = link.table, link.column
    if link.does == "delete":
        return connection.execute(delete(table).where(where)).rowcount
    if link.does == "null":
        return connection.execute(update(table).where(where).values({column.name: None})).rowcount
    keys = list(table.primary_key.columns)
    rows = connection.execute(select(*keys, column).where(where)).all()
    changed = []
    for row in rows:
        value = row[-1]
        new = _without(bytes(value), person) if link.does == "within" else _drawn(len(value))
        if new != value:
            changed.append({f"key_{n}": row[n] for n in range(len(keys))} | {"new": new})
    if changed:
        this = and_(*(key == bindparam(f"key_{n}") for n, key in enumerate(keys)))
        connection.execute(update(table).where(this).values({column.name: bindparam("new")}), changed)
    return len(changed)


def _without(value: bytes, person: str) -> bytes:
    """The same bytes with a drawn id of the same length wherever this one stands by itself."""
    alone = re.compile(rb"(?<![\w-])" + re.escape(person.encode()) + rb"(?![\w-])")
    return alone.sub(lambda found: _drawn(len(found[0])).encode(), value)


def _drawn(length: int) -> str:
    return draw(20).hex()[: max(length, 16)]


def _number(db: Connection, table: Table, where: ColumnElement[bool]) -> int:
    return int(db.execute(select(func.count()).select_from(table).where(where)).scalar_one())


def _note(into: dict[str, int], link: Link, number: int) -> None:
    if number:
        into[link.place] = number
