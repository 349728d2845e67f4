"""Where the drone is and where its camera looks at any moment.

What: a closed circuit drawn inside a perimeter, flown at constant speed and height, with a stabilised gimbal; and a way
to leave the perimeter on purpose, so that the platform's refusal can be shown.
Why: deterministic, a pure function of the time: the same second gives the same pose on every machine.
Source: MISB ST 0601 items 5-7 and 18-20 for the angles (convention of protocols.geodesy); bank angle of a coordinated
turn, tan(roll) = v²κ/g.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import MultiPolygon, Polygon, shape

from egide.protocols.geodesy import Pose, Tangent

HEIGHT = 120.0
"""Metres above the ground: the ceiling of the open category, Implementing Regulation (EU) 2019/947, UAS.OPEN.010."""
SPEED = 11.0
"""Metres per second."""
MARGIN = 70.0
"""Metres kept between the circuit and the perimeter."""
TURN_RADIUS = 90.0
"""Metres; corners of the perimeter are rounded to it."""
SMOOTHING = 45.0
"""Metres over which the turn rate grows (Gaussian), so that the picture never jerks."""
STEP = 2.0
"""Metres between two points of a path."""
GRAVITY = 9.81

Floats = NDArray[np.float64]


class FlightError(ValueError):
    """No circuit fits: the perimeter is too small, or a number makes no flight."""


@dataclass(frozen=True)
class Gimbal:
    """How the camera looks, stabilised against the aircraft's own movement; degrees and seconds.

    The sight is held ``inward`` degrees to the right of the course (the circuit is flown clockwise, so towards the middle
    of the perimeter), ``elevation`` below the horizon, and swings slowly about it.
    """

    inward: float = 32.0
    elevation: float = -43.0
    swing: float = 7.0
    period: float = 44.0
    hfov: float = 50.0


@dataclass(frozen=True)
class _Detour:
    """A path flown once instead of ``span`` metres of the circuit, from ``start`` metres of the whole flight."""

    start: float
    points: Floats
    length: float
    span: float


@dataclass(frozen=True)
class Flight:
    """A circuit as a function of time; build one with ``circuit``. ``path`` is (n, 2) east/north metres, closed."""

    perimeter: Polygon
    tangent: Tangent
    path: Floats
    height: float = HEIGHT
    speed: float = SPEED
    gimbal: Gimbal = field(default_factory=Gimbal)
    phase: float = 0.0
    detours: tuple[_Detour, ...] = ()

    @cached_property
    def circumference(self) -> float:
        """Metres of one lap."""
        return _length(self.path)

    @property
    def lap(self) -> float:
        """Seconds of one lap."""
        return self.circumference / self.speed

    def at(self, t: float) -> Pose:
        """The pose ``t`` seconds after take-off; negative times are flown too."""
        s = t * self.speed
        east, north = self._place(s)
        behind, ahead = (np.array(self._place(s + d)) for d in (-STEP, STEP))
        here = np.array([east, north])
        course = math.atan2(ahead[0] - behind[0], ahead[1] - behind[1])
        d1, d2 = (ahead - behind) / (2 * STEP), (ahead - 2 * here + behind) / STEP**2
        curvature = float(d1[1] * d2[0] - d1[0] * d2[1]) / max(float(d1 @ d1), 1e-6) ** 1.5
        roll = math.degrees(math.atan(self.speed**2 * curvature / GRAVITY))
        heading, pitch = math.degrees(course) % 360, -3.0 - 0.25 * self.speed
        look = self.gimbal
        elevation = look.elevation + look.swing * math.sin(2 * math.pi * t / look.period)
        azimuth = heading + look.inward + look.swing * math.sin(2 * math.pi * t / (look.period * 1.7))
        relative = _relative((heading, pitch, roll), (azimuth, elevation, 0.0))
        lat, lon = self.tangent.to_geodetic(east, north)
        ground = self.tangent.alt
        return Pose(
            float(lat), float(lon), ground + self.height, ground, heading, pitch, roll, *relative, hfov=look.hfov
        )

    def inside(self, t: float) -> bool:
        """Whether the aircraft itself is over the perimeter at ``t``."""
        pose = self.at(t)
        return bool(shapely.contains_xy(self.perimeter, pose.lon, pose.lat))

    def depart(self, at: float, *, beyond: float = 60.0, stay: float = 20.0) -> Flight:
        """The same flight, but leaving the perimeter from ``at`` seconds on, ``beyond`` metres past its edge.

        The drone swings out over 160 m, stays out for ``stay`` seconds, comes back and goes on with the circuit. A
        departure asked while another is under way begins when that one has ended.
        """
        if beyond <= 0 or stay < 0:
            raise FlightError("a departure leads beyond the perimeter, for a time that is not negative")
        start = at * self.speed
        for other in self.detours:
            if start < other.start + other.length + STEP:
                start = max(start, other.start + other.length + STEP)
        swing, along = 160.0, stay * self.speed
        span = 2 * swing + along
        s = np.arange(0.0, span + STEP, STEP)
        base = np.array([self._place(start + d) for d in s])
        ahead = np.gradient(base, axis=0)
        left = np.column_stack([-ahead[:, 1], ahead[:, 0]]) / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
        edge = shapely.transform(self.perimeter.exterior, self._to_plane)
        reach = float(shapely.distance(shapely.points(base), edge).max()) + beyond
        ramp = np.clip(np.minimum(s, span - s) / swing, 0, 1)
        smooth = ramp**3 * (10 - 15 * ramp + 6 * ramp**2)
        points = _even(base + left * (reach * smooth)[:, None])
        detour = _Detour(start, points, _length(points), float(s[-1]))
        return replace(self, detours=(*self.detours, detour))

    def _to_plane(self, lonlat: Floats) -> Floats:
        return np.column_stack(self.tangent.to_plane(lonlat[:, 1], lonlat[:, 0]))

    def _place(self, s: float) -> tuple[float, float]:
        """East and north ``s`` metres after take-off."""
        flown = s
        for detour in self.detours:
            if s < detour.start:
                break
            if s < detour.start + detour.length:
                return _along(detour.points, s - detour.start, detour.length)
            flown += detour.span - detour.length
        total = self.circumference
        return _along(self.path, (flown + self.phase * total) % total, total)


def circuit(
    perimeter: Polygon | Sequence[tuple[float, float]],
    *,
    ground_alt: float = 10.0,
    height: float = HEIGHT,
    speed: float = SPEED,
    margin: float = MARGIN,
    phase: float = 0.0,
    gimbal: Gimbal | None = None,
) -> Flight:
    """A clockwise circuit ``margin`` metres inside a perimeter of (lon, lat); ``phase`` (0..1) is where it begins.

    FlightError when the perimeter is not a polygon wide enough for a turn, or a number is out of its range.
    """
    if not (10 <= height <= 2_000 and 1 <= speed <= 60 and margin >= 0):
        raise FlightError("height must be 10..2000 m, speed 1..60 m/s, margin not negative")
    area = perimeter if isinstance(perimeter, Polygon) else Polygon(perimeter)
    if area.is_empty or not area.is_valid:
        raise FlightError("the perimeter is not a simple polygon")
    middle = area.centroid
    tangent = Tangent(middle.y, middle.x, ground_alt)
    plane = shapely.transform(area, lambda p: np.column_stack(tangent.to_plane(p[:, 1], p[:, 0])))
    inner = plane.buffer(-margin)
    radius = min(TURN_RADIUS, math.sqrt(max(inner.area, 0.0)) / 4)
    rounded = inner.buffer(-radius).buffer(radius, quad_segs=32)
    if isinstance(rounded, MultiPolygon):
        rounded = max(rounded.geoms, key=lambda part: float(part.area))
    if rounded.is_empty or rounded.area < 4_000:
        raise FlightError(f"no circuit fits {margin:g} m inside this perimeter")
    ring = shapely.get_coordinates(rounded.exterior)
    if shapely.is_ccw(rounded.exterior):
        ring = ring[::-1]
    path = _smooth(_even(ring), SMOOTHING)
    return Flight(area, tangent, path, height, speed, gimbal or Gimbal(), phase % 1.0)


def read_perimeter(path: Path) -> Polygon:
    """The polygon of a GeoJSON file (a geometry, or a feature); FlightError when there is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
        polygon = shape(data.get("geometry", data))
    except (OSError, ValueError, AttributeError, KeyError, TypeError, shapely.errors.ShapelyError) as error:
        raise FlightError(f"{path} holds no GeoJSON polygon: {error}") from error
    if not isinstance(polygon, Polygon):
        raise FlightError(f"{path} holds a {polygon.geom_type}, not a Polygon")
    return polygon


def _length(path: Floats) -> float:
    """Metres of a path whose points are evenly set, or nearly."""
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def _along(path: Floats, s: float, length: float) -> tuple[float, float]:
    """The point ``s`` metres along a path of ``length`` metres with evenly set points."""
    x = min(max(s / length, 0.0), 1.0) * (len(path) - 1)
    i = min(int(x), len(path) - 2)
    f = x - i
    (x0, y0), (x1, y1) = path[i], path[i + 1]
    return float(x0 + (x1 - x0) * f), float(y0 + (y1 - y0) * f)


def _even(ring: Floats) -> Floats:
    """A line, or a closed ring, resampled every STEP metres or so; its two ends are kept."""
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
    at = np.linspace(0, s[-1], max(int(s[-1] / STEP), 32) + 1)
    return np.column_stack([np.interp(at, s, ring[:, axis]) for axis in (0, 1)])


def _smooth(ring: Floats, metres: float) -> Floats:
    """The closed ring blurred along itself by a Gaussian, then set evenly again."""
    points = ring[:-1]
    frequency = np.fft.rfftfreq(len(points), d=STEP)
    kernel = np.exp(-2 * (math.pi * frequency * metres / 2) ** 2)
    soft = np.column_stack([np.fft.irfft(np.fft.rfft(points[:, axis]) * kernel, len(points)) for axis in (0, 1)])
    return _even(np.concatenate([soft, soft[:1]]))


def _turn(yaw: float, pitch: float, roll: float) -> Floats:
    """Rz(yaw) · Ry(pitch) · Rx(roll), degrees, on forward, right, down axes."""
    (sy, sp, sr), (cy, cp, cr) = (f(np.radians([yaw, pitch, roll])) for f in (np.sin, np.cos))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    product: Floats = about_z @ about_y @ about_x
    return product


def _relative(body: tuple[float, float, float], sight: tuple[float, float, float]) -> tuple[float, float, float]:
    """The gimbal's azimuth, elevation and roll that give ``sight`` (absolute) on an aircraft at attitude ``body``."""
    r = _turn(*body).T @ _turn(*sight)
    azimuth = math.degrees(math.atan2(r[1, 0], r[0, 0])) % 360
    elevation = -math.degrees(math.asin(float(np.clip(r[2, 0], -1, 1))))
    roll = math.degrees(math.atan2(r[2, 1], r[2, 2])) % 360
    return azimuth, elevation, roll


def plane_points(flight: Flight, times: ArrayLike) -> Floats:
    """(n, 2) east/north metres of the flight at several times: for maps and tests."""
    poses = [flight.at(float(t)) for t in np.atleast_1d(np.asarray(times, dtype=float))]
    return np.column_stack(flight.tangent.to_plane([p.lat for p in poses], [p.lon for p in poses]))
