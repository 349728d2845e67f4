"""Which places are believed: clocks that are ahead, jumps, a first place that was the wrong one; of every kind of sender."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.plausible import AIRCRAFT, METRES_A_DEGREE, OFFICER, TAK, Limits, Plausible
from egide.protocols.geodesics import distance, offset

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "200")), deadline=None)
NOW = 1_800_000_000_000_000  # µs
SECOND = 1_000_000  # µs
HERE = (48.85, 2.35)
EVERY = pytest.mark.parametrize("limits", [OFFICER, AIRCRAFT, TAK])
FAR = (57.85, 2.35)  # a thousand kilometres north


@EVERY
def test_what_is_refused_and_counted(limits: Limits) -> None:
    source = Plausible(limits)
    assert source.judge(*HERE, NOW, NOW) is None
    assert source.judge(91.0, 2.35, NOW) == "off-earth"
    assert source.judge(0.0, 0.0, NOW) == "off-earth"
    assert source.judge(*HERE, NOW, NOW + limits.ahead_us + 1) == "future"
    assert source.judge(*HERE, NOW, NOW - 1, since_us=NOW) == "early"
    assert source.judge(*HERE, NOW, NOW + limits.ahead_us) is None
    assert source.judge(*FAR, NOW + SECOND) == "jump", "a thousand kilometres in a second"
    assert source.judge(*offset(HERE, 0, 50), NOW + 2 * SECOND) is None, "the old track goes on"
    assert dict(source.refused) == {"off-earth": 2, "future": 1, "early": 1, "jump": 1}


@EVERY
@pytest.mark.parametrize("lat", [float("nan"), float("inf"), -90.001])
def test_no_number_is_nowhere(limits: Limits, lat: float) -> None:
    assert Plausible(limits).judge(lat, 24.94, NOW) == "off-earth"


@EVERY
def test_a_wrong_first_place_is_overruled_by_those_that_agree(limits: Limits) -> None:
    source = Plausible(limits)
    source.judge(*FAR, NOW, NOW)
    said = [
        source.judge(*offset(HERE, 0, 20 * n), NOW + n * SECOND, NOW + n * SECOND)
        for n in range(1, limits.agreeing + 2)
    ]
    assert said == ["jump"] * (limits.agreeing - 1) + [None, None]
    assert source.judge(*FAR, NOW + 20 * SECOND, NOW + 20 * SECOND) == "jump"


@EVERY
def test_wandering_jumps_are_never_believed(limits: Limits) -> None:
    source = Plausible(limits)
    source.judge(60.17, 24.94, NOW)
    assert all(source.judge(-60.0 + 7 * (n % 5), 10.0 * n % 180, NOW + n * 200_000) == "jump" for n in range(1, 40))


@FUZZ
@given(
    st.sampled_from((OFFICER, AIRCRAFT, TAK)), st.floats(-89, 89), st.floats(0, 360), st.floats(0, 3_000_000),
    st.integers(0, 3_600_000),
)  # fmt: skip
def test_a_jump_is_what_nobody_can_have_gone(limits: Limits, lat: float, way: float, metres: float, ms: int) -> None:
    source, here, now = Plausible(limits), (lat, 2.35), NOW + ms * 1000
    there = offset(here, way, metres)
    assert source.judge(*here, NOW, NOW) is None
    assert (source.judge(*there, now, now) == "jump") == (
        distance(here, there) > limits.slack + limits.fastest * ms / 1000
    )


@FUZZ
@given(st.floats(-89, 89), st.floats(0, 360), st.floats(0, 100_000))
def test_the_cheap_look_never_takes_a_way_for_shorter_than_it_is(lat: float, way: float, metres: float) -> None:
    here = (lat, 0.0)
    there = offset(here, way, metres)
    assert (abs(there.lat - lat) + abs(there.lon)) * METRES_A_DEGREE >= distance(here, there) - 1e-6


def test_fixes_that_come_in_batches_are_measured_by_their_own_clock() -> None:
    officer, aircraft = Plausible(OFFICER), Plausible(AIRCRAFT)
    ten_km_on = offset(HERE, 0, 10_000)
    assert officer.judge(*HERE, NOW, NOW - 300 * SECOND) is None
    assert officer.judge(*ten_km_on, NOW, NOW) is None, "five minutes by car"
    assert aircraft.judge(*HERE, NOW, NOW - 300 * SECOND) is None
    assert aircraft.judge(*ten_km_on, NOW, NOW) == "jump", "what is said of the time is not believed beyond that"


def test_over_the_date_line_it_is_a_step() -> None:
    source = Plausible(TAK)
    assert source.judge(0.1, 179.999, NOW) is None
    assert source.judge(0.1, -179.999, NOW + SECOND) is None


def test_trying_changes_nothing() -> None:
    source = Plausible(OFFICER)
    source.judge(*HERE, NOW, NOW)
    trial = source.copy()
    on = offset(HERE, 0, 1000)
    assert trial.judge(*on, NOW + 10 * SECOND, NOW + 10 * SECOND) is None
    assert source.judge(*on, NOW, NOW) == "jump", "it has not moved"


def test_a_doubt_from_elsewhere_counts_as_the_first() -> None:
    source = Plausible(OFFICER)
    source.judge(*HERE, NOW, NOW)
    source.doubt(*FAR, NOW + SECOND)
    assert source.judge(*FAR, NOW + 2 * SECOND, NOW + 2 * SECOND) is None
