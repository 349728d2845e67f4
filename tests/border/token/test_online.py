"""The way by network, whole: the gate asks, the wallet reads who asks and answers sealed; each thing wrong has a word."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvc import jwe as peer
from openvc.keys import P256KeyAgreementKey

from egide.border.token.claims import controls
from egide.border.token.online import asking, read, respond, sign
from egide.border.token.profile import QUERY
from egide.border.token.verify import verify_online
from egide.protocols.sdjwt.signing import compact, kid_of, local
from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import REQUEST_TYPE, Request, answered, encryption_key, public_jwk, request_claims
from egide.protocols.wallet.sdjwt import MAX_AGE_S, SKEW_S, Asked
from tests.border.token.scene import GATE, NONCE, NOW, PLAN, THIEF, TRUSTED, Traveller, lists, named, verifiers

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
PRIVATE = encryption_key()
KID = kid_of(GATE.public_key())
ALIX = Traveller()


def asked(control: str = "boarding") -> Request:
    return asking(
        PLAN[control], GATE.public_key(), control=named(control), name="Porte 12 — Gate 12", response_uri="https://gate.example/answer", nonce=NONCE,
        state="s" * 43, encryption=public_jwk(PRIVATE),
    )  # fmt: skip


def word(token: str, now: int = NOW) -> str:
    with pytest.raises(WalletError) as caught:
        read(token, verifiers, now)
    return caught.value.why


@pytest.mark.parametrize("control", list(PLAN))
def test_the_whole_way(control: str) -> None:
    seen = read(sign(asked(control), local(GATE), NOW), verifiers, NOW)
    assert (seen.client, seen.name, seen.claims, seen.nonce) == (KID, "Porte 12 — Gate 12", PLAN[control], NONCE)
    text = ALIX.shown(control, shown=seen.claims, nonce=seen.nonce, audience=seen.client)
    given_ = answered(respond(seen, text, ALIX.secrets[control]), asked(control), PRIVATE)
    assert seen.control == controls(named(control))
    expected = Asked(nonce=NONCE, audience=KID, claims=PLAN[control], control=seen.control)
    found = verify_online(given_.presentation, expected, [TRUSTED], lists(), NOW, decoded(given_.secret))
    assert found.beyond == ()
    assert (found.claims.name is None) == (control != "border")


def test_the_answer_is_encrypted_as_others_read_it() -> None:
    body = respond(asked("security"), ALIX.shown("security"), b"")
    key = P256KeyAgreementKey(PRIVATE.private_key, "k")
    told = msgspec.json.decode(peer.decrypt_compact(body.decode().removeprefix("response="), key=key))
    assert told["vp_token"].keys() == {QUERY}
    assert told.keys() == {"vp_token", "state"}


def test_a_wallet_reads_only_what_a_gate_on_its_list_asks_now() -> None:
    right = sign(asked(), local(GATE), NOW)
    assert word(sign(asked(), local(THIEF), NOW)) == "signature"
    stranger = msgspec.structs.replace(asked(), client=kid_of(THIEF.public_key()))
    assert word(sign(stranger, local(THIEF), NOW)) == "verifier"
    assert word(right, NOW + MAX_AGE_S + SKEW_S) == "expired"
    assert word(right, NOW - SKEW_S - 1) == "expired"
    assert word(ALIX.tokens["border"].credential.partition("~")[0]) == "type"


def test_a_request_asks_one_border_token_for_its_claims_and_an_encrypted_answer() -> None:
    def signed(change: dict[str, Any]) -> str:
        return compact({"typ": REQUEST_TYPE, "kid": KID}, request_claims(asked(), NOW) | change, local(GATE))

    query = request_claims(asked(), NOW)["dcql_query"]["credentials"][0]
    for_boarding = query["claims"][-1]
    assert for_boarding == {"path": ["control"], "values": ["boarding", "spare"]}
    assert word(signed({"client_id": "other"})) == word(signed({"aud": "other"})) == "malformed"
    assert word(signed({"response_mode": "direct_post"})) == "encryption"
    for credentials, expected in (
        ([query, query], "malformed"), ([], "malformed"), ([query | {"format": "mso_mdoc"}], "vct"),
        ([query | {"meta": {"vct_values": ["urn:eudi:pid:1"]}}], "vct"), ([query | {"claims": [{"path": ["age"]}, for_boarding]}], "claim"),
        ([query | {"claims": []}], "control"), ([query | {"claims": [{"path": ["flight"]}]}], "control"),
        ([query | {"claims": [for_boarding]}], "claim"), ([query | {"claims": [{"path": ["name", "x"]}]}], "malformed"),
    ):  # fmt: skip
        assert word(signed({"dcql_query": {"credentials": credentials}})) == expected, credentials
    for jwks in ({}, {"keys": []}, {"keys": [public_jwk(PRIVATE)] * 2}):
        assert word(signed({"client_metadata": {"client_name": "x", "jwks": jwks}})) == "malformed"
    for jwk in ({}, public_jwk(PRIVATE) | {"x": "AA"}, public_jwk(PRIVATE) | {"kty": "oct"}):
        with pytest.raises(WalletError) as caught:
            respond(msgspec.structs.replace(asked(), encryption=jwk), "x", b"")
        assert caught.value.why == "encryption"


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=200))
@CASES
def test_any_text_for_a_request_ends_in_a_word(text: str) -> None:
    assert word(text)
