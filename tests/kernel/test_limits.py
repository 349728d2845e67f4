"""Token buckets: nobody can keep the door busy alone, and remembering them costs bounded memory."""

from __future__ import annotations

import pytest

from egide.kernel import limits
from egide.kernel.limits import HELD, Buckets


class Watch:
    """A clock one turns by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(limits, "monotonic", made)
    return made


def test_twice_the_rate_at_once_then_the_rate(watch: Watch) -> None:
    buckets = Buckets(10)
    assert [buckets.take("a") for _ in range(21)] == [True] * 20 + [False]
    watch.now += 0.5
    assert [buckets.take("a") for _ in range(6)] == [True] * 5 + [False]
    watch.now += 3600
    assert [buckets.take("a") for _ in range(21)] == [True] * 20 + [False], "a night’s sleep saves no tokens"


def test_each_has_their_own(watch: Watch) -> None:
    buckets = Buckets(1)
    assert [buckets.take("a") for _ in range(3)] == [True, True, False]
    assert buckets.take("b")


def test_asking_in_vain_costs_nothing_more(watch: Watch) -> None:
    buckets = Buckets(1)
    for _ in range(100):
        buckets.take("a")
    watch.now += 1.0
    assert buckets.take("a")


def test_memory_is_bounded(watch: Watch) -> None:
    buckets = Buckets(1)
    for number in range(HELD + 100):
        assert buckets.take(str(number))
    assert len(buckets._held) == HELD


def test_who_asks_without_end_is_not_forgotten_for_others(watch: Watch) -> None:
    """An empty bucket stays empty however many others come meanwhile: else a crowd of names would refill it."""
    buckets = Buckets(0.001)
    while buckets.take("flood"):
        pass
    for number in range(HELD + 10):
        buckets.take(str(number))
        assert not buckets.take("flood")
