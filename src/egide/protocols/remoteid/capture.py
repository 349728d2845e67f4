"""What a receiver hands on of one transmission, in one datagram.

Framing, as simple receivers do it: optionally the six bytes of the transmitter's radio address, then one of
  - one to nine 25-byte messages,
  - one message pack,
  - a Wi-Fi vendor element (0xDD, length): ASTM's (FA:0B:BC, type 0x0D, a counter, a pack) or the French one (6A:5C:35, type 1).
Which of them it is shows by the lengths alone: 25·n, 3 + 25·n with 0xF·, or the element's own length.
"""

from __future__ import annotations

from dataclasses import dataclass

from .astm import MAX_PACK, SIZE, Message, RemoteIdError, decode, unpack
from .french import ELEMENT, OUI, FrenchSignal, decode_signal

ADDRESS = 6
"""Bytes of a radio address (IEEE 802, Bluetooth)."""
_ASTM_HEAD = bytes.fromhex("fa0bbc0d")
MAX_DATAGRAM = ADDRESS + 2 + 255
"""Bytes of the longest datagram: an address and an element."""


@dataclass(frozen=True, slots=True)
class Capture:
    """The transmitter's address (b"" when not told) and what it said."""

    address: bytes
    messages: tuple[Message | FrenchSignal, ...]


def read(datagram: bytes) -> Capture:
    """One datagram of a receiver.  Raises RemoteIdError."""
    if len(datagram) > MAX_DATAGRAM:
        raise RemoteIdError(f"{len(datagram)} bytes are more than one transmission has")
    for address in (0, ADDRESS):
        said = _said(datagram[address:])
        if said is not None:
            return Capture(datagram[:address], said)
    raise RemoteIdError("neither messages, nor a pack, nor a known vendor element")


def _said(data: bytes) -> tuple[Message | FrenchSignal, ...] | None:
    """The messages; None when the lengths do not fit."""
    if len(data) > 3 and data[0] >> 4 == 0xF and data[1] == SIZE and len(data) == 3 + data[2] * SIZE:
        return tuple(unpack(data))
    if len(data) > 6 and data[0] == ELEMENT and len(data) == 2 + data[1]:
        if data[2:6] == _ASTM_HEAD:
            return tuple(unpack(data[7:]))
        if data[2:5] == OUI:
            return (decode_signal(data),)
        return None
    if data and len(data) % SIZE == 0 and len(data) <= MAX_PACK * SIZE:
        return tuple(decode(data[at : at + SIZE]) for at in range(0, len(data), SIZE))
    return None
