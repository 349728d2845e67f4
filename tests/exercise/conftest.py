"""A small town drawn by hand for most tests; the real extract where a test is about it."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from egide.exercise.drone import Drone
from egide.exercise.flight import circuit
from egide.exercise.ground import Ground, blank_ground
from egide.exercise.town import GROUND_ALT, Area, Street, Town, TownError, town_file

WEST, SOUTH, EAST, NORTH = 24.940, 60.168, 24.949, 60.1725  # 500 m × 500 m
SIZE = (640, 360)


def square(lat: float, lon: float, half: float) -> Polygon:
    """About ``half`` metres each way."""
    up, side = half / 111_400, half / 55_400
    return box(lon - side, lat - up, lon + side, lat + up)


@pytest.fixture(scope="session")
def small_town() -> Town:
    areas = [Area("building", square(60.169 + i * 0.0006, 24.942 + i * 0.001, 20), 12.0) for i in range(5)]
    areas += [Area("green", square(60.1715, 24.942, 40)), Area("water", square(60.169, 24.947, 30))]
    lats, lons = np.linspace(SOUTH, NORTH, 12), np.linspace(WEST, EAST, 12)
    middle = (lons[5], lats[5])
    streets = [
        Street("residential", np.column_stack([np.full(12, middle[0]), lats]), 8.0, (*range(5), 99, *range(6, 12))),
        Street("primary", np.column_stack([lons, np.full(12, middle[1])]), 12.0, (*range(20, 25), 99, *range(26, 32))),
        Street("tram", np.column_stack([lons, np.full(12, middle[1])]), 2.4),
        Street("footway", np.column_stack([lons, lats]), 2.0),
    ]
    return Town((WEST, SOUTH, EAST, NORTH), tuple(areas), tuple(streets), np.array([[24.9425, 60.1712]]))


@pytest.fixture
def plain_ground(small_town: Town) -> Ground:
    """Grey all over, so that what a test paints is found again."""
    ground = blank_ground(small_town)
    ground.luma[:] = 100
    ground.chroma[:] = 128 | 128 << 8
    return ground


@pytest.fixture
def drone(plain_ground: Ground, small_town: Town) -> Drone:
    flight = circuit(small_town.perimeter(), ground_alt=GROUND_ALT)
    return Drone("Exercise 1", "F-ZEG1", flight, plain_ground, small_town, size=SIZE, fps=25)


@pytest.fixture(scope="session")
def real_extract():
    try:
        return town_file()
    except TownError as absent:
        pytest.skip(str(absent))


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("exercise-cache")
