"""Bytes to ``UasFrame`` and back.

What: ``decode`` and ``encode`` of one whole ST 0601 packet.
Why own: the published Python parsers stop at older editions, write nothing back and are seven times slower.
Source: MISB ST 0601, ST 0107; MISB ST 1201 for the IMAPB mapping.

Decoding is driven by a dictionary from (tag, length) to a precompiled reader, so that the common item costs one
look-up, one ``unpack_from`` and one multiplication.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from .frame import UasFrame
from .table import ITEMS, WIDTH, Item
from .wire import KEY, MAX_PACKET, KlvError, checksum, read_length, read_tag, write_length, write_tag

_FORMAT = {"u8": ">B", "u16": ">H", "u32": ">I", "u64": ">Q", "i8": ">b", "i16": ">h", "i32": ">i"}
_CHECKSUM_ITEM = b"\x01\x02"


class _Reader(NamedTuple):
    """How a number is read: value = code × scale + shift, None for the code ``bad``; scale 0 keeps the code."""

    field: str
    unpack: Callable[..., tuple[Any, ...]]
    scale: float
    shift: float
    bad: int | None


def _scale(item: Item) -> tuple[float, float, int | None]:
    """(scale, shift, reserved code) of a linear item."""
    if item.low is None or item.high is None:
        return 0.0, 0.0, None
    bits = 8 * item.width
    if item.kind[0] == "i":
        return (item.high - item.low) / ((1 << bits) - 2), 0.0, -(1 << (bits - 1))
    return (item.high - item.low) / ((1 << bits) - 1), item.low, None


_NUMBERS: dict[int, _Reader] = {
    item.tag << 8 | item.width: _Reader(item.field, struct.Struct(_FORMAT[item.kind]).unpack_from, *_scale(item))
    for item in ITEMS
    if item.kind in WIDTH
}
_BY_TAG: dict[int, Item] = {item.tag: item for item in ITEMS}
_IN_ORDER: tuple[Item, ...] = tuple(sorted(ITEMS, key=lambda item: item.tag))


def decode(packet: bytes, *, verify: bool = True) -> UasFrame:
    """The frame of one whole packet: key, length, items, checksum, nothing behind (``split`` finds packets).

    With ``verify`` (default) a wrong or missing checksum is refused. Items that say "out of range" become None; an item
    unknown, or of an unexpected size, is kept raw. A repeated item counts once, the last. Raises KlvError.
    """
    end = len(packet)
    if packet[:16] != KEY:
        raise KlvError("not an ST 0601 packet: the key is missing")
    size, at = read_length(packet, 16, end)
    if at + size != end:
        raise KlvError(f"the packet announces {size} bytes and carries {end - at}")
    if verify:
        _verify(packet)
    numbers = _NUMBERS
    values: dict[str, Any] = {}
    unknown: dict[int, bytes] = {}
    while at < end:
        tag = packet[at]
        if tag < 0x80:
            at += 1
        else:
            tag, at = read_tag(packet, at, end)
        if at < end and (size := packet[at]) < 0x80:
            at += 1
        else:
            size, at = read_length(packet, at, end)
        after = at + size
        if after > end:
            raise KlvError(f"item {tag} runs past the end of the packet")
        reader = numbers.get(tag << 8 | size)
        if reader is not None:
            field, unpack, scale, shift, bad = reader
            code = unpack(packet, at)[0]
            if scale:
                values[field] = code * scale + shift if code != bad else None
            else:
                values[field] = code
        elif tag != 1:
            _read_other(tag, packet[at:after], values, unknown)
        at = after
    return UasFrame(unknown=unknown, **values)


def _verify(packet: bytes) -> None:
    if packet[-4:-2] != _CHECKSUM_ITEM:
        raise KlvError("the packet does not end with its checksum")
    stored, computed = packet[-2] << 8 | packet[-1], checksum(packet[:-2])
    if stored != computed:
        raise KlvError(f"wrong checksum: stored {stored:04x}, computed {computed:04x}")


def _read_other(tag: int, value: bytes, values: dict[str, Any], unknown: dict[int, bytes]) -> None:
    """Text, nested sets, IMAPB numbers; anything else goes to ``unknown``."""
    item = _BY_TAG.get(tag)
    kind = "" if item is None else item.kind
    if item is not None and kind == "bytes":
        values[item.field] = value
        return
    if item is not None and kind == "text":
        try:
            values[item.field] = value.decode("utf-8")
        except UnicodeDecodeError:
            unknown[tag] = value
        return
    if item is not None and kind == "imapb" and 1 <= len(value) <= 8:
        values[item.field] = _imapb_value(item, value)
        return
    unknown[tag] = value


def _imapb(item: Item, width: int) -> tuple[float, float, float]:
    """(low, scale, offset of zero) of ST 1201: code = scale × (value - low) + offset."""
    low, high = item.low or 0.0, item.high or 0.0
    scale = 2.0 ** (8 * width - 1 - math.ceil(math.log2(high - low)))
    offset = scale * low - math.floor(scale * low) if low < 0 < high else 0.0
    return low, scale, offset


def _imapb_value(item: Item, raw: bytes) -> float | None:
    code = int.from_bytes(raw, "big")
    if code > 1 << (8 * len(raw) - 1):  # the top bit with others: infinities, not-a-number, user codes
        return None
    low, scale, offset = _imapb(item, len(raw))
    value = (code - offset) / scale + low
    return max(value, low) if value <= (item.high or 0.0) else None


def encode(frame: UasFrame) -> bytes:
    """The packet of a frame: timestamp first, then items by tag, checksum last; None is left out.

    Raises KlvError when a value lies outside what its item can carry, or the packet would pass MAX_PACKET.
    """
    parts: dict[int, bytes] = {}
    for item in _IN_ORDER:
        value = getattr(frame, item.field)
        if value is not None:
            parts[item.tag] = _write(item, value)
    for tag, raw in frame.unknown.items():
        if tag == 1 or tag in parts:
            raise KlvError(f"item {tag} may not be given as unknown")
        parts[tag] = raw
    order = sorted(parts, key=lambda tag: (tag != 2, tag))
    body = b"".join(write_tag(tag) + write_length(len(parts[tag])) + parts[tag] for tag in order)
    packet = KEY + write_length(len(body) + 4) + body + _CHECKSUM_ITEM
    if len(packet) + 2 > MAX_PACKET:
        raise KlvError(f"the packet would be longer than {MAX_PACKET} bytes")
    return packet + checksum(packet).to_bytes(2, "big")


def _write(item: Item, value: Any) -> bytes:
    try:
        if item.kind == "text":
            return str(value).encode("utf-8")
        if item.kind == "bytes":
            return bytes(value)
        if item.kind == "imapb":
            return _write_imapb(item, value)
        scale, shift, _ = _scale(item)
        if scale:
            low, high = item.low or 0.0, item.high or 0.0
            # half a code of grace: a value decoded from an end of the range may lie a rounding beyond it
            if not low - scale / 2 <= value <= high + scale / 2:
                raise KlvError(f"{item.field} = {value} is outside {item.low} … {item.high}")
            value = round((min(max(value, low), high) - shift) / scale)
        return struct.pack(_FORMAT[item.kind], value)
    except (struct.error, UnicodeEncodeError, TypeError) as problem:
        raise KlvError(f"{item.field} cannot be written: {problem}") from problem


def _write_imapb(item: Item, value: float) -> bytes:
    low, scale, offset = _imapb(item, item.width)
    if not low <= value <= (item.high or 0.0):
        raise KlvError(f"{item.field} = {value} is outside {item.low} … {item.high}")
    return math.floor(scale * (value - low) + offset).to_bytes(item.width, "big")
