"""Logs in memory for tests of witnesses: grown from any leaves, signed by a key, rebuilt with one leaf changed."""

from __future__ import annotations

import base64
from pathlib import Path

from egide.kernel import checkpoint
from egide.kernel.checkpoint import Checkpoint
from egide.kernel.ledger import Log, MemoryTiles
from egide.kernel.vault import SigningKey

ORIGIN = "egide.example/police"


class Grown:
    """A log whose leaf n is `leaf n`, but for those that are `changed`."""

    def __init__(self, key: SigningKey, *changed: int) -> None:
        self.key, self.changed = key, set(changed)
        self._tiles = MemoryTiles()
        self.log = Log(self._tiles)

    @classmethod
    def at(cls, folder: Path, *changed: int) -> Grown:
        return cls(SigningKey.load_or_create(folder / "log.key", ORIGIN), *changed)

    def grow(self, size: int) -> Grown:
        leaves = [b"leaf %d%s" % (n, b"!" if n in self.changed else b"") for n in range(self.log.size, size)]
        prepared = self.log.prepare(leaves)
        self._tiles.write(prepared)
        self.log.adopt(prepared)
        return self

    def note(self, size: int | None = None) -> str:
        size = self.log.size if size is None else size
        return checkpoint.sign(Checkpoint(self.key.name, size, self.log.root(size)), [self.key])

    def request(self, old: int, size: int | None = None) -> bytes:
        size = self.log.size if size is None else size
        path = self.log.consistency(old, size) if 0 < old <= size else []
        lines = [f"old {old}", *(base64.b64encode(each).decode() for each in path), ""]
        return ("\n".join(lines) + "\n" + self.note(size)).encode()
