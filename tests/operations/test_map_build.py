"""The town's map: built from real data, refused in plain words when the file is not one, drawn by a valid style."""

import gzip
import os
from pathlib import Path

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pmtiles.reader import MmapSource, Reader, all_tiles

from egide.operations.map import ATTRIBUTION, MapError, MapInfo, build_pmtiles, describe, style
from egide.operations.map import build as building
from egide.operations.map.classes import LAYERS, MAX_ZOOM, MIN_ZOOM, of_area, of_node, of_way
from egide.operations.map.coast import sea
from egide.operations.map.tiles import mercator, tile_range

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))
HARBOUR = (7.4246, 43.7350)


@pytest.fixture(scope="module")
def monaco(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> MapInfo:
    """The map of Monaco, built once."""
    return build_pmtiles(shared_data / "map" / "monaco.osm.gz", tmp_path_factory.mktemp("map") / "town.pmtiles")


def tiles(path: Path) -> dict[tuple[int, int, int], dict]:
    """Every tile of a map file, decoded, by (zoom, x, y)."""
    with path.open("rb") as file:
        return {
            at: mapbox_vector_tile.decode(gzip.decompress(raw), default_options={"y_coord_down": True})
            for at, raw in all_tiles(Reader(MmapSource(file)).get_bytes)
        }


def osm(*objects: str) -> str:
    """An OSM XML file."""
    return f'<osm version="0.6">{"".join(objects)}</osm>'


def town(at: float = 0.0) -> str:
    """One street and one house near (at, at)."""
    corners = [(0, 0), (0, 0.001), (0.001, 0.001), (0.001, 0)]
    nodes = [f'<node id="{i + 1}" lat="{at + y}" lon="{at + x}" version="1"/>' for i, (x, y) in enumerate(corners)]
    ring = "".join(f'<nd ref="{i}"/>' for i in (1, 2, 3, 4, 1))
    return osm(
        *nodes,
        f'<way id="1" version="1">{ring}<tag k="building" v="yes"/></way>',
        '<way id="2" version="1"><nd ref="1"/><nd ref="3"/><tag k="highway" v="primary"/><tag k="name" v="Rue"/></way>',
    )


# ── Real data ──


def test_monaco_says_what_it_holds(monaco: MapInfo) -> None:
    assert monaco.attribution == ATTRIBUTION
    assert (monaco.min_zoom, monaco.max_zoom) == (MIN_ZOOM, MAX_ZOOM)
    assert monaco.features["buildings"] > 900
    assert monaco.features["roads"] > 500
    west, south, east, north = monaco.bounds
    assert west < HARBOUR[0] < east
    assert south < HARBOUR[1] < north
    assert monaco.bytes == monaco.path.stat().st_size < 400_000
    assert describe(monaco.path) == monaco


def test_the_number_of_tiles_is_that_of_the_box(monaco: MapInfo) -> None:
    most = 0
    for zoom in range(MIN_ZOOM, MAX_ZOOM + 1):
        x0, x1, y0, y1 = tile_range(monaco.bounds, zoom)
        most += (x1 - x0 + 1) * (y1 - y0 + 1)
    assert 0 < monaco.tiles <= most
    assert len(tiles(monaco.path)) == monaco.tiles


def test_a_tile_of_the_town_has_every_layer(monaco: MapInfo) -> None:
    x, _, y, _ = tile_range((*HARBOUR, *HARBOUR), 14)
    tile = tiles(monaco.path)[14, x, y]
    assert set(tile) <= set(LAYERS)
    assert {"landuse", "water", "buildings", "roads", "places"} <= set(tile)
    names = {feature["properties"].get("name") for feature in tile["roads"]["features"]}
    assert "Boulevard Albert 1er" in names
    assert {"class"} <= set(tile["roads"]["features"][0]["properties"])


def test_nothing_of_the_contributors_is_in_the_map(monaco: MapInfo) -> None:
    keys = {
        key
        for tile in tiles(monaco.path).values()
        for layer in tile.values()
        for feature in layer["features"]
        for key in feature["properties"]
    }
    assert keys <= {"class", "rank", "name", "name_fr", "name_en", "tunnel", "bridge"}


def test_the_harbour_is_sea_and_the_palace_is_not(monaco: MapInfo) -> None:
    def classes_at(lon: float, lat: float) -> set[str]:
        x, _, y, _ = tile_range((lon, lat, lon, lat), 15)
        here = mercator(np.array([shapely.Point(lon, lat)]))[0]
        inside = shapely.Point((here.x * 2**15 - x) * 4096, (here.y * 2**15 - y) * 4096)
        water = tiles(monaco.path)[15, x, y].get("water", {"features": []})["features"]
        return {f["properties"]["class"] for f in water if shapely.geometry.shape(f["geometry"]).covers(inside)}

    assert classes_at(*HARBOUR) == {"sea"}
    assert classes_at(7.4204, 43.7314) == set()


def test_geometry_stays_within_its_tile_and_buffer(monaco: MapInfo) -> None:
    for tile in tiles(monaco.path).values():
        for layer in tile.values():
            for feature in layer["features"]:
                low_x, low_y, high_x, high_y = shapely.geometry.shape(feature["geometry"]).bounds
                assert min(low_x, low_y) >= -64
                assert max(high_x, high_y) <= 4096 + 64


def test_progress_goes_forward_to_the_end(shared_data: Path, tmp_path: Path) -> None:
    seen: list[tuple[float, str]] = []
    build_pmtiles(
        shared_data / "map" / "monaco.osm.gz",
        tmp_path / "town.pmtiles",
        progress=lambda share, stage: seen.append((share, stage)),
    )
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {"reading", "assembling", "cutting zoom 15", "writing"} <= {stage for _, stage in seen}


def test_the_same_file_gives_the_same_map(monaco: MapInfo, shared_data: Path, tmp_path: Path) -> None:
    again = build_pmtiles(shared_data / "map" / "monaco.osm.gz", tmp_path / "town.pmtiles")
    assert again.path.read_bytes() == monaco.path.read_bytes()


def test_a_box_limits_the_map(shared_data: Path, tmp_path: Path) -> None:
    box = (7.418, 43.728, 7.426, 43.736)
    got = build_pmtiles(shared_data / "map" / "monaco.osm.gz", tmp_path / "town.pmtiles", bbox=box)
    assert got.bounds == pytest.approx(box)
    assert got.features["buildings"] < 600


# ── Files nobody should be able to hurt us with ──


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(shared_data: Path, tmp_path: Path, share: float) -> None:
    whole = (shared_data / "map" / "monaco.osm.gz").read_bytes()
    cut, out = tmp_path / "cut.osm.gz", tmp_path / "town.pmtiles"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(MapError, match="cut short"):
        build_pmtiles(cut, out)
    assert list(tmp_path.iterdir()) == [cut]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.osm", "", "damaged"),
        ("a.osm", "<osm version='0.6'><node", "damaged"),
        ("a.osm", "<html/>", "damaged"),
        ("a.osm", osm(), "nothing to draw"),
        ("a.osm", osm('<node id="1" lat="95" lon="0"/>'), "damaged|nothing"),
        ("a.osm", '<!DOCTYPE o [<!ENTITY a "b">]>' + osm("&a;"), "damaged"),
        ("a.osm.pbf", "not a protocol buffer", "damaged"),
        ("a.osm.gz", "not gzip", "does not unpack"),
        ("a.zip", "", "not an .osm"),
    ],
)
def test_what_is_no_map_data_is_refused(tmp_path: Path, name: str, content: str, why: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MapError, match=why):
        build_pmtiles(path, tmp_path / "town.pmtiles")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="no file"):
        build_pmtiles(tmp_path / "none.osm", tmp_path / "town.pmtiles")


def test_a_bomb_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.operations.map.osm.MAX_UNPACKED", 1 << 20)
    bomb = tmp_path / "bomb.osm.gz"
    bomb.write_bytes(gzip.compress(bytes(4 << 20)))
    with pytest.raises(MapError, match="unpacks to more"):
        build_pmtiles(bomb, tmp_path / "town.pmtiles")


def test_an_area_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.osm"
    path.write_text(town(), encoding="utf-8")
    with pytest.raises(MapError, match="too large"):
        build_pmtiles(path, tmp_path / "town.pmtiles", bbox=(-180, -80, 180, 80))


@pytest.mark.parametrize("bbox", [(1, 1, 0, 2), (0, 0, 0, 0), (float("nan"), 0, 1, 1), (0, -90, 1, 0)])
def test_impossible_limits_are_refused(tmp_path: Path, bbox: tuple[float, float, float, float]) -> None:
    path = tmp_path / "a.osm"
    path.write_text(town(), encoding="utf-8")
    with pytest.raises(MapError, match="limits"):
        build_pmtiles(path, tmp_path / "town.pmtiles", bbox=bbox)


def test_a_box_beside_the_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.osm"
    path.write_text(town(), encoding="utf-8")
    with pytest.raises(MapError, match="nothing to draw"):
        build_pmtiles(path, tmp_path / "town.pmtiles", bbox=(10, 10, 10.1, 10.1))


@settings(max_examples=max(20, FUZZ // 10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 7)), max_size=8), cut=st.floats(0, 1))
def test_damaged_bytes_give_a_map_or_a_map_error(tmp_path: Path, flips: list[tuple[int, int]], cut: float) -> None:
    raw = bytearray(town(43.7).encode())
    for at, bit in flips:
        raw[at % len(raw)] ^= 1 << bit
    path = tmp_path / "a.osm"
    path.write_bytes(raw if cut > 0.5 else raw[: int(len(raw) * 2 * cut)])
    try:
        build_pmtiles(path, tmp_path / "town.pmtiles")
    except MapError:
        assert not (tmp_path / "town.pmtiles.part").exists()


def test_a_coordinate_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.osm"
    path.write_text(town(43.7).replace('lat="43.7', 'lat="43/7', 1), encoding="utf-8")
    with pytest.raises(MapError, match="damaged"):
        build_pmtiles(path, tmp_path / "town.pmtiles")


@pytest.mark.parametrize("content", [b"", b"PMTiles\x03" + bytes(119), bytes(200), b"PMTiles\x02" + bytes(200)])
def test_a_foreign_pmtiles_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pmtiles"
    path.write_bytes(content)
    with pytest.raises(MapError, match="not a map"):
        describe(path)


# ── Rules ──


def test_classes_of_objects() -> None:
    assert of_way({"highway": "motorway_link"}).kind == "motorway"
    assert of_way({"highway": "proposed"}) is None
    assert of_way({"railway": "rail", "service": "yard"}).min_zoom == 14
    assert of_area({"building": "no", "leisure": "park"}).kind == "park"
    assert of_area({"natural": "water", "name": "Lac"}).layer == "water"
    assert of_node({"place": "town"}) is None  # a place without a name has no label
    assert of_node({"amenity": "police"}).kind == "police"


def test_labels_are_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "a.osm"
    path.write_text(town().replace('v="Rue"', f'v="Rue&#x202E; {"x" * 500}"'), encoding="utf-8")
    got = tiles(build_pmtiles(path, tmp_path / "town.pmtiles").path)
    names = {
        f["properties"].get("name") for tile in got.values() for f in tile.get("roads", {"features": []})["features"]
    }
    assert names == {"Rue " + "x" * 96}


def test_the_sea_lies_to_the_right_of_the_coast() -> None:
    box = (0.0, 0.0, 1.0, 1.0)
    northward = shapely.LineString([(0.4, -0.5), (0.4, 0.5), (0.4, 1.5)])
    assert sea(np.array([northward]), box)[0].equals(shapely.box(0.4, 0, 1, 1))
    assert sea(np.array([shapely.reverse(northward)]), box)[0].equals(shapely.box(0, 0, 0.4, 1))


def test_an_island_stands_in_the_sea_and_a_cut_coast_reaches_the_edge() -> None:
    box = (0.0, 0.0, 1.0, 1.0)
    coast = shapely.LineString([(0.2, 0.1), (0.2, 0.9)])  # cut short at both ends
    island = shapely.LineString([(0.5, 0.5), (0.6, 0.5), (0.6, 0.6), (0.5, 0.6), (0.5, 0.5)])  # land on its left
    water = shapely.union_all(sea(np.array([coast, island]), box))
    assert water.area == pytest.approx(0.8 - 0.01)
    assert not len(sea(np.array([], dtype=object), box))


# ── The style ──


@pytest.mark.parametrize("theme", ["day", "night", "red-night"])
def test_the_style_asks_for_nothing_from_outside(theme: str) -> None:
    got = style("/map/town.pmtiles", theme=theme, language="fr")
    assert got["version"] == 8
    assert "glyphs" not in got
    assert "sprite" not in got
    assert got["sources"]["town"]["url"] == "pmtiles:///map/town.pmtiles"
    assert got["sources"]["town"]["attribution"] == ATTRIBUTION
    drawn = [layer for layer in got["layers"] if layer["type"] != "background"]
    assert {layer["source-layer"] for layer in drawn} == set(LAYERS)
    assert len({layer["id"] for layer in got["layers"]}) == len(got["layers"])
    assert any(layer["id"] == "names-streets" and layer["type"] == "symbol" for layer in drawn)


def test_labels_stand_out_and_the_town_does_not() -> None:
    for theme, contrast in (("day", 5), ("night", 5), ("red-night", 3)):
        palette = building_palette(theme)
        assert ratio(palette["label"], palette["land"]) >= contrast
        assert ratio(palette["main_street"], palette["land"]) < 2


def building_palette(theme: str) -> dict[str, str]:
    from egide.operations.map.style import _PALETTES

    return _PALETTES[theme]


def ratio(one: str, other: str) -> float:
    """Contrast of two colours by WCAG 2."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(ValueError, match="no such theme"):
        style("/map/town.pmtiles", theme="sepia", language="fr")


def test_a_stretched_shape_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.operations.map.tiles.MAX_PIECES", 10)
    path = tmp_path / "a.osm"
    path.write_text(town(), encoding="utf-8")
    with pytest.raises(MapError, match="too many large shapes"):
        build_pmtiles(path, tmp_path / "town.pmtiles", bbox=(-0.2, -0.2, 0.2, 0.2))
    assert building.MAX_TILES > 10
