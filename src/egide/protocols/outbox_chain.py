"""The chain of what a device did without network: each entry names the one before by its hash and is signed by the device's key.

Taken out, put in, changed or put in another order, an entry no longer fits: who receives it sees where. What is signed, and
hashed for the next entry to name, is

    egide-outbox/1 ‖ LF ‖ device ‖ LF ‖ id ‖ LF ‖ seq ‖ LF ‖ prev ‖ LF ‖ SHA-256(body), in hexadecimal

in ASCII; the first entry names START. Source: ECDSA over P-256 with SHA-256 (FIPS 186-5), the signature as WebCrypto gives it:
r ‖ s, 32 bytes each (IEEE P1363).
"""

from __future__ import annotations

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

START = "0" * 64  # what the first entry names
POINT_SIZE = 65  # bytes of an uncompressed point (SEC 1, 2.3.3)
SIGNATURE_SIZE = 64  # bytes
_HALF = 32


class ChainError(ValueError):
    """Bytes that are no key of this chain."""


def message(device: str, id_: str, seq: int, prev: str, body: bytes) -> bytes:
    """What a device signs of an entry."""
    return f"egide-outbox/1\n{device}\n{id_}\n{seq}\n{prev}\n{sha256(body).hexdigest()}".encode()


def link(signed: bytes) -> str:
    """What the next entry names: SHA-256 of what was signed, in hexadecimal."""
    return sha256(signed).hexdigest()


def key_of(point: bytes) -> EllipticCurvePublicKey:
    """A device's public key. Raises `ChainError` where the bytes are no point of P-256."""
    if len(point) != POINT_SIZE:
        raise ChainError("not an uncompressed point of P-256")
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except ValueError as error:
        raise ChainError("not a point of P-256") from error


def holds(key: EllipticCurvePublicKey, signed: bytes, signature: bytes) -> bool:
    """Whether the device signed it."""
    if len(signature) != SIGNATURE_SIZE:
        return False
    r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    try:
        key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
