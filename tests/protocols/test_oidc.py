"""OpenID Connect: what the standards say passes, each known attack is refused by name, and no bytes make it fall over."""

from __future__ import annotations

import hmac
import os
import tomllib
from base64 import urlsafe_b64encode
from contextlib import suppress
from importlib.resources import files
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe, jwk, jws

from egide.protocols.oidc import (
    Attempt,
    Client,
    Discovery,
    Identity,
    Keyring,
    OidcError,
    Preset,
    Proved,
    address,
    authorization,
    callback,
    discovery,
    identity,
    keys,
    logout,
    parse_preset,
    proved,
    state_of,
    token_answer,
    token_request,
)
from egide.protocols.oidc.provider import MAX_DOCUMENT, MAX_KEYS
from egide.protocols.oidc.request import challenge
from egide.protocols.oidc.tokens import MAX_TOKEN

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "200")), deadline=None)
NOW = 1_800_000_000
ISSUER = "https://id.example"
ACCESS = "access-token"
LEVELS = {"eidas1": 2, "eidas2": 3, "eidas3": 4}
PRESET = Preset(title="T", levels=LEVELS)
CLIENT = Client("us", "s" * 40, "https://egide.example/identity/callback")
ATTEMPT = Attempt(state="s" * 43, nonce="n" * 43, verifier="v" * 64, level=3, at=NOW - 30)
EC = jwk.ECKey.generate_key("P-256")
RSA = jwk.RSAKey.generate_key(2048)
EDWARDS = Ed25519PrivateKey.generate()
OURS = (jwk.ECKey.generate_key("P-256"), jwk.RSAKey.generate_key(2048))
DOCUMENT = {
    "issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/authorize", "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks", "userinfo_endpoint": f"{ISSUER}/userinfo", "end_session_endpoint": f"{ISSUER}/end",
}  # fmt: skip
WHO = Proved("sub-1", 3, "eidas2", "token")


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def jwks(*more: dict[str, Any]) -> bytes:
    edwards = EDWARDS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    known = [
        EC.as_dict(private=False, kid="ec", use="sig"),
        RSA.as_dict(private=False, kid="rsa"),
        {"kty": "OKP", "crv": "Ed25519", "x": b64(edwards), "kid": "ed", "alg": "EdDSA"},
        *more,
    ]
    return msgspec.json.encode({"keys": known})


RING = Keyring(keys(jwks()), CLIENT.secret, OURS)


def claims(**changed: Any) -> dict[str, Any]:
    """Right ones, changed; None takes one out."""
    right = {
        "iss": ISSUER, "sub": "sub-1", "aud": "us", "exp": NOW + 60, "iat": NOW, "nonce": ATTEMPT.nonce, "acr": "eidas2",
    }  # fmt: skip
    return {name: value for name, value in (right | changed).items() if value is not None}


def signed(told: Any, alg: str = "ES256", **header: Any) -> str:
    """A token; what joserfc warns of (EdDSA by its old name) or does not do is signed by hand."""
    head = {"alg": alg, "kid": {"ES256": "ec", "RS256": "rsa", "PS256": "rsa"}.get(alg, "ed")} | header
    head = {name: value for name, value in head.items() if value is not None}
    payload = told if isinstance(told, bytes) else msgspec.json.encode(told)
    if alg in ("EdDSA", "Ed25519"):
        said = f"{b64(msgspec.json.encode(head))}.{b64(payload)}"
        return f"{said}.{b64(EDWARDS.sign(said.encode()))}"
    if alg == "HS256":
        return mac(head, payload, CLIENT.secret.encode())
    return jws.serialize_compact(head, payload, EC if alg == "ES256" else RSA, algorithms=[alg])


def mac(head: dict[str, Any], payload: bytes, key: bytes) -> str:
    said = f"{b64(msgspec.json.encode(head))}.{b64(payload)}"
    return f"{said}.{b64(hmac.digest(key, said.encode(), 'sha256'))}"


def check(
    token: str, preset: Preset = PRESET, attempt: Attempt = ATTEMPT, ring: Keyring = RING, access: str = ACCESS
) -> Proved:
    return proved(token, access, ring, preset, CLIENT, attempt, ISSUER, NOW)


def refused(why: str, token: str, **more: Any) -> None:
    with pytest.raises(OidcError) as caught:
        check(token, **more)
    assert caught.value.why == why, caught.value
    assert len(str(caught.value)) > 10


def with_preset(**changed: Any) -> Preset:
    return msgspec.structs.replace(PRESET, **changed)


# -- tokens that pass ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"])
def test_each_algorithm(alg: str) -> None:
    assert check(signed(claims(), alg)).level == 3
    assert check(signed(claims(), alg, kid=None)).subject == "sub-1"  # no name: every key of its kind is tried


def test_an_hmac_where_the_preset_allows_it() -> None:
    assert check(signed(claims(), "HS256"), preset=with_preset(signing=("HS256",))).acr == "eidas2"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ["us"]}, {"azp": "us"}, {"exp": NOW - 59}, {"iat": NOW + 59, "exp": NOW + 99}, {"iat": ATTEMPT.at - 60},
        {"exp": float(NOW) + 0.5}, {"acr": "eidas3"}, {"nbf": NOW}, {"unknown": {"a": [1]}},
    ],
)  # fmt: skip
def test_what_the_standard_allows(changed: dict[str, Any]) -> None:
    assert check(signed(claims(**changed))).level >= 3


def test_the_hash_of_the_access_token() -> None:
    """OIDC Core appendix A.3: this access token, this at_hash."""
    access = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    assert check(signed(claims(at_hash="77QmUPtjPfzWtF2AnpK9RQ")), access=access)
    refused("hash", signed(claims(at_hash="77QmUPtjPfzWtF2AnpK9RQ")), access=access + "x")
    refused("hash", signed(claims(at_hash="77QmUPtjPfzWtF2AnpK9RQ"), "EdDSA"), access=access)  # there it is SHA-512


@pytest.mark.parametrize(("alg", "key"), [("ECDH-ES", 0), ("RSA-OAEP", 1), ("RSA-OAEP-256", 1)])
@pytest.mark.parametrize("enc", ["A256GCM", "A128CBC-HS256"])
def test_encrypted(alg: str, key: int, enc: str) -> None:
    inside = signed(claims())
    token = jwe.encrypt_compact({"alg": alg, "enc": enc, "cty": "JWT"}, inside, OURS[key], algorithms=[alg, enc])
    assert check(token, preset=with_preset(encrypted=True)).token == inside
    refused("encryption", token)
    refused("encryption", inside, preset=with_preset(encrypted=True))
    other = Keyring(RING.public, "", (jwk.ECKey.generate_key("P-256"),))
    refused("encryption", token, preset=with_preset(encrypted=True), ring=other)


# -- tokens that do not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("issuer", {"iss": "https://id.example/"}), ("audience", {"aud": "them"}), ("audience", {"aud": ["us", "them"]}),
        ("audience", {"aud": []}), ("audience", {"azp": "them"}), ("expired", {"exp": NOW - 60}), ("too-early", {"iat": NOW + 61}),
        ("too-early", {"nbf": NOW + 61}), ("too-early", {"iat": ATTEMPT.at - 61}), ("nonce", {"nonce": None}),
        ("nonce", {"nonce": "n" * 42}), ("nonce", {"nonce": "é"}), ("hash", {"at_hash": "x"}), ("level", {"acr": None}),
        ("level", {"acr": ""}), ("level", {"acr": "eidas1"}), ("level", {"acr": "EIDAS3"}), ("level", {"acr": "eidas3 "}),
        ("malformed", {"sub": ""}), ("malformed", {"sub": "s" * 256}), ("malformed", {"exp": None}), ("malformed", {"iat": None}),
        ("malformed", {"exp": "1"}), ("malformed", {"exp": True}), ("malformed", {"exp": -1}), ("malformed", {"exp": 1e300}),
        ("malformed", {"acr": ["eidas3"]}), ("malformed", {"acr": 3}), ("malformed", {"iss": None}), ("malformed", {"aud": {"us": 1}}),
    ],
)  # fmt: skip
def test_each_check_refuses(why: str, changed: dict[str, Any]) -> None:
    refused(why, signed(claims(**changed)))


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_absent_is_never_enough(level: int) -> None:
    refused("level", signed(claims(acr=None)), attempt=msgspec.structs.replace(ATTEMPT, level=level))


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{", b'"x"', b"\xff", b"[" * 20_000, b'{"iss":' * 3000])
def test_a_signed_nonsense(payload: bytes) -> None:
    refused("malformed", signed(payload))


def test_no_signature() -> None:
    for alg in ("none", "None", "nOnE", ""):
        head = b64(msgspec.json.encode({"alg": alg}))
        refused("algorithm", f"{head}.{b64(msgspec.json.encode(claims()))}.")
    head, body, _ = signed(claims()).split(".")
    refused("signature", f"{head}.{body}.")
    refused("malformed", f"{head}.{body}")


def test_another_key() -> None:
    other = jwk.ECKey.generate_key("P-256")
    for kid in ("ec", None):
        head = {"alg": "ES256"} | ({"kid": kid} if kid else {})
        refused("signature", jws.serialize_compact(head, msgspec.json.encode(claims()), other, algorithms=["ES256"]))
    refused("key", signed(claims(), kid="unknown"))
    refused("key", signed(claims(), kid="rsa"))  # a key of another kind, though it bears that name


def test_a_key_that_comes_with_the_token_is_not_looked_at() -> None:
    other = jwk.ECKey.generate_key("P-256")
    head = {
        "alg": "ES256",
        "kid": "ec",
        "jwk": other.as_dict(private=False),
        "jku": "https://evil.example",
        "x5u": "https://evil.example",
    }
    refused("signature", jws.serialize_compact(head, msgspec.json.encode(claims()), other, algorithms=["ES256"]))  # fmt: skip


def test_key_confusion() -> None:
    """An HMAC under the provider's public key, in each form it is published in."""
    body = msgspec.json.encode(claims())
    both = with_preset(signing=("ES256", "HS256"))
    for public in (EC.as_pem(private=False), EC.as_der(private=False), msgspec.json.encode(EC.as_dict(private=False))):
        token = mac({"alg": "HS256", "kid": "ec"}, body, public)
        refused("algorithm", token)
        refused("signature", token, preset=both)
    shared = {"kty": "oct", "k": b64(b"k" * 40), "kid": "oct"}  # a symmetric key in a public set is nobody's
    ring = Keyring(keys(jwks(shared)), CLIENT.secret)
    refused("signature", mac({"alg": "HS256", "kid": "oct"}, body, b"k" * 40), preset=both, ring=ring)


def test_an_hmac_under_a_short_secret_or_none() -> None:
    preset = with_preset(signing=("HS256",))
    for secret in ("", "short"):
        refused("key", mac({"alg": "HS256"}, msgspec.json.encode(claims()), secret.encode()), preset=preset, ring=Keyring(RING.public, secret))  # fmt: skip


def test_an_algorithm_the_preset_does_not_take() -> None:
    refused("algorithm", signed(claims(), "RS256"), preset=with_preset(signing=("ES256",)))
    refused("algorithm", signed(claims(), "HS256"))


def test_an_extension_we_do_not_have() -> None:
    refused("malformed", signed(claims(), "EdDSA", crit=["b64"], b64=False))
    refused("malformed", signed(claims(), "EdDSA", crit=["exp"], exp=1))


@pytest.mark.parametrize(
    "head",
    [
        {"alg": "ECDH-ES", "enc": "A256GCM", "zip": "DEF"}, {"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 10**9, "p2s": "x"},
        {"alg": "dir", "enc": "A256GCM"}, {"alg": "RSA1_5", "enc": "A256GCM"}, {"alg": "ECDH-ES", "enc": "A999"}, {"alg": "ECDH-ES", "enc": "A256GCM"},
        {"alg": "ECDH-ES", "enc": "A256GCM", "epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, {"alg": "RSA-OAEP", "enc": "A256GCM"},
    ],
)  # fmt: skip
def test_encrypted_in_a_way_that_would_keep_us_busy(head: dict[str, Any]) -> None:
    token = f"{b64(msgspec.json.encode(head))}.{b64(b'k' * 256)}.{b64(b'i' * 12)}.{b64(b'c' * 64)}.{b64(b't' * 16)}"
    refused("encryption", token, preset=with_preset(encrypted=True))


def test_a_compressed_token_is_not_unpacked() -> None:
    head = {"alg": "ECDH-ES", "enc": "A256GCM", "zip": "DEF"}
    bomb = jwe.encrypt_compact(head, b"0" * 200_000, OURS[0], algorithms=list(head.values()))
    assert len(bomb) < MAX_TOKEN
    refused("encryption", bomb, preset=with_preset(encrypted=True))
    fair = jwe.encrypt_compact(head, signed(claims()), OURS[0], algorithms=list(head.values()))
    refused("encryption", fair, preset=with_preset(encrypted=True))


def test_too_large() -> None:
    refused("too-large", "x" * (MAX_TOKEN + 1))
    refused("too-large", signed(claims(), "EdDSA", note="x" * 3000))


# -- documents -----------------------------------------------------------------------------------------------------------


def test_discovery() -> None:
    found = discovery(
        msgspec.json.encode(DOCUMENT | {"code_challenge_methods_supported": ["plain", "S256"], "more": [1]}), ISSUER
    )
    assert (found.token_endpoint, found.pkce) == (f"{ISSUER}/token", True)
    assert not discovery(msgspec.json.encode(DOCUMENT), ISSUER).pkce


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("issuer", {"issuer": "https://id.example/"}), ("address", {"token_endpoint": "http://id.example/token"}),
        ("address", {"jwks_uri": "file:///etc/passwd"}), ("address", {"userinfo_endpoint": "https://a:b@id.example"}),
        ("address", {"authorization_endpoint": "https://id.example/#x"}), ("address", {"end_session_endpoint": "javascript:alert(1)"}),
        ("malformed", {"token_endpoint": 1}), ("malformed", {"jwks_uri": None}), ("too-large", {"more": "x" * MAX_DOCUMENT}),
    ],
)  # fmt: skip
def test_discovery_refuses(why: str, changed: dict[str, Any]) -> None:
    with pytest.raises(OidcError) as caught:
        discovery(msgspec.json.encode(DOCUMENT | changed), ISSUER)
    assert caught.value.why == why


@pytest.mark.parametrize(
    "text",
    [
        "https://id.example",
        "https://id.example:8443/a?b=c",
        "http://127.0.0.1:1/",
        "http://localhost/x",
        "http://[::1]:8/",
    ],
)
def test_addresses(text: str) -> None:
    assert address(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "id.example", "http://id.example", "http://127.0.0.1.example", "http://10.0.0.1", "https://", "https://a b", "https://é.example", "https://a@b", "ftp://a", "https://[::1", "https://a:99999", "https://a\\b", "//a", "https://" + "a" * 3000],
)  # fmt: skip
def test_addresses_refused(text: str) -> None:
    with pytest.raises(OidcError):
        address(text)


def test_keys_that_sign_nothing_here_are_left_out() -> None:
    weak = {"kty": "RSA", "n": b64(b"\x80" + b"\1" * 127), "e": "AQAB"}  # 1024 bits
    odd = [
        weak, {"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        EC.as_dict(private=False, use="enc"), {"kty": "RSA", "n": b64(b"\xff" * 256), "e": b64(b"\xff" * 9)}, {"kty": 1}, {}, {"kty": "OKP", "crv": "X25519", "x": "AA"},
        EC.as_dict(private=False, alg="ES512"), {"kty": "RSA", "n": b64(b"\xff" * 2000), "e": "AQAB"}, {"kty": "RSA", "n": "é", "e": "AQAB"},
    ]  # fmt: skip
    assert [key.kid for key in keys(jwks(*odd))] == ["ec", "rsa", "ed"]
    assert [key.algorithms for key in keys(jwks())] == [("ES256",), ("RS256", "PS256"), ("EdDSA",)]
    only = msgspec.json.encode({"keys": [RSA.as_dict(private=False, alg="PS256")]})
    assert keys(only)[0].algorithms == ("PS256",)


def test_a_private_key_in_a_public_set_is_used_as_public() -> None:
    (key,) = keys(msgspec.json.encode({"keys": [EC.as_dict(private=True)]}))
    assert not cast("Any", key.public).is_private


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b'{"keys": 1}',
        b'{"keys": [}',
        b"x" * (MAX_DOCUMENT + 1),
        b'{"keys": [' + b",".join([b"{}"] * (MAX_KEYS + 1)) + b"]}",
    ],
)
def test_key_sets_refused(document: bytes) -> None:
    with pytest.raises(OidcError):
        keys(document)


# -- there and back ------------------------------------------------------------------------------------------------------

PROVIDER = msgspec.convert(DOCUMENT, Discovery)


def query(where: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(where).query, strict_parsing=True).items()}


def test_the_request() -> None:
    sent = query(authorization(PROVIDER, PRESET, CLIENT, ATTEMPT))
    assert sent["code_challenge"] == challenge(ATTEMPT.verifier)
    assert (sent["state"], sent["nonce"], sent["redirect_uri"]) == (ATTEMPT.state, ATTEMPT.nonce, CLIENT.redirect)
    assert sent["acr_values"] == "eidas2 eidas3"


def test_the_challenge_of_the_rfc() -> None:
    """RFC 7636 appendix B."""
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_who_refuses_unknown_parameters_gets_none() -> None:
    sent = query(
        authorization(PROVIDER, with_preset(pkce="offered", ask=("acr_values",), ask_all=False), CLIENT, ATTEMPT)
    )
    assert set(sent) == {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "acr_values"}
    assert sent["acr_values"] == "eidas2"
    offering = msgspec.structs.replace(PROVIDER, code_challenge_methods_supported=("S256",))
    assert "code_challenge" in query(authorization(offering, with_preset(pkce="offered"), CLIENT, ATTEMPT))


def test_a_level_nobody_can_prove() -> None:
    with pytest.raises(OidcError) as caught:
        authorization(PROVIDER, with_preset(levels={"eidas1": 2}), CLIENT, ATTEMPT)
    assert caught.value.why == "level"


def test_the_callback() -> None:
    assert callback("code=a%2Bb&state=s&session_state=x", PROVIDER) == ("a+b", "s")
    assert callback(f"code=c&state=s&iss={ISSUER}", PROVIDER) == ("c", "s")
    assert state_of("state=s&error=x") == "s"
    assert state_of("") == ""


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("denied", "error=access_denied&state=s"), ("unavailable", "error=temporarily_unavailable&state=s"), ("refused", "error=" + "x" * 5000),
        ("level", "error=unmet_authentication_requirements"), ("malformed", "state=s"), ("malformed", "code=c"), ("malformed", "code=&state=s"),
        ("malformed", "code=1&code=2&state=s"), ("issuer", "code=c&state=s&iss=https://evil.example"), ("too-large", "x" * 9000), ("malformed", "code=%ff&state=s"),
    ],
)  # fmt: skip
def test_callbacks_refused(why: str, text: str) -> None:
    with pytest.raises(OidcError) as caught:
        callback(text, PROVIDER)
    assert caught.value.why == why


def test_a_provider_that_always_says_who_it_is_must() -> None:
    saying = msgspec.structs.replace(PROVIDER, authorization_response_iss_parameter_supported=True)
    with pytest.raises(OidcError):
        callback("code=c&state=s", saying)


def test_the_token_request() -> None:
    odd = Client("u:s", "p w%", CLIENT.redirect)
    body, headers = token_request(PROVIDER, with_preset(authenticate="basic"), odd, ATTEMPT, "c&d")
    sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert sent == {
        "grant_type": "authorization_code",
        "code": "c&d",
        "redirect_uri": CLIENT.redirect,
        "code_verifier": ATTEMPT.verifier,
    }
    assert headers["authorization"] == "Basic dSUzQXM6cCUyMHclMjU="  # each part encoded before the colon joins them
    body, headers = token_request(PROVIDER, with_preset(pkce="offered"), CLIENT, ATTEMPT, "c")
    assert b"client_secret=" + CLIENT.secret.encode() in body
    assert b"code_verifier" not in body
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("why", "status", "body"),
    [
        ("refused", 400, b'{"error": "invalid_grant"}'), ("refused", 401, b'{"error": "invalid_client"}'), ("unavailable", 503, b""), ("unavailable", 302, b""),
        ("malformed", 200, b"{}"), ("malformed", 200, b"<html>"), ("malformed", 400, b"\xff"), ("malformed", 200, b'{"access_token":"a","id_token":"i","token_type":"MAC"}'),
        ("malformed", 200, b'{"access_token":"a\\r\\nx: y","id_token":"i","token_type":"Bearer"}'), ("malformed", 200, b'{"access_token":"","id_token":"i","token_type":"Bearer"}'),
        ("too-large", 200, b"x" * 100_000),
    ],
)  # fmt: skip
def test_token_answers_refused(why: str, status: int, body: bytes) -> None:
    with pytest.raises(OidcError) as caught:
        token_answer(status, body)
    assert caught.value.why == why


def test_logout() -> None:
    assert query(logout(PROVIDER, CLIENT, "https://egide.example/", "s", "hint")) == {
        "post_logout_redirect_uri": "https://egide.example/", "state": "s", "id_token_hint": "hint",
    }  # fmt: skip
    assert query(logout(PROVIDER, CLIENT, "https://egide.example/", "s"))["client_id"] == "us"
    assert not logout(msgspec.structs.replace(PROVIDER, end_session_endpoint=""), CLIENT, "https://egide.example/", "s")


# -- userinfo ------------------------------------------------------------------------------------------------------------


def person(body: bytes, kind: str = "application/json", preset: Preset = PRESET) -> Identity:
    return identity(WHO, body, kind, RING, preset, CLIENT, ISSUER, NOW)


def test_userinfo_plain_and_signed() -> None:
    told = {
        "sub": "sub-1",
        "given_name": " Zoé ",
        "family_name": "O’Brien",
        "birthdate": "1984-00-00",
        "email": "z@example.org",
        "gender": "x",
    }
    right = Identity(
        issuer=ISSUER, subject="sub-1", level=3, given_name="Zoé", family_name="O’Brien", birthdate="1984-00-00", email="z@example.org", acr="eidas2", at=NOW,
    )  # fmt: skip
    assert person(msgspec.json.encode(told)) == right
    assert person(signed(told).encode(), "application/jwt; charset=utf-8") == right
    assert person(signed(told | {"iss": ISSUER, "aud": "us", "exp": NOW}).encode(), "Application/JWT") == right
    inside = signed(told)
    closed = jwe.encrypt_compact(
        {"alg": "ECDH-ES", "enc": "A256GCM"}, inside, OURS[0], algorithms=["ECDH-ES", "A256GCM"]
    )
    assert person(closed.encode(), "application/jwt", with_preset(encrypted=True)) == right


def test_userinfo_that_says_little() -> None:
    assert person(b'{"sub": "sub-1"}').family_name == ""
    assert person(b'{"sub": "sub-1", "given_name": null}').given_name == ""


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("subject", {"sub": "sub-2"}), ("malformed", {"sub": None}), ("malformed", {"given_name": 1}), ("malformed", {"family_name": "x" * 257}),
        ("malformed", {"family_name": "a\nb"}), ("malformed", {"given_name": "\x00"}), ("malformed", {"given_name": "\u202eevil"}), ("malformed", {"birthdate": "yesterday"}), ("malformed", {"birthdate": "1984-1-1"}),
        ("malformed", {"email": "x" * 300}), ("issuer", {"iss": "https://another.example"}), ("audience", {"aud": "them"}), ("expired", {"exp": NOW - 60}),
    ],
)  # fmt: skip
def test_userinfo_refused(why: str, changed: dict[str, Any]) -> None:
    told = {name: value for name, value in ({"sub": "sub-1"} | changed).items() if value is not None}
    with pytest.raises(OidcError) as caught:
        person(signed(told).encode(), "application/jwt")
    assert caught.value.why == why


def test_userinfo_of_another_form() -> None:
    for body, kind, preset in (
        (b"{}", "application/jwt", PRESET), (b'{"sub": "sub-1"}', "application/json", with_preset(encrypted=True)), (b"\xff", "application/json", PRESET),
        (b" " * (MAX_TOKEN + 1), "application/json", PRESET), ("é.é.é".encode(), "application/jwt", PRESET), (b"[" * 30_000, "application/json", PRESET),
    ):  # fmt: skip
        with pytest.raises(OidcError):
            person(body, kind, preset)


# -- presets -------------------------------------------------------------------------------------------------------------


def test_our_presets() -> None:
    folder = files("egide.protocols.oidc") / "presets"
    found = {
        each.name: parse_preset(each.read_text("utf-8")) for each in folder.iterdir() if each.name.endswith(".toml")
    }
    assert set(found) == {
        "development.toml",
        "franceconnect.toml",
        "franceconnect-plus.toml",
        "generic.toml",
        "proconnect.toml",
    }
    assert found["franceconnect.toml"].levels == {"eidas1": 2}
    assert found["franceconnect-plus.toml"].levels == {"eidas2": 3, "eidas3": 4}
    assert found["franceconnect-plus.toml"].encrypted
    assert [name for name, each in found.items() if each.shared] == ["development.toml"]
    for each in found.values():
        if each.issuer:
            address(each.issuer)


@pytest.mark.parametrize(
    "text",
    ["", "[levels]\na = 1", 'title = "x"\n[levels]', 'title = "x"\n[levels]\na = 5', 'title = "x"\n[levels]\na = 0', 'title = "x"\n[levels]\n"a b" = 1', 'title = "x"\nsigning = ["none"]\n[levels]\na = 1', 'title = "x"\nscopes = ["email"]\n[levels]\na = 1', 'title = "x"\nwhat = 1\n[levels]\na = 1', 'title = "x"\nask = []\n[levels]\na = 1', "x" * 20_000],
)  # fmt: skip
def test_presets_refused(text: str) -> None:
    with pytest.raises(OidcError):
        parse_preset(text)


# -- anything ------------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
BYTES = st.binary(max_size=300) | st.builds(msgspec.json.encode, JSON.filter(lambda v: not _huge(v)))


def _huge(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_huge, value))
    if isinstance(value, dict):
        return any(map(_huge, value.values()))
    return isinstance(value, int) and not -(2**63) <= value < 2**64  # msgspec writes no larger ones


def changed_of(right: dict[str, Any]) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda name, value: msgspec.json.encode(right | {name: value}), st.sampled_from([*right, "more"]), JSON.filter(lambda v: not _huge(v))
    )  # fmt: skip


@CASES
@given(BYTES | changed_of(DOCUMENT))
def test_any_discovery(document: bytes) -> None:
    with suppress(OidcError):
        assert discovery(document, ISSUER).issuer == ISSUER


@CASES
@given(
    BYTES
    | st.builds(
        lambda inner: b'{"keys": [' + inner + b"]}", BYTES | changed_of(RSA.as_dict(private=False) | {"use": "sig"})
    )
)
def test_any_keys(document: bytes) -> None:
    with suppress(OidcError):
        assert all(key.algorithms for key in keys(document))


@CASES
@given(
    st.text(max_size=300)
    | st.builds(
        "&".join,
        st.lists(st.sampled_from(["code=1", "state=2", "iss=x", "error=y", "a", "%", "=", "state=%e9"]), max_size=6),
    )
)
def test_any_callback(text: str) -> None:
    with suppress(OidcError):
        code, state = callback(text, PROVIDER)
        assert code
        assert state


@CASES
@given(st.sampled_from([200, 400, 401, 500]), BYTES)
def test_any_token_answer(status: int, body: bytes) -> None:
    with suppress(OidcError):
        assert token_answer(status, body).access_token


@CASES
@given(
    st.text(max_size=300) | st.builds(".".join, st.lists(st.binary(max_size=60).map(b64), min_size=1, max_size=6)),
    st.booleans(),
)
def test_any_token(token: str, encrypted: bool) -> None:
    with pytest.raises(OidcError):
        check(token, preset=with_preset(encrypted=encrypted, signing=("ES256", "RS256", "PS256", "EdDSA", "HS256")))


TOKEN = signed(claims())


@CASES
@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_changed_letter_of_a_token(at: int, letter: str) -> None:
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
    try:
        assert check(changed).subject == "sub-1"
    except OidcError:
        return
    # Only the last letter of the signature has bits to spare (86 letters for 64 bytes).
    assert changed == TOKEN or at == len(TOKEN) - 1


@CASES
@given(BYTES | changed_of(claims()))
def test_any_signed_claims(payload: bytes) -> None:
    with suppress(OidcError):
        who = check(signed(payload))
        assert LEVELS[who.acr] >= ATTEMPT.level


@CASES
@given(
    BYTES
    | changed_of({"sub": "sub-1", "given_name": "a", "family_name": "b", "birthdate": "2000-01-01", "email": "e"}),
    st.booleans(),
)
def test_any_userinfo(body: bytes, as_jwt: bool) -> None:
    with suppress(OidcError):
        found = person(signed(body).encode() if as_jwt else body, "application/jwt" if as_jwt else "application/json")
        assert found.subject == "sub-1"
        assert "\n" not in found.given_name + found.family_name


@CASES
@given(st.text(max_size=200))
def test_any_preset(text: str) -> None:
    try:
        assert parse_preset(text).highest
    except OidcError:
        return
    assert tomllib.loads(text)
