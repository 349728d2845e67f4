"""Keys on P-256, the names they go by, and compact signed tokens (JWS, RFC 7515) made with a key that stays where it is.

A signature is r ‖ s, 32 bytes each, as JOSE (RFC 7518 §3.4) and COSE (RFC 9053 §2.1) want it; libraries and hardware give it in
DER.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from egide.protocols.vapid import encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.tokens import ALGORITHMS, Jwk, Key, key_of

CURVE = "P-256"
ALGORITHM = ALGORITHMS[CURVE]
HALF = 32  # bytes of each coordinate, and of r and s
KID_BYTES = 12  # of SHA-256: 96 bits name a key among thousands, and fit a bytes32 of the consortium's ledger

Signer = Callable[[bytes], bytes]
"""Signs a message with ECDSA on P-256 over SHA-256; gives r ‖ s, 64 bytes."""


def local(key: EllipticCurvePrivateKey) -> Signer:
    """The signer of a key in memory."""

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256())))
        return r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big")

    return sign


def jwk_of(key: EllipticCurvePublicKey) -> Jwk:
    """A public key as a JWK (RFC 7518 §6.2.1)."""
    x, y = _coordinates(key)
    return Jwk("EC", CURVE, encoded(x), encoded(y))


def public_of(jwk: Jwk) -> EllipticCurvePublicKey:
    """The key of a JWK on P-256. Raises `WalletError` (algorithm, malformed)."""
    if jwk.crv != CURVE:
        raise WalletError("algorithm", "a key of another curve than P-256")
    return key_of(jwk).public


def key_digest(key: EllipticCurvePublicKey) -> bytes:
    """SHA-256 of x ‖ y, 32 bytes."""
    return sha256(b"".join(_coordinates(key))).digest()


def kid_bytes(key: EllipticCurvePublicKey) -> bytes:
    """The name of a key, 12 bytes."""
    return key_digest(key)[:KID_BYTES]


def kid_of(key: EllipticCurvePublicKey) -> str:
    """The name of a key, 16 characters of base64url."""
    return encoded(kid_bytes(key))


def verifying(key: EllipticCurvePublicKey) -> Key:
    """A key as `protocols/wallet` verifies with it, under its own name."""
    return Key(kid_of(key), ALGORITHM, key)


def compact(head: Mapping[str, Any], body: Mapping[str, Any], signer: Signer) -> str:
    """A signed token: `head` without `alg`, which is ES256."""
    parts = ({"alg": ALGORITHM, **head}, body)
    signed = ".".join(encoded(msgspec.json.encode(each)) for each in parts)
    return f"{signed}.{encoded(signer(signed.encode('ascii')))}"


def public_members(jwk: Jwk) -> dict[str, str]:
    """What of a key may stand in a token: no name by which one wallet could be told from another."""
    return {"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y}


def _coordinates(key: EllipticCurvePublicKey) -> tuple[bytes, bytes]:
    numbers = key.public_numbers()
    return numbers.x.to_bytes(HALF, "big"), numbers.y.to_bytes(HALF, "big")
