"""Border tokens and others' software: openvc-core and sd-jwt take ours, ours takes theirs, and refuses what they let by."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwcrypto.jwk import JWK
from openvc import cbor as peer_cbor
from openvc import cose as peer_cose
from openvc.keys import P256SigningKey
from openvc.proof.errors import ProofError
from openvc.proof.sd_jwt import SdJwtVcProofSuite
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

from egide.border.token.answer import unseal
from egide.border.token.profile import FOR_TOKEN, VCT, read_cwt
from egide.border.token.single_use import mark
from egide.border.token.verify import verify_online
from egide.protocols.sdjwt.present import present
from egide.protocols.sdjwt.signing import jwk_of, local, public_members
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.errors import WalletError
from tests.border.token.scene import (
    CLIENT,
    ISS,
    ISSUER,
    NONCE,
    NOW,
    PLAN,
    TERMS,
    THIEF,
    TRUSTED,
    UNTIL,
    URI,
    Traveller,
    asked,
    lists,
    named,
    questioned,
)

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
ALIX = Traveller()
JWK_ISSUER = public_members(jwk_of(ISSUER.public_key()))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256, FIPS 186-4 D.1.2.3
ABOUT_NOW = {"iat": NOW}


def theirs(key: Any) -> JWK:
    return JWK.from_pem(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def said(control: str) -> dict[str, Any]:
    """What a border token of theirs says."""
    token = ALIX.tokens[control]
    return {
        "iss": ISS,
        "vct": VCT,
        "exp": UNTIL,
        "status": {"status_list": {"idx": token.place, "uri": URI}},
        "control": control,
    }


def word(text: str, now: int = NOW, **how: Any) -> str:
    given_ = {"issuers": [TRUSTED], "status": lists(at=now), "now": now, "secret": ALIX.secrets["boarding"]} | how
    with pytest.raises(WalletError) as caught:
        verify_online(text, asked(), **given_)
    return caught.value.why


# -- ours by others --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", list(PLAN))
def test_both_peers_take_each_of_our_tokens(control: str) -> None:
    text = ALIX.shown(control)
    by_sd_jwt = SDJWTVerifier(text, lambda *_: theirs(ISSUER), CLIENT, NONCE).get_verified_payload()
    by_openvc = SdJwtVcProofSuite().verify(
        text, public_key_jwk=JWK_ISSUER, audience=CLIENT, nonce=NONCE, require_key_binding=True, expected_vct=VCT,
        now=datetime.fromtimestamp(NOW, UTC),
    )  # fmt: skip
    for told in (by_sd_jwt, by_openvc.claims):
        assert {name for name in told if name in PLAN["border"] + PLAN["spare-1"]} == set(PLAN[control])
        assert told["control"] == named(control)


def test_openvc_reads_the_form_for_pictures() -> None:
    cwt = ALIX.tokens["border"].cwt
    assert peer_cose.verify_sign1(
        peer_cose.parse_sign1(peer_cbor.decode(cwt)), public_jwk=JWK_ISSUER, external_aad=FOR_TOKEN
    )


# -- theirs by us, and what they let by ------------------------------------------------------------------------------------


def test_we_take_a_border_token_that_openvc_issued() -> None:
    values = {"flight": "AF 1234", "doc_ok": True, "face_t": encoded(bytes(range(128))), "name": "MARCHAND<<ALIX"}
    made = SdJwtVcProofSuite().issue(
        said("boarding") | ABOUT_NOW | values, signing_key=P256SigningKey(ISSUER, TERMS.kid), disclosable=list(values),
        holder_jwk=public_members(jwk_of(ALIX.keys["boarding"].public_key())),
    )  # fmt: skip
    found = verify_online(
        ALIX.shown("boarding", credential=made), asked(), [TRUSTED], lists(), NOW, ALIX.secrets["boarding"]
    )
    assert (found.claims.face_t, found.claims.name) == (bytes(range(128)), None)


def by_sd_jwt(**change: Any) -> tuple[str, int]:
    """(a presentation by the reference's issuer and holder, the time they took from the machine)."""
    values = {"flight": "AF 1234", "doc_ok": True, "face_t": encoded(bytes(128))}
    head = {"typ": "dc+sd-jwt"} | change.pop("head", {})
    claims = (
        said("boarding")
        | {"exp": int(time.time()) + 3600}
        | change
        | {SDObj(name): value for name, value in values.items()}
    )
    made = SDJWTIssuer(claims, theirs(ISSUER), theirs(ALIX.keys["boarding"]), extra_header_parameters=head)
    holder = SDJWTHolder(made.sd_jwt_issuance)
    holder.create_presentation(dict.fromkeys(values, True), NONCE, CLIENT, theirs(ALIX.keys["boarding"]))
    text = str(holder.sd_jwt_presentation)
    return text, int(msgspec.json.decode(decoded(text.rpartition("~")[2].split(".")[1]))["iat"])


def test_we_take_what_the_reference_issues_and_presents() -> None:
    text, now = by_sd_jwt()
    found = verify_online(text, asked(), [TRUSTED], lists(at=now), now, ALIX.secrets["boarding"])
    assert (found.claims.flight, found.until) == ("AF 1234", now + 3600)


def test_we_refuse_what_the_reference_lets_by() -> None:
    past = int(time.time()) - 3600
    for change, expected in (
        ({"exp": past}, "expired"), ({"nbf": past + 90_000}, "too-early"), ({"vct": "urn:other:1"}, "vct"), ({"status": {}}, "status"),
        ({"control": "security"}, "control"), ({"control": None}, "control"), ({"control": ["boarding"]}, "control"),
        ({"head": {"typ": "JWT"}}, "type"),
    ):  # fmt: skip
        text, now = by_sd_jwt(**change)
        SDJWTVerifier(text, lambda *_: theirs(ISSUER), CLIENT, NONCE).get_verified_payload()
        assert word(text, now) == expected, change


# -- the same wrong things, refused by all who look --------------------------------------------------------------------------


def test_wrong_nonce_audience_and_key_are_refused_by_all_three() -> None:
    wrong = {
        "nonce": ALIX.shown("boarding", nonce="m" * 43), "audience": ALIX.shown("boarding", audience="other"),
        "holder": ALIX.shown("boarding", signer=local(THIEF)),
    }  # fmt: skip
    for expected, text in wrong.items():
        assert word(text) == expected
        with pytest.raises(ProofError):
            SdJwtVcProofSuite().verify(
                text, public_key_jwk=JWK_ISSUER, audience=CLIENT, nonce=NONCE, require_key_binding=True,
                now=datetime.fromtimestamp(NOW, UTC),
            )  # fmt: skip
        with pytest.raises(
            Exception, match=r".*"
        ):  # the reference raises whatever comes: ValueError, jwcrypto's, KeyError
            SDJWTVerifier(text, lambda *_: theirs(ISSUER), CLIENT, NONCE)


def test_a_replay_in_the_same_minute_is_known_again_even_with_its_signatures_rewritten() -> None:
    """(r, n-s) is a second signature of the same thing (ECDSA): the token stays the same token."""
    text, secret = ALIX.shown("boarding"), ALIX.secrets["boarding"]
    first = verify_online(text, asked(), [TRUSTED], lists(), NOW, secret)
    token, *disclosures = ALIX.tokens["boarding"].credential.split("~")
    signed, _, signature = token.rpartition(".")
    r, s = decoded(signature)[:32], int.from_bytes(decoded(signature)[32:], "big")
    twin = "~".join([f"{signed}.{encoded(r + (ORDER - s).to_bytes(32, 'big'))}", *disclosures])
    again = present(twin, PLAN["boarding"], NONCE, CLIENT, local(ALIX.keys["boarding"]), NOW)
    assert again != text
    holder = verify_online(again, asked(), [TRUSTED], lists(), NOW, secret)
    assert mark(holder.key, "facilitation") == mark(first.key, "facilitation")


# -- nothing can be changed ------------------------------------------------------------------------------------------------

CWT = ALIX.tokens["border"].cwt
QUESTION, PRIVATE = questioned("border")
SEALED = ALIX.sealed("border", QUESTION)


@given(st.integers(0, len(CWT) * 8 - 1))
@CASES
def test_one_changed_bit_of_a_token_in_a_picture_is_refused(bit: int) -> None:
    data = bytearray(CWT)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WalletError):
        read_cwt(bytes(data), [TRUSTED])


@given(st.integers(0, len(SEALED) * 8 - 1))
@CASES
def test_one_changed_bit_of_an_answer_in_a_picture_is_refused(bit: int) -> None:
    data = bytearray(SEALED)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WalletError):
        unseal(bytes(data), QUESTION, PRIVATE)
