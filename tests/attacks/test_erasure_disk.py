"""The raw disk under stores that erased someone: nothing of them is found, after a search that did find them before.

SQLite: store and vault on an ext4 that keeps what is freed. PostgreSQL: the whole cluster on an ext4 that discards it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.attacks.needles import bodies, keys, seen
from tests.conftest import missing
from tests.engines.postgres import postgres
from tests.kernel.test_erasure import WHY, busy, finished, person, proofs_hold
from tests.world import World

pytestmark = pytest.mark.anyio
BLOCK = 65_536  # bytes
PURPOSES = ("identity", "field-notes", "operations", "aerial-surveillance", "access", "orders")


class Disk:
    """A small ext4 in a file, mounted."""

    def __init__(self, image: Path, place: Path) -> None:
        self.image, self.place = image, place

    def seen(self, needles: list[bytes]) -> list[bytes]:
        """Which of the needles are on the raw disk."""
        subprocess.run(["sync", "-f", str(self.place)], check=True)
        with self.image.open("rb") as raw:
            os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            blocks = iter(lambda: raw.read(BLOCK), b"")
            # Most of it was never written; no needle ends in zeros.
            return seen(b"".join(block for block in blocks if block.count(0) != len(block)), needles)

    async def left(self, needles: list[bytes], wait_s: float = 0) -> list[bytes]:
        """What is still seen; where freed blocks are discarded, the file system does so in its own time."""
        found = self.seen(needles)
        until = monotonic() + wait_s
        while found and monotonic() < until:
            await asyncio.sleep(0.3)
            found = self.seen(needles)
        return found


@contextmanager
def disk(folder: Path, options: str, size_mib: int) -> Iterator[Disk]:
    """Made, mounted with these options, and unmounted."""
    if os.getuid() != 0 or shutil.which("mkfs.ext4") is None:
        missing("raw disks need root and mkfs.ext4")
    image, place = folder / "disk.img", Path(tempfile.mkdtemp(prefix="egide-disk-"))  # a server's socket: 107 bytes
    with image.open("wb") as out:
        out.truncate(size_mib << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    if subprocess.run(["mount", "-o", f"loop,{options}", str(image), str(place)], check=False).returncode:
        place.rmdir()
        pytest.skip("loop devices cannot be mounted here")  # a container may forbid it even to root
    try:
        yield Disk(image, place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


async def erased(world: World, on: Disk, wait_s: float = 0) -> list[bytes]:
    """Someone who acted is erased; what to look for, once it was found before and is not any more."""
    await world.start()
    try:
        who = await person(world)
        await busy(world, who)
        needles = [who.encode(), *bodies(world, who), *keys(world.kernel.vault._rows, who, *PURPOSES)]
        await world.stop()
        await world.start()
        assert len(on.seen(needles)) >= 0.9 * len(needles) > 10, "the search finds them before"
        told = await world.act("dpo", "administration.person.erase", person=who, **WHY)
        # Not its id: the erasure's row named it in clear, with nobody's name.
        own = keys(world.kernel.vault._rows, f"erasure:{told['erasure']}", "erasure")[1:]
        assert on.seen(own) == own
        needles += own
        await finished(world)
        assert await on.left(needles, wait_s) == []
        proofs_hold(world)
    finally:
        await world.stop()
    return needles


def reachable(folder: Path) -> None:
    """The server runs under an account of its own."""
    for each in (folder, *folder.parents):
        mode = each.stat().st_mode
        if mode & 0o011 != 0o011:
            each.chmod(mode | 0o011)


async def test_sqlite_leaves_nothing_on_the_raw_disk(tmp_path: Path) -> None:
    with disk(tmp_path, "nodiscard", 96) as on:
        needles = await erased(World(on.place / "data"), on)
        assert on.seen(needles) == []


@pytest.mark.timeout(300)
async def test_postgresql_leaves_nothing_on_the_raw_disk(tmp_path: Path) -> None:
    with disk(tmp_path, "discard", 384) as on:
        reachable(on.place)
        with postgres("-c wal_recycle=off -c min_wal_size=32MB -c max_wal_size=64MB", folder=on.place) as server:
            world = World(on.place / "data", store=server.dsn("store"), vault=server.dsn("vault"))
            needles = await erased(world, on, wait_s=40)
            assert await on.left(needles, wait_s=40) == []
