"""TAK protocol version 1: an event as protobuf, both ways, without loss.

The compiled messages are takproto's; the conversion is ours, because the library's drops attributes it does not know, text and
repeated details. The published rule (detail.proto): an element goes into its own field only if the field holds all of it, else it
stays in `xmlDetail`; where both have it, `xmlDetail` counts. What the form cannot hold: attributes that the base schema does not
have, fractions of a millisecond, the order of the six typed elements among the others, comments between details.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from takproto.proto import TakMessage

from egide.protocols.cot.event import MAX_EVENT, CotError, CotEvent, Item, Point, number, number_text
from egide.protocols.cot.reader import read
from egide.protocols.cot.writer import element, write

MAGIC = 0xBF
MESH = b"\xbf\x01\xbf"  # header of a datagram, protocol version 1
# By element: field of Detail, attributes that the field holds (and must all be there), those that may be absent.
TYPED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "contact": ("contact", ("callsign",), ("endpoint",)),
    "__group": ("group", ("name", "role"), ()),
    "precisionlocation": ("precisionLocation", ("geopointsrc", "altsrc"), ()),
    "status": ("status", ("battery",), ()),
    "takv": ("takv", ("device", "platform", "os", "version"), ()),
    "track": ("track", ("speed", "course"), ()),
}
MAX_BATTERY = 0xFFFF_FFFF  # uint32


def typed(item: Item, names: list[str]) -> dict[str, Any] | None:
    """The field's values where it holds the whole element, else None. `names`: of all details, to see repetitions."""
    known = TYPED.get(item.name)
    if known is None or not item.plain or names.count(item.name) != 1:
        return None
    _, needed, optional = known
    given = item.attributes
    if any(not given.get(name) for name in needed) or not given.keys() <= {*needed, *optional}:
        return None
    if any(given.get(name) == "" for name in optional):
        return None  # present and empty is not absent
    if item.name == "status":
        text = given["battery"]
        plain = text.isascii() and text.isdecimal() and str(int(text[:11])) == text and int(text) <= MAX_BATTERY
        return {"battery": int(text)} if plain else None
    if item.name == "track":
        return _track(given)
    return dict(given)


def _track(given: dict[str, str]) -> dict[str, Any] | None:
    try:
        return {name: number(given[name], name) for name in ("speed", "course")}
    except CotError:
        return None


def to_payload(event: CotEvent) -> bytes:
    """The event as a TakMessage; the very bytes it came as, where it came as one."""
    if event.payload is not None:
        return event.payload
    message = TakMessage()
    out = message.cotEvent
    out.type, out.uid, out.how = event.type, event.uid, event.how
    out.access, out.qos, out.opex = event.access, event.qos, event.opex
    out.sendTime, out.startTime, out.staleTime = event.time, event.start, event.stale
    point = event.point
    out.lat, out.lon, out.hae, out.ce, out.le = point.lat, point.lon, point.hae, point.ce, point.le
    names = [item.name for item in event.items]
    rest = [event.loose] if event.loose else []
    for item in event.items:
        values = typed(item, names)
        if values is None:
            rest.append(item.raw)
        else:
            field = getattr(out.detail, TYPED[item.name][0])
            field.SetInParent()
            for name, value in values.items():
                setattr(field, name, value)
    if rest:
        out.detail.xmlDetail = b"".join(rest).decode()
    event.payload = message.SerializeToString()
    return event.payload


def from_payload(payload: bytes) -> CotEvent | None:
    """The event in a TakMessage, None for a message without one; raises `CotError`."""
    if len(payload) > MAX_EVENT:
        raise CotError("too-long", f"{len(payload)} bytes, {MAX_EVENT} at most")
    message = TakMessage()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise CotError("protobuf", "not a TAK message") from error
    if not message.HasField("cotEvent"):
        return None
    given = message.cotEvent
    fields, rest = _elements(given.detail), given.detail.xmlDetail
    event = _event(given, "".join(fields.values()) + rest)
    names = [item.name for item in event.items]
    doubled = [name for name in fields if names.count(name) > 1]
    if doubled:
        event = _event(given, "".join(text for name, text in fields.items() if name not in doubled) + rest)
    event.payload = payload
    return event


def _event(given: Any, detail: str) -> CotEvent:
    return read(
        write(
            uid=given.uid, type=given.type, how=given.how, time=given.sendTime, start=given.startTime, stale=given.staleTime,
            point=Point(given.lat, given.lon, given.hae, given.ce, given.le), detail=detail,
            access=given.access, qos=given.qos, opex=given.opex,
        )
    )  # fmt: skip


def _elements(detail: Any) -> dict[str, str]:
    """The typed fields as XML, by element; an absent optional attribute stays absent."""
    found = {}
    for name, (field, needed, optional) in TYPED.items():
        if not detail.HasField(field):
            continue
        values = getattr(detail, field)
        texts = {each: _text(getattr(values, each)) for each in (*needed, *optional)}
        found[name] = element(name, {key: text for key, text in texts.items() if text or key in needed})
    return found


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else number_text(value)


def varint(value: int) -> bytes:
    """An unsigned protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def frame(payload: bytes) -> bytes:
    """A payload as it goes over a stream."""
    return b"\xbf" + varint(len(payload)) + payload
