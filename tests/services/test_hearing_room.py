"""The room of a hearing: what passes between the two browsers, what is written by itself, and that it closes with the hearing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from egide.kernel.door import Outcome
from egide.kernel.errors import NotFound
from egide.kernel.identity import ANONYMOUS
from egide.services import hearing_room
from egide.services.hearing_room import rooms
from egide.services.hearing_signals import KIND, MAX_SDP
from tests.services.hearings import Case, begun, report
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio


async def officer_joins(case: Case, seat: str = "officer") -> Terminal:
    terminal = Terminal(case.world.person("officer"))
    await case.world.perform("officer", f"{case.name}.join", terminal, file=case.file, seat=seat)
    return terminal


async def holder_joins(case: Case) -> Terminal:
    terminal = Terminal(ANONYMOUS)
    raw = msgspec.json.encode(case.held)
    outcome: Outcome = await case.world.kernel.perform(f"{case.name}.my_join", raw, ANONYMOUS, channel=terminal)
    assert outcome.effect.started is not None
    outcome.effect.started()
    return terminal


def tell(terminal: Terminal, **signal: Any) -> bool:
    return terminal.say(bytes([KIND]) + msgspec.json.encode(signal))


def heard(terminal: Terminal) -> list[dict[str, Any]]:
    """The signals that came, without where they came from."""
    return [one["signal"] for one in terminal.pushed if "signal" in one]


async def noted(case: Case) -> list[str]:
    await asyncio.gather(*rooms(case.world.kernel)._tasks)
    return [one["step"] for one in (await case.look())["events"] if one["step"] in ("began", "cut", "resumed", "ended")]


async def both(world: World, state: str = "ready") -> tuple[Case, Terminal, Terminal]:
    case = await (await begun(world)).until(state)
    return case, await officer_joins(case), await holder_joins(case)


async def test_offers_and_answers_pass_and_nothing_else_does(world: World) -> None:
    case, officer, holder = await both(world)
    relay = await officer_joins(case, "relay")
    assert tell(officer, kind="offer", n=1, sdp="v=0")
    assert tell(holder, kind="answer", n=1, sdp="v=0 a")
    assert tell(holder, kind="again")
    assert tell(relay, kind="caption", text="Bonjour")
    assert heard(holder) == [{"kind": "offer", "n": 1, "sdp": "v=0"}, {"kind": "caption", "text": "Bonjour"}]
    assert heard(officer)[:2] == [{"kind": "answer", "n": 1, "sdp": "v=0 a"}, {"kind": "again"}]
    for terminal, signal in (
        (holder, {"kind": "offer", "n": 1, "sdp": ""}), (holder, {"kind": "caption", "text": "x"}), (relay, {"kind": "bye"}),
        (officer, {"kind": "again"}), (officer, {"kind": "caption", "text": "x" * (MAX_SDP + 1)}), (officer, {"kind": "nothing"}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r".+"):
            tell(terminal, **signal)
    assert await noted(case) == []


async def test_what_happens_to_the_link_is_written_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing_room, "LOST_S", 0.1)
    case, officer, holder = await both(world, "heard")
    tell(officer, kind="media", up=True)
    tell(holder, kind="media", up=True)
    assert await noted(case) == ["began"]
    tell(officer, kind="media", up=False)  # for less than the time that counts
    tell(officer, kind="media", up=True)
    await asyncio.sleep(0.2)
    assert await noted(case) == ["began"]
    tell(holder, kind="media", up=False)
    room = rooms(world.kernel)._rooms[case.file]
    await world.until(lambda: room.cut)
    assert await noted(case) == ["began", "cut"]
    await case.mine("say", text="Je n’entends plus.")  # words go on
    tell(holder, kind="media", up=True)
    assert await noted(case) == ["began", "cut", "resumed"]
    officer.leave()  # the officer's browser is gone altogether
    await world.until(lambda: room.cut)
    again = await officer_joins(case)
    tell(again, kind="media", up=True)
    tell(again, kind="bye")
    assert await noted(case) == ["began", "cut", "resumed", "cut", "resumed", "ended"]
    shown = await case.look()
    assert shown["wrong"] is None
    assert all(not one["mine"] for one in shown["events"] if one["step"] == "cut")
    for step in ("read_back", "confirm", "sign"):
        await case.step(step)
    told = report(world, case.file)
    assert [one["text"] for one in told["incidents"]] == [
        "Liaison vidéo établie", "Image et son coupés", "Image et son rétablis", "Image et son coupés", "Image et son rétablis",
        "Liaison vidéo terminée",
    ]  # fmt: skip
    assert all(one["at"].count(":") == 2 for one in told["incidents"])


async def test_both_look_again_when_something_is_done(world: World) -> None:
    case, officer, holder = await both(world, "heard")
    await case.write("Autre texte.")
    for terminal in (officer, holder):
        assert {"push": "hearing", "file": case.file, "news": True} in terminal.pushed


async def test_the_link_closes_with_the_hearing(world: World) -> None:
    case, officer, holder = await both(world)
    tell(officer, kind="media", up=True)
    assert {"CPP-R2-26-link"} == set(await _closed_by(case, officer, holder))
    assert (await noted(case))[-1] == "ended"
    late = Terminal(world.person("officer"))
    assert await world.refused("officer", f"{case.name}.join", late, file=case.file) == ["CPP-R2-26-link"]
    assert not tell(holder, kind="again")


async def _closed_by(case: Case, *terminals: Terminal) -> list[str]:
    """The rules by which the leases end once the person chose to come in person."""
    ended: list[str] = []
    for lease in case.world.kernel.leases.held():
        over = lease.on_end

        def told(decision: Any, over: Any = over) -> None:
            ended.extend(one.rule for one in decision.reasons)
            over(decision)

        lease.on_end = told
    await case.mine("come")
    case.world.kernel.leases.renew()
    for terminal in terminals:
        assert terminal.pushed[-1] == {"push": "hearing", "file": case.file, "over": True}
    return ended


async def test_nobody_enters_before_the_person_is_ready_or_without_the_code(world: World) -> None:
    case = await (await begun(world)).until("informed")
    terminal = Terminal(world.person("officer"))
    assert await world.refused("officer", f"{case.name}.join", terminal, file=case.file) == ["CPP-R2-26-link"]
    assert "CPP-R2-26-link" not in await world.refused("magistrate", f"{case.name}.join", terminal, file=case.file)
    with pytest.raises(NotFound):  # only over a live connection
        await case.mine("join")
    assert terminal.inlets == {}


async def test_a_second_window_takes_the_seat_of_the_first(world: World) -> None:
    case, officer, first = await both(world)
    second = await holder_joins(case)
    assert first.pushed[-1] == {"push": "hearing", "file": case.file, "over": True}
    tell(officer, kind="offer", n=1, sdp="v=0")
    assert heard(second) == [{"kind": "offer", "n": 1, "sdp": "v=0"}]
    assert heard(first) == []
    first.leave()
    tell(officer, kind="offer", n=2, sdp="v=0")
    assert len(heard(second)) == 2


async def test_who_goes_to_another_room_has_left_the_first(world: World) -> None:
    """The end of the hearing that was left closes nothing in the one that goes on."""
    left, officer, _first = await both(world)
    goes_on = await (await begun(world)).until("ready")
    await world.perform("officer", f"{goes_on.name}.join", officer, file=goes_on.file, seat="officer")
    holder = await holder_joins(goes_on)
    assert "officer" not in rooms(world.kernel)._rooms[left.file].seats
    await left.mine("come")
    await world.until(lambda: left.file not in rooms(world.kernel)._rooms)
    assert tell(officer, kind="offer", n=1, sdp="v=0")
    assert heard(holder) == [{"kind": "offer", "n": 1, "sdp": "v=0"}]


async def test_another_process_passes_it_on(world: World) -> None:
    case, officer, _holder = await both(world)
    told = {"file": case.file, "seat": "holder", "signal": {"kind": "again"}}
    rooms(world.kernel)._heard(msgspec.json.encode(told))
    rooms(world.kernel)._heard(b"nonsense")
    assert heard(officer) == [{"kind": "again"}]
