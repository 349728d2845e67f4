"""The files of backup sets: which there are, one writer at a time, and how a set of keys is destroyed.

Apart from backup.py because an erasure destroys sets of keys too: whoever still had one could open what is erased.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from egide.kernel.errors import Text, Unavailable

if TYPE_CHECKING:
    from egide.kernel.bundle import Kind
    from egide.kernel.settings import Settings

DATA_SUFFIX, KEYS_SUFFIX = ".tar", ".sealed"
PART = 1 << 20  # bytes overwritten at once


def places(settings: Settings) -> tuple[Path, Path]:
    """Where sets of data and of keys lie unless the operator says otherwise."""
    place = Path(settings.backups) if settings.backups else settings.folder / "backups"
    return place, place / "keys"


def sets(place: Path, kind: Kind, realm: str = "*") -> list[Path]:
    """The sets in a folder, oldest first."""
    suffix = DATA_SUFFIX if kind == "data" else KEYS_SUFFIX
    return sorted(place.glob(f"egide-{kind}-{realm}-*{suffix}"))


def destroy_older(place: Path, realm: str, kept: int) -> tuple[Path, ...]:
    """Overwrites and removes every set of keys of this realm but the newest `kept`."""
    found = sets(place, "keys", realm)
    old = found[: len(found) - kept] if kept < len(found) else []
    for file in old:
        destroy(file)
    return tuple(old)


def destroy(file: Path) -> None:
    """Overwrites a file, durably, then removes it; a disk that copies on write may keep old blocks (docs/erasure.md)."""
    with file.open("r+b", buffering=0) as out:
        left = out.seek(0, os.SEEK_END)
        out.seek(0)
        while left > 0:
            left -= out.write(os.urandom(min(left, PART)))
        os.fsync(out.fileno())
    file.unlink()
    sync(file.parent)


def sync(folder: Path) -> None:
    """Makes a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """One backup into a folder at a time, and none while keys are destroyed; what an interrupted one left goes first.

    Raises `Unavailable`.
    """
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(place / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(
            Text(f"Impossible d’écrire dans {place} : {error.strerror}", f"Cannot write in {place}: {error.strerror}"),
            Text("Donnez un dossier où vous pouvez écrire.", "Give a folder you can write in."),
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in (*place.glob(".egide-*.half"), *place.glob(".*.copy")):
            destroy(left)
        yield
    except BlockingIOError as error:
        raise Unavailable(
            Text(f"Une autre sauvegarde s’écrit dans {place}.", f"Another backup is being written in {place}."),
            Text("Attendez qu’elle finisse.", "Wait until it ends."),
        ) from error
    finally:
        os.close(descriptor)
