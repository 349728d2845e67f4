"""The way of a credential into a wallet: offer, token, proofs, credentials; read by others, and each thing wrong refused."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from openvc import openid4vci as peer

from egide.protocols import openid4vci as vci
from egide.protocols.openid4vci import Grants, Offer, PreAuthorized, Proofs, TxCode, Wanted
from egide.protocols.sdjwt.signing import compact, jwk_of, local, public_members
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import MAX_AGE_S, SKEW_S

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
KEYS = [generate_private_key(SECP256R1()) for _ in range(3)]
ISSUER, NONCE, NOW = "https://border.example", "n" * 43, 1_800_000_000
OFFER = Offer(ISSUER, ("border-token",), Grants(PreAuthorized("c" * 43, TxCode(6))))


def proof(index: int = 0, **how: Any) -> str:
    key = KEYS[index]
    said = {"issuer": ISSUER, "nonce": NONCE, "key": key.public_key(), "signer": local(key), "now": NOW} | how
    return vci.key_proof(**said)


def asked(*proofs: str) -> Wanted:
    return Wanted("border-token", Proofs(proofs))


def word(call: Any, *arguments: Any) -> str:
    with pytest.raises(WalletError) as caught:
        call(*arguments)
    return caught.value.why


def why(*proofs: str) -> str:
    return word(vci.proved, asked(*proofs), ISSUER, NONCE, NOW)


def test_an_offer_is_read_by_us_and_by_others() -> None:
    link = vci.invitation(OFFER)
    assert vci.read_offer(link) == OFFER
    told = peer.parse_credential_offer(parse_qs(urlsplit(link).query)["credential_offer"][0])
    assert told.credential_issuer == ISSUER
    assert told.grants[peer.GRANT_PRE_AUTHORIZED_CODE]["pre-authorized_code"] == "c" * 43
    assert told.grants[vci.GRANT]["tx_code"] == {"length": 6}


def test_what_the_issuer_says_of_itself_is_read_by_others() -> None:
    said = vci.metadata(ISSUER, "border-token", "urn:egide:border-token:1", 6)
    told = peer.parse_credential_issuer_metadata(said)
    assert (told.batch_size, told.nonce_endpoint) == (6, f"{ISSUER}/nonce")


def test_a_code_is_redeemed_with_what_was_typed() -> None:
    assert vci.token_request(vci.redeem("code", "418302")) == vci.TokenAsked("code", "418302")
    assert vci.token_request(vci.redeem("code")) == vci.TokenAsked("code")
    right = {"grant_type": vci.GRANT, "pre-authorized_code": "c"}
    for wrong in (
        right | {"grant_type": "authorization_code"}, right | {"pre-authorized_code": ""}, right | {"pre-authorized_code": "c" * 300},
        right | {"tx_code": "1" * 300}, {}, right | {f"x{number}": "1" for number in range(9)},
    ):  # fmt: skip
        assert word(vci.token_request, urlencode(wrong).encode()) == "malformed"
    assert word(vci.token_request, urlencode(right).encode() + b"&pre-authorized_code=d") == "malformed"
    assert word(vci.token_request, b"x" * (vci.MAX_BODY + 1)) == "too-large"


def test_each_key_is_proved_and_keeps_its_place() -> None:
    body = msgspec.json.encode(asked(*(proof(index) for index in range(3))))
    keys = vci.proved(vci.credential_request(body, 3), ISSUER, NONCE, NOW)
    assert keys == tuple(jwk_of(key.public_key()) for key in KEYS)
    assert word(vci.credential_request, body, 2) == "too-large"


def test_others_take_our_proofs_and_refuse_them_for_another_nonce() -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    body = msgspec.json.decode(msgspec.json.encode(asked(proof(0), proof(1))))
    how: dict[str, Any] = {"credential_issuer": ISSUER, "now": at, "batch_size": 6}
    told = peer.verify_credential_request_proofs(body, check_nonce=lambda nonce: nonce == NONCE, **how)
    assert [each.public_jwk["x"] for each in told] == [jwk_of(key.public_key()).x for key in KEYS[:2]]
    with pytest.raises(peer.ProofReplayed):
        peer.verify_credential_request_proofs(body, check_nonce=lambda _nonce: False, **how)


def test_each_proof_that_does_not_hold_has_a_reason_and_fails_all() -> None:
    assert why(proof(nonce="m" * 43)) == "nonce"
    assert why(proof(0), proof(1, nonce="m" * 43)) == "nonce"
    assert why(proof(issuer="https://another.example")) == "audience"
    assert why(proof(signer=local(KEYS[1]))) == "holder"
    assert why(proof(0), proof(0)) == "holder"
    assert why(proof(now=NOW + SKEW_S + 1)) == "too-early"
    assert why(proof(now=NOW - MAX_AGE_S - SKEW_S - 1)) == "expired"


def test_a_proof_is_of_its_type_with_a_public_key_of_the_one_curve() -> None:
    body, sign = {"aud": ISSUER, "iat": NOW, "nonce": NONCE}, local(KEYS[0])
    jwk = public_members(jwk_of(KEYS[0].public_key()))
    for head, expected in (
        ({"typ": "kb+jwt", "jwk": jwk}, "type"), ({"typ": vci.PROOF_TYPE}, "malformed"), ({"typ": vci.PROOF_TYPE, "jwk": {}}, "malformed"),
        ({"typ": vci.PROOF_TYPE, "jwk": jwk | {"d": "AA"}}, "holder"), ({"typ": vci.PROOF_TYPE, "jwk": jwk | {"crv": "P-384"}}, "algorithm"),
        ({"typ": vci.PROOF_TYPE, "jwk": jwk | {"kty": "oct"}}, "algorithm"), ({"typ": vci.PROOF_TYPE, "jwk": jwk | {"x": "AA"}}, "malformed"),
    ):  # fmt: skip
        assert why(compact(head, body, sign)) == expected, head
    assert why(compact({"typ": vci.PROOF_TYPE, "jwk": jwk}, {"aud": ISSUER}, sign)) == "malformed"


def test_companions_are_one_for_each_proof() -> None:
    right = {"credential_configuration_id": "c", "proofs": {"jwt": ["a", "b"]}}
    two = vci.credential_request(msgspec.json.encode(right | {"egide_companions": [{"face_t": "AA"}] * 2}), 6)
    assert two.companions == ({"face_t": "AA"},) * 2
    for wrong in (
        right | {"egide_companions": [{"face_t": "AA"}]}, right | {"proofs": {"jwt": []}}, right | {"proofs": {"jwt": ["a"] * 17}},
        right | {"proofs": {}}, right | {"credential_configuration_id": ""}, right | {"egide_companions": [{"face_t": "A" * 1025}] * 2},
    ):  # fmt: skip
        assert word(vci.credential_request, msgspec.json.encode(wrong), 6) == "malformed"


def test_credentials_come_back_in_their_order() -> None:
    assert vci.read_given(vci.given(["a~", "b~"])) == ("a~", "b~")
    assert word(vci.read_given, b'{"credentials":[]}') == word(vci.read_given, b"x") == "malformed"


@given(st.binary(max_size=200) | st.text('openid-credential-offer://?={}":,%', max_size=80).map(str.encode))
@CASES
def test_anything_ends_in_a_message_or_a_word(data: bytes) -> None:
    text = data.decode("latin-1")
    for call in (
        lambda: vci.read_offer(text),
        lambda: vci.token_request(data),
        lambda: vci.credential_request(data, 6),
        lambda: vci.read_given(data),
        lambda: vci.proved(asked(text), ISSUER, NONCE, NOW),
    ):
        with suppress(WalletError):
            call()
