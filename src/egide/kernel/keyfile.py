"""Key files: mode 0600, written once and durably, never readable by other accounts; the vault's key-encryption key.

Sources: scrypt is RFC 7914, its cost the OWASP password storage cheat sheet's; AES-256-GCM is NIST SP 800-38D.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from hashlib import scrypt
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from egide.kernel.errors import StartupError, Text

KEY_SIZE = 32  # bytes, AES-256
NONCE_SIZE = 12  # bytes, NIST SP 800-38D §8.2
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 17, 8, 1  # OWASP password storage cheat sheet; 128 MiB, about 0.3 s
SCRYPT_MEMORY = 256 * 1024 * 1024  # bytes, what hashlib may take
PRIVATE = 0o600


class _KekFile(msgspec.Struct, forbid_unknown_fields=True):
    """`kek.key`: the key itself, or with a salt, the key sealed under scrypt(passphrase)."""

    version: int
    key: bytes
    salt: bytes | None = None


def load_kek(path: Path, passphrase: bytes | None, *, may_create: bool) -> bytes:
    """The 32-byte key-encryption key, drawn first if there is no file and there may be none. Raises `StartupError`."""
    if not path.exists():
        if not may_create:
            raise StartupError(
                Text("La clé du coffre manque.", "The vault's key is missing."),
                Text(
                    "Remettez kek.key : sans elle, rien ne peut être ouvert.",
                    "Put kek.key back: nothing can be opened without it.",
                ),
                file=str(path),
            )
        write_private(path, _new_kek(passphrase))
    try:
        stored = msgspec.json.decode(read_private(path), type=_KekFile)
        if stored.version != 1 or (stored.salt is None) != (passphrase is None):
            raise unusable(path)
        if stored.salt is None or passphrase is None:
            kek = stored.key
        else:
            kek = _under_passphrase(passphrase, stored.salt).decrypt(
                stored.key[:NONCE_SIZE], stored.key[NONCE_SIZE:], b"egide kek"
            )
    except (msgspec.DecodeError, InvalidTag, ValueError):
        raise unusable(path) from None
    if len(kek) != KEY_SIZE:
        raise unusable(path)
    return kek


def _new_kek(passphrase: bytes | None) -> bytes:
    kek = AESGCM.generate_key(8 * KEY_SIZE)
    if passphrase is None:
        return msgspec.json.encode(_KekFile(1, kek))
    salt, nonce = os.urandom(16), os.urandom(NONCE_SIZE)
    sealed = nonce + _under_passphrase(passphrase, salt).encrypt(nonce, kek, b"egide kek")
    return msgspec.json.encode(_KekFile(1, sealed, salt))


def _under_passphrase(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(
        scrypt(passphrase, salt=salt, maxmem=SCRYPT_MEMORY, dklen=KEY_SIZE, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    )


def write_private(path: Path, content: bytes) -> None:
    """Writes a new 0600 file durably; when another process was faster, its file stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(path: Path) -> bytes:
    """The content of a key file. `StartupError` when other accounts can read it."""
    if path.stat().st_mode & 0o077:
        raise StartupError(
            Text("D’autres comptes peuvent lire ce fichier de clé.", "Other accounts can read this key file."),
            Text(f"chmod 600 {path}", f"chmod 600 {path}"),
            file=str(path),
        )
    return path.read_bytes()


def unusable(path: Path) -> StartupError:
    """What to raise for a key file that does not give a key."""
    return StartupError(
        Text("Fichier de clé inutilisable, ou phrase de passe fausse.", "Unusable key file, or wrong passphrase."),
        Text("Remettez le fichier d’origine et sa phrase de passe.", "Put back the original file and its passphrase."),
        file=str(path),
    )
