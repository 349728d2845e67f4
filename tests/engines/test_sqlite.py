"""Rows read by the driver itself: the same as SQLAlchemy gives, and its own errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    UpdateBase,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from egide.engines.sqlite import SqliteStore

metadata = MetaData()
thing = Table(
    "thing",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("size", Integer),
    Column("body", LargeBinary),
    Column("open", Boolean),
    Column("free", JSON),
)
ROW = {"id": "a", "size": 3, "body": b"\x00\xff", "open": True, "free": {"b": [1]}}
PLAIN = select(thing.c.id, thing.c.size, thing.c.body, thing.c.open).where(thing.c.id == bindparam("id"))
CONVERTED = select(thing).where(thing.c.id == bindparam("id"))
SEVERAL = select(thing.c.id).where(thing.c.id.in_(bindparam("ids", expanding=True)))
FILLED_IN = select(thing.c.id).where(thing.c.id == bindparam("id"), thing.c.size == 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path)
    with made.side() as connection:
        metadata.create_all(connection)
        connection.execute(insert(thing), [ROW, {**ROW, "id": "b", "size": None, "body": None, "open": None}])
    yield made
    made.close()


@pytest.mark.parametrize("statement", [PLAIN, CONVERTED, FILLED_IN])
@pytest.mark.parametrize("id_", ["a", "b", "nobody’s"])
def test_the_driver_reads_what_sqlalchemy_does(store: SqliteStore, statement: Select[Any], id_: str) -> None:
    db = store.reader()
    usual, quick = db.execute(statement, {"id": id_}).first(), store.first(db, statement, {"id": id_})
    if usual is None:
        assert quick is None
        return
    assert tuple(quick) == tuple(usual)
    assert [type(value) for value in quick] == [type(value) for value in usual]
    assert quick._fields == usual._fields


MOVED = update(thing).where(thing.c.id == bindparam("of")).values(size=bindparam("to"), open=False, body=None)
EMPTIED = update(thing).where(thing.c.id == bindparam("of")).values(free=None)
GONE = delete(thing).where(thing.c.id == bindparam("of"), thing.c.size == 3)


@pytest.mark.parametrize(
    ("statement", "each", "touched"),
    [
        (MOVED, [{"of": "a", "to": 7}, {"of": "b", "to": 8}, {"of": "nobody’s", "to": 9}], 2),
        (EMPTIED, [{"of": "a"}, {"of": "b"}], 2),
        (GONE, [{"of": "a"}, {"of": "b"}], 1),
    ],
)
def test_the_driver_changes_what_sqlalchemy_does(
    store: SqliteStore, statement: UpdateBase, each: list[dict[str, Any]], touched: int
) -> None:
    found = []
    for change in (lambda db: db.execute(statement, each).rowcount, lambda db: store.change(db, statement, each)):
        with store.writer.begin() as transaction:
            assert change(store.writer) == touched
            found.append(store.writer.execute(select(thing).order_by(thing.c.id)).all())
            transaction.rollback()
    assert found[0] == found[1]


def test_a_change_that_a_rule_forbids_is_told_as_any(store: SqliteStore) -> None:
    renamed = update(thing).where(thing.c.id == bindparam("of")).values(id="b")
    with store.writer.begin() as transaction:
        with pytest.raises(IntegrityError):
            store.change(store.writer, renamed, [{"of": "a"}])
        transaction.rollback()


def test_a_list_of_values_takes_the_usual_way(store: SqliteStore) -> None:
    found = store.first(store.reader(), SEVERAL, {"ids": ["x", "b"]})
    assert found.id == "b"


def test_each_reading_sees_what_is_committed_by_then(store: SqliteStore) -> None:
    db = store.reader()
    assert store.first(db, PLAIN, {"id": "c"}) is None
    with store.side() as connection:
        connection.execute(insert(thing), {**ROW, "id": "c"})
    assert store.first(db, PLAIN, {"id": "c"}).id == "c"


def test_a_reading_inside_a_transaction_sees_what_it_wrote(store: SqliteStore) -> None:
    with store.writer.begin():
        store.writer.execute(insert(thing), {**ROW, "id": "d"})
        assert store.first(store.writer, PLAIN, {"id": "d"}).id == "d"


def test_what_goes_wrong_is_told_as_of_any_statement(store: SqliteStore) -> None:
    missing = select(Table("gone", MetaData(), Column("id", String)).c.id)
    with pytest.raises(OperationalError):
        store.first(store.reader(), missing, {})
