"""Two lanes, times without names, and an alarm where refusing the token costs time."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from egide.border import lanes, tables
from egide.kernel import tables as kernel_tables
from egide.kernel.errors import NotFound
from tests.border.airport import Airport

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("seconds", "upper"), [(0, 30), (30, 30), (31, 60), (-5, 30), (7_200, 7_200), (90_000, 7_200)])
def test_a_wait_falls_into_a_band(seconds: float, upper: int) -> None:
    assert lanes.BANDS_S[lanes.band_of(seconds)] == upper


def test_fewer_than_ten_waits_say_nothing() -> None:
    assert lanes.p95({0: 9}) is None
    assert lanes.p95({0: 10}) == 30
    assert lanes.p95({0: 95, 3: 5}) == 30
    assert lanes.p95({0: 94, 3: 6}) == 180
    assert not lanes.slower({"token": {0: 9}, "equal": {5: 50}})
    assert lanes.slower({"token": {0: 10}, "equal": {1: 10}})
    assert not lanes.slower({"token": {1: 10}, "equal": {1: 10}})


async def test_the_alarm_sounds_once_when_the_equal_lane_becomes_the_slower_one(airport: Airport) -> None:
    async def waited(lane: str, seconds: int, times: int) -> None:
        taken = [
            (await airport.act("officer", "border.lane.enter", point="security", lane=lane))["ticket"]
            for _ in range(times)
        ]
        airport.move(seconds=seconds)
        for ticket in taken:
            await airport.act("officer", "border.lane.leave", ticket=ticket)

    def alarms() -> int:
        out = kernel_tables.outbox
        return len(airport.kernel.store.reader().execute(select(out.c.seq).where(out.c.name == "lane.slower")).all())

    await waited("token", 20, 10)
    await waited("equal", 20, 10)
    assert alarms() == 0
    await waited("equal", 200, 4)
    assert alarms() == 1
    shown = await airport.act("officer", "border.lane.show", point="security")
    assert (shown["token_p95_s"], shown["equal_p95_s"]) == (30, 240)
    kept = airport.kernel.store.reader().execute(select(tables.facilitation.ticket)).all()
    assert kept == [], "a ticket that came back is nowhere"


async def test_a_ticket_comes_back_once_and_a_lost_one_is_forgotten(airport: Airport) -> None:
    ticket = (await airport.act("officer", "border.lane.enter", point="security", lane="equal"))["ticket"]
    await airport.act("officer", "border.lane.enter", point="security", lane="equal")
    await airport.act("officer", "border.lane.leave", ticket=ticket)
    with pytest.raises(NotFound):
        await airport.act("officer", "border.lane.leave", ticket=ticket)
    airport.move(hours=5)
    await airport.act("officer", "border.lane.enter", point="security", lane="token")
    table = tables.facilitation.ticket
    assert len(airport.kernel.store.reader().execute(select(table.c.id)).all()) == 1


async def test_closed_until_somebody_opens_it_and_not_by_just_anybody(airport: Airport) -> None:
    assert "GDPR-29" in await airport.refused("dpo", "border.lane.set", point="security", equal_open=True, staffed=True)
    with pytest.raises(NotFound):
        await airport.act("officer", "border.lane.set", point="border", equal_open=True, staffed=True)
