"""OpenID for Verifiable Presentations 1.0, the verifier's side: what is asked (DCQL), the signed request, the answer.

    link = invitation("openid4vp://", client, request_uri)           # in a QR code, or followed on the same device
    token = request_object(request, key, chain, now)                 # what the wallet fetches (RFC 9101)
    text = answer(body, request, private)                            # what it posts; encrypted to a key of this request alone

Asked for: the claims of the request (by itself family name, given name, date of birth) of one credential of the kinds the
operator trusts; nothing else. The answer comes by `direct_post.jwt`: a JWE to a key that was drawn for this request (ECDH-ES),
or by `direct_post` where the operator says so.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import MAX_AGE_S
from egide.protocols.wallet.tokens import ALGORITHMS, MAX_TOKEN, parsed

QUERY = "pid"  # the name of our one question, by which the answer comes, where the request names no other
FORMAT = "dc+sd-jwt"
CLAIMS = ("family_name", "given_name", "birthdate")  # of a PID as SD-JWT VC (Commission, PID rulebook)
REQUEST_TYPE = "oauth-authz-req+jwt"  # RFC 9101 §10.8
MEDIA_TYPE = f"application/{REQUEST_TYPE}"
SELF_ISSUED = "https://self-issued.me/v2"  # the audience of wallets that nobody knows beforehand (§5.8)
WRAPPING = "ECDH-ES"
CONTENT = ("A128GCM", "A256GCM")  # §8.3; HAIP 1.0 asks for both
MAX_ANSWER = 128 * 1024  # bytes; an encrypted PID has 8,000
MAX_JWE_HEADER = 4096  # characters in base64url
DENIED = "access_denied"

Mode = Literal["direct_post.jwt", "direct_post"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request for a presentation."""

    client: str  # our client id, with its prefix
    name: str  # how the wallet should call us: it shows the code that stands on the page, too
    response_uri: str
    nonce: str
    state: str
    vct: tuple[str, ...]
    mode: Mode = "direct_post.jwt"
    encryption: dict[str, Any] | None = None  # the public key that the answer is encrypted to, as a JWK
    claims: tuple[str, ...] = CLAIMS  # of the credential, asked for and nothing else
    control: tuple[str, ...] = ()  # one of which its `control` must say: a wallet that holds several knows which
    query: str = QUERY


def client_id(prefix: str, certificate: x509.Certificate, host: str) -> str:
    """Who we are to wallets, from our access certificate (§5.9.3). Raises `WalletError` where it is not for this host."""
    if prefix == "x509_hash":
        return f"x509_hash:{encoded(sha256(certificate.public_bytes(Encoding.DER)).digest())}"
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        hosts = []
    if host not in hosts:
        raise WalletError("certificate", "the access certificate is not for this host")
    return f"x509_san_dns:{host}"


def dcql(
    vct: Sequence[str], claims: Sequence[str] = CLAIMS, query: str = QUERY, control: Sequence[str] = ()
) -> dict[str, Any]:
    """The question (§6): one credential of these kinds, these of its claims; for one of these controls, where any is named."""
    paths: list[dict[str, Any]] = [{"path": [name]} for name in claims]
    if control:
        paths.append({"path": ["control"], "values": list(control)})
    asked = {"id": query, "format": FORMAT, "meta": {"vct_values": list(vct)}, "claims": paths}
    return {"credentials": [asked]}


def metadata(request: Request) -> dict[str, Any]:
    """What the wallet must know of us (§5.1, §11.1)."""
    signing = list(ALGORITHMS.values())
    told: dict[str, Any] = {
        "client_name": request.name,
        "vp_formats_supported": {FORMAT: {"sd-jwt_alg_values": signing, "kb-jwt_alg_values": signing}},
    }
    if request.encryption is not None:
        told["jwks"] = {"keys": [request.encryption]}
        told["encrypted_response_enc_values_supported"] = list(CONTENT)
    return told


def request_claims(request: Request, now: int) -> dict[str, Any]:
    """What a request object says; `now` in s since 1970."""
    return {
        "iss": request.client,
        "aud": SELF_ISSUED,
        "iat": now,
        "exp": now + MAX_AGE_S,
        "response_type": "vp_token",
        "response_mode": request.mode,
        "client_id": request.client,
        "response_uri": request.response_uri,
        "nonce": request.nonce,
        "state": request.state,
        "dcql_query": dcql(request.vct, request.claims, request.query, request.control),
        "client_metadata": metadata(request),
    }


def request_object(request: Request, key: ECKey, certificates: Sequence[x509.Certificate], now: int) -> str:
    """The request, signed by the key of our access certificate; `now` in s since 1970."""
    algorithm = ALGORITHMS[key.curve_name]
    x5c = [b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates]
    head = {"alg": algorithm, "typ": REQUEST_TYPE, "x5c": x5c}
    return jws.serialize_compact(head, msgspec.json.encode(request_claims(request, now)), key, algorithms=[algorithm])


def invitation(base: str, client: str, request_uri: str) -> str:
    """The link that opens a wallet: its address or scheme, who asks, and where the request is (RFC 9101 §5.2)."""
    joint = "&" if "?" in base else "?"
    return base + joint + urlencode({"client_id": client, "request_uri": request_uri})


def encryption_key() -> ECKey:
    """A key for one answer; the caller seals it."""
    return ECKey.generate_key("P-256", {"use": "enc", "alg": WRAPPING})


def public_jwk(private: ECKey) -> dict[str, Any]:
    """How a wallet is told of it."""
    return {**private.as_dict(private=False), "kid": private.thumbprint(), "use": "enc", "alg": WRAPPING}


class _Answer(msgspec.Struct, frozen=True, rename={"secret": "egide_secret"}):
    vp_token: dict[str, list[str]]
    state: str = ""
    secret: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What a wallet posted: one presentation, and what only its holder could add (border/token/), "" where nothing was.

    The secret is taken from an encrypted answer alone.
    """

    presentation: str
    secret: str = ""

    def __repr__(self) -> str:
        """Nothing of the answer: it is a person's."""
        return "Answer(…)"


def answer(body: bytes, request: Request, private: ECKey | None) -> str:
    """The one presentation in what a wallet posted. Raises `WalletError`."""
    return answered(body, request, private).presentation


def answered(body: bytes, request: Request, private: ECKey | None) -> Answer:
    """The one presentation in what a wallet posted, and its secret. Raises `WalletError`."""
    if len(body) > MAX_ANSWER:
        raise WalletError("too-large", f"an answer of more than {MAX_ANSWER} bytes")
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=16)
    except ValueError as error:
        raise WalletError("malformed", "an answer that is no form") from error
    told = {name: values[0] for name, values in form.items() if len(values) == 1}
    if "error" in told:  # an error may come unencrypted (§8.3.1)
        _same(told.get("state", ""), request.state)
        raise WalletError(
            "denied" if told["error"] == DENIED else "refused",
            "the person said no"
            if told["error"] == DENIED
            else "the wallet refuses, and says why in a word of its own",
        )
    if request.mode == "direct_post.jwt":
        if private is None or "response" not in told:
            raise WalletError("encryption", "an answer that should be encrypted and is not")
        found: _Answer = parsed(_decrypted(told["response"], private), _Answer, "the answer")
    else:
        inner = {"vp_token": msgspec.Raw(told.get("vp_token", "null").encode()), "state": told.get("state", "")}
        found = parsed(msgspec.json.encode(inner), _Answer, "the answer")
    _same(found.state, request.state)
    if found.vp_token.keys() != {request.query} or len(found.vp_token[request.query]) != 1:
        raise WalletError("malformed", "an answer with another number of presentations than one")
    return Answer(found.vp_token[request.query][0], found.secret)


def _same(given: str, state: str) -> None:
    if not hmac.compare_digest(given.encode(), state.encode()):
        raise WalletError("state", "an answer to another request")


class _JweHeader(msgspec.Struct, frozen=True):
    alg: str
    enc: str
    zip: str | None = None
    crit: list[str] | None = None


def _decrypted(token: str, private: ECKey) -> bytes:
    head = token.partition(".")[0]
    if len(token) > MAX_ANSWER or len(head) > MAX_JWE_HEADER or token.count(".") != 4:
        raise WalletError("encryption", "not an encrypted token")
    try:
        said: _JweHeader = parsed(decoded(head), _JweHeader, "the header")
    except ValueError as error:  # `WalletError` is one
        raise WalletError("encryption", "an encrypted token without a readable header") from error
    # A compressed token is refused before anything is unpacked.
    if said.alg != WRAPPING or said.enc not in CONTENT or said.zip is not None or said.crit is not None:
        raise WalletError("encryption", "an answer encrypted in a way that is not accepted")
    registry = jwe.JWERegistry(algorithms=[said.alg, said.enc], strict_check_header=False)
    registry.max_protected_header_length, registry.max_ciphertext_length = MAX_JWE_HEADER, MAX_ANSWER
    try:
        plain = jwe.decrypt_compact(token.encode(), private, registry=registry).plaintext
    except (JoseError, ValueError, TypeError, KeyError, AssertionError, RecursionError, InvalidTag) as error:
        raise WalletError("encryption", "not encrypted to the key of this request") from error
    if plain is None or len(plain) > MAX_TOKEN * 2:
        raise WalletError("too-large", "an answer that is too long")
    return plain
