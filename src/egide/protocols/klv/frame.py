"""One moment of a drone's telemetry: the struct, its corners, and its JSON.

What: ``UasFrame``, one optional field per item of ``table.ITEMS``, in degrees, metres, metres a second, UTC.
Source: MISB ST 0601; comments give the item numbers where a name is not enough.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from .security import security_json

_LAST_INSTANT = 253_402_300_799_999_999
"""Microseconds of the last moment a datetime can hold (end of the year 9999)."""


class UasFrame(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A decoded packet; None means absent or "out of range". Angles in degrees, lengths in metres, speeds in m/s.

    ``timestamp`` and ``event_start`` are microseconds of UTC since 1970. ``*_alt`` are above mean sea level, ``*_hae``
    above the WGS84 ellipsoid. ``unknown`` keeps, byte for byte, every item without a field or of an unexpected size.
    """

    timestamp: int | None = None
    mission: str | None = None
    tail: str | None = None
    designation: str | None = None
    image_source: str | None = None
    coordinate_system: str | None = None
    heading: float | None = None
    pitch: float | None = None
    roll: float | None = None
    pitch_full: float | None = None
    roll_full: float | None = None
    angle_of_attack: float | None = None
    angle_of_attack_full: float | None = None
    sideslip: float | None = None
    sideslip_full: float | None = None
    magnetic_heading: float | None = None
    course: float | None = None
    true_airspeed: int | None = None
    indicated_airspeed: int | None = None
    ground_speed: int | None = None
    vertical_speed: float | None = None
    velocity_north: float | None = None
    velocity_east: float | None = None
    call_sign: str | None = None

    sensor_lat: float | None = None
    sensor_lon: float | None = None
    sensor_alt: float | None = None
    sensor_hae: float | None = None
    sensor_hae_extended: float | None = None
    altitude_agl: float | None = None
    hfov: float | None = None
    vfov: float | None = None
    fov_name: int | None = None
    rel_azimuth: float | None = None
    rel_elevation: float | None = None
    rel_roll: float | None = None

    slant_range: float | None = None
    ground_range: float | None = None
    target_width: float | None = None
    target_width_extended: float | None = None
    center_lat: float | None = None
    center_lon: float | None = None
    center_alt: float | None = None
    center_hae: float | None = None
    # items 26-33: corners as offsets from the frame centre (1 upper left, 2 upper right, 3 lower right, 4 lower left)
    offset_lat_1: float | None = None
    offset_lon_1: float | None = None
    offset_lat_2: float | None = None
    offset_lon_2: float | None = None
    offset_lat_3: float | None = None
    offset_lon_3: float | None = None
    offset_lat_4: float | None = None
    offset_lon_4: float | None = None
    # items 82-89: the same corners, whole
    corner_lat_1: float | None = None
    corner_lon_1: float | None = None
    corner_lat_2: float | None = None
    corner_lon_2: float | None = None
    corner_lat_3: float | None = None
    corner_lon_3: float | None = None
    corner_lat_4: float | None = None
    corner_lon_4: float | None = None

    target_lat: float | None = None
    target_lon: float | None = None
    target_alt: float | None = None
    target_ce90: float | None = None
    target_le90: float | None = None
    gate_width: float | None = None
    gate_height: float | None = None

    icing: int | None = None
    wind_direction: float | None = None
    wind_speed: float | None = None
    static_pressure: float | None = None
    differential_pressure: float | None = None
    density_altitude: float | None = None
    density_altitude_extended: float | None = None
    air_temperature: int | None = None
    humidity: float | None = None
    airfield_pressure: float | None = None
    airfield_elevation: float | None = None
    fuel: float | None = None

    alternate_lat: float | None = None
    alternate_lon: float | None = None
    alternate_alt: float | None = None
    alternate_hae: float | None = None
    alternate_hae_extended: float | None = None
    alternate_name: str | None = None
    alternate_heading: float | None = None

    flags: int | None = None
    weapon_load: int | None = None
    weapon_fired: int | None = None
    laser_prf: int | None = None
    version: int | None = None
    operational_mode: int | None = None
    event_start: int | None = None
    stream_designator: str | None = None
    operational_base: str | None = None
    broadcast_source: str | None = None

    security: bytes | None = None  # item 48, an ST 0102 set; security.py reads it
    rvt: bytes | None = None  # item 73, an ST 0806 set
    vmti: bytes | None = None  # item 74, an ST 0903 set
    core_identifier: bytes | None = None  # item 94, ST 1204
    unknown: dict[int, bytes] = msgspec.field(default_factory=dict)

    def corners(self) -> tuple[tuple[float, float], ...] | None:
        """Four (lat, lon), upper left, upper right, lower right, lower left of the image; None when not all known."""
        full = (
            (self.corner_lat_1, self.corner_lon_1),
            (self.corner_lat_2, self.corner_lon_2),
            (self.corner_lat_3, self.corner_lon_3),
            (self.corner_lat_4, self.corner_lon_4),
        )
        whole = tuple((lat, lon) for lat, lon in full if lat is not None and lon is not None)
        if len(whole) == 4:
            return whole
        if self.center_lat is None or self.center_lon is None:
            return None
        offsets = (
            (self.offset_lat_1, self.offset_lon_1),
            (self.offset_lat_2, self.offset_lon_2),
            (self.offset_lat_3, self.offset_lon_3),
            (self.offset_lat_4, self.offset_lon_4),
        )
        around = tuple(
            (self.center_lat + lat, self.center_lon + lon)
            for lat, lon in offsets
            if lat is not None and lon is not None
        )
        return around if len(around) == 4 else None


def _known(**values: float | None) -> dict[str, float]:
    """Positions to 1 cm (7 decimals), angles and lengths to 4 decimals; the unknown left out."""
    return {key: round(value, 7 if key in ("lat", "lon") else 4) for key, value in values.items() if value is not None}


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def to_json(frame: UasFrame) -> dict[str, Any]:
    """The frame as plain JSON values, keys only for what is known.

    ``time`` (ISO 8601 UTC), ``mission``, ``tail``, ``platform`` {heading, pitch, roll, lat, lon, alt, speed},
    ``sensor`` {lat, lon, alt, hfov, vfov, rel_azimuth, rel_elevation, rel_roll}, ``slant_range``, ``target_width``,
    ``center`` {lat, lon, alt}, ``corners`` [[lat, lon] × 4], ``security`` (security.py: ``marking`` is the line to show).
    ST 0601 places the platform where its sensor is.
    """
    out: dict[str, Any] = {}
    if frame.timestamp is not None and 0 <= frame.timestamp <= _LAST_INSTANT:
        seconds, micros = divmod(frame.timestamp, 1_000_000)
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
        out["time"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if frame.mission:
        out["mission"] = frame.mission
    if frame.tail:
        out["tail"] = frame.tail
    alt = _first(frame.sensor_alt, frame.sensor_hae_extended, frame.sensor_hae)
    speed = _first(frame.ground_speed)
    if speed is None and frame.velocity_north is not None and frame.velocity_east is not None:
        speed = (frame.velocity_north**2 + frame.velocity_east**2) ** 0.5
    groups = {
        "platform": _known(
            heading=frame.heading,
            pitch=_first(frame.pitch_full, frame.pitch),
            roll=_first(frame.roll_full, frame.roll),
            lat=frame.sensor_lat,
            lon=frame.sensor_lon,
            alt=alt,
            speed=speed,
        ),
        "sensor": _known(
            lat=frame.sensor_lat,
            lon=frame.sensor_lon,
            alt=alt,
            hfov=frame.hfov,
            vfov=frame.vfov,
            rel_azimuth=frame.rel_azimuth,
            rel_elevation=frame.rel_elevation,
            rel_roll=frame.rel_roll,
        ),
        "center": _known(lat=frame.center_lat, lon=frame.center_lon, alt=_first(frame.center_alt, frame.center_hae)),
    }
    out |= {name: group for name, group in groups.items() if group}
    out |= _known(slant_range=frame.slant_range, target_width=_first(frame.target_width_extended, frame.target_width))
    if frame.security is not None:
        out["security"] = security_json(frame.security)
    corners = frame.corners()
    if corners is not None:
        out["corners"] = [[round(lat, 7), round(lon, 7)] for lat, lon in corners]
    return out
