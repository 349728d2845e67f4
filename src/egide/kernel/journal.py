"""The emergency journal's files: append-only, each record sealed, chained and on the disk before it is answered for.

Why: an alert must be kept although the ledger, the database and the vault are all away. What is needed is one folder and one key:

    emergency/journal.key          256 bits, mode 0600, made at the first start; apart from the vault, which may be down
    emergency/<process>.journal    one file a process, held with flock(2): a file nobody holds is a dead process's

A record is MAGIC (8) ‖ number (8) ‖ length (4) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag (NIST SP 800-38D) ‖ END (1),
which is never zero: a whole record is told from one whose writing was cut short in the reserve's zeros. Number and file
name are authenticated with it, and inside stands the hash of all records before it. Each record opens by itself, so that one that
was altered costs only itself; the chain names what was taken out or put elsewhere. Space is reserved at the start, so that a full
disk finds some left; its zeros end the reading.

Limit, said plainly: records cut off the *end* of a dead process's file leave no trace.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass, field
from errno import ENOSPC
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from egide.kernel.keyfile import read_private, unusable, write_private

MAGIC = b"\xe9EGIDEJ1"
END = b"\xe9"
HEAD = len(MAGIC) + 8 + 4  # bytes before the sealed part
NONCE, TAG, LINK = 12, 16, 32  # bytes
MAX_RECORD = 256 * 1024  # bytes of one sealed record
RESERVE = 4 * 1024 * 1024  # bytes kept for a day when the disk is full
MAX_FILE = 512 * 1024 * 1024  # bytes read of one file
SUFFIX = ".journal"
START = bytes(LINK)


class TooLong(OSError):
    """A record beyond `MAX_RECORD`: nothing was written."""


@dataclass(slots=True)
class Reading:
    """What a file holds: the records that are authentic, in order, and in words what is wrong with the others."""

    records: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    torn: bool = False  # the last record was never finished: nobody was answered for it


def load_key(folder: Path) -> bytes:
    """The journal's key, made at the first start. Raises `StartupError` when others can read it or it is no key."""
    path = folder / "journal.key"
    if not path.exists():
        write_private(path, os.urandom(32))
    key = read_private(path)
    if len(key) != 32:
        raise unusable(path)
    return key


def _sealed_with(name: str, number: int) -> bytes:
    return b"egide emergency journal 1 " + name.encode() + number.to_bytes(8, "big")


class Journal:
    """One file, held by this process until `close`."""

    def __init__(self, path: Path, key: bytes, descriptor: int) -> None:
        self.path = path
        self._cipher = AESGCM(key)
        self._descriptor = descriptor
        self._end = 0  # bytes
        self._number = 0
        self._link = START

    @classmethod
    def create(cls, path: Path, key: bytes) -> Journal:
        """A new file with its reserve. Raises `OSError` when there is none to be had."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(OSError):  # a full disk, or a file system that cannot reserve: then without
            os.posix_fallocate(descriptor, 0, RESERVE)
        os.fsync(descriptor)
        _sync_folder(path.parent)
        return cls(path, key, descriptor)

    @classmethod
    def take_over(cls, path: Path, key: bytes) -> Journal | None:
        """A file that no process holds any more; None while one does, or when it has just gone."""
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        if not path.exists():  # another process took it over, and was done with it, between our two calls
            os.close(descriptor)
            return None
        return cls(path, key, descriptor)

    @property
    def used(self) -> int:
        """Bytes of records."""
        return self._end

    def append(self, content: bytes) -> int:
        """Writes one record durably; gives its number. Raises `OSError` when it is not on the disk (nothing is half-kept)."""
        number = self._number + 1
        nonce = os.urandom(NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, self._link + content, _sealed_with(self.path.name, number))
        if len(sealed) > MAX_RECORD:
            raise TooLong(f"a record of {len(sealed)} bytes")
        frame = MAGIC + number.to_bytes(8, "big") + len(sealed).to_bytes(4, "big") + sealed + END
        try:
            _write(self._descriptor, frame, self._end)
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):  # what was half-written is not there for the next record to stumble over
                os.pwrite(self._descriptor, bytes(len(frame)), self._end)
                os.ftruncate(self._descriptor, max(self._end, RESERVE))
            raise
        self._number, self._end = number, self._end + len(frame)
        self._link = sha256(self._link + frame).digest()
        return number

    def read(self) -> Reading:
        """What the file holds now."""
        return read(self.path.name, os.pread(self._descriptor, MAX_FILE, 0), self._cipher)

    def wipe(self) -> None:
        """Everything in it stands elsewhere: overwritten with zeros, then cut back to the reserve. The file goes on."""
        size = os.fstat(self._descriptor).st_size
        length = max(self._end, size if self._end == 0 else 0)
        for at in range(0, length, RESERVE):
            os.pwrite(self._descriptor, bytes(min(RESERVE, length - at)), at)
        os.fsync(self._descriptor)
        if size > RESERVE:
            os.ftruncate(self._descriptor, RESERVE)
            os.fsync(self._descriptor)
        self._end, self._link = 0, START

    def remove(self) -> None:
        """Wipes the file and takes it away."""
        self.wipe()
        self.path.unlink(missing_ok=True)
        _sync_folder(self.path.parent)
        self.close()

    def close(self) -> None:
        """Lets the file go; whoever takes it over finds what it holds."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read(name: str, data: bytes, cipher: AESGCM) -> Reading:
    """The records in a file's bytes. Never raises: what is wrong is said in `faults`, by number or place."""
    found = Reading()
    at, link, sure = 0, START, True
    while at < len(data):
        end, number, content = _one(name, data, at, cipher)
        if content is None:
            following = data.find(MAGIC, at + 1)
            if following < 0:
                rest = data[at:].rstrip(b"\0")
                if not rest:
                    break
                found.torn = _is_torn(name, rest, end - at, cipher)
                if not found.torn:
                    found.faults.append(f"{name}: what stands at byte {at} was altered")
                break
            found.faults.append(f"{name}: what stands at byte {at} was altered")
            at, sure = following, False
            continue
        if sure and content[:LINK] != link:
            found.faults.append(f"{name}: record {number} does not follow the one before it")
        found.records.append(content[LINK:])
        link, sure = sha256(content[:LINK] + data[at:end]).digest(), True
        at = end
    return found


def _one(name: str, data: bytes, at: int, cipher: AESGCM) -> tuple[int, int, bytes | None]:
    """(end, number, opened content) of the record at this place; None where there is none that is authentic."""
    if not data.startswith(MAGIC, at) or at + HEAD > len(data):
        return len(data), 0, None
    number = int.from_bytes(data[at + 8 : at + 16], "big")
    length = int.from_bytes(data[at + 16 : at + HEAD], "big")
    end = at + HEAD + length + len(END)
    if not NONCE + TAG + LINK <= length <= MAX_RECORD or not data.startswith(END, end - len(END)):
        return end, number, None
    return end, number, _opened(name, number, data[at + HEAD : end - len(END)], cipher)


def _opened(name: str, number: int, sealed: bytes, cipher: AESGCM) -> bytes | None:
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], _sealed_with(name, number))
    except (InvalidTag, ValueError):
        return None


def _is_torn(name: str, rest: bytes, length: int, cipher: AESGCM) -> bool:
    """Whether the file's last bytes are the beginning of a record of `length` bytes, and no more than its beginning.

    A whole record whose stated length was altered ends with END and still opens without it: that is not torn.
    """
    if len(rest) < HEAD:
        return MAGIC.startswith(rest[: len(MAGIC)]) or rest.startswith(MAGIC)
    if not rest.startswith(MAGIC) or len(rest) >= length:
        return False
    number = int.from_bytes(rest[8:16], "big")
    return not (rest.endswith(END) and _opened(name, number, rest[HEAD : -len(END)], cipher) is not None)


def _write(descriptor: int, frame: bytes, at: int) -> None:
    """All of it, or `OSError`: a nearly full disk takes a part without a word."""
    if os.pwrite(descriptor, frame, at) != len(frame):
        raise OSError(ENOSPC, os.strerror(ENOSPC))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
