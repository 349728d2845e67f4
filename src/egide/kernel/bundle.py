"""The form of a backup set: one tar file, read and written as a stream, of which every byte is accounted for.

Why so strict: a backup is read on the worst day, and a flipped bit in it must be found and named before anything is restored.
So members are plain (POSIX ustar, 0600, no dates), cut into parts of at most `PART` bytes; the reader makes each header
anew and compares; padding must be zero; the last member is the manifest, with the SHA-256 of every part, signed by the
ledger's key (Ed25519, RFC 8032). `tar tf` reads it too. Sources: POSIX.1-2017 pax/ustar; FIPS 180-4.
"""

from __future__ import annotations

import base64
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO, Literal, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from egide.kernel.checkpoint import CheckpointError, Signer, parse_vkey
from egide.kernel.errors import EgideError, Text

VERSION = 1
PART = 16 * 1024 * 1024  # bytes of a member; what a process holds in memory at a time
BLOCK = 512  # bytes, POSIX ustar
END = bytes(2 * BLOCK)  # what a tar file ends with
MANIFEST = "manifest.json"
MAX_MANIFEST = 256 * 1024 * 1024  # bytes; a part takes about 150
MAX_NAME = 250  # bytes; ustar has 155 + 100
SIGNED = b"egide backup manifest\n"  # so that this signature is never one of a checkpoint
PART_MARK = ".part"

Kind = Literal["data", "keys"]
Count = Callable[[int], None]  # told how many bytes have gone by


class BundleError(EgideError):
    """A backup cannot be read, or is not as it was written; `member` names where."""

    code = "backup"
    status = 422

    def __init__(self, what: Text, do: Text | None = None, *, member: str = "") -> None:
        super().__init__(what, do)
        self.member = member


class Part(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """One tar member as the manifest lists it."""

    name: str
    size: int
    hash: str


class Manifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a set holds, of which ledger and when. `head` is a signed note over the `size` entries of this very snapshot."""

    version: int
    kind: Kind
    program: str
    realm: str
    at: str
    store: str  # "SQLite" or "PostgreSQL"
    vault: str
    revision: str
    law: str
    size: int
    head: str
    vkey: str
    parts: list[Part]


class Sink(Protocol):
    """Where a set is written: a file, or what seals one."""

    def write(self, data: bytes, /) -> Any:
        """Takes the next bytes."""


class Source(Protocol):
    """Where a set is read from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, fewer only at the end."""


class Writer:
    """Writes the members of one set, then its manifest."""

    def __init__(self, out: Sink, count: Count) -> None:
        self._out = out
        self._count = count
        self.parts: list[Part] = []
        self.bytes = 0  # of content

    def add(self, name: str, stream: Iterable[bytes]) -> None:
        """Adds a member of whatever length; the stream's pieces may have any size."""
        number, waiting = 0, bytearray()
        for piece in stream:
            waiting += piece
            while len(waiting) > PART:
                self._part(f"{name}{PART_MARK}{number:06d}", bytes(waiting[:PART]))
                del waiting[:PART]
                number += 1
        self._part(f"{name}{PART_MARK}{number:06d}" if number else name, bytes(waiting))

    def finish(self, manifest: Manifest, signer: Signer) -> None:
        """Writes the signed manifest and the end."""
        text = msgspec.json.encode(manifest)
        self._put(MANIFEST, text + b"\n" + signer.sign(SIGNED + text).hex().encode() + b"\n")
        self._out.write(END)

    def _part(self, name: str, content: bytes) -> None:
        self._put(name, content)
        self.parts.append(Part(name, len(content), sha256(content).hexdigest()))
        self.bytes += len(content)
        self._count(len(content))

    def _put(self, name: str, content: bytes) -> None:
        self._out.write(header(name, len(content)))
        self._out.write(content)
        self._out.write(bytes(-len(content) % BLOCK))


@dataclass(slots=True)
class Damage:
    """Something in a set that is not as it was written: which member, a sentence."""

    member: str
    what: Text


def header(name: str, size: int) -> bytes:
    """The one header a member of this name and size has."""
    about = tarfile.TarInfo(name)
    about.size, about.mode = size, 0o600
    try:
        return about.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
    except (ValueError, UnicodeError) as error:
        raise BundleError(
            Text(f"Ce nom est trop long pour une sauvegarde : {name}", f"This name is too long for a backup: {name}"),
            member=name,
        ) from error


class Reader:
    """Reads a set in one pass. What is damaged is noted in `damages`; only what cannot be read further raises."""

    def __init__(self, source: Source, count: Count | None = None) -> None:
        self._source = source
        self._count = count or (lambda _bytes: None)
        self.damages: list[Damage] = []
        self.read: list[Part] = []
        self.manifest: Manifest | None = None
        self.signed_by = ""  # the verifier key under which the manifest's signature holds

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """(name, content) of each part; afterwards the manifest is read and every hash compared."""
        while True:
            name, size = self._header()
            content = self._exactly(size, name)
            if any(self._exactly(-size % BLOCK, name)):
                self._note(name, "son remplissage a été modifié", "its padding was changed")
            if name == MANIFEST:
                self._end()
                self._judge(content)
                return
            self.read.append(Part(name, size, sha256(content).hexdigest()))
            self._count(size)
            yield name, content

    def members(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """(name, its pieces) of each member, its parts put together again; a member must be read before the next is asked for."""
        parts = self.parts()
        ahead: list[tuple[str, bytes]] = []

        def pieces(member: str, first: bytes) -> Iterator[bytes]:
            yield first
            for name, content in parts:
                if member_of(name) != member or PART_MARK not in name:
                    ahead.append((name, content))
                    return
                yield content

        while True:
            found = ahead.pop() if ahead else next(parts, None)
            if found is None:
                return
            member = member_of(found[0])
            stream = pieces(member, found[1])
            yield member, stream
            for _rest in stream:
                pass

    def check(self) -> None:
        """Reads to the end; raises nothing but what the disk raises: a set that breaks off is damaged too."""
        try:
            for _part in self.parts():
                pass
        except BundleError as error:
            self.damages.append(Damage(error.member, error.what))

    def _header(self) -> tuple[str, int]:
        block = self._exactly(BLOCK, self._after())
        try:
            about = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
            good = header(about.name, about.size) == block
        except (tarfile.HeaderError, UnicodeError, ValueError, BundleError):
            good = False
        if not good or about.size > (MAX_MANIFEST if about.name == MANIFEST else PART):
            raise BundleError(
                Text(
                    f"L’en-tête qui suit {self._after()} a été modifié.",
                    f"The header after {self._after()} was changed.",
                ),
                member=self._after(),
            )
        return about.name, about.size

    def _after(self) -> str:
        return self.read[-1].name if self.read else MANIFEST

    def _exactly(self, size: int, member: str) -> bytes:
        found = self._source.read(size) if size else b""
        if len(found) != size:
            raise BundleError(
                Text(f"La sauvegarde s’arrête au milieu de {member}.", f"The backup breaks off inside {member}."),
                member=member,
            )
        return found

    def _end(self) -> None:
        if self._source.read(len(END) + 1) != END:
            self._note(MANIFEST, "la fin du fichier a été modifiée", "the end of the file was changed")

    def _judge(self, content: bytes) -> None:
        text, _, rest = content.partition(b"\n")
        try:
            self.manifest = manifest = msgspec.json.decode(text, type=Manifest)
            key = parse_vkey(manifest.vkey)
            signature = bytes.fromhex(rest[:-1].decode("ascii"))
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, SIGNED + text)
            if rest == signature.hex().encode() + b"\n":  # one spelling only
                self.signed_by = manifest.vkey
        except (msgspec.DecodeError, UnicodeError, ValueError, CheckpointError, InvalidSignature):
            self.signed_by = ""
        if not self.signed_by:
            self._note(MANIFEST, "sa signature ne tient pas", "its signature does not hold")
        if self.manifest is None:
            return
        wanted = {part.name: part for part in self.manifest.parts}
        if sorted(wanted) == sorted(each.name for each in self.read) and list(wanted) != [p.name for p in self.read]:
            self._note(MANIFEST, "les membres ne sont plus dans l’ordre", "the members are out of order")
        for part in self.read:
            if wanted.pop(part.name, None) != part:
                self._note(part.name, "ce n’est plus ce qui a été écrit", "it is no longer what was written")
        for name in wanted:
            self._note(name, "il manque", "it is missing")

    def _note(self, member: str, fr: str, en: str) -> None:
        self.damages.append(Damage(member, Text(f"{member} : {fr}.", f"{member}: {en}.")))


def member_of(part: str) -> str:
    """The member that a part belongs to."""
    name, mark, number = part.rpartition(PART_MARK)
    return name if mark and number.isdigit() else part


def fingerprint(vkey: str) -> str:
    """The public key's bytes as people compare them."""
    return base64.b64encode(parse_vkey(vkey).public_key).decode()


def copy(file: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """A file's content by the piece."""
    return iter(lambda: file.read(size), b"")
