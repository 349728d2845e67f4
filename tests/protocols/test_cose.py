"""CBOR in its one form and COSE_Sign1: read and written as others do, and every other encoding of the same value refused."""

from __future__ import annotations

import os
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from openvc import cbor as peer_cbor
from openvc import cose as peer

from egide.protocols.cose import (
    MAX_BYTES,
    CoseError,
    cose_key,
    decode,
    encode,
    key_of,
    point,
    read1,
    sign1,
)
from egide.protocols.sdjwt.signing import jwk_of, local, public_members

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
KEY, OTHER = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
FOR = b"a test"
LEAVES = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.integers(-70_000, 70_000) | st.text(max_size=9), inner, max_size=5)
    ),
    max_leaves=8,
)


def word(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(CoseError) as caught:
        call(*arguments, **named)
    return caught.value.why


# -- CBOR ------------------------------------------------------------------------------------------------------------------


@given(VALUES)
@CASES
def test_a_value_has_one_encoding_and_the_peer_reads_it(value: Any) -> None:
    data = encode(value)
    assert decode(data) == peer_cbor.decode(data) == value


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("9f01ff", "an array of open length"), ("bf0102ff", "a map of open length"), ("5f4101ff", "bytes of open length"),
        ("7f6161ff", "text of open length"), ("1801", "a number longer than it is"), ("190018", "again"),
        ("1a0000ffff", "again"), ("1b00000000ffffffff", "again"), ("580101", "a length longer than it is"),
        ("a201020103", "a key twice"), ("a202010102", "keys out of order"), ("a1f501", "a key that is no key"),
        ("a1810101", "a list as key"), ("c001", "a tag: date"), ("d81c80", "a tag: shared"), ("c249010000000000000000", "a tag: big number"),
        ("f97e00", "a float"), ("fa47c35000", "a float"), ("f7", "undefined"), ("f8ff", "a simple value"), ("ff", "a break"),
        ("0101", "two values"), ("", "nothing"), ("43aabb", "cut off"), ("8201", "cut off"), ("19", "cut off"), ("62c328", "no UTF-8"),
        ("9b7fffffffffffffff", "a list of all there is"), ("5b7fffffffffffffff", "bytes of all there is"), ("1c", "reserved"),
    ],
)  # fmt: skip
def test_every_other_encoding_is_refused(data: str, what: str) -> None:
    assert word(decode, bytes.fromhex(data)) == "malformed", what


def test_size_depth_and_count_are_bounded() -> None:
    assert word(decode, encode(b"x" * MAX_BYTES)) == "too-large"
    assert word(decode, b"\x81" * 4000 + b"\x01") == "too-large"
    assert word(decode, encode([0] * 300)) == "too-large"
    assert word(decode, b"\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01") == "too-large"


def test_a_tag_is_taken_only_where_it_is_asked_for() -> None:
    tagged = cbor2.dumps(cbor2.CBORTag(60_000, 1))
    assert word(decode, tagged) == "malformed"
    assert decode(tagged, tags=(60_000,)) == cbor2.CBORTag(60_000, 1)


@given(st.binary(max_size=60))
@CASES
def test_any_bytes_end_in_a_value_with_this_encoding_or_in_a_word(data: bytes) -> None:
    try:
        value = decode(data)
    except CoseError:
        return
    assert encode(value) == data


# -- COSE_Sign1 ------------------------------------------------------------------------------------------------------------


def test_the_peer_verifies_ours_and_we_theirs() -> None:
    ours = peer.parse_sign1(peer_cbor.decode(sign1(b"said", local(KEY), FOR, kid=b"k")))
    jwk = public_members(jwk_of(KEY.public_key()))
    assert peer.verify_sign1(ours, public_jwk=jwk, external_aad=FOR)
    assert not peer.verify_sign1(ours, public_jwk=jwk, external_aad=b"another purpose")
    to_sign = peer_cbor.encode(["Signature1", peer_cbor.encode({1: -7}), FOR, b"said"])
    theirs = peer_cbor.encode([peer_cbor.encode({1: -7}), {}, b"said", local(KEY)(to_sign)])
    assert read1(theirs).verify(KEY.public_key(), FOR) == b"said"


def test_what_was_signed_is_given_back_and_nothing_else_verifies() -> None:
    found = read1(sign1(b"said", local(KEY), FOR, kid=b"k"))
    assert (found.kid, found.verify(KEY.public_key(), FOR)) == (b"k", b"said")
    assert word(found.verify, OTHER.public_key(), FOR) == "signature"
    assert word(found.verify, KEY.public_key(), b"another purpose") == "signature"
    assert word(found.verify, KEY.public_key(), FOR, b"said") == "malformed"
    apart = read1(sign1(b"said", local(KEY), FOR, detached=True))
    assert (apart.payload, apart.kid, apart.verify(KEY.public_key(), FOR, b"said")) == (None, b"", b"said")
    assert word(apart.verify, KEY.public_key(), FOR, b"other") == "signature"
    assert word(apart.verify, KEY.public_key(), FOR) == "malformed"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([encode({1: -7}), {4: b"k"}, b"x", b"s" * 64], "malformed"), ([encode({1: -7}), {}, b"x"], "malformed"),
        ([encode({1: -7}), {}, "x", b"s" * 64], "malformed"), ({}, "malformed"), ([encode([]), {}, b"x", b"s" * 64], "malformed"),
        ([encode({1: -7, 2: [4]}), {}, b"x", b"s" * 64], "malformed"), ([encode({1: -7, "a": 1}), {}, b"x", b"s" * 64], "malformed"),
        ([encode({1: -35}), {}, b"x", b"s" * 64], "algorithm"), ([encode({}), {}, b"x", b"s" * 64], "algorithm"),
        ([encode({1: -7}), {}, b"x", b"s" * 63], "algorithm"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(value: Any, expected: str) -> None:
    assert word(read1, encode(value)) == expected


def test_signatures_of_nought_are_refused() -> None:
    for signature in (bytes(64), b"\xff" * 64):
        assert word(read1(encode([encode({1: -7}), {}, b"x", signature])).verify, KEY.public_key(), FOR) == "signature"


def test_a_key_comes_back_as_it_went() -> None:
    for key in (KEY.public_key(), OTHER.public_key()):
        assert key_of(decode(encode(cose_key(key)))) == key
    right = cose_key(KEY.public_key())
    for wrong, expected in (
        ({**right, -1: 2}, "algorithm"), ({**right, 4: b"k"}, "algorithm"), ({**right, -2: b"x"}, "algorithm"), (None, "algorithm"),
        ({**right, -3: b"y" * 32}, "algorithm"), ({**right, -2: b"\xff" * 32}, "malformed"),
    ):  # fmt: skip
        assert word(key_of, wrong) == expected
    assert word(point, b"\x00") == word(point, b"") == "malformed"
