"""Between telemetry and the pose of a camera.

What: the ``Pose`` a frame describes, and the items that describe a pose.
Why: one convention for the click in the picture, the footprint on the map and the exercise's own drones.
Source: MISB ST 0601 items 5-7, 13-20, 23-25, 82-93.
"""

from __future__ import annotations

from math import atan, degrees

from egide.protocols.geodesy import GeodesyError, Pose, distance

from .frame import UasFrame
from .wire import KlvError


def pose_of(frame: UasFrame, ground_alt: float | None = None) -> Pose | None:
    """The pose of a frame's camera; None when position, height, heading or field of view are missing or impossible.

    The ground is ``ground_alt``, else the frame centre's elevation, else 0 m, in the datum of the sensor's altitude.
    Missing pitch, roll and sensor roll count as level; a missing vertical field as that of a 16:9 image.
    """
    above_sea = frame.sensor_alt is not None
    hae = frame.sensor_hae if frame.sensor_hae_extended is None else frame.sensor_hae_extended
    alt = frame.sensor_alt if above_sea else hae
    if ground_alt is None:
        ground_alt = frame.center_alt if above_sea else frame.center_hae
    if frame.sensor_lat is None or frame.sensor_lon is None or alt is None or not frame.hfov:
        return None
    if frame.heading is None or frame.rel_azimuth is None or frame.rel_elevation is None:
        return None
    try:
        return Pose(
            lat=frame.sensor_lat,
            lon=frame.sensor_lon,
            alt=alt,
            ground_alt=ground_alt or 0.0,
            heading=frame.heading,
            pitch=(frame.pitch if frame.pitch_full is None else frame.pitch_full) or 0.0,
            roll=(frame.roll if frame.roll_full is None else frame.roll_full) or 0.0,
            rel_azimuth=frame.rel_azimuth,
            rel_elevation=frame.rel_elevation,
            rel_roll=frame.rel_roll or 0.0,
            hfov=frame.hfov,
            vfov=frame.vfov or None,
        )
    except GeodesyError:
        return None


def frame_of(pose: Pose, timestamp: int, *, mission: str | None = None, tail: str | None = None) -> UasFrame:
    """The frame a drone with this pose would send at ``timestamp`` (µs of UTC), heights above mean sea level.

    Attitude goes into the wide items (90, 91) where the narrow ones (±20, ±50 degrees) cannot hold it. Centre, slant
    range and corners are left out where the camera sees the sky. Raises KlvError when an angle fits no item.
    """
    if abs(pose.pitch) > 90 or abs(pose.roll) > 90:
        raise KlvError("pitch and roll beyond 90 degrees have no item")
    half_x, half_y = pose.half_size
    frame = UasFrame(
        timestamp=timestamp,
        mission=mission,
        tail=tail,
        heading=pose.heading % 360.0,
        pitch=pose.pitch if abs(pose.pitch) <= 20 else None,
        roll=pose.roll if abs(pose.roll) <= 50 else None,
        pitch_full=pose.pitch,
        roll_full=pose.roll,
        sensor_lat=pose.lat,
        sensor_lon=pose.lon,
        sensor_alt=pose.alt,
        hfov=pose.hfov,
        vfov=degrees(2 * atan(half_y)),
        rel_azimuth=pose.rel_azimuth % 360.0,
        rel_elevation=pose.rel_elevation,
        rel_roll=pose.rel_roll % 360.0,
        version=19,
    )
    center = pose.pixel_to_ground(0.5, 0.5)
    if center is not None:
        frame.center_lat, frame.center_lon = center
        frame.center_alt = pose.ground_alt
        ground = distance((pose.lat, pose.lon), center)
        frame.slant_range = (ground**2 + (pose.alt - pose.ground_alt) ** 2) ** 0.5
        width = 2 * half_x * frame.slant_range
        frame.target_width = width if width <= 10_000 else None
    corners = pose.corners()
    if corners is not None:
        (frame.corner_lat_1, frame.corner_lon_1), (frame.corner_lat_2, frame.corner_lon_2) = corners[:2]
        (frame.corner_lat_3, frame.corner_lon_3), (frame.corner_lat_4, frame.corner_lon_4) = corners[2:]
    return frame
