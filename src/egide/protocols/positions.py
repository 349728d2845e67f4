"""What moves over the live socket as bytes: positions to a terminal; a device's fixes, a viewport and wanted names from it.

What: little-endian records behind a first byte that says the kind; bit 7 is set in what a terminal sends.
Why: ten thousand moving things are ten thousand times the cost of one, in bytes and in time; a JSON point costs eight times more.

To a terminal, behind the 20-byte frame header (kind, flags, stream, pts, capture time in µs):
    number u32 · latitude i32 · longitude i32 (1e-7 degrees, WGS84) · heading u16 (0.01°) · flags u16: 16 bytes an entity
    flags: bit 15 the entity is gone (its place is blank) · bits 0-11 age of the position in seconds, 4095 and more are one
From a terminal, behind four bytes (kind and three zeros):
    fixes  latitude i32 · longitude i32 · heading u16 · accuracy u16 (dm) · time i64 (ms since 1970 UTC): 20 bytes each
    view   south, west, north, east i32
    names  wanted numbers u32
Source: ours; the live socket's frames are described in docs/decisions/0013 and 0044.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

KIND = 4  # of a positions frame to a terminal
WHOLE = 2  # frame flag: all there is in view, what is not in it is not there
GONE = 0x8000
MAX_AGE = 0x0FFF  # s
FIXES, VIEW, NAMES = 0x81, 0x82, 0x83
HEADER = struct.Struct("<BBHQQ")
RECORD = struct.Struct("<IiiHH")
MAX_FIXES = 300  # of one message: five minutes at one a second
MAX_NAMES = 2000  # of one message
SCALE = 10_000_000  # units a degree
_FIX = struct.Struct("<iiHHq")
_VIEW = struct.Struct("<iiii")
_PREFIX = 4  # bytes before the first record
_FAR_MS = 1 << 53  # ms; beyond it a number of JavaScript is not whole any more


class WireError(ValueError):
    """Bytes that are none of these messages; the sentence says why."""


class Fix(NamedTuple):
    """One fix of a device: WGS84 degrees, heading in degrees, accuracy in metres, time in ms since 1970 UTC."""

    lat: float
    lon: float
    heading: float
    accuracy: float
    at_ms: int


class View(NamedTuple):
    """A viewport in units of 1e-7 degrees; west is greater than east where it crosses the 180th meridian."""

    south: int
    west: int
    north: int
    east: int


def frame(payload: bytes, now_us: int, flags: int = 0) -> bytes:
    """A positions frame."""
    return HEADER.pack(KIND, flags, 0, 0, now_us) + payload


def on_earth(lat: float, lon: float) -> bool:
    """Whether these are degrees of a place."""
    return math.isfinite(lat) and math.isfinite(lon) and -90 <= lat <= 90 and -180 <= lon <= 180


def view_of(south: float, west: float, north: float, east: float) -> View:
    """A viewport of degrees; raises `WireError`."""
    if not (on_earth(south, west) and on_earth(north, east) and south <= north):
        raise WireError("a viewport that is not on the Earth")
    return View(round(south * SCALE), round(west * SCALE), round(north * SCALE), round(east * SCALE))


def read_view(data: bytes) -> View:
    """The viewport in a message; raises `WireError`."""
    body = _body(data, VIEW)
    if len(body) != _VIEW.size:
        raise WireError(f"a viewport is {_VIEW.size} bytes, not {len(body)}")
    south, west, north, east = _VIEW.unpack(body)
    return view_of(south / SCALE, west / SCALE, north / SCALE, east / SCALE)


def read_names(data: bytes) -> tuple[int, ...]:
    """The numbers whose names are wanted; raises `WireError`."""
    body = _body(data, NAMES)
    if len(body) % 4 or len(body) > 4 * MAX_NAMES:
        raise WireError(f"at most {MAX_NAMES} whole numbers at once")
    return struct.unpack(f"<{len(body) // 4}I", body)


def read_fixes(data: bytes) -> list[Fix]:
    """The fixes in a message, as sent: whether they are plausible is not asked here. Raises `WireError`."""
    body = _body(data, FIXES)
    if not body or len(body) % _FIX.size or len(body) > _FIX.size * MAX_FIXES:
        raise WireError(f"from 1 to {MAX_FIXES} fixes of {_FIX.size} bytes")
    return unpack(body)


def write_fixes(fixes: Sequence[Fix]) -> bytes:
    """A message of fixes, as a device sends it."""
    return bytes((FIXES, 0, 0, 0)) + pack(fixes)


def write_view(view: View) -> bytes:
    """A message that moves the viewport."""
    return bytes((VIEW, 0, 0, 0)) + _VIEW.pack(*view)


def write_names(numbers: Sequence[int]) -> bytes:
    """A message that asks for names."""
    return bytes((NAMES, 0, 0, 0)) + struct.pack(f"<{len(numbers)}I", *numbers)


def pack(fixes: Sequence[Fix]) -> bytes:
    """Fixes as bytes, for the wire and for the sealed track."""
    return b"".join(
        _FIX.pack(
            round(lat * SCALE), round(lon * SCALE), round(heading % 360 * 100) % 36_000,
            min(round(accuracy * 10), 65_535), at,
        )
        for lat, lon, heading, accuracy, at in fixes
    )  # fmt: skip


def unpack(body: bytes) -> list[Fix]:
    """The reverse of `pack`; raises `WireError` for a place off the Earth or a time out of range."""
    found = []
    for lat, lon, heading, accuracy, at in _FIX.iter_unpack(body):
        if not on_earth(lat / SCALE, lon / SCALE):
            raise WireError("a place off the Earth")
        if heading >= 36_000 or not 0 <= at < _FAR_MS:
            raise WireError("a heading or a time out of range")
        found.append(Fix(lat / SCALE, lon / SCALE, heading / 100, accuracy / 10, at))
    return found


def _body(data: bytes, kind: int) -> bytes:
    if len(data) < _PREFIX or data[0] != kind:
        raise WireError("not the message it should be")
    return data[_PREFIX:]
