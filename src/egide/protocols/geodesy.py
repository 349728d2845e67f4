"""Where a pixel of an airborne picture lies on the ground, and the reverse.

What: local tangent frames, the pose of a camera as MISB describes it, and the plane homography of a picture whose four
corners are known; distances and bearings (``geodesics``) are handed on.
Why: a click in the picture must name a place, and a place must be found in the picture, with one convention for all.
Source: NIMA TR8350.2 (WGS84); Bowring 1976 (geocentric to geodetic); MISB ST 0601 items 5-7 and 18-20 (angles), 26-33
and 82-89 (corners).

Convention of a pose (angles in degrees, lengths in metres):
- body axes are forward, right, down; heading turns clockwise from true north, pitch raises the nose, roll lowers the
  right wing: ``R(north-east-down <- body) = Rz(heading) · Ry(pitch) · Rx(roll)``;
- the sensor turns by relative azimuth (clockwise seen from above), then relative elevation (negative looks below the
  platform's plane), then relative roll (the camera turns clockwise seen from behind):
  ``R(body <- sensor) = Rz(azimuth) · Ry(elevation) · Rx(roll)``, the sensor axes being optical axis, right, down;
- camera axes, as in computer vision, are x right, y down, z along the optical axis;
- a pixel is (u, v) in 0..1 from the upper left corner of the image: u to the right, v downwards.

The ground is flat: the plane tangent to the ellipsoid under the sensor, raised to ``ground_alt``. The ellipsoid falls
away from it by 8 cm at 1 km and 8 m at 10 km. ``alt`` and ``ground_alt`` must share one datum (both above mean sea
level, or both above the ellipsoid).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .geodesics import A, B, F, Position, bearing, distance, offset, wrap

__all__ = [
    "Corners",
    "GeodesyError",
    "Homography",
    "Pose",
    "Position",
    "Tangent",
    "bearing",
    "camera_rays",
    "distance",
    "footprint",
    "geocentric",
    "geodetic",
    "ground_to_pixel",
    "offset",
    "pixel_grid",
    "pixel_to_ground",
    "pixels_to_ground",
    "pixels_to_plane",
    "wrap",
]

E2 = F * (2 - F)
"""Square of the eccentricity of WGS84."""
MAX_GROUND_RANGE = 100_000.0
"""Metres along a ray; farther than this the flat ground means nothing and a pixel counts as sky."""

Floats = NDArray[np.float64]


class GeodesyError(ValueError):
    """A position, a pose or a set of corners from which nothing can be computed."""


Corners = Sequence[tuple[float, float]]
"""Four (lat, lon): upper left, upper right, lower right, lower left of the image."""


def geocentric(lat: ArrayLike, lon: ArrayLike, alt: ArrayLike = 0.0) -> Floats:
    """WGS84 degrees and metres to Earth-centred X, Y, Z in metres, on a last axis of 3."""
    phi, lam, height = np.radians(lat), np.radians(lon), np.asarray(alt, dtype=float)
    sin_phi, cos_phi = np.sin(phi), np.cos(phi)
    radius = A / np.sqrt(1 - E2 * sin_phi * sin_phi)
    across = (radius + height) * cos_phi
    return np.stack([across * np.cos(lam), across * np.sin(lam), (radius * (1 - E2) + height) * sin_phi], axis=-1)


def geodetic(xyz: Floats) -> tuple[Floats, Floats]:
    """Earth-centred points (last axis 3, near the ground) to latitudes and longitudes (degrees): Bowring."""
    x, y, z = xyz[..., 0], xyz[..., 1], xyz[..., 2]
    across = np.hypot(x, y)
    theta = np.arctan2(z * A, across * B)
    second = (A * A - B * B) / (B * B)
    phi = np.arctan2(z + second * B * np.sin(theta) ** 3, across - E2 * A * np.cos(theta) ** 3)
    return np.degrees(phi), np.degrees(np.arctan2(y, x))


@dataclass(frozen=True)
class Tangent:
    """The plane that touches the ellipsoid at (lat, lon), raised to ``alt``: x east, y north, metres.

    Both directions are exact inverses of one another: a place is carried along its own vertical onto the plane.
    """

    lat: float
    lon: float
    alt: float = 0.0

    @cached_property
    def _axes(self) -> Floats:
        return _enu_axes(self.lat, self.lon)

    @cached_property
    def _origin(self) -> Floats:
        return geocentric(self.lat, self.lon, self.alt)

    def to_geodetic(self, east: ArrayLike, north: ArrayLike) -> tuple[Floats, Floats]:
        """Points of the plane (metres) to latitudes and longitudes (degrees); arrays broadcast."""
        e, n = np.asarray(east, dtype=float)[..., None], np.asarray(north, dtype=float)[..., None]
        return geodetic(self._origin + e * self._axes[0] + n * self._axes[1])

    def to_plane(self, lat: ArrayLike, lon: ArrayLike) -> tuple[Floats, Floats]:
        """Latitudes and longitudes (degrees) to east and north on the plane (metres); arrays broadcast."""
        local = (geocentric(lat, lon, self.alt) - self._origin) @ self._axes.T
        phi, lam = np.radians(lat), np.radians(lon)
        up = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi) + 0 * lam], axis=-1)
        up = up @ self._axes.T
        slip = -local[..., 2] / up[..., 2]
        return local[..., 0] + slip * up[..., 0], local[..., 1] + slip * up[..., 1]


def _enu_axes(lat: float, lon: float) -> Floats:
    phi, lam = math.radians(lat), math.radians(lon)
    sp, cp, sl, cl = math.sin(phi), math.cos(phi), math.sin(lam), math.cos(lam)
    return np.array([[-sl, cl, 0.0], [-sp * cl, -sp * sl, cp], [cp * cl, cp * sl, sp]])


def _turn(yaw: float, pitch: float, roll: float) -> Floats:
    """Rz(yaw) · Ry(pitch) · Rx(roll) on forward, right, down axes; degrees."""
    y, p, r = math.radians(yaw), math.radians(pitch), math.radians(roll)
    cy, sy, cp, sp, cr, sr = math.cos(y), math.sin(y), math.cos(p), math.sin(p), math.cos(r), math.sin(r)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


_SENSOR_OF_CAMERA = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
_ENU_OF_NED = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


@dataclass(frozen=True)
class Pose:
    """Where a camera is and where it looks, by the convention of this module's heading; degrees and metres.

    ``vfov`` may be left out: it then follows from ``hfov`` and the ``aspect`` (width / height) of square pixels.
    Raises GeodesyError when a number is not finite, a field of view is not within 0..180 or the sensor is not above
    the ground.
    """

    lat: float
    lon: float
    alt: float
    ground_alt: float = 0.0
    heading: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    rel_azimuth: float = 0.0
    rel_elevation: float = -90.0
    rel_roll: float = 0.0
    hfov: float = 60.0
    vfov: float | None = None
    aspect: float = 16 / 9

    def __post_init__(self) -> None:
        angles = (self.heading, self.pitch, self.roll, self.rel_azimuth, self.rel_elevation, self.rel_roll)
        if not all(math.isfinite(x) for x in (self.lat, self.lon, self.alt, self.ground_alt, *angles)):
            raise GeodesyError("a pose needs finite numbers")
        if abs(self.lat) > 90 or abs(self.lon) > 360:
            raise GeodesyError(f"no such position: {self.lat}, {self.lon}")
        if not (0 < self.hfov < 180 and self.aspect > 0 and (self.vfov is None or 0 < self.vfov < 180)):
            raise GeodesyError("a field of view must lie between 0 and 180 degrees")
        if not self.alt > self.ground_alt:
            raise GeodesyError(f"the sensor ({self.alt} m) is not above the ground ({self.ground_alt} m)")

    @cached_property
    def tangent(self) -> Tangent:
        """The flat ground of this pose, its origin under the sensor."""
        return Tangent(self.lat, self.lon, self.ground_alt)

    @cached_property
    def half_size(self) -> tuple[float, float]:
        """(tan(hfov / 2), tan(vfov / 2)): half the image's width and height at distance 1."""
        x = math.tan(math.radians(self.hfov) / 2)
        return x, (x / self.aspect if self.vfov is None else math.tan(math.radians(self.vfov) / 2))

    @cached_property
    def _rotation(self) -> Floats:
        body = _turn(self.heading, self.pitch, self.roll)
        sensor = _turn(self.rel_azimuth, self.rel_elevation, self.rel_roll)
        product: Floats = _ENU_OF_NED @ body @ sensor @ _SENSOR_OF_CAMERA
        return product

    def rotation(self) -> Floats:
        """The 3 x 3 matrix that turns camera axes (right, down, forward) into east, north, up at the sensor."""
        return self._rotation.copy()

    def pixel_to_ground(self, u: float, v: float) -> Position | None:
        """The place seen at (u, v); None where the ray does not meet the ground (sky, or too far)."""
        if not _near_image(u, v):
            return None
        lat, lon = pixels_to_ground(self, u, v)
        return None if math.isnan(lat) else Position(float(lat), float(lon))

    def ground_to_pixel(self, lat: float, lon: float) -> tuple[float, float] | None:
        """Where a place of the ground falls in the image, possibly outside 0..1; None when behind the camera.

        Raises GeodesyError when there is no such place.
        """
        _check_place(lat, lon)
        east, north = self.tangent.to_plane(lat, lon)
        x, y, z = self._rotation.T @ np.array([float(east), float(north), self.ground_alt - self.alt])
        if z <= 1e-9:
            return None
        half_x, half_y = self.half_size
        return float(x / z / half_x + 1) / 2, float(y / z / half_y + 1) / 2

    def corners(self) -> tuple[Position, Position, Position, Position] | None:
        """Ground positions of the image's corners (upper left, upper right, lower right, lower left).

        None as soon as one of them is sky: the image then has no closed footprint.
        """
        lat, lon = pixels_to_ground(self, [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0])
        if np.isnan(lat).any():
            return None
        a, b, c, d = (Position(float(y), float(x)) for y, x in zip(lat, lon, strict=True))
        return a, b, c, d


def _near_image(u: float, v: float) -> bool:
    """Whether (u, v) are numbers that rounding lets through; a pixel this far outside names nothing."""
    return abs(u) <= 1e6 and abs(v) <= 1e6


def _check_place(lat: float, lon: float) -> None:
    if not (abs(lat) <= 90 and abs(lon) <= 360):
        raise GeodesyError(f"no such position: {lat}, {lon}")


def camera_rays(pose: Pose, u: ArrayLike, v: ArrayLike) -> Floats:
    """Unit directions (east, north, up at the sensor) of the pixels (u, v) in 0..1; shape of u and v, plus (3,)."""
    half_x, half_y = pose.half_size
    x = (2 * np.asarray(u, dtype=float) - 1) * half_x
    y = (2 * np.asarray(v, dtype=float) - 1) * half_y
    x, y = np.broadcast_arrays(x, y)
    rays: Floats = np.stack([x, y, np.ones_like(x)], axis=-1) @ pose.rotation().T
    unit: Floats = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    return unit


def pixel_grid(width: int, height: int) -> tuple[Floats, Floats]:
    """(u, v) of the centres of all pixels of an image, both of shape (height, width)."""
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return u, v


def pixels_to_plane(pose: Pose, u: ArrayLike, v: ArrayLike) -> tuple[Floats, Floats]:
    """East and north (metres from the point under the sensor, on ``pose.tangent``) of pixels; NaN where sky."""
    rays = camera_rays(pose, u, v)
    height = pose.alt - pose.ground_alt
    down = -rays[..., 2]
    reach = height / np.where(down * MAX_GROUND_RANGE >= height, down, np.nan)
    return rays[..., 0] * reach, rays[..., 1] * reach


def pixels_to_ground(pose: Pose, u: ArrayLike, v: ArrayLike) -> tuple[Floats, Floats]:
    """Latitudes and longitudes of pixels, arrays of any shape; NaN where the ray meets no ground."""
    return pose.tangent.to_geodetic(*pixels_to_plane(pose, u, v))


class Homography:
    """The plane projective map between an image and the ground, from the ground positions of its four corners.

    Exact for a pinhole camera over flat ground; between the corners only as true as they are.
    Raises GeodesyError when the corners are not four finite positions of a convex quadrilateral.
    """

    __slots__ = ("_ground_of_image", "_image_of_ground", "_tangent")

    def __init__(self, corners: Corners) -> None:
        if len(corners) != 4 or not all(math.isfinite(x) and abs(x) <= 360 for c in corners for x in c):
            raise GeodesyError("a homography needs four finite corners")
        lon0 = corners[0][1]
        placed = [(lat, lon0 + wrap(lon - lon0)) for lat, lon in corners]
        mid = (sum(c[0] for c in placed) / 4, sum(c[1] for c in placed) / 4)
        if max(distance(mid, c) for c in placed) > MAX_GROUND_RANGE:
            raise GeodesyError("the corners are too far apart for a flat ground")
        self._tangent = Tangent(*mid)
        east, north = self._tangent.to_plane([c[0] for c in placed], [c[1] for c in placed])
        turns = [_cross(east, north, i) for i in range(4)]
        span = float(np.ptp(east) + np.ptp(north)) ** 2
        if not (min(turns) > 1e-9 * span or max(turns) < -1e-9 * span):
            raise GeodesyError("the corners do not form a convex quadrilateral")
        self._ground_of_image = _square_to_quad(east, north)
        self._image_of_ground = np.linalg.inv(self._ground_of_image).astype(np.float64)

    def pixel_to_ground(self, u: float, v: float) -> Position | None:
        """The place at (u, v); None at or beyond the horizon of the plane, or too far to mean anything."""
        if not _near_image(u, v):
            return None
        x, y, w = self._ground_of_image @ np.array([u, v, 1.0])
        if w <= 1e-9 or math.hypot(x, y) > w * MAX_GROUND_RANGE:
            return None
        lat, lon = self._tangent.to_geodetic(x / w, y / w)
        return Position(float(lat), float(lon))

    def ground_to_pixel(self, lat: float, lon: float) -> tuple[float, float] | None:
        """Where a place falls in the image, possibly outside 0..1; None when it is behind the camera.

        Raises GeodesyError when there is no such place.
        """
        _check_place(lat, lon)
        if distance((self._tangent.lat, self._tangent.lon), (lat, lon)) > MAX_GROUND_RANGE:
            return None
        east, north = self._tangent.to_plane(lat, lon)
        u, v, w = self._image_of_ground @ np.array([float(east), float(north), 1.0])
        return None if w <= 1e-9 else (float(u / w), float(v / w))


def _cross(x: Floats, y: Floats, i: int) -> float:
    j, k = (i + 1) % 4, (i + 2) % 4
    return float((x[j] - x[i]) * (y[k] - y[j]) - (y[j] - y[i]) * (x[k] - x[j]))


def _square_to_quad(x: Floats, y: Floats) -> Floats:
    """The 3 x 3 map of the unit square onto four points (Heckbert 1989); its third row is positive inside."""
    dx1, dx2, sx = x[1] - x[2], x[3] - x[2], x[0] - x[1] + x[2] - x[3]
    dy1, dy2, sy = y[1] - y[2], y[3] - y[2], y[0] - y[1] + y[2] - y[3]
    det = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / det, (dx1 * sy - sx * dy1) / det
    return np.array(
        [
            [x[1] - x[0] + g * x[1], x[3] - x[0] + h * x[3], x[0]],
            [y[1] - y[0] + g * y[1], y[3] - y[0] + h * y[3], y[0]],
            [g, h, 1.0],
        ]
    )


def pixel_to_ground(source: Pose | Homography | Corners, u: float, v: float) -> Position | None:
    """The place at (u, v) of a picture known by its pose or by its four corners; None where there is no ground."""
    return _projector(source).pixel_to_ground(u, v)


def ground_to_pixel(source: Pose | Homography | Corners, lat: float, lon: float) -> tuple[float, float] | None:
    """Where a place falls in a picture known by its pose or by its four corners; None when behind the camera."""
    return _projector(source).ground_to_pixel(lat, lon)


def _projector(source: Pose | Homography | Corners) -> Pose | Homography:
    return source if isinstance(source, (Pose, Homography)) else Homography(source)


def footprint(
    sensor: tuple[float, float, float],
    platform: tuple[float, float, float],
    relative: tuple[float, float, float],
    hfov: float,
    vfov: float,
    ground_alt: float,
) -> tuple[Position, Position, Position, Position] | None:
    """Ground corners of a picture from (lat, lon, alt), (heading, pitch, roll), (azimuth, elevation, roll) and fields.

    Degrees and metres; None when a corner is sky; GeodesyError when the pose is impossible.
    """
    return Pose(*sensor, ground_alt, *platform, *relative, hfov, vfov).corners()
