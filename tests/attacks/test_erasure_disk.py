"""The raw disk under a store that erased someone: nothing of them is found, after a search that did find them before."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from egide.kernel import tables
from tests.conftest import missing
from tests.kernel.test_erasure import WHY, busy, finished, person
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """(image, where it is mounted): a small ext4 without discard."""
    if os.getuid() != 0 or shutil.which("mkfs.ext4") is None:
        missing("raw disks need root and mkfs.ext4")
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as out:
        out.truncate(96 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop,nodiscard", str(image), str(place)], check=False).returncode:
        missing("loop devices cannot be mounted here")
    try:
        yield image, place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def seen(disk: tuple[Path, Path], needles: list[bytes]) -> int:
    """How many of the needles are on the raw disk."""
    os.sync()
    raw = disk[0].read_bytes()
    return sum(needle in raw for needle in needles)


async def test_sqlite_leaves_nothing_on_the_raw_disk(disk: tuple[Path, Path]) -> None:
    world = World(disk[1] / "data")
    world.folder.mkdir(mode=0o700)
    keys = disk[0].parent / "keys"  # the vault has a disk of its own here: this is about the store
    keys.mkdir(mode=0o700)
    (world.folder / "vault").symlink_to(keys)
    await world.start()
    try:
        who = await person(world)
        await busy(world, who)
        rows = world.kernel.store.reader().execute(select(tables.entry.c.body).where(tables.entry.c.actor == who)).all()
        needles = [who.encode(), *(bytes(row[0]) for row in rows)]
        # A long row is cut between pages: each body is looked for in pieces.
        bodies = [each[at : at + 24] for each in needles for at in range(0, max(len(each) - 23, 1), 24)]
        await world.stop()
        await world.start()
        assert seen(disk, bodies) >= 0.9 * len(bodies) > 1, "the search finds them before"
        await world.act("dpo", "administration.person.erase", person=who, **WHY)
        await finished(world)
        assert seen(disk, bodies) == 0
    finally:
        await world.stop()
    assert seen(disk, bodies) == 0
