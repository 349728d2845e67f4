"""Distances and directions on the Earth.

What: length and bearing between two positions, and the position reached from one; WGS84 degrees and metres.
Source: NIMA TR8350.2 (WGS84); T. Vincenty, "Direct and inverse solutions of geodesics on the ellipsoid", Survey Review
XXIII (1975).
"""

from __future__ import annotations

import math
from typing import NamedTuple

A = 6_378_137.0
"""Semi-major axis of WGS84, metres."""
F = 1 / 298.257_223_563
"""Flattening of WGS84."""
B = A * (1 - F)
MEAN_RADIUS = 6_371_008.8
"""Mean radius R1 of WGS84, metres."""


class Position(NamedTuple):
    """A point on the ground: WGS84 degrees."""

    lat: float
    lon: float


def wrap(lon: float) -> float:
    """Bring a longitude into [-180, 180)."""
    return (lon + 180.0) % 360.0 - 180.0


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Length in metres of the geodesic between two (lat, lon)."""
    return _inverse(a, b)[0]


def bearing(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Direction of ``b`` seen from ``a``, degrees clockwise from true north in [0, 360); 0 where they coincide."""
    return _inverse(a, b)[1]


def offset(start: tuple[float, float], bearing_deg: float, metres: float) -> Position:
    """The position reached from ``start`` along a geodesic (Vincenty's direct formula)."""
    alpha = math.radians(bearing_deg)
    tan_u = (1 - F) * math.tan(math.radians(start[0]))
    cos_u = 1 / math.sqrt(1 + tan_u * tan_u)
    sin_u = tan_u * cos_u
    sigma1 = math.atan2(tan_u, math.cos(alpha))
    sin_alpha = cos_u * math.sin(alpha)
    cos2_alpha = 1 - sin_alpha * sin_alpha
    k_a, k_b = _series(cos2_alpha)
    sigma = metres / (B * k_a)
    cos_2m = 0.0
    for _ in range(50):
        cos_2m = math.cos(2 * sigma1 + sigma)
        step = metres / (B * k_a) + _delta_sigma(k_b, sigma, cos_2m)
        sigma, step = step, abs(step - sigma)
        if step < 1e-13:
            break
    sin_s, cos_s = math.sin(sigma), math.cos(sigma)
    cos_2m = math.cos(2 * sigma1 + sigma)
    down = sin_u * sin_s - cos_u * cos_s * math.cos(alpha)
    lat = math.atan2(
        sin_u * cos_s + cos_u * sin_s * math.cos(alpha), (1 - F) * math.sqrt(sin_alpha * sin_alpha + down * down)
    )
    lam = math.atan2(sin_s * math.sin(alpha), cos_u * cos_s - sin_u * sin_s * math.cos(alpha))
    lon = start[1] + math.degrees(lam - _delta_lambda(cos2_alpha, sin_alpha, sigma, cos_2m))
    return Position(math.degrees(lat), wrap(lon))


def _series(cos2_alpha: float) -> tuple[float, float]:
    u2 = cos2_alpha * (A * A - B * B) / (B * B)
    k_a = 1 + u2 / 16384 * (4096 + u2 * (-768 + u2 * (320 - 175 * u2)))
    k_b = u2 / 1024 * (256 + u2 * (-128 + u2 * (74 - 47 * u2)))
    return k_a, k_b


def _delta_sigma(k_b: float, sigma: float, cos_2m: float) -> float:
    sin_s, cos_s, c2 = math.sin(sigma), math.cos(sigma), cos_2m * cos_2m
    inner = cos_s * (2 * c2 - 1) - k_b / 6 * cos_2m * (4 * sin_s * sin_s - 3) * (4 * c2 - 3)
    return k_b * sin_s * (cos_2m + k_b / 4 * inner)


def _delta_lambda(cos2_alpha: float, sin_alpha: float, sigma: float, cos_2m: float) -> float:
    c = F / 16 * cos2_alpha * (4 + F * (4 - 3 * cos2_alpha))
    inner = cos_2m + c * math.cos(sigma) * (2 * cos_2m * cos_2m - 1)
    return (1 - c) * F * sin_alpha * (sigma + c * math.sin(sigma) * inner)


def _inverse(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """(metres, bearing at a) by Vincenty's inverse formula; near the antipode, where it diverges, by a sphere."""
    u1 = math.atan((1 - F) * math.tan(math.radians(a[0])))
    u2 = math.atan((1 - F) * math.tan(math.radians(b[0])))
    diff = math.radians(wrap(b[1] - a[1]))
    sin1, cos1, sin2, cos2 = math.sin(u1), math.cos(u1), math.sin(u2), math.cos(u2)
    lam = diff
    for _ in range(100):
        x, y = cos2 * math.sin(lam), cos1 * sin2 - sin1 * cos2 * math.cos(lam)
        sin_s = math.hypot(x, y)
        if sin_s < 1e-15:
            break
        cos_s = sin1 * sin2 + cos1 * cos2 * math.cos(lam)
        sigma = math.atan2(sin_s, cos_s)
        sin_alpha = cos1 * cos2 * math.sin(lam) / sin_s
        cos2_alpha = 1 - sin_alpha * sin_alpha
        cos_2m = cos_s - 2 * sin1 * sin2 / cos2_alpha if cos2_alpha > 1e-12 else 0.0
        previous, lam = lam, diff + _delta_lambda(cos2_alpha, sin_alpha, sigma, cos_2m)
        if abs(lam - previous) < 1e-12:
            k_a, k_b = _series(cos2_alpha)
            return B * k_a * (sigma - _delta_sigma(k_b, sigma, cos_2m)), math.degrees(math.atan2(x, y)) % 360.0
    x, y = cos2 * math.sin(diff), cos1 * sin2 - sin1 * cos2 * math.cos(diff)
    sigma = math.atan2(math.hypot(x, y), sin1 * sin2 + cos1 * cos2 * math.cos(diff))
    return MEAN_RADIUS * sigma, math.degrees(math.atan2(x, y)) % 360.0
