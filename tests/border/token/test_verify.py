"""What a gate learns online and offline: the claims it asked, or one word for each thing that does not hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from secrets import token_bytes
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import JWKRegistry

from egide.border.token.answer import MAX_ANSWER, Given, check_proof, seal, unseal
from egide.border.token.container import same_document
from egide.border.token.profile import QUERY, VCT, trusted
from egide.border.token.question import LIFE_S, ask, read
from egide.border.token.verify import verify_offline, verify_online
from egide.protocols.sdjwt.signing import local
from egide.protocols.vapid import encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import Request, answered, dcql, encryption_key, public_jwk
from egide.protocols.wallet.sdjwt import SKEW_S
from tests.border.token.scene import (
    CLIENT,
    GATE,
    ISS,
    NONCE,
    NOW,
    OTHER,
    PLAN,
    TERMS,
    THIEF,
    TRUSTED,
    UNTIL,
    Traveller,
    asked,
    lists,
    questioned,
    verifiers,
)

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
ALIX = Traveller()
LISTS = lists()


def word(call: Callable[[], Any]) -> str:
    with pytest.raises(WalletError) as caught:
        call()
    assert "MARCHAND" not in str(caught.value)
    return caught.value.why


# -- online ----------------------------------------------------------------------------------------------------------------


def online(text: str, control: str = "boarding", **how: Any) -> Any:
    wanted = asked(control, how.pop("at", ""))
    said = {"issuers": [TRUSTED], "status": LISTS, "now": NOW, "secret": ALIX.secrets[control]} | how
    return verify_online(text, wanted, **said)


def test_a_gate_learns_what_it_asked_and_no_more() -> None:
    found = online(ALIX.shown("boarding"))
    assert (found.claims.flight, found.claims.doc_ok, found.status, found.beyond) == ("AF 1234", True, "fresh", ())
    assert len(found.claims.face_t) == 128
    assert (found.claims.name, found.claims.nationality, found.claims.doc_hash) == (None, None, None)
    assert (found.issuer, found.until, found.secret) == ("airport", UNTIL, ALIX.secrets["boarding"])
    assert "AF 1234" not in repr(found)


def test_what_was_shown_beyond_is_dropped_and_said() -> None:
    text = ALIX.shown("border")
    found = verify_online(text, msgspec.structs.replace(asked("border"), claims=("doc_ok",)), [TRUSTED], LISTS, NOW)
    assert found.beyond == ("doc_hash", "face_t", "name", "nationality")
    assert (found.claims.name, found.claims.face_t) == (None, None)


def test_the_border_compares_the_document_and_nobody_else_can() -> None:
    found = online(ALIX.shown("border"), "border")
    assert same_document(found.claims.doc_hash, ALIX.sod, found.secret)
    assert not same_document(found.claims.doc_hash, token_bytes(900), found.secret)
    assert not same_document(found.claims.doc_hash, ALIX.sod, ALIX.secrets["boarding"])


def test_online_each_thing_wrong_has_a_word() -> None:
    assert word(lambda: online(ALIX.shown("boarding", nonce="m" * 43))) == "nonce"
    assert word(lambda: online(ALIX.shown("boarding", audience="x509_hash:other"))) == "audience"
    assert word(lambda: online(ALIX.shown("boarding", signer=local(THIEF)))) == "holder"
    assert word(lambda: online(ALIX.shown("boarding", shown=("flight",)))) == "claim"
    assert word(lambda: online(ALIX.shown("boarding"), issuers=[trusted("x", ISS, OTHER.public_key())])) == "issuer"
    assert (
        word(lambda: online(ALIX.shown("boarding", credential=ALIX.issued(TERMS, OTHER)[3].credential))) == "signature"
    )
    late = UNTIL + SKEW_S
    assert word(lambda: online(ALIX.shown("boarding", now=late), now=late, status=lists(at=late))) == "expired"
    assert word(lambda: online(ALIX.shown("boarding"), status=lists((ALIX.tokens["boarding"].place,)))) == "revoked"
    assert word(lambda: online(ALIX.shown("boarding"), status=lists(at=NOW - 3600))) == "stale"
    assert word(lambda: online(ALIX.shown("boarding"), secret=b"")) == "claim"
    assert word(lambda: online(ALIX.shown("security"), "security", secret=b"short")) == "claim"


def test_a_token_that_names_no_list_is_none_of_a_border() -> None:
    deaf = msgspec.structs.replace(TRUSTED, status=False)
    assert word(lambda: online(ALIX.shown("boarding"), issuers=[deaf])) == "status"


def test_for_a_while_a_gate_goes_on_with_the_list_it_has() -> None:
    assert online(ALIX.shown("boarding"), status=lists(at=NOW - 600)).status == "grace"


def test_the_secret_travels_in_the_encrypted_answer_alone() -> None:
    private = encryption_key()
    request = Request(
        client=CLIENT, name="Gate", response_uri="https://gate.example/answer", nonce=NONCE, state="s" * 43, vct=(VCT,),
        claims=PLAN["boarding"], query=QUERY, encryption=public_jwk(private),
    )  # fmt: skip
    question = dcql(request.vct, request.claims, request.query)["credentials"][0]
    assert [each["path"] for each in question["claims"]] == [["flight"], ["doc_ok"], ["face_t"]]
    inner = {
        "vp_token": {QUERY: [ALIX.shown("boarding")]},
        "state": request.state,
        "egide_secret": encoded(ALIX.secrets["boarding"]),
    }
    key = JWKRegistry.import_key(public_jwk(private))
    token = jwe.encrypt_compact(
        {"alg": "ECDH-ES", "enc": "A256GCM"}, msgspec.json.encode(inner), key, algorithms=["ECDH-ES", "A256GCM"]
    )
    found = answered(urlencode({"response": token}).encode(), request, private)
    assert "eyJ" not in repr(found)
    assert found.secret == encoded(ALIX.secrets["boarding"])
    assert online(found.presentation).claims.flight == "AF 1234"
    plain = msgspec.structs.replace(request, mode="direct_post", encryption=None)
    form = {
        "vp_token": msgspec.json.encode(inner["vp_token"]),
        "state": request.state,
        "egide_secret": inner["egide_secret"],
    }
    assert answered(urlencode(form).encode(), plain, None).secret == ""


# -- offline ---------------------------------------------------------------------------------------------------------------


def offline(control: str = "boarding", **how: Any) -> Any:
    question, private = how.pop("asked", None) or questioned(control)
    data = how.pop("data", None) or ALIX.sealed(control, question, **how.pop("sealed", {}))
    said = {"question": question, "private": private, "issuers": [TRUSTED], "status": LISTS, "now": NOW} | how
    return verify_offline(data, **said)


@pytest.mark.parametrize("control", list(PLAN))
def test_a_gate_without_a_network_learns_the_same_of_the_same_token(control: str) -> None:
    without, with_ = offline(control), online(ALIX.shown(control), control)
    assert without == with_


def test_token_and_proof_fit_in_600_bytes_with_the_longest_name() -> None:
    longest = Traveller("RAKOTOMANANTSOA<<HERINIAINA<MAMITIANA<J", "AF 1234A")
    question, _private = questioned("border")
    for control, issued in longest.tokens.items():
        given = unseal(longest.sealed(control, question), question, _private)
        assert len(given.token) + len(given.proof) <= 600, control
        assert given.token == issued.cwt
    assert len(longest.sealed("border", question)) <= 700


def test_offline_each_thing_wrong_has_a_word() -> None:
    other, _key = questioned()
    assert word(lambda: offline(private=THIEF)) == "encryption"
    assert word(lambda: offline(data=ALIX.sealed("boarding", other))) == "encryption"
    assert word(lambda: offline(sealed={"signer": local(THIEF)})) == "holder"
    assert word(lambda: offline(sealed={"token": ALIX.tokens["spare-2"].cwt})) == "holder"
    assert (
        word(lambda: offline(sealed={"token": ALIX.tokens["security"].cwt, "signer": local(ALIX.keys["security"])}))
        == "control"
    )
    assert word(lambda: offline(sealed={"secret": b""})) == "claim"
    assert word(lambda: offline(sealed={"token": ALIX.issued(TERMS, OTHER)[3].cwt})) == "signature"
    assert word(lambda: offline(issuers=[])) == "issuer"
    assert word(lambda: offline(status=lists((ALIX.tokens["boarding"].place,)))) == "revoked"
    assert word(lambda: offline(status=lists(at=NOW - 3600))) == "stale"
    assert word(lambda: offline(now=NOW + LIFE_S + SKEW_S + 1)) == "expired"
    late = UNTIL + SKEW_S
    assert word(lambda: offline(asked=questioned(at=late), now=late, status=lists(at=late))) == "expired"
    assert word(lambda: offline(data=bytes(MAX_ANSWER + 1))) == "too-large"
    assert word(lambda: offline(data=b"\x02" + bytes(200))) == "malformed"
    assert word(lambda: offline(data=b"\x01\x02" + b"\xff" * 200)) == "malformed"


def test_offline_what_was_shown_beyond_is_dropped_and_said() -> None:
    found = offline(asked=questioned(claims=("flight",)))
    assert found.beyond == ("doc_ok", "face_t")
    assert (found.claims.face_t, found.claims.doc_ok) == (None, None)


def test_a_token_is_for_one_control_though_it_says_all_that_another_asks() -> None:
    """Security and bag drop ask for the same: the flight."""
    security = {"token": ALIX.tokens["security"].cwt, "signer": local(ALIX.keys["security"]), "secret": b""}
    assert word(lambda: offline("bag-drop", sealed=security)) == "control"
    assert word(lambda: online(ALIX.shown("security"), "security", at="bag-drop", secret=b"")) == "control"
    assert online(ALIX.shown("security"), "security", secret=b"").claims.flight == "AF 1234"
    nowhere = msgspec.structs.replace(asked("security"), control=())
    assert word(lambda: verify_online(ALIX.shown("security"), nowhere, [TRUSTED], LISTS, NOW)) == "control"


@pytest.mark.parametrize("point", ["bag-drop", "security", "boarding"])
def test_a_spare_is_for_any_control_whose_claims_it_holds(point: str) -> None:
    spare = {
        "token": ALIX.tokens["spare-2"].cwt,
        "signer": local(ALIX.keys["spare-2"]),
        "secret": ALIX.secrets["spare-2"],
    }
    assert offline(point, sealed=spare).claims.flight == "AF 1234"
    assert online(ALIX.shown("spare-2"), "spare-2", at=point).claims.flight == "AF 1234"
    assert word(lambda: offline("border", sealed=spare)) == "claim"


def test_a_proof_is_for_one_question_of_one_gate() -> None:
    """The picture of an answer that another gate asked for opens nowhere; and were it opened, its proof would not hold."""
    question, private = questioned()
    given = unseal(ALIX.sealed("boarding", question), question, private)
    check_proof(given, question, ALIX.keys["boarding"].public_key())
    for change in ({"nonce": bytes(16)}, {"gate": bytes(12)}, {"digest": bytes(32)}):
        another = msgspec.structs.replace(question, **change)
        assert word(lambda: check_proof(given, another, ALIX.keys["boarding"].public_key())) == "holder"  # noqa: B023 — called at once
    swapped = Given(token=ALIX.tokens["spare-2"].cwt, proof=given.proof, secret=b"")
    assert word(lambda: check_proof(swapped, question, ALIX.keys["boarding"].public_key())) == "holder"


def test_an_answer_with_no_token_in_it_is_refused() -> None:
    question, private = questioned()
    assert word(lambda: offline(asked=(question, private), data=seal(question, b"x", b"", local(THIEF)))) == "malformed"


# -- the question ----------------------------------------------------------------------------------------------------------


def test_a_wallet_answers_only_gates_on_its_list() -> None:
    private = generate_private_key(SECP256R1())
    made = ask("security", ("flight",), GATE.public_key(), local(GATE), private.public_key(), NOW)
    found = read(made, verifiers, NOW)
    assert (found.control, found.claims, found.until) == ("security", ("flight",), NOW + LIFE_S)
    assert len(made) < 250
    stranger = ask("security", ("flight",), THIEF.public_key(), local(THIEF), private.public_key(), NOW)
    assert word(lambda: read(stranger, verifiers, NOW)) == "verifier"
    feigned = ask("security", ("flight",), GATE.public_key(), local(THIEF), private.public_key(), NOW)
    assert word(lambda: read(feigned, verifiers, NOW)) == "signature"
    assert word(lambda: read(made, verifiers, NOW + LIFE_S + SKEW_S + 1)) == "expired"
    assert word(lambda: read(made, verifiers, NOW - SKEW_S - 1)) == "malformed"
    assert word(lambda: read(ALIX.tokens["border"].cwt, verifiers, NOW)) == "verifier"
    assert word(lambda: read(bytes(513), verifiers, NOW)) == "too-large"
    nameless = ask("", (), GATE.public_key(), local(GATE), private.public_key(), NOW)
    assert word(lambda: read(nameless, verifiers, NOW)) == "malformed"


QUESTIONED = questioned()
START = b"\x01" + GATE.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


@given(st.sampled_from([b"", b"\x01", START]), st.binary(min_size=1, max_size=300))
@CASES
def test_any_bytes_for_a_question_or_an_answer_end_in_a_word(start: bytes, data: bytes) -> None:
    assert word(lambda: offline(asked=QUESTIONED, data=start + data))
    assert word(lambda: read(data, verifiers, NOW))
