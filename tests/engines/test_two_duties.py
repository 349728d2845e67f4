"""Two processes of one installation: whichever hears that a shift ends, the position stops in both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import func, select

from egide.operations import tables
from egide.operations.shifts import on_duty as still
from egide.operations.shifts import shifts
from egide.protocols.positions import FIXES, write_fixes
from tests.operations.devices import fixes, near, on_duty, on_map
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio
Two = tuple[World, World]


@pytest.fixture(params=["sqlite", "postgres"])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Two]:
    """Two platforms on one store and one data folder."""
    settings = {"store": request.getfixturevalue("postgres_dsn")} if request.param == "postgres" else {}
    first, second = World(tmp_path / "data", **settings), World(tmp_path / "data", **settings)
    await first.start()
    await second.start()
    yield first, second
    await second.stop()
    await first.stop()


async def test_off_duty_in_one_stops_in_the_other(two: Two) -> None:
    first, second = two
    await on_duty(first)
    await second.until(lambda: still(second.kernel, "officer"))
    device, command = Terminal(second.person("officer")), Terminal(second.person("command"))
    await second.act("command", "operations.track.subscribe", command)
    await second.act("officer", "operations.position.stream", device)
    device.say(write_fixes(fixes(second, *near())))
    await second.until(lambda: on_map(command, "officer"))
    before = monotonic()
    await first.act("officer", "operations.duty.end")
    await second.until(lambda: on_map(command, "officer") is None, 2)
    assert monotonic() - before < 2
    assert FIXES not in device.inlets
    assert not still(first.kernel, "officer")
    assert not still(second.kernel, "officer")
    assert "LOC-3" in await second.refused("officer", "operations.position.stream", device)


async def test_the_declared_end_is_written_once(two: Two) -> None:
    first, second = two
    await on_duty(first, hours=1)
    await second.until(lambda: still(second.kernel, "officer"))
    first.move(hours=1)
    second.move(hours=1)
    assert not still(first.kernel, "officer")
    assert not still(second.kernel, "officer")
    ended = select(func.count()).select_from(tables.duty).where(tables.duty.c.how == "shift")
    await first.until(lambda: first.kernel.store.reader().execute(ended).scalar() == 1)


async def test_what_passed_in_one_is_read_in_the_other(two: Two) -> None:
    first, second = two
    await on_duty(first)
    first.move(seconds=60)
    second.move(seconds=60)
    device = Terminal(first.person("officer"))
    await first.act("officer", "operations.position.stream", device)
    device.say(write_fixes(fixes(first, *near(4))))
    await shifts(first.kernel).seal()
    (shift,) = (await second.act("officer", "operations.position.mine"))["shifts"]
    assert len(shift["fixes"]) == 4
