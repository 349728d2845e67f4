"""The whole way with a face: a chip is read and proved, tokens are made, a gate looks, an officer decides, the border checks."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from io import BytesIO

import pytest
from PIL import Image

from egide.border import control_points, enrolment, holding
from egide.border.controls import COUNTRIES, Countries
from egide.border.room.sealed import sealed
from egide.exercise.csca import Authority
from egide.kernel.errors import BadInput
from egide.protocols.vapid import decoded
from tests.border.airport import Airport
from tests.border.kiosk import OTHER, SELF, Kiosk, calm, frames, own_template, picture
from tests.border.traveller import Tablet

pytestmark = pytest.mark.anyio


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked to move."""
    points = calm()
    monkeypatch.setattr(control_points, "points", lambda: points)
    monkeypatch.setattr(enrolment, "MOVING", False)


async def test_from_the_passport_to_the_gate(airport: Airport, still: None) -> None:
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    passport = kiosk.passport()
    read = await kiosk.read(opened, passport)
    assert read["verdict"] == "proved", read
    assert set(read) == {"verdict", "findings"}, "nothing of what the chip says"
    answer, none = await kiosk.issue(opened, OTHER)
    assert (answer["why"], none) == ("no-match", {})
    answer, tokens = await kiosk.issue(opened, SELF)
    assert answer["why"] == ""
    assert set(tokens) == {"bag-drop", "security", "boarding", "border", "spare", "spare-2"}

    gate = await airport.opened("boarding", external=True)
    assert gate["face"]
    passed = await airport.present("boarding", tokens["boarding"], gate, frames=frames(SELF, gate["key"]))
    assert (passed["result"], passed["why"]) == ("pass", "")

    gate = await airport.opened("boarding", external=True)
    token = tokens["spare"]
    once = await airport.present("boarding", token, gate, frames=frames(OTHER, gate["key"]))
    assert (once["result"], once["tries_left"]) == ("unsure", 1)
    twice = await airport.present("boarding", token, gate, frames=frames(OTHER, gate["key"]))
    assert twice["result"] == "officer"
    tablet = Tablet()
    look = {"case": gate["control"], "tablet": tablet.jwk, "document_in_hand": True}
    seen = tablet.open((await airport.act("officer", "border.officer.look", **look))["sealed"])
    assert b64decode(seen["live"]).startswith(b"\xff\xd8")
    assert (seen["portrait"], seen["claims"]) == ("", {"flight": "EG 271", "doc_ok": "True"})

    for files, expected in ((kiosk.passport(), ("officer", "document")), (passport, ("pass", ""))):
        gate = await airport.opened("border", external=True)
        given = {"frames": frames(SELF, gate["key"]), "chip": kiosk.chip(gate["key"], files)}
        passed = await airport.present("border", tokens["border"], gate, **given)
        assert (passed["result"], passed["why"]) == expected


async def test_a_portrait_in_jpeg_2000_is_compared_and_shown_as_a_picture_that_browsers_know(
    airport: Airport, still: None
) -> None:
    into = BytesIO()
    Image.open(BytesIO(picture(SELF))).save(into, "JPEG2000", quality_mode="rates", quality_layers=[20])
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    passport = kiosk.passport(into.getvalue(), image_format="jpeg2000")
    assert (await kiosk.read(opened, passport))["verdict"] == "proved"
    answer, tokens = await kiosk.issue(opened, SELF)
    assert answer["why"] == ""

    gate = await airport.opened("border", external=True)
    for _ in range(2):
        given = {"frames": frames(OTHER, gate["key"]), "chip": kiosk.chip(gate["key"], passport)}
        doubted = await airport.present("border", tokens["border"], gate, **given)
    assert (doubted["result"], doubted["why"]) == ("officer", "no-match")
    tablet = Tablet()
    look = {"case": gate["control"], "tablet": tablet.jwk, "document_in_hand": True}
    seen = tablet.open((await airport.act("officer", "border.police.officer.look", **look))["sealed"])
    with Image.open(BytesIO(b64decode(seen["portrait"]))) as portrait, Image.open(BytesIO(picture(SELF))) as own:
        assert (portrait.format, portrait.size) == ("JPEG", own.size)


async def test_a_state_that_changed_its_key_is_believed_in_whatever_order_its_certificates_lie(
    airport: Airport,
) -> None:
    """The new authority is known by a link certificate alone, which is of no use before the one that signed it is there."""
    kiosk = Kiosk(airport)
    old, new = Authority(kiosk.now), Authority(kiosk.now)
    kiosk.signer, link = new.signer(), old.link(new)
    lists = (old.revocations([]), new.revocations([]))
    for csca in ((link, old.certificate), (old.certificate, link)):
        airport.kernel.things[COUNTRIES] = Countries(csca, lists)
        _consent, opened = await kiosk.open()
        assert (await kiosk.read(opened, kiosk.passport()))["verdict"] == "proved"


async def test_no_token_is_made_of_a_document_that_came_after_the_face_was_compared(
    airport: Airport, still: None
) -> None:
    """Its own holder stood before the camera, and another passport is laid while the room still compares."""
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    await kiosk.read(opened, kiosk.passport())
    room = holding.holding(airport.kernel).enrolments()[0].room
    going = asyncio.create_task(kiosk.issue(opened, SELF))
    while not room._lock.locked():
        await asyncio.sleep(0)
    await kiosk.read(opened, kiosk.passport(picture(OTHER)))
    with pytest.raises(BadInput, match="order"):
        await going


async def test_a_chip_whose_portrait_nobody_can_read_is_not_proved(airport: Airport, still: None) -> None:
    """As ISO/IEC 39794-5 writes it: the token’s own template was compared then, and whose document it is was not asked."""
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    await kiosk.read(opened, kiosk.passport())
    _answer, tokens = await kiosk.issue(opened, SELF)
    gate, strange = await airport.opened("border", external=True), kiosk.passport(b"no picture that is known")
    given = {"frames": frames(SELF, gate["key"]), "chip": kiosk.chip(gate["key"], strange)}
    passed = await airport.present("border", tokens["border"], gate, **given)
    assert (passed["result"], passed["why"]) == ("officer", "chip")
    _consent, opened = await kiosk.open()
    assert (await kiosk.read(opened, strange))["verdict"] == "unreadable"


async def test_the_wallet_joins_by_the_offers_code_and_brings_templates_of_its_own_face_alone(
    airport: Airport, still: None
) -> None:
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    joined = await airport.ask("border.enrol.join", enrolment=opened["enrolment"])
    assert joined == opened | {"offer": ""}
    page = Tablet()
    given = {"enrolment": opened["enrolment"], "picture": sealed(picture(SELF), opened["key"]), "reply": page.jwk}
    zone = await airport.act("officer", "border.document.zone", **given)
    assert page.open(zone["sealed"])["lines"] == []
    assert page.open(zone["sealed"])["why"] != ""
    await kiosk.read(opened, kiosk.passport())
    with pytest.raises(BadInput, match="claim"):
        await kiosk.issue(opened, SELF, templates_of=OTHER)
    _answer, tokens = await kiosk.issue(opened, SELF, templates_of=SELF)
    boarding = tokens["boarding"]
    disclosed = [decoded(each).decode() for each in boarding.issued.credential.split("~")[1:-1]]
    assert any(own_template(SELF, boarding.secret) in each for each in disclosed)


async def test_three_still_pictures_are_no_person(airport: Airport) -> None:
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    await kiosk.read(opened, kiosk.passport())
    asked = [opened["challenge"]]
    for _ in range(2):
        answer, tokens = await kiosk.issue(opened, SELF)
        assert (answer["why"], tokens) == ("few", {})
        asked.append(answer["challenge"])
        joined = await airport.ask("border.enrol.join", enrolment=opened["enrolment"])
        assert joined["challenge"] == asked[-1], "whoever joins now is asked for what is asked for now"
    moves = {tuple(move for move, _ in each) for each in asked}
    assert len(moves) == 3, "other movements at every attempt"
    answer, _ = await kiosk.issue(opened, SELF)
    assert (answer["why"], answer["challenge"]) == ("few", []), "none is left"


async def test_a_document_that_nobody_signed_gives_no_token(airport: Airport) -> None:
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    read = await kiosk.read(opened, kiosk.passport(fault="altered-name"))
    assert read["verdict"] == "refuted"
    assert {"question": "hashes", "state": "failed"} in read["findings"]
    with pytest.raises(Exception, match="not recognised"):
        await kiosk.issue(opened, SELF)
