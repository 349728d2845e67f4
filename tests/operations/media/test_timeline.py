"""The clock that never steps back."""

import os
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.media.timeline import Timeline, Unwrapper

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))


def test_the_33_bit_clock_goes_on_over_its_wrap():
    unwrap = Unwrapper()
    near = (1 << 33) - 3600
    steps = [unwrap((near + 3600 * n) % (1 << 33)) for n in range(4)]
    assert [b - a for a, b in pairwise(steps)] == [40_000] * 3


def test_it_starts_at_zero_and_follows_the_stream():
    line = Timeline()
    assert [line.video(5_000_000 + n * 40_000, None, n)[0] for n in range(3)] == [0, 40_000, 80_000]
    assert line.other(5_060_000) == 60_000


def test_a_jump_costs_the_time_that_passed():
    line = Timeline()
    line.video(900_000_000, None, 0)
    line.video(900_040_000, None, 40_000)
    assert line.video(1_000, None, 2_040_000)[0] == 40_000 + 2_000_000
    assert line.video(41_000, None, 2_080_000)[0] == 2_080_000
    assert line.jumps == 1


def test_a_loop_goes_on_by_one_picture():
    line = Timeline()
    for stamp in (0, 40_000, 80_000):
        line.video(stamp, None, stamp)
    assert line.video(0, None, 80_100)[0] == 120_000


def test_presentation_is_never_before_decoding():
    line = Timeline()
    assert line.video(0, 80_000, 0) == (0, 80_000)
    assert line.video(40_000, 10_000, 40_000) == (40_000, 40_000)


@settings(max_examples=FUZZ, deadline=None)
@given(st.lists(st.tuples(st.none() | st.integers(0, 2**40), st.none() | st.integers(0, 2**40)), max_size=50))
def test_it_never_steps_back_whatever_the_stamps(stamps):
    line = Timeline()
    last = 0
    for number, (dts, pts) in enumerate(stamps):
        out, shown = line.video(dts, pts, number * 1000)
        assert out >= last
        assert shown >= out
        assert line.other(pts) >= 0
        last = out
