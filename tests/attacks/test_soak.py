"""Half an hour with fifty sources and clients, of which every second one is killed or joins: memory flat, no stream stuck.

The platform is a process of its own, with persons, an order, a mission, cameras and TAK devices made by acts over HTTP. At least
25 send: MPEG-TS over UDP and TCP, RTSP, SRT, RTMP, MAVLink, remote identification, TAK, an officer's device. As many receive:
consoles as access units and as fMP4, players over RTSP, TAK devices, maps, terminals that write notes. A hand with a seed resets
them, leaves them half open, kills senders with -9, replaces cameras, takes an officer's right to look and gives it back.

Memory is judged by the resident set: the median of the last fifth of the samples after the warm-up may be BOUND above that of
the first fifth, no more. Medians, because a single sample depends on who is there at that moment. After a warm-up, because Python
asks the system for arenas until it has had its busiest moment, threads get theirs with their first work, SQLite fills its page
caches, and the map keeps a TAK position for five minutes (its stale time) and a place for ten at most. Only growth fails:
arenas that were given back are no fault. Open descriptors and tasks are counted in the calm before and in the calm after, when
the very same take part: they must be as many. Files apart: a worker thread opens its reader of the store with its first work.

`EGIDE_PROOF=1`: half an hour. Otherwise a few seconds with fewer, which judges everything but memory. `EGIDE_SOAK_S`: that long,
with all. `SOAK_TRACE=1`: DATA/inside.jsonl tells what grows (soaked.py); the time and memory that takes are not the platform's.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.soak_stage import Crowd, Stage, stage
from tests.attacks.soaking import Sample, Soak, grown

ASKED = os.environ.get("EGIDE_SOAK_S", "")
FULL = bool(ASKED) or os.environ.get("EGIDE_PROOF") == "1"
SECONDS = float(ASKED or (1800 if FULL else 6))
WARM_UP_S = min(600.0, SECONDS / 3)
JUDGED_S = 900.0  # s a run must last for its memory to be judged
BOUND = 0.05  # of the resident set
SPARE = 4  # descriptors and tasks that may differ: what is under way at that moment
FILES = 3 * min(
    32, (os.cpu_count() or 1) + 4
)  # that asyncio's worker threads may open with their first work, each its reader
PAUSE_S = (0.3, 1.1) if FULL else (0.05, 0.25)  # between two deeds of the hand
SEED = int(os.environ.get("SOAK_SEED", random.randrange(1 << 32)))
FIFTY = Crowd(
    ("udp", "udp", "process", "process", "piloted", "piloted", "tcp", "tcp", "calling", "calling", "rtsp", "rtsp", "srt", "rtmp"),
    receivers=2, telling=8, viewers=7, fmp4=5, players=4, hearing=5, followers=3, writers=2,
)  # fmt: skip
FEW = Crowd(
    ("udp", "process", "piloted", "tcp", "calling", "rtsp"),
    receivers=1, telling=2, viewers=3, fmp4=2, players=1, hearing=2, followers=1, writers=1,
)  # fmt: skip

pytestmark = pytest.mark.timeout(SECONDS * 1.5 + 300)


def written(name: str, told: dict[str, Any]) -> None:
    """Counts for docs/proofs.md."""
    place = os.environ.get("EGIDE_REPORTS")
    if place:
        file = Path(place) / "soak.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.write(json.dumps({"name": name, **told}) + "\n")


async def played(on: Stage, folder: Path) -> tuple[Soak, dict[str, Any], Sample, Sample]:
    await on.set(folder)
    soak = Soak(on, SEED, PAUSE_S)
    before, after = await soak.run(SECONDS, every_s=5.0 if FULL else 0.5)
    return soak, soak.report(), before, after


def test_fifty_come_and_go(tmp_path: Path) -> None:
    with stage(tmp_path, FIFTY if FULL else FEW) as on:
        soak, counts, before, after = asyncio.run(played(on, tmp_path))
        log = (on.one.folder / "serve.log").read_text("utf-8")
    report = counts | {"seconds": SECONDS, "seed": SEED, "before": asdict(before), "after": asdict(after)}
    for of in ("rss", "uss", "descriptors", "tasks"):
        report[of] = grown(soak.samples, WARM_UP_S, of)
    report["rss_series"] = [round(each.rss, 1) for each in soak.samples[:: max(1, len(soak.samples) // 60)]]
    written("soak", report | {"faults": soak.faults[:20]})
    assert soak.faults == [], f"seed {SEED}: {report}"
    assert "Traceback" not in log, f"seed {SEED}: {log[-4000:]}"
    assert after.wires <= before.wires + SPARE, f"seed {SEED}: {report}"
    assert after.descriptors - after.wires <= before.descriptors - before.wires + FILES, f"seed {SEED}: {report}"
    assert after.tasks <= before.tasks + SPARE, f"seed {SEED}: {report}"
    if SECONDS >= JUDGED_S:
        assert report["rss"]["growth"] <= BOUND, f"seed {SEED}: {report}"
