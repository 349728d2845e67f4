"""The whole way with a face: a chip is read and proved, tokens are made, a gate looks, an officer decides, the border checks."""

from __future__ import annotations

from base64 import b64decode
from secrets import token_bytes
from typing import Any

import cv2
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from egide.border import control_points, enrolment
from egide.border.controls import Countries
from egide.border.face.compare import Reference, enrol
from egide.border.face.engine import engine
from egide.border.face.quality import Demands
from egide.border.room.sealed import sealed
from egide.border.token.profile import Issued
from egide.exercise import travel_document
from egide.exercise.csca import Authority
from egide.kernel.errors import BadInput
from egide.protocols.openid4vci import key_proof
from egide.protocols.sdjwt.signing import local
from egide.protocols.vapid import decoded, encoded
from tests.border.airport import Airport
from tests.border.face.drawn import portrait
from tests.border.traveller import Tablet, Token, frame

pytestmark = pytest.mark.anyio
SELF, OTHER = 3, 8  # seeds of two people who are drawn, and whom the model tells apart


def picture(person: int, scale: float = 1.0) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(portrait(person, scale=scale), cv2.COLOR_RGB2BGR))
    assert done
    return bytes(data)


def frames(person: int, key: dict[str, str]) -> list[str]:
    return [frame(picture(person, scale), key, at) for at, scale in enumerate((1.0, 0.95, 1.1))]


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that ask for no movement: drawn people do not move (test_liveness.py has those that do)."""
    calm = {
        id_: msgspec.structs.replace(point, face=msgspec.structs.replace(point.face, challenge=False)) if point.face else point
        for id_, point in control_points.points().items()
    }  # fmt: skip
    monkeypatch.setattr(control_points, "points", lambda: calm)
    monkeypatch.setattr(enrolment, "MOVING", False)


def own_template(person: int, secret: bytes) -> str:
    """What the wallet computes on the device."""
    made = enrol([portrait(person)], engine(), secret, Demands())
    assert isinstance(made, Reference)
    return encoded(bytes(made.template))


class Kiosk:
    """A kiosk with a chip reader and a camera, and a wallet before it."""

    def __init__(self, airport: Airport) -> None:
        self.airport, self.now = airport, airport.clock.now_us() // 1_000_000
        authority = Authority(self.now)
        self.signer = authority.signer()
        airport.kernel.things["border-countries"] = Countries((authority.certificate,), (authority.revocations([]),))

    def passport(self, **fault: Any) -> dict[str, bytes]:
        return travel_document.files(self.signer, self.now, picture(SELF), **fault)

    @staticmethod
    def chip(key: dict[str, str], files: dict[str, bytes]) -> str:
        return sealed(msgspec.json.encode({name: encoded(data) for name, data in files.items()}), key)

    async def open(self) -> tuple[dict[str, Any], dict[str, Any]]:
        consent = await self.airport.ask("border.consent.give", **self.airport.agreement())
        opened = await self.airport.act("officer", "border.enrol.open", consent=consent["id"], secret=consent["secret"])
        return consent, opened

    async def read(self, opened: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
        given = {"enrolment": opened["enrolment"], "chip": self.chip(opened["key"], files)}
        found: dict[str, Any] = await self.airport.act("officer", "border.document.read", **given)
        return found

    async def issue(
        self, opened: dict[str, Any], person: int, templates_of: int | None = None
    ) -> tuple[dict[str, Any], dict[str, Token]]:
        """The answer, and the wallet's tokens; `templates_of`: of whom the wallet brings templates of its own."""
        held = [(ec.generate_private_key(ec.SECP256R1()), token_bytes(16)) for _ in range(opened["tokens"])]
        wallet = Tablet()
        proofs = [
            key_proof(opened["issuer"], opened["nonce"], key.public_key(), local(key), self.now) for key, _ in held
        ]
        asked: dict[str, Any] = {
            "wallet": wallet.jwk, "proofs": proofs, "secrets": [encoded(secret) for _, secret in held], "flight": "EG 271"
        }  # fmt: skip
        if templates_of is not None:
            asked["templates"] = [own_template(templates_of, secret) for _, secret in held]
        given = {
            "enrolment": opened["enrolment"], "sealed": sealed(msgspec.json.encode(asked), opened["key"]),
            "frames": frames(person, opened["key"]),
        }  # fmt: skip
        answer = await self.airport.act("officer", "border.enrol.issue", **given)
        if not answer["sealed"]:
            return answer, {}
        tokens = {
            made["control"]: Token(Issued(control=made["control"], credential=made["credential"], cwt=decoded(made["cwt"]), place=0), local(key), secret)
            for made, (key, secret) in zip(wallet.open_list(answer["sealed"]), held, strict=True)
        }  # fmt: skip
        return answer, tokens


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
    assert set(tokens) == {"bag-drop", "security", "boarding", "border", "spare"}

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
    answer, tokens = await kiosk.issue(opened, SELF)
    assert (answer["why"], tokens) == ("few", {})


async def test_a_document_that_nobody_signed_gives_no_token(airport: Airport) -> None:
    kiosk = Kiosk(airport)
    _consent, opened = await kiosk.open()
    read = await kiosk.read(opened, kiosk.passport(fault="altered-name"))
    assert read["verdict"] == "refuted"
    assert {"question": "hashes", "state": "failed"} in read["findings"]
    with pytest.raises(Exception, match="not recognised"):
        await kiosk.issue(opened, SELF)
