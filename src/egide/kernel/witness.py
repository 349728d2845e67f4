"""A witness: remembers the largest tree it cosigned of each log, and cosigns only what continues it.

Why so small: whoever runs it (prefecture, court, bar, data protection officer) must be able to read it whole. It keeps a folder
of its own and nothing of the platform's: its key, the logs it knows, and for each the last (size, root, time) that it cosigned.

The one promise: **what was cosigned is on the disk before the cosignature leaves.** The record of all logs is one small file,
written anew, fsynced and renamed over the old one, then the folder is fsynced; a kill or a power cut at any moment leaves the old
record or the new one, and a record may be ahead of the cosignatures but never behind. Source: C2SP tlog-witness.

    <folder>/witness.key      its signing key (0600), drawn at the first start
    <folder>/witness.vkey     its public key, to hand out
    <folder>/logs.vkeys       the logs it knows: one vkey a line, `#` begins a comment
    <folder>/cosigned.json    the record
"""

from __future__ import annotations

import os
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from egide.kernel import checkpoint, cosignature, merkle
from egide.kernel.checkpoint import Checkpoint, CheckpointError, Verifier
from egide.kernel.errors import Conflict, EgideError, StartupError, Text
from egide.kernel.lock import held
from egide.kernel.vault import SigningKey

KEY, VKEY, LOGS, RECORD, LOCK = "witness.key", "witness.vkey", "logs.vkeys", "cosigned.json", "witness.lock"
MAX_REQUEST = 64 * 1024  # bytes: 63 hashes and a note of at most 32 KiB
MAX_PROOF = 63  # lines, C2SP tlog-witness
MAX_LOGS = 256 * 1024  # bytes of the file of known logs
TOLERATED_STEP_BACK = 60  # s that the clock may go back; beyond, a new statement could contradict an old one
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    body: str
    content_type: str = TEXT_TYPE


class _Cosigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last tree cosigned of a log; `time` in s since 1970."""

    size: int
    root: bytes
    time: int


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    logs: dict[str, _Cosigned]


class _Request(NamedTuple):
    old: int
    path: list[bytes]
    note: str


class _Malformed(ValueError):
    """The request does not have the form of C2SP tlog-witness."""


class Witness:
    """One witness over its folder; raises `StartupError` when the folder is not whole or another witness has it."""

    def __init__(self, folder: Path, name: str, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._guard = _alone(folder)
        try:
            self._key = self._open(name)
            self._read()
        except BaseException:
            self.close()
            raise

    @property
    def vkey(self) -> str:
        """The witness's public key, type 0x04."""
        return cosignature.vkey_text(self._key.name, checkpoint.parse_vkey(self._key.vkey).public_key)

    def close(self) -> None:
        """Lets another witness take the folder."""
        if self._guard >= 0:
            os.close(self._guard)
            self._guard = -1

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answers `POST /add-checkpoint`: the cosignature, or why not (400, 403, 404, 409, 413, 422, 503). Never raises."""
        if len(body) > MAX_REQUEST:
            return Answer(413, f"At most {MAX_REQUEST} bytes.\n")
        try:
            asked = _parse(body)
            claimed = checkpoint.parse(asked.note)
        except (_Malformed, CheckpointError) as error:
            return Answer(400, f"{error}\n")
        head = claimed.checkpoint
        try:
            keys = [key for key in known(self._folder) if checkpoint.parse_vkey(key).name == head.origin]
            if not keys:
                return Answer(404, "This witness does not know the log: its operator runs “egide witness trust”.\n")
            try:
                Verifier(keys).verify(asked.note)
            except CheckpointError as error:
                return Answer(403, f"{error}\n")
            if asked.old > head.size:
                return Answer(400, "The old size is greater than the checkpoint’s.\n")
            with self._lock:
                return self._decide(asked, head, claimed.body)
        except (OSError, EgideError) as error:  # disk full, record damaged: nothing is signed
            return Answer(503, f"The witness cannot keep its record: {error}\n")

    def _decide(self, asked: _Request, head: Checkpoint, body: bytes) -> Answer:
        record = self._read()  # from the disk each time: what was not written whole never counts
        last = record.logs.get(head.origin, _Cosigned(0, merkle.EMPTY_ROOT, 0))
        if asked.old != last.size:
            return Answer(409, f"{last.size}\n", SIZE_TYPE)
        if head.size == last.size and head.root != last.root:
            return Answer(409, f"{last.size}\n", SIZE_TYPE)
        try:
            merkle.verify_consistency(last.size, head.size, last.root, head.root, asked.path)
        except merkle.ProofError as error:
            return Answer(422, f"{error}\n")
        at = int(self._now())
        if at < last.time - TOLERATED_STEP_BACK:
            return Answer(503, "The witness’s clock has gone backwards.\n")
        at = max(at, last.time)
        line = cosignature.cosign(body, at, self._key)
        record.logs[head.origin] = _Cosigned(head.size, head.root, at)
        self._write(record)  # also for a tree cosigned before: its record may not have reached the disk then
        return Answer(200, line)

    # -- the folder -------------------------------------------------------------------------------------------------

    def _open(self, name: str) -> SigningKey:
        """The key; at the first start the record comes first, so that a key without record always means a loss."""
        key, vkey = self._folder / KEY, self._folder / VKEY
        if not key.exists():
            if not (self._folder / RECORD).exists():
                self._write(_Record(1, {}))
            elif self._read().logs:
                raise _lost(key)
        if vkey.exists():
            name = cosignature.parse_vkey(vkey.read_text("utf-8").strip()).name
        opened = SigningKey.load_or_create(key, name)
        text = cosignature.vkey_text(name, checkpoint.parse_vkey(opened.vkey).public_key)
        if not vkey.exists():
            _replace(vkey, f"{text}\n".encode(), 0o644)
        elif vkey.read_text("utf-8").strip() != text:
            raise _lost(vkey)
        return opened

    def _read(self) -> _Record:
        file = self._folder / RECORD
        try:
            record = msgspec.json.decode(file.read_bytes(), type=_Record)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _lost(file) from error
        if record.version != 1:
            raise _lost(file)
        return record

    def _write(self, record: _Record) -> None:
        _replace(self._folder / RECORD, msgspec.json.encode(record), 0o600)


def trust(folder: Path, vkey: str) -> bool:
    """Adds a log to those a witness knows; False when it was there. Raises `CheckpointError`, and `Conflict` for a second key.

    A log is its origin (C2SP tlog-witness): two keys for one origin could be two logs that pass for one.
    """
    key = checkpoint.parse_vkey(vkey)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = known(folder)
    if vkey in there:
        return False
    if any(checkpoint.parse_vkey(other).name == key.name for other in there):
        raise Conflict(
            Text(
                f"Ce témoin connaît déjà un registre « {key.name} » sous une autre clé.",
                f"This witness already knows a log “{key.name}” under another key.",
            ),
            Text(
                f"Demandez au service pourquoi la clé a changé ; ôtez alors l’ancienne de {folder / LOGS}.",
                f"Ask the service why the key changed; then take the old one out of {folder / LOGS}.",
            ),
        )
    file = folder / LOGS
    before = file.read_bytes() if file.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    _replace(file, before + f"{vkey}\n".encode(), 0o644)
    return True


def known(folder: Path) -> list[str]:
    """The vkeys of the logs that the witness in `folder` knows. `StartupError` for a line that is none."""
    file = folder / LOGS
    with suppress(FileNotFoundError):
        content = file.read_bytes()
        if len(content) > MAX_LOGS:
            raise _lost(file)
        found = []
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            text = line.strip()
            if text and not text.startswith("#"):
                try:
                    checkpoint.parse_vkey(text)
                except CheckpointError as error:
                    raise StartupError(error.what, file=str(file), line=number) from error
                found.append(text)
        return found
    return []


def _parse(body: bytes) -> _Request:
    head, separator, note = body.partition(b"\n\n")
    if not separator:
        raise _Malformed("the empty line is missing")
    try:
        lines, text = head.decode("ascii").split("\n"), note.decode("utf-8")
    except UnicodeDecodeError:
        raise _Malformed("the request is not text") from None
    word, _, size = lines[0].partition(" ")
    if (
        word != "old"
        or not (size.isdecimal() and len(size) <= 19)
        or str(int(size)) != size
        or int(size) >= merkle.MAX_SIZE
    ):
        raise _Malformed("the first line is not “old”, a space and a decimal size")
    if len(lines) - 1 > MAX_PROOF:
        raise _Malformed(f"a consistency proof has at most {MAX_PROOF} lines")
    return _Request(int(size), [_hash(line) for line in lines[1:]], text)


def _hash(line: str) -> bytes:
    try:
        found = b64decode(line, validate=True)
    except ValueError:
        found = b""
    if len(found) != merkle.HASH_SIZE:
        raise _Malformed("a line of the consistency proof is not a 32-byte hash in base64")
    return found


def _replace(file: Path, content: bytes, mode: int) -> None:
    """Writes a file whole or not at all, and on the disk when this returns: new file, fsync, rename, fsync of the folder."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _alone(folder: Path) -> int:
    """Takes the folder: two witnesses on one record would each sign what the other does not know of."""
    descriptor = held(folder / LOCK)
    if descriptor is None:
        raise StartupError(
            Text("Un témoin tourne déjà sur ce dossier.", "A witness already runs on this folder."),
            Text("Arrêtez-le, ou donnez un autre dossier avec --data.", "Stop it, or give another folder with --data."),
            file=str(folder),
        )
    return descriptor


def _lost(file: Path) -> StartupError:
    return StartupError(
        Text(
            "Ce fichier du témoin manque ou est abîmé : sans lui, il pourrait cosigner deux histoires.",
            "This file of the witness is missing or damaged: without it, it could cosign two histories.",
        ),
        Text(
            "Remettez-le tel qu’il était. S’il est perdu, prenez un dossier neuf : une nouvelle clé, à annoncer.",
            "Put it back as it was. If it is lost, take a new folder: a new key, to be announced.",
        ),
        file=str(file),
    )
