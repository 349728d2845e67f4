"""A device at the gate that tells flesh from paper: it may refuse what all else let pass, and lets nobody pass by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from egide.app import health
from egide.border import control_points, enrolment, presence
from egide.kernel.errors import Conflict, NotFound, Unavailable
from tests.border.airport import Airport
from tests.border.kiosk import OTHER, SELF, Kiosk, calm, frames
from tests.border.traveller import Token

pytestmark = pytest.mark.anyio
DEVICE = "depth-of-a-test"


class Device:
    """What it says in turn; the last for ever."""

    def __init__(self, *says: Any) -> None:
        self.says = list(says)
        self.asked: list[tuple[str, bytes]] = []

    async def present(self, gate: str, nonce: bytes) -> bool | None:
        self.asked.append((gate, nonce))
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        if said == "late":
            await asyncio.sleep(60)
        return said  # type: ignore[no-any-return]  # what a maker's code gives


@pytest.fixture
def equipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boarding has a device, and asks for no movement: drawn people do not move."""
    points = calm()
    boarding = points["boarding"]
    assert boarding.face is not None
    face = msgspec.structs.replace(boarding.face, device=DEVICE)
    points |= {"boarding": msgspec.structs.replace(boarding, face=face)}
    monkeypatch.setattr(control_points, "points", lambda: points)
    monkeypatch.setattr(enrolment, "MOVING", False)
    monkeypatch.setattr(presence, "WITHIN_S", 0.2)


async def enrolled(airport: Airport) -> dict[str, Token]:
    kiosk = Kiosk(airport)
    _, opened = await kiosk.open()
    await kiosk.read(opened, kiosk.passport())
    answer, tokens = await kiosk.issue(opened, SELF)
    assert answer["why"] == ""
    return tokens


async def present(airport: Airport, token: Token, gate: dict[str, Any], person: int = SELF) -> tuple[str, str]:
    found = await airport.present("boarding", token, gate, frames=frames(person, gate["key"]))
    return found["result"], found["why"]


async def test_it_refuses_what_all_else_let_pass_and_lets_nobody_pass_by_itself(
    airport: Airport, equipped: None
) -> None:
    tokens = await enrolled(airport)
    device = Device(False, True)
    airport.kernel.things[presence.PADS] = {DEVICE: device}
    gate = await airport.opened("boarding", external=True)
    assert await present(airport, tokens["boarding"], gate, OTHER) == ("unsure", "no-match")
    assert device.asked == [], "who is not alike is nobody to ask for"
    assert await present(airport, tokens["boarding"], gate) == ("officer", "device"), "the second try"

    gate = await airport.opened("boarding", external=True)
    assert await present(airport, tokens["boarding"], gate) == ("pass", "")
    assert {of for of, _ in device.asked} == {airport.gates["facilitation"]}
    assert len({nonce for _, nonce in device.asked}) == 2, "drawn for each asking"


async def test_after_its_refusal_movements_are_drawn_anew(airport: Airport, equipped: None) -> None:
    tokens, device = await enrolled(airport), Device(False, True)
    airport.kernel.things[presence.PADS] = {DEVICE: device}
    gate = await airport.opened("boarding", external=True)
    assert await present(airport, tokens["boarding"], gate) == ("unsure", "device")
    assert await present(airport, tokens["boarding"], gate) == ("pass", "")


@pytest.mark.parametrize("says", [None, "late", OSError("unplugged"), ValueError("maker’s fault"), 1, "yes"])
async def test_where_it_says_nothing_nothing_is_known_and_an_officer_decides(
    airport: Airport, equipped: None, says: Any
) -> None:
    tokens = await enrolled(airport)
    airport.kernel.things[presence.PADS] = {DEVICE: Device(says)}
    gate = await airport.opened("boarding", external=True)
    assert await present(airport, tokens["boarding"], gate) == ("officer", "no-device")


async def test_where_nobody_brought_it_the_gate_opens_no_control(airport: Airport, equipped: None) -> None:
    for brought in ({}, {"another": Device(True)}):
        airport.kernel.things[presence.PADS] = brought
        with pytest.raises(Unavailable, match=DEVICE) as refused:
            await airport.opened("boarding", external=True)
        assert refused.value.do is not None
        assert [part for part in health(airport.kernel)["parts"] if part["id"] == "devices"] == [
            {
                "id": "devices",
                "name": {"fr": "Capteurs des portes", "en": "Gates’ sensors"},
                "ok": False,
                "detail": DEVICE,
            }
        ]
    airport.kernel.things[presence.PADS] = {DEVICE: Device(True)}
    assert health(airport.kernel)["ok"]
    airport.kernel.things[presence.PADS] = {}
    assert (await airport.opened("boarding", external=False))["face"] is False, "no face, nothing to ask it"
    assert (await airport.opened("security"))["face"] is False


async def test_a_token_with_which_an_officer_let_somebody_through_was_used(airport: Airport, equipped: None) -> None:
    tokens, device = await enrolled(airport), Device(None, True)
    airport.kernel.things[presence.PADS] = {DEVICE: device}
    gate = await airport.opened("boarding", external=True)
    assert await present(airport, tokens["boarding"], gate) == ("officer", "no-device")
    decision = {"case": gate["control"], "word": "let-through", "reason": "same-person"}
    assert (await airport.act("officer", "border.officer.decide", **decision))["receipt"]
    again = await airport.opened("boarding", external=True)
    assert await present(airport, tokens["boarding"], again) == ("refused", "replayed")


class Pensive(Device):
    """It says yes once it is let."""

    def __init__(self) -> None:
        super().__init__(True)
        self.thinks, self.may = asyncio.Event(), asyncio.Event()

    async def present(self, gate: str, nonce: bytes) -> bool | None:
        self.thinks.set()
        await self.may.wait()
        return await super().present(gate, nonce)


@pytest.mark.parametrize("decided", [False, True])
async def test_whoever_wanted_a_person_meanwhile_is_answered_by_one(
    airport: Airport, equipped: None, monkeypatch: pytest.MonkeyPatch, decided: bool
) -> None:
    monkeypatch.setattr(presence, "WITHIN_S", 30.0)
    tokens, device = await enrolled(airport), Pensive()
    airport.kernel.things[presence.PADS] = {DEVICE: device}
    gate = await airport.opened("boarding", external=True)
    going = asyncio.create_task(present(airport, tokens["boarding"], gate))
    await device.thinks.wait()
    await airport.act("officer", "border.control.reject", control=gate["control"], officer=True, why="camera")
    word = {"case": gate["control"], "word": "to-the-desk", "reason": "camera-or-light"}
    if decided:
        await airport.act("officer", "border.officer.decide", **word)
    device.may.set()
    with pytest.raises((Conflict, NotFound)):
        await going
    cases = (await airport.act("officer", "border.officer.list"))["cases"]
    assert [each["why"] for each in cases] == ([] if decided else ["camera"]), "and it waits for the officer still"
