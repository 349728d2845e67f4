"""Disks that fill up."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing


@contextlib.contextmanager
def small_disk(place: Path, mib: int) -> Iterator[Path]:
    """A file system of its own."""
    place.mkdir(parents=True, exist_ok=True)
    for above in list(place.parents)[:4]:  # PostgreSQL runs as another account, which must reach its folder
        if above.stat().st_uid == os.getuid() and above != Path("/tmp"):
            above.chmod(above.stat().st_mode | 0o011)
    if os.getuid() != 0:
        missing("a small file system can only be mounted by root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "none", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def filled(place: Path) -> Iterator[None]:
    """Nothing more goes onto the disk of this folder meanwhile."""
    file = place / "filled"
    with file.open("wb", buffering=0) as rest, contextlib.suppress(OSError):
        while True:
            rest.write(bytes(4096))
    try:
        yield
    finally:
        file.unlink()
