"""What holds all day holds for the jurisdiction's day: from its midnight to the next, whatever the day is in UTC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from egide.kernel.clock import to_us
from egide.kernel.gathering import day_of
from tests.plugins import works
from tests.world import World

pytestmark = pytest.mark.anyio
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 7, 14), 24), (date(2026, 12, 2), 24), (date(2026, 3, 29), 23), (date(2026, 10, 25), 25)],
)
def test_a_day_is_the_jurisdictions(day: date, hours: int) -> None:
    start = datetime.combine(day, time.min, PARIS)
    from_, until = day_of(to_us(start), PARIS)
    assert (from_, until - from_) == (to_us(start), hours * 3_600_000_000)
    assert day_of(until - 1, PARIS) == (from_, until)
    assert day_of(until, PARIS)[0] == until
    assert day_of(from_ - 1, PARIS)[1] == from_


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "data", extra=(works.capability(),))
    await made.start()
    yield made
    await made.stop()


async def test_a_basis_counts_through_its_last_day_and_not_an_hour_longer(world: World) -> None:
    kernel = world.kernel
    zone, activity = kernel.book.zone, kernel.activities["works-items"]
    last = world.clock.now().astimezone(zone).date() + timedelta(days=1)
    bases = tuple(msgspec.structs.replace(each, until=last.isoformat()) for each in activity.bases)
    kernel.activities["works-items"] = msgspec.structs.replace(activity, bases=bases)
    midnight = datetime.combine(last + timedelta(days=1), time.min, zone).astimezone(UTC)
    world.clock.shift(midnight - timedelta(minutes=2) - world.clock.now())
    await world.act("officer", "works.item.add", word="last")
    world.clock.shift(midnight + timedelta(seconds=1) - world.clock.now())
    assert world.clock.now().date() == last or zone.utcoffset(midnight) == timedelta(0), (
        "in UTC it is the same day still"
    )
    assert "LED-8" in await world.refused("officer", "works.item.add", word="too late")
