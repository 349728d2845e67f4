from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from egide.exercise.ground import RESOLUTION, Ground
from egide.exercise.painting import COLOURS, cached_ground, paint
from egide.exercise.raster import fill_mask, yuv
from egide.exercise.town import Town

points = st.tuples(st.integers(-30, 90), st.integers(-30, 90))


@settings(max_examples=100, deadline=None)
@given(st.lists(points, min_size=3, max_size=9, unique=True))
def test_fill_is_what_geometry_says(corners):
    ring = np.array([*corners, corners[0]], dtype=float) + 0.25  # no texel centre lies on an edge's end
    shape = Polygon(ring)
    if not shape.is_valid:
        return  # where an outline crosses itself, even-odd and geometry differ by definition
    mask = fill_mask([ring], 3, 5, 60, 50)
    x, y = np.meshgrid(np.arange(60) + 3.5, np.arange(50) + 5.5)
    inside = shapely.contains_xy(shape, x, y)
    near = shapely.distance(shape.exterior, shapely.points(x, y)) < 1e-9
    assert (mask == inside)[~near].all()


def test_holes_stay_empty():
    outer = np.array([(0, 0), (20, 0), (20, 20), (0, 20), (0, 0)], dtype=float)
    inner = np.array([(5, 5), (15, 5), (15, 15), (5, 15), (5, 5)], dtype=float)
    assert fill_mask([outer, inner], 0, 0, 20, 20).sum() == 400 - 100


def chroma_at(ground: Ground, lat: float, lon: float) -> tuple[int, int]:
    column, row = ground.texel(lat, lon)
    pair = int(ground.chroma[int(row) // 2, int(column) // 2])
    return pair & 255, pair >> 8


def test_things_lie_where_the_map_says(small_town: Town):
    ground = paint(small_town)
    assert chroma_at(ground, 60.1715, 24.9416) == yuv(COLOURS["green"])[1:]
    assert chroma_at(ground, 60.169, 24.947) == yuv(COLOURS["water"])[1:]
    column, row = ground.texel(60.168 + 0.0045 * 5 / 11, 24.9405)
    assert abs(int(ground.luma[int(row) + 12, int(column)]) - yuv(COLOURS["asphalt"])[0]) < 20
    assert ground.luma.min() >= 16
    assert ground.luma.max() <= 235


def test_the_texel_of_a_place_is_where_its_tangent_says(plain_ground: Ground):
    lat, lon = plain_ground.tangent.to_geodetic(100.0, -40.0)
    column, row = plain_ground.texel(lat, lon)
    assert abs(column * RESOLUTION + plain_ground.west - 100) < 1e-6
    assert abs(plain_ground.north - row * RESOLUTION + 40) < 1e-6


def test_the_cache_gives_the_same_ground_and_mends_itself(real_extract, cache):
    first, _ = cached_ground(cache, real_extract)
    again, _ = cached_ground(cache, real_extract)
    assert (first.luma[::50, ::50] == again.luma[::50, ::50]).all()
    again.luma[0, 0] = 77  # copy on write: the file is not touched
    third, _ = cached_ground(cache, real_extract)
    assert third.luma[0, 0] == first.luma[0, 0]
    assert not list(cache.glob("*.part"))


def test_a_cut_cache_is_painted_again(small_town, tmp_path, monkeypatch):
    extract = tmp_path / "town.osm.pbf"
    extract.write_bytes(b"any")
    monkeypatch.setattr("egide.exercise.painting.load_town", lambda _path: small_town)
    cached_ground(tmp_path, extract)
    luma = next(tmp_path.glob("*-luma.npy"))
    whole = luma.read_bytes()
    luma.write_bytes(whole[:1000])
    cached_ground(tmp_path, extract)
    assert luma.read_bytes() == whole
