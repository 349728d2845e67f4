"""A key sealed by a browser for the platform: an exchange on P-256, a key of it by HKDF, AES-256-GCM.

So that a queue that was exported, encrypted, from a device opens for who holds the platform's half, and for nobody else.
Source: NIST SP 800-56A (ECDH), RFC 5869 (HKDF with SHA-256), NIST SP 800-38D; the same calls as W3C Web Cryptography's.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

KEY_SIZE, NONCE_SIZE = 32, 12  # bytes
INFO = b"egide-escrow/1"


class EscrowError(ValueError):
    """Bytes that were not sealed for this key and this device."""


def pair() -> tuple[bytes, bytes]:
    """(the private half, PKCS #8; the public half, an uncompressed point)."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def opened(private: bytes, device: str, point: bytes, iv: bytes, data: bytes) -> bytes:
    """The key of `KEY_SIZE` bytes that a device sealed. Raises `EscrowError`."""
    mine = load_der_private_key(private, None)
    if not isinstance(mine, ec.EllipticCurvePrivateKey) or len(iv) != NONCE_SIZE:
        raise EscrowError("not of this exchange")
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        key = AESGCM(_derived(mine.exchange(ec.ECDH(), theirs))).decrypt(iv, data, device.encode())
    except (ValueError, InvalidTag) as error:
        raise EscrowError("not sealed for this key and this device") from error
    if len(key) != KEY_SIZE:
        raise EscrowError("not a key")
    return key


def sealed(public: bytes, device: str, key: bytes, iv: bytes) -> tuple[bytes, bytes]:
    """(the device's point, the ciphertext): what a browser does."""
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    mine = ec.generate_private_key(ec.SECP256R1())
    data = AESGCM(_derived(mine.exchange(ec.ECDH(), theirs))).encrypt(iv, key, device.encode())
    return mine.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), data


def _derived(shared: bytes) -> bytes:
    return HKDF(SHA256(), KEY_SIZE, b"", INFO).derive(shared)
