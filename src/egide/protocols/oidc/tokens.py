"""Opens a signed or encrypted token (JWS, RFC 7515; nested in JWE, RFC 7516), and says nothing of what stands in it.

joserfc does the cryptography. What is decided here is what attacks aim at (RFC 8725): the algorithm comes from our list, never
from the token alone; a public key verifies only what its own kind signs, an HMAC only under the client's secret; “none” is not
in the list; a compressed or password-encrypted token is refused before anything is unpacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from egide.protocols.oidc.errors import OidcError
from egide.protocols.oidc.provider import Key, PublicKey
from egide.protocols.vapid import decoded, encoded

MAX_TOKEN = 32 * 1024  # characters; an encrypted ID token of FranceConnect+ has 2,000
MAX_HEADER = 2048  # characters, in base64url
SHORTEST_SECRET = 32  # bytes a secret must have to verify an HS256 (RFC 7518 §3.2)
WRAPPING = ("RSA-OAEP", "RSA-OAEP-256", "ECDH-ES")  # FranceConnect+: RSA-OAEP or ECDH-ES
CONTENT = ("A256GCM", "A128GCM", "A128CBC-HS256", "A256CBC-HS512")

PrivateKey = RSAKey | ECKey


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""
    enc: str = ""
    zip: str | None = None
    crit: list[str] | None = None


class _Registry(jws.JWSRegistry):
    """joserfc's, with our limits, and silent on EdDSA: FranceConnect's peers sign with it under that name (RFC 8037)."""

    max_header_length = MAX_HEADER
    max_payload_length = MAX_TOKEN

    def get_alg(self, name: str) -> Any:
        """The one algorithm that was chosen before."""
        if self.allowed is None or name not in self.allowed:
            raise JoseError("another algorithm")
        return self.algorithms[name]


class Keyring(msgspec.Struct, frozen=True):
    """What opens tokens: the provider's keys, our secret (for HS256), our private keys (for what is encrypted to us)."""

    public: tuple[Key, ...]
    secret: str = ""
    private: tuple[PrivateKey, ...] = ()

    def __repr__(self) -> str:
        return f"Keyring({len(self.public)} public keys)"  # the secret stays out of logs


def _header(token: str) -> _Header:
    head = token.partition(".")[0]
    if len(head) > MAX_HEADER:
        raise OidcError("too-large", f"a token header of more than {MAX_HEADER} characters")
    try:
        found = msgspec.json.decode(decoded(head), type=_Header)
    except (ValueError, RecursionError) as error:
        raise OidcError("malformed", "a token without a readable header") from error
    if found.crit is not None:
        raise OidcError("malformed", "a token that asks for an extension we do not have")
    return found


def opened(token: str, ring: Keyring, allowed: Sequence[str], *, encrypted: bool = False) -> tuple[bytes, str, str]:
    """(payload, its algorithm, the signed token itself) of a token that one of the keys signed. Raises `OidcError`.

    `encrypted`: it must come encrypted to us; otherwise it must not.
    """
    if len(token) > MAX_TOKEN:
        raise OidcError("too-large", f"a token of more than {MAX_TOKEN} characters")
    if (token.count(".") == 4) != encrypted:
        raise OidcError("encryption", "the token is encrypted and should not be, or is not and should be")
    if encrypted:
        token = _decrypted(token, ring.private)
    if token.count(".") != 2:
        raise OidcError("malformed", "not a signed token")
    head = _header(token)
    algorithm = "EdDSA" if head.alg == "Ed25519" else head.alg  # RFC 9864 §2.2: the same, by its new name
    if algorithm not in allowed:
        raise OidcError("algorithm", "the token is signed by an algorithm that is not accepted")
    registry = _Registry(algorithms=[head.alg], strict_check_header=False)
    for key in _candidates(ring, algorithm, head.kid):
        try:
            return jws.deserialize_compact(token.encode(), key, registry=registry).payload, algorithm, token
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            continue
    raise OidcError("signature", "no key of the provider’s signed this token")


def _candidates(ring: Keyring, algorithm: str, kid: str) -> list[OctKey | PublicKey]:
    if algorithm == "HS256":
        secret = ring.secret.encode()
        if len(secret) < SHORTEST_SECRET:
            raise OidcError("key", f"HS256 needs a secret of {SHORTEST_SECRET} bytes or more")
        return [OctKey.import_key({"kty": "oct", "k": encoded(secret)})]
    fitting = [key for key in ring.public if algorithm in key.algorithms]
    named = [key for key in fitting if key.kid == kid] if kid else fitting
    if not named:
        raise OidcError("key", "no key of the provider’s has this name and this kind")
    return [key.public for key in named]


def _decrypted(token: str, private: Sequence[PrivateKey]) -> str:
    head = _header(token)
    if head.zip is not None or head.alg not in WRAPPING or head.enc not in CONTENT:
        raise OidcError("encryption", "the token is encrypted in a way that is not accepted")
    registry = jwe.JWERegistry(algorithms=[head.alg, head.enc], strict_check_header=False)
    kind = ECKey if head.alg.startswith("ECDH") else RSAKey
    for key in private:
        if not isinstance(key, kind):
            continue
        try:
            inside = jwe.decrypt_compact(token.encode(), key, registry=registry).plaintext
            return (inside or b"").decode("ascii")
        except (JoseError, ValueError, TypeError, KeyError, AssertionError, RecursionError, InvalidTag):
            continue
    raise OidcError("encryption", "the token is not encrypted to a key of ours")
