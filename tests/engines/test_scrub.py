"""Scrubbing a SQLite file while others read and write: it stays whole, and nothing of what was deleted is left."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.engines import scrub
from egide.kernel.errors import Unavailable

FUZZ = int(os.environ.get("EGIDE_FUZZ", "50"))
SECONDS = 120 if os.environ.get("EGIDE_PROOF") == "1" else 5


@pytest.mark.timeout(60 + SECONDS)
def test_readers_and_a_writer_go_on_and_the_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, name TEXT UNIQUE, content BLOB)")
    stop, wrong, written = threading.Event(), [], []

    def connected() -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, timeout=30)
        db.execute("PRAGMA secure_delete=ON")
        return db

    def writes() -> None:
        try:
            with closing(connected()) as db:
                while not stop.is_set():
                    number = len(written)
                    size = number * 37 % 9000
                    db.execute("INSERT INTO row VALUES (?, ?, ?)", (number, f"person-{number:09d}", os.urandom(size)))
                    written.append(number)
                    if number % 3:
                        db.execute("DELETE FROM row WHERE id=?", (number // 2,))
        except (sqlite3.Error, AssertionError) as error:
            wrong.append(error)

    def reads() -> None:
        try:
            with closing(connected()) as db:
                while not stop.is_set():
                    for identity, name in db.execute("SELECT id, name FROM row"):
                        assert name == f"person-{identity:09d}"
        except (sqlite3.Error, AssertionError) as error:
            wrong.append(error)

    threads = [threading.Thread(target=each) for each in (writes, reads, reads)]
    for each in threads:
        each.start()
    until, scrubbed = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        with suppress(Unavailable):  # somebody was in the way: a repeat is right
            scrub.scrub(path)
            scrubbed += 1
    stop.set()
    for each in threads:
        each.join(30)
    assert not wrong, wrong[:1]
    assert scrubbed
    assert len(written) > 10
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        left = {row[0] for row in db.execute("SELECT id FROM row")}
    gone = [f"person-{number:09d}".encode() for number in written if number not in left]
    assert gone
    scrub.scrub(path, gone[:500])


def test_the_locks_of_this_process_outlive_a_scrub(tmp_path: Path) -> None:
    """Another program that opened and closed the file would else take itself for the last and remove the log in use."""
    path, look = (
        tmp_path / "x.db",
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())",
    )

    def asked(words: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", look, path, words], check=True, capture_output=True, text=True
        ).stdout

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE row (name TEXT)")
        db.execute("INSERT INTO row VALUES ('a name that is gone')")
        db.execute("DELETE FROM row")
        scrub.scrub(path, [b"a name that is gone"])
        db.execute("INSERT INTO row VALUES ('first')")
        assert "first" in asked("SELECT name FROM row")
        db.execute("INSERT INTO row VALUES ('second')")
        assert "second" in asked("SELECT name FROM row")


@settings(max_examples=FUZZ)
@given(st.binary(max_size=200), st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=8), st.data())
def test_what_is_there_is_found_and_nothing_else(content: bytes, traces: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content)))
    traces += [content[at : at + size] for size in (1, 3, 4, 5, 30) if content[at : at + size]]
    assert scrub.Wanted(traces).within(content) == {trace for trace in traces if trace in content}


def test_a_trace_across_two_slices_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"." * 90 + b"needle" + b"." * 90 + b"pin")
    for size in range(1, 40):
        monkeypatch.setattr(scrub, "SLICE", size)
        assert scrub.found(path, [b"needle", b"pin", b"absent"]) == [b"needle", b"pin"]
