"""The emergency journal's file: a torn end is dropped, what was altered is named and costs only itself."""

from __future__ import annotations

import errno
import os
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel import journal
from egide.kernel.errors import StartupError
from egide.kernel.journal import HEAD, MAGIC, RESERVE, Journal, Reading, load_key, read

FUZZ = int(os.environ.get("EGIDE_FUZZ", "200"))
KEY = bytes(range(32))
NAME = "a.journal"


@pytest.fixture
def file(tmp_path: Path) -> Journal:
    return Journal.create(tmp_path / NAME, KEY)


def filled(file: Journal, count: int = 5) -> bytes:
    for number in range(count):
        assert file.append(b"alert %d" % number) == number + 1
    return file.path.read_bytes()[: file.used]


def again(data: bytes) -> Reading:
    return read(NAME, data, AESGCM(KEY))


def test_what_is_written_is_read_in_order(file: Journal) -> None:
    filled(file, 1000)
    found = file.read()
    assert found.records == [b"alert %d" % number for number in range(1000)]
    assert not found.faults
    assert not found.torn
    assert b"alert" not in file.path.read_bytes()
    assert file.path.stat().st_mode & 0o077 == 0


def test_a_torn_end_is_dropped_and_nothing_else(file: Journal) -> None:
    data = filled(file, 3)
    start = data.rindex(MAGIC)
    for cut in range(start + 1, len(data)):
        for tail in (b"", bytes(100)):
            found = again(data[:cut] + tail)
            assert found.records == [b"alert 0", b"alert 1"], cut
            assert found.torn, cut
            assert not found.faults, cut


def test_every_altered_byte_is_found_and_costs_one_record(file: Journal) -> None:
    data = filled(file)
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= 0x41
        found = again(bytes(altered))
        assert len(found.records) == 4, place
        assert found.faults, place
        assert not found.torn, place


def test_an_altered_last_record_is_named_whatever_its_bytes(file: Journal) -> None:
    """Also in the zeros of the reserve, and for every value its length and its end may be given but a cut."""
    data = filled(file, 3)
    start = data.rindex(MAGIC)
    for place in [*range(start + 8, start + HEAD), len(data) - 2]:
        for value in set(range(256)) - {data[place]}:
            altered = bytearray(data)
            altered[place] = value
            for tail in (b"", bytes(100)):
                found = again(bytes(altered) + tail)
                assert len(found.records) == 2, (place, value)
                assert found.faults, (place, value)
                assert not found.torn, (place, value)


def test_a_record_taken_out_or_moved_is_named(file: Journal) -> None:
    data = filled(file)
    starts = [at for at in range(len(data)) if data.startswith(MAGIC, at)] + [len(data)]
    parts = [data[a:b] for a, b in pairwise(starts)]
    without = again(b"".join(parts[:2] + parts[3:]))
    assert len(without.records) == 4
    assert without.faults == [f"{NAME}: record 4 does not follow the one before it"]
    assert again(b"".join([parts[1], parts[0], *parts[2:]])).faults
    assert again(b"".join(parts[1:])).faults


def test_a_record_of_another_file_is_not_ours(file: Journal) -> None:
    data = filled(file, 1)
    found = read("b.journal", data, AESGCM(KEY))
    assert found.records == []
    assert found.faults


def test_wiping_leaves_zeros_and_the_file_goes_on(file: Journal) -> None:
    filled(file)
    file.wipe()
    assert file.path.read_bytes().strip(b"\0") == b""
    assert file.append(b"more") == 6
    assert file.read().records == [b"more"]
    assert not file.read().faults
    file.remove()
    assert not file.path.exists()


def test_a_file_is_taken_over_only_from_who_is_gone(file: Journal) -> None:
    filled(file)
    assert Journal.take_over(file.path, KEY) is None
    file.close()
    taken = Journal.take_over(file.path, KEY)
    assert taken is not None
    assert len(taken.read().records) == 5
    assert Journal.take_over(file.path, KEY) is None
    taken.remove()
    assert Journal.take_over(file.path, KEY) is None


def test_a_full_disk_leaves_no_half(file: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(file, 2)
    real = os.pwrite

    def full(descriptor: int, data: bytes, at: int) -> int:
        if data.strip(b"\0"):
            return real(descriptor, data[: len(data) // 2], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(journal.os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            file.append(b"lost")
    assert file.append(b"kept") == 3
    assert file.read().records[-1] == b"kept"
    assert not file.read().faults


def test_space_is_reserved(file: Journal) -> None:
    assert file.path.stat().st_blocks * 512 >= RESERVE


def test_too_long_is_refused(file: Journal) -> None:
    with pytest.raises(journal.TooLong):
        file.append(bytes(journal.MAX_RECORD))


def test_the_key_is_private(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert load_key(tmp_path) == key
    (tmp_path / "journal.key").chmod(0o644)
    with pytest.raises(StartupError):
        load_key(tmp_path)


@given(st.binary(max_size=600), st.integers(0, 4))
@settings(max_examples=FUZZ, deadline=None)
def test_any_bytes_are_read_without_a_fall(rest: bytes, kind: int) -> None:
    heads = [b"", MAGIC, MAGIC + bytes(8), MAGIC + bytes(7) + b"\1\0\0\0\x3c", MAGIC * 3]
    found = again(heads[kind] + rest)
    assert found.records == []
    assert HEAD == 20
