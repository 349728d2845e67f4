"""What client and server say to one another about their connection: protocol negotiation, ping, and a word to the person.

Source: “TAK protocol” text, streaming connection protocol negotiation, steps 3, 5 and 6.
"""

from __future__ import annotations

from egide.protocols.cot.event import CotEvent, Point
from egide.protocols.cot.reader import read
from egide.protocols.cot.writer import element, escape, write

OFFER, REQUEST, ANSWER = "t-x-takp-v", "t-x-takp-q", "t-x-takp-r"
PING, PONG = "t-x-c-t", "t-x-c-t-r"
LIFE_MS = 60_000  # ms an offer stands, by the protocol
CHAT_MS = 86_400_000  # ms a chat is kept by clients
NOWHERE = Point(0.0, 0.0, 0.0, 999_999.0, 999_999.0)  # where control messages say they are


def control(kind: str, uid: str, now_ms: int, detail: str = "", *, life_ms: int = LIFE_MS) -> CotEvent:
    """A message that is about the connection and not about the world."""
    return read(
        write(uid=uid, type=kind, how="m-g", time=now_ms, start=now_ms, stale=now_ms + life_ms, point=NOWHERE, detail=detail)
    )  # fmt: skip


def offer(uid: str, now_ms: int) -> CotEvent:
    """The server speaks version 1."""
    return control(
        OFFER, uid, now_ms, "<TakControl>" + element("TakProtocolSupport", {"version": "1"}) + "</TakControl>"
    )


def answer(uid: str, now_ms: int, *, accepted: bool) -> CotEvent:
    """The server takes the client's request, or does not."""
    status = element("TakResponse", {"status": "true" if accepted else "false"})
    return control(ANSWER, uid, now_ms, f"<TakControl>{status}</TakControl>")


def wanted_version(event: CotEvent) -> str:
    """The version a client asks for; "" where it does not say."""
    control_ = event.item("TakControl")
    found = control_.children if control_ is not None else ()
    return next((given.get("version", "") for name, given in found if name == "TakRequest"), "")


def pong(now_ms: int) -> CotEvent:
    """The answer to a ping."""
    return control(PONG, "takPong", now_ms)


def chat(*, id_: str, to: str, sender: str, callsign: str, text: str, now_ms: int) -> CotEvent:
    """A direct message to one client, from the platform."""
    group = element("chatgrp", {"uid0": sender, "uid1": to, "id": to})
    detail = element(
        "__chat",
        {"parent": "RootContactGroup", "groupOwner": "false", "messageId": id_, "chatroom": callsign, "id": sender, "senderCallsign": callsign},
        group,
    )  # fmt: skip
    detail += element("link", {"uid": sender, "type": "a-f-G-I", "relation": "p-p"})
    detail += element("remarks", {"source": f"BAO.F.EGIDE.{sender}", "to": to}, escape(text))
    return control("b-t-f", f"GeoChat.{sender}.{to}.{id_}", now_ms, detail, life_ms=CHAT_MS)
