"""The kernel's figures: an act over HTTP, in bulk, the decision, the ledger, the start."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import msgspec

from egide.bench import platform as platforms
from egide.bench.inside import allowed_facts, inside
from egide.bench.load import Request, flood, steady
from egide.bench.measure import (
    ABSENT,
    REPEATS,
    Bench,
    ask,
    child,
    cpu_s,
    free_port,
    peer,
    per_cpu_s,
    percentile,
    row,
    rss_mib,
    wait_for,
)
from egide.engines.sqlite import SqliteStore
from egide.kernel import merkle, tables
from egide.kernel.ledger import Log, MemoryTiles
from egide.kernel.tiles import SqlTiles

LEAF = 350  # bytes of a usual leaf
BODY = 520  # bytes of its sealed body
NOTE = 160  # bytes of a sealed note
BATCH = 64  # acts a commit when 64 clients ask at once
WATCH = "operations.watch.open"  # the act with the most law above it


def act_http(bench: Bench) -> None:
    """A guarded, sealed, audited act over HTTP, signed in, durable before the answer; its latency at half load."""
    seconds = bench.seconds(4, 1)
    figures: list[float] = []
    with platforms.platform(bench.folder / "http") as one:
        officer, command, mission = platforms.mission(one)
        request = Request(
            one.port,
            "/api/acts/operations.note.add",
            platforms.note(mission),
            one.origin,
            (officer.cookie, command.cookie),
        )
        bench.say("warm-up")
        flood(request, 1, bench.folder)
        walls = []
        for number in range(REPEATS):
            bench.say(f"load {number + 1}/{REPEATS}")
            before = one.cpu_s()
            answered = flood(request, seconds, bench.folder)
            figures.append(answered.count / (one.cpu_s() - before))
            walls.append(answered.count / answered.seconds)
        half = median(walls) / 2
        middles, tails = [], []
        for number in range(REPEATS):
            bench.say(f"half load {number + 1}/{REPEATS}")
            latencies = [latency * 1000 for latency in steady(request, half, seconds).latencies]
            middles.append(median(latencies))
            tails.append(percentile(latencies, 0.99))
    value = median(figures)
    usual = _usual(bench, seconds)
    limit = peer("rows", "acts", str(bench.folder), str(seconds), str(BATCH), str(LEAF), str(BODY), str(NOTE))
    bench.add(
        row(
            "act_http_per_s_core",
            value,
            "acts/CPU s",
            "higher",
            target=5000,
            peer="FastAPI + SQLAlchemy + casbin + audit table",
            peer_value=usual,
        ),
        row(
            "act_http_per_s_core",
            value,
            "acts/CPU s",
            "higher",
            peer="limit: same rows, bare SQLite group commit",
            peer_value=limit["per_s"] if limit else None,
        ),
        row("act_http_p99_ms", median(tails), "ms", "lower", target=50),
    )
    spread = f"{min(figures):.0f}–{max(figures):.0f}"
    bench.note(
        f"act_http: {median(walls):.0f} acts/s by the wall beside the load on {os.cpu_count()} cores; per CPU second {spread}."
    )
    bench.note(
        f"act_http_p99_ms at {half:.0f} acts/s, open loop; median {median(middles):.1f} ms; p99 of each run {', '.join(f'{each:.0f}' for each in tails)}."
    )
    bench.note(platforms.LIMIT_NOTE)


def _usual(bench: Bench, seconds: float) -> float | None:
    """The peer's requests per CPU second under the same load; None when it is not installed."""
    port, folder = free_port(), bench.folder / "usual"
    folder.mkdir()
    bench.say("peer: FastAPI")
    with child(
        [sys.executable, "-m", "egide.bench.peers.server", str(port), str(folder)], stdout=subprocess.PIPE
    ) as process:
        told = ask(process, "the peer FastAPI")
        if ABSENT in told:
            return None
        wait_for(lambda: platforms.listening(port), "the peer")
        request = Request(port, "/notes", platforms.note("mission-1"), "http://localhost", (told["cookie"],))
        flood(request, 1, folder)
        figures = []
        for _ in range(REPEATS):
            before = cpu_s(process.pid)
            answered = flood(request, seconds, folder)
            figures.append(answered.count / (cpu_s(process.pid) - before))
        return median(figures)


def bulk(bench: Bench) -> None:
    """Rows of one act with the root over them as its leaf."""
    count = 2000 if bench.quick else 10_000
    made = [(f"AA-{number % 1000:03}-BB", 1_700_000_000_000_000 + number, 60.17, 24.945) for number in range(count)]
    given = msgspec.json.encode({"records": made})
    with inside(bench.folder / "bulk") as one:
        value = per_cpu_s(lambda: one.perform("command", "bench.records.import", given).rows)
    limit = peer("rows", "bulk", str(bench.folder), str(bench.seconds(3, 1)), str(count), str(LEAF), str(len(given)))
    bench.add(
        row(
            "bulk_rows_per_s_core",
            value,
            "rows/CPU s",
            "higher",
            target=50_000,
            peer="limit: same rows, bare SQLite",
            peer_value=limit["per_s"] if limit else None,
        )
    )
    bench.note(f"bulk: {count} rows an act; in this process, without HTTP.")


def decision(bench: Bench) -> None:
    """The law's answer, remembered and asked anew, at the pack's real number of rules."""
    with inside(bench.folder / "decision") as one:
        guard = one.kernel.guard
        facts = allowed_facts(guard, WATCH)
        rules = len(guard.rules_of(WATCH))
        memo = 1e6 / per_cpu_s(lambda: _times(lambda: guard.decide(WATCH, facts), 20_000))
        cold = 1e6 / per_cpu_s(lambda: _times(lambda: guard.decide_cold(WATCH, facts), 400))
    bench.add(
        row("decision_memo_us", memo, "µs", "lower", target=1),
        row("decision_cold_us", cold, "µs", "lower", target=250),
    )
    bench.note(
        f"decision: {WATCH}, {rules} rules of {len(one.kernel.book.rules)} in force, {len(facts)} facts, allowed."
    )


def ledger(bench: Bench) -> None:
    """Appending, and a proof at a million leaves out of the store."""
    count = 20_000 if bench.quick else 50_000
    leaves = [os.urandom(LEAF) for _ in range(count)]

    def append() -> int:
        tiles = MemoryTiles()
        log = Log(tiles)
        for start in range(0, count, 256):
            prepared = log.prepare(leaves[start : start + 256])
            tiles.write(prepared)
            log.adopt(prepared)
            log.root()
        return count

    bench.say("append")
    value = per_cpu_s(append)
    bench.say("peer: pymerkle")
    told = peer("merkle", "5000" if bench.quick else "20000", str(LEAF), str(bench.folder))
    name, best = max(told.items(), key=lambda item: float(item[1])) if told else ("", None)
    target = 8 * best if best else None
    bench.add(
        row(
            "ledger_append_per_s_core",
            value,
            "leaves/CPU s",
            "higher",
            target=target,
            peer=f"pymerkle {name}".strip(),
            peer_value=best,
        ),
    )
    if told:
        bench.note(
            "ledger: "
            + ", ".join(f"pymerkle {name} {figure:.0f}" for name, figure in told.items())
            + " leaves/CPU s; the faster counts. Batches of 256, the root after each."
        )
    size = 100_000 if bench.quick else 1_000_000
    bench.say(f"proofs at {size} leaves")
    bench.add(row("inclusion_proof_ms", _proof_ms(bench, size), "ms", "lower", target=1))
    bench.note(f"inclusion_proof_ms: random entries of {size} leaves, tiles read from SQLite.")


def _proof_ms(bench: Bench, size: int) -> float:
    store = SqliteStore(bench.folder / "proofs")
    store.create([tables.metadata])
    tiles = SqlTiles(store.reader, "police")
    log = Log(tiles)
    entries = []
    for start in range(0, size, 16_384):
        leaves = [number.to_bytes(8, "big") for number in range(start, min(start + 16_384, size))]
        prepared = log.prepare(leaves)
        with store.side() as connection:
            names = ("level", "number", "hashes", "root")
            rows = [{"realm": "police", **dict(zip(names, tile, strict=True))} for tile in prepared.tiles]
            if rows:
                connection.execute(tables.tile.insert(), rows)
        log.adopt(prepared)
        entries.append(log.size)
    root, dice = log.root(), random.Random(1)  # noqa: S311 — which entries are asked for
    wanted = [dice.randrange(size) for _ in range(200 if bench.quick else 1000)]
    times = []
    for index in wanted:
        before = time.process_time()
        path = log.inclusion(index)
        times.append((time.process_time() - before) * 1000)
        merkle.verify_inclusion(index, size, merkle.leaf_hash(index.to_bytes(8, "big")), path, root)
    store.close()
    return median(times)


def start(bench: Bench) -> None:
    """From the command to the first answer, after set-up; memory when nothing happens."""
    folder, times, memory = bench.folder / "start", [], 0.0
    for number in range(REPEATS + 1):
        bench.say(f"start {number}/{REPEATS}")
        before = time.monotonic()
        with platforms.platform(folder) as one:
            if number:  # the first start sets the folder up
                times.append(time.monotonic() - before)
            if number == REPEATS:
                time.sleep(bench.seconds(5, 1))
                memory = rss_mib(one.process.pid)
    bench.add(
        row("cold_start_s", median(times), "s", "lower", target=2),
        row("idle_rss_mib", memory, "MiB", "lower", target=250),
    )


def _times(work: Callable[[], object], count: int) -> int:
    for _ in range(count):
        work()
    return count


MEASURES = (act_http, bulk, decision, ledger, start)
