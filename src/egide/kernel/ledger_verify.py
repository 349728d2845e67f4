"""Verifies an export of the ledger with nothing but its folder and the public keys, and names what was changed.

Why apart from the writing: it is what an inspector runs and reads. It asks the tree (RFC 9162 §2.1), not the writer: one
changed bit in a leaf, a hash, a root, a size or a signature is found, and with leaves at hand the entry is named.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import msgspec

from egide.kernel import checkpoint, cosignature, merkle
from egide.kernel.checkpoint import CheckpointError
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.errors import EgideError
from egide.kernel.ledger_export import (
    CHECKPOINTS,
    CONSISTENCY,
    KEYS,
    LEAVES,
    MANIFEST,
    STAMPS,
    Manifest,
    Progress,
    consistency_line,
    stamp_line,
)
from egide.kernel.ledger_leaves import Findings, LeavesCheck, Problem, Signed
from egide.kernel.merkle import EMPTY_ROOT, ProofError

MAX_SMALL_FILE = 256 * 1024  # bytes of the manifest or of the keys
MAX_LINE = 4 * 1024 * 1024  # bytes; a leaf has about 350
READ = 1024 * 1024  # bytes read at once
SIGNATURE_MARK = "—".encode()

StampCheck = Callable[[bytes, bytes], int]  # (token, stamped bytes) → µs; raises EgideError


@dataclass(slots=True)
class Cosigned:
    """What one known witness cosigned of an export: how many heads, the largest size, when (s since 1970)."""

    heads: int = 0
    size: int = 0
    time: int = 0


@dataclass(slots=True)
class Stamped:
    """The stamps of an export: how many there are, how many a known authority made; the newest (size, µs) of those."""

    found: int = 0
    verified: int = 0
    size: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    `trusted_keys` is False when the only keys were the export's own: the export then agrees with itself, but nothing
    shows that it comes from the log it names.
    """

    ok: bool
    kind: str
    size: int
    problems: list[Problem]
    trusted_keys: bool
    origin: str = ""
    realm: str = ""
    checkpoints: int = 0
    witnesses: dict[str, Cosigned] = field(default_factory=dict)
    stamps: Stamped = field(default_factory=Stamped)


class _Stamp(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    token: str


class _Consistency(msgspec.Struct, forbid_unknown_fields=True):
    old: int
    new: int
    path: list[str]


def verify_export(
    path: Path,
    vkeys: Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    witnesses: Sequence[str] = (),
    stamped: StampCheck | None = None,
) -> Report:
    """Verifies an export of either kind, with the keys given or else its own, in constant memory.

    `witnesses` are keys of witnesses whose cosignatures are counted; `stamped(token, body)` judges a time stamp (gives µs).

    Whatever the folder holds, the answer is a `Report`; only OSError of an unreadable disk, and `CheckpointError` for a
    malformed key in `vkeys`, get out.
    """
    given = checkpoint.Verifier(vkeys) if vkeys else None
    found = Findings()
    manifest = _read_manifest(path, found)
    own = _read_keys(path, manifest, found)
    cosigned = _Cosignatures(witnesses)
    bodies: dict[int, bytes] = {}
    notes = _read_checkpoints(path, manifest, given or own, found, cosigned, bodies)
    kind: str = manifest.kind if manifest else ("inspector" if (path / LEAVES).exists() else "public")
    size = manifest.size if manifest else (notes[-1].size if notes else 0)
    if kind == "inspector":
        _verify_leaves(path, size, notes, found, progress)
    else:
        _verify_consistency(path, notes, found, progress)
    stamps = _verify_stamps(path, manifest, bodies, stamped, found)
    return Report(
        ok=not found.problems,
        kind=kind,
        size=size,
        problems=found.problems,
        trusted_keys=given is not None,
        origin=manifest.origin if manifest else "",
        realm=manifest.realm if manifest else "",
        checkpoints=len(notes),
        witnesses=cosigned.seen,
        stamps=stamps,
    )


class _Cosignatures:
    """Counts the cosignatures of known witnesses."""

    def __init__(self, vkeys: Sequence[str]) -> None:
        self._verifier = CosignatureVerifier(vkeys)
        self.seen = {cosignature.parse_vkey(each).name: Cosigned() for each in vkeys}

    def count(self, note: checkpoint.Note) -> None:
        for each in self._verifier.verify(note):
            seen = self.seen[each.witness]
            seen.heads += 1
            if note.checkpoint.size >= seen.size:
                seen.size, seen.time = note.checkpoint.size, each.time


def _read_small(path: Path, name: str, found: Findings) -> bytes | None:
    try:
        with (path / name).open("rb") as file:
            content = file.read(MAX_SMALL_FILE + 1)
    except FileNotFoundError:
        found.add(name, "Ce fichier manque.", "This file is missing.")
        return None
    if len(content) > MAX_SMALL_FILE:
        found.add(name, "Ce fichier est beaucoup trop long.", "This file is much too long.")
        return None
    return content


def _read_manifest(path: Path, found: Findings) -> Manifest | None:
    content = _read_small(path, MANIFEST, found)
    if content is None:
        return None
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found.add(MANIFEST, "Le manifeste est illisible ou modifié.", "The manifest is unreadable or was changed.")
        return None
    if manifest != manifest.with_digest() or set(manifest.files) - {STAMPS} != {CHECKPOINTS, KEYS}:
        found.add(MANIFEST, "Le manifeste a été modifié.", "The manifest was changed.")
    return manifest


def _read_keys(path: Path, manifest: Manifest | None, found: Findings) -> checkpoint.Verifier:
    content = _read_small(path, KEYS, found) or b""
    _check_digest(manifest, KEYS, sha256(content).hexdigest(), found)
    good: list[str] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        try:
            checkpoint.parse_vkey(line)
            good.append(line)
        except CheckpointError as problem:
            found.add(f"{KEYS}:{number}", problem.what.fr, problem.what.en)
    return checkpoint.Verifier(good)


def _check_digest(manifest: Manifest | None, name: str, digest: str, found: Findings) -> None:
    if manifest and manifest.files.get(name, digest) != digest:
        found.add(
            name, "Ce fichier n’est plus celui qui a été exporté.", "This file is no longer the one that was exported."
        )


def _read_checkpoints(
    path: Path,
    manifest: Manifest | None,
    verifier: checkpoint.Verifier,
    found: Findings,
    cosigned: _Cosignatures,
    bodies: dict[int, bytes],
) -> list[Signed]:
    """The checkpoints whose signatures hold, in the order of the file; `bodies` gets the signed bytes by size."""
    notes: list[Signed] = []
    total = 0
    try:
        with (path / CHECKPOINTS).open("rb") as file:
            hashed = sha256()
            for line, text in _notes(file, hashed.update):
                total += 1
                where = f"{CHECKPOINTS}:{line}"
                try:
                    signed = verifier.verify(text)
                    cosigned.count(checkpoint.parse(text))
                except CheckpointError as problem:
                    found.add(where, problem.what.fr, problem.what.en)
                    continue
                if manifest and signed.origin != manifest.origin:
                    found.add(where, "Ce point vient d’un autre registre.", "This checkpoint comes from another log.")
                    continue
                if notes and signed.size < notes[-1].size:
                    found.add(where, "Ce point n’est pas à sa place.", "This checkpoint is out of order.")
                    continue
                notes.append(Signed(signed.size, signed.root, where))
                bodies[signed.size] = signed.body()
            _check_digest(manifest, CHECKPOINTS, hashed.hexdigest(), found)
    except FileNotFoundError:
        found.add(CHECKPOINTS, "Ce fichier manque.", "This file is missing.")
    if not notes:
        found.add(CHECKPOINTS, "Aucun point signé n’est valable.", "No signed checkpoint is valid.")
    elif manifest and notes[-1].size != manifest.size:
        found.add(
            CHECKPOINTS,
            f"Le dernier point valable porte sur {notes[-1].size} entrées, le manifeste sur {manifest.size}.",
            f"The last valid checkpoint covers {notes[-1].size} entries, the manifest {manifest.size}.",
        )
    return notes


def _notes(file: BinaryIO, consume: Callable[[bytes], None]) -> Iterator[tuple[int, str]]:
    """(first line, text) of each note: it ends at the blank line after a signature, so that damage stays in one note."""
    block: list[bytes] = []
    length = first = 0
    for number, line in enumerate(iter(lambda: file.readline(checkpoint.MAX_NOTE), b""), 1):
        consume(line)
        blank = line == b"\n"
        if blank and not block:
            continue
        if not block:
            first = number
        ends = blank and block[-1].startswith(SIGNATURE_MARK)
        if not ends:
            block.append(line)
            length += len(line)
        if ends or length > checkpoint.MAX_NOTE:
            yield first, b"".join(block).decode("utf-8", "surrogateescape")
            block, length = [], 0
    if block:
        yield first, b"".join(block).decode("utf-8", "surrogateescape")


def _verify_consistency(path: Path, notes: list[Signed], found: Findings, progress: Progress | None) -> None:
    roots: dict[int, bytes] = {}
    for note in notes:
        if roots.setdefault(note.size, note.root) != note.root:
            found.add(
                note.where,
                f"Deux arbres différents ont été signés pour {note.size} entrées.",
                f"Two different trees were signed for {note.size} entries.",
            )
    proved: set[tuple[int, int]] = set()
    try:
        with (path / CONSISTENCY).open("rb") as file:
            number = 0
            for block in _blocks(file):
                for line in block.split(b"\n"):
                    if not line.strip():
                        continue
                    number += 1
                    pair = _verify_step(line, f"{CONSISTENCY}:{number}", roots, found)
                    if pair:
                        proved.add(pair)
                if progress:
                    progress(min(number + 1, len(notes)), len(notes))
    except FileNotFoundError:
        found.add(CONSISTENCY, "Ce fichier manque.", "This file is missing.")
    if 0 in roots and roots[0] != EMPTY_ROOT:
        found.add(CHECKPOINTS, "La racine de l’arbre vide est fausse.", "The root of the empty tree is wrong.")
    for old, new in pairwise(notes):
        if (old.size, new.size) not in proved:
            found.add(
                new.where,
                f"Rien de valable ne prouve que l’arbre de {new.size} entrées prolonge celui de {old.size}.",
                f"Nothing valid proves that the tree of {new.size} entries continues that of {old.size}.",
            )


def _verify_step(line: bytes, where: str, roots: dict[int, bytes], found: Findings) -> tuple[int, int] | None:
    """The sizes that a line of `consistency.jsonl` ties together; None when it does not hold."""
    try:
        step = msgspec.json.decode(line, type=_Consistency)
        proof = [b64decode(each, validate=True) for each in step.path]
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        found.add(where, "Cette ligne est illisible.", "This line is unreadable.")
        return None
    if consistency_line(step.old, step.new, proof) != b"".join(line.split()):
        found.add(where, "Cette ligne a été modifiée.", "This line was changed.")
        return None
    if step.old not in roots or step.new not in roots:
        found.add(
            where, "Cette preuve ne relie pas deux points valables.", "This proof does not tie two valid checkpoints."
        )
        return None
    try:
        merkle.verify_consistency(step.old, step.new, roots[step.old], roots[step.new], proof)
    except ProofError as problem:
        found.add(where, "La preuve de continuité ne tient pas.", f"The consistency proof does not hold: {problem}.")
        return None
    return step.old, step.new


def _verify_stamps(
    path: Path, manifest: Manifest | None, bodies: dict[int, bytes], judge: StampCheck | None, found: Findings
) -> Stamped:
    """Every stamp belongs to a checkpoint; with an authority's certificate, each must hold under it."""
    told, expected = Stamped(), manifest is not None and STAMPS in manifest.files
    try:
        with (path / STAMPS).open("rb") as file:
            hashed = sha256()
            number = 0
            for block in _blocks(file):
                hashed.update(block)
                for line in block.splitlines():
                    number += 1
                    _verify_stamp(line, f"{STAMPS}:{number}", bodies, judge, found, told)
    except FileNotFoundError:
        if expected:
            found.add(STAMPS, "Ce fichier manque.", "This file is missing.")
        return told
    if manifest is not None and not expected:
        found.add(STAMPS, "Le manifeste ne connaît pas ce fichier.", "The manifest does not know this file.")
    _check_digest(manifest, STAMPS, hashed.hexdigest(), found)
    return told


def _verify_stamp(
    line: bytes, where: str, bodies: dict[int, bytes], judge: StampCheck | None, found: Findings, told: Stamped
) -> None:
    try:
        stamp = msgspec.json.decode(line, type=_Stamp)
        token = b64decode(stamp.token, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        found.add(where, "Cette ligne est illisible.", "This line is unreadable.")
        return
    body = bodies.get(stamp.size)
    if stamp_line(stamp.size, token) != line or body is None:
        found.add(
            where, "Ce sceau de temps n’est pas celui d’un point valable.", "This stamp is not of a valid checkpoint."
        )
        return
    told.found += 1
    if judge is None:
        return
    try:
        at = judge(token, body)
    except EgideError as problem:
        found.add(where, problem.what.fr, problem.what.en)
        return
    told.verified += 1
    if stamp.size >= told.size:
        told.size, told.at = stamp.size, at


def _verify_leaves(path: Path, size: int, notes: list[Signed], found: Findings, progress: Progress | None) -> None:
    check = LeavesCheck(notes, found)
    try:
        with (path / LEAVES).open("rb") as file:
            for block in _blocks(file):
                check.feed(block)
                if progress:
                    progress(min(check.number, size), size)
    except FileNotFoundError:
        found.add(LEAVES, "Ce fichier manque.", "This file is missing.")
        return
    check.finish(size)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, by the block; a line longer than `MAX_LINE` is cut (and so found unreadable)."""
    rest = b""
    while read := file.read(READ):
        whole, newline, tail = read.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = tail
        else:
            rest += tail
        if len(rest) > MAX_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest
