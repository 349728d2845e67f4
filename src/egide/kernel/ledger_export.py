"""The ledger as a folder of plain files that proves itself: its format, and its writing. `ledger_verify` verifies it.

Two kinds. The *inspector's* holds every leaf, so that a changed entry is named; making it is itself an act, since leaves
stay personal data. The *public* one holds signed checkpoints and the proofs that each tree begins with the one before, and
nothing about anyone. Sources: RFC 9162 §2.1 (proofs), C2SP tlog-checkpoint and signed-note.

    manifest.json       what this is: format, version, kind, origin, realm, size, created; digests of the small files
    checkpoints.txt     signed notes, oldest first, separated by blank lines
    keys.txt            verifier keys (vkeys), one a line
    leaves.jsonl        inspector: {"i":0,"leaf":"<base64>","hash":"<hex>"} an entry, in order
    stamps.jsonl        where an authority stamps heads: {"size":1,"token":"<base64>"} a stamp (RFC 3161), oldest first
    consistency.jsonl   public: {"old":1,"new":2,"path":["<base64>"]} for each two successive checkpoints

Cosignatures of witnesses stand in checkpoints.txt, after the log's own signature (C2SP tlog-cosignature).

Every line has one spelling only; anything else than white space is reported, so that no changed bit passes unseen.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec

from egide.kernel import checkpoint, merkle
from egide.kernel.checkpoint import Checkpoint

FORMAT: Final = "egide-ledger-export"
VERSION: Final = 1
MANIFEST, CHECKPOINTS, KEYS = "manifest.json", "checkpoints.txt", "keys.txt"
LEAVES, CONSISTENCY, STAMPS = "leaves.jsonl", "consistency.jsonl", "stamps.jsonl"
BATCH = 1024  # lines written at once

Kind = Literal["inspector", "public"]
Stamps = Sequence[tuple[int, bytes]]  # (size of the stamped checkpoint, RFC 3161 token)
Progress = Callable[[int, int], None]  # (done, total); entries, or checkpoints of a public export


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json`. `digest` is the SHA-256 of the manifest written without it: it finds damage, it proves nothing."""

    format: Literal["egide-ledger-export"]
    version: Literal[1]
    kind: Kind
    origin: str
    realm: str
    size: int
    created: str
    files: dict[str, str]
    digest: str = ""

    def with_digest(self) -> Manifest:
        """The same manifest with its digest filled in."""
        bare = msgspec.structs.replace(self, digest="")
        return msgspec.structs.replace(self, digest=sha256(msgspec.json.encode(bare)).hexdigest())


def write_inspector(
    folder: Path,
    leaves: Iterable[bytes],
    checkpoints: Sequence[str],
    vkeys: Sequence[str],
    *,
    realm: str,
    created: str,
    stamps: Stamps = (),
    progress: Progress | None = None,
) -> Manifest:
    """Writes the export with leaves into a new `folder`, in constant memory.

    `checkpoints` are signed notes in ascending size, the last one signed for exactly these leaves; `created` is ISO 8601.
    Raises FileExistsError, `CheckpointError`, or ValueError when the leaves do not end where the last checkpoint does.
    """
    last = _last(checkpoints)
    folder.mkdir(parents=True, mode=0o700)
    number = 0
    with (folder / LEAVES).open("wb") as file:
        lines: list[bytes] = []
        for leaf in leaves:
            lines.append(entry_line(number, leaf, merkle.leaf_hash(leaf)))
            number += 1
            if len(lines) == BATCH:
                file.write(b"\n".join(lines) + b"\n")
                lines.clear()
                if progress:
                    progress(number, last.size)
        file.write(b"".join(line + b"\n" for line in lines))
    if number != last.size:
        raise ValueError(f"{number} leaves, but the last checkpoint was signed for {last.size}")
    return _finish(folder, "inspector", last, checkpoints, vkeys, realm, created, stamps)


def write_public(
    folder: Path,
    checkpoints: Sequence[str],
    consistency: Callable[[int, int], Sequence[bytes]],
    vkeys: Sequence[str],
    *,
    realm: str,
    created: str,
    stamps: Stamps = (),
    progress: Progress | None = None,
) -> Manifest:
    """Writes the export without leaves into a new `folder`; `consistency(old, new)` is `Log.consistency`.

    Raises FileExistsError, `CheckpointError`, `ProofError`.
    """
    last = _last(checkpoints)
    folder.mkdir(parents=True, mode=0o700)
    with (folder / CONSISTENCY).open("wb") as file:
        old: int | None = None
        for done, note in enumerate(checkpoints):
            new = checkpoint.parse(note).checkpoint.size
            if old is not None:
                file.write(consistency_line(old, new, consistency(old, new)) + b"\n")
            old = new
            if progress:
                progress(done + 1, len(checkpoints))
    return _finish(folder, "public", last, checkpoints, vkeys, realm, created, stamps)


def _last(checkpoints: Sequence[str]) -> Checkpoint:
    if not checkpoints:
        raise ValueError("an export needs at least one signed checkpoint")
    return checkpoint.parse(checkpoints[-1]).checkpoint


def _finish(
    folder: Path,
    kind: Kind,
    last: Checkpoint,
    checkpoints: Sequence[str],
    vkeys: Sequence[str],
    realm: str,
    created: str,
    stamps: Stamps,
) -> Manifest:
    """Writes the small files, the manifest last: an export that was cut short has none."""
    small = {CHECKPOINTS: "\n".join(checkpoints), KEYS: "".join(f"{vkey}\n" for vkey in vkeys)}
    sizes = {checkpoint.parse(note).checkpoint.size for note in checkpoints} if stamps else set()
    kept = [stamp_line(size, token) for size, token in stamps if size in sizes]
    if kept:
        small[STAMPS] = "".join(f"{line.decode()}\n" for line in kept)
    for name, text in small.items():
        (folder / name).write_bytes(text.encode())
    files = {name: sha256(text.encode()).hexdigest() for name, text in small.items()}
    bare = Manifest(FORMAT, VERSION, kind, last.origin, realm, last.size, created, files)
    manifest = bare.with_digest()
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest


def entry_line(number: int, leaf: bytes, digest: bytes) -> bytes:
    """The one spelling of an entry in `leaves.jsonl`, without line end; `digest` is its leaf hash."""
    return b'{"i":%d,"leaf":"%b","hash":"%b"}' % (number, b2a_base64(leaf, newline=False), digest.hex().encode())


def stamp_line(size: int, token: bytes) -> bytes:
    """The one spelling of a stamp in `stamps.jsonl`, without line end."""
    return b'{"size":%d,"token":"%b"}' % (size, b64encode(token))


def consistency_line(old: int, new: int, path: Sequence[bytes]) -> bytes:
    """The one spelling of a proof in `consistency.jsonl`, without line end."""
    return b'{"old":%d,"new":%d,"path":[%b]}' % (old, new, b",".join(b'"%b"' % b64encode(each) for each in path))
