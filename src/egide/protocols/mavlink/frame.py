"""Frames of MAVLink 1 and 2 inside a datagram or a piece of a stream.

Source: mavlink.io, "Packet serialization": start byte 0xFE or 0xFD, checksum CRC-16/MCRF4XX (the protocol calls it X.25) over the
frame without its start byte, then over one more byte that depends on the message's definition (CRC_EXTRA): both sides prove that
they mean the same message. MAVLink 2 cuts trailing zero bytes of a payload and may carry a signature, which is not checked
here: whoever may send to the port is the network's to say (docs/threat-model.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .messages import LAYOUTS

V1 = 0xFE
V2 = 0xFD
SIGNATURE = 13
"""Bytes of a signature, present when the first incompatibility flag is set."""
SIGNED = 0x01
MAX_DATAGRAM = 4096
"""Bytes of one datagram that are looked at; autopilots send under 1,500, and a hostile one must cost little."""


class MavlinkError(ValueError):
    """A payload that its message cannot have."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame with a right checksum; `payload` has its trailing zeros back."""

    version: int
    sequence: int
    system: int
    component: int
    message: int
    payload: bytes


@dataclass(slots=True)
class Counts:
    """What was seen on a link: frames taken, of messages not known here, and with a wrong checksum."""

    frames: int = 0
    unknown: int = 0
    damaged: int = 0


def _table() -> tuple[int, ...]:
    made = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
        made.append(crc)
    return tuple(made)


_CRC = _table()


def checksum(data: bytes, crc: int = 0xFFFF) -> int:
    """CRC-16/MCRF4XX: reflected 0x1021, from 0xFFFF, nothing added at the end."""
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def frames(data: bytes, counts: Counts | None = None) -> Iterator[Frame]:
    """Each frame of a known message found in `data`, in order; never raises on content.

    What is no frame is skipped byte by byte up to the next start byte, so the work is bounded by the length times 280.
    """
    counts = counts if counts is not None else Counts()
    at, end = 0, min(len(data), MAX_DATAGRAM)
    while at < end:
        if data[at] not in (V1, V2):
            at += 1
            continue
        found = _frame(data, at, end)
        if found is None:
            at += 1
            continue
        size, message, frame = found
        if frame is None:
            counts.unknown += message not in LAYOUTS
            counts.damaged += message in LAYOUTS
            # Without its CRC_EXTRA an unknown message cannot be told from noise: step over its start byte alone.
            at += 1
            continue
        counts.frames += 1
        yield frame
        at += size


def _frame(data: bytes, at: int, end: int) -> tuple[int, int, Frame | None] | None:
    """(bytes, message, frame or None when it is not right) of what begins here; None when it cannot be a frame."""
    version = 1 if data[at] == V1 else 2
    head = 6 if version == 1 else 10
    if at + head > end:
        return None
    length = data[at + 1]
    if version == 1:
        sequence, system, component, message = data[at + 2], data[at + 3], data[at + 4], data[at + 5]
        tail = 0
    else:
        flags = data[at + 2]
        if flags & ~SIGNED:  # a flag we do not know may change what follows: the frame must be dropped
            return None
        sequence, system, component = data[at + 4], data[at + 5], data[at + 6]
        message = int.from_bytes(data[at + 7 : at + 10], "little")
        tail = SIGNATURE if flags & SIGNED else 0
    size = head + length + 2 + tail
    if at + size > end:
        return None
    layout = LAYOUTS.get(message)
    if layout is None or length > layout.size or (version == 1 and length < layout.base):
        return size, message, None
    after = at + head + length
    crc = checksum(bytes((layout.extra,)), checksum(data[at + 1 : after]))
    if crc != int.from_bytes(data[after : after + 2], "little"):
        return size, message, None
    payload = data[at + head : after].ljust(layout.size, b"\0")
    return size, message, Frame(version, sequence, system, component, message, payload)


def write(message: int, payload: bytes, *, system: int = 1, sequence: int = 0) -> bytes:
    """A MAVLink 2 frame of a known message, its trailing zeros cut off.  Raises MavlinkError for a payload it cannot have."""
    layout = LAYOUTS.get(message)
    if layout is None or len(payload) != layout.size:
        raise MavlinkError(f"message {message} does not have {len(payload)} bytes")
    cut = payload.rstrip(b"\0") or payload[:1]
    head = bytes((len(cut), 0, 0, sequence & 0xFF, system, 1)) + message.to_bytes(3, "little")
    crc = checksum(bytes((layout.extra,)), checksum(head + cut))
    return bytes((V2,)) + head + cut + crc.to_bytes(2, "little")
