"""Pixels and places: known distances, one convention, and round trips from any pose."""

import os

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from egide.protocols import geodesy
from egide.protocols.geodesy import GeodesyError, Homography, Pose, Tangent, bearing, distance, offset

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)
HERE = (60.17, 24.94)


def angles(low: float, high: float) -> st.SearchStrategy[float]:
    """Any finite angle of a range."""
    return st.floats(low, high, allow_nan=False)


POSES = st.builds(
    Pose,
    lat=angles(-80, 80),
    lon=angles(-180, 180),
    alt=st.floats(30, 1000),
    ground_alt=st.floats(-20, 20),
    heading=angles(0, 360),
    pitch=angles(-20, 20),
    roll=angles(-50, 50),
    rel_azimuth=angles(0, 360),
    rel_elevation=angles(-90, 10),
    rel_roll=angles(0, 360),
    hfov=angles(2, 90),
    vfov=st.none() | angles(2, 80),
)


# ── Distances ──


def test_a_known_geodesic() -> None:
    """Land's End to John o' Groats, as Vincenty's formula gives it on WGS84."""
    south, north = (50.06632, -5.71475), (58.64402, -3.07009)
    assert distance(south, north) == pytest.approx(969_954.166, abs=0.001)
    assert bearing(south, north) == pytest.approx(9.1418775, abs=1e-6)


def test_degenerate_distances() -> None:
    assert distance(HERE, HERE) == 0
    assert distance((0, 179.999), (0, -179.999)) == pytest.approx(222.64, abs=0.01)
    assert distance((0, 0), (0.3, 179.9)) == pytest.approx(2e7, rel=0.01)  # nearly antipodal: a sphere answers


@FUZZ
@given(angles(-85, 85), angles(-180, 180), angles(0, 360), st.floats(0.01, 100_000))
def test_offset_is_undone_by_distance_and_bearing(lat: float, lon: float, way: float, metres: float) -> None:
    there = offset((lat, lon), way, metres)
    assert distance((lat, lon), there) == pytest.approx(metres, abs=1e-3)
    if metres > 10:
        turn = (bearing((lat, lon), there) - way + 180) % 360 - 180
        assert abs(turn) * metres < 0.1


@FUZZ
@given(angles(-85, 85), angles(-180, 180), st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_the_tangent_plane_is_its_own_inverse(lat: float, lon: float, east: float, north: float) -> None:
    plane = Tangent(lat, lon, 50.0)
    got = plane.to_plane(*plane.to_geodetic(east, north))
    assert got == (pytest.approx(east, abs=1e-4), pytest.approx(north, abs=1e-4))


def test_the_tangent_plane_agrees_with_the_geodesic() -> None:
    lat, lon = Tangent(*HERE).to_geodetic(600.0, 800.0)
    assert distance(HERE, (float(lat), float(lon))) == pytest.approx(1000, abs=0.01)
    assert bearing(HERE, (float(lat), float(lon))) == pytest.approx(36.8699, abs=1e-3)


# ── The convention ──


def seen_from(pose: Pose, u: float, v: float) -> tuple[float, float]:
    """(distance, bearing) of a pixel's place from the point under the sensor."""
    place = pose.pixel_to_ground(u, v)
    assert place is not None
    return distance(HERE, place), bearing(HERE, place)


def test_straight_down_with_the_nose_north_the_top_of_the_image_is_north() -> None:
    pose = Pose(*HERE, 100.0, heading=0, rel_elevation=-90, hfov=90, aspect=1)
    assert seen_from(pose, 0.5, 0.0) == (pytest.approx(100, abs=0.01), pytest.approx(0, abs=0.01))
    assert seen_from(pose, 1.0, 0.5) == (pytest.approx(100, abs=0.01), pytest.approx(90, abs=0.01))


def test_azimuth_adds_to_heading_and_elevation_looks_down() -> None:
    pose = Pose(*HERE, 100.0, heading=350, rel_azimuth=100, rel_elevation=-45)
    assert seen_from(pose, 0.5, 0.5) == (pytest.approx(100, abs=0.01), pytest.approx(90, abs=0.01))


def test_pitch_raises_the_view_and_roll_lowers_the_right_side() -> None:
    level = Pose(*HERE, 100.0, rel_elevation=-45)
    assert seen_from(Pose(*HERE, 100.0, pitch=10, rel_elevation=-45), 0.5, 0.5)[0] > seen_from(level, 0.5, 0.5)[0]
    to_the_right = {"rel_azimuth": 90.0, "rel_elevation": -45.0}
    banked = seen_from(Pose(*HERE, 100.0, roll=10, **to_the_right), 0.5, 0.5)[0]
    assert banked == pytest.approx(100 * np.tan(np.radians(35)), abs=0.01)


def test_sensor_roll_turns_the_camera_clockwise() -> None:
    """Rolled by 90 degrees clockwise, the camera's right side points to the ground."""
    pose = Pose(*HERE, 100.0, rel_elevation=-45, rel_roll=90, hfov=20, aspect=1)
    assert seen_from(pose, 1.0, 0.5)[0] < 100 < seen_from(pose, 0.0, 0.5)[0]


def test_rotation_is_a_rotation_and_rays_follow_it() -> None:
    pose = Pose(*HERE, 100.0, heading=33, pitch=4, roll=-7, rel_azimuth=80, rel_elevation=-30, rel_roll=12)
    turn = pose.rotation()
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
    assert np.allclose(geodesy.camera_rays(pose, 0.5, 0.5), turn @ [0, 0, 1])
    u, v = geodesy.pixel_grid(64, 36)
    rays = geodesy.camera_rays(pose, u, v)
    assert rays.shape == (36, 64, 3)
    assert np.allclose(np.linalg.norm(rays, axis=-1), 1)


def test_the_sky_is_nowhere() -> None:
    pose = Pose(*HERE, 100.0, rel_elevation=0, hfov=60)
    assert pose.pixel_to_ground(0.5, 0.2) is None
    assert pose.corners() is None
    assert geodesy.footprint((*HERE, 100.0), (0, 0, 0), (0, 0, 0), 60, 40, 0.0) is None
    behind = offset(HERE, 180, 500)
    assert pose.ground_to_pixel(*behind) is None


def test_footprint_is_the_corners_of_the_pose() -> None:
    got = geodesy.footprint((*HERE, 300.0), (10, 2, 3), (40, -60, 5), 50, 30, 20.0)
    pose = Pose(*HERE, 300.0, 20.0, 10, 2, 3, 40, -60, 5, 50, 30)
    assert got == pose.corners()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e300])
def test_numbers_that_are_no_pixel_or_place(bad: float) -> None:
    pose = Pose(*HERE, 100.0)
    corners = pose.corners()
    assert corners is not None
    for source in (pose, corners):
        assert geodesy.pixel_to_ground(source, bad, 0.5) is None
        with pytest.raises(GeodesyError):
            geodesy.ground_to_pixel(source, bad, 0.0)


# ── Round trips ──


@FUZZ
@given(POSES, st.floats(0, 1), st.floats(0, 1))
def test_pixel_to_ground_and_back(pose: Pose, u: float, v: float) -> None:
    place = pose.pixel_to_ground(u, v)
    assume(place is not None)
    assert place is not None
    back = pose.ground_to_pixel(*place)
    assert back is not None
    assume(distance((pose.lat, pose.lon), place) <= 1000)
    again = pose.pixel_to_ground(*back)
    assert again is not None
    assert distance(place, again) < 0.01


@FUZZ
@given(POSES, st.floats(0, 1), st.floats(0, 1))
def test_the_homography_of_the_corners_is_the_pose(pose: Pose, u: float, v: float) -> None:
    corners = pose.corners()
    assume(corners is not None)
    assert corners is not None
    reach = max(distance((pose.lat, pose.lon), corner) for corner in corners)
    assume(reach <= 2000)
    assume(min(distance(corners[i], corners[i - 1]) for i in range(4)) > 1)
    plane = Homography(corners)
    for at, corner in zip(((0, 0), (1, 0), (1, 1), (0, 1)), corners, strict=True):
        there = plane.pixel_to_ground(*at)
        assert there is not None
        assert distance(there, corner) < 0.01
    by_pose, by_plane = pose.pixel_to_ground(u, v), geodesy.pixel_to_ground(corners, u, v)
    assert by_pose is not None
    assert by_plane is not None
    assert distance(by_pose, by_plane) < 0.5
    back = geodesy.ground_to_pixel(corners, *by_plane)
    assert back == (pytest.approx(u, abs=1e-4), pytest.approx(v, abs=1e-4))


def test_a_homography_across_the_date_line() -> None:
    pose = Pose(-17.0, 179.9999, 400.0, hfov=80)
    corners = pose.corners()
    assert corners is not None
    middle = Homography(corners).pixel_to_ground(0.5, 0.5)
    assert middle is not None
    assert distance(middle, (-17.0, 179.9999)) < 0.01


@pytest.mark.parametrize(
    "corners",
    [
        [HERE] * 4,
        [HERE] * 3,
        [(0, 0), (0, 1e-3), (0, 2e-3), (0, 3e-3)],
        [(0, 0), (1e-3, 1e-3), (0, 1e-3), (1e-3, 0)],
        [(0, 0), (0, 10), (10, 10), (10, 0)],
        [(float("nan"), 0), (0, 1), (1, 1), (1, 0)],
    ],
)
def test_corners_that_are_no_picture_are_refused(corners: list[tuple[float, float]]) -> None:
    with pytest.raises(GeodesyError):
        Homography(corners)


@pytest.mark.parametrize(
    "wrong",
    [{"alt": float("nan")}, {"lat": 91.0}, {"hfov": 0.0}, {"hfov": 180.0}, {"vfov": -1.0}, {"ground_alt": 200.0}],
)
def test_impossible_poses_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(GeodesyError):
        Pose(**{"lat": 60.0, "lon": 24.0, "alt": 100.0, **wrong})
