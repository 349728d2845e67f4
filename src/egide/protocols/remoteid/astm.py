"""The 25-byte messages of ASTM F3411-22a, which ASD-STAN EN 4709-002 takes over: one byte of type and version, 24 of content.

Numbers are little-endian; codes that mean "unknown" come out as None. Angles in degrees, lengths in metres, speeds in m/s.
"""

from __future__ import annotations

import struct

import msgspec

SIZE = 25
"""Bytes of every message."""
MAX_PACK = 9
"""Messages in a pack (F3411-22a, message type 0xF)."""
HOUR_S = 3600.0
"""A location is dated in tenths of a second after the full hour of UTC."""
_EPOCH_2019 = 1_546_300_800
"""Seconds of UTC at 2019-01-01, from which system and authentication messages count."""
_UNKNOWN_HOUR = 0xFFFF
_UNKNOWN_DIRECTION = 360
_UNKNOWN_SPEED = 255
_UNKNOWN_CLIMB = 126  # ×0.5 m/s = 63
_BASIC, _LOCATION, _AUTHENTICATION, _SELF, _SYSTEM, _OPERATOR, _PACK = 0, 1, 2, 3, 4, 5, 0xF
_LOCATION_BODY = struct.Struct("<BBBbiiHHHBBHB")
_SYSTEM_BODY = struct.Struct("<BiiHBHHBHI")


class RemoteIdError(ValueError):
    """Bytes that are no remote identification message."""


class BasicId(msgspec.Struct, frozen=True):
    """What the aircraft is called. `id_type`: 1 serial number, 2 registration, 3 UTM, 4 session."""

    id_type: int
    ua_type: int
    uas_id: str


class Location(msgspec.Struct, frozen=True):
    """Where it is. `status`: 1 ground, 2 airborne, 3 emergency, 4 fault; `height_from`: 0 take-off, 1 ground."""

    status: int
    lat: float | None
    lon: float | None
    alt: float | None
    alt_pressure: float | None
    height: float | None
    height_from: int
    direction: float | None
    speed: float | None
    climb: float | None
    hour_s: float | None
    accuracy: int
    accuracy_vertical: int


class Authentication(msgspec.Struct, frozen=True):
    """One page of a signature, which is not checked: the keys are not public. `timestamp` counts from 2019."""

    auth_type: int
    page: int
    last_page: int
    length: int
    timestamp: int
    data: bytes


class SelfId(msgspec.Struct, frozen=True):
    """What the flight is for, in the pilot's words. `kind`: 0 text, 1 emergency, 2 extended status."""

    kind: int
    text: str


class System(msgspec.Struct, frozen=True):
    """Where the pilot is, and what area is flown. `place_type`: 0 take-off, 1 live, 2 fixed; `at`: seconds of UTC."""

    lat: float | None
    lon: float | None
    place_type: int
    classification: int
    area_count: int
    area_radius: int
    ceiling: float | None
    floor: float | None
    category: int
    eu_class: int
    alt: float | None
    at: int | None


class OperatorId(msgspec.Struct, frozen=True):
    """The operator's registration number."""

    kind: int
    operator_id: str


Message = BasicId | Location | Authentication | SelfId | System | OperatorId


def text(raw: bytes) -> str:
    """ASCII up to the first zero byte; anything else than printable ASCII becomes "?"."""
    plain = raw.split(b"\0", 1)[0]
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in plain).strip()


def place(lat: int, lon: int) -> tuple[float | None, float | None]:
    """Degrees of two codes of 1e-7; both zero means unknown."""
    return (None, None) if lat == lon == 0 else (lat / 1e7, lon / 1e7)


def since_2019(seconds: int) -> int | None:
    """Seconds of UTC of a count from 2019; 0 means unknown."""
    return seconds + _EPOCH_2019 if seconds else None


def _metres(code: int) -> float | None:
    return code * 0.5 - 1000 if code else None


def _code_of(metres: float | None) -> int:
    return 0 if metres is None else min(0xFFFF, max(0, round((metres + 1000) * 2)))


def decode(message: bytes) -> Message:
    """One message.  Raises RemoteIdError for another length or type (a pack is for `unpack`)."""
    if len(message) != SIZE:
        raise RemoteIdError(f"a message has {SIZE} bytes, not {len(message)}")
    kind, body = message[0] >> 4, message[1:]
    if kind == _BASIC:
        return BasicId(body[0] >> 4, body[0] & 0x0F, text(body[1:21]))
    if kind == _LOCATION:
        return _location(body)
    if kind == _AUTHENTICATION:
        page = body[0] & 0x0F
        if page:
            return Authentication(body[0] >> 4, page, 0, 0, 0, body[1:24])
        return Authentication(body[0] >> 4, 0, body[1] & 0x0F, body[2], int.from_bytes(body[3:7], "little"), body[7:24])
    if kind == _SELF:
        return SelfId(body[0], text(body[1:24]))
    if kind == _SYSTEM:
        return _system(body)
    if kind == _OPERATOR:
        return OperatorId(body[0], text(body[1:21]))
    raise RemoteIdError(f"message type {kind} is not known")


def _location(body: bytes) -> Location:
    flags, direction, speed, climb, lat, lon, pressure, alt, height, near, _, hour, _ = _LOCATION_BODY.unpack_from(body)
    degrees = direction + 180 * (flags >> 1 & 1)
    pace = speed * 0.75 + 63.75 if flags & 1 else speed * 0.25
    return Location(
        flags >> 4, *place(lat, lon), _metres(alt), _metres(pressure), _metres(height), flags >> 2 & 1,
        None if degrees > _UNKNOWN_DIRECTION else float(degrees % 360), None if speed == _UNKNOWN_SPEED else pace,
        None if climb == _UNKNOWN_CLIMB else climb * 0.5, None if hour > HOUR_S * 10 else hour / 10, near & 0x0F, near >> 4,
    )  # fmt: skip


def _system(body: bytes) -> System:
    flags, lat, lon, count, radius, ceiling, floor, classes, alt, at = _SYSTEM_BODY.unpack_from(body)
    return System(
        *place(lat, lon), flags & 3, flags >> 2 & 7, count, radius * 10, _metres(ceiling), _metres(floor), classes >> 4,
        classes & 0x0F, _metres(alt), since_2019(at),
    )  # fmt: skip


def unpack(data: bytes) -> list[Message]:
    """The messages of a pack (one byte 0xF·, 25, a count, the messages).  Raises RemoteIdError."""
    if len(data) < 3 or data[0] >> 4 != _PACK or data[1] != SIZE or not 1 <= data[2] <= MAX_PACK:
        raise RemoteIdError("not a message pack")
    if len(data) != 3 + data[2] * SIZE:
        raise RemoteIdError(f"a pack of {data[2]} messages has {3 + data[2] * SIZE} bytes, not {len(data)}")
    return [decode(data[at : at + SIZE]) for at in range(3, len(data), SIZE)]


def pack(messages: list[Message], version: int = 2) -> bytes:
    """A pack of up to nine messages.  Raises RemoteIdError for more, or none."""
    if not 1 <= len(messages) <= MAX_PACK:
        raise RemoteIdError(f"a pack has 1 to {MAX_PACK} messages")
    return bytes((_PACK << 4 | version, SIZE, len(messages))) + b"".join(encode(each, version) for each in messages)


def encode(message: Message, version: int = 2) -> bytes:
    """The 25 bytes of a message, its numbers rounded to what the format can say."""
    if isinstance(message, BasicId):
        kind, body = _BASIC, bytes((message.id_type << 4 | message.ua_type,)) + _padded(message.uas_id, 20)
    elif isinstance(message, Location):
        kind, body = _LOCATION, _write_location(message)
    elif isinstance(message, Authentication):
        head = bytes((message.auth_type << 4 | message.page,))
        if not message.page:
            head += bytes((message.last_page, message.length)) + message.timestamp.to_bytes(4, "little")
        kind, body = _AUTHENTICATION, head + message.data
    elif isinstance(message, SelfId):
        kind, body = _SELF, bytes((message.kind,)) + _padded(message.text, 23)
    elif isinstance(message, System):
        kind, body = _SYSTEM, _write_system(message)
    else:
        kind, body = _OPERATOR, bytes((message.kind,)) + _padded(message.operator_id, 20)
    return (bytes((kind << 4 | version,)) + body).ljust(SIZE, b"\0")[:SIZE]


def _padded(words: str, size: int) -> bytes:
    return words.encode("ascii", "replace")[:size].ljust(size, b"\0")


def _codes(lat: float | None, lon: float | None) -> tuple[int, int]:
    return (0, 0) if lat is None or lon is None else (round(lat * 1e7), round(lon * 1e7))


def _write_location(m: Location) -> bytes:
    direction = 361 if m.direction is None else round(m.direction) % 360
    west = direction >= 180
    fast = m.speed is not None and m.speed > 63.75
    speed = _UNKNOWN_SPEED if m.speed is None else round((m.speed - 63.75) / 0.75) if fast else round(m.speed * 4)
    climb = _UNKNOWN_CLIMB if m.climb is None else round(m.climb * 2)
    hour = _UNKNOWN_HOUR if m.hour_s is None else round(m.hour_s * 10)
    flags = m.status << 4 | m.height_from << 2 | west << 1 | (fast or m.speed is None)
    return _LOCATION_BODY.pack(
        flags, direction - 180 * west, min(254, speed) if m.speed is not None else speed, climb, *_codes(m.lat, m.lon),
        _code_of(m.alt_pressure), _code_of(m.alt), _code_of(m.height), m.accuracy_vertical << 4 | m.accuracy, 0, hour, 0,
    )  # fmt: skip


def _write_system(m: System) -> bytes:
    return _SYSTEM_BODY.pack(
        m.classification << 2 | m.place_type, *_codes(m.lat, m.lon), m.area_count, min(255, m.area_radius // 10),
        _code_of(m.ceiling), _code_of(m.floor), m.category << 4 | m.eu_class, _code_of(m.alt),
        0 if m.at is None else m.at - _EPOCH_2019,
    )  # fmt: skip
