"""A chain's file: what was added is there after a kill, in order, and nothing is put in another's place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from egide.engines import chain_store
from egide.engines.chain_store import SqliteChainStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteChainStore]:
    made = SqliteChainStore(tmp_path / "chain")
    yield made
    made.close()


def test_blocks_come_in_order_from_a_height_on_however_many(store: SqliteChainStore) -> None:
    last = 2 * chain_store.PAGE + 1
    for height in range(1, last + 1):
        store.append(height, b"%d" % height)
    assert list(store.blocks(1)) == [b"%d" % height for height in range(1, last + 1)]
    assert list(store.blocks(last)) == [b"%d" % last]
    assert list(store.blocks(last + 1)) == []


def test_a_height_holds_one_block(store: SqliteChainStore) -> None:
    store.append(1, b"one")
    with pytest.raises(sqlite3.IntegrityError):
        store.append(1, b"other")
    assert list(store.blocks(1)) == [b"one"]


def test_all_is_there_for_who_opens_it_next(store: SqliteChainStore) -> None:
    store.append(1, b"block")
    store.add_fault(b"one")
    store.add_fault(b"two")
    store.remember({"1.0": b"before", "lock": b"held"})
    store.remember({"1.0": b"after"})
    again = SqliteChainStore(store.path.parent)
    assert list(again.blocks(1)) == [b"block"]
    assert list(again.faults()) == [b"one", b"two"]
    assert sorted(again.words()) == [b"after", b"held"]
    again.close()


def test_what_is_acknowledged_is_on_the_disk(store: SqliteChainStore) -> None:
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.path.parent.stat().st_mode & 0o077 == 0
