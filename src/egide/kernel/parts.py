"""A file that lies in sealed parts, read as one that can be sought in: one clear part in memory, nothing clear on a disk.

Parsers of archives, pictures and films want a file; what came in lies as objects, each sealed by itself (kernel/objects.py).
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any


class Parts(io.RawIOBase):
    """`ends[n]` is where part `n` ends, in bytes from the beginning; `open_part(n)` opens it. Blocks: for threads."""

    def __init__(self, ends: Sequence[int], open_part: Callable[[int], bytes]) -> None:
        self._ends = ends
        self._open = open_part
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves there; never before the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1] if self._ends else 0}[whence]
        if base + offset < 0:
            raise OSError("before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """The next bytes, at most to the end of a part."""
        number = bisect_right(self._ends, self._at)
        if number == len(self._ends):
            return 0
        if self._held[0] != number:
            self._held = (number, self._open(number))
        inside = self._at - (self._ends[number - 1] if number else 0)
        found = self._held[1][inside : inside + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
