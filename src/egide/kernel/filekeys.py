"""Keys in files of the data folder: what an installation without a security module has.

    vault/kek.key            the key-encryption key (kernel/keyfile.py)
    keys/ledger-<realm>.key  the ledger's signing key (PKCS #8)

Wrapping is AES-256-GCM (NIST SP 800-38D): nonce (12 bytes) ‖ ciphertext and tag.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from egide.kernel.checkpoint import Signer
from egide.kernel.errors import StartupError, Text
from egide.kernel.keyfile import NONCE_SIZE, load_kek
from egide.kernel.keys import Wrapper
from egide.kernel.vault import SigningKey


class FileWrapper:
    """The key-encryption key in memory."""

    name = "kek.key"

    def __init__(self, path: Path, kek: bytes) -> None:
        self.place = str(path)
        self._kek = kek
        self._cipher = AESGCM(kek)

    def wrap(self, secret: bytes, aad: bytes) -> bytes:
        """Some 2 µs."""
        nonce = os.urandom(NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, secret, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes | None:
        """The secret, or None."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], aad)
        except (InvalidTag, ValueError):  # ValueError: cut so short that not even a nonce is left
            return None

    def derive(self, label: bytes) -> bytes:
        """HMAC-SHA-256 under the key-encryption key."""
        return hmac.digest(self._kek, label, "sha256")

    def close(self) -> None:
        """Nothing is held open."""


class FileKeys:
    """The key files of one realm in a data folder."""

    def __init__(self, folder: Path, realm: str, passphrase: bytes | None = None) -> None:
        self._kek = folder / "vault" / "kek.key"
        self._ledger = folder / "keys" / f"ledger-{realm}.key"
        self._folder = folder
        self._passphrase = passphrase

    def wrapper(self, *, may_create: bool) -> Wrapper:
        """Reads `kek.key`."""
        self._kek.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileWrapper(self._kek, load_kek(self._kek, self._passphrase, may_create=may_create))

    def signer(self, name: str, *, may_create: bool) -> Signer:
        """Reads the ledger's key."""
        if not may_create and not self._ledger.exists():
            raise StartupError(
                Text("La clé de signature du registre a disparu.", "The ledger’s signing key is gone."),
                Text(
                    "Remettez-la depuis la sauvegarde : une autre clé ferait douter de tout ce qui précède.",
                    "Restore it from backup: another key would cast doubt on all that precedes.",
                ),
                file=str(self._ledger),
            )
        return SigningKey.load_or_create(self._ledger, name)

    def absent(self) -> list[str]:
        """The files that are not there, by their place in the data folder."""
        return [str(file.relative_to(self._folder)) for file in (self._kek, self._ledger) if not file.exists()]
