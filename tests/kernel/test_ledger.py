"""The log over tiles: the same roots and proofs as the whole tree, whatever the batches, and after a restart."""

from __future__ import annotations

import random
import statistics
import threading
import time

import pytest

from egide.kernel import merkle
from egide.kernel.ledger import TILE_SIZE, LedgerDamaged, Log, MemoryTiles, Tile
from egide.kernel.merkle import Frontier, ProofError


def leaf(number: int) -> bytes:
    return b"entry %d" % number


def grown(size: int, batch: int = 5000) -> tuple[Log, MemoryTiles]:
    store = MemoryTiles()
    log = Log(store)
    for start in range(0, size, batch):
        prepared = log.prepare([leaf(number) for number in range(start, min(start + batch, size))])
        store.write(prepared)
        log.adopt(prepared)
    return log, store


def roots(sizes: list[int]) -> dict[int, bytes]:
    """Roots of the tree at these sizes, the plain way."""
    frontier, found = Frontier(), {}
    for number in range(max(sizes) + 1):
        if number in sizes:
            found[number] = frontier.root()
        frontier.extend([merkle.leaf_hash(leaf(number))])
    return found


SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 513, 4096, 65535, 65536, 65537, 66000]


def test_roots_at_the_borders_of_tiles_whatever_the_batches() -> None:
    expected = roots(SIZES)
    for batch in (97, 256, 70_000):
        log, _ = grown(66_000, batch)
        assert log.size == 66_000
        assert {size: log.root(size) for size in SIZES} == expected
        assert log.root() == expected[66_000]


def test_what_is_prepared_says_what_will_be() -> None:
    log, store = grown(300)
    before = log.root()
    prepared = log.prepare([leaf(number) for number in range(300, 900)])
    assert (prepared.first_index, prepared.size, len(prepared.hashes)) == (300, 900, 600)
    assert [(tile.level, tile.number, len(tile.hashes)) for tile in prepared.tiles] == [
        (0, 1, TILE_SIZE),
        (0, 2, TILE_SIZE),
    ]
    assert prepared.root == roots([900])[900]
    assert (log.size, log.root()) == (300, before)  # nothing has happened yet
    again = log.prepare([b"another"])  # the transaction failed: prepare anew
    store.write(again)
    log.adopt(again)
    with pytest.raises(ValueError, match="301"):
        log.adopt(prepared)


def test_nothing_is_a_fine_batch() -> None:
    log, _ = grown(10)
    prepared = log.prepare([])
    log.adopt(prepared)
    assert (log.size, prepared.tiles, prepared.root) == (10, [], log.root())


@pytest.mark.parametrize("size", [1, 255, 256, 300, 65_536, 66_000])
def test_proofs_hold_now_and_for_the_past(size: int) -> None:
    log, _ = grown(size)
    dice = random.Random(size)
    for _ in range(60):
        at = dice.randint(1, size)
        index = dice.randrange(at)
        path = log.inclusion(index, at)
        merkle.verify_inclusion(index, at, merkle.leaf_hash(leaf(index)), path, log.root(at))
        old = dice.randint(0, at)
        merkle.verify_consistency(old, at, log.root(old), log.root(at), log.consistency(old, at))
    merkle.verify_inclusion(0, size, merkle.leaf_hash(leaf(0)), log.inclusion(0), log.root())
    merkle.verify_consistency(1, size, log.root(1), log.root(), log.consistency(1))


def test_no_proof_of_the_future() -> None:
    log, _ = grown(10)
    for attempt in (
        lambda: log.root(11),
        lambda: log.root(-1),
        lambda: log.inclusion(10),
        lambda: log.inclusion(0, 11),
        lambda: log.consistency(3, 11),
        lambda: log.consistency(8, 7),
    ):
        with pytest.raises(ProofError):
            attempt()


@pytest.mark.parametrize("size", [0, 1, 255, 256, 1000, 65_536, 66_000])
def test_a_restart_finds_the_same_log_and_goes_on(size: int) -> None:
    log, store = grown(size)
    again = Log.recover(store, size)
    assert (again.size, again.root()) == (size, log.root())
    more = [leaf(number) for number in range(size, size + 700)]
    assert again.prepare(more).root == log.prepare(more).root
    assert again.prepare(more).tiles == log.prepare(more).tiles


def test_a_store_that_contradicts_itself_is_not_opened() -> None:
    _, store = grown(1000)
    with pytest.raises(LedgerDamaged):
        Log.recover(store, 1300)  # tiles are missing
    with pytest.raises(LedgerDamaged):
        Log.recover(store, 700)  # tiles in excess
    del store.hashes[990:]
    with pytest.raises(LedgerDamaged):
        Log.recover(store, 1000)


def test_a_tile_cut_short_is_found_when_it_is_read() -> None:
    log, store = grown(1000)
    tile = store.tiles[0, 1]
    store.tiles[0, 1] = Tile(0, 1, tile.hashes[:-32], tile.root)
    with pytest.raises(LedgerDamaged):
        log.inclusion(300)
    del store.tiles[0, 1]
    with pytest.raises(LedgerDamaged):
        log.inclusion(300)


def test_a_changed_leaf_gives_another_root_after_a_restart() -> None:
    log, store = grown(1000)
    store.hashes[999] = merkle.leaf_hash(b"forged")
    assert Log.recover(store, 1000).root() != log.root()


def test_readers_see_whole_sizes_while_the_writer_appends() -> None:
    log, store = grown(0)
    expected = roots(list(range(0, 3001, 50)))
    stop = threading.Event()
    wrong: list[int] = []

    def read() -> None:
        while not stop.is_set():
            size = log.size
            if size and log.root(size) != expected[size]:
                wrong.append(size)
            if size:
                merkle.verify_inclusion(
                    size - 1, size, merkle.leaf_hash(leaf(size - 1)), log.inclusion(size - 1, size), expected[size]
                )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for start in range(0, 3000, 50):
            prepared = log.prepare([leaf(number) for number in range(start, start + 50)])
            store.write(prepared)
            log.adopt(prepared)
    finally:
        stop.set()
        reader.join()
    assert not wrong


def test_an_inclusion_proof_takes_less_than_a_millisecond() -> None:
    size = 1_000_000
    log, _ = grown(size, 50_000)
    dice = random.Random(1)
    spent = []
    for _ in range(100):
        index = dice.randrange(size)
        start = time.perf_counter()
        path = log.inclusion(index)
        spent.append(time.perf_counter() - start)
        merkle.verify_inclusion(index, size, merkle.leaf_hash(leaf(index)), path, log.root())
    assert statistics.median(spent) < 0.001  # s
