"""The contract of every object store: folder and S3. Whole or not at all, durable, gone when deleted; plain words when away."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.app import _objects
from egide.engines.objects import FolderObjects
from egide.kernel.errors import BadInput, NotFound, StartupError, TooLarge, Unavailable
from egide.kernel.objects import MAX_BYTES, MAX_NAME, Objects, checked, checked_prefix
from egide.kernel.settings import Settings
from tests.engines.moto import moto

FUZZ = int(os.environ.get("EGIDE_FUZZ", "200"))
WITHIN_S = 10.0  # s: what the protocol promises of a store that is away


@pytest.fixture(params=["folder", "file", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty store of each kind, opened as the platform opens it."""
    given_ = {"folder": "", "file": f"file://{tmp_path}/else%20where"}
    address = given_.get(request.param) if request.param in given_ else request.getfixturevalue("s3_address")
    return _objects(Settings(data=str(tmp_path / "data"), objects=str(address)))


def test_what_is_put_is_there(objects: Objects) -> None:
    objects.put("recordings/a/000001-x.seal", b"0123456789")
    objects.put("recordings/a/000000-x.seal", b"")
    objects.put("recordings/ab/1", b"other")
    objects.put("documents/d", bytes(6 << 20))
    assert objects.names("recordings/a") == ["recordings/a/000000-x.seal", "recordings/a/000001-x.seal"]
    assert objects.names("recordings") == [*objects.names("recordings/a"), "recordings/ab/1"]
    assert objects.names("recordings/ab/1") == [], "a prefix is a folder"
    assert objects.names("recordings/never") == []
    assert objects.get("recordings/a/000001-x.seal") == b"0123456789"
    assert objects.get("recordings/a/000000-x.seal") == b""
    assert objects.size("recordings/a/000001-x.seal") == 10
    assert objects.size("documents/d") == 6 << 20
    objects.put("recordings/ab/1", b"another")
    assert objects.get("recordings/ab/1") == b"another"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 4, b"0123"),
        (3, None, b"3456789"),
        (3, 5, b"34"),
        (8, 99, b"89"),
        (10, 12, b""),
        (50, None, b""),
        (2, 2, b""),
    ],
)
def test_ranges(objects: Objects, start: int, end: int | None, expected: bytes) -> None:
    objects.put("documents/ten", b"0123456789")
    assert objects.get("documents/ten", start, end) == expected


def test_what_is_deleted_is_gone(objects: Objects) -> None:
    for name in ("recordings/a/1", "recordings/a/2", "recordings/a/deep/3", "recordings/ab/1", "documents/x"):
        objects.put(name, b"sealed")
    objects.delete("recordings/a/1")
    objects.delete("recordings/a/1")
    objects.delete("recordings/never/1")
    assert objects.names("recordings") == ["recordings/a/2", "recordings/a/deep/3", "recordings/ab/1"]
    with pytest.raises(NotFound):
        objects.get("recordings/a/1")
    with pytest.raises(NotFound):
        objects.get("recordings/a/1", 2, 4)
    with pytest.raises(NotFound):
        objects.size("recordings/a/1")
    objects.delete_prefix("recordings/a")
    objects.delete_prefix("recordings/a")
    assert objects.names("recordings") == ["recordings/ab/1"], "a prefix is whole parts"
    objects.delete_prefix("documents/x")
    assert objects.names("documents") == ["documents/x"], "and means what lies under it"
    objects.delete_prefix("documents")
    assert objects.names("documents") == []
    objects.put("recordings/a/1", b"again")
    assert objects.get("recordings/a/1") == b"again"


def test_a_thousand_and_more(objects: Objects) -> None:
    """More than one page of ListObjectsV2 and one batch of DeleteObjects."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: objects.put(f"recordings/many/{number:05d}", b"x"), range(1_050)))
    assert len(objects.names("recordings/many")) == 1_050
    objects.delete_prefix("recordings/many")
    assert objects.names("recordings/many") == []


def test_sixteen_threads(objects: Objects) -> None:
    """One name for all: every reader sees one whole value, never a mixture nor an erasure's zeros."""
    objects.put("documents/one", bytes([255]) * 50_000)

    def work(number: int) -> None:
        for turn in range(8):
            objects.put("documents/one", bytes([number + 1]) * 50_000)
            found = objects.get("documents/one")
            assert len(found) == 50_000
            assert len(set(found)) == 1
            assert found[0] != 0
            mine = f"recordings/{number}/{turn}"
            objects.put(mine, bytes([number]) * 1_000)
            assert objects.get(mine) == bytes([number]) * 1_000
            if turn % 2:
                objects.delete_prefix(f"recordings/{number}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert objects.names("documents") == ["documents/one"]


def test_wrong_names_and_sizes(objects: Objects) -> None:
    for name in (
        "egide.db",
        "vault/kek",
        "recordings",
        "recordings/../vault/kek",
        "recordings//a",
        "/recordings/a",
        "recordings/.half-1",
    ):
        for call in (objects.get, objects.size, objects.delete, lambda each: objects.put(each, b"")):
            with pytest.raises(BadInput):
                call(name)
    for prefix in ("", "/", "vault", "recordings/", "recordings/.."):
        for under in (objects.names, objects.delete_prefix):
            with pytest.raises(BadInput):
                under(prefix)
    with pytest.raises(BadInput):
        objects.get("documents/x", 3, 2)
    with pytest.raises(TooLarge):
        objects.put("documents/x", bytes(MAX_BYTES + 1))


@given(st.one_of(st.text(max_size=300), st.from_regex(r"(recordings|documents)(/[\w.\-]{0,9}){0,4}", fullmatch=True)))
@settings(max_examples=FUZZ)
def test_a_name_that_passes_stays_inside(name: str) -> None:
    for check in (checked, checked_prefix):
        try:
            check(name)
        except BadInput:
            continue
        assert len(name) <= MAX_NAME
        assert re.fullmatch(r"(recordings|documents)(/[A-Za-z0-9][A-Za-z0-9._-]*)*", name)
        assert os.path.normpath(name) == name


@pytest.mark.parametrize("objects", ["folder"], indirect=True)
def test_a_list_of_what_is_erased_meanwhile_is_no_failure(objects: Objects) -> None:
    stop, wrong = threading.Event(), []

    def erases() -> None:
        while not stop.is_set():
            objects.put("recordings/a/deep/1", b"sealed")
            objects.delete_prefix("recordings/a")

    thread = threading.Thread(target=erases)
    thread.start()
    try:
        for _ in range(2_000):
            wrong += [name for name in objects.names("recordings") if name != "recordings/a/deep/1"]
            with suppress(NotFound):
                objects.size("recordings/a/deep/1")
    finally:
        stop.set()
        thread.join()
    assert wrong == []


# -- the folder -----------------------------------------------------------------------------------------------------------


def test_files_are_private_and_erased_bytes_are_zeroed(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "data")
    objects.put("recordings/a/1", b"secret" * 1000)
    file = tmp_path / "data/recordings/a/1"
    assert file.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (file.parent, file.parent.parent)} == {0o700}
    with file.open("rb") as first:  # what the freed blocks hold is seen through a descriptor that outlives the name
        objects.put("recordings/a/1", b"newer")
        assert first.read() == bytes(6000)
    with file.open("rb") as second:
        objects.delete_prefix("recordings/a")
        assert second.read() == bytes(5)
    assert not file.parent.exists()
    objects.put("recordings/b/1", b"single")
    with (tmp_path / "data/recordings/b/1").open("rb") as third:
        objects.delete("recordings/b/1")
        assert third.read() == bytes(6)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "data")
    objects.put("recordings/a/1", b"x")
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep me")
    (tmp_path / "data/recordings/a/2").symlink_to(victim)
    with pytest.raises(Unavailable):
        objects.get("recordings/a/2")
    objects.delete_prefix("recordings/a")
    assert victim.read_bytes() == b"keep me"


KILLED = """
import sys
from pathlib import Path
from egide.engines.objects import FolderObjects
objects = FolderObjects(Path(sys.argv[1]))
number = 0
while True:
    objects.put(f"recordings/a/{number:06d}", bytes([number % 255 + 1]) * 3_000_000)
    objects.put("recordings/a/same", bytes([number % 255 + 1]) * 3_000_000)
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("after_s", [0.011, 0.023, 0.047, 0.071, 0.093])
def test_killed_in_the_middle_of_a_put(tmp_path: Path, after_s: float) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as told:
        assert told.readline() == b"0\n"
        time.sleep(after_s)
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = [0, *map(int, told.read().split())]
    child.wait()
    objects = FolderObjects(tmp_path)
    for number in acknowledged:
        assert f"recordings/a/{number:06d}" in objects.names("recordings/a"), "acknowledged is there"
    for name in objects.names("recordings/a"):
        content = objects.get(name)
        assert len(content) == 3_000_000, "whole or not at all"
        assert len(set(content)) == 1
    objects.delete_prefix("recordings/a")
    assert list((tmp_path / "recordings").iterdir()) == [], "the half-written too"


def test_a_full_disk_is_a_plain_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = FolderObjects(tmp_path)
    objects.put("documents/x", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Unavailable):
            objects.put("documents/x", b"new")
    assert objects.get("documents/x") == b"old"


# -- S3 -------------------------------------------------------------------------------------------------------------------


def refused_in_time(call: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        call()
    assert time.monotonic() - began < WITHIN_S


def test_s3_away_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        objects = _objects(Settings(data=str(tmp_path), objects=server.bucket("away")))
        objects.put("documents/x", b"here")
        server.pause()  # it takes connections and says nothing
        try:
            calls: list[Callable[[], object]] = [
                lambda: objects.put("documents/y", bytes(3_000_000)), lambda: objects.get("documents/x"), lambda: objects.size("documents/x"),
                lambda: objects.names("documents"), lambda: objects.delete("documents/x"), lambda: objects.delete_prefix("documents"),
            ]  # fmt: skip
            threads = ThreadPoolExecutor(len(calls))
            with threads:
                list(threads.map(refused_in_time, calls))
        finally:
            server.resume()
        objects.put("documents/z", b"back")
        assert objects.get("documents/z") == b"back"
        server.stop()  # nobody listens
        refused_in_time(lambda: objects.put("documents/x", b"x"))
        refused_in_time(lambda: objects.get("documents/x"))
        server.start()
        refused_in_time(lambda: objects.put("documents/x", b"x"))  # without its bucket
        server.bucket("away")
        objects.put("documents/x", b"again")
        assert objects.get("documents/x") == b"again"


@pytest.mark.parametrize("wrong", ["ftp://x", "file://x", "relative", "s3://", "s3://user:secret@bucket/x"])
def test_a_wrong_address_stops_the_start(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(StartupError) as caught:
        _objects(Settings(data=str(tmp_path), objects=wrong))
    assert "secret" not in str(caught.value) + caught.value.what.fr


def test_no_thread_is_left(tmp_path: Path) -> None:
    before = threading.active_count()
    FolderObjects(tmp_path).put("documents/x", b"x")
    assert threading.active_count() == before
