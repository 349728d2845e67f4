"""What a durable listener does is stored once; what the law refused it is not passed over. Independent events share commits, and
those that hang on one another are heard in order.
"""  # fmt: skip

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from egide.kernel import listeners
from egide.kernel.capability import Capability
from egide.kernel.guard import Decision, Guard
from egide.kernel.listeners import Independent, Keyed
from egide.kernel.transport import Event
from tests.attacks.child import capability, follow
from tests.world import World

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

pytestmark = pytest.mark.anyio
NOTHING = 1_000_000  # a number that is of no use any more


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


LANES = 4  # numbers of the same remainder hang on one another


async def asked(_kernel: Kernel, told: dict[str, Any]) -> dict[str, Any] | None:
    return told if told["number"] != NOTHING else None


async def keyed(kernel: Kernel, told: dict[str, Any], what: dict[str, Any]) -> None:
    assert what["number"] == told["number"]
    await follow(kernel, told)


WAYS: dict[str, Any] = {
    "in order": follow,
    "independent": Independent(follow),
    "keyed": Keyed(asked, lambda what: (str(what["number"] % LANES),), keyed),
}
each_way = pytest.mark.parametrize("way", WAYS)


def following(way: str) -> Capability:
    """The capability that counts, heard in one of the ways."""
    return replace(capability(), listeners={"mark.made": WAYS[way]})


async def counted(tmp_path: Path, refusals: int, left: list[int], way: str) -> tuple[int, int]:
    """(events followed, refusals in the ledger) of three marks, the law refusing so many times first."""
    world = World(tmp_path / "data", extra=(following(way),))
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


@each_way
async def test_an_event_that_was_refused_for_a_while_is_followed_once(
    tmp_path: Path, refusing: list[int], way: str
) -> None:
    assert await counted(tmp_path, 2, refusing, way) == (3, 2)


async def test_an_event_that_is_refused_for_good_does_not_hold_the_others_up(
    tmp_path: Path, refusing: list[int]
) -> None:
    assert await counted(tmp_path, listeners.REFUSALS, refusing, "in order") == (2, listeners.REFUSALS)


async def test_where_all_are_refused_for_good_a_keyed_listener_goes_on(tmp_path: Path, refusing: list[int]) -> None:
    assert await counted(tmp_path, 3 * listeners.REFUSALS, refusing, "keyed") == (0, 3 * listeners.REFUSALS)


@each_way
async def test_events_share_commits_where_they_may_and_keep_their_order_where_they_must(
    tmp_path: Path, way: str
) -> None:
    many = 3 * listeners.AHEAD // 2
    made, numbers, commits = await heard(tmp_path, way, range(many))
    assert sorted(numbers) == sorted(made) == list(range(many))
    if way == "in order":
        assert numbers == made
        assert commits == many
    else:
        assert commits <= many // 3
    if way == "keyed":
        for lane in range(LANES):
            assert [one for one in numbers if one % LANES == lane] == [one for one in made if one % LANES == lane]


async def test_what_has_nothing_to_do_any_more_holds_nobody_up(tmp_path: Path) -> None:
    made, numbers, _ = await heard(tmp_path, "keyed", [1, NOTHING, 2])
    assert sorted(made) == [1, 2, NOTHING]
    assert sorted(numbers) == [1, 2]


async def test_what_hangs_on_an_event_that_failed_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.kernel.transport.RETRY_S", 0.05)
    failed: list[int] = []

    async def fails(kernel: Kernel, told: dict[str, Any], what: dict[str, Any]) -> None:
        if told["number"] == LANES and len(failed) < 3:
            failed.append(told["number"])
            raise OSError("away for a moment")
        await keyed(kernel, told, what)

    monkeypatch.setitem(WAYS, "keyed", replace(WAYS["keyed"], hear=fails))
    made, numbers, _ = await heard(tmp_path, "keyed", range(3 * LANES))
    assert failed == [LANES] * 3
    lane = [one for one in made if one % LANES == 0]
    assert [one for one in numbers if one % LANES == 0] == lane, "in their order, none lost, none twice"
    assert sorted(numbers) == sorted(made)


async def heard(tmp_path: Path, way: str, marks: Iterable[int]) -> tuple[list[int], list[int], int]:
    """(numbers marked, numbers followed, commits that took) of marks that wait when the listener starts."""
    world = World(tmp_path / "data", extra=(replace(capability(), listeners={}),))
    await world.start()
    await asyncio.gather(*(world.act("officer", "proof.mark", number=number) for number in marks))
    await world.stop()
    world = World(tmp_path / "data", extra=(following(way),))
    await world.start()
    try:
        await followed(world)
        db = world.kernel.store.reader()
        numbers = [row[0] for row in db.execute(text("SELECT number FROM proof_echo ORDER BY row"))]
        made = [row[0] for row in db.execute(text("SELECT number FROM proof_mark ORDER BY row"))]
        commits = db.execute(text("SELECT count(DISTINCT at) FROM entry WHERE act = 'proof.echo'")).scalar()
        return made, numbers, int(commits or 0)
    finally:
        await world.stop()


@pytest.mark.parametrize(("busy", "rest"), [(True, 0.3), (False, 600.0)])
async def test_who_waits_for_an_answer_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: bool, rest: float
) -> None:
    monkeypatch.setattr(listeners, "REST", 1e9)
    monkeypatch.setattr(listeners, "MOST_REST_S", rest)

    async def meanwhile(kernel: Kernel, told: dict[str, Any]) -> None:
        kernel.measures.asked += busy
        await follow(kernel, told)

    monkeypatch.setitem(WAYS, "independent", Independent(meanwhile))
    started = monotonic()
    made, numbers, _ = await heard(tmp_path, "independent", range(listeners.AHEAD + 1))
    assert sorted(numbers) == sorted(made)
    assert not busy or monotonic() - started >= 2 * rest, "after each of the two"


def test_waves_are_as_few_as_there_must_be() -> None:
    def cut(*keys: str) -> list[list[int]]:
        events = [Event(seq, "", {}, "") for seq in range(len(keys))]
        found = listeners.waves(zip(events, keys, strict=True))
        return [[event.seq for event in wave] for wave in found]

    assert cut() == []
    assert cut("", "", "") == [[0, 1, 2]], "what is about nothing depends on nothing"
    assert cut("a", "b", "a", "ab", "c", "b") == [[0, 1, 4], [2], [3], [5]]
