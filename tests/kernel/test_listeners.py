"""What a durable listener does is stored once; what the law refused it is not passed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from egide.kernel import listeners
from egide.kernel.guard import Decision, Guard
from tests.attacks.child import capability
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


async def counted(tmp_path: Path, refusals: int, left: list[int]) -> tuple[int, int]:
    """(events followed, refusals in the ledger) of three marks, the law refusing so many times first."""
    world = World(tmp_path / "data", extra=(capability(),))
    await world.start()
    try:
        left[0] = refusals
        for number in (1, 2, 3):
            await world.act("officer", "proof.mark", number=number)
        db = world.kernel.store.reader()
        cursor = text("SELECT seq FROM consumer WHERE name = 'proof:mark.made'")
        last = text("SELECT max(seq) FROM outbox WHERE name = 'mark.made'")
        await world.until(lambda: db.execute(cursor).scalar() == db.execute(last).scalar(), 15)
        refused = text("SELECT count(*) FROM entry WHERE act = 'proof.echo' AND outcome = 'refused'")
        echoes = text("SELECT count(DISTINCT number) FROM proof_echo")
        assert db.execute(text("SELECT count(*) FROM proof_echo")).scalar() == db.execute(echoes).scalar()
        return int(db.execute(echoes).scalar() or 0), int(db.execute(refused).scalar() or 0)
    finally:
        await world.stop()


async def test_an_event_that_was_refused_for_a_while_is_followed_once(tmp_path: Path, refusing: list[int]) -> None:
    assert await counted(tmp_path, 2, refusing) == (3, 2)


async def test_an_event_that_is_refused_for_good_does_not_hold_the_others_up(
    tmp_path: Path, refusing: list[int]
) -> None:
    assert await counted(tmp_path, listeners.REFUSALS, refusing) == (2, listeners.REFUSALS)
