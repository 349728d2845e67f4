"""What a process counts while it works: plain numbers, no names of people, no ids; the metrics page reads them when asked.

Why here and so bare: an act must not pay for being counted (under 2 µs an act, measured), and the kernel depends on no metrics
library; gateways/metrics.py gives the numbers their public form. Several kernels may live in one process: each has its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egide.kernel.work import Work

ACT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # s
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # acts
FAILED = "failed"


class Histogram:
    """Counts by upper bound; the last bucket is for what is beyond."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, value: float) -> None:
        """Counts one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many up to it), the last "+Inf": as Prometheus wants them."""
        found, so_far = [], 0
        for bound, count in zip((*map(str, map(float, self.bounds)), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found


class Measures:
    """The counters of one kernel."""

    def __init__(self) -> None:
        self.started = time()  # s since 1970 UTC
        self.acts: dict[tuple[str, str], int] = {}  # (act, outcome) → how many
        self.rules: dict[str, int] = {}  # rule → how many refusals named it
        self.asked = 0  # acts that somebody waited for: not the platform's own
        self.seconds = Histogram(ACT_BOUNDS)  # from the request to its durable answer
        self.batch = Histogram(BATCH_BOUNDS)  # acts a commit
        self.commit = Histogram(ACT_BOUNDS)  # s a commit

    def answered(self, batch: Sequence[Work], now_us: int) -> None:
        """Acts that have their answer; called once a commit, on the event loop."""
        acts, note = self.acts, self.seconds.note
        for work in batch:
            outcome = work.outcome if work.receipt is not None else FAILED
            key = (work.act.name, outcome)
            acts[key] = acts.get(key, 0) + 1
            self.asked += work.ctx.principal.kind != "system"
            note((now_us - work.ctx.now_us) / 1_000_000)
            if outcome == "refused":
                for reason in work.decision.reasons:
                    self.rules[reason.rule] = self.rules.get(reason.rule, 0) + 1

    def committed(self, acts: int, seconds: float) -> None:
        """A batch that was written, or could not be; called by the writer's thread alone."""
        self.batch.note(acts)
        self.commit.note(seconds)
