"""How long what is to be looked at is kept: a year, then its key goes; that it came stays."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from egide.kernel.retention import Keeper
from egide.services import outbox_kept, outbox_tables
from tests.services.offline import Device
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_an_erased_review_leaves_no_key(world: World) -> None:
    device = await Device(world).enrol()
    (told,) = await device.sync(device.add(device.report(version=99)))
    assert told["state"] == "review"
    sealed = world.kernel.store.reader().execute(select(outbox_tables.entry.c.body)).scalar()
    assert sealed is not None
    assert world.kernel.vault.holds(bytes(sealed))
    world.move(days=366)
    await Keeper(world.kernel, "retention.erase").tick()
    assert not world.kernel.vault.holds(bytes(sealed))
    counted = select(func.count()).select_from(outbox_tables.entry).where(outbox_tables.entry.c.body.is_not(None))
    assert world.kernel.store.reader().execute(counted).scalar_one() == 0
    assert outbox_kept.CATEGORY == "field-outbox-review"
