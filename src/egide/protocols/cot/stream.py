"""Cuts a TCP stream into events: XML documents one after another, or frames `BF <length> <payload>`; memory stays bounded.

The published rule for XML: an event ends at the token `</event>`, wherever it stands. Whoever sends more than an event may hold
is told once, and the rest is passed over without being kept. Source: “TAK protocol” text, streaming connections.
"""

from __future__ import annotations

import re

from egide.protocols.cot.event import MAX_EVENT, CotError, CotEvent
from egide.protocols.cot.message import MAGIC, MESH, from_payload
from egide.protocols.cot.reader import read

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
END = b"</event>"
_DECLARED = re.compile(rb"<\?xml\b[^>]{0,200}?\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_EVENT = re.compile(rb"<event[\s/>]")
_AUTH = re.compile(rb"\s*<auth>.{0,2000}?</auth>\s*", re.DOTALL)  # what a client with a pass word says first
MAX_VARINT = 5  # bytes; longer lengths are none of ours


def trim(piece: bytes) -> bytes:
    """What is between `<event` and `</event>` in a piece of stream; raises `CotError` for what may not stand before it."""
    piece = piece.strip()
    if piece.startswith(b"<auth>"):
        piece = _AUTH.sub(b"", piece, count=1)
    declared = _DECLARED.match(piece)
    if declared is not None:
        encoding = _ENCODING.search(declared[0])
        if encoding is not None and encoding[1].lower() not in (b"utf-8", b"us-ascii"):
            raise CotError("encoding", "only UTF-8 is read")
        piece = piece[declared.end() :].lstrip()
    if _EVENT.match(piece):
        return piece
    if b"<!DOCTYPE" in piece[:4096] or b"<!ENTITY" in piece[:4096]:
        raise CotError("dtd", "a document type is not accepted")
    raise CotError("malformed", "something else than an event")


class Splitter:
    """One connection's incoming bytes. `proto` is set when both sides have agreed on version 1."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self.proto = False
        self._limit = limit
        self._held = bytearray()
        self._skipping = False
        self._broken = False

    def feed(self, data: bytes) -> list[bytes | CotError]:
        """The events (XML, or payloads) that are complete now, and what was wrong in between, in order."""
        if self._broken:
            return []
        found: list[bytes | CotError] = []
        before = len(self._held)
        self._held += data
        if self.proto:
            self._frames(found)
        else:
            self._documents(found, max(0, before - len(END) + 1))
        return found

    def _documents(self, found: list[bytes | CotError], search: int) -> None:
        held, start = self._held, 0
        while (at := held.find(END, search)) >= 0:
            end = at + len(END)
            if self._skipping:
                self._skipping = False
            elif end - start > self._limit:
                found.append(_too_long())
            else:
                try:
                    found.append(trim(bytes(held[start:end])))
                except CotError as error:
                    found.append(error)
            start = search = end
        del held[:start]
        if len(held) > self._limit and not self._skipping:
            found.append(_too_long())
            self._skipping = True
        if self._skipping:
            del held[: -(len(END) - 1)]

    def _frames(self, found: list[bytes | CotError]) -> None:
        held, start = self._held, 0
        while start < len(held):
            if held[start] != MAGIC:
                self._break(found, CotError("frame", "a frame that does not begin with BF", fatal=True))
                return
            length, shift, at = 0, 0, start + 1
            while at < len(held) and held[at] & 0x80 and at - start <= MAX_VARINT:
                length |= (held[at] & 0x7F) << shift
                shift += 7
                at += 1
            if at - start > MAX_VARINT:
                self._break(found, CotError("frame", "a frame whose length has no end", fatal=True))
                return
            if at >= len(held):
                break
            length |= held[at] << shift
            if length > self._limit:
                self._break(
                    found, CotError("too-long", f"a frame of {length} bytes, {self._limit} at most", fatal=True)
                )
                return
            at += 1
            if at + length > len(held):
                break
            found.append(bytes(held[at : at + length]))
            start = at + length
        del held[:start]

    def _break(self, found: list[bytes | CotError], error: CotError) -> None:
        self._broken = True
        self._held.clear()
        found.append(error)


def _too_long() -> CotError:
    return CotError("too-long", f"an event of more than {MAX_EVENT} bytes")


def datagram(data: bytes) -> CotEvent | None:
    """The event of a mesh datagram: `BF 01 BF` and a payload, or XML; None for one without an event. Raises `CotError`."""
    if data[:3] == MESH:
        return from_payload(data[3:])
    if data[:1] == b"\xbf":
        raise CotError("frame", "a datagram of another protocol version")
    return read(trim(data))
