"""The product of matrices counts what a loop over all pairs would, each pair once, and is quick."""

from __future__ import annotations

import time

import numpy as np
import pytest

from egide.border.evaluate import comparisons
from egide.border.evaluate.comparisons import STEPS, compared
from egide.border.evaluate.rates import curve, fmr, fnmr, threshold_at, wilson


def a_set(people: int, pictures: int, noise: float = 0.09, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), pictures)
    numbers = draw.normal(size=(people, 128))[who] + noise * 11 * draw.normal(size=(len(who), 128))
    return (numbers / np.linalg.norm(numbers, axis=1, keepdims=True)).astype(np.float32), who


def by_hand(numbers: np.ndarray, who: np.ndarray) -> tuple[list[float], list[float]]:
    genuine, impostor = [], []
    for a in range(len(who)):
        for b in range(a + 1, len(who)):
            (genuine if who[a] == who[b] else impostor).append(float(numbers[a] @ numbers[b]))
    return genuine, impostor


def test_every_pair_is_compared_once(monkeypatch):
    monkeypatch.setattr(comparisons, "BLOCK", 7)
    numbers, who = a_set(12, 4)
    genuine, impostor = by_hand(numbers, who)
    made = compared(numbers, who, 12, None, 1)
    assert np.sort(made.genuine) == pytest.approx(np.sort(genuine), abs=1e-6)
    assert made.counted().sum() == len(impostor) == made.impostor_weight(np.ones(12))
    threshold = 0.1
    assert made.false_matches(threshold).scores.size == sum(score >= threshold for score in impostor)


def test_a_threshold_keeps_what_was_asked_and_no_lower_one_would():
    numbers, who = a_set(30, 3)
    made = compared(numbers, who, 30, None, 1)
    counts = made.counted()
    scores = np.array(by_hand(numbers, who)[1])
    for target in (1e-1, 1e-2, 1e-3):
        threshold = threshold_at(counts, target)
        assert (scores >= threshold).mean() <= target < (scores >= threshold - 2 / STEPS).mean() + 1 / len(scores)
    assert threshold_at(counts, 1e-5) is None  # 3,915 comparisons cannot say
    found = made.false_matches(threshold_at(counts, 1e-1))
    rate = fmr(made, found, threshold_at(counts, 1e-2))
    assert rate.value == pytest.approx(0.01, rel=0.1)
    assert rate.low < rate.value < rate.high


def test_a_probe_of_three_frames_is_their_mean_and_never_holds_its_own_reference():
    numbers, who = a_set(10, 5)
    short = np.flatnonzero(~((who == 3) & (np.arange(len(who)) % 5 > 1)))  # the fourth person has two pictures only
    numbers, who = numbers[short], who[short]
    made = compared(numbers, who, 10, None, 3)
    assert made.genuine.size == 9 * 4
    own = np.flatnonzero(who == 0)[:4]
    mean = numbers[own[1:]].mean(axis=0)
    assert made.genuine[0] == pytest.approx(float(mean / np.linalg.norm(mean) @ numbers[own[0]]), abs=1e-6)
    assert made.counted().sum() == sum(4 * (len(who) - 5) for _ in range(9)) == made.impostor_weight(np.ones(10))
    single = compared(numbers, who, 10, None, 1)
    assert made.genuine.mean() > single.genuine.mean() + 0.05


def test_people_with_too_few_pictures_for_a_probe_are_no_comparisons():
    numbers, who = a_set(5, 3)
    made = compared(numbers, who, 5, None, 3)
    assert (made.genuine.size, made.counted().sum(), made.false_matches(0.4).scores.size) == (0, 0, 0)
    assert fmr(made, made.false_matches(0.4), 0.4) is None


def test_listed_pairs_alone_are_compared():
    numbers, who = a_set(4, 3)
    pairs = np.array([(0, 1), (0, 3), (5, 9), (6, 7)])
    made = compared(numbers, who, 4, pairs, 1)
    assert made.genuine == pytest.approx([float(numbers[0] @ numbers[1]), float(numbers[6] @ numbers[7])], abs=1e-6)
    assert made.counted().sum() == 2 == made.impostor_weight(np.ones(4))


def test_intervals_follow_people_not_comparisons():
    """One person of twenty who is never recognised: every resampling has them a few times or not at all."""
    numbers, who = a_set(20, 6, noise=0.02)
    numbers[who == 4] = a_set(6, 1, seed=99)[0]
    made = compared(numbers, who, 20, None, 1)
    rate = fnmr(made, 0.5)
    assert rate.value == pytest.approx(1 / 20, abs=0.005)
    naive = wilson(rate.errors, rate.of)
    assert (rate.high - rate.low) > 2 * (naive.high - naive.low)
    members = np.arange(20) != 4
    assert fnmr(made, 0.5, members).value == 0.0
    assert fnmr(made, 0.5, ~members).value == 1.0
    assert fnmr(made, 0.5, np.zeros(20, dtype=bool)) is None


def test_no_error_seen_is_not_no_error():
    numbers, who = a_set(20, 3, noise=0.01)
    made = compared(numbers, who, 20, None, 1)
    rate = fmr(made, made.false_matches(0.9), 0.9)
    assert (rate.errors, rate.value) == (0, 0.0)
    assert rate.high == pytest.approx(3 / rate.of)
    assert not rate.enough


def test_wilsons_interval_is_the_published_one():
    """Brown, Cai and DasGupta, 2001: 1 of 10 gives 0.018 to 0.404."""
    rate = wilson(1, 10)
    assert (rate.low, rate.high) == (pytest.approx(0.0179, abs=1e-3), pytest.approx(0.4042, abs=1e-3))
    assert wilson(0, 0) is None


def test_the_curve_falls():
    numbers, who = a_set(40, 3)
    made = compared(numbers, who, 40, None, 1)
    points = curve(made, made.counted())
    thresholds, false, missed = map(np.array, zip(*points, strict=True))
    assert (np.diff(thresholds) > 0).all()
    assert (np.diff(false) <= 0).all()
    assert (np.diff(missed) >= 0).all()
    assert false[0] > 0.9
    assert curve(compared(numbers[:1], who[:1], 1, None, 1), np.zeros(STEPS, dtype=int)) == []


def test_three_hundred_thousand_impostors_take_no_time():
    numbers, who = a_set(400, 2)
    begin = time.process_time()
    made = compared(numbers, who, 400, None, 1)
    counts = made.counted()
    found = made.false_matches(threshold_at(counts, 1e-2))
    assert fmr(made, found, threshold_at(counts, 1e-3)) is not None
    assert counts.sum() > 300_000
    assert time.process_time() - begin < 5  # s; a minute is the promise
