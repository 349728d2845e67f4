"""Remote identification: ASTM F3411 messages, packs, Wi-Fi elements and the French signal, right and wrong."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import remoteid
from egide.protocols.remoteid import (
    Authentication,
    BasicId,
    FrenchSignal,
    Location,
    OperatorId,
    RemoteIdError,
    SelfId,
    System,
    decode,
    encode,
)

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)
BASIC = BasicId(1, 2, "1581F4BND2231001")
LOCATION = Location(2, 60.17, 24.945, 85.5, 80.0, 60.0, 1, 270.0, 12.25, -1.5, 1234.5, 10, 4)
SYSTEM = System(60.169, 24.944, 1, 1, 1, 0, None, None, 1, 3, 12.0, 1_790_000_000)
OPERATOR = OperatorId(0, "FRA87astrdge12k8")
EVERY = (
    BASIC,
    LOCATION,
    SYSTEM,
    OPERATOR,
    SelfId(0, "Inspection"),
    Authentication(1, 0, 0, 17, 246_000_000, bytes(range(17))),
)


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_what_is_written_is_read(message):
    raw = encode(message)
    assert len(raw) == remoteid.SIZE
    assert decode(raw) == message


def test_a_location_byte_by_byte():
    """F3411-22a, table of the Location/Vector message, worked by hand."""
    raw = bytes.fromhex("12225a31fda036dd23104ede0e70087b0848084a0039300000")
    got = decode(raw)
    assert got == Location(2, 60.17, 24.945, 85.5, 80.0, 60.0, 0, 270.0, 12.25, -1.5, 1234.5, 10, 4)


def test_unknown_is_none_and_fast_is_fast():
    unknown = Location(0, None, None, None, None, None, 0, None, None, None, None, 0, 0)
    assert decode(encode(unknown)) == unknown
    fast = decode(encode(Location(2, 1.0, 1.0, None, None, None, 0, 10.0, 120.0, 0.0, 0.0, 0, 0)))
    assert fast.speed == pytest.approx(120.0)
    assert decode(encode(Location(2, 1.0, 1.0, None, None, None, 0, 359.6, 1.0, 0.0, 0.0, 0, 0))).direction == 0.0


def test_a_pack_and_what_is_none():
    raw = remoteid.pack([BASIC, LOCATION, OPERATOR])
    assert remoteid.unpack(raw) == [BASIC, LOCATION, OPERATOR]
    for wrong in (raw[:-1], raw + b"\0", b"\xf2\x19\x00", b"\xf2\x18" + raw[2:], b"", encode(BASIC)):
        with pytest.raises(RemoteIdError):
            remoteid.unpack(wrong)
    nested = bytes((0xF2, 25, 1)) + bytes((0xF2,)) + bytes(24)
    with pytest.raises(RemoteIdError, match="type 15"):
        remoteid.unpack(nested)
    with pytest.raises(RemoteIdError):
        remoteid.pack([BASIC] * 10)


FRENCH = FrenchSignal("ILLDEMO00000000000000000000001", "", 48.8566, 2.3522, 95.0, 60.0, 48.855, 2.351, 7.0, 270.0)


def test_the_french_signal():
    assert remoteid.decode_signal(remoteid.encode_signal(FRENCH)) == FRENCH
    # as public receivers' own tests write it: 43.61413 N, 4.81966 W
    raw = bytes.fromhex("dd176a5c3501010101040400428cc50504fff8a54a0b020168")
    got = remoteid.decode_signal(raw)
    assert (got.lat, got.lon) == (43.61413, -4.81974)
    assert got.course is None, "360 is no course"


@pytest.mark.parametrize(
    "text", ["", "dd046a5c3502", "6a5c3501010102", "6a5c35010204aa", "dd07fa0bbc0d000000", "6a5c35010101"]
)
def test_a_french_signal_that_is_none(text):
    with pytest.raises(RemoteIdError):
        remoteid.decode_signal(bytes.fromhex(text))


def test_every_framing_of_a_receiver():
    pack = remoteid.pack([BASIC, LOCATION])
    address = bytes.fromhex("6060f0aabbcc")
    wifi = b"\xdd" + bytes((5 + len(pack),)) + bytes.fromhex("fa0bbc0d07") + pack
    for head in (b"", address):
        assert remoteid.read(head + encode(BASIC)) == remoteid.Capture(head, (BASIC,))
        assert remoteid.read(head + encode(BASIC) + encode(LOCATION)) == remoteid.Capture(head, (BASIC, LOCATION))
        assert remoteid.read(head + pack) == remoteid.Capture(head, (BASIC, LOCATION))
        assert remoteid.read(head + wifi) == remoteid.Capture(head, (BASIC, LOCATION))
        assert remoteid.read(head + remoteid.encode_signal(FRENCH)) == remoteid.Capture(head, (FRENCH,))


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(24), bytes(26), bytes(300), b"\xdd\x04\x01\x02\x03\x04", b"\xa0" * 25]
)
def test_a_datagram_that_is_none(data):
    with pytest.raises(RemoteIdError):
        remoteid.read(data)


def test_words_of_a_stranger_are_plain():
    hostile = decode(bytes((0x52, 0)) + b"<script>\x1b[2J\xff\n\0" + bytes(8))
    assert hostile.operator_id == "<script>?[2J??"


@FUZZ
@given(st.binary(max_size=300))
def test_any_datagram_is_read_or_refused(data):
    try:
        got = remoteid.read(data)
    except RemoteIdError:
        return
    assert 1 <= len(got.messages) <= remoteid.MAX_PACK


@FUZZ
@given(st.integers(0, 5), st.binary(min_size=24, max_size=24))
def test_any_content_of_a_message_is_read_and_written_back_the_same(kind, body):
    first = decode(bytes((kind << 4 | 2,)) + body)
    assert decode(encode(first)) == decode(encode(decode(encode(first))))


@FUZZ
@given(st.binary(max_size=120))
def test_any_french_fields_are_read_or_refused(body):
    try:
        remoteid.decode_signal(bytes.fromhex("6a5c3501010101") + body)
    except RemoteIdError:
        return
