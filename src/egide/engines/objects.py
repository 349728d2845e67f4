"""The folder engine: objects as files, each written aside, fsynced, renamed; zeroed before it is unlinked.

obstore's LocalStore writes and renames but never fsyncs (docs/decisions/0018), so this engine writes by itself. A folder's lock
(flock) orders writers and deleters, a file's lock keeps a reader from seeing the zeros of an erasure.
Source: POSIX rename(2), fsync(2), flock(2).
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from egide.kernel.errors import Text, Unavailable
from egide.kernel.objects import Objects, away, checked, checked_prefix, checked_range, checked_size, full, gone

ZEROS = bytes(1 << 20)
TRIES = 5  # a folder may be deleted, or a file replaced, between two system calls


class FolderObjects(Objects):
    """Files under one folder, readable by the platform's account only (0700, 0600)."""

    name: ClassVar[str] = "folder"
    remains: ClassVar[Text] = Text(
        "Rien dans les fichiers ; un disque SSD, un instantané ou un système à copie sur écriture peuvent garder des octets "
        "scellés, illisibles une fois la clé détruite.",
        "Nothing in the files; an SSD, a snapshot or a copy-on-write file system may keep sealed bytes, unreadable once the "
        "key is destroyed.",
    )

    def __init__(self, folder: Path) -> None:
        self._root = folder

    def put(self, name: str, content: bytes) -> None:
        """Written aside (`.half-…`), fsynced, renamed; what it replaces is zeroed."""
        final = self._root / checked(name)
        checked_size(content)
        with _plain():
            for left in reversed(range(TRIES)):
                try:
                    _make(final.parent, self._root)
                    self._write(final, content)
                except FileNotFoundError:  # the folder was deleted meanwhile
                    if not left:
                        raise
                else:
                    return

    @staticmethod
    def _write(final: Path, content: bytes) -> None:
        token = secrets.token_hex(8)
        half, old = final.with_name(f".half-{token}"), final.with_name(f".old-{token}")
        try:
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            with _locked(final.parent) as folder:
                with suppress(FileNotFoundError):
                    os.link(final, old, follow_symlinks=False)
                half.rename(final)
                os.fsync(folder)
                _erase(old)
        finally:
            _erase(half)

    def get(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Read under the file's lock."""
        path = self._root / checked(name)
        checked_range(start, end)
        with _plain():
            for _ in range(TRIES):
                try:
                    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                        fcntl.flock(file, fcntl.LOCK_SH)
                        if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                            file.seek(start)
                            return file.read() if end is None else file.read(end - start)
                except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                    raise gone(name) from error
        raise away("the file changes all the time")

    def size(self, name: str) -> int:
        """The file's length."""
        path = self._root / checked(name)
        with _plain():
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError) as error:
                raise gone(name) from error
            if not stat.S_ISREG(status.st_mode):
                raise gone(name)
            return status.st_size

    def names(self, prefix: str) -> list[str]:
        """The files under a folder; what is half written has a name with a dot, what is erased meanwhile is gone: left out."""
        place = self._root / checked_prefix(prefix)
        with _plain():
            return sorted(
                file.relative_to(self._root).as_posix()
                for folder, _, names in os.walk(place, onerror=_unless_gone)
                for file in (Path(folder) / name for name in names if not name.startswith("."))
                if file.is_file()
            )

    def delete(self, name: str) -> None:
        """Zeroed, fsynced, unlinked."""
        path = self._root / checked(name)
        with _plain(), suppress(FileNotFoundError, NotADirectoryError), _locked(path.parent) as folder:
            if path.is_file():
                _erase(path)
                os.fsync(folder)

    def delete_prefix(self, prefix: str) -> None:
        """Every file zeroed and unlinked, then the folders."""
        place = self._root / checked_prefix(prefix)
        with _plain():
            for folder, _, files in os.walk(place, topdown=False):
                with suppress(FileNotFoundError), _locked(Path(folder)):
                    for file in files:
                        _erase(Path(folder) / file)
                    with suppress(OSError):  # somebody writes here again
                        Path(folder).rmdir()
            with suppress(FileNotFoundError):
                _sync(place.parent)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _make(folder: Path, root: Path) -> None:
    """Makes the folders down to `folder`, each durable."""
    if folder.is_dir():
        return
    if folder != root:
        _make(folder.parent, root)
    folder.mkdir(exist_ok=True, mode=0o700, parents=folder == root)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The folder's descriptor; nobody else replaces or deletes here, in any process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _erase(path: Path) -> None:
    """Overwrites a file with zeros, on the disk, then unlinks it: its freed blocks hold nothing."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that somebody put here: not ours to overwrite
            path.unlink(missing_ok=True)
            return
        raise
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(ZEROS[:left]) or 0
        os.fsync(file.fileno())
        path.unlink(missing_ok=True)


@contextmanager
def _plain() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> Unavailable:
    return full() if error.errno in (errno.ENOSPC, errno.EDQUOT) else away(os.strerror(error.errno or 0))
