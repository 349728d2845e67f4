from __future__ import annotations

import json
import math

import numpy as np
import pytest
import shapely
from shapely.geometry import Polygon, mapping

from egide.exercise.flight import HEIGHT, Flight, FlightError, circuit, plane_points, read_perimeter
from egide.exercise.town import GROUND_ALT, Town


@pytest.fixture
def flight(small_town: Town) -> Flight:
    return circuit(small_town.perimeter(), ground_alt=GROUND_ALT)


def test_a_lap_stays_inside_and_looks_inside(flight: Flight):
    for t in np.arange(0, flight.lap, 1.0):
        pose = flight.at(t)
        assert flight.inside(t)
        assert pose.alt - pose.ground_alt == pytest.approx(HEIGHT)
        centre = pose.pixel_to_ground(0.5, 0.5)
        assert centre is not None
        assert shapely.contains_xy(flight.perimeter, centre.lon, centre.lat)


def test_the_gimbal_looks_down_and_keeps_the_horizon_level(flight: Flight):
    for t in np.arange(0, 60, 0.7):
        right, _down, forward = flight.at(t).rotation().T
        assert abs(right[2]) < 1e-9
        assert -60 < math.degrees(math.asin(forward[2])) < -30


def test_speed_and_heading_are_smooth_and_agree(flight: Flight):
    times = np.arange(0, flight.lap, 0.1)
    path = plane_points(flight, times)
    steps = np.diff(path, axis=0) / 0.1
    assert np.hypot(*steps.T) == pytest.approx(flight.speed, rel=0.02)
    headings = np.unwrap([math.radians(flight.at(t).heading) for t in times])
    assert np.abs(np.diff(headings)).max() < math.radians(2.5)
    course = np.unwrap(np.arctan2(steps[:, 0], steps[:, 1]))
    assert np.degrees(np.abs(np.sin(course - headings[:-1]))).max() < 3


def test_a_flight_is_the_same_every_time_and_closes(flight: Flight, small_town: Town):
    again = circuit(small_town.perimeter(), ground_alt=GROUND_ALT)
    assert flight.at(12.34) == again.at(12.34)
    here, later = plane_points(flight, [3.0, 3.0 + flight.lap])
    assert np.hypot(*(here - later)) < 0.01
    ahead = circuit(small_town.perimeter(), ground_alt=GROUND_ALT, phase=0.5)
    assert np.hypot(*(plane_points(ahead, 0.0) - plane_points(flight, flight.lap / 2))[0]) < 0.01


def test_a_departure_leaves_the_perimeter_and_comes_back(flight: Flight):
    away = flight.depart(10.0, beyond=50, stay=10)
    assert away.at(9.5) == flight.at(9.5)
    outside = [t for t in np.arange(0, flight.lap * 2, 0.5) if not away.inside(t)]
    assert 10 < outside[0] < 35
    assert outside[-1] - outside[0] > 10
    assert np.diff(outside).max() < 1, "one departure, not several"
    path = plane_points(away, np.arange(0, flight.lap, 0.1))
    assert np.hypot(*np.diff(path, axis=0).T).max() < flight.speed * 0.12, "no jump"


def test_a_second_departure_waits_for_the_first(flight: Flight):
    away = flight.depart(10.0).depart(11.0)
    path = plane_points(away, np.arange(0, flight.lap * 3, 0.1))
    assert np.hypot(*np.diff(path, axis=0).T).max() < flight.speed * 0.12
    first, second = away.detours
    assert second.start > first.start + first.length


@pytest.mark.parametrize("numbers", [{"height": 5}, {"speed": 0}, {"margin": -1}, {"margin": 400}])
def test_an_impossible_flight_is_refused(small_town: Town, numbers):
    with pytest.raises(FlightError):
        circuit(small_town.perimeter(), **numbers)
    with pytest.raises(FlightError):
        circuit(Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))


def test_a_perimeter_is_read_from_geojson(small_town: Town, tmp_path):
    area = small_town.perimeter()
    good = tmp_path / "perimeter.geojson"
    for content in (mapping(area), {"type": "Feature", "properties": {}, "geometry": mapping(area)}):
        good.write_text(json.dumps(content), "utf-8")
        assert read_perimeter(good).equals(area)
    for bad in ("", "[]", "{}", '{"type":"Point","coordinates":[1,2]}', '{"type":"Polygon","coordinates":7}'):
        good.write_text(bad, "utf-8")
        with pytest.raises(FlightError):
            read_perimeter(good)
    with pytest.raises(FlightError):
        read_perimeter(tmp_path / "absent.geojson")
