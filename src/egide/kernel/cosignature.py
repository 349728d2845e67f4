"""Cosignatures: a witness's statement that, at a time, the largest tree it had seen of a log was this one. Pure functions.

Why apart from checkpoint.py: a cosignature signs another message than the log does (a header and a time before the body), with
keys of another type. A witness's key is therefore read here and nowhere else: `checkpoint.parse_vkey` goes on refusing it, so
that no witness is ever taken for the log itself. Source: C2SP tlog-cosignature, Ed25519 (“cosignature/v1”).

    — witness.example/w1 base64(4-byte key hash ‖ 8-byte time ‖ 64-byte signature)
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from egide.kernel import checkpoint
from egide.kernel.checkpoint import (
    KEY_HASH_SIZE,
    MAX_NAME,
    PUBLIC_KEY_SIZE,
    CheckpointError,
    Note,
    Signature,
    Signer,
    VerifierKey,
)
from egide.kernel.errors import Text

COSIGNATURE = 4  # signature type of C2SP tlog-cosignature, Ed25519
TIME_SIZE = 8  # bytes, big-endian seconds since 1970
MAX_TIME = (1 << 63) - 1  # s
HEADER = b"cosignature/v1\n"


class Cosignature(NamedTuple):
    """A cosignature that was verified: who, and when (s since 1970)."""

    witness: str
    time: int
    line: str


def key_hash(name: str, public_key: bytes) -> bytes:
    """4 bytes: SHA-256(name ‖ LF ‖ 0x04 ‖ public key) cut short."""
    return sha256(name.encode() + b"\n" + bytes([COSIGNATURE]) + public_key).digest()[:KEY_HASH_SIZE]


def vkey_text(name: str, public_key: bytes) -> str:
    """`name+hexhash+base64(0x04 ‖ public key)`. Raises `CheckpointError` for an unusable name or key."""
    checkpoint.vkey_text(name, public_key)  # the same rules for names and keys
    return f"{name}+{key_hash(name, public_key).hex()}+{base64.b64encode(bytes([COSIGNATURE]) + public_key).decode()}"


def parse_vkey(text: str) -> VerifierKey:
    """Reads a witness's vkey; raises `CheckpointError` unless it is exactly what `vkey_text` writes."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True) if len(text) <= 2 * MAX_NAME else b""
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 1 + PUBLIC_KEY_SIZE or raw[0] != COSIGNATURE or vkey_text(name, raw[1:]) != text:
        raise CheckpointError(
            Text(
                "Ceci n’est pas la clé d’un témoin (C2SP, cosignature Ed25519).",
                "This is not the key of a witness (C2SP, Ed25519 cosignature).",
            ),
            Text("Copiez la ligne que « egide witness serve » affiche.", "Copy the line “egide witness serve” shows."),
        )
    return VerifierKey(name, key_hash(name, raw[1:]), raw[1:])


def message(body: bytes, time: int) -> bytes:
    """The bytes that a witness signs: header, time in seconds, the checkpoint's body."""
    return HEADER + b"time %d\n" % time + body


def cosign(body: bytes, time: int, signer: Signer) -> str:
    """The witness's signature line over a checkpoint's body at `time` (s since 1970). ValueError for an impossible time."""
    if not 0 < time <= MAX_TIME:
        raise ValueError("the time of a cosignature is a positive 63-bit number of seconds")
    public_key = checkpoint.parse_vkey(signer.vkey).public_key
    raw = key_hash(signer.name, public_key) + time.to_bytes(TIME_SIZE, "big") + signer.sign(message(body, time))
    return f"— {signer.name} {base64.b64encode(raw).decode()}\n"


def attach(note: str, lines: Iterable[str]) -> str:
    """The signed note with cosignature lines after its own; each line ends with a newline."""
    return note + "".join(lines)


def read_lines(text: str, body: bytes) -> tuple[Signature, ...]:
    """The signature lines of a witness's answer about this body. Raises `CheckpointError`."""
    return checkpoint.parse(body.decode() + "\n" + text).signatures


class CosignatureVerifier:
    """Verifies cosignatures against known witnesses' keys; made once, used for many notes."""

    def __init__(self, vkeys: Iterable[str]) -> None:
        self._keys: dict[tuple[str, bytes], Ed25519PublicKey] = {}
        for text in vkeys:
            key = parse_vkey(text)
            self._keys[key.name, key.key_hash] = Ed25519PublicKey.from_public_bytes(key.public_key)

    def verify(self, note: Note) -> list[Cosignature]:
        """The cosignatures by known witnesses; unknown ones prove nothing and are left out.

        Raises `CheckpointError` when a known witness's cosignature is false: the text or the line was changed.
        """
        return self.among(note.signatures, note.body)

    def among(self, signatures: Iterable[Signature], body: bytes) -> list[Cosignature]:
        """The same for signature lines that stand apart from their body."""
        found = []
        for signature in signatures:
            key = self._keys.get((signature.name, signature.key_hash))
            if key is not None:
                found.append(_verified(key, signature, body))
        return found


def _verified(key: Ed25519PublicKey, signature: Signature, body: bytes) -> Cosignature:
    raw = signature.signature
    time = int.from_bytes(raw[:TIME_SIZE], "big")
    try:  # a signature of another length is false to Ed25519 too
        key.verify(raw[TIME_SIZE:] if time <= MAX_TIME else b"", message(body, time))
    except InvalidSignature:
        raise CheckpointError(
            Text(
                f"La cosignature de « {signature.name} » est fausse : le texte ou la signature a été modifié.",
                f"The cosignature of “{signature.name}” is false: the text or the signature was changed.",
            )
        ) from None
    line = f"— {signature.name} {base64.b64encode(signature.key_hash + raw).decode()}\n"
    return Cosignature(signature.name, time, line)
