"""A kiosk with a chip reader and a camera, a wallet before it, and two people who are drawn."""

from __future__ import annotations

from secrets import token_bytes
from typing import Any

import cv2
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from egide.border import control_points, enrolment
from egide.border.face.compare import Reference, enrol
from egide.border.face.engine import engine
from egide.border.face.quality import Demands
from egide.border.room.sealed import sealed
from egide.border.token.profile import Issued
from egide.exercise import travel_document
from egide.exercise.csca import Authority
from egide.protocols.openid4vci import key_proof
from egide.protocols.sdjwt.signing import local
from egide.protocols.vapid import decoded, encoded
from tests.border.airport import Gates
from tests.border.face.drawn import portrait
from tests.border.traveller import FLIGHT, Tablet, Token, frame

SELF, OTHER = 3, 8  # seeds of two people who are drawn, and whom the model tells apart


def picture(person: int, scale: float = 1.0) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(portrait(person, scale=scale), cv2.COLOR_RGB2BGR))
    assert done
    return bytes(data)


def frames(person: int, key: dict[str, str], near: float = 1.0) -> list[str]:
    return [frame(picture(person, near * scale), key, at) for at, scale in enumerate((1.0, 0.95, 1.1))]


def calm() -> dict[str, control_points.Point]:
    """Points that ask for no movement: drawn people do not move (test_liveness.py has those that do)."""
    return {
        id_: msgspec.structs.replace(point, face=msgspec.structs.replace(point.face, challenge=False)) if point.face else point
        for id_, point in control_points.points().items()
    }  # fmt: skip


def still() -> None:
    """For a whole process: nobody is asked to move."""
    points = calm()
    control_points.points = lambda: points  # type: ignore[assignment]
    enrolment.MOVING = False


def own_template(person: int, secret: bytes, near: float = 1.0) -> str:
    """What the wallet computes on the device."""
    made = enrol([portrait(person, scale=near)], engine(), secret, Demands())
    assert isinstance(made, Reference)
    return encoded(bytes(made.template))


class Kiosk:
    """A kiosk with a chip reader and a camera, and a wallet before it."""

    def __init__(self, airport: Gates, flight: str = FLIGHT) -> None:
        self.airport, self.now, self.flight = airport, airport.now(), flight
        authority = Authority(self.now)
        self.signer = authority.signer()
        self.countries = (authority.certificate, authority.revocations([]))
        airport.countries(*self.countries)

    def passport(self, image: bytes = b"", **fault: Any) -> dict[str, bytes]:
        return travel_document.files(self.signer, self.now, image or picture(SELF), **fault)

    @staticmethod
    def chip(key: dict[str, str], files: dict[str, bytes]) -> str:
        return sealed(msgspec.json.encode({name: encoded(data) for name, data in files.items()}), key)

    async def open(self, **agreed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        consent = await self.airport.ask("border.consent.give", **self.airport.agreement(**agreed))
        opened = await self.airport.act("officer", "border.enrol.open", consent=consent["id"], secret=consent["secret"])
        return consent, opened

    async def read(self, opened: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
        given = {"enrolment": opened["enrolment"], "chip": self.chip(opened["key"], files)}
        found: dict[str, Any] = await self.airport.act("officer", "border.document.read", **given)
        return found

    async def issue(
        self,
        opened: dict[str, Any],
        person: int,
        templates_of: int | None = None,
        *,
        near: float = 1.0,
        flight: str = "",
    ) -> tuple[dict[str, Any], dict[str, Token]]:
        """The answer, and the wallet's tokens; `templates_of`: of whom it brings templates of its own."""
        held = [(ec.generate_private_key(ec.SECP256R1()), token_bytes(16)) for _ in range(opened["tokens"])]
        wallet, self.now = Tablet(), self.airport.now()
        proofs = [
            key_proof(opened["issuer"], opened["nonce"], key.public_key(), local(key), self.now) for key, _ in held
        ]
        asked: dict[str, Any] = {
            "wallet": wallet.jwk, "proofs": proofs, "secrets": [encoded(secret) for _, secret in held], "flight": flight or self.flight,
        }  # fmt: skip
        if templates_of is not None:
            asked["templates"] = [own_template(templates_of, secret, near) for _, secret in held]
        given = {
            "enrolment": opened["enrolment"], "sealed": sealed(msgspec.json.encode(asked), opened["key"]),
            "frames": frames(person, opened["key"], near),
        }  # fmt: skip
        answer = await self.airport.act("officer", "border.enrol.issue", **given)
        if not answer["sealed"]:
            return answer, {}
        tokens: dict[str, Token] = {}
        for made, (key, secret) in zip(wallet.open_list(answer["sealed"]), held, strict=True):
            control = made["control"]
            issued = Issued(control=control, credential=made["credential"], cwt=decoded(made["cwt"]), place=0)
            tokens[control if control not in tokens else f"{control}-2"] = Token(issued, local(key), secret)
        return answer, tokens
