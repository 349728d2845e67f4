"""Six tokens of one traveller: each says what its control asks, and no two can be told to be one person's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from hashlib import sha256
from secrets import token_bytes
from typing import Any

import cbor2
import msgspec
import pytest

from egide.border.token.claims import Claims, checked, from_json
from egide.border.token.profile import (
    DIGESTS,
    FOR_TOKEN,
    Issued,
    Slot,
    end,
    issue_batch,
    journey_pseudonym,
    read_cwt,
    trusted,
)
from egide.kernel.errors import BadInput
from egide.protocols import cose
from egide.protocols.sdjwt.present import names
from egide.protocols.sdjwt.signing import local
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.errors import WalletError
from tests.border.token.scene import ISS, ISSUER, NOW, OTHER, PLAN, TERMS, TRUSTED, UNTIL, URI, Traveller, named

SHORTEST = 6  # bytes; shorter ones are shared by chance


@pytest.fixture(scope="module")
def alix() -> Traveller:
    return Traveller()


def values(issued: Issued) -> Iterator[bytes]:
    """Every value in both forms of a token, unpacked to the last: keys, salts, digests, claims, signatures."""
    head, body, signature = issued.credential.partition("~")[0].split(".")
    yield decoded(signature)
    for part in (head, body, *issued.credential.split("~")[1:-1]):
        yield from leaves(msgspec.json.decode(decoded(part)))
    protected, _open, payload, signature_ = cbor2.loads(issued.cwt)
    yield signature_
    yield from leaves(cbor2.loads(protected))
    yield from leaves(cbor2.loads(payload))


def leaves(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(key)
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield from text(value)
    elif isinstance(value, int):
        yield sha256(str(value).encode()).digest()[
            :SHORTEST
        ]  # as a whole: the first figures of two numbers are often the same


def text(value: str) -> Iterator[bytes]:
    """Base64 by what it stands for, all else as it is."""
    try:
        data = decoded(value)
    except ValueError:
        data = b""
    yield data if len(data) >= SHORTEST and encoded(data) == value else value.encode()


def pieces(data: bytes) -> set[bytes]:
    return {data[at : at + SHORTEST] for at in range(len(data) - SHORTEST + 1)}


def all_pieces(issued: Issued) -> set[bytes]:
    """Of the values: around them there is only the format, in which a random letter beside five fixed ones repeats by chance."""
    return set().union(*map(pieces, values(issued)))


def test_no_two_tokens_of_a_traveller_share_anything_that_is_the_travellers() -> None:
    """What they share is what any other traveller's tokens of that flight have, too."""
    alix, others = (
        Traveller(),
        [Traveller("BEN SALAH<<NOUR", nationality="TUN"), Traveller("PETIT<<LOU", nationality="BEL")],
    )
    common: set[bytes] = set().union(*(all_pieces(each) for other in others for each in other.tokens.values()))
    own = {control: all_pieces(each) - common for control, each in alix.tokens.items()}
    assert min(map(len, own.values())) > 200
    for (one, first), (two, second) in itertools.combinations(own.items(), 2):
        assert not first & second, (one, two)


def test_the_same_test_finds_what_two_tokens_would_share(alix: Traveller) -> None:
    """It can fail: two tokens that both tell the name do share it."""
    slots = [msgspec.structs.replace(each, claims=("name",)) for each in alix.slots()[:2]]
    made = issue_batch(TERMS, alix.said, slots, local(ISSUER), token_bytes(32))
    other = set().union(*map(all_pieces, Traveller("PETIT<<LOU").tokens.values()))
    shared = (all_pieces(made[0]) - other) & (all_pieces(made[1]) - other)
    assert any(piece in b"MARCHAND<<ALIX" for piece in shared)


def test_a_token_says_what_its_control_asks_and_does_not_tell_by_its_size_which(alix: Traveller) -> None:
    for control, issued in alix.tokens.items():
        assert set(names(issued.credential)) == set(PLAN[control])
        body = msgspec.json.decode(decoded(issued.credential.split(".")[1]))
        assert len(body["_sd"]) == DIGESTS
        assert body.keys() == {"iss", "vct", "exp", "cnf", "status", "control", "_sd", "_sd_alg"}
        assert (body["iss"], body["exp"], body["control"]) == (ISS, UNTIL, named(control))
        told, issuer = read_cwt(issued.cwt, [TRUSTED])
        assert (set(told.claims), told.control) == (set(PLAN[control]), named(control))
        assert (told.issuer, told.until, told.status, told.place, issuer.name) == (
            ISS,
            UNTIL,
            URI,
            issued.place,
            "airport",
        )


def test_both_forms_say_the_same(alix: Traveller) -> None:
    for control, issued in alix.tokens.items():
        found = {name: msgspec.json.decode(decoded(text))[2] for name, text in names(issued.credential).items()}
        told, _issuer = read_cwt(issued.cwt, [TRUSTED])
        assert from_json(found) == checked(told.claims), control


def test_a_journeys_pseudonyms_are_strangers_but_to_who_has_its_key() -> None:
    key = token_bytes(32)
    found = [journey_pseudonym(key, number) for number in range(6)]
    assert len(set(found)) == 6
    assert {len(each) for each in found} == {12}
    assert found == [journey_pseudonym(key, number) for number in range(6)]
    assert found != [journey_pseudonym(token_bytes(32), number) for number in range(6)]


def test_tokens_end_at_the_same_hour_for_all_of_a_flight() -> None:
    assert end(NOW) == end(NOW + 60)
    assert 0 <= NOW + 86_400 - end(NOW) < 3600


def test_what_must_be_a_tokens_alone_is_not_issued_twice(alix: Traveller) -> None:
    slots = alix.slots()

    def refused(*wrong: Slot) -> str:
        with pytest.raises(BadInput) as caught:
            issue_batch(TERMS, alix.said, wrong, local(ISSUER), token_bytes(32))
        assert "MARCHAND" not in str(caught.value)
        return str(caught.value)

    for name in ("holder", "place", "face_t", "doc_hash"):
        twin = msgspec.structs.replace(slots[1], **{name: getattr(slots[0], name)})
        assert "share" in refused(slots[0], twin), name
    assert "1 to 16" in refused()
    assert "1 to 16" in refused(*slots * 3)
    for change in (
        {"face_t": None}, {"face_t": b"x"}, {"claims": ("seat",)}, {"control": ""}, {"control": "Gate 12"}, {"control": "x" * 33},
        {"holder": msgspec.structs.replace(slots[3].holder, crv="P-384")}, {"doc_hash": b"x", "claims": ("doc_hash",)},
    ):  # fmt: skip
        assert "another form" in refused(msgspec.structs.replace(slots[3], **change)), change


def test_a_claim_has_its_form() -> None:
    right = {
        "journey_id": bytes(12),
        "flight": "AF 1234",
        "doc_ok": False,
        "nationality": "D",
        "name": "A",
        "face_t": bytes(128),
    }
    assert checked(right).flight == "AF 1234"
    for wrong in (
        {"flight": "AF1234<script>"}, {"flight": ""}, {"flight": 5}, {"nationality": "France"}, {"name": ""}, {"name": "x" * 81},
        {"name": "a\nb"}, {"doc_ok": 1}, {"face_t": bytes(127)}, {"journey_id": "x"}, {"doc_hash": bytes(31)}, {"age": 30},
    ):  # fmt: skip
        with pytest.raises(WalletError) as caught:
            checked(wrong)
        assert caught.value.why == "claim"
    for odd in ({"face_t": 5}, {"face_t": "é"}, {"doc_hash": "!"}):
        with pytest.raises(WalletError) as caught:
            from_json(odd)
        assert caught.value.why == "claim"


def test_nothing_of_a_traveller_is_in_what_logs_would_show(alix: Traveller) -> None:
    for value in (alix.said, alix.tokens["border"], Claims(name="MARCHAND")):
        assert "MARCHAND" not in repr(value)
        assert "eyJ" not in repr(value)


# -- the form for pictures -------------------------------------------------------------------------------------------------


def test_a_cwt_is_its_issuers_or_nobodys(alix: Traveller) -> None:
    cwt = alix.tokens["boarding"].cwt

    def word(data: bytes, issuers: list[Any]) -> str:
        with pytest.raises(WalletError) as caught:
            read_cwt(data, issuers)
        return caught.value.why

    assert word(cwt, []) == "issuer"
    assert word(cwt, [trusted("other", ISS, OTHER.public_key())]) == "issuer"
    assert word(cwt, [trusted("other", "https://other.example", ISSUER.public_key())]) == "issuer"
    forged = alix.issued(TERMS, OTHER)[3].cwt
    assert word(forged, [TRUSTED]) == "signature"
    body = cbor2.loads(cbor2.loads(cwt)[2])

    def signed(change: dict[Any, Any], purpose: bytes = FOR_TOKEN) -> bytes:
        said = {key: value for key, value in (body | change).items() if value is not None}
        return cose.sign1(cose.encode(said), local(ISSUER), purpose, kid=decoded(TERMS.kid))

    assert word(signed({}, b"EGIDE-BT-1 proof"), [TRUSTED]) == "signature"
    for change, expected in (
        ({11: "urn:other:1"}, "vct"), ({4: None}, "malformed"), ({4: "soon"}, "malformed"), ({8: None}, "malformed"),
        ({8: {1: {1: 2}}}, "algorithm"), ({65_535: {}}, "malformed"), ({-65_537: {99: 1}}, "claim"), ({-65_537: {2: 5}}, "claim"),
        ({7: b"id"}, "malformed"), ({-65_538: None}, "malformed"), ({-65_538: 2}, "malformed"), ({4: True}, "malformed"),
    ):  # fmt: skip
        assert word(signed(change), [TRUSTED]) == expected, change
    assert word(b"", [TRUSTED]) == "malformed"
    assert word(bytes(5000), [TRUSTED]) == "too-large"
