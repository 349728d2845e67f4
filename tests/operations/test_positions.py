"""The positions' wire: what reaches which viewport, what is told when something leaves or goes, who may see whom."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations import positions as module
from egide.operations.positions import EVERYONE, Positions
from egide.operations.viewports import ROWS, cells
from egide.protocols.positions import GONE, HEADER, MAX_AGE, WHOLE, WireError, view_of, write_names, write_view
from tests.operations.devices import names, on_map, seen
from tests.world import Terminal, World

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "40")), deadline=None)
CITY = view_of(60.10, 24.90, 60.20, 25.05)


class Clock:
    """A clock of the tests' own, µs."""

    def __init__(self) -> None:
        self.us = 1_800_000_000_000_000

    def read_us(self) -> int:
        return self.us


class Kernel:
    """All that the wire asks of a kernel between two seals."""

    def __init__(self) -> None:
        self.clock = Clock()


class Slow(Terminal):
    """A terminal whose radio holds back."""

    behind = 0

    def pending(self) -> int:
        return self.behind


def wire() -> Positions:
    return Positions(Kernel())  # type: ignore[arg-type]  # a clock is all it asks for here


def terminal() -> Terminal:
    return Terminal(None)  # type: ignore[arg-type]  # nobody asks whose it is


def test_only_what_is_in_view() -> None:
    positions, near, all_ = wire(), terminal(), terminal()
    one, two = (positions.number(name, name, "aircraft") for name in ("a", "b"))
    positions.join(near, CITY)
    positions.join(all_)
    positions.put(one, 60.17, 24.94, 10)
    positions.put(two, 48.85, 2.35, 20)
    assert positions.tick() == 2
    assert set(seen(near)) == {one}
    assert set(seen(all_)) == {one, two}
    positions.look(near, view_of(48.8, 2.3, 48.9, 2.4))
    assert set(seen(near)) == {two}, "what is there, at once, and nothing else any more"
    positions.leave(near)
    frames = len(near.frames)
    positions.put(two, 48.86, 2.35, 20)
    positions.tick()
    assert len(near.frames) == frames


def test_what_leaves_the_view_is_told() -> None:
    positions, near = wire(), terminal()
    one = positions.number("a", "a", "aircraft")
    positions.join(near, CITY)
    positions.put(one, 60.17, 24.94, 0)
    positions.tick()
    positions.put(one, 61.5, 24.94, 0)
    positions.tick()
    assert seen(near)[one] == (61.5, 24.94), "its first place outside: the page sees that it has left"
    frames = len(near.frames)
    positions.put(one, 61.6, 24.94, 0)
    positions.tick()
    assert len(near.frames) == frames, "and then no more"


def test_gone_is_told_at_once_and_without_a_place() -> None:
    positions, near, all_ = wire(), terminal(), terminal()
    one = positions.number("a", "a", "officer")
    positions.join(near, CITY)
    positions.join(all_)
    positions.put(one, 60.17, 24.94, 0)
    positions.tick()
    positions.put(one, 60.18, 24.94, 0)  # under way, and dropped before the next tick
    positions.drop("a")
    assert seen(near) == seen(all_) == {}
    assert near.frames[-1][HEADER.size + 4 :] == b"\0" * 10 + GONE.to_bytes(2, "little")
    assert positions.tick() == 0
    assert positions.place("a") is None
    late = terminal()
    positions.join(late)
    assert seen(late) == {}


def test_who_may_see_whom() -> None:
    positions, ours, command = wire(), terminal(), terminal()
    mine, other = positions.number("a", "a", "officer", ["unit:1"]), positions.number("b", "b", "officer", ["unit:2"])
    may: dict[str, Any] = {"groups": frozenset({"unit:1", "public"})}
    positions.join(ours, CITY, lambda: may["groups"])
    positions.join(command, CITY, lambda: EVERYONE)
    for number in (mine, other):
        positions.put(number, 60.17, 24.94, 0)
    positions.tick()
    assert set(seen(ours)) == {mine}
    assert set(seen(command)) == {mine, other}
    positions.name(ours, [mine, other, 99])
    assert names(ours) == {mine: "a"}, "no name of whom it may not see"
    may["groups"] = frozenset({"unit:2"})
    positions.refilter()
    positions.tick()
    assert set(seen(ours)) == {other}
    positions.regroup("b", ["unit:3"])
    positions.tick()
    assert set(seen(ours)) == set()
    assert set(seen(command)) == {mine, other}


def test_a_slow_terminal_catches_up_and_slows_nobody() -> None:
    positions, slow, quick = wire(), Slow(None), terminal()  # type: ignore[arg-type]  # as above
    one, two = (positions.number(name, name, "aircraft") for name in ("a", "b"))
    for each in (slow, quick):
        positions.join(each, CITY)
    slow.behind = module.MAX_BEHIND
    positions.put(one, 60.17, 24.94, 0)
    positions.tick()
    assert (seen(slow), set(seen(quick))) == ({}, {one})
    slow.behind = 0
    positions.put(two, 60.171, 24.94, 0)
    positions.tick()
    assert set(seen(slow)) == {one, two}, "what it missed too, though it has not moved since"


def test_age_is_told_and_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    positions = wire()
    clock = positions._kernel.clock
    one = positions.number("a", "a", "officer")
    positions.put(one, 60.17, 24.94, 0, at_us=clock.read_us() - 7_000_000)
    positions.tick()
    clock.us += 30_000_000  # type: ignore[attr-defined]  # the tests' own clock
    late = terminal()
    positions.join(late, CITY)
    record = late.frames[-1][HEADER.size :]
    assert int.from_bytes(record[14:16], "little") == 37
    assert late.frames[-1][1] == WHOLE
    clock.us += MAX_AGE * 2_000_000  # type: ignore[attr-defined]  # as above
    silent = positions._moving.silent(clock.read_us() - module.STALE_OUT_US)
    positions._gone(silent)
    assert seen(late) == {}


@FUZZ
@given(st.integers(0, 1 << 30))
def test_every_view_gets_exactly_what_is_in_its_cells(seed: int) -> None:
    """Against the plain way: for each terminal, look at each entity."""
    dice = random.Random(seed)
    positions = wire()
    places = {positions.number(str(n), str(n), "x"): _place(dice) for n in range(60)}
    views = []
    for _ in range(12):
        south, west = dice.uniform(-90, 89), dice.uniform(-180, 180)
        height, width = 10 ** dice.uniform(-4, 2), 10 ** dice.uniform(-4, 2.5)
        east = west + min(width, 359)
        view = view_of(south, west, min(90, south + height), east if east <= 180 else east - 360)
        watcher = terminal()
        positions.join(watcher, view)
        views.append((watcher, view))
    positions.put_many([(n, lat, lon, 0.0) for n, (lat, lon) in places.items()])
    positions.tick()
    for watcher, view in views:
        where = cells(view)
        assert where.last - where.first <= ROWS
        inside = {n for n, (lat, lon) in places.items() if _in(view, lat, lon)}
        got = set(seen(watcher))
        assert inside <= got, "nothing in view is missing"
        positions.look(watcher, view)
        assert got == set(seen(watcher)), "what moves and what stands are cut alike"


def _place(dice: random.Random) -> tuple[float, float]:
    return round(dice.uniform(-90, 90), 6), round(dice.uniform(-180, 180), 6)


def _in(view: Any, lat: float, lon: float) -> bool:
    y, x = round(lat * 1e7), round(lon * 1e7)
    across = view.west <= x <= view.east if view.west <= view.east else x >= view.west or x <= view.east
    return view.south <= y <= view.north and across


def test_there_is_room_for_many() -> None:
    positions = wire()
    watcher = terminal()
    positions.join(watcher, CITY)
    numbers = [positions.number(str(n), str(n), "x") for n in range(5000)]
    positions.put_many([(n, 60.15, 24.95, 359.999) for n in numbers])
    assert positions.tick() == 5000
    assert len(watcher.frames[-1]) == HEADER.size + 16 * 5000
    assert set(seen(watcher)) == set(numbers)


@pytest.mark.anyio
async def test_a_terminal_moves_its_view_with_a_light_message(world: World) -> None:
    positions = world.kernel.things["relay"].positions
    number = positions.number("a", "Drone 1", "aircraft")
    positions.put(number, 60.17, 24.94, 0)
    positions.tick()
    device = Terminal(world.person("officer"))
    await world.act("officer", "operations.track.subscribe", device, view=[48.0, 2.0, 49.0, 3.0])
    assert seen(device) == {}
    assert device.say(write_view(CITY))
    assert set(seen(device)) == {number}
    assert names(device) == {}
    assert device.say(write_names([number, 4_000_000_000]))
    assert on_map(device, "a") is not None
    with pytest.raises(WireError):
        device.say(write_view(CITY)[:-1])
    await world.act(
        "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
    )
    await world.until(lambda: not device.inlets)
    assert not positions._wires
