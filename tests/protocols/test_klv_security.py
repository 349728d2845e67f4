"""ST 0102 markings inside ST 0601: a real one, synthetic ones, and broken ones that must not pass for no marking."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import klv
from egide.protocols.klv import KlvError, Security, decode_security, encode_security
from egide.protocols.klv.security import CLASSIFICATIONS

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)


def test_the_marking_of_a_real_packet(shared_data: Path) -> None:
    """Its checksum is wrong, which is why it is read without looking at it."""
    raw = (shared_data / "klv" / "dynamic-constant-mismms.klv").read_bytes()
    frame = klv.decode(raw, verify=False)
    assert frame.security is not None
    marking = decode_security(frame.security)
    assert marking.country == "//USA"
    assert CLASSIFICATIONS[marking.classification or 0] == "UNCLASSIFIED"
    got = klv.to_json(frame)["security"]
    assert got["classification"] == "UNCLASSIFIED"
    assert got["marking"].startswith("USA UNCLASSIFIED")
    assert got["country"] == "//USA"
    assert encode_security(marking) == frame.security


def full() -> Security:
    return Security(
        classification=4, coding=14, country="//FRA", sci_shi="//SI", caveats="FOUO", releasing="FRA DEU", classified_by="EM",
        derived_from="Guide", reason="Opération", declassification_date="20360101", marking_system="IGI 1300", object_coding=14,
        object_countries="FRA;FIN", comments="exercise", umid=bytes(32), stream_id=1, transport_stream_id=2,
        item_designator=bytes(16), version=12, coding_date="2020-01-01", object_coding_date="2020-01-01",
    )  # fmt: skip


def test_every_item_travels_and_is_shown() -> None:
    marking = full()
    with pytest.raises(KlvError, match="cannot be written"):
        encode_security(marking)  # ISO 646 has no é
    marking.reason = "Operation"
    frame = klv.decode(klv.encode(klv.UasFrame(timestamp=1, security=encode_security(marking))))
    assert frame.security is not None
    assert decode_security(frame.security) == marking
    got = klv.to_json(frame)["security"]
    assert got["marking"] == "FRA SECRET//" + "//SI" + "//FOUO//REL TO FRA DEU"
    assert (got["coding"], got["object_countries"], got["version"]) == ("GENC three-letter", "FRA;FIN", 12)
    assert (got["declassification_date"], got["caveats"]) == ("20360101", "FOUO")


def test_a_packet_without_marking_says_nothing_of_one() -> None:
    assert "security" not in klv.to_json(klv.decode(klv.encode(klv.UasFrame(timestamp=1))))


@pytest.mark.parametrize(
    "raw",
    [
        b"",  # no classification at all
        b"\x03\x05//USA",
        b"\x01\x01\x09",  # a classification there is not
        b"\x01\x02\x00\x01",
        b"\x01\x01\x04\x05\x7f",  # runs past the end
        b"\x01\x01\x04\x05\x01\xff",  # no ISO 646
        b"\x01\x01\x04\x05\x04a\x1b[2",  # no plain text
        b"\x01\x01\x04\x0d\x03\x00A\x00",
    ],
)
def test_a_broken_marking_is_said_to_be_unreadable(raw: bytes) -> None:
    with pytest.raises(KlvError):
        decode_security(raw)
    got = klv.to_json(klv.UasFrame(security=raw))["security"]
    assert got["marking"] == "UNREADABLE MARKING"
    assert got["unreadable"]


@FUZZ
@given(st.binary(max_size=200))
def test_any_set_is_read_or_refused(raw: bytes) -> None:
    try:
        marking = decode_security(raw)
    except KlvError:
        return
    assert decode_security(encode_security(marking)) == marking
