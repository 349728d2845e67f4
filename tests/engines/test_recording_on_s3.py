"""A recording's whole life with its segments in a bucket: sealed, opened, erased; and an erasure while the bucket is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from egide.kernel import tables
from egide.operations import archive
from tests.engines.moto import Server
from tests.kernel.test_retention import downloaded, opened, recorded, shown
from tests.world import World

pytestmark = pytest.mark.anyio


def state(world: World) -> str:
    return str(world.kernel.store.reader().execute(select(tables.retained.c.state)).scalar_one())


@pytest.fixture
def s3_world(tmp_path: Path, s3_address: str) -> World:
    return World(tmp_path / "data", objects=s3_address)


async def test_sealed_opened_and_erased_in_a_bucket(s3_world: World) -> None:
    world = s3_world
    await world.start()
    try:
        recording = await recorded(world)
        names = world.kernel.objects.names(archive.prefix(recording))
        assert names
        assert b"ftyp" not in world.kernel.objects.get(names[0])[:64], "sealed before it leaves the machine"
        assert not (world.folder / "recordings").exists()
        world.move(days=3)
        clear = downloaded(world, "magistrate", await opened(world, "magistrate", recording, "PARQUET-2026-1"))
        assert clear[4:8] == b"ftyp"
        world.move(days=4, minutes=1)
        assert await world.kernel.things["keeper"].tick() == 1
        assert world.kernel.objects.names("recordings") == []
        assert state(world) == "erased"
    finally:
        await world.stop()


async def test_an_erasure_while_the_bucket_is_away_ends_after_a_restart(s3_world: World, s3_server: Server) -> None:
    world = s3_world
    await world.start()
    recording = await recorded(world)
    world.move(days=8)
    s3_server.pause()
    try:
        assert await world.kernel.things["keeper"].tick() == 1, "the decision and the key wait for no bucket"
        assert state(world) == "erasing"
        assert (await shown(world, recording))["state"] == "erased"
        await world.stop()
    finally:
        s3_server.resume()
    await world.start()
    try:
        await world.until(lambda: state(world) == "erased", 20)
        assert world.kernel.objects.names("recordings") == []
        done = (
            world.kernel.store.reader()
            .execute(select(tables.entry.c.outcome).where(tables.entry.c.act == "retention.erase"))
            .all()
        )
        assert [row.outcome for row in done] == ["allowed"], "one act, however often the deletion was tried"
    finally:
        await world.stop()
