"""Cosignatures: the published form, round trips, and nothing but CheckpointError for anything else."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel import checkpoint, cosignature
from egide.kernel.checkpoint import Checkpoint, CheckpointError
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.vault import SigningKey

FUZZ = int(os.environ.get("EGIDE_FUZZ", "300"))
HEAD = Checkpoint("egide.example/police", 20852163, bytes(range(32)))
NOON = 1_679_315_147  # s


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("keys") / "log.key", HEAD.origin)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("keys") / "witness.key", "witness.example/w1")


def public(key: SigningKey) -> str:
    return cosignature.vkey_text(key.name, checkpoint.parse_vkey(key.vkey).public_key)


def cosigned(log: SigningKey, witness: SigningKey, time: int = NOON) -> str:
    return cosignature.attach(checkpoint.sign(HEAD, [log]), [cosignature.cosign(HEAD.body(), time, witness)])


def test_the_message_is_the_published_one() -> None:
    assert cosignature.message(HEAD.body(), NOON) == b"cosignature/v1\ntime 1679315147\n" + HEAD.body()


def test_a_line_has_the_published_form(witness: SigningKey) -> None:
    line = cosignature.cosign(HEAD.body(), NOON, witness)
    dash, name, encoded = line.rstrip("\n").split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name, len(raw)) == ("—", "witness.example/w1", 4 + 8 + 64)
    assert raw[:4] == cosignature.parse_vkey(public(witness)).key_hash
    assert int.from_bytes(raw[4:12], "big") == NOON


def test_cosigned_then_verified_and_the_log_s_own_verifier_still_holds(log: SigningKey, witness: SigningKey) -> None:
    note = cosigned(log, witness)
    (found,) = CosignatureVerifier([public(witness)]).verify(checkpoint.parse(note))
    assert (found.witness, found.time) == ("witness.example/w1", NOON)
    assert found.line in note
    assert checkpoint.verify(note, [log.vkey]) == HEAD
    assert CosignatureVerifier([]).verify(checkpoint.parse(note)) == []


def test_a_witness_is_never_taken_for_the_log(log: SigningKey, witness: SigningKey) -> None:
    with pytest.raises(CheckpointError):
        checkpoint.parse_vkey(public(witness))
    with pytest.raises(CheckpointError):
        cosignature.parse_vkey(log.vkey)
    only = HEAD.body().decode() + "\n" + cosignature.cosign(HEAD.body(), NOON, witness)
    with pytest.raises(CheckpointError, match="known key"):
        checkpoint.verify(only, [log.vkey, witness.vkey])
    as_log = checkpoint.sign(HEAD, [witness])  # the same key, but not a cosignature
    assert CosignatureVerifier([public(witness)]).verify(checkpoint.parse(as_log)) == []


@pytest.mark.parametrize("time", [0, -1, 1 << 63])
def test_impossible_times_are_not_signed(witness: SigningKey, time: int) -> None:
    with pytest.raises(ValueError, match="time"):
        cosignature.cosign(HEAD.body(), time, witness)


@given(position=st.integers(0, 75), bit=st.integers(0, 7))
@settings(max_examples=FUZZ, deadline=None)
def test_a_changed_bit_of_a_line_is_false_or_unknown(
    log: SigningKey, witness: SigningKey, position: int, bit: int
) -> None:
    raw = bytearray(base64.b64decode(cosignature.cosign(HEAD.body(), NOON, witness).split(" ")[2]))
    raw[position] ^= 1 << bit
    note = checkpoint.sign(HEAD, [log]) + f"— witness.example/w1 {base64.b64encode(raw).decode()}\n"
    verifier = CosignatureVerifier([public(witness)])
    if position < 4:
        assert verifier.verify(checkpoint.parse(note)) == []
    else:
        with pytest.raises(CheckpointError, match="false"):
            verifier.verify(checkpoint.parse(note))


def test_another_body_or_length_is_false(witness: SigningKey) -> None:
    verifier = CosignatureVerifier([public(witness)])
    key = cosignature.parse_vkey(public(witness))
    other = cosignature.read_lines(cosignature.cosign(HEAD.body(), NOON, witness), HEAD.body())
    with pytest.raises(CheckpointError, match="false"):
        verifier.among(other, Checkpoint(HEAD.origin, 1, bytes(32)).body())
    for length in (1, 7, 8, 71, 73, 200):
        short = [checkpoint.Signature(key.name, key.key_hash, bytes(length))]
        with pytest.raises(CheckpointError, match="false"):
            verifier.among(short, HEAD.body())


@given(
    text=st.text(max_size=300) | st.binary(max_size=80).map(lambda raw: f"w+00000000+{base64.b64encode(raw).decode()}")
)
@settings(max_examples=FUZZ, deadline=None)
def test_any_text_as_a_key_is_refused_in_words(text: str) -> None:
    with pytest.raises(CheckpointError):
        cosignature.parse_vkey(text)


@given(text=st.text(max_size=400))
@settings(max_examples=FUZZ, deadline=None)
def test_any_answer_is_read_or_refused(witness: SigningKey, text: str) -> None:
    try:
        lines = cosignature.read_lines(text, HEAD.body())
    except CheckpointError:
        return
    assert CosignatureVerifier([public(witness)]).among(lines, HEAD.body()) == []


def test_keys_are_kept_as_written(witness: SigningKey, tmp_path: Path) -> None:
    text = public(witness)
    assert cosignature.vkey_text(*cosignature.parse_vkey(text)[::2]) == text
    name, hashed, key = text.split("+", 2)
    for wrong in (f"{name}+{'0' * 8}+{key}", f"{name}x+{hashed}+{key}", text + "\n", text + "="):
        with pytest.raises(CheckpointError):
            cosignature.parse_vkey(wrong)
