"""The positions' bytes: there and back, and bytes nobody would send in good faith."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import positions as wire
from egide.protocols.positions import FIXES, NAMES, VIEW, Fix, WireError

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "300")), deadline=None)
LAT, LON = st.floats(-90, 90), st.floats(-180, 180)
FIX = st.builds(Fix, LAT, LON, st.floats(0, 359.99), st.floats(0, 6000), st.integers(0, 1 << 52))


@FUZZ
@given(st.lists(FIX, min_size=1, max_size=wire.MAX_FIXES))
def test_fixes_there_and_back(given_: list[Fix]) -> None:
    read = wire.read_fixes(wire.write_fixes(given_))
    assert len(read) == len(given_)
    for sent, came in zip(given_, read, strict=True):
        assert abs(sent.lat - came.lat) <= 1e-7
        assert abs(sent.lon - came.lon) <= 1e-7
        assert abs(sent.accuracy - came.accuracy) <= 0.06
        assert sent.at_ms == came.at_ms
        assert min(abs(sent.heading - came.heading), 360 - abs(sent.heading - came.heading)) < 0.011


@FUZZ
@given(LAT, LAT, LON, LON)
def test_a_view_there_and_back(a: float, b: float, west: float, east: float) -> None:
    view = wire.view_of(min(a, b), west, max(a, b), east)
    assert wire.read_view(wire.write_view(view)) == view


@FUZZ
@given(st.binary(max_size=400), st.sampled_from((FIXES, VIEW, NAMES)))
def test_any_bytes_are_read_or_refused(data: bytes, kind: int) -> None:
    read = {FIXES: wire.read_fixes, VIEW: wire.read_view, NAMES: wire.read_names}[kind]
    for each in (data, bytes((kind, 0, 0, 0)) + data):
        try:
            found = read(each)
        except WireError:
            continue
        if kind == FIXES:
            assert all(wire.on_earth(fix.lat, fix.lon) for fix in found)


def test_what_is_too_much_is_refused() -> None:
    one = Fix(1, 2, 3, 4, 5)
    with pytest.raises(WireError):
        wire.read_fixes(wire.write_fixes([one] * (wire.MAX_FIXES + 1)))
    with pytest.raises(WireError):
        wire.read_fixes(wire.write_fixes([]))
    with pytest.raises(WireError):
        wire.read_names(wire.write_names(range(wire.MAX_NAMES + 1)))
    assert wire.read_names(wire.write_names((1, 2))) == (1, 2)


@pytest.mark.parametrize("view", [(1, 0, 0, 1), (-91, 0, 0, 1), (0, 0, 91, 1), (0, 0, 1, 181), (float("nan"), 0, 1, 1)])
def test_no_view(view: tuple[float, float, float, float]) -> None:
    with pytest.raises(WireError):
        wire.view_of(*view)
