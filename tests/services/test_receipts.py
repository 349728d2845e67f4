"""Receipts: real or not, offline, without a name; one changed character is found and named."""

from __future__ import annotations

import os
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel.checkpoint import Checkpoint, CheckpointError, parse
from egide.kernel.vault import SigningKey
from egide.services import receipts
from egide.services.receipts import ALPHABET, Receipt, ReceiptError, file_number, issue, verify_receipt

FUZZ = int(os.environ.get("EGIDE_FUZZ", "300"))
KEY = SigningKey("egide.example/police", Ed25519PrivateKey.generate())
OTHER = SigningKey("egide.example/police", Ed25519PrivateKey.generate())
RECEIPT = Receipt(
    number=file_number(bytes(range(10))), service="Plainte pour vol", day=date(2026, 11, 26), unit="Commissariat de la Ville",
    index=1_204_882, root=bytes(range(32)),
)  # fmt: skip
CODE = issue(RECEIPT, KEY)
ADDRESS = receipts.address("https://egide.example", CODE)


def test_a_receipt_comes_back_from_its_code_and_from_its_address() -> None:
    assert verify_receipt(CODE, [KEY.vkey]) == RECEIPT
    assert verify_receipt(ADDRESS, [OTHER.vkey, KEY.vkey]) == RECEIPT
    broken = "\n  ".join(ADDRESS[start : start + 44] for start in range(0, len(ADDRESS), 44))  # as the PDF prints it
    assert verify_receipt(f"  {broken}\r\n", [KEY.vkey]) == RECEIPT
    assert len(ADDRESS) < 350  # fits a QR code that a telephone reads


def test_another_s_key_and_no_key_verify_nothing() -> None:
    for keys in ([OTHER.vkey], []):
        with pytest.raises(ReceiptError, match="signature does not match"):
            verify_receipt(CODE, keys)


def test_every_changed_character_is_found() -> None:
    for place, character in product(range(len(CODE)), "Ab7-_é*="):
        if character == CODE[place]:
            continue
        with pytest.raises(ReceiptError) as refused:
            verify_receipt(CODE[:place] + character + CODE[place + 1 :], [KEY.vkey])
        if character in "é*=":
            assert f"character {place + 1}, “{character}”" in refused.value.what.en
            assert f"le caractère {place + 1}" in refused.value.what.fr


def test_one_more_one_less_and_two_spellings_are_found() -> None:
    other_spelling = next(
        CODE[:-1] + last
        for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        if last != CODE[-1]
    )
    for changed in (
        CODE[:-1],
        CODE + "A",
        CODE[1:],
        "",
        "AAAA",
        other_spelling,
        ADDRESS.replace("#", "x"),
        ADDRESS.replace("verify", "verifx"),
    ):
        with pytest.raises(ReceiptError):
            verify_receipt(changed, [KEY.vkey])


@settings(max_examples=FUZZ, deadline=None)
@given(st.one_of(st.text(max_size=400), st.binary(max_size=300).map(receipts._text), st.just("A" * 100_000)))
def test_no_noise_is_a_receipt(noise: str) -> None:
    with pytest.raises(ReceiptError):
        verify_receipt(noise, [KEY.vkey])


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_even_a_signed_body_must_be_a_receipt(body: bytes) -> None:
    with pytest.raises(ReceiptError, match="does not have the form"):
        verify_receipt(receipts._text(KEY.sign(receipts.PREFIX + body) + body), [KEY.vkey])


def test_a_checkpoint_and_a_receipt_are_never_one_another() -> None:
    body = Checkpoint("egide.example/police", 7, bytes(32)).body()
    with pytest.raises(ReceiptError):
        verify_receipt(receipts._text(KEY.sign(body) + body), [KEY.vkey])
    with pytest.raises(CheckpointError):
        parse((receipts.PREFIX + b"\n7\n" + body).decode() + "\n— a AAAA\n")


@pytest.mark.parametrize(
    "wrong", [{"unit": ""}, {"unit": "x" * 81}, {"service": "a\nb"}, {"index": -1}, {"root": b"short"}]
)
def test_what_cannot_be_a_receipt_is_not_signed(wrong: dict[str, object]) -> None:
    fields = {name: getattr(RECEIPT, name) for name in RECEIPT.__struct_fields__} | wrong
    with pytest.raises(ReceiptError):
        issue(Receipt(**fields), KEY)


def test_a_number_says_nothing_of_the_next() -> None:
    assert file_number(bytes(10)) == "0000-0000-0000-0000"
    assert file_number(b"\xff" * 10) == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"
    numbers = {file_number(os.urandom(10)) for _ in range(1000)}
    assert len(numbers) == 1000
    assert all(set(number) <= {*ALPHABET, "-"} for number in numbers)
    with pytest.raises(ValueError, match="10 bytes"):
        file_number(b"")


def test_the_key_of_a_file_signs(tmp_path: Path) -> None:
    key = SigningKey.load_or_create(tmp_path / "k", "egide.example/police")
    assert verify_receipt(issue(RECEIPT, key), [key.vkey]) == RECEIPT
