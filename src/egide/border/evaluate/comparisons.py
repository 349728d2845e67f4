"""All comparisons of a set: one product of matrices, block by block, so that 30 million take seconds and no memory to speak of.

Genuine scores are kept one by one. Impostor scores are counted in 20,000 steps of 0.0001: the rates are exact at each step.
With `frames` above 1 a probe is the mean of so many pictures of a person and the reference one more picture of theirs, each of
the first `frames` + 1 in turn (people with fewer pictures serve as references of others only).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

STEPS = 20_000  # from -1 to 1
BLOCK = 512  # rows at once: 16 MB beside 8,000 pictures

Numbers = NDArray[np.float32]
Counts = NDArray[np.int64]


class FalseMatches(msgspec.Struct, frozen=True):
    """Impostor scores from some threshold on."""

    scores: NDArray[np.float32]
    probes_of: Counts
    references_of: Counts


class Comparisons(msgspec.Struct, frozen=True):
    """What is compared with what. Rows of `probes` and `references` are embeddings; the subjects say whose."""

    probes: Numbers  # m×128
    probes_of: Counts
    references: Numbers  # n×128
    references_of: Counts
    genuine: NDArray[np.float32]  # scores
    genuine_of: Counts  # whose
    subjects: int
    pairs: Counts | None  # k×2, rows of probes and references; None: all, each once
    symmetric: bool  # probes and references are the same rows

    def impostors(self) -> Iterator[tuple[NDArray[np.float32], Counts, Counts]]:
        """Scores, and whose probe and whose reference, block by block."""
        if self.pairs is not None:
            left, right = self.pairs.T
            strangers = self.probes_of[left] != self.references_of[right]
            left, right = left[strangers], right[strangers]
            scores = np.einsum("ij,ij->i", self.probes[left], self.references[right])
            yield scores, self.probes_of[left], self.references_of[right]
            return
        for start in range(0, len(self.probes), BLOCK):
            of = self.probes_of[start : start + BLOCK]
            scores = self.probes[start : start + BLOCK] @ self.references.T
            wanted = of[:, None] != self.references_of[None, :]
            if self.symmetric:  # each pair once
                wanted &= np.arange(len(self.references))[None, :] > np.arange(start, start + len(of))[:, None]
            rows, columns = np.nonzero(wanted)
            yield scores[rows, columns], of[rows], self.references_of[columns]

    def counted(self) -> Counts:
        """How many impostor scores lie in each of the `STEPS`."""
        total = np.zeros(STEPS, dtype=np.int64)
        for scores, _, _ in self.impostors():
            total += np.bincount(step(scores), minlength=STEPS)
        return total

    def false_matches(self, threshold: float) -> FalseMatches:
        """The impostor scores from the threshold on, with whose probe was taken for whose reference."""
        none = np.zeros(0, dtype=np.int64)  # a set in which nobody has pictures enough has no block
        scores, probes, references = zip(
            (none.astype(np.float32), none, none),
            *((score[at], a[at], b[at]) for score, a, b in self.impostors() for at in [score >= threshold]), strict=True,
        )  # fmt: skip
        return FalseMatches(np.concatenate(scores), np.concatenate(probes), np.concatenate(references))

    def impostor_weight(self, weights: NDArray[np.float64]) -> float:
        """How many impostor comparisons there are when each subject counts so many times."""
        if self.pairs is not None:
            left, right = self.probes_of[self.pairs[:, 0]], self.references_of[self.pairs[:, 1]]
            return float((weights[left] * weights[right])[left != right].sum())
        probes = weights * np.bincount(self.probes_of, minlength=self.subjects)
        references = weights * np.bincount(self.references_of, minlength=self.subjects)
        total = float(probes.sum() * references.sum() - (probes * references).sum())
        return total / 2 if self.symmetric else total


def step(scores: NDArray[np.float32]) -> Counts:
    """The step of each score."""
    return np.clip((scores.astype(np.float64) + 1) * (STEPS / 2), 0, STEPS - 1).astype(np.int64)


def compared(numbers: Numbers, subjects: Counts, people: int, pairs: Counts | None, frames: int) -> Comparisons:
    """The comparisons of a set: `numbers` n×128 of length 1, whose each is, which pairs (rows), how many frames to a probe."""
    if pairs is not None:
        same = pairs[subjects[pairs[:, 0]] == subjects[pairs[:, 1]]]
        scores = np.einsum("ij,ij->i", numbers[same[:, 0]], numbers[same[:, 1]])
        return Comparisons(
            numbers, subjects, numbers, subjects, scores, subjects[same[:, 0]], people, pairs, symmetric=True
        )
    rows = [np.flatnonzero(subjects == subject) for subject in range(people)]
    if frames == 1:
        inside = [(own[a], own[b]) for own in rows for a in range(len(own)) for b in range(a + 1, len(own))]
        same = np.array(inside, dtype=np.int64).reshape(-1, 2)
        scores = np.einsum("ij,ij->i", numbers[same[:, 0]], numbers[same[:, 1]])
        return Comparisons(
            numbers, subjects, numbers, subjects, scores, subjects[same[:, 0]], people, None, symmetric=True
        )
    probes, held = [], []
    for own in (each[: frames + 1] for each in rows if len(each) > frames):
        for reference in own:
            mean = numbers[own[own != reference]].mean(axis=0)
            probes.append(mean / np.linalg.norm(mean))
            held.append(reference)
    kept = np.array(held, dtype=np.int64)
    means = np.array(probes, dtype=np.float32).reshape(-1, numbers.shape[1])
    scores = np.einsum("ij,ij->i", means, numbers[kept])
    return Comparisons(means, subjects[kept], numbers, subjects, scores, subjects[kept], people, None, symmetric=False)
