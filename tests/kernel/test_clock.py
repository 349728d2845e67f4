"""The one source of time: it moves for tests, and a step back is seen."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from egide.kernel.clock import FIRST_S, LAST_S, TOLERATED_STEP_BACK_US, Clock, from_us, iso, to_us
from egide.kernel.errors import Unavailable


def test_it_tells_the_machines_time() -> None:
    assert abs(Clock().now_us() - time.time_ns() // 1000) < 1_000_000
    assert Clock().now().tzinfo is UTC


def test_it_moves() -> None:
    clock = Clock()
    before = clock.now_us()
    clock.shift(timedelta(days=7))
    assert abs(clock.now_us() - before - 7 * 86_400_000_000) < 1_000_000


def test_a_small_step_back_is_held_and_a_large_one_said() -> None:
    clock = Clock()
    before = clock.now_us()
    clock.shift(timedelta(seconds=-1))
    assert clock.now_us() == before, "never earlier than what was stamped already"
    clock.shift(timedelta(seconds=-10))
    with pytest.raises(Unavailable) as caught:
        clock.now_us()
    assert "recul" in caught.value.what.fr
    assert caught.value.do is not None
    clock.shift(timedelta(seconds=11))
    assert clock.now_us() >= before


def test_what_was_recorded_is_remembered() -> None:
    clock = Clock()
    clock.remember(time.time_ns() // 1000 + TOLERATED_STEP_BACK_US + 5_000_000)
    with pytest.raises(Unavailable):
        clock.now_us()
    fresh = Clock()
    fresh.remember(0)
    fresh.now_us()


@given(st.integers(0, 7_258_118_400_000_000))
def test_microseconds_there_and_back(value: int) -> None:
    moment = from_us(value)
    assert abs(to_us(moment) - value) <= 1
    assert abs(from_us(to_us(moment)) - moment) <= timedelta(microseconds=1)


def test_how_it_is_written() -> None:
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert iso(to_us(datetime(2026, 11, 23, 22, 49, 38, 999_999, UTC))) == "2026-11-23T22:49:38Z"


@given(st.integers(min_value=-(2**80), max_value=2**80) | st.integers(2**53 - 2_000_000, 2**53 + 2_000_000))
@example(253_402_300_799_999_999)  # the last microsecond of year 9999: as a float it is year 10000
@example((2**63 - 1) * 1_000_000)  # the latest that a witness may sign (C2SP tlog-cosignature)
@example((2**64 - 1) * 1_000_000)  # the latest that a block may carry
@example(-62_000_000_000_000_000)
def test_any_time_that_another_party_may_sign_is_told(value: int) -> None:
    told = datetime.fromisoformat(iso(value))
    second = value // 1_000_000
    exact = (told - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert exact == min(max(second, FIRST_S), LAST_S)
    assert len(iso(value)) == len("2026-11-23T22:49:38Z")
