"""Who asks a push service to wake a device: the signed header of a push message without content (RFC 8292, “VAPID”).

A message without a body needs no encryption (RFC 8030 §5; RFC 8291 is for bodies): all that leaves the house is the device's own
address at its push service, and this header. Pure: the key is the caller's.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LONGEST_S = 24 * 3600  # s a token may live, RFC 8292 §2
HALF = 32  # bytes of r and of s, RFC 7518 §3.4


def encoded(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """The bytes of `encoded`; raises `ValueError`."""
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))


def public(key: EllipticCurvePublicKey) -> bytes:
    """The key as push services and browsers take it: an uncompressed point of P-256, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def authorization(key: EllipticCurvePrivateKey, endpoint: str, subject: str, expires: int) -> str:
    """The Authorization header. `subject`: a mailto: or https: address of the operator; `expires`: s since 1970."""
    where = urlsplit(endpoint)
    claims = {"aud": f"{where.scheme}://{where.netloc}", "exp": expires, "sub": subject}
    parts = [{"typ": "JWT", "alg": "ES256"}, claims]
    signed = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    r, s = decode_dss_signature(key.sign(signed.encode(), ECDSA(SHA256())))
    token = f"{signed}.{encoded(r.to_bytes(HALF, 'big') + s.to_bytes(HALF, 'big'))}"
    return f"vapid t={token}, k={encoded(public(key.public_key()))}"


def verify(header: str, audience: str, now: int) -> str:
    """The subject of a valid header, for a push service; raises `ValueError` saying what is wrong."""
    if not header.startswith("vapid "):
        raise ValueError("not the vapid scheme")
    fields = dict(part.strip().partition("=")[::2] for part in header.removeprefix("vapid ").split(","))
    try:
        head, body, signature = fields["t"].split(".")
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), decoded(fields["k"]))
        claims, kind = json.loads(decoded(body)), json.loads(decoded(head))
        raw = decoded(signature)
        if kind.get("alg") != "ES256" or len(raw) != 2 * HALF:
            raise ValueError("not ES256")
        pair = encode_dss_signature(int.from_bytes(raw[:HALF], "big"), int.from_bytes(raw[HALF:], "big"))
        key.verify(pair, f"{head}.{body}".encode(), ECDSA(SHA256()))
        if claims["aud"] != audience or not now < claims["exp"] <= now + LONGEST_S:
            raise ValueError("for another service, or out of date")
        return str(claims["sub"])
    except (KeyError, TypeError, AttributeError, UnicodeError, RecursionError, InvalidSignature) as error:
        raise ValueError(f"unreadable: {error}") from error
