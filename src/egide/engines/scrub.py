"""Makes a SQLite file in WAL mode hold nothing of what was deleted, on the raw disk too; other connections go on meanwhile.

Deleting with `secure_delete` zeroes the cells and the pages that become free. Three places keep bytes all the same:

- the write-ahead log holds every page as it once was, and cutting or removing the file gives its blocks back *with* their
  content. So the log is first overwritten, by SQLite itself: after a RESTART checkpoint the next transaction writes from the
  log's beginning, and ours is as long as the log was (a table of zeroes, made and dropped inside it);
- the gap of a b-tree page, between its cell pointers and its cells, keeps rows that moved away when the page was split. The
  gap and the insides of freeblocks mean nothing to SQLite (file format §1.6): they are zeroed in the file, while the write
  lock is held and the whole log is folded back, so that no checkpoint writes at the same time;
- the page caches of other connections: a commit of ours after that makes each of them read anew.

The file never shrinks here: what is cut off would be given back unwritten. Sources: SQLite “Database File Format” §1.6 and §4,
“Write-Ahead Logging” §2; CPython keeps POSIX locks per process, so the descriptor of the database is never closed.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from time import monotonic, sleep

import numpy as np

from egide.kernel.errors import Text, Unavailable

WAIT_S = 5.0  # s for readers of older states to finish
SLICE_S = 0.5  # s one attempt may hold the write lock while it waits for readers: writers must not notice
AGAIN_S = 0.01  # s between two attempts
WAL_HEADER, FRAME_HEADER = 32, 24  # bytes, file format §4.1
TREE = {2: 12, 5: 12, 10: 8, 13: 8}  # b-tree page types and the size of their header, §1.6
MAX_PAGES = 0x0200_0000  # up to here no overflow page can be taken for a b-tree page: its first byte is 0
CHUNK = 1024  # pages read at once
SLICE = 8 << 20  # bytes searched at once
HEAD = 4  # bytes by which a trace is looked for
SPARE = 8  # pages our filling transaction has beyond the log's length

_held: dict[tuple[int, int], int] = {}  # (device, inode) → descriptor
_lock = Lock()


def scrub(path: Path, traces: Sequence[bytes] = ()) -> None:
    """Cleans log and pages, then looks for `traces`. Raises `Unavailable` when somebody is in the way: a repeat is right."""
    with closing(_connect(path)) as database:
        scrub_log(database, path)
        _pages(database, path, every=False)
        if found(path, traces):
            _pages(database, path, every=True)
        scrub_log(database, path)
    if found(path, traces):
        raise _busy()


def scrub_log(database: sqlite3.Connection, path: Path, wait_s: float = WAIT_S) -> None:
    """Overwrites the log's content, folds it back and cuts it. `database` is in autocommit mode. Raises `Unavailable`."""
    log = path.with_name(path.name + "-wal")
    page = int(database.execute("PRAGMA page_size").fetchone()[0])
    database.execute("PRAGMA secure_delete=ON")
    database.execute("PRAGMA wal_autocheckpoint=0")  # of this connection: nothing may restart the log half-way
    until = monotonic() + wait_s
    while not _checkpoint(database, "RESTART"):
        _wait(until)
    try:
        frames = (log.stat().st_size - WAL_HEADER) // (page + FRAME_HEADER) + SPARE if log.exists() else 0
        if frames > SPARE:
            _fill(database, frames * page)
            with log.open("rb") as content:
                os.fsync(content.fileno())
    except (sqlite3.Error, OSError) as problem:
        raise _busy() from problem
    while not _checkpoint(database, "TRUNCATE"):
        _wait(until)


def found(path: Path, traces: Sequence[bytes]) -> list[bytes]:
    """Which of these bytes are in the database file or in its log."""
    if not traces:
        return []
    log = path.with_name(path.name + "-wal")
    seen = _seen(_descriptor(path), traces)
    if (
        log.exists()
    ):  # SQLite takes its locks on the database and the -shm file, never on the log: this one may be closed
        with log.open("rb") as content:
            seen |= _seen(content.fileno(), traces)
    return sorted(seen)


def _seen(descriptor: int, traces: Sequence[bytes]) -> set[bytes]:
    """Read by the slice: Python's `mmap` closes a descriptor of its own at its end, and with it go the process's locks."""
    wanted, seen, start, before = Wanted(traces), set[bytes](), 0, b""
    overlap = max(map(len, traces)) - 1
    while content := os.pread(descriptor, SLICE, start):
        start += len(content)
        content = before + content
        seen |= wanted.within(content)
        before = content[max(0, len(content) - overlap) :]
    return seen


class Wanted:
    """Many byte strings looked for at once: their first four bytes in two tables, the rest where both agree.

    One by one, 300 keys' remains take 300 ms a MiB; so, about 5 ms, whatever their number.
    """

    def __init__(self, traces: Sequence[bytes]) -> None:
        self._by_head: dict[bytes, set[bytes]] = {}
        self._first, self._second = np.zeros(1 << 16, bool), np.zeros(1 << 16, bool)
        self._short = {trace for trace in traces if len(trace) < HEAD}
        for trace in set(traces) - self._short:
            head = trace[:HEAD]
            self._by_head.setdefault(head, set()).add(trace)
            first, second = struct.unpack("<HH", head)
            self._first[first] = self._second[second] = True

    def within(self, content: bytes) -> set[bytes]:
        """Those that are in it."""
        seen = {trace for trace in self._short if trace in content}
        for shift in range(min(2, len(content))):
            pairs = np.frombuffer(content, "<u2", count=(len(content) - shift) // 2, offset=shift)
            places = np.flatnonzero(self._first[pairs[:-1]])
            places = places[self._second[pairs[places + 1]]]
            for place in (places * 2 + shift).tolist():
                for trace in self._by_head.get(content[place : place + HEAD], ()):
                    if content.startswith(trace, place):
                        seen.add(trace)
        return seen


def _fill(database: sqlite3.Connection, size: int) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        database.execute("CREATE TABLE egide_scrub (zeroes BLOB)")
        database.execute("INSERT INTO egide_scrub VALUES (zeroblob(?))", (size,))
        database.execute("DROP TABLE egide_scrub")
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def _pages(database: sqlite3.Connection, path: Path, *, every: bool) -> None:
    """Zeroes the gaps that are not zero: looked for without a lock, zeroed under it; `every`: looked for under it too."""
    page = int(database.execute("PRAGMA page_size").fetchone()[0])
    descriptor = _descriptor(path)
    if os.fstat(descriptor).st_size // page >= MAX_PAGES:
        raise Unavailable(
            Text("La base dépasse 128 Gio.", "The database exceeds 128 GiB."),
            Text("Passez à PostgreSQL.", "Move to PostgreSQL."),
        )
    numbers = [] if every else list(_dirty(descriptor, page))
    if not numbers and not every:
        return
    with closing(_connect(path)) as other:
        try:
            database.execute("BEGIN IMMEDIATE")
            until = monotonic() + WAIT_S
            while not _checkpoint(other, "PASSIVE"):  # with the write lock held, nothing new comes
                _wait(until)
            for number in _dirty(descriptor, page) if every else numbers:
                _zero(descriptor, page, number)
            os.fsync(descriptor)
            version = int(database.execute("PRAGMA user_version").fetchone()[0])
            database.execute(f"PRAGMA user_version={version}")  # a change: every cache of a page is dropped
            database.execute("COMMIT")
        except sqlite3.Error as problem:
            raise _busy() from problem
        finally:
            if database.in_transaction:
                database.execute("ROLLBACK")


def _dirty(descriptor: int, page: int) -> Iterator[int]:
    """Numbers (from 0) of pages with something in a gap; page 0 holds the schema and nobody's data."""
    total = os.fstat(descriptor).st_size // page
    for start in range(0, total, CHUNK):
        content = os.pread(descriptor, CHUNK * page, start * page)
        for offset in range(0, len(content) - page + 1, page):
            number = start + offset // page
            if number and any(
                content.count(0, offset + a, offset + b) != b - a for a, b in gaps(content, offset, page)
            ):
                yield number


def _zero(descriptor: int, page: int, number: int) -> None:
    content = os.pread(descriptor, page, number * page)
    for begin, end in gaps(content, 0, page):
        os.pwrite(descriptor, bytes(end - begin), number * page + begin)


def gaps(content: bytes, base: int, page: int) -> list[tuple[int, int]]:
    """The parts (begin, end; from the page's beginning) that hold nothing; none where this is no sane b-tree page."""
    header = TREE.get(content[base])
    if header is None:
        return []
    free, cells, start = struct.unpack_from(">HHH", content, base + 1)
    begin, end = header + 2 * cells, start or 65536
    if not begin <= end <= page:
        return []
    found = [(begin, end)] if begin < end else []
    while free:
        if not end <= free <= page - 4:
            return []
        after, size = struct.unpack_from(">HH", content, base + free)
        if size < 4 or free + size > page or (after and after < free + size):
            return []
        if size > 4:
            found.append((free + 4, free + size))
        free = after
    return found


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=SLICE_S)
    database.execute("PRAGMA temp_store=MEMORY")
    return database


def _checkpoint(database: sqlite3.Connection, mode: str) -> bool:
    try:
        busy, frames, done = database.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    except sqlite3.Error as problem:
        raise _busy() from problem
    return not busy and frames == done


def _descriptor(path: Path) -> int:
    """Open for ever: closing any descriptor of the file would drop this process's locks on it."""
    status = path.stat()
    key = (status.st_dev, status.st_ino)
    with _lock:
        if key not in _held:
            _held[key] = os.open(path, os.O_RDWR)
        return _held[key]


def _wait(until: float) -> None:
    if monotonic() > until:
        raise _busy()
    sleep(AGAIN_S)


def _busy() -> Unavailable:
    return Unavailable(
        Text(
            "La base est occupée : les octets effacés n’en sont pas encore tous sortis.",
            "The database is busy: not all erased bytes have left it yet.",
        ),
        Text("La plateforme réessaie d’elle-même.", "The platform tries again by itself."),
    )
