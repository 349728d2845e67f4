"""The engines' figures: acts on PostgreSQL, two processes, the relay, recovery after a kill, the verifier, backup and restore."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

from egide.bench import events, saving, servers
from egide.bench import platform as platforms
from egide.bench.load import Request, flood
from egide.bench.measure import REPEATS, Bench, BenchError, busy_s, cpu_s, peer, per_cpu_s, percentile, row, wait_for
from egide.gateways.supervisor import CALM_S
from egide.kernel import merkle
from egide.kernel.checkpoint import Checkpoint, sign
from egide.kernel.ledger_export import write_inspector
from egide.kernel.ledger_verify import verify_export
from egide.kernel.settings import load
from egide.kernel.vault import SigningKey

LEAF = 350  # bytes of a usual leaf
BODY = 520  # bytes of its sealed body
NOTE = 160  # bytes of a sealed note
CROWD = 256  # connections that keep every core busy: with 64 one process waits for its commits half the time, and nothing is scarce
BATCH = 64  # acts a commit when 64 clients ask at once
SIGNED = 256  # leaves between two heads
STAND_BY_S = 3  # s until another process stands by; a platform is not killed every other second


def _request(one: platforms.Platform) -> Request:
    officer, command, mission = platforms.mission(one)
    note = platforms.note(mission)
    return Request(one.port, "/api/acts/operations.note.add", note, one.origin, (officer.cookie, command.cookie))


def act_postgres(bench: Bench) -> None:
    """The same act as `act_http_per_s_core`, durable in PostgreSQL before the answer."""
    seconds = bench.seconds(4, 1)
    with _postgres() as server:
        figures, shares, walls = [], [], []
        with platforms.platform(bench.folder / "pg", settings={"store": server.dsn("acts")}) as one:
            request = _request(one)
            flood(request, 1, bench.folder)
            for number in range(REPEATS):
                bench.say(f"load {number + 1}/{REPEATS}")
                before, theirs = one.cpu_s(), _server_cpu_s(server)
                answered = flood(request, seconds, bench.folder)
                figures.append(answered.count / (one.cpu_s() - before))
                shares.append((_server_cpu_s(server) - theirs) / answered.count)
                walls.append(answered.count / answered.seconds)
        limit = peer(
            "postgres_rows", server.dsn("rows"), str(bench.seconds(3, 1)), str(BATCH), str(LEAF), str(BODY), str(NOTE)
        )
    bench.add(
        row(
            "act_postgres_per_s_core",
            median(figures),
            "acts/CPU s",
            "higher",
            target=2500,
            peer="limit: same rows, bare PostgreSQL inserts",
            peer_value=limit["per_s"] if limit else None,
        )
    )
    bench.note(
        f"act_postgres: CPU of the platform's process; the server takes {median(shares) * 1e6:.0f} µs an act beside it; "
        f"{median(walls):.0f} acts/s by the wall, load, platform and server on {os.cpu_count()} cores."
    )


def two_processes(bench: Bench) -> None:
    """Acts a second of two processes over those of one, on the same PostgreSQL and NATS and the same cores."""
    seconds = bench.seconds(5, 1)
    with _postgres() as server, _nats() as bus:
        found, shares = {}, {}
        settings = {"store": server.dsn("two"), "bus": bus.url}
        with ExitStack() as stack:
            for count in (1, 2):
                stack.close()
                one = stack.enter_context(platforms.platform(bench.folder / "two", settings=settings, processes=count))
                request = _request(one)
                bench.say(f"{count} processes")
                flood(request, 1, bench.folder, CROWD)
                before = busy_s()
                answers = [flood(request, seconds, bench.folder, CROWD) for _ in range(REPEATS)]
                spent = sum(each.seconds for each in answers)
                shares[count] = (busy_s() - before) / spent / (os.cpu_count() or 1)
                found[count] = median(each.count / each.seconds for each in answers)
    bench.add(
        row(
            "two_process_gain", found[2] / found[1], "×", "higher", target=1.5,
            peer="limit: all cores over those busy with one process", peer_value=1 / shares[1],
        )
    )  # fmt: skip
    bench.note(
        f"two_process_gain: {found[1]:.0f} acts/s by the wall with one, {found[2]:.0f} with two; load, platform, PostgreSQL and "
        f"NATS, from {CROWD} connections, keep {shares[1]:.0%} of {os.cpu_count()} cores busy with one, {shares[2]:.0%} with two: where no core is idle, a "
        "second process has nothing to run on."
    )


def relay(bench: Bench) -> None:
    """Outbox → JetStream → a listener that stores each event once, with its place."""
    count = 5_000 if bench.quick else 20_000
    with _nats() as bus:
        bench.say("nats-py alone")
        alone = median(asyncio.run(events.alone(bus.url, count)) for _ in range(REPEATS))
        bench.say("SQLite")
        value = median(
            asyncio.run(events.relayed(bench.folder / f"relay{number}", bus.url, count)) for number in range(REPEATS)
        )
        bench.say("PostgreSQL")
        with _postgres() as server:
            other = median(
                asyncio.run(
                    events.relayed(
                        bench.folder / f"relay-pg{number}", bus.url, count, store=server.dsn(f"relay{number}")
                    )
                )
                for number in range(REPEATS)
            )
    bench.add(
        row(
            "relay_events_per_s",
            min(value, other),
            "events/s",
            "higher",
            target=10_000,
            peer="nats-py alone: publish, ack, fetch, ack",
            peer_value=alone,
        )
    )
    bench.note(
        f"relay: {value:.0f} events/s on SQLite, {other:.0f} on PostgreSQL, by the wall; the slower is the figure."
    )


def kill_recovery(bench: Bench) -> None:
    """From kill -9 under load to the first acknowledged act, as an operator runs it: the supervisor replaces what dies."""
    found = {count: sorted(_recoveries(bench, count)) for count in (1, 2)}
    bench.add(row("kill_recovery_s", percentile(found[1], 0.95), "s", "lower", target=3))
    bench.note(
        f"kill_recovery_s: `egide serve --processes 1` with its process that stands by, SQLite, p95 of {len(found[1])}; median {median(found[1]):.2f} s. With two "
        f"processes, one killed: median {median(found[2]):.2f} s, p95 {percentile(found[2], 0.95):.2f} s."
    )


def _recoveries(bench: Bench, processes: int) -> list[float]:
    times, folder = [], bench.folder / f"kill{processes}"
    with platforms.platform(folder, processes=processes) as one:
        request = _request(one)
        for number in range(5 if bench.quick else 20):
            bench.say(f"{processes} process{'es' if processes > 1 else ''}, kill {number + 1}")
            wait_for(lambda: len(_serving(folder)) == processes, "every process")
            time.sleep(CALM_S + STAND_BY_S)
            flood(request, 0.5, bench.folder)
            os.kill(_serving(folder)[0], signal.SIGKILL)
            killed = time.monotonic()
            while not platforms.answers(request):
                time.sleep(0.005)
            times.append(time.monotonic() - killed)
    return times


def _serving(folder: Path) -> list[int]:
    """The serving processes, as they enter themselves in the store."""
    with closing(sqlite3.connect(folder / "egide.db", timeout=10)) as db:
        rows = db.execute("SELECT pid FROM process ORDER BY started").fetchall()
    return [pid for (pid,) in rows if Path(f"/proc/{pid}").exists()]


def backups(bench: Bench) -> None:
    """Backup and restore with the ledger checked entry by entry, of what a load has just written."""
    figures = {}
    for name in ("SQLite", "PostgreSQL"):
        bench.say(name)
        with ExitStack() as stack:
            settings = {}
            if name == "PostgreSQL":
                server = stack.enter_context(_postgres())
                settings["store"] = server.dsn("saved")
            folder = bench.folder / f"saved-{name}"
            with platforms.platform(folder, settings=settings) as one:
                flood(_request(one), bench.seconds(20, 3), bench.folder)
            target = server.dsn("restored") if settings else ""
            place = bench.folder / f"sets-{name}"
            place.mkdir()
            figures[name] = saving.measure(load(folder, **settings), place, target=target)
    for name, each in figures.items():
        bench.add(
            row(
                "backup_mib_per_s", each.backup_mib_per_s, "MiB/s", "higher",
                peer=f"{name}: {each.peer}", peer_value=each.peer_backup_mib_per_s,
            ),
            row("restore_mib_per_s", each.restore_mib_per_s, "MiB/s", "higher"),
        )  # fmt: skip
    bench.note(
        "backup, restore: "
        + "; ".join(f"{name} {each.mib:.0f} MiB, {each.entries} entries" for name, each in figures.items())
        + ". Ours hash, sign and seal; restore verifies every byte, leaf, head and body."
    )


def verify(bench: Bench) -> None:
    """The offline verifier over an inspector's export: every leaf hashed, every signed head compared."""
    count = 50_000 if bench.quick else 300_000
    key = SigningKey.load_or_create(bench.folder / "verify.key", "egide/police")
    leaves = [os.urandom(LEAF * 3 // 4) for _ in range(count)]
    tree, notes = merkle.Frontier(), []
    for start in range(0, count, SIGNED):
        tree.extend([merkle.leaf_hash(leaf) for leaf in leaves[start : start + SIGNED]])
        notes.append(sign(Checkpoint("egide/police", tree.size, tree.root()), [key]))
    folder = bench.folder / "export"
    write_inspector(folder, leaves, notes, [key.vkey], realm="police", created="2026-01-01T00:00:00Z")

    def work() -> int:
        report = verify_export(folder, [key.vkey])
        if not report.ok:
            raise BenchError("the export does not verify")
        return count

    value = per_cpu_s(work)
    told = peer("merkle", "5000" if bench.quick else "20000", str(LEAF), str(bench.folder))
    bench.add(
        row(
            "verify_leaves_per_s",
            value,
            "leaves/CPU s",
            "higher",
            target=200_000,
            peer="pymerkle, building the tree",
            peer_value=max(map(float, told.values())) if told else None,
        )
    )
    bench.note(f"verify: {count} leaves, a signed head every {SIGNED}; files read, base64 and JSON included.")


@contextmanager
def _postgres() -> Iterator[servers.Postgres]:
    try:
        with servers.postgres() as server:
            yield server
    except servers.Absent as absent:
        raise BenchError(str(absent)) from absent


@contextmanager
def _nats() -> Iterator[servers.Nats]:
    try:
        with servers.nats() as server:
            yield server
    except servers.Absent as absent:
        raise BenchError(str(absent)) from absent


def _server_cpu_s(server: servers.Postgres) -> float:
    return sum(cpu_s(pid) for pid in server.everyone())


MEASURES = (act_postgres, two_processes, relay, kill_recovery, verify, backups)
