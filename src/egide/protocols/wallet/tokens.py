"""Signed tokens of wallets and issuers (JWS, RFC 7515) and the keys that verify them, over the library `cryptography`.

What is decided here is what attacks aim at (RFC 8725): the type must be the one expected, the algorithm is the one of the key's
own curve and never the token's choice alone, “none” and HMAC are in no list, and no extension is taken (`crit`).
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import Annotated, Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError

MAX_HEADER = 24 * 1024  # characters in base64url: a chain of four certificates has 8,000
MAX_TOKEN = 64 * 1024  # characters; a credential of identification data (PID) signed for thirty claims has 4,000
MAX_LIST = (
    2 * 1024 * 1024
)  # characters of the largest token, a status list: a bit for each of ten million, hardly compressible
MAX_CHAIN = 4  # certificates in `x5c`
MAX_KEYS = 64  # of a key set
ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}  # RFC 7518 §3.4


class Scheme(NamedTuple):
    """How an algorithm signs: ECDSA with a hash, and how many bytes r and s have each."""

    ecdsa: ECDSA
    half: int


CURVES: dict[str, EllipticCurve] = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}
SCHEMES = {
    "ES256": Scheme(ECDSA(SHA256()), 32),
    "ES384": Scheme(ECDSA(SHA384()), 48),
    "ES512": Scheme(ECDSA(SHA512()), 66),
}
BASE64URL = bytes.maketrans(b"-_+/", b"+/!!")  # its letters to base64’s, and those that only base64 has to none

Second = Annotated[float, msgspec.Meta(ge=0, le=1 << 40)]  # RFC 7519 §2, NumericDate: may have a fraction


class Header(msgspec.Struct, frozen=True):
    """What a signed token says of itself."""

    alg: str
    typ: str = ""
    kid: str = ""
    x5c: tuple[str, ...] = ()
    crit: list[str] | None = None


class Jwk(msgspec.Struct, frozen=True):
    """The public members of an elliptic-curve key (RFC 7518 §6.2.1); every other member is left aside."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str = ""
    use: str = ""


class Key(msgspec.Struct, frozen=True):
    """One public key, the one algorithm that it verifies, and its name."""

    kid: str
    algorithm: str
    public: EllipticCurvePublicKey


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


def header(token: str, typ: str, limit: int = MAX_TOKEN) -> Header:
    """The header of a token of this type, of at most so many characters. Raises `WalletError`."""
    if len(token) > limit:
        raise WalletError("too-large", f"a token of more than {limit} characters")
    head = token.partition(".")[0]
    if token.count(".") != 2 or len(head) > MAX_HEADER:
        raise WalletError("malformed", "not a signed token")
    try:
        found = msgspec.json.decode(decoded(head), type=Header)
    except (ValueError, RecursionError) as error:
        raise WalletError("malformed", "a token without a readable header") from error
    if found.crit is not None:
        raise WalletError("malformed", "a token that asks for an extension we do not have")
    if found.typ != typ:
        raise WalletError("type", f"a token that does not say that it is “{typ}”")
    return found


def payload(token: str, said: Header, key: Key) -> bytes:
    """What the key signed. Raises `WalletError` (algorithm, signature)."""
    if said.alg != key.algorithm:
        raise WalletError("algorithm", "signed by an algorithm that is not the key’s")
    scheme = SCHEMES[key.algorithm]
    signed, _, signature = token.rpartition(".")
    try:
        raw, body = strictly(signature), strictly(signed.partition(".")[2])
        if len(raw) != 2 * scheme.half:
            raise WalletError("signature", "a signature of another length than the key’s")
        r, s = (int.from_bytes(raw[at : at + scheme.half], "big") for at in (0, scheme.half))
        key.public.verify(encode_dss_signature(r, s), signed.encode("ascii"), scheme.ecdsa)
    except InvalidSignature as error:
        raise WalletError("signature", "the signature is not the key’s") from error
    return body


def strictly(text: str) -> bytes:
    """Base64url without padding and without any other letter (RFC 7515 §2). Raises `WalletError` (signature)."""
    try:
        return a2b_base64(text.encode("ascii").translate(BASE64URL) + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:
        raise WalletError("signature", "a signed token that cannot be read") from error


def key_of(jwk: Jwk) -> Key:
    """An elliptic-curve key of a curve that we take. Raises `WalletError`."""
    algorithm = ALGORITHMS.get(jwk.crv)
    if jwk.kty != "EC" or algorithm is None or jwk.use not in ("", "sig"):
        raise WalletError("algorithm", "a key of a kind that signs nothing here")
    try:
        x, y = (int.from_bytes(decoded(each), "big") for each in (jwk.x, jwk.y))
        public = EllipticCurvePublicNumbers(
            x, y, CURVES[jwk.crv]
        ).public_key()  # finds a point that is not on the curve
    except ValueError as error:
        raise WalletError("malformed", "a key that is none") from error
    return Key(jwk.kid, algorithm, public)


def keys(document: bytes) -> tuple[Key, ...]:
    """The keys of a set (RFC 7517 §5) that we can use; others are left out. Raises `WalletError`."""
    if len(document) > MAX_TOKEN:
        raise WalletError("too-large", f"a key set of more than {MAX_TOKEN} bytes")
    try:
        raw = msgspec.json.decode(document, type=_Jwks).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WalletError("malformed", "the key set cannot be read") from error
    found: list[Key] = []
    for each in raw[:MAX_KEYS]:
        try:
            found.append(key_of(msgspec.json.decode(each, type=Jwk)))
        except (
            WalletError,
            msgspec.DecodeError,
            RecursionError,
        ):  # a key that we do not understand is one we do not use
            continue
    return tuple(found)


def parsed(data: bytes, shape: Any, what: str) -> Any:
    """JSON as a struct. Raises `WalletError`: `what` cannot be read."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WalletError("malformed", f"{what} cannot be read, or lacks what it must have") from error
