"""One realm's log: an append-only Merkle tree kept as tiles, of which only the right edge is in memory.

Why tiles: a tile is 256 neighbouring hashes, written once and never again, so that proofs for any old size read a
handful of immutable rows, a mirror copies files, and an append writes nothing but its leaf. Sources: RFC 9162 §2.1 (the
tree), C2SP tlog-tiles (level 0 holds leaf hashes, entry k of level n+1 is the root of full tile k of level n).

A log changes in two steps, because the transaction that carries the leaves may fail: `prepare` computes, `adopt` takes
the result once it is committed. The state is replaced, never mutated: readers in other threads see one size or the next.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from egide.kernel import merkle
from egide.kernel.errors import EgideError, Text
from egide.kernel.merkle import HASH_SIZE, ProofError, node_hash, parents

TILE_HEIGHT = 8  # levels of the tree in a tile, C2SP tlog-tiles
TILE_WIDTH = 1 << TILE_HEIGHT  # hashes in a full tile
TILE_SIZE = TILE_WIDTH * HASH_SIZE  # bytes of a full tile
CACHED_TILES = 64  # expanded tiles kept for proofs, about 35 KB each

Partials = tuple[list[bytes], ...]  # level → the hashes of its unfinished tile


class LedgerDamaged(EgideError):
    """The stored tree contradicts itself: nothing may be appended until it has been restored."""

    code = "ledger-damaged"
    status = 503


class Tile(NamedTuple):
    """A full tile to write: 256 hashes (8192 bytes) and their root."""

    level: int
    number: int
    hashes: bytes
    root: bytes


class TileStore(Protocol):
    """Where full tiles are. Tiles of one level are numbered 0, 1, 2… without gaps."""

    def tile(self, level: int, number: int) -> bytes | None:
        """The 8192 bytes of a full tile; None when it is not stored."""

    def tile_root(self, level: int, number: int) -> bytes:
        """Root of a full tile."""

    def full_tiles(self, level: int) -> int:
        """How many full tiles this level has."""

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """Hashes of leaves [start, end); asked for the unfinished tile of level 0 only (at most 255)."""


@dataclass(frozen=True)
class State:
    """Size and right edge of the tree: level → the hashes of its unfinished tile."""

    size: int
    partials: Partials

    @cached_property
    def root(self) -> bytes:
        """Folds the right edge from the newest leaf upwards; at most 255 node hashes a level, done once a size."""
        root: bytes | None = None
        for level in self.partials:
            nodes: Sequence[bytes] = level
            while nodes:
                if len(nodes) & 1:
                    root = nodes[-1] if root is None else node_hash(nodes[-1], root)
                nodes = parents(nodes)
        return merkle.EMPTY_ROOT if root is None else root


class Prepared:
    """What appending some leaves would make of the log. Write `hashes` and `tiles`, commit, then `Log.adopt` it."""

    def __init__(self, first_index: int, hashes: list[bytes], tiles: list[Tile], state: State) -> None:
        self.first_index = first_index
        self.hashes = hashes
        self.tiles = tiles
        self.state = state

    @property
    def size(self) -> int:
        """Number of leaves afterwards."""
        return self.state.size

    @property
    def root(self) -> bytes:
        """Root afterwards, computed when first asked."""
        return self.state.root


class Log:
    """One realm's log. One writer prepares and adopts; any thread may ask for roots and proofs."""

    def __init__(self, store: TileStore) -> None:
        self._store = store
        self._state = State(0, ())
        self._tiles: OrderedDict[tuple[int, int], list[Sequence[bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def recover(cls, store: TileStore, size: int, *, later: TileStore | None = None) -> Log:
        """The log of `size` leaves as stored. Raises `LedgerDamaged` when tiles or hashes are missing or in excess.

        `store` must show one moment: where others append meanwhile, a frozen view of it, and `later` what the log reads from
        then on. The caller compares `root(n)` with its last signed checkpoint before it appends.
        """
        log = cls(later or store)
        partials: list[list[bytes]] = []
        level, entries = 0, size
        while entries:
            full = entries >> TILE_HEIGHT
            if store.full_tiles(level) != full:
                raise damaged(f"level {level} holds {store.full_tiles(level)} full tiles instead of {full}")
            start = full << TILE_HEIGHT
            if level == 0:
                hashes = store.leaf_hashes(start, entries)
            else:
                hashes = [store.tile_root(level - 1, number) for number in range(start, entries)]
            if len(hashes) != entries - start or any(len(each) != HASH_SIZE for each in hashes):
                raise damaged(f"the unfinished tile of level {level} is incomplete")
            partials.append(hashes)
            level, entries = level + 1, full
        log._state = State(size, tuple(partials))
        return log

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._state.size

    def prepare(self, leaves: Sequence[bytes]) -> Prepared:
        """Computes the tree with these leaves appended, without changing the log. About 1 µs a leaf in batches."""
        state = self._state
        hashes = merkle.leaf_hashes(leaves)
        size = state.size + len(hashes)
        tiles: list[Tile] = []
        partials = list(state.partials)
        fresh, level = hashes, 0
        while fresh:
            if level == len(partials):
                partials.append([])
            row = partials[level] + fresh
            fresh = []
            number = state.size >> TILE_HEIGHT * (level + 1)  # of the unfinished tile
            start = 0
            while len(row) - start >= TILE_WIDTH:
                full = row[start : start + TILE_WIDTH]
                root = merkle.perfect_root(full)
                tiles.append(Tile(level, number, b"".join(full), root))
                fresh.append(root)
                number += 1
                start += TILE_WIDTH
            partials[level] = row[start:] if start else row
            level += 1
        return Prepared(state.size, hashes, tiles, State(size, tuple(partials)))

    def adopt(self, prepared: Prepared) -> None:
        """Takes over what was prepared, once committed. ValueError when the log has moved since (two writers)."""
        if prepared.first_index != self._state.size:
            raise ValueError(f"prepared for size {prepared.first_index}, but the log has size {self._state.size}")
        self._state = prepared.state

    def root(self, size: int | None = None) -> bytes:
        """Root now, or as it was at an earlier `size`. `ProofError` for a size not reached yet."""
        state = self._state
        if size is None or size == state.size:
            return state.root
        self._check_size(state, size)
        return merkle.subtree_root(0, size, lambda height, index: self._node(state, height, index))

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Audit path of leaf `index` in the tree of `size` leaves (default: now). `ProofError` when there is none."""
        state = self._state
        size = state.size if size is None else size
        self._check_size(state, size)
        return merkle.inclusion_path(index, size, lambda height, at: self._node(state, height, at))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of size `new` (default: now) begins with that of size `old`."""
        state = self._state
        new = state.size if new is None else new
        self._check_size(state, new)
        return merkle.consistency_path(old, new, lambda height, at: self._node(state, height, at))

    @staticmethod
    def _check_size(state: State, size: int) -> None:
        if not 0 <= size <= state.size:
            raise ProofError(f"the log has {state.size} entries, not {size}")

    def _node(self, state: State, height: int, index: int) -> bytes:
        """Root of a perfect subtree that lies in the tree: out of a full tile, or of the right edge in memory."""
        level, rest = divmod(height, TILE_HEIGHT)
        number, within = divmod(index << rest, TILE_WIDTH)
        if number < state.size >> TILE_HEIGHT * (level + 1):
            return self._expanded(level, number)[rest][within >> rest]
        return merkle.perfect_root(state.partials[level][within : within + (1 << rest)])

    def _expanded(self, level: int, number: int) -> list[Sequence[bytes]]:
        """A full tile with its interior: heights 0…8, of 256, 128… 1 hashes."""
        key = (level, number)
        with self._lock:
            known = self._tiles.get(key)
            if known is not None:
                self._tiles.move_to_end(key)
                return known
        stored = self._store.tile(level, number)
        if stored is None or len(stored) != TILE_SIZE:
            raise damaged(f"tile {number} of level {level} is missing or cut short")
        rows: list[Sequence[bytes]] = [[stored[at : at + HASH_SIZE] for at in range(0, TILE_SIZE, HASH_SIZE)]]
        for _ in range(TILE_HEIGHT):
            rows.append(parents(rows[-1]))
        with self._lock:
            self._tiles[key] = rows
            while len(self._tiles) > CACHED_TILES:
                self._tiles.popitem(last=False)
        return rows


class MemoryTiles:
    """A `TileStore` in memory, for tests, benchmarks and mirrors of small logs."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.tiles: dict[tuple[int, int], Tile] = {}

    def write(self, prepared: Prepared) -> None:
        """What the store's transaction does with a `Prepared`."""
        self.hashes.extend(prepared.hashes)
        for tile in prepared.tiles:
            self.tiles[tile.level, tile.number] = tile

    def tile(self, level: int, number: int) -> bytes | None:
        """See `TileStore.tile`."""
        found = self.tiles.get((level, number))
        return None if found is None else found.hashes

    def tile_root(self, level: int, number: int) -> bytes:
        """See `TileStore.tile_root`."""
        return self.tiles[level, number].root

    def full_tiles(self, level: int) -> int:
        """See `TileStore.full_tiles`."""
        return sum(1 for at, _ in self.tiles if at == level)

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """See `TileStore.leaf_hashes`."""
        return self.hashes[start:end]


def damaged(detail: str) -> LedgerDamaged:
    """The error that says how, and what to do."""
    return LedgerDamaged(
        Text(f"Le registre enregistré est endommagé : {detail}.", f"The stored ledger is damaged: {detail}."),
        Text(
            "N’ajoutez rien ; restaurez la base depuis une sauvegarde, puis vérifiez-la avec le dernier point signé.",
            "Append nothing; restore the database from a backup, then check it against the last signed checkpoint.",
        ),
    )
