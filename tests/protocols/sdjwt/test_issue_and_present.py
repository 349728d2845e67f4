"""Credentials that we issue and present: others verify them, and our verifier takes them and theirs, for the same reasons.

The peers are sd-jwt (by the authors of RFC 9901) and openvc-core, two implementations that know nothing of one another.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwcrypto.jwk import JWK
from openvc.keys import P256SigningKey
from openvc.proof.errors import ProofError
from openvc.proof.sd_jwt import SdJwtVcProofSuite
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

from egide.protocols.sdjwt.issue import issue
from egide.protocols.sdjwt.present import names, present
from egide.protocols.sdjwt.signing import jwk_of, key_digest, kid_of, local, public_members, public_of
from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import MAX_AGE_S, MAX_DISCLOSURES, SKEW_S, verified
from egide.protocols.wallet.tokens import Jwk
from tests.protocols.sdjwt.parties import (
    ASKED,
    AUTHORITY,
    HOLDER,
    ISS,
    KID,
    NOW,
    OTHER,
    SAID,
    THIEF,
    TRUSTED,
    URI,
    VCT,
    issued,
    shown,
)

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)


def why(text: str, **change: Any) -> str:
    with pytest.raises(WalletError) as caught:
        verified(text, [msgspec.structs.replace(TRUSTED, **change)], ASKED, NOW)
    assert "MARCHAND" not in str(caught.value)
    return caught.value.why


def theirs(key: Any) -> JWK:
    return JWK.from_pem(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


# -- ours, by others -------------------------------------------------------------------------------------------------------


def test_the_reference_implementation_takes_ours() -> None:
    public = JWK.from_pem(AUTHORITY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    told = SDJWTVerifier(shown(), lambda *_: public, ASKED.audience, ASKED.nonce).get_verified_payload()
    assert (told["flight"], told["vct"], told["iss"]) == ("AF 1234", VCT, ISS)
    assert "name" not in told


def test_openvc_takes_ours_for_the_request_it_answers_and_for_no_other() -> None:
    jwk, at = public_members(jwk_of(AUTHORITY.public_key())), datetime.fromtimestamp(NOW, UTC)
    asked: dict[str, Any] = {
        "public_key_jwk": jwk, "audience": ASKED.audience, "nonce": ASKED.nonce, "require_key_binding": True,
        "expected_vct": VCT, "now": at,
    }  # fmt: skip
    told = SdJwtVcProofSuite().verify(shown(), **asked)
    assert told.key_bound
    assert told.claims["flight"] == "AF 1234"
    for change in ({"nonce": "m" * 43}, {"audience": "x509_hash:another"}, {"expected_vct": "urn:other:1"}):
        with pytest.raises(ProofError):
            SdJwtVcProofSuite().verify(shown(), **asked | change)


# -- theirs, by us ---------------------------------------------------------------------------------------------------------


def test_we_take_what_the_reference_implementation_issues_and_presents() -> None:
    claims = {"iss": ISS, "vct": VCT, "exp": NOW + 3600, SDObj("flight"): "AF 1234", SDObj("name"): "MARCHAND<<ALIX"}
    made = SDJWTIssuer(
        claims, theirs(AUTHORITY), theirs(HOLDER), add_decoy_claims=True, extra_header_parameters={"typ": "dc+sd-jwt"}
    )
    holder = SDJWTHolder(made.sd_jwt_issuance)
    holder.create_presentation({"flight": True}, ASKED.nonce, ASKED.audience, theirs(HOLDER))
    at = int(msgspec.json.decode(decoded(holder.sd_jwt_presentation.rpartition("~")[2].split(".")[1]))["iat"])
    found = verified(holder.sd_jwt_presentation, [TRUSTED], ASKED, min(at, NOW))
    assert (found.claims, found.beyond) == ({"flight": "AF 1234"}, ())


def test_we_present_and_take_what_openvc_issues() -> None:
    made = SdJwtVcProofSuite().issue(
        {"iss": ISS, "vct": VCT, "iat": NOW, "exp": NOW + 3600, "flight": "AF 1234", "name": "MARCHAND<<ALIX"}, decoys=2,
        signing_key=P256SigningKey(AUTHORITY, KID), disclosable=["flight", "name"],
        holder_jwk=public_members(jwk_of(HOLDER.public_key())),
    )  # fmt: skip
    found = verified(shown(made), [TRUSTED], ASKED, NOW)
    assert (found.claims, found.holder) == ({"flight": "AF 1234"}, jwk_of(HOLDER.public_key()))


# -- what does not hold ----------------------------------------------------------------------------------------------------


def test_each_thing_that_does_not_hold_has_a_reason_of_its_own() -> None:
    found = verified(shown(), [TRUSTED], ASKED, NOW)
    assert (found.claims, found.until) == ({"flight": "AF 1234"}, NOW + 3600)
    assert found.status is not None
    assert (found.status.uri, found.status.idx) == (URI, 9)
    assert why(shown(nonce="m" * 43)) == "nonce"
    assert why(shown(audience="x509_hash:another")) == "audience"
    assert why(shown(signer=local(THIEF))) == "holder"
    assert why(shown(now=NOW - MAX_AGE_S - SKEW_S - 1)) == "expired"
    assert why(shown(issued(exp=NOW - SKEW_S))) == "expired"
    assert why(shown(issued(signer=local(OTHER)))) == "signature"
    assert why(shown(issued(kid=kid_of(OTHER.public_key())))) == "issuer"
    assert why(shown(issued(iss="https://another.example"))) == "issuer"
    assert why(shown(issued(vct="urn:other:1"))) == "vct"
    assert why(shown(shown=("name",))) == "claim"


def test_which_control_a_credential_is_for_is_read_where_its_issuer_signed_it() -> None:
    """What the holder could show or keep, or another value in the place of a name, says nothing of it."""
    here = msgspec.structs.replace(ASKED, control=("security", "spare"))
    for named in ("security", "spare"):
        assert verified(shown(issued(control=named)), [TRUSTED], here, NOW).beyond == ()
    disclosable = issue(
        {"vct": VCT, "iss": ISS, "exp": NOW + 3600}, {"flight": "AF 1234", "control": "security"},
        jwk_of(HOLDER.public_key()), local(AUTHORITY), kid=KID,
    )  # fmt: skip
    for text in (
        shown(), shown(issued(control="bag-drop")), shown(issued(control=["security"])), shown(issued(control=None)),
        shown(disclosable, shown=("flight", "control")),
    ):  # fmt: skip
        with pytest.raises(WalletError) as caught:
            verified(text, [TRUSTED], here, NOW)
        assert caught.value.why == "control"


def test_what_was_shown_and_not_asked_for_is_named_and_dropped() -> None:
    found = verified(shown(shown=("flight", "name")), [TRUSTED], ASKED, NOW)
    assert (found.claims, found.beyond) == ({"flight": "AF 1234"}, ("name",))


def test_what_is_kept_leaves_no_trace_but_digests_among_decoys() -> None:
    text = shown(issued(decoys=5))
    body = msgspec.json.decode(decoded(text.split(".")[1]))
    assert body["_sd"] == sorted(body["_sd"])
    assert len(body["_sd"]) == len(SAID) + 5
    assert text.count("~") == 2
    assert {"name", "document", "flight"}.isdisjoint(body)


def test_a_claim_that_must_be_seen_cannot_be_left_out() -> None:
    holder, signer = jwk_of(HOLDER.public_key()), local(AUTHORITY)
    visible = {"vct": VCT, "exp": NOW}
    for shape, disclosable in (
        (visible, {"exp": 1}), (visible, {"status": {}}), (visible, {"_sd": []}), (visible, {"...": 1}),
        (visible | {"flight": 1}, {"flight": 1}), (visible | {"cnf": {}}, {}), (visible | {"_sd": []}, {}),
    ):  # fmt: skip
        with pytest.raises(WalletError, match="left out"):
            issue(shape, disclosable, holder, signer)
    for shape, decoys, expected in (({"vct": VCT}, 0, "malformed"), (visible, MAX_DISCLOSURES + 1, "too-large")):
        with pytest.raises(WalletError) as caught:
            issue(shape, {}, holder, signer, decoys=decoys)
        assert caught.value.why == expected
    with pytest.raises(WalletError) as caught:
        issue(visible, {"face": "x" * 70_000}, holder, signer)
    assert caught.value.why == "too-large"


def test_a_holder_shows_only_what_there_is() -> None:
    with pytest.raises(WalletError, match="not in the credential: seat"):
        shown(shown=("seat",))
    twice = issued() + issued().split("~")[1] + "~"
    for text, expected in (
        (shown(), "malformed"), ("x", "malformed"), ("é~", "too-large"), ("x~!!~", "disclosure"), (twice, "disclosure"),
    ):  # fmt: skip
        with pytest.raises(WalletError) as caught:
            names(text)
        assert caught.value.why == expected, text[:20]


@given(
    st.text(alphabet=st.characters(max_codepoint=255), max_size=200)
    | st.lists(st.text('eyJ~._-"[]', max_size=40)).map("~".join)
)
@CASES
def test_any_text_ends_in_disclosures_or_a_word(text: str) -> None:
    with suppress(WalletError):
        present(text, (), "n", "a", local(HOLDER), NOW)


# -- keys ------------------------------------------------------------------------------------------------------------------


def test_a_key_goes_by_the_first_twelve_bytes_of_its_digest() -> None:
    key = AUTHORITY.public_key()
    assert len(KID) == 16
    assert decoded(KID) == key_digest(key)[:12]
    assert public_of(jwk_of(key)) == key
    for jwk, expected in (
        (Jwk("EC", "P-384", "", ""), "algorithm"), (Jwk("EC", "P-256", "AA", "AA"), "malformed"),
        (Jwk("EC", "P-256", "é", "AA"), "malformed"),
    ):  # fmt: skip
        with pytest.raises(WalletError) as caught:
            public_of(jwk)
        assert caught.value.why == expected
