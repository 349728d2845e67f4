"""The binary frame of the live channel: a 20-byte header and a payload, and its RFC 6455 envelope.

Header, little endian: u8 kind | u8 flags | u16 stream | u64 pts_us | u64 capture_us.  One frame is encoded once for all
viewers of a source; `websocket` adds the envelope of an unmasked, unfragmented server message, which is the same for
everyone too, so that a server which owns its transport can write the very same bytes to every viewer.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import msgspec

CONFIG: Final = 1
VIDEO: Final = 2
KLV: Final = 3
POSITIONS: Final = 4
END: Final = 5
SEGMENT: Final = 6
"""An fMP4 initialisation segment, for viewers of that form; the fragments after it need it."""
FRAGMENT: Final = 7
"""One picture as an fMP4 fragment."""
TICK: Final = 8
"""A picture's times without the picture, for a viewer who gets it by another way (WebRTC)."""
KINDS: Final = frozenset({CONFIG, VIDEO, KLV, POSITIONS, END, SEGMENT, FRAGMENT, TICK})

KEY: Final = 0x01
"""Flag: key frame, a viewer may start here."""
DAMAGED: Final = 0x02
"""Flag: bytes were lost on the way to us; the picture may show artefacts until the next key frame."""

HEADER: Final = struct.Struct("<BBHQQ")
_WS_BINARY: Final = 0x82  # FIN + opcode 2, RFC 6455 §5.2
_U64: Final = (1 << 64) - 1


class FrameError(ValueError):
    """These bytes are not a live frame."""


@dataclass(frozen=True, slots=True)
class Header:
    """The 20 bytes before the payload; times in microseconds."""

    kind: int
    flags: int
    stream: int
    pts_us: int
    capture_us: int

    @property
    def key(self) -> bool:
        """True for a video frame from which decoding may start."""
        return bool(self.flags & KEY)


def pack(kind: int, stream: int, pts_us: int, capture_us: int, payload: bytes, flags: int = 0) -> bytes:
    """One frame.  Raises FrameError when a field does not fit its width."""
    try:
        return HEADER.pack(kind, flags, stream, pts_us, capture_us) + payload
    except struct.error as problem:
        raise FrameError(f"a field does not fit the frame header: {problem}") from problem


def unpack(data: bytes) -> tuple[Header, memoryview]:
    """Header and payload (a view, no copy).  Raises FrameError on short or unknown frames."""
    if len(data) < HEADER.size:
        raise FrameError(f"a frame has at least {HEADER.size} bytes, this one has {len(data)}")
    header = Header(*HEADER.unpack_from(data))
    if header.kind not in KINDS:
        raise FrameError(f"unknown frame kind {header.kind}")
    return header, memoryview(data)[HEADER.size :]


def pack_json(kind: int, stream: int, pts_us: int, capture_us: int, value: object) -> bytes:
    """One frame whose payload is JSON (kinds 1, 3 and 5)."""
    return pack(kind, stream, pts_us, capture_us, msgspec.json.encode(value))


def websocket(frame: bytes) -> bytes:
    """`frame` as one unmasked binary WebSocket message, ready for the transport (RFC 6455 §5.2)."""
    size = len(frame)
    if size < 126:
        return struct.pack("!BB", _WS_BINARY, size) + frame
    if size < 65536:
        return struct.pack("!BBH", _WS_BINARY, 126, size) + frame
    return struct.pack("!BBQ", _WS_BINARY, 127, size & _U64) + frame
