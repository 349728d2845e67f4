"""Which fixes are believed: clocks that are ahead, jumps, a first fix that was the wrong one; an aircraft's telemetry too."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.fixes import AHEAD_MS, AIR_M_S, EARLY, FUTURE, GROUND_M_S, JUMP, NOWHERE, TOLERANCE_M, Plausible
from egide.protocols.geodesics import distance, offset
from egide.protocols.positions import Fix

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "200")), deadline=None)
NOW = 1_800_000_000_000
HERE = (48.85, 2.35)


def fix(place: tuple[float, float], at_ms: int = NOW) -> Fix:
    return Fix(*place, 0.0, 5.0, at_ms)


def test_what_is_refused_and_why() -> None:
    source = Plausible()
    assert source.refuses(fix((91, 0)), NOW) is NOWHERE
    assert source.refuses(fix(HERE, NOW + AHEAD_MS + 1), NOW) is FUTURE
    assert source.refuses(fix(HERE, NOW - 1), NOW, since_ms=NOW) is EARLY
    assert source.refuses(fix(HERE, NOW + AHEAD_MS), NOW) is None
    assert source.refuses(fix((57.85, 2.35), NOW + 1000), NOW) is JUMP, "a thousand kilometres in a second"


def test_a_wrong_first_fix_is_overruled_by_two_that_agree() -> None:
    source = Plausible()
    far, near = tuple(offset(HERE, 0, 1_000_000)), tuple(offset(HERE, 0, 50))
    assert source.refuses(fix(far), NOW) is None
    assert source.refuses(fix(HERE, NOW + 1000), NOW + 1000) is JUMP
    assert source.refuses(fix(near, NOW + 2000), NOW + 2000) is None
    assert source.refuses(fix(far, NOW + 3000), NOW + 3000) is JUMP


@FUZZ
@given(st.floats(0, 360), st.floats(0, 3_000_000), st.integers(0, 3_600_000), st.sampled_from((GROUND_M_S, AIR_M_S)))
def test_a_jump_is_what_nobody_can_have_gone(way: float, metres: float, ms: int, fastest: float) -> None:
    source = Plausible(fastest)
    there = offset(HERE, way, metres)
    assert source.refuses(fix(HERE), NOW + ms) is None
    refused = source.refuses(fix(tuple(there), NOW + ms), NOW + ms)
    assert (refused is JUMP) == (distance(HERE, there) > TOLERANCE_M + fastest * ms / 1000)


def test_trying_changes_nothing() -> None:
    source = Plausible()
    source.refuses(fix(HERE), NOW)
    trial = source.copy()
    assert trial.refuses(fix(tuple(offset(HERE, 0, 10)), NOW + 1000), NOW + 1000) is None
    assert source.last == fix(HERE)


@pytest.mark.parametrize("lat", [float("nan"), float("inf"), -90.001])
def test_no_number_is_nowhere(lat: float) -> None:
    assert Plausible().refuses(fix((lat, 0.0)), NOW) is NOWHERE
