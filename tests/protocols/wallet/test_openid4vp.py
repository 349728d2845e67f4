"""What is asked of a wallet, as the specification wants it, and what of its answers is taken: one, ours, encrypted to us."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.jwk import ECKey, JWKRegistry
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from egide.exercise.pid import Issuer
from egide.gateways.wallet_setup import _drawn
from egide.protocols.wallet import openid4vp
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import (
    MAX_ANSWER,
    Request,
    answer,
    client_id,
    invitation,
    public_jwk,
    request_object,
)

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
NOW = 1_800_000_000
PRIVATE = openid4vp.encryption_key()
ACCESS = Issuer.drawn()
REQUEST = Request(
    client="x509_san_dns:egide.example", name="Police — 418 302", response_uri="https://egide.example/identity/wallet/requests/1/here",
    nonce="n" * 43, state="s" * 43, vct=("urn:eudi:pid:1", "urn:eudi:pid:fr:1"), encryption=public_jwk(PRIVATE),
)  # fmt: skip
PLAIN = msgspec.structs.replace(REQUEST, mode="direct_post", encryption=None)
TOKEN = {"vp_token": {"pid": ["presented"]}, "state": "s" * 43}


def sealed(inner: Any, key: ECKey = PRIVATE, **head: str) -> bytes:
    """An answer as a wallet encrypts it."""
    said = {"alg": "ECDH-ES", "enc": "A128GCM"} | head
    plain = inner if isinstance(inner, bytes) else msgspec.json.encode(inner)
    registry = jwe.JWERegistry(algorithms=[said["alg"], said["enc"], "DEF"], strict_check_header=False)
    token = jwe.encrypt_compact(said, plain, JWKRegistry.import_key(public_jwk(key)), registry=registry)
    return urlencode({"response": token}).encode()


def why(body: bytes, request: Request = REQUEST, private: ECKey | None = PRIVATE) -> str:
    with pytest.raises(WalletError) as caught:
        answer(body, request, private)
    return caught.value.why


def test_the_request_says_who_asks_for_what_and_nothing_else() -> None:
    token = request_object(REQUEST, ACCESS.key, ACCESS.chain[:1], NOW)
    peer = JWS()  # another library reads it
    peer.deserialize(token, JWK.from_pem(ACCESS.chain[0].public_bytes(Encoding.PEM)))
    head, said = peer.jose_header, msgspec.json.decode(peer.payload)
    assert (head["typ"], head["alg"], len(head["x5c"])) == ("oauth-authz-req+jwt", "ES256", 1)
    assert set(said) == {
        "iss", "aud", "iat", "exp", "response_type", "response_mode", "client_id", "response_uri", "nonce", "state", "dcql_query", "client_metadata",
    }  # fmt: skip
    assert (said["response_type"], said["response_mode"], said["aud"]) == (
        "vp_token", "direct_post.jwt", "https://self-issued.me/v2",
    )  # fmt: skip
    assert said["exp"] - said["iat"] == 300
    assert said["dcql_query"] == {"credentials": [{
        "id": "pid", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:eudi:pid:1", "urn:eudi:pid:fr:1"]},
        "claims": [{"path": ["family_name"]}, {"path": ["given_name"]}, {"path": ["birthdate"]}],
    }]}  # fmt: skip
    about = said["client_metadata"]
    (key,) = about["jwks"]["keys"]
    assert (key["alg"], key["use"], key["crv"], "d" in key, bool(key["kid"])) == (
        "ECDH-ES",
        "enc",
        "P-256",
        False,
        True,
    )
    assert about["encrypted_response_enc_values_supported"] == ["A128GCM", "A256GCM"]
    assert about["vp_formats_supported"]["dc+sd-jwt"]["kb-jwt_alg_values"] == ["ES256", "ES384", "ES512"]
    assert about["client_name"] == REQUEST.name


def test_the_link_leads_to_the_request_and_tells_nothing_more() -> None:
    for base in ("openid4vp://", "haip-vp://", "https://wallet.example/open?lang=fr"):
        link = invitation(base, REQUEST.client, REQUEST.response_uri)
        assert link.startswith(base)
        asked = parse_qs(urlsplit(link).query)
        assert asked["client_id"] == [REQUEST.client]
        assert asked["request_uri"] == [REQUEST.response_uri]
        assert set(asked) <= {"client_id", "request_uri", "lang"}


def test_who_we_are_comes_from_the_access_certificate() -> None:
    certificate = x509.load_pem_x509_certificate(_drawn("egide.example"))
    assert client_id("x509_san_dns", certificate, "egide.example") == "x509_san_dns:egide.example"
    assert len(client_id("x509_hash", certificate, "other.example")) == len("x509_hash:") + 43
    for wrong, host in ((certificate, "other.example"), (ACCESS.chain[1], "egide.example")):
        with pytest.raises(WalletError, match="not for this host"):
            client_id("x509_san_dns", wrong, host)


def test_an_answer_encrypted_by_another_library() -> None:
    told = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": PRIVATE.thumbprint()}
    peer = JWE(msgspec.json.encode(TOKEN), msgspec.json.encode(told).decode(), recipient=JWK(**public_jwk(PRIVATE)))
    body = urlencode({"response": peer.serialize(compact=True)}).encode()
    assert answer(body, REQUEST, PRIVATE) == "presented"


def test_an_answer_in_the_clear_only_where_the_operator_says_so() -> None:
    body = urlencode({"vp_token": '{"pid": ["presented"]}', "state": "s" * 43}).encode()
    assert answer(body, PLAIN, None) == "presented"
    assert why(body) == "encryption"
    assert why(sealed(TOKEN), PLAIN, None) == "malformed"


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (TOKEN | {"state": "t" * 43}, "state"), ({"vp_token": TOKEN["vp_token"]}, "state"), ({"state": "s" * 43}, "malformed"),
        (TOKEN | {"vp_token": {}}, "malformed"), (TOKEN | {"vp_token": {"pid": []}}, "malformed"),
        (TOKEN | {"vp_token": {"pid": ["a", "b"]}}, "malformed"), (TOKEN | {"vp_token": {"pid": ["a"], "other": ["b"]}}, "malformed"),
        (TOKEN | {"vp_token": {"pid": "a"}}, "malformed"), (TOKEN | {"vp_token": "a"}, "malformed"), (b"{" * 9000, "malformed"), (b"\xff", "malformed"),
    ],
)  # fmt: skip
def test_an_answer_is_one_presentation_of_this_request(inner: Any, expected: str) -> None:
    assert why(sealed(inner)) == expected


def test_what_is_not_encrypted_to_this_request() -> None:
    other = openid4vp.encryption_key()
    assert why(sealed(TOKEN, other)) == "encryption"
    assert why(sealed(TOKEN), REQUEST, None) == "encryption"
    assert why(sealed(TOKEN, enc="A192GCM")) == "encryption"
    assert why(sealed(TOKEN, alg="ECDH-ES+A128KW")) == "encryption"
    assert why(sealed(b'{"a":"' + b"x" * 9000 + b'"}', zip="DEF")) == "encryption"  # refused before it is unpacked
    signed = jws.serialize_compact({"alg": "ES256"}, msgspec.json.encode(TOKEN), ACCESS.key)
    for token in ("", "x", "." * 4, "x" * 200, signed):
        assert why(urlencode({"response": token}).encode()) == "encryption"


def test_a_wallet_that_says_no() -> None:
    for error, expected in (
        ("access_denied", "denied"),
        ("vp_formats_not_supported", "refused"),
        ("<script>", "refused"),
    ):
        assert why(urlencode({"error": error, "state": "s" * 43}).encode()) == expected
    assert (
        why(b"error=access_denied") == "state"
    )  # whoever does not know the request cannot end it in the person's name


def test_nothing_that_was_sent_stands_in_the_refusal() -> None:
    for body in (b"error=Marchand&state=" + b"s" * 43, sealed({"Marchand": 1}), b"response=Marchand"):
        with pytest.raises(WalletError) as caught:
            answer(body, REQUEST, PRIVATE)
        assert "Marchand" not in str(caught.value)


@CASES
@given(st.binary(max_size=600) | st.dictionaries(st.sampled_from(["response", "vp_token", "state", "error"]), st.text(max_size=80)).map(lambda form: urlencode(form).encode()))  # fmt: skip
def test_any_answer_is_refused_in_one_word(body: bytes) -> None:
    for request, private in ((REQUEST, PRIVATE), (PLAIN, None)):
        with pytest.raises(WalletError):
            answer(body, request, private)


def test_an_answer_that_is_too_long() -> None:
    assert why(b"x" * (MAX_ANSWER + 1)) == "too-large"
    assert why(b"&".join([b"a=1"] * 40)) == "malformed"
