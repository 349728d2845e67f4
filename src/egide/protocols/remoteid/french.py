"""The French electronic signal ("signalement électronique"): a vendor element of Wi-Fi beacons, fields of type, length and value.

Source: order of 27 December 2019 on the electronic and light signals of unmanned aircraft, annex (JORF, ECOI1934044A), as public
encoders and receivers implement it; the annex itself was not read. Numbers are big-endian; places in units of 1e-5 degree.
"""

from __future__ import annotations

import struct

import msgspec

from .astm import RemoteIdError, text

OUI = bytes.fromhex("6a5c35")
"""The identifier of the State's general secretariat for defence and national security."""
VENDOR_TYPE = 1
ELEMENT = 0xDD
"""Vendor-specific element of an 802.11 frame."""
_PLACE = struct.Struct(">i")
_METRES = struct.Struct(">h")
_VERSION, _ID_FR, _ID_ANSI, _LAT, _LON, _ALT, _HEIGHT, _HOME_LAT, _HOME_LON, _SPEED, _COURSE = range(1, 12)
_LENGTHS = {_VERSION: 1, _LAT: 4, _LON: 4, _ALT: 2, _HEIGHT: 2, _HOME_LAT: 4, _HOME_LON: 4, _SPEED: 1, _COURSE: 2}


class FrenchSignal(msgspec.Struct, frozen=True):
    """One beacon. `uas_id` is the 30-character French identifier, `serial` the CTA-2063 one; `home_*` the take-off point."""

    uas_id: str = ""
    serial: str = ""
    lat: float | None = None
    lon: float | None = None
    alt: float | None = None
    height: float | None = None
    home_lat: float | None = None
    home_lon: float | None = None
    speed: float | None = None
    course: float | None = None


def decode_signal(element: bytes) -> FrenchSignal:
    """The beacon of a vendor element, with or without its two bytes of element head.  Raises RemoteIdError."""
    body = element[2 : 2 + element[1]] if len(element) > 2 and element[0] == ELEMENT else element
    if body[:4] != OUI + bytes((VENDOR_TYPE,)):
        raise RemoteIdError("not a French electronic signal")
    fields: dict[int, bytes] = {}
    at = 4
    while at + 2 <= len(body):
        kind, size = body[at], body[at + 1]
        value = body[at + 2 : at + 2 + size]
        if len(value) < size:
            raise RemoteIdError(f"field {kind} runs past the end of the signal")
        if _LENGTHS.get(kind, size) == size:
            fields[kind] = value
        at += 2 + size
    if fields.get(_VERSION) != b"\x01":
        raise RemoteIdError("the signal's version is not 1")
    lat, lon = _degrees(fields, _LAT), _degrees(fields, _LON)
    home_lat, home_lon = _degrees(fields, _HOME_LAT), _degrees(fields, _HOME_LON)
    course = int.from_bytes(fields[_COURSE], "big") if _COURSE in fields else None
    return FrenchSignal(
        text(fields.get(_ID_FR, b"")[:30]), _serial(fields.get(_ID_ANSI, b"")), lat, lon, _height(fields, _ALT),
        _height(fields, _HEIGHT), home_lat, home_lon, float(fields[_SPEED][0]) if _SPEED in fields else None,
        float(course) if course is not None and course < 360 else None,
    )  # fmt: skip


def _serial(value: bytes) -> str:
    return text(value[:20])


def _degrees(fields: dict[int, bytes], kind: int) -> float | None:
    return _PLACE.unpack(fields[kind])[0] / 1e5 if kind in fields else None


def _height(fields: dict[int, bytes], kind: int) -> float | None:
    return float(_METRES.unpack(fields[kind])[0]) if kind in fields else None


def encode_signal(signal: FrenchSignal) -> bytes:
    """The vendor element of a beacon, element head included."""
    parts = [(_VERSION, b"\x01")]
    if signal.uas_id:
        parts.append((_ID_FR, signal.uas_id.encode("ascii", "replace")[:30].ljust(30, b"0")))
    if signal.serial:
        parts.append((_ID_ANSI, signal.serial.encode("ascii", "replace")[:20]))
    for kind, degrees in (
        (_LAT, signal.lat),
        (_LON, signal.lon),
        (_HOME_LAT, signal.home_lat),
        (_HOME_LON, signal.home_lon),
    ):
        if degrees is not None:
            parts.append((kind, _PLACE.pack(round(degrees * 1e5))))
    for kind, metres in ((_ALT, signal.alt), (_HEIGHT, signal.height)):
        if metres is not None:
            parts.append((kind, _METRES.pack(round(metres))))
    if signal.speed is not None:
        parts.append((_SPEED, bytes((min(255, round(signal.speed)),))))
    if signal.course is not None:
        parts.append((_COURSE, (round(signal.course) % 360).to_bytes(2, "big")))
    body = OUI + bytes((VENDOR_TYPE,)) + b"".join(bytes((kind, len(value))) + value for kind, value in parts)
    return bytes((ELEMENT, len(body))) + body
