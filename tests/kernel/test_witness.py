"""A witness cosigns what continues its record and nothing else, keeps the record before it answers, and never raises."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egide.kernel import checkpoint, cosignature, witness
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.errors import Conflict, StartupError
from egide.kernel.merkle import EMPTY_ROOT
from egide.kernel.vault import SigningKey
from egide.kernel.witness import Witness, trust
from tests.kernel.logs import Grown

FUZZ = int(os.environ.get("EGIDE_FUZZ", "300"))


@pytest.fixture
def log(tmp_path: Path) -> Grown:
    return Grown.at(tmp_path).grow(10)


@pytest.fixture
def place(tmp_path: Path, log: Grown) -> Path:
    trust(tmp_path / "witness", log.key.vkey)
    return tmp_path / "witness"


@pytest.fixture
def stranger(tmp_path: Path) -> Grown:
    return Grown(SigningKey.load_or_create(tmp_path / "stranger.key", "egide.example/police")).grow(10)


def verified(seen: Witness, log: Grown, line: str, size: int | None = None) -> bool:
    note = checkpoint.parse(log.note(size) + line)
    return len(CosignatureVerifier([seen.vkey]).verify(note)) == 1


def test_a_log_that_grows_is_cosigned_again_and_again(place: Path, log: Grown) -> None:
    seen = Witness(place, "witness.example/w1")
    old = 0
    for size in (10, 10, 11, 256, 300, 5_000):
        log.grow(size)
        answer = seen.add_checkpoint(log.request(old, size))
        assert answer.status == 200, answer.body
        assert verified(seen, log, answer.body, size)
        old = size
    seen.close()


def test_it_tells_the_size_that_it_has(place: Path, log: Grown) -> None:
    seen = Witness(place, "w")
    assert seen.add_checkpoint(log.request(0)).status == 200
    answer = seen.add_checkpoint(log.grow(20).request(0))
    assert (answer.status, answer.body, answer.content_type) == (409, "10\n", "text/x.tlog.size")
    assert seen.add_checkpoint(log.request(10)).status == 200
    assert seen.add_checkpoint(log.request(20, 20)).status == 200
    assert seen.add_checkpoint(log.request(15, 20)).status == 409
    seen.close()


@pytest.mark.parametrize("size", [10, 11, 300])
def test_a_rewritten_history_is_refused_whatever_its_size(place: Path, log: Grown, size: int) -> None:
    seen = Witness(place, "w")
    assert seen.add_checkpoint(log.request(0)).status == 200
    rewritten = Grown(log.key, 3).grow(size)
    answer = seen.add_checkpoint(rewritten.request(10))
    assert answer.status == (409 if size == 10 else 422)
    assert "—" not in answer.body
    honest = log.grow(size).log.consistency(10, size) if size > 10 else []  # a true proof beside a false root
    lines = ["old 10", *(base64.b64encode(each).decode() for each in honest), ""]
    assert seen.add_checkpoint(("\n".join(lines) + "\n" + rewritten.note()).encode()).status != 200
    assert seen.add_checkpoint(log.request(10)).status == 200
    seen.close()


def test_a_log_that_shrinks_is_refused(place: Path, log: Grown) -> None:
    seen = Witness(place, "w")
    assert seen.add_checkpoint(log.request(0)).status == 200
    answer = seen.add_checkpoint(log.request(5, 5))
    assert (answer.status, answer.body) == (409, "10\n")
    assert seen.add_checkpoint(log.request(10, 5)).status == 400
    seen.close()


def test_unknown_logs_and_keys(place: Path, log: Grown, stranger: Grown, tmp_path: Path) -> None:
    seen = Witness(place, "w")
    assert seen.add_checkpoint(stranger.request(0)).status == 403  # the origin is known, the key is not
    other = Grown(SigningKey.load_or_create(tmp_path / "other.key", "elsewhere.example")).grow(1)
    assert seen.add_checkpoint(other.request(0)).status == 404
    trust(place, other.key.vkey)  # while it runs
    assert seen.add_checkpoint(other.request(0)).status == 200
    seen.close()


def test_an_empty_log_has_one_root_only(place: Path, log: Grown) -> None:
    seen = Witness(place, "w")
    empty = Grown(log.key)
    assert empty.log.root() == EMPTY_ROOT
    assert seen.add_checkpoint(empty.request(0)).status == 200
    false = checkpoint.sign(checkpoint.Checkpoint(log.key.name, 0, bytes(32)), [log.key])
    assert seen.add_checkpoint(f"old 0\n\n{false}".encode()).status == 409
    seen.close()


def test_malformed_requests(place: Path, log: Grown) -> None:
    seen = Witness(place, "w")
    note = log.note().encode()
    path = base64.b64encode(bytes(32)) + b"\n"
    for body in (
        b"", b"\n", b"old 0", b"old 0\n", b"old 0\n\n", b"old\n\n" + note, b"old -1\n\n" + note, b"old 00\n\n" + note, b"old 1e3\n\n" + note,
        b"old 0 \n\n" + note, b"new 0\n\n" + note, b"old 99999999999999999999\n\n" + note, b"old 0\nnot base64\n\n" + note,
        b"old 0\nAAAA\n\n" + note, b"old 0\n" + path * 64 + b"\n" + note, b"old 0\n\n" + note[:-1], b"old 0\n\n\xff" + note,
        b"\xffld 0\n\n" + note, "old ٣\n\n".encode() + note,
    ):  # fmt: skip
        assert seen.add_checkpoint(body).status == 400, body
    assert seen.add_checkpoint(b"old 0\n" + path * 63 + b"\n" + note).status == 422
    assert seen.add_checkpoint(b"x" * (witness.MAX_REQUEST + 1)).status == 413
    seen.close()


@given(
    cut=st.integers(0, 400),
    bit=st.integers(0, 7),
    insert=st.binary(max_size=6),
)
@settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_answered_and_no_damage_is_cosigned(
    place: Path, log: Grown, cut: int, bit: int, insert: bytes
) -> None:
    seen = Witness(place, "w")
    try:
        good = log.request(0)
        cut %= len(good)
        bad = good[:cut] + bytes([good[cut] ^ (1 << bit)]) + insert + good[cut + 1 :]
        answer = seen.add_checkpoint(bad)
        assert answer.status in (200, 400, 403, 404, 409, 422)
        if answer.status == 200:  # an unknown signature's bytes may change; what is cosigned may not
            assert verified(seen, log, answer.body)
    finally:
        seen.close()


@given(body=st.binary(max_size=300))
@settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_is_malformed(place: Path, body: bytes) -> None:
    seen = Witness(place, "w")
    try:
        assert seen.add_checkpoint(body).status == 400
    finally:
        seen.close()


def test_the_record_is_on_disk_before_the_answer(place: Path, log: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Witness(place, "w")
    happened: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (happened.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(Path, "rename", lambda old, new: (happened.append("rename"), rename(old, new))[1])
    assert seen.add_checkpoint(log.request(0)).status == 200
    assert happened == ["fsync", "rename", "fsync"]
    seen.close()


def test_nothing_is_signed_when_the_record_cannot_be_kept(
    place: Path, log: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Witness(place, "w")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        answer = seen.add_checkpoint(log.request(0))
    assert answer.status == 503
    assert "—" not in answer.body
    assert seen.add_checkpoint(log.request(0)).status == 200
    seen.close()


def test_a_restart_forgets_nothing(place: Path, log: Grown) -> None:
    seen = Witness(place, "w")
    vkey = seen.vkey
    assert seen.add_checkpoint(log.request(0)).status == 200
    seen.close()
    again = Witness(place, "another name")  # the name is the first start's
    assert again.vkey == vkey
    assert again.add_checkpoint(Grown(log.key, 1).grow(10).request(10)).status == 409
    assert again.add_checkpoint(log.request(0)).status == 409
    again.close()


@pytest.mark.parametrize("name", [witness.RECORD, witness.KEY])
def test_a_lost_file_stops_the_start(place: Path, log: Grown, name: str) -> None:
    seen = Witness(place, "w")
    seen.add_checkpoint(log.request(0))
    seen.close()
    (place / name).unlink()
    with pytest.raises(StartupError, match="missing or damaged"):
        Witness(place, "w")


def test_a_damaged_record_signs_nothing(place: Path, log: Grown) -> None:
    seen = Witness(place, "w")
    (place / witness.RECORD).write_bytes(b'{"version":1,"logs":{')
    assert seen.add_checkpoint(log.request(0)).status == 503
    seen.close()


def test_two_witnesses_never_share_a_folder(place: Path) -> None:
    seen = Witness(place, "w")
    with pytest.raises(StartupError, match="already runs"):
        Witness(place, "w")
    seen.close()
    Witness(place, "w").close()


def test_one_origin_has_one_key(place: Path, log: Grown, stranger: Grown) -> None:
    assert trust(place, log.key.vkey) is False
    with pytest.raises(Conflict, match="another key"):
        trust(place, stranger.key.vkey)
    assert witness.known(place) == [log.key.vkey]
    (place / witness.LOGS).write_text("# ours\nnonsense\n")
    with pytest.raises(StartupError):
        witness.known(place)


def test_its_time_never_goes_back(place: Path, log: Grown) -> None:
    clock = [1_000_000.0]
    seen = Witness(place, "w", now=lambda: clock[0])
    first = seen.add_checkpoint(log.request(0))
    clock[0] -= 5
    second = seen.add_checkpoint(log.grow(11).request(10))
    times = [
        CosignatureVerifier([seen.vkey]).verify(checkpoint.parse(log.note(size) + answer.body))[0].time
        for size, answer in ((10, first), (11, second))
    ]
    assert times == [1_000_000, 1_000_000]
    clock[0] -= 3_600
    assert seen.add_checkpoint(log.grow(12).request(11)).status == 503
    seen.close()


def test_racing_requests_give_one_history(place: Path, log: Grown) -> None:
    """Eight threads offer different continuations of the same tree: at each size one root at most is cosigned."""
    seen = Witness(place, "w")
    assert seen.add_checkpoint(log.request(0)).status == 200
    offers = [Grown(log.key, 10 + n).grow(12 + n) for n in range(8)]
    answers: dict[int, int] = {}

    def offer(number: int) -> None:
        answers[number] = seen.add_checkpoint(offers[number].request(10)).status

    threads = [threading.Thread(target=offer, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers.values()) == [200, *[409] * 7]
    assert cosignature.parse_vkey(seen.vkey).name == "w"
    seen.close()
