"""The zone out of a picture: read however the page is held, or else one word that helps; never read wrong in silence."""

from __future__ import annotations

import os
import socket
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from egide.border.document import band
from egide.border.document.alike import SURE, Candidate
from egide.border.document.zone import LEAST, MAX_BYTES, Reading, ZoneReader, _judged, _sets, _why, combined
from egide.kernel.errors import BadInput, TooLarge
from egide.protocols import mrz
from tests.border.document.drawn import encoded, page

CASES = settings(
    max_examples=int(os.environ.get("EGIDE_FUZZ", "50")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TODAY = date(2026, 11, 27)
TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")


@pytest.fixture(scope="module")
def reader() -> ZoneReader:
    return ZoneReader()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture is read, and the model loaded, without asking anybody."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        (TD3, {}),
        (TD3, {"tilt": -8, "noise": 10}),
        (TD3, {"blur": 1.4, "ground": 25}),
        (TD3, {"tilt": 24}),
        (TD3, {"glare": 45}),
        (TD2, {"scale": 0.7}),
        (TD1, {"tilt": 5}),
        (TD1, {"tilt": 180}),
    ],
    ids=lambda each: " ".join(f"{key} {value}" for key, value in each.items()) if isinstance(each, dict) else "",
)
def test_a_page_is_read_however_it_is_held(lines: tuple[str, ...], how: dict[str, Any], reader: ZoneReader) -> None:
    found = reader.read(page(lines, **how), TODAY)
    assert found.lines == lines
    assert found.mrz is not None
    assert (found.mrz.surname, found.mrz.birth) == ("ERIKSSON", "740812")


@pytest.mark.parametrize(
    ("how", "why"),
    [({"glare": 500}, {"glare"}), ({"torn": True}, {"unclear"}), ({"scale": 0.22}, {"closer", "not-found"})],
)
def test_a_page_that_cannot_be_read_says_what_would_help(
    how: dict[str, Any], why: set[str], reader: ZoneReader
) -> None:
    found = reader.read(page(TD3, **how), TODAY)
    assert found.mrz is None
    assert found.why in why


def test_a_picture_without_a_zone_is_told_so(reader: ZoneReader) -> None:
    assert reader.read(encoded(Image.new("L", (800, 600), 128)), TODAY).why == "not-found"
    noise = np.random.default_rng(1).integers(0, 255, (300, 400), dtype=np.uint8)
    assert reader.read(encoded(Image.fromarray(noise)), TODAY).mrz is None


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({}, "unclear"),
        ({"spread": 4.0}, "flat"),
        ({"slant": 16.0}, "flat"),
        ({"height": 12.0}, "closer"),
        ({"height": 12.0, "glare": 0.2}, "glare"),
    ],
)
def test_the_advice_is_what_is_most_wrong(held: dict[str, float], why: str) -> None:
    line = np.full((40, 900), 200, dtype=np.uint8)
    usual: dict[str, Any] = {"slant": 1.0, "spread": 0.5, "height": 30.0, "glare": 0.0}
    assert _why(band.Band(lines=(line, line), **(usual | held))) == why


def test_letters_too_small_to_be_told_apart_are_not_read(reader: ZoneReader) -> None:
    line = np.full((10, 300), 200, dtype=np.uint8)
    small = band.Band(lines=(line, line), slant=0.0, spread=0.0, height=LEAST - 1, glare=0.0)
    assert reader._read_band(small, TODAY) == Reading(mrz=None, why="closer")


def test_fillers_taken_for_letters_are_not_believed() -> None:
    """Every check digit holds: the first line of a passport has none."""
    assert _judged(TD3, TODAY).mrz is not None
    assert _judged((TD3[0].replace("<", "C").replace("PC", "P<", 1), TD3[1]), TODAY).mrz is None


def of_number(number: str) -> tuple[str, ...]:
    """The specimen's zone with this number, every check digit as it must be."""
    return mrz.render(msgspec.structs.replace(mrz.parse(TD3), number=number, optional=""))


def test_a_number_that_can_be_no_other_is_believed() -> None:
    found = _judged(of_number("ACEFHJ347"), TODAY)
    assert found.mrz is not None
    assert (found.mrz.number, found.others, found.why) == ("ACEFHJ347", (), "")


@pytest.mark.parametrize(
    ("number", "other"),
    [
        ("ACEFGJ347", "ACEF6J347"),  # G is 16: no weight tells it from 6
        ("ACEF6J347", "ACEFGJ347"),
        ("TI93J5TQZ5", "TI93JSTQ25"),  # 5 for S and Z for 2 make up for one another
        ("0MPZ0M75W", "OMPZOM75W"),  # and so do two O taken for 0
    ],
)
def test_a_number_that_may_as_well_be_another_is_for_the_chip_or_an_officer(number: str, other: str) -> None:
    found = _judged(of_number(number[:9]), TODAY)
    assert found.mrz is not None  # a chip is asked with it first
    assert found.mrz.number == number[:9]
    assert found.why == "unclear"
    assert other[:9] in {each.number for each in found.others} | {
        mrz.parse(each.lines).number for each in found.candidates
    }


def test_a_number_that_the_letters_themselves_settle_is_believed(reader: ZoneReader) -> None:
    """G as 6, L as 1, O as 0: what no check digit sees, the page shows."""
    zone = of_number("L8GCEF347")
    found = reader.read(page(zone), TODAY)
    assert found.lines == zone
    assert (found.why, len(found.candidates) > 1) == ("", True)


def read(lines: tuple[str, ...], *others: tuple[str, ...], weight: float = 0.0) -> Reading:
    """What was read, what it may be too, and by how much that is less likely."""
    found = (Candidate(lines, (0.0,) * 9), *(Candidate(each, (-weight, *(0.0,) * 8)) for each in others))
    return Reading(mrz=mrz.parse(lines), lines=lines, candidates=found, why="" if weight >= SURE else "unclear")


def test_several_pictures_of_one_page_settle_what_one_does_not() -> None:
    one, two, three = of_number("ACEFGJ347"), of_number("ACEF6J347"), of_number("GCEFGJ347")
    found = combined([read(one, two, weight=1.0), Reading(mrz=None, why="glare"), read(one, three, weight=1.0)])
    assert (found.lines, found.why, found.others) == (one, "", ())  # each leaves open what the other does not
    still = combined([read(one, two, weight=1.0), read(one, two, weight=2.0)])
    assert (still.lines, still.why, [each.number for each in still.others]) == (one, "unclear", ["ACEF6J347"])


def test_a_page_that_was_exchanged_is_not_put_together_with_the_one_before() -> None:
    one, two = of_number("ACEFGJ347"), of_number("TI93J5TQZ")
    assert combined([read(one), read(two)]).lines == two
    assert combined([Reading(mrz=None, why="flat"), Reading(mrz=None, why="glare")]).why == "glare"
    assert combined([read(one, weight=9.0), Reading(mrz=None, why="glare")]).lines == one


def test_a_row_too_many_is_left_out() -> None:
    assert TD3 in set(_sets([["UTOPIA<<PASSPORT<<<<<<<<<<<<<<<<<<"], [TD3[0]], [TD3[1]]]))


def test_too_many_bytes_or_pixels_are_not_looked_at(reader: ZoneReader) -> None:
    with pytest.raises(TooLarge):
        reader.read(bytes(MAX_BYTES + 1), TODAY)
    with pytest.raises(TooLarge):
        reader.read(encoded(Image.new("1", (5000, 4000)), "PNG"), TODAY)


@CASES
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a"]),
)
def test_anything_is_refused_as_no_picture(data: bytes, magic: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        ZoneReader().read(magic + data, TODAY)
    assert caught.value.what.fr


@CASES
@given(st.integers(8, 200), st.integers(8, 200), st.integers(0, 2**32))
def test_any_picture_has_a_zone_or_none(width: int, height: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 255, (height, width), dtype=np.uint8)
    found = band.find(picture)
    assert found is None or 2 <= len(found.lines) <= 3
