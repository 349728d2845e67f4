"""Many short byte strings looked for at once, in files and in the memory of processes.

One pass whatever their number: each eight bytes that stand anywhere are looked up in a table of how the strings begin, and what
begins like one is compared. Half a gigabyte takes some seconds.
"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from egide.border.token import base45
from tests.conftest import missing

LEAST = 8  # bytes of a string that is looked for: fewer stand somewhere by chance
LONGEST = 64  # bytes that are compared of a longer one
PIECE = 1024 * 1024  # bytes that are looked at together: what a processor keeps near
TABLE_BITS = 22  # of the table of beginnings: 4 MB, which a processor keeps near
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, TAOCP 3, 6.4)


class Needles:
    """What is looked for, by what it is."""

    def __init__(self, wanted: Iterable[tuple[str, bytes]]) -> None:
        self._by_start: dict[int, list[tuple[bytes, str]]] = {}
        for name, content in wanted:
            assert len(content) >= LEAST, name
            start = int.from_bytes(content[:LEAST], "little")
            self._by_start.setdefault(start, []).append((content[:LONGEST], name))
        self._starts = np.array(sorted(self._by_start), dtype="<u8")
        self._table = np.zeros(1 << TABLE_BITS, dtype=bool)
        self._table[self._place(self._starts)] = True

    def within(self, data: bytes) -> set[str]:
        """The names of those that stand in these bytes."""
        found: set[str] = set()
        if data.count(0) == len(data):
            return found
        for shift in range(LEAST):
            count = (len(data) - shift) // LEAST
            if count <= 0:
                continue
            words = np.frombuffer(data, "<u8", count, shift)
            maybe = np.flatnonzero(self._table[self._place(words)])
            for at in maybe[np.isin(words[maybe], self._starts)]:
                start = shift + int(at) * LEAST
                for content, name in self._by_start[int(words[at])]:
                    if data.startswith(content, start):
                        found.add(name)
        return found

    def in_all(self, parts: Iterable[bytes], enough: Iterable[str] = ()) -> set[str]:
        """The names of those that stand in any of them; no longer looked for once all of `enough` were found."""
        found, wanted = set[str](), set(enough)
        for part in parts:
            found |= self.within(part)
            if wanted and wanted <= found:
                break
        return found

    @staticmethod
    def _place(words: np.ndarray) -> np.ndarray:
        return (words * SPREAD) >> np.uint64(64 - TABLE_BITS)


def forms(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Bytes as they may be written: as they are, in hex, in base64 and base45 wherever in them these begin, as a digest."""
    raw = raw[:LONGEST]
    made = [raw, raw.hex().encode(), raw.hex().upper().encode(), sha256(raw).digest(), sha256(raw).hexdigest().encode()]
    for skipped in range(3):
        whole = raw[skipped : skipped + (len(raw) - skipped) // 3 * 3]
        made += [b64encode(whole), urlsafe_b64encode(whole)]
    for skipped in range(2):
        made.append(base45.encode(raw[skipped : skipped + (len(raw) - skipped) // 2 * 2]).encode())
    yield from ((name, each) for each in dict.fromkeys(made))


def text_forms(name: str, text: str) -> Iterator[tuple[str, bytes]]:
    """The same of text; and as Python holds it beside a letter that is no Latin one."""
    yield from forms(name, text.encode())
    yield from ((name, text.encode(coding)) for coding in ("utf-16-le", "utf-32-le"))


def files(folder: Path) -> Mapping[Path, bytes]:
    """Every file below a folder, as it is now."""
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def memory(pid: int) -> Iterator[bytes]:
    """Every part of a process's memory that it may write to.

    Raises `PermissionError` where the process forbids it and we are not the administrator.
    """
    maps = Path(f"/proc/{pid}/maps")
    if not maps.exists():
        missing("the memory of a process is read from /proc")
    with Path(f"/proc/{pid}/mem").open("rb", 0) as file:
        for line in maps.read_text("ascii").splitlines():
            place, rights, *_rest = line.split()
            if rights.startswith("rw"):
                start, end = (int(each, 16) for each in place.split("-"))
                yield from pieces(cast("BinaryIO", file), start, end)


def pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """A part of a file; what stands where two pieces meet is whole in the second."""
    rest = b""
    for at in range(start, end, PIECE):
        file.seek(at)
        got = file.read(min(PIECE, end - at))
        yield rest + got
        rest = got[-LONGEST:]


def children(pid: int) -> list[int]:
    """The processes that a process started and that are alive."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += [int(each) for each in (thread / "children").read_text("ascii").split()]
    return [each for each in found if _alive(each)]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
