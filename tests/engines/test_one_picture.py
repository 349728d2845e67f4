"""Two processes of one installation show one picture: an officer is on both, whichever their device speaks to."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from egide.kernel.ephemeral import MAX, OWNER, PLACE, PURPOSE
from egide.operations import tables
from egide.operations.elsewhere import EACH, Place
from egide.protocols.positions import Fix
from tests.engines.nats import Nats, nats
from tests.operations.devices import fixes, near, on_duty, on_map, told
from tests.world import INSIDE, Terminal, World

pytestmark = pytest.mark.anyio
REPORT = "operations.position.report"
Two = tuple[World, World]


@pytest.fixture(scope="module")
def server() -> Iterator[Nats]:
    with nats() as found:
        yield found


@pytest.fixture(params=["sockets", "nats"])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Two]:
    settings: dict[str, Any] = {}
    if request.param == "nats":
        settings = {"bus": request.getfixturevalue("server").url, "realm": f"r{os.urandom(4).hex()}"}
    first, second = World(tmp_path / "data", **settings), World(tmp_path / "data", **settings)
    await first.start()
    await second.start()
    if settings:
        await first.until(lambda: all(each.kernel.bus.transport.trouble() is None for each in (first, second)))
    yield first, second
    await second.stop()
    await first.stop()


async def looks(world: World, who: str = "command") -> Terminal:
    terminal = Terminal(world.person(who))
    await world.act(who, "operations.track.subscribe", terminal)
    return terminal


async def duty(two: Two) -> str:
    """An officer on duty, as both processes know."""
    begun = await on_duty(two[0])
    for world in two:
        await world.until(lambda world=world: world.kernel.things["shifts"].shift("officer") is not None)  # type: ignore[misc]
    return begun


async def report(two: Two, by: int, place: tuple[float, float] = near()[0], *, minutes: int = 1) -> None:
    for world in two:
        world.move(seconds=60 * minutes)
    await two[by].act("officer", REPORT, fixes=told(fixes(two[by], place)))


async def shown(two: Two, eyes: list[Terminal], place: tuple[float, float] | None) -> None:
    """Both maps have the officer there, or nowhere."""
    wanted = None if place is None else pytest.approx(place)
    for world, terminal in zip(two, eyes, strict=True):
        await world.until(lambda terminal=terminal: on_map(terminal, "officer") == wanted)  # type: ignore[misc]


async def test_an_officer_is_on_both(two: Two) -> None:
    eyes = [await looks(world) for world in two]
    await duty(two)
    for by, place in enumerate(near(2)):
        await report(two, by, place)
        await shown(two, eyes, place)
    await two[1].act("officer", "operations.duty.end")
    await shown(two, eyes, None)


async def test_one_who_starts_later_learns_where_everyone_is(two: Two) -> None:
    second = two[1]
    await duty(two)
    await second.stop()
    await report(two, 0, minutes=0)
    await second.start()
    terminal = await looks(second)
    await second.until(lambda: on_map(terminal, "officer") == pytest.approx(INSIDE))


async def test_what_comes_late_brings_nobody_back(two: Two) -> None:
    shift = await duty(two)
    await report(two, 0)
    board, terminal = two[1].kernel.things["shifts"], await looks(two[1])
    await two[1].until(lambda: on_map(terminal, "officer") is not None)
    (fix,) = fixes(two[1], INSIDE)
    await two[0].act("officer", "operations.duty.end")
    await two[1].until(lambda: on_map(terminal, "officer") is None)
    board.hear(Place("officer", shift, None, fix))
    await duty(two)
    board.hear(Place("officer", shift, None, fix))
    two[1].kernel.things["relay"].positions.tick()
    assert on_map(terminal, "officer") is None


async def test_a_crossing_is_said_once(two: Two) -> None:
    first = two[0]
    mission = await first.mission(await first.order(), "officer")
    shape = {"circle": {"lat": INSIDE[0], "lon": INSIDE[1], "radius": 100}}
    fence = {"mission": mission, "name": "Quai", "kind": "no-go", "shape": shape, "hours": 8}
    await first.act("command", "operations.geofence.draw", **fence)
    eyes = [await looks(world) for world in two]
    await duty(two)
    for world in two:
        await world.until(lambda world=world: len(world.kernel.things["fences"].standing()) == 1)  # type: ignore[misc]
    for by in (0, 1, 0):
        for place in ((INSIDE[0] + 0.01, INSIDE[1]), INSIDE):
            await report(two, by, place)
            await shown(two, eyes, place)
    crossings = select(func.count()).select_from(tables.crossing)
    await first.until(lambda: first.kernel.store.reader().execute(crossings).scalar() == 3)
    await asyncio.sleep(0.3)
    assert first.kernel.store.reader().execute(crossings).scalar() == 3


async def test_others_words_are_not_believed(two: Two) -> None:
    first, second = two
    heard: list[bytes] = []
    second.kernel.ephemeral.hear("x", heard.append)
    first.kernel.ephemeral.say("x", b"1", always=True)
    await second.until(lambda: heard == [b"1"])
    came, vault = second.kernel.ephemeral._came, first.kernel.vault

    def sealed(process: str = "p", at: int | None = None, place: bytes = PLACE) -> bytes:
        at = second.clock.latest_us() if at is None else at
        return vault.seal(OWNER, PURPOSE, msgspec.msgpack.encode([process, at, "x", b"2"]), place)

    for wrong in (
        sealed(at=0), sealed(at=2**60), sealed(place=b"elsewhere"), sealed(second.kernel.process), sealed()[:-1], b"", b"x" * 99,
        vault.seal("officer", PURPOSE, b"", PLACE), vault.seal(OWNER, PURPOSE, b"no message", PLACE),
    ):  # fmt: skip
        came(wrong)
    assert heard == [b"1"]
    came(sealed())
    assert heard == [b"1", b"2"]
    with pytest.raises(ValueError, match="datagram"):
        first.kernel.ephemeral.say("x", bytes(MAX + 1), always=True)


async def test_a_process_that_is_gone_is_let_go(tmp_path: Path) -> None:
    one = World(tmp_path / "data")
    await one.start()
    left = one.kernel.settings.folder / "run" / "gone.near"
    here = os.open(left.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(f"/proc/self/fd/{here}/{left.name}")
    os.close(here)
    one.kernel.ephemeral.say("x", b"1", always=True)
    assert not left.exists()
    await one.stop()


@given(st.text(max_size=32), st.text(max_size=32), st.none() | st.text(max_size=32), st.integers(0, 2**53))
def test_a_full_message_fits(person: str, duty: str, vehicle: str | None, at: int) -> None:
    ascii_ = Place(person, duty, vehicle, Fix(89.123456789, -179.123456789, 359.99, 4.0, at))
    if f"{person}{duty}{vehicle}".isascii():
        assert len(msgspec.msgpack.encode(ascii_)) <= EACH
