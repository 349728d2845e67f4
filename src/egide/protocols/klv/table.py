"""The items of MISB ST 0601 that Égide reads and writes, as one table.

What: for each tag its field in ``UasFrame``, how its value is coded, and the range it maps to.
Source: MISB ST 0601.8 to ST 0601.19 (items 1-93 and later ones marked IMAPB), MISB ST 1201 (IMAPB). Item 93 maps to
±180 degrees since ST 0601.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "bytes", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "imapb"]

WIDTH: dict[str, int] = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i8": 1, "i16": 2, "i32": 4}


@dataclass(frozen=True, slots=True)
class Item:
    """One item: ``low`` and ``high`` are the values of the smallest and largest code; None means the code itself.

    Signed mapped items keep their most negative code for "out of range". ``width`` is the number of bytes written.
    """

    tag: int
    field: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    width: int = 0


def _mapped(kind: Kind, low: float, high: float, **tags: int) -> list[Item]:
    return [Item(tag, field, kind, low, high, WIDTH[kind]) for field, tag in tags.items()]


def _plain(kind: Kind, **tags: int) -> list[Item]:
    return [Item(tag, field, kind, width=WIDTH.get(kind, 0)) for field, tag in tags.items()]


def _imapb(low: float, high: float, width: int, **tags: int) -> list[Item]:
    return [Item(tag, field, "imapb", low, high, width) for field, tag in tags.items()]


ITEMS: tuple[Item, ...] = (
    *_plain("u64", timestamp=2, event_start=72),
    *_plain("text", mission=3, tail=4, designation=10, image_source=11, coordinate_system=12, call_sign=59),
    *_plain("text", alternate_name=70, stream_designator=106, operational_base=107, broadcast_source=108),
    *_mapped("u16", 0, 360, heading=5, wind_direction=35, magnetic_heading=64, alternate_heading=71),
    *_mapped("i16", -20, 20, pitch=6, angle_of_attack=50, sideslip=52),
    *_mapped("i16", -50, 50, roll=7),
    *_plain("u8", true_airspeed=8, indicated_airspeed=9, ground_speed=56),
    *_mapped("i32", -90, 90, sensor_lat=13, center_lat=23, target_lat=40, alternate_lat=67),
    *_mapped("i32", -180, 180, sensor_lon=14, center_lon=24, target_lon=41, alternate_lon=68),
    *_mapped("u16", -900, 19_000, sensor_alt=15, center_alt=25, density_altitude=38, target_alt=42),
    *_mapped("u16", -900, 19_000, airfield_elevation=54, alternate_alt=69, sensor_hae=75, alternate_hae=76),
    *_mapped("u16", -900, 19_000, center_hae=78),
    *_mapped("u16", 0, 180, hfov=16, vfov=17),
    *_mapped("u32", 0, 360, rel_azimuth=18, rel_roll=20),
    *_mapped("i32", -180, 180, rel_elevation=19),
    *_mapped("u32", 0, 5_000_000, slant_range=21, ground_range=57),
    *_mapped("u16", 0, 10_000, target_width=22, fuel=58),
    *_mapped("i16", -0.075, 0.075, offset_lat_1=26, offset_lon_1=27, offset_lat_2=28, offset_lon_2=29),
    *_mapped("i16", -0.075, 0.075, offset_lat_3=30, offset_lon_3=31, offset_lat_4=32, offset_lon_4=33),
    *_plain("u8", icing=34, flags=47, weapon_fired=61, fov_name=63, version=65, operational_mode=77),
    *_mapped("u8", 0, 100, wind_speed=36, humidity=55),
    *_mapped("u16", 0, 5_000, static_pressure=37, differential_pressure=49, airfield_pressure=53),
    *_plain("i8", air_temperature=39),
    *_mapped("u8", 0, 510, gate_width=43, gate_height=44),
    *_mapped("u16", 0, 4_095, target_ce90=45, target_le90=46),
    *_plain("bytes", security=48, rvt=73, vmti=74, core_identifier=94),
    *_mapped("i16", -180, 180, vertical_speed=51),
    *_plain("u16", weapon_load=60, laser_prf=62),
    *_mapped("i16", -327, 327, velocity_north=79, velocity_east=80),
    *_mapped("i32", -90, 90, corner_lat_1=82, corner_lat_2=84, corner_lat_3=86, corner_lat_4=88),
    *_mapped("i32", -180, 180, corner_lon_1=83, corner_lon_2=85, corner_lon_3=87, corner_lon_4=89),
    *_mapped("i32", -90, 90, pitch_full=90, roll_full=91, angle_of_attack_full=92),
    *_mapped("i32", -180, 180, sideslip_full=93),
    *_imapb(0, 1_500_000, 3, target_width_extended=96),
    *_imapb(-900, 40_000, 3, density_altitude_extended=103, sensor_hae_extended=104, alternate_hae_extended=105),
    *_imapb(0, 360, 2, course=112),
    *_imapb(-900, 40_000, 3, altitude_agl=113),
)
"""Item 1, the checksum, is framing and not listed. Items without a row stay raw in ``UasFrame.unknown``."""
