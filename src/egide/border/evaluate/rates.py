"""Rates and how sure they are.

Comparisons of one person hang together, so intervals of FMR and FNMR come from resampling **people** (bootstrap over subjects,
both sides of a pair; 95 %, percentiles), never from counting comparisons as if each stood alone. What is one event a picture or a
presentation (failure to acquire, APCER, BPCER) has Wilson's interval. A rate from fewer than 30 errors says so (`enough`;
Doddington's rule of 30, ISO/IEC 19795-1), and where none was seen the upper end is 3 in n (rule of three).
"""

from __future__ import annotations

from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from egide.border.evaluate.comparisons import STEPS, Comparisons, Counts, FalseMatches

Z = 1.96  # of the normal distribution, for 95 %
RESAMPLES = 400
SEED = 19795  # the same set gives the same report
ENOUGH = 30  # errors


class Rate(msgspec.Struct, frozen=True):
    """A share with its 95 % interval: `errors` of `of`."""

    value: float
    low: float
    high: float
    errors: int
    of: int

    @property
    def enough(self) -> bool:
        """Whether there were errors enough to believe the value."""
        return self.errors >= ENOUGH


def wilson(errors: int, of: int) -> Rate | None:
    """The share and Wilson's interval (E. B. Wilson, 1927); None where nothing was tried."""
    if of == 0:
        return None
    share, square = errors / of, Z * Z / of
    middle = (share + square / 2) / (1 + square)
    half = Z * sqrt(share * (1 - share) / of + square / (4 * of)) / (1 + square)
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half), errors, of)


def threshold_at(counts: Counts, fmr: float) -> float | None:
    """The least threshold at which no greater share of impostor scores matches; None where the set is too small to say."""
    total = int(counts.sum())
    if total * fmr < 1:
        return None
    above = np.cumsum(counts[::-1])[::-1]  # scores in this step or a higher one
    fitting = np.flatnonzero(above <= total * fmr)
    return float(fitting[0]) / (STEPS / 2) - 1 if fitting.size else 1.0


def fnmr(compared: Comparisons, threshold: float, members: NDArray[np.bool_] | None = None) -> Rate | None:
    """The share of genuine comparisons below the threshold, of some subjects or all; None where there are none."""
    missed = np.bincount(compared.genuine_of, weights=compared.genuine < threshold, minlength=compared.subjects)
    tried = np.bincount(compared.genuine_of, minlength=compared.subjects)
    chosen = np.flatnonzero((tried > 0) if members is None else (tried > 0) & members)
    if chosen.size == 0:
        return None
    missed, tried = missed[chosen], tried[chosen]
    draw = np.random.default_rng(SEED)
    values = []
    for _ in range(RESAMPLES):
        weights = np.bincount(draw.integers(0, chosen.size, chosen.size), minlength=chosen.size)
        values.append(float(weights @ missed) / float(weights @ tried))
    return _rate(int(missed.sum()), int(tried.sum()), values)


def fmr(
    compared: Comparisons, found: FalseMatches, threshold: float, members: NDArray[np.bool_] | None = None
) -> Rate | None:
    """The share of impostor comparisons from the threshold on, among some subjects or all; None where there are none.

    `found`: the false matches from this threshold or a lower one on.
    """
    chosen = np.ones(compared.subjects, dtype=bool) if members is None else members
    total = round(compared.impostor_weight(chosen.astype(np.float64)))
    if total == 0:
        return None
    counted = (found.scores >= threshold) & chosen[found.probes_of] & chosen[found.references_of]
    probes, references = found.probes_of[counted], found.references_of[counted]
    numbers = np.flatnonzero(chosen)
    draw = np.random.default_rng(SEED)
    values = []
    for _ in range(RESAMPLES):
        drawn = numbers[draw.integers(0, numbers.size, numbers.size)]
        weights = np.bincount(drawn, minlength=compared.subjects).astype(np.float64)
        weight = compared.impostor_weight(weights)
        if weight > 0:
            values.append(float(weights[probes] @ weights[references]) / weight)
    return _rate(len(probes), total, values)


def _rate(errors: int, of: int, values: list[float]) -> Rate:
    low, high = np.percentile(values, (2.5, 97.5)) if values else (0.0, 1.0)
    if errors == 0:
        high = min(1.0, 3 / of)
    return Rate(errors / of, float(low), float(high), errors, of)


def curve(compared: Comparisons, counts: Counts, points: int = 200) -> list[tuple[float, float, float]]:
    """(threshold, FMR, FNMR) for the curves: FMR falls evenly on a logarithmic scale from 1 to one comparison."""
    total = int(counts.sum())
    if total == 0 or compared.genuine.size == 0:
        return []
    above = np.cumsum(counts[::-1])[::-1] / total
    genuine = np.sort(compared.genuine)
    targets = np.logspace(0, -np.log10(total), points)
    at = sorted({int(np.argmax(above <= target)) for target in targets if (above <= target).any()})
    edges = np.array(at) / (STEPS / 2) - 1
    missed = np.searchsorted(genuine, edges) / genuine.size
    return [(float(edge), float(above[step]), float(miss)) for edge, step, miss in zip(edges, at, missed, strict=True)]
