"""Cursor on Target: the events that TAK clients exchange, as XML and as TAK protocol version 1, and their stream.

Pure: bytes in, structs out. Why our own reader: events come from anybody's device, are relayed byte for byte and must be read
once, safely, with the place of every detail. Sources: MITRE MTR 090284 (CoT base schema); TAK product centre, “TAK protocol” text
(streams, negotiation) and its `.proto` files, whose compiled classes come from the library takproto.
"""

from __future__ import annotations

from egide.protocols.cot.canonical import canonical
from egide.protocols.cot.control import (
    PING,
    PONG,
    REQUEST,
    answer,
    chat,
    control,
    offer,
    pong,
    wanted_version,
)
from egide.protocols.cot.event import MAX_EVENT, CotError, CotEvent, Item, Point
from egide.protocols.cot.message import frame, from_payload, to_payload
from egide.protocols.cot.reader import read
from egide.protocols.cot.stream import DECLARATION, Splitter, datagram
from egide.protocols.cot.symbols import sidc, sidc_of, type_of
from egide.protocols.cot.writer import element, write

__all__ = [
    "DECLARATION",
    "MAX_EVENT",
    "PING",
    "PONG",
    "REQUEST",
    "CotError",
    "CotEvent",
    "Item",
    "Point",
    "Splitter",
    "answer",
    "canonical",
    "chat",
    "control",
    "datagram",
    "element",
    "frame",
    "from_payload",
    "offer",
    "pong",
    "read",
    "sidc",
    "sidc_of",
    "to_payload",
    "type_of",
    "wanted_version",
    "write",
]
