"""Whole journeys of travellers who have nothing in common but flights, and all that is theirs: test_canary.py looks for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from secrets import choice
from string import ascii_uppercase
from typing import Any

import cv2
import msgspec
import numpy as np

from egide.border import erasure
from egide.border.control_points import points
from egide.border.token import question
from egide.border.token.answer import seal
from egide.border.token.claims import Claims, from_json
from egide.exercise.travel_document import ERIKA
from egide.protocols.sdjwt.signing import public_of
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.tokens import Jwk
from tests.border.airport import of_point
from tests.border.kiosk import OTHER, SELF, Kiosk, frames, picture
from tests.border.remote import Remote
from tests.border.traveller import Tablet, Token
from tests.needles import forms, text_forms

WAYS = ("as planned", "refused twice", "withdraws", "no face", "no network", "doubtful at the border")
OTHERS = 100  # from this seed on, people whom nobody has to be told from
NEARER = 0.002  # by which each of one face stands farther away than the one before: another picture, another template


def letters(count: int) -> str:
    return "".join(choice(ascii_uppercase) for _ in range(count))


class Traveller:
    """Who goes, how, and what they hold; two of them are on each flight."""

    def __init__(self, number: int, flight: str) -> None:
        self.way, self.flight = WAYS[number % len(WAYS)], flight
        self.surname, self.given, self.document = letters(14), letters(12), letters(9)
        doubtful = self.way in {"refused twice", "doubtful at the border"}  # the model tells `OTHER` from `SELF`
        self.person = SELF if doubtful else OTHERS + number
        self.near = 1.0 - NEARER * (number // 3) if doubtful else 1.0
        self.consent: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.tokens: dict[str, Token] = {}
        self.receipts: list[str] = []
        self.erased = ""

    def shown(self) -> Iterator[tuple[str, Token, tuple[str, ...]]]:
        """(where, token, the claims that are asked for there); a spare one is for a boarding that must be made again."""
        for name, token in self.tokens.items():
            at = "boarding" if name.startswith("spare") else name
            if at != "boarding" or "boarding" in self.tokens:
                yield at, token, points()[at].claims


class Journey:
    """One traveller's way through a platform in another process."""

    def __init__(self, remote: Remote, kiosk: Kiosk, who: Traveller, departure: str) -> None:
        self.remote, self.kiosk, self.who, self.departure = remote, kiosk, who, departure

    async def play(self) -> None:
        """From consent to its end."""
        who = self.who
        await self.enrolled()
        if who.way == "no network":
            await self.answers_a_picture("bag-drop")
        else:
            await self.passes("bag-drop")
        if who.way == "withdraws":
            who.erased = (await self.ended("border.consent.withdraw"))["receipt"]
            return
        await self.passes("security")
        match who.way:
            case "no face":
                await self.by_the_equal_lane()
            case "doubtful at the border":
                await self.doubted("border", "border", chip=who.files)
                await self.passes("boarding", frames=True)
            case "refused twice":
                await self.passes("border", frames=True, chip=who.files)
                await self.doubted("boarding", "spare")
            case _:
                await self.passes("border", frames=True, chip=who.files)
                await self.passes("boarding", frames=True)
        who.erased = (await self.ended("border.journey.close"))["receipt"]

    async def enrolled(self) -> None:
        who, zone = self.who, {"surname": self.who.surname, "given": self.who.given, "number": self.who.document}
        agreed: dict[str, Any] = {"departure": self.departure}
        if who.way == "no face":
            agreed["points"] = ["bag-drop", "security"]
        who.consent, opened = await self.kiosk.open(**agreed)
        image = picture(who.person, who.near)
        who.files = self.kiosk.passport(image, zone=msgspec.structs.replace(ERIKA, **zone))
        assert (await self.kiosk.read(opened, who.files))["verdict"] == "proved"
        own = who.person if who.way == "doubtful at the border" else None
        answer, who.tokens = await self.kiosk.issue(opened, who.person, own, near=who.near, flight=who.flight)
        assert answer["why"] == "", answer

    async def passes(self, point: str, *, frames: bool = False, chip: dict[str, bytes] | None = None) -> None:
        gate = await self.remote.opened(point, external=frames)
        more = self.before(gate, self.who.person if frames else None, chip)
        found = await self.remote.present(point, self.who.tokens[point], gate, **more)
        assert found["result"] == "pass", (self.who.way, point, found)
        self.who.receipts.append(found["receipt"])

    def before(self, gate: dict[str, Any], person: int | None, chip: dict[str, bytes] | None) -> dict[str, Any]:
        """What the gate's camera and reader give."""
        seen = {} if person is None else {"frames": frames(person, gate["key"], self.who.near)}
        return seen | ({} if chip is None else {"chip": self.kiosk.chip(gate["key"], chip)})

    async def answers_a_picture(self, point: str) -> None:
        """Without a network: the gate's picture is answered with another."""
        gate, token = await self.remote.opened(point), self.who.tokens[point]
        listed = (await self.remote.ask("border.trust.list"))["keys"]
        trusted = {key["kid"]: public_of(Jwk("EC", "P-256", key["x"], key["y"])) for key in listed}
        asked = question.read(decoded(gate["picture"]), trusted.get, self.remote.now())
        answer = encoded(seal(asked, token.issued.cwt, token.secret, token.sign))
        given = {"control": gate["control"], "answer": answer, "offline": True}
        assert (await self.remote.act("officer", "border.control.present", **given))["result"] == "pass"

    async def doubted(self, point: str, token: str, chip: dict[str, bytes] | None = None) -> None:
        """Twice the camera sees somebody else; an officer looks, and decides."""
        act = partial(self.remote.act, "officer")
        of, gate = of_point(point), await self.remote.opened(point, external=True)
        for _ in range(2):
            more = self.before(gate, OTHER, chip)
            found = await self.remote.present(point, self.who.tokens[token], gate, **more)
        assert (found["result"], found["why"]) == ("officer", "no-match"), found
        tablet = Tablet()
        look = {"case": gate["control"], "tablet": tablet.jwk, "document_in_hand": True}
        shown = tablet.open((await act(of.name("officer.look"), **look))["sealed"])
        known = self.who.surname if point == "border" else self.who.flight
        assert known in str(shown["claims"]), "a control: the officer sees who it is"
        word = {"case": gate["control"], "word": "let-through", "reason": "same-person", "document_in_hand": True}
        self.who.receipts.append((await act(of.name("officer.decide"), **word))["receipt"])

    async def by_the_equal_lane(self) -> None:
        """Past the border and aboard with the document in hand."""
        for point in ("border", "boarding"):
            of = of_point(point)
            drawn = await self.remote.act("officer", of.name("lane.enter"), point=point, lane="equal")
            await self.remote.act("officer", of.name("lane.leave"), ticket=drawn["ticket"])

    async def ended(self, name: str) -> dict[str, Any]:
        consent = self.who.consent
        found: dict[str, Any] = await self.remote.ask(name, consent=consent["id"], secret=consent["secret"])
        return found

    async def proved(self, listed: dict[str, Any], issuer: Jwk) -> None:
        """The wallet verifies by itself that its erasure is in a root that another authority has, and every token revoked."""
        leaf = erasure.leaf_of(self.who.erased).hex()
        proof = erasure.Proof(**await self.remote.ask("border.erasure.prove", leaf=leaf))
        told = erasure.verify(self.who.erased, proof, issuer, listed["token"], self.remote.now())
        assert len(told.statuses) == len(self.who.tokens)
        assert await self.remote.told(root_of=proof.anchored) == proof.root


def claims_of(token: Token) -> Claims:
    found = (msgspec.json.decode(decoded(each)) for each in token.issued.credential.split("~")[1:-1])
    return from_json({name: value for _salt, name, value in found})


def canaries(who: Traveller) -> Iterator[tuple[str, bytes]]:
    """All that is theirs and that a platform could have seen, in every form."""
    for name in ("surname", "given", "document", "flight"):
        yield from text_forms(name, getattr(who, name))
    for share in (1.0, 0.95, 1.1):
        image = picture(who.person, who.near * share)
        yield from forms("picture", image[len(image) // 2 :])  # all JPEGs begin alike
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)[160, 140:180]
        yield "pixels", pixels.tobytes()
        yield "pixels", pixels[:, ::-1].tobytes()
    yield from forms("security object", who.files["SOD"][-64:])
    for token in who.tokens.values():
        yield from _of_token(token)


def _of_token(token: Token) -> Iterator[tuple[str, bytes]]:
    claims, credential = claims_of(token), token.issued.credential.removesuffix("~")
    signed, *disclosures = credential.split("~")
    _head, body, signature = signed.split(".")
    yield from forms("secret", token.secret)
    yield from forms("signature", decoded(signature))
    yield from forms("token for a picture", token.issued.cwt[-64:])
    yield from forms("wallet's key", decoded(msgspec.json.decode(decoded(body))["cnf"]["jwk"]["x"]))
    yield from (("disclosure", each.encode()) for each in disclosures)
    for name in ("face_t", "doc_hash"):
        value = getattr(claims, name)
        if value is not None:
            yield from forms({"face_t": "template", "doc_hash": "document digest"}[name], value)
