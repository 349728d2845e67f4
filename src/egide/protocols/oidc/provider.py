"""What a provider says of itself: where its endpoints are (OpenID Connect Discovery 1.0) and its public keys (RFC 7517).

Both are strangers' bytes: bounded, every address https (or loopback), every key of a kind and a length that we take. Private and
symmetric keys in a public document are dropped, so that nothing but the client's own secret can ever verify an HMAC.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from egide.protocols.oidc.errors import OidcError

MAX_DOCUMENT = 64 * 1024  # bytes; FranceConnect's discovery document has 3 KB, its keys 1 KB
MAX_ADDRESS = 2048  # characters
MAX_KEYS = 64
MODULUS = (256, 1024)  # bytes of an RSA modulus: 2048 bits by NIST SP 800-131A, 8192 so that nobody keeps us busy
MAX_EXPONENT = 4  # bytes; 65537 has 3
WELL_KNOWN = "/.well-known/openid-configuration"

PublicKey = RSAKey | ECKey | OKPKey


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a discovery document that a relying party needs (Discovery 1.0 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    code_challenge_methods_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False  # RFC 9207 §3

    @property
    def pkce(self) -> bool:
        """Whether it says that it checks S256."""
        return "S256" in self.code_challenge_methods_supported


class _Jwk(msgspec.Struct, frozen=True):
    """The public members of a key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2)."""

    kty: str
    kid: str = ""
    use: str = ""
    alg: str = ""
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


class Key(msgspec.Struct, frozen=True):
    """One public key that verifies signatures; `algorithms` are those that it may be used with."""

    kid: str
    algorithms: tuple[str, ...]
    public: PublicKey


def address(text: str) -> str:
    """The address, once it is https, or http on loopback; no user, no fragment, nothing odd. Raises `OidcError`."""
    if not 0 < len(text) <= MAX_ADDRESS or not all("!" <= character <= "~" for character in text):
        raise OidcError("address", "an address that is empty, too long or oddly written")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise OidcError("address", "an address that cannot be read") from error
    if not host or parts.username is not None or parts.password is not None or "#" in text or "\\" in text:
        raise OidcError("address", "an address with a user or a fragment, or without a host")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback(text)):
        raise OidcError("address", "an address that is neither https nor http on this machine")
    return text


def loopback(text: str) -> bool:
    """Whether the address is on this machine."""
    host = urlsplit(text).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def discovery(document: bytes, issuer: str) -> Discovery:
    """Reads the discovery document of `issuer`; it must say the same of itself (Discovery 1.0 §4.3). Raises `OidcError`."""
    if len(document) > MAX_DOCUMENT:
        raise OidcError("too-large", f"a discovery document of more than {MAX_DOCUMENT} bytes")
    try:
        found = msgspec.json.decode(document, type=Discovery)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OidcError("malformed", "the discovery document cannot be read") from error
    if found.issuer != issuer:
        raise OidcError("issuer", "the discovery document is of another issuer")
    for each in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
        address(each)
    for each in (found.userinfo_endpoint, found.end_session_endpoint):
        if each:
            address(each)
    return found


def keys(document: bytes) -> tuple[Key, ...]:
    """Reads a key set; keys of other kinds or uses, too short or damaged, are left out. Raises `OidcError`."""
    if len(document) > MAX_DOCUMENT:
        raise OidcError("too-large", f"a key set of more than {MAX_DOCUMENT} bytes")
    try:
        raw = msgspec.json.decode(document, type=_Jwks).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OidcError("malformed", "the key set cannot be read") from error
    if len(raw) > MAX_KEYS:
        raise OidcError("too-large", f"a key set of more than {MAX_KEYS} keys")
    return tuple(key for each in raw if (key := _key(each)) is not None)


def _key(raw: msgspec.Raw) -> Key | None:
    try:
        jwk = msgspec.json.decode(raw, type=_Jwk)
        if jwk.use not in ("", "sig"):
            return None
        algorithms, public = _public(jwk)
    except (
        ValueError,
        TypeError,
        RecursionError,
        JoseError,
    ):  # a key that we do not understand is one that we do not use
        return None
    usable = tuple(name for name in algorithms if jwk.alg in ("", name, "Ed25519" if name == "EdDSA" else name))
    return Key(jwk.kid, usable, public) if usable else None


def _public(jwk: _Jwk) -> tuple[tuple[str, ...], PublicKey]:
    if jwk.kty == "RSA":
        if not MODULUS[0] <= _length(jwk.n) <= MODULUS[1] or _length(jwk.e) > MAX_EXPONENT:
            raise ValueError("an RSA key that is too short or too long")
        return ("RS256", "PS256"), RSAKey.import_key({"kty": "RSA", "n": jwk.n, "e": jwk.e})
    if jwk.kty == "EC" and jwk.crv == "P-256":
        return ("ES256",), ECKey.import_key({"kty": "EC", "crv": "P-256", "x": jwk.x, "y": jwk.y})
    if jwk.kty == "OKP" and jwk.crv == "Ed25519":
        return ("EdDSA",), OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": jwk.x})
    raise ValueError("a kind of key that signs nothing here")


def _length(text: str) -> int:
    """Bytes of a number in base64url, without the zeros before it."""
    return len(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).lstrip(b"\0"))
