"""Checkpoints and keys: public vectors, round trips, and nothing but CheckpointError for anything else."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel import checkpoint
from egide.kernel.checkpoint import Checkpoint, CheckpointError
from egide.kernel.vault import SigningKey

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))
ORIGIN = "egide.example/police"
GO_SUM = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
# golang.org/x/mod/sumdb/note, example of the package documentation
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("keys") / "log.key", ORIGIN)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("keys") / "witness.key", "prefecture.example/witness")


HEAD = Checkpoint(ORIGIN, 20852163, bytes(range(32)))


def test_public_keys_of_other_logs_are_read() -> None:
    assert checkpoint.parse_vkey(GO_SUM).name == "sum.golang.org"
    read = checkpoint.parse_vkey(NEUMANN)
    raw = base64.b64decode(NEUMANN_SIGNATURE)
    assert raw[:4] == read.key_hash
    Ed25519PublicKey.from_public_bytes(read.public_key).verify(raw[4:], NEUMANN_TEXT)


def test_a_note_has_the_published_form(key: SigningKey) -> None:
    note = checkpoint.sign(HEAD, [key])
    body, signatures = note.split("\n\n")
    assert body == f"{ORIGIN}\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    dash, name, encoded = signatures.rstrip("\n").split(" ")
    assert (dash, name, len(base64.b64decode(encoded))) == ("—", ORIGIN, 68)


def test_signed_then_verified(key: SigningKey, witness: SigningKey) -> None:
    assert checkpoint.verify(checkpoint.sign(HEAD, [key]), [key.vkey]) == HEAD
    both = checkpoint.sign(HEAD, [witness, key])
    assert checkpoint.verify(both, [key.vkey]) == HEAD  # a witness we do not know is tolerated
    assert checkpoint.verify(both, [key.vkey, witness.vkey]) == HEAD
    assert len(checkpoint.parse(both).signatures) == 2


def test_extension_lines_are_kept(key: SigningKey) -> None:
    head = Checkpoint(ORIGIN, 0, bytes(32), ("realm police",))
    assert checkpoint.verify(checkpoint.sign(head, [key]), [key.vkey]) == head


def test_a_stranger_s_signature_proves_nothing(key: SigningKey, witness: SigningKey) -> None:
    with pytest.raises(CheckpointError, match="known key"):
        checkpoint.verify(checkpoint.sign(HEAD, [witness]), [key.vkey])
    with pytest.raises(CheckpointError, match="known key"):
        checkpoint.verify(checkpoint.sign(HEAD, [key]), [])


def test_a_known_key_s_false_signature_is_never_outweighed(key: SigningKey, witness: SigningKey) -> None:
    good = checkpoint.sign(HEAD, [key])
    other = checkpoint.sign(Checkpoint(ORIGIN, 1, bytes(32)), [witness])
    mixed = good + other.split("\n\n")[1]
    with pytest.raises(CheckpointError, match="false"):
        checkpoint.verify(mixed, [key.vkey, witness.vkey])


def test_every_changed_bit_is_found(key: SigningKey) -> None:
    note = checkpoint.sign(HEAD, [key]).encode()
    for position in range(len(note)):
        for bit in range(8):
            changed = note[:position] + bytes([note[position] ^ (1 << bit)]) + note[position + 1 :]
            with pytest.raises(CheckpointError):
                checkpoint.verify(changed.decode("utf-8", "surrogateescape"), [key.vkey])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "a\n1\n",
        "a\n1\nAAAA\n\n— k AAAAAAAA\n",
        f"{ORIGIN}\n01\n{'A' * 43}=\n\n— k AAAAAAAA\n",
        f"{ORIGIN}\n-1\n{'A' * 43}=\n\n— k AAAAAAAA\n",
        f"{ORIGIN}\n٣\n{'A' * 43}=\n\n— k AAAAAAAA\n",
        f"{ORIGIN}\n9999999999999999999\n{'A' * 43}=\n\n— k AAAAAAAA\n",
        f"{ORIGIN}\n1\n{'A' * 42}B=\n\n— k AAAAAAAA\n",
        f"{ORIGIN}\n1\n{'A' * 43}=\n\n- k AAAAAAAA\n",
        f"{ORIGIN}\n1\n{'A' * 43}=\n\n— k AAAA\n",
        f"{ORIGIN}\n1\n{'A' * 43}=\n\n— k AAAAAAAA",
        f"{ORIGIN}\r\n1\n{'A' * 43}=\n\n— k AAAAAAAA\n",
        f"{ORIGIN}\n1\n{'A' * 43}=\n" + "x\n" * 20 + "\n— k AAAAAAAA\n",
        f"{ORIGIN}\n1\n{'A' * 43}=\n\n" + "— k AAAAAAAA\n" * 100,
        "x" * 100_000,
    ],
)
def test_what_is_no_note_is_said_to_be_none(text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.parse(text)
    assert caught.value.what.fr
    assert caught.value.what.en


@pytest.mark.parametrize(
    "head",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("a", -1, bytes(32)),
        Checkpoint("a", 1 << 63, bytes(32)),
        Checkpoint("a", 1, bytes(31)),
        Checkpoint("a", 1, bytes(32), ("",)),
    ],
)
def test_what_cannot_be_written_is_not_signed(head: Checkpoint, key: SigningKey) -> None:
    with pytest.raises(CheckpointError):
        checkpoint.sign(head, [key])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "x" * 300, "\ud800"])
def test_unusable_key_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        SigningKey.load_or_create(tmp_path / "k", name)


def test_a_vkey_has_one_spelling(key: SigningKey) -> None:
    for changed in (key.vkey.upper(), key.vkey + "=", key.vkey[:-1], key.vkey + "\n", " " + key.vkey, ""):
        with pytest.raises(CheckpointError):
            checkpoint.parse_vkey(changed)


@settings(max_examples=FUZZ)
@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))))
def test_any_text_is_read_or_refused(text: str) -> None:
    for attempt in (checkpoint.parse, checkpoint.parse_vkey, lambda given: checkpoint.verify(given, [GO_SUM])):
        try:
            attempt(text)
        except CheckpointError:
            continue


LINES = st.sampled_from(["a", "1", "A" * 43 + "=", "", "— k AAAAAAAA", "—", "é", "\ud800", "\x00"])


@settings(max_examples=FUZZ)
@given(st.lists(LINES, max_size=12).map("\n".join))
def test_almost_notes_are_read_or_refused(text: str) -> None:
    for given_text in (text, text + "\n"):
        try:
            note = checkpoint.parse(given_text)
        except CheckpointError:
            continue
        assert note.body.decode() == given_text[: given_text.rindex("\n\n") + 1]
