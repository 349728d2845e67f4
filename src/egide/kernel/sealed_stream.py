"""A stream sealed under a passphrase, by the block: what the backup of the keys is written through.

Why by the block: nothing is given out that was not authenticated, and neither side holds the whole. Each block has a nonce of
prefix ‖ number ‖ last, so that blocks cannot be moved, left out or cut off (STREAM: Hoang, Reyhanitabar, Rogaway, Vizár 2015);
the header is bound to every block. Sources: scrypt RFC 7914, cost of the OWASP cheat sheet; AES-256-GCM NIST SP 800-38D.

    "egide sealed 1" LF ‖ salt (16) ‖ prefix (7) ‖ blocks of `BLOCK` bytes and a tag each; the last is shorter or empty
"""

from __future__ import annotations

import os
from hashlib import scrypt
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from egide.kernel.bundle import BundleError
from egide.kernel.errors import Text
from egide.kernel.keyfile import KEY_SIZE, SCRYPT_MEMORY, SCRYPT_N, SCRYPT_P, SCRYPT_R

MAGIC = b"egide sealed 1\n"
SALT, PREFIX = 16, 7  # bytes
HEADER = len(MAGIC) + SALT + PREFIX
BLOCK = 256 * 1024  # bytes of plaintext
TAG = 16  # bytes, NIST SP 800-38D §5.2.1.2
MAX_BLOCKS = 1 << 32


class Sealing:
    """Takes plaintext, writes sealed blocks; `close` writes the last, without which nothing opens."""

    def __init__(self, out: BinaryIO, passphrase: bytes) -> None:
        self._out = out
        self._header = MAGIC + os.urandom(SALT) + os.urandom(PREFIX)
        self._cipher = _cipher(passphrase, self._header)
        self._waiting = bytearray()
        self._number = 0
        out.write(self._header)

    def write(self, data: bytes) -> Any:
        """Takes the next bytes."""
        self._waiting += data
        while len(self._waiting) > BLOCK:
            self._block(bytes(self._waiting[:BLOCK]), last=False)
            del self._waiting[:BLOCK]

    def close(self) -> None:
        """Writes the last block."""
        self._block(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _block(self, content: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._header, self._number, last=last), content, self._header))
        self._number += 1


class Opening:
    """Reads what `Sealing` wrote. Raises `BundleError` for a wrong passphrase or any changed bit."""

    def __init__(self, source: BinaryIO, passphrase: bytes) -> None:
        self._source = source
        self._header = source.read(HEADER)
        if len(self._header) != HEADER or not self._header.startswith(MAGIC):
            raise BundleError(
                Text("Ce n’est pas une sauvegarde de clés.", "This is not a backup of keys."), member="header"
            )
        self._cipher = _cipher(passphrase, self._header)
        self._ahead = source.read(BLOCK + TAG)
        self._ready = bytearray()
        self._number = 0
        self._over = False

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        while len(self._ready) < size and not self._over:
            self._open()
        found = bytes(self._ready[:size])
        del self._ready[:size]
        return found

    def _open(self) -> None:
        block, self._ahead = self._ahead, self._source.read(BLOCK + TAG)
        self._over = not self._ahead
        try:
            self._ready += self._cipher.decrypt(
                _nonce(self._header, self._number, last=self._over), block, self._header
            )
        except (InvalidTag, ValueError):
            where = f"block {self._number}"
            raise BundleError(
                Text(
                    f"Sauvegarde de clés : phrase de passe fausse, ou bloc {self._number} modifié.",
                    f"Backup of keys: wrong passphrase, or block {self._number} was changed.",
                ),
                Text(
                    "Vérifiez la phrase de passe, prenez une autre copie.", "Check the passphrase, take another copy."
                ),
                member=where,
            ) from None
        self._number += 1


def _cipher(passphrase: bytes, header: bytes) -> AESGCM:
    salt = header[len(MAGIC) : len(MAGIC) + SALT]
    return AESGCM(
        scrypt(passphrase, salt=salt, maxmem=SCRYPT_MEMORY, dklen=KEY_SIZE, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    )


def _nonce(header: bytes, number: int, *, last: bool) -> bytes:
    if number >= MAX_BLOCKS:
        raise ValueError("a sealed stream holds a pebibyte")
    return header[-PREFIX:] + number.to_bytes(4, "big") + bytes([last])
