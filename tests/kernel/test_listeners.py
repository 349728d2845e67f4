"""What a durable listener does is stored once; what the law refused it is not passed over. Independent events share commits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from egide.kernel import listeners
from egide.kernel.capability import Capability
from egide.kernel.guard import Decision, Guard
from tests.attacks.child import capability, follow
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many times from now on the law refuses to follow an event."""
    left, decide = [0], Guard.decide

    def decided(self: Guard, act: str, facts: Mapping[str, Any]) -> Decision:
        found = decide(self, act, facts)
        if act == "proof.echo" and left[0]:
            left[0] -= 1
            return replace(found, allowed=False)
        return found

    monkeypatch.setattr(Guard, "decide", decided)
    monkeypatch.setattr("egide.kernel.transport.RETRY_S", 0.05)
    return left


async def followed(world: World) -> None:
    """Waits until the cursor stands behind the last mark."""
    db = world.kernel.store.reader()
    cursor = text("SELECT seq FROM consumer WHERE name = 'proof:mark.made'")
    last = text("SELECT max(seq) FROM outbox WHERE name = 'mark.made'")
    await world.until(lambda: db.execute(cursor).scalar() == db.execute(last).scalar(), 15)


def following(*, serial: bool) -> Capability:
    """The capability that counts, each event after the other or several at once."""
    return replace(capability(), listeners={"mark.made": follow}) if serial else capability()


async def counted(tmp_path: Path, refusals: int, left: list[int], *, serial: bool) -> tuple[int, int]:
    """(events followed, refusals in the ledger) of three marks, the law refusing so many times first."""
    world = World(tmp_path / "data", extra=(following(serial=serial),))
    await world.start()
    try:
        left[0] = refusals
        for number in (1, 2, 3):
            await world.act("officer", "proof.mark", number=number)
        await followed(world)
        db = world.kernel.store.reader()
        refused = text("SELECT count(*) FROM entry WHERE act = 'proof.echo' AND outcome = 'refused'")
        echoes = text("SELECT count(DISTINCT number) FROM proof_echo")
        assert db.execute(text("SELECT count(*) FROM proof_echo")).scalar() == db.execute(echoes).scalar()
        return int(db.execute(echoes).scalar() or 0), int(db.execute(refused).scalar() or 0)
    finally:
        await world.stop()


each_way = pytest.mark.parametrize("serial", [True, False], ids=["in order", "independent"])


@each_way
async def test_an_event_that_was_refused_for_a_while_is_followed_once(
    tmp_path: Path, refusing: list[int], serial: bool
) -> None:
    assert await counted(tmp_path, 2, refusing, serial=serial) == (3, 2)


async def test_an_event_that_is_refused_for_good_does_not_hold_the_others_up(
    tmp_path: Path, refusing: list[int]
) -> None:
    assert await counted(tmp_path, listeners.REFUSALS, refusing, serial=True) == (2, listeners.REFUSALS)


@each_way
async def test_independent_events_share_commits_and_others_follow_in_order(tmp_path: Path, serial: bool) -> None:
    many = 3 * listeners.AHEAD // 2
    world = World(tmp_path / "data", extra=(replace(capability(), listeners={}),))
    await world.start()
    await asyncio.gather(*(world.act("officer", "proof.mark", number=number) for number in range(many)))
    await world.stop()
    world = World(tmp_path / "data", extra=(following(serial=serial),))
    await world.start()
    try:
        await followed(world)
        db = world.kernel.store.reader()
        numbers = [row[0] for row in db.execute(text("SELECT number FROM proof_echo ORDER BY row"))]
        made = [row[0] for row in db.execute(text("SELECT number FROM proof_mark ORDER BY row"))]
        assert sorted(numbers) == sorted(made) == list(range(many))
        assert numbers == made or not serial
        commits = db.execute(text("SELECT count(DISTINCT at) FROM entry WHERE act = 'proof.echo'")).scalar()
        assert commits == many if serial else commits <= many // 8
    finally:
        await world.stop()
