"""When an authority that failed is started again: soon at first, then ever later, five minutes at most; for ever.

Why not at once each time: opening a chain makes every call again, and a disk that is full is full for a while. Why for ever:
nobody has to restart a platform because a disk had no room at night. The store of a chain is locked here too, since an authority
is opened anew in one thread while gates read the old one in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Protocol

from egide.border.ledger.chain import ChainStore
from egide.kernel.errors import Text

FIRST_S = 5.0  # s until the first try: one step (consortium.STEP_S)
MOST_S = 300.0  # s between two tries
WELL_S = 120.0  # s of running after which a failure is a new one; it is longer than tcp.STUCK_S


class Again:
    """Counts failures; all times are monotonic, in s."""

    def __init__(self) -> None:
        self._tries = 0
        self._due = 0.0
        self._since = 0.0

    def failed(self, now: float) -> None:
        """It ended, or did not start."""
        if self._since and now - self._since > WELL_S:
            self._tries = 0
        self._due = now + min(FIRST_S * 2**self._tries, MOST_S)
        self._tries, self._since = min(self._tries + 1, 16), 0.0

    def runs(self, now: float) -> None:
        """It was started."""
        self._since = now

    def may(self, now: float) -> bool:
        """Whether it is time to try."""
        return now >= self._due

    def told(self, now: float) -> Text:
        """What people are told meanwhile."""
        left = max(0, round(self._due - now))
        return Text(
            f"l’autorité s’est arrêtée ; elle repart d’elle-même dans {left} s (voyez le journal : disque plein ?)",
            f"the authority ended; it starts again by itself in {left} s (look at the log: is the disk full?)",
        )


class Store(ChainStore, Protocol):
    """A chain's store that can be closed."""

    def close(self) -> None:
        """Closes it."""


class Shared:
    """A store for several threads; until `writes` this process is a reader, and what it takes lies there already."""

    def __init__(self, store: Store) -> None:
        self._store, self._one = store, Lock()
        self.writes = False

    def blocks(self, start: int) -> Iterator[bytes]:
        """The blocks from this height on."""
        found = self._store.blocks(start)
        while True:
            with self._one:
                block = next(found, None)
            if block is None:
                return
            yield block

    def append(self, height: int, block: bytes) -> None:
        """Adds a block that is not there."""
        if self.writes:
            with self._one:
                self._store.append(height, block)

    def add_fault(self, fault: bytes) -> None:
        """Keeps a fault."""
        with self._one:
            self._store.add_fault(fault)

    def faults(self) -> Iterator[bytes]:
        """All faults."""
        with self._one:
            return iter(tuple(self._store.faults()))

    def remember(self, words: Mapping[str, bytes]) -> None:
        """Keeps last words."""
        with self._one:
            self._store.remember(words)

    def words(self) -> Iterator[bytes]:
        """The last words."""
        with self._one:
            return iter(tuple(self._store.words()))

    def close(self) -> None:
        """Closes it."""
        with self._one:
            self._store.close()
