"""Keys of the chip's access protocols, and the ciphers they use (ICAO Doc 9303 part 11 §4.3.3, §9.7, §9.8).

3DES and SHA-1 are what the standard prescribes for basic access, and what most passports in use still speak. They protect the
few seconds of reading, and nothing that is kept: what is read is proved by its signature.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.mrz import Mrz, check_digit

Suite = Literal["3des", "aes-128", "aes-192", "aes-256"]
SIZES: dict[Suite, int] = {"3des": 16, "aes-128": 16, "aes-192": 24, "aes-256": 32}  # bytes of a key
ENCRYPTION, MAC, PASSWORD = 1, 2, 3  # counters of the key derivation (§9.7.1)
MAC_BYTES = 8


class Password(msgspec.Struct, frozen=True):
    """What opens a chip: something printed on the document. `kind` is its reference in PACE (§4.4.4.1)."""

    kind: Literal["zone", "can"]
    secret: bytes

    @property
    def reference(self) -> int:
        """1 for the zone, 2 for the card access number."""
        return 1 if self.kind == "zone" else 2

    def __repr__(self) -> str:
        return f"Password(kind={self.kind!r})"


def of_zone(zone: Mrz) -> Password:
    """The password that number, birth and expiry of the zone are, each with its check digit (§9.7.2)."""
    parts = (zone.number.ljust(9, "<"), zone.birth, zone.expiry)
    text = "".join(each + check_digit(each) for each in parts)
    return Password("zone", hashlib.sha1(text.encode("ascii"), usedforsecurity=False).digest())


def of_can(number: str) -> Password:
    """The card access number printed on the front. Raises `EmrtdError`."""
    if not (number.isascii() and number.isdigit() and len(number) == 6):
        raise EmrtdError("malformed", "a card access number that has not six digits")
    return Password("can", number.encode("ascii"))


def derived(secret: bytes, counter: int, suite: Suite) -> bytes:
    """A key from a shared secret (§9.7.1)."""
    hashed = hashlib.sha256 if suite in {"aes-192", "aes-256"} else hashlib.sha1
    key = hashed(secret + counter.to_bytes(4, "big")).digest()[: SIZES[suite]]
    return _odd(key) if suite == "3des" else key


def padded(data: bytes, block: int) -> bytes:
    """Padding method 2 of ISO/IEC 9797-1: one bit, then zeros."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpadded(data: bytes) -> bytes:
    """Takes the padding off. Raises `EmrtdError`."""
    found = data.rstrip(b"\0")
    if not found.endswith(b"\x80"):
        raise EmrtdError("channel", "data without its padding")
    return found[:-1]


def block_of(suite: Suite) -> int:
    """Bytes of a block."""
    return 8 if suite == "3des" else 16


def encrypt(suite: Suite, key: bytes, data: bytes, start: bytes | None = None) -> bytes:
    """CBC over whole blocks; `start` None: zeros."""
    done = _cipher(suite, key, start).encryptor()
    return done.update(data) + done.finalize()


def decrypt(suite: Suite, key: bytes, data: bytes, start: bytes | None = None) -> bytes:
    """CBC over whole blocks; `start` None: zeros. Raises `EmrtdError`."""
    if not data or len(data) % block_of(suite):
        raise EmrtdError("channel", "sealed data that is not of whole blocks")
    done = _cipher(suite, key, start).decryptor()
    return done.update(data) + done.finalize()


def block(key: bytes, data: bytes) -> bytes:
    """One block through AES."""
    done = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305 (one block: how §9.8.6.1 makes a start from a counter)
    return done.update(data) + done.finalize()


def checksum(suite: Suite, key: bytes, data: bytes) -> bytes:
    """Eight bytes: the retail MAC over whole blocks (ISO/IEC 9797-1 algorithm 3), or CMAC over anything."""
    if suite != "3des":
        mac = CMAC(AES(key))
        mac.update(data)
        return mac.finalize()[:MAC_BYTES]
    # Single DES along the chain, 3DES for the last block. The library has no single DES; three equal keys are one.
    start = encrypt("3des", key[:8] * 2, data[:-8])[-8:] if len(data) > 8 else None
    return encrypt("3des", key, data[-8:], start)


def _cipher(suite: Suite, key: bytes, start: bytes | None) -> Cipher[modes.CBC]:
    mode = modes.CBC(start or bytes(block_of(suite)))
    return Cipher(TripleDES(key + key[:8]) if suite == "3des" else AES(key), mode)


def _odd(key: bytes) -> bytes:
    """Each byte with an odd number of ones, as DES has its keys."""
    return bytes(each & 0xFE | (each >> 1).bit_count() % 2 ^ 1 for each in key)
