"""Signed checkpoints: the log's size and root in a text that anyone can keep and check.

Why this form: it is what public transparency logs and their witnesses already speak, so that independent parties can
cosign an Égide log with existing programs. Sources: C2SP tlog-checkpoint (body), C2SP signed-note (signatures, verifier
keys), RFC 8032 (Ed25519).

    egide.example/police          origin
    20852163                      size, decimal
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=      root, base64

    — egide.example/police Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from egide.kernel.errors import EgideError, Text
from egide.kernel.merkle import HASH_SIZE, MAX_SIZE

ED25519 = 1  # signature type of C2SP signed-note
KEY_HASH_SIZE = 4  # bytes in front of each signature
PUBLIC_KEY_SIZE = 32  # bytes, RFC 8032 §5.1.5
SIGNATURE_SIZE = 64  # bytes, RFC 8032 §5.1.6
MAX_NOTE = 32 * 1024  # characters; a checkpoint with sixteen cosignatures has about 2 KB
MAX_SIGNATURES = 64  # in one note
MAX_EXTENSIONS = 16  # lines after the root; C2SP advises none
MAX_NAME = 200  # characters of a key name, an origin or an extension line

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointError(EgideError):
    """A checkpoint, signature or key does not have the right form, or does not verify."""

    code = "checkpoint"
    status = 422


class Signer(Protocol):
    """What signs checkpoints: `vault.SigningKey`, or a key in a security module."""

    @property
    def name(self) -> str:
        """Key name; for a log's own key, its origin."""

    def sign(self, message: bytes, /) -> bytes:
        """64-byte Ed25519 signature."""

    @property
    def vkey(self) -> str:
        """C2SP verifier key text."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log named `origin` had `size` leaves and this 32-byte `root`."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def body(self) -> bytes:
        """The bytes that are signed. Raises `CheckpointError` when a field cannot be written."""
        if not _is_line(self.origin, MAX_NAME):
            raise _error(
                "l’origine est vide, trop longue ou contient un caractère de contrôle",
                "the origin is empty, too long or holds a control character",
            )
        if not 0 <= self.size < MAX_SIZE or len(self.root) != HASH_SIZE:
            raise _error("la taille ou la racine est hors limites", "the size or the root is out of bounds")
        if len(self.extensions) > MAX_EXTENSIONS or not all(_is_line(line, MAX_NAME) for line in self.extensions):
            raise _error("une ligne d’extension est invalide", "an extension line is invalid")
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions]
        return ("\n".join(lines) + "\n").encode()


class Signature(NamedTuple):
    """One signature line: key name, 4-byte key hash, signature bytes (64 for Ed25519, longer for cosignatures)."""

    name: str
    key_hash: bytes
    signature: bytes


class VerifierKey(NamedTuple):
    """A public key as read from its vkey text."""

    name: str
    key_hash: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed, **unverified** note: the checkpoint it claims, the exact bytes signed, the signatures."""

    checkpoint: Checkpoint
    body: bytes
    signatures: tuple[Signature, ...]


def key_hash(name: str, public_key: bytes) -> bytes:
    """4 bytes: SHA-256(name ‖ LF ‖ 0x01 ‖ public key) cut short (C2SP signed-note)."""
    return sha256(name.encode() + b"\n" + bytes([ED25519]) + public_key).digest()[:KEY_HASH_SIZE]


def vkey_text(name: str, public_key: bytes) -> str:
    """`name+hexhash+base64(0x01 ‖ public key)`. Raises `CheckpointError` for an unusable name or key."""
    if not _is_name(name) or len(public_key) != PUBLIC_KEY_SIZE:
        raise _error("le nom ou la clé publique est invalide", "the key name or the public key is invalid")
    return f"{name}+{key_hash(name, public_key).hex()}+{base64.b64encode(bytes([ED25519]) + public_key).decode()}"


def parse_vkey(text: str) -> VerifierKey:
    """Reads a vkey text; raises `CheckpointError` unless it is exactly what `vkey_text` writes."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    raw = _unbase64(encoded) if len(text) <= 2 * MAX_NAME else None
    if raw is None or len(raw) != 1 + PUBLIC_KEY_SIZE or raw[0] != ED25519 or not _is_name(name):
        raise _error(
            "cette clé de vérification n’est pas une clé Ed25519 au format C2SP",
            "this is not an Ed25519 verifier key in C2SP form",
        )
    if vkey_text(name, raw[1:]) != text:
        raise _error(
            f"l’empreinte de la clé « {name} » ne correspond pas à la clé",
            f"the fingerprint of key “{name}” does not match the key",
        )
    return VerifierKey(name, key_hash(name, raw[1:]), raw[1:])


def sign(checkpoint: Checkpoint, signers: Sequence[Signer]) -> str:
    """The signed note: body, blank line, one signature line per signer."""
    body = checkpoint.body()
    lines = [_signature_line(signer.name, parse_vkey(signer.vkey).key_hash, signer.sign(body)) for signer in signers]
    return body.decode() + "\n" + "".join(lines)


def parse(text: str) -> Note:
    """Reads a signed note without verifying it. Raises `CheckpointError`; never any other exception."""
    if len(text) > MAX_NOTE:
        raise _error("le point signé est trop long", "the signed checkpoint is too long")
    head, separator, tail = text.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise _error("il manque la ligne vide ou les signatures", "the blank line or the signatures are missing")
    lines = head.split("\n")
    if not 3 <= len(lines) <= 3 + MAX_EXTENSIONS or not all(_is_line(line, MAX_NAME) for line in lines):
        raise _error(
            "le corps n’a pas les lignes origine, taille, racine",
            "the body does not have the lines origin, size, root",
        )
    root = _unbase64(lines[2])
    if not _DECIMAL.fullmatch(lines[1]) or int(lines[1]) >= MAX_SIZE:
        raise _error("la taille n’est pas un nombre décimal", "the size is not a decimal number")
    if root is None or len(root) != HASH_SIZE:
        raise _error(
            "la racine n’est pas une empreinte de 32 octets en base64",
            "the root is not a 32-byte hash in base64",
        )
    signature_lines = tail[:-1].split("\n")
    if len(signature_lines) > MAX_SIGNATURES:
        raise _error("il y a trop de signatures", "there are too many signatures")
    signatures = tuple(_parse_signature(line) for line in signature_lines)
    checkpoint = Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:]))
    return Note(checkpoint, checkpoint.body(), signatures)


class Verifier:
    """Verifies notes against known public keys; made once, used for many notes."""

    def __init__(self, vkeys: Iterable[str]) -> None:
        self._keys: dict[tuple[str, bytes], Ed25519PublicKey] = {}
        for text in vkeys:
            key = parse_vkey(text)
            self._keys[key.name, key.key_hash] = Ed25519PublicKey.from_public_bytes(key.public_key)

    def verify(self, text: str) -> Checkpoint:
        """The checkpoint, once at least one known key signed it and no known key's signature is false.

        Signatures by unknown keys (witnesses, later algorithms) are tolerated and prove nothing here. Raises
        `CheckpointError`.
        """
        note = parse(text)
        good = 0
        for signature in note.signatures:
            key = self._keys.get((signature.name, signature.key_hash))
            if key is None:
                continue
            try:
                key.verify(signature.signature, note.body)
            except InvalidSignature:
                raise _error(
                    f"la signature de « {signature.name} » est fausse : le texte ou la signature a été modifié",
                    f"the signature of “{signature.name}” is false: the text or the signature was changed",
                ) from None
            good += 1
        if not good:
            raise _error("aucune signature ne vient d’une clé connue", "no signature comes from a known key")
        return note.checkpoint


def verify(text: str, vkeys: Iterable[str]) -> Checkpoint:
    """`Verifier(vkeys).verify(text)`: the checkpoint of a note signed by one of these keys, or `CheckpointError`."""
    return Verifier(vkeys).verify(text)


def _signature_line(name: str, hashed: bytes, signature: bytes) -> str:
    return f"— {name} {base64.b64encode(hashed + signature).decode()}\n"


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = _unbase64(encoded)
    if dash != "—" or not _is_name(name) or raw is None or len(raw) <= KEY_HASH_SIZE:
        raise _error("une ligne de signature est mal formée", "a signature line is malformed")
    return Signature(name, raw[:KEY_HASH_SIZE], raw[KEY_HASH_SIZE:])


def _unbase64(text: str) -> bytes | None:
    """Decodes canonical base64 only: two spellings of one value would let a changed byte pass unseen."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _is_line(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable()


def _is_name(text: str) -> bool:
    return _is_line(text, MAX_NAME) and " " not in text and "+" not in text


def _error(fr: str, en: str) -> CheckpointError:
    return CheckpointError(Text(f"Point de contrôle refusé : {fr}.", f"Checkpoint rejected: {en}."))
