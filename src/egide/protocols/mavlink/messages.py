"""The messages understood, as structs in degrees, metres and seconds; None where the sender says that it does not know.

Source: the common message set of MAVLink (common.xml: 0, 30, 33, 271, 12900-12905, 12915). Fields travel largest first,
little-endian; `extra` is each definition's CRC_EXTRA, `base` the length without the fields that MAVLink 2 added.
The OPEN_DRONE_ID_* ones are the messages of ASTM F3411 in other clothes: they come out as `remoteid` structs.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from egide.protocols import remoteid

if TYPE_CHECKING:
    from .frame import Frame


class Layout(NamedTuple):
    """How a payload is read, and its CRC_EXTRA; `base`: bytes in MAVLink 1."""

    unpack: struct.Struct
    extra: int
    base: int

    @property
    def size(self) -> int:
        """Bytes of the whole payload."""
        return self.unpack.size


def _layout(form: str, extra: int, base: int = 0) -> Layout:
    made = struct.Struct("<" + form)
    return Layout(made, extra, base or made.size)


HEARTBEAT, ATTITUDE, GLOBAL_POSITION_INT, CAMERA_FOV_STATUS = 0, 30, 33, 271
BASIC_ID, LOCATION, AUTHENTICATION, SELF_ID, SYSTEM, OPERATOR_ID, PACK = 12900, 12901, 12902, 12903, 12904, 12905, 12915
LAYOUTS: dict[int, Layout] = {
    HEARTBEAT: _layout("IBBBBB", 50),
    ATTITUDE: _layout("Iffffff", 39),
    GLOBAL_POSITION_INT: _layout("IiiiihhhH", 104),
    CAMERA_FOV_STATUS: _layout("IiiiiiiffffffB", 22, 52),
    BASIC_ID: _layout("BB20sBB20s", 114),
    LOCATION: _layout("iiffffHHhBB20sBBBBBBB", 254),
    AUTHENTICATION: _layout("IBB20sBBBB23s", 140),
    SELF_ID: _layout("BB20sB23s", 249),
    SYSTEM: _layout("iifffIHHBB20sBBBB", 77),
    OPERATOR_ID: _layout("BB20sB20s", 49),
    PACK: _layout("BB20sBB225s", 94),
}


class Heartbeat(msgspec.Struct, frozen=True):
    """Who is there: MAV_TYPE, MAV_AUTOPILOT, MAV_STATE; `armed` by the base mode's safety bit."""

    kind: int
    autopilot: int
    state: int
    armed: bool


class GlobalPosition(msgspec.Struct, frozen=True):
    """Where the aircraft is: degrees, metres above mean sea level and above the take-off point, m/s (north, east, down)."""

    boot_ms: int
    lat: float
    lon: float
    alt: float
    height: float
    north: float
    east: float
    down: float
    heading: float | None


class Attitude(msgspec.Struct, frozen=True):
    """How the aircraft is turned, degrees: roll to the right, pitch up, yaw clockwise from north."""

    boot_ms: int
    roll: float
    pitch: float
    yaw: float


class CameraFov(msgspec.Struct, frozen=True):
    """Where the camera is and looks, degrees and metres; each None when the sender does not know."""

    boot_ms: int
    lat: float | None
    lon: float | None
    alt: float | None
    image_lat: float | None
    image_lon: float | None
    hfov: float | None
    vfov: float | None


Message = Heartbeat | GlobalPosition | Attitude | CameraFov | remoteid.Message | list[remoteid.Message]

_UNKNOWN_HEADING = 0xFFFF
_UNKNOWN_PLACE = 0x7FFFFFFF
_ARMED = 0x80
_UNKNOWN_ALTITUDE = -1000.0
_UNKNOWN_DIRECTION = 36_000
_UNKNOWN_SPEED, _UNKNOWN_CLIMB = 25_500, 6_300


def decode(frame: Frame) -> Message | None:
    """The frame's message; None when its numbers are no numbers or its pack is none (a sender's fault, to be counted)."""
    values = LAYOUTS[frame.message].unpack.unpack(frame.payload)
    if any(isinstance(value, float) and math.isinf(value) for value in values):
        return None
    if frame.message == HEARTBEAT:
        _mode, kind, autopilot, base, state, _version = values
        return Heartbeat(kind, autopilot, state, bool(base & _ARMED))
    if frame.message == ATTITUDE:
        boot, roll, pitch, yaw = values[:4]
        if any(math.isnan(value) for value in values[1:4]):
            return None
        return Attitude(boot, math.degrees(roll), math.degrees(pitch), math.degrees(yaw) % 360)
    if frame.message == GLOBAL_POSITION_INT:
        return _position(values)
    if frame.message == CAMERA_FOV_STATUS:
        return _camera(values)
    return _identity(frame.message, values)


_ADDRESSES = {BASIC_ID: 2, LOCATION: 11, AUTHENTICATION: 3, SELF_ID: 2, SYSTEM: 10, OPERATOR_ID: 2, PACK: 2}
"""Which value of a message names the radio it was heard from."""


def heard_from(frame: Frame) -> bytes:
    """The radio address of an identification message that a receiver passes on; b"" for what an aircraft says of itself."""
    place = _ADDRESSES.get(frame.message)
    if place is None:
        return b""
    return bytes(LAYOUTS[frame.message].unpack.unpack(frame.payload)[place]).rstrip(b"\0")


def encode_position(said: GlobalPosition) -> bytes:
    """The payload of GLOBAL_POSITION_INT."""
    heading = _UNKNOWN_HEADING if said.heading is None else round(said.heading * 100) % 36_000
    return LAYOUTS[GLOBAL_POSITION_INT].unpack.pack(
        said.boot_ms, round(said.lat * 1e7), round(said.lon * 1e7), round(said.alt * 1e3), round(said.height * 1e3),
        round(said.north * 100), round(said.east * 100), round(said.down * 100), heading,
    )  # fmt: skip


def _position(values: tuple[int, ...]) -> GlobalPosition:
    boot, lat, lon, alt, height, north, east, down, heading = values
    return GlobalPosition(
        boot, lat / 1e7, lon / 1e7, alt / 1e3, height / 1e3, north / 100, east / 100, down / 100,
        None if heading == _UNKNOWN_HEADING else heading / 100,
    )  # fmt: skip


def _camera(values: tuple[float, ...]) -> CameraFov:
    boot, lat, lon, alt, image_lat, image_lon = values[:6]
    hfov, vfov = values[11:13]

    def place(code: float) -> float | None:
        return None if code == _UNKNOWN_PLACE else code / 1e7

    return CameraFov(
        int(boot), place(lat), place(lon), None if alt == _UNKNOWN_PLACE else alt / 1e3, place(image_lat), place(image_lon),
        None if math.isnan(hfov) else hfov, None if math.isnan(vfov) else vfov,
    )  # fmt: skip


def _identity(message: int, values: tuple[float | bytes, ...]) -> remoteid.Message | list[remoteid.Message] | None:
    """An OPEN_DRONE_ID_* message, written as ASTM's 25 bytes mean it."""
    v: tuple = values  # type: ignore[type-arg] # struct's values: numbers and bytes by the layouts above
    if message == BASIC_ID:
        return remoteid.BasicId(v[3], v[4], remoteid.text(v[5]))
    if message == AUTHENTICATION:
        return remoteid.Authentication(v[4], v[5], v[6], v[7], v[0], v[8])
    if message == SELF_ID:
        return remoteid.SelfId(v[3], remoteid.text(v[4]))
    if message == OPERATOR_ID:
        return remoteid.OperatorId(v[3], remoteid.text(v[4]))
    if message == SYSTEM:
        lat, lon = remoteid.place(v[0], v[1])
        return remoteid.System(
            lat, lon, v[11], v[12], v[6], v[7], _metres(v[2]), _metres(v[3]), v[13], v[14], _metres(v[4]),
            remoteid.since_2019(v[5]),
        )  # fmt: skip
    if message == PACK:
        count = v[4]
        if v[3] != remoteid.SIZE or not 1 <= count <= remoteid.MAX_PACK:
            return None
        try:
            return [
                remoteid.decode(v[5][at : at + remoteid.SIZE]) for at in range(0, count * remoteid.SIZE, remoteid.SIZE)
            ]
        except remoteid.RemoteIdError:
            return None
    return _location(v)


def _location(v: tuple) -> remoteid.Location:  # type: ignore[type-arg] # see _identity
    lat, lon = remoteid.place(v[0], v[1])
    hour = v[5]
    return remoteid.Location(
        v[12], lat, lon, _metres(v[3]), _metres(v[2]), _metres(v[4]), v[13],
        v[6] / 100 if v[6] < _UNKNOWN_DIRECTION else None,
        v[7] / 100 if v[7] < _UNKNOWN_SPEED else None,
        v[8] / 100 if v[8] != _UNKNOWN_CLIMB else None,
        hour if 0 <= hour <= remoteid.HOUR_S else None,
        v[14], v[15],
    )  # fmt: skip


def _metres(value: float) -> float | None:
    return None if math.isnan(value) or value <= _UNKNOWN_ALTITUDE else round(value, 2)
