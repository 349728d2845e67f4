from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.exercise.camera import Camera, barcode, luma_of, read_barcode
from egide.exercise.drone import Drone
from egide.exercise.ground import Ground
from egide.exercise.overlay import TIME_BITS, text
from egide.exercise.traffic import Traffic
from egide.protocols import klv
from egide.protocols.geodesy import Pose, distance

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))


def mark(ground: Ground, lat: float, lon: float) -> None:
    column, row = ground.texel(lat, lon)
    x, y = round(float(column)), round(float(row))
    ground.luma[y - 4 : y + 4, x - 4 : x + 4] = 235


def found(picture, near: tuple[float, float]) -> tuple[float, float]:
    """Middle (pixels) of what is bright within 30 pixels."""
    x, y = near
    luma = luma_of(picture)
    top, left = max(int(y) - 30, 0), max(int(x) - 30, 0)
    rows, columns = np.nonzero(luma[top : int(y) + 30, left : int(x) + 30] > 170)
    assert len(rows), "the mark is not in the picture"
    return left + columns.mean() + 0.5, top + rows.mean() + 0.5


@pytest.mark.parametrize("size", [(1280, 720), (960, 540), (640, 360)])
@pytest.mark.parametrize("t", [0.0, 21.0, 47.5])
def test_a_mark_on_the_ground_is_seen_where_the_pose_says(drone: Drone, plain_ground: Ground, size, t):
    pose = drone.pose(t)
    camera = Camera(plain_ground, size)
    for u, v in ((0.2, 0.25), (0.75, 0.3), (0.3, 0.8), (0.8, 0.72)):
        place = pose.pixel_to_ground(u, v)
        assert place is not None
        plain_ground.luma[:] = 100
        mark(plain_ground, *place)
        expected = pose.ground_to_pixel(*place)
        assert expected is not None
        x, y = found(camera.render(pose), (expected[0] * size[0], expected[1] * size[1]))
        assert abs(x - expected[0] * size[0]) <= 2
        assert abs(y - expected[1] * size[1]) <= 2


def test_a_click_read_through_the_telemetry_is_within_ten_metres_of_the_truth(drone: Drone):
    for t in (0.0, 8.0, 33.3):
        frame = klv.decode(drone.telemetry(t))
        assert frame.timestamp is not None
        assert drone.since(frame.timestamp) == pytest.approx(t, abs=1e-5)
        pose = klv.pose_of(frame)
        assert pose is not None
        for u, v in ((0.5, 0.5), (0.05, 0.05), (0.95, 0.9)):
            seen, truth = pose.pixel_to_ground(u, v), drone.truth(u, v, t)
            assert seen is not None
            assert truth is not None
            assert distance(seen, truth) < 1, "well within the 10 m that a click needs"


def test_the_sky_and_the_edge_of_the_map_are_pictures_too(plain_ground: Ground, drone: Drone):
    camera = Camera(plain_ground, (320, 180))
    for changes in ({"rel_elevation": 5.0}, {"rel_elevation": -90.0}, {"lat": 60.0}):
        assert luma_of(camera.render(replace(drone.pose(0), **changes))).min() >= 16


@pytest.mark.parametrize("size", [(1281, 720), (0, 0), (8192, 4320), (100, 90)])
def test_an_odd_picture_is_refused(plain_ground: Ground, size):
    with pytest.raises(ValueError, match="even sides"):
        Camera(plain_ground, size)


def test_vehicles_move_and_leave_no_trace(plain_ground: Ground, small_town):
    traffic = Traffic(small_town, plain_ground, number=20)
    assert len(traffic) == 20
    before = plain_ground.luma.copy()
    tint = plain_ground.chroma.copy()
    rows, columns = before.shape
    with traffic.painted(5.0, 0, 0, columns, rows):
        assert (plain_ground.luma != before).sum() > 1000
    assert (plain_ground.luma == before).all()
    assert (plain_ground.chroma == tint).all()
    here, _ = traffic.places(5.0)
    there, _ = traffic.places(6.0)
    metres = np.hypot(*(here - there).T) * plain_ground.resolution
    assert (metres < 15).all()
    assert (metres > 1).sum() > 15


def test_a_town_without_streets_has_no_traffic(plain_ground: Ground, small_town):
    traffic = Traffic(replace(small_town, streets=()), plain_ground)
    with traffic.painted(0.0, 0, 0, 1e9, 1e9):
        assert len(traffic) == 0


def test_the_picture_tells_its_time(plain_ground: Ground, drone: Drone):
    camera = Camera(plain_ground, (1280, 720), with_barcode=True, label="EXERCISE F-ZEG1")
    moment = 1_790_000_000_123_456
    picture = camera.render(drone.pose(0), epoch_us=moment)
    assert read_barcode(luma_of(picture)) == moment // 1000
    assert read_barcode(picture.reformat(640, 360).to_ndarray(format="rgb24")) == moment // 1000


@settings(max_examples=FUZZ, deadline=None)
@given(st.integers(0, 2**TIME_BITS - 1), st.sampled_from([(128, 72), (640, 360), (1280, 720), (1000, 562)]))
def test_a_barcode_reads_back(ms, size):
    image = np.full((size[1], size[0]), 90, np.uint8)
    barcode(image, ms)
    assert read_barcode(image) == ms


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(min_size=600, max_size=2000), st.integers(1, 300))
def test_no_picture_breaks_the_barcode_reader(data, width):
    rows = len(data) // width
    image = np.frombuffer(data[: rows * width], np.uint8).reshape(rows, width)
    ms = read_barcode(image)
    assert ms is None or ms >= 0
    assert read_barcode(image.ravel()) is None


def test_a_barcode_holds_no_other_number():
    with pytest.raises(ValueError, match="milliseconds"):
        barcode(np.zeros((72, 128), np.uint8), 2**TIME_BITS)


def test_text_is_cut_at_the_edges():
    image = np.full((30, 60), 128, np.uint8)
    text(image, "EXERCISE éà 12:34", 40, 25, 2)
    assert image.max() == 235
    text(image, "", 0, 0, 1)


def test_a_pose_of_any_kind_gives_a_picture(plain_ground: Ground):
    camera = Camera(plain_ground, (160, 90))

    @settings(max_examples=min(FUZZ, 200), deadline=None)
    @given(*[st.floats(-180, 180) for _ in range(3)], st.floats(1, 170), st.floats(11, 5000))
    def look(heading, elevation, roll, hfov, alt):
        pose = Pose(60.17, 24.944, alt, 10.0, heading, 0, roll, 0, elevation, 0, hfov)
        assert luma_of(camera.render(pose)).shape == (90, 160)

    look()
