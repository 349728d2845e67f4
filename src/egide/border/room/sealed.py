"""Sealing to a P-256 key: compact JWE, ECDH-ES and A256GCM (RFC 7516, RFC 7518 §4.6), as OpenID4VP 1.0 §8.3 has wallets do.

A gate's frames, a kiosk's chip files and a wallet's secrets are sealed to the room's key; what an officer sees is sealed to the
tablet's. Compressed or oddly wrapped tokens are refused before anything is unpacked.
"""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from egide.protocols.vapid import decoded

WRAPPING, CONTENT = "ECDH-ES", "A256GCM"
MAX_SEALED = 6 * 1024 * 1024  # characters; a frame of 4 MB
MAX_HEADER = 4096  # characters
PARTS = 5  # of a compact JWE


class SealError(ValueError):
    """Not sealed to this key, or not in this way. Says nothing of what it holds."""


class _Header(msgspec.Struct, frozen=True):
    alg: str
    enc: str
    zip: str | None = None
    crit: list[str] | None = None


def opened(token: str, private: ECKey, limit: int = MAX_SEALED) -> bytes:
    """What was sealed to the private key. Raises `SealError`."""
    head = token.partition(".")[0]
    if len(token) > limit or len(head) > MAX_HEADER or token.count(".") != PARTS - 1 or not token.isascii():
        raise SealError("not a sealed thing")
    try:
        said = msgspec.json.decode(decoded(head), type=_Header)
    except (ValueError, RecursionError) as error:
        raise SealError("a sealed thing without a readable header") from error
    if said.alg != WRAPPING or said.enc != CONTENT or said.zip is not None or said.crit is not None:
        raise SealError("sealed in a way that is not accepted")
    try:
        plain = jwe.decrypt_compact(token.encode(), private, registry=_registry(limit)).plaintext
    except (JoseError, ValueError, TypeError, KeyError, AssertionError, RecursionError, InvalidTag) as error:
        raise SealError("not sealed to this key") from error
    if plain is None:
        raise SealError("nothing in it")
    return plain


def sealed(plain: bytes, public: dict[str, Any]) -> str:
    """`plain` for the holder of this public key (a JWK on P-256) alone. Raises `SealError` for a key that is none."""
    try:
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": public["x"], "y": public["y"]})
        return jwe.encrypt_compact({"alg": WRAPPING, "enc": CONTENT}, plain, key, registry=_registry(MAX_SEALED))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise SealError("not a key to seal to") from error


def _registry(limit: int) -> jwe.JWERegistry:
    registry = jwe.JWERegistry(algorithms=[WRAPPING, CONTENT], strict_check_header=False)
    registry.max_protected_header_length, registry.max_ciphertext_length = MAX_HEADER, limit
    return registry
