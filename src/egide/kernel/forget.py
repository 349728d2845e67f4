"""Takes out of a restored store what its keys cannot open: it belongs to people who were erased after that backup was made.

Why: the restored ledger is older than the erasure, and the keys are not; without their key the bodies are worthless, but the
links from a person to their entries stand in clear columns and must go too (EDPB 02/2025 §§102-104; GDPR 17; directive
2016/680 art. 16). Leaves stay, and every proof still verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, and_, bindparam, delete, func, select, tuple_, update

from egide.kernel import tables
from egide.kernel.act import Change
from egide.kernel.links import Link, remove

PAGE = 4096  # entries looked at at once
HEAD = 13  # bytes that name a key: version and key id (vault.py)
Holds = Callable[[bytes], bool | None]
Count = Callable[[int, int], None]


@dataclass(slots=True)
class Forgotten:
    """How much was taken out."""

    bodies: int = 0  # of entries
    people: int = 0
    rows: int = 0  # of theirs, in other tables
    values: int = 0  # other sealed values

    @property
    def any(self) -> bool:
        """Whether anything was."""
        return bool(self.bodies or self.people or self.rows or self.values)


def unopenable(db: Connection, realm: str, links: Sequence[Link], holds: Holds, count: Count) -> Forgotten:
    """Takes out every sealed value whose key is gone, and with a person's name every row and link of theirs."""
    found = Forgotten()
    known: dict[bytes, bool | None] = {}

    def gone(value: Any) -> bool:
        sealed = bytes(value) if value is not None else b""
        head = sealed[:HEAD]
        if head not in known:
            known[head] = holds(sealed)
        return known[head] is False

    _bodies(db, realm, gone, found, count)
    reflected = MetaData()
    reflected.reflect(db)
    others = [table for table in reflected.sorted_tables if table.name not in (tables.entry.name, tables.tile.name)]
    people: set[str] = set()
    for table in others:
        people |= _values(db, table, gone, found)
    for person in sorted(people):
        removed = remove(db, links, person)
        found.rows += sum(removed.rows.values())
        found.bodies += removed.bodies
    found.people = len(people)
    return found


def _bodies(db: Connection, realm: str, gone: Callable[[Any], bool], found: Forgotten, count: Count) -> None:
    table = tables.entry
    total = int(db.execute(select(func.count()).where(table.c.realm == realm)).scalar_one())
    # A body is long, its head says all: an entry of which only the head is read costs a tenth.
    head = func.substr(table.c.body, 1, 64).label("head")
    remove = (
        update(table).where(table.c.realm == realm, table.c.idx == bindparam("number")).values(body=None, actor=None)
    )
    for start in range(0, total, PAGE):
        rows = db.execute(
            select(table.c.idx, head).where(
                table.c.realm == realm, table.c.idx >= start, table.c.idx < start + PAGE, table.c.body.is_not(None)
            )
        ).all()
        numbers = [{"number": row.idx} for row in rows if gone(row.head)]
        if numbers:
            db.execute(remove, numbers)
            found.bodies += len(numbers)
        count(min(start + PAGE, total), total)


def _values(db: Connection, table: Table, gone: Callable[[Any], bool], found: Forgotten) -> set[str]:
    """Empties the sealed columns whose key is gone; the ids of people whose very name cannot be opened."""
    sealed = [column for column in table.columns if isinstance(column.type, LargeBinary)]
    key = list(table.primary_key.columns)
    people: set[str] = set()
    if not sealed or not key:
        return people
    for row in list(db.execute(select(*key, *sealed))):
        lost = [column for column in sealed if gone(row._mapping[column])]  # noqa: SLF001 — SQLAlchemy's public name for it
        if not lost:
            continue
        if table.name == tables.person.name:
            people.add(str(row[0]))
            continue
        empty = {column.name: None for column in lost if column.nullable}
        if empty:  # where a column may not be empty, what cannot be opened stays as it is: worth nothing
            db.execute(update(table).where(and_(*(column == row._mapping[column] for column in key))).values(empty))  # noqa: SLF001
            found.values += len(empty)
    return people


# Built once: a statement costs more to build than to run.
_ENTRY, _CONCERN = tables.entry, tables.concern
_ABOUT = select(_CONCERN.c.realm, _CONCERN.c.idx).where(_CONCERN.c.person == bindparam("of"))
_FORGET_ABOUT = update(_ENTRY).where(tuple_(_ENTRY.c.realm, _ENTRY.c.idx).in_(_ABOUT)).values(body=None)
_FORGET_BY = update(_ENTRY).where(_ENTRY.c.actor == bindparam("of")).values(body=None, actor=None)
_FORGET_LINKS = delete(_CONCERN).where(_CONCERN.c.person == bindparam("of"))


def forgetting(owner: str) -> tuple[Change, ...]:
    """What empties the bodies of every act about this owner's object, and the links to it."""
    return tuple(Change(statement, {"of": owner}) for statement in (_FORGET_ABOUT, _FORGET_BY, _FORGET_LINKS))


def forget_acts(connection: Connection, owner: str) -> None:
    """The same, at once."""
    for change in forgetting(owner):
        change.make(connection)
