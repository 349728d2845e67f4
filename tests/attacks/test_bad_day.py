"""A bad day: processes killed again and again, servers restarted and paused, a full disk, a clock that jumps — under load.

After each of them: 0 acknowledged acts lost, 0 doubled, 0 half-written, each event followed once, every refusal in plain words.
`make proof` does it 300 times on each engine and writes the counts to $EGIDE_REPORTS (docs/proofs.md holds the last ones).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.installation import Books, Installation, Witness
from tests.disks import filled, small_disk
from tests.engines.nats import Nats, nats
from tests.engines.postgres import Server as Postgres
from tests.engines.postgres import postgres

PROOF = os.environ.get("EGIDE_PROOF") == "1"
ENGINES = ["sqlite", "postgres"]
KILLS = 300 if PROOF else 4
MISHAPS = 10 if PROOF else 1
LOAD_S = (0.1, 0.6)  # s of load before a mishap
CLIENTS = 3  # who ask without a pause; more would only wait for one another on two cores
RECOVERY_S = 30  # s after which a platform counts as not recovered
HOUR = {signal.SIGUSR1: 3600, signal.SIGUSR2: -3600}

pytestmark = pytest.mark.timeout(120 + KILLS * 20)


@pytest.fixture(params=ENGINES)
def day(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Installation, Postgres | None, Nats]]:
    """Two processes on one store and one NATS."""
    with contextlib.ExitStack() as stack:
        bus = stack.enter_context(nats())
        server = stack.enter_context(postgres()) if request.param == "postgres" else None
        settings = {"bus": bus.url} | ({"store": server.dsn("egide")} if server else {})
        made = Installation(tmp_path / "data", **settings)
        made.witness = Witness(tmp_path / "witness")
        try:
            made.with_witness(made.witness)
            made.start()
            made.witness.trust((made.folder / "ledger.vkey").read_text().strip())
            made.start(join=True)
            yield made, server, bus
        finally:
            made.end()
            made.witness.kill()


def report(name: str, **counts: object) -> None:
    """Counts for docs/proofs.md."""
    place = os.environ.get("EGIDE_REPORTS")
    if place:
        file = Path(place) / "bad-day.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.write(json.dumps({"name": name, **counts}) + "\n")


@pytest.mark.parametrize("day", ENGINES if PROOF else ["postgres"], indirect=True)  # SQLite is killed in test_kill.py
def test_killed_again_and_again(day: tuple[Installation, Postgres | None, Nats]) -> None:
    """kill -9 of the process that relays, of the other one, of both at once, of the witness, in turn."""
    made, server, _bus = day
    draw, books, recoveries = random.Random(20261124), Books(made), []
    made.load(CLIENTS)
    for cycle in range(KILLS):
        time.sleep(draw.uniform(*LOAD_S))
        before = len(made.told.done)
        if cycle % 4 == 3:
            made.witness.kill()
            made.witness.start()
            continue
        relays = books.relay()
        first = [process for process in made.processes if process.pid == relays] or made.processes[:1]
        rest = [process for process in made.processes if process not in first]
        victims = (first, rest, made.processes[:])[cycle % 4]
        for victim in tuple(victims):
            victim.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        for victim in tuple(victims):
            made.kill(victim)
        while len(made.processes) < 2:
            made.start(join=True)
            if len(made.processes) == 1:  # both had gone: how long until somebody is served again
                made.wait_for_one(RECOVERY_S)
                recoveries.append(time.monotonic() - killed)
        if cycle % 10 == 9 or cycle == KILLS - 1:
            made.rest()
            counts = books.check()
            assert len(made.told.done) > before
            if cycle % 50 == 49:
                report(f"kill -9 so far, {'PostgreSQL' if server else 'SQLite'}", kills=cycle + 1, **counts)
            made.load(CLIENTS)
    made.rest()
    counts = books.check(echoed=True, patience_s=120)
    counts["cosigned"] = books.cosigned()
    books.close()
    p95 = statistics.quantiles(recoveries, n=20)[-1] if len(recoveries) > 1 else recoveries[0]
    report(f"kill -9, {'PostgreSQL' if server else 'SQLite'}", kills=KILLS, recovery_p95_s=round(p95, 2), **counts)


@pytest.mark.parametrize("day", ENGINES if PROOF else ["postgres"], indirect=True)  # it has the bus of the other too
def test_the_servers_restart_and_pause(day: tuple[Installation, Postgres | None, Nats]) -> None:
    """PostgreSQL and NATS are restarted, and stopped for a while, in the middle of the load."""
    made, server, bus = day
    books = Books(made)
    made.load()
    for _ in range(MISHAPS):
        for one in (bus, server):
            if one is None:
                continue
            time.sleep(0.7)
            one.restart()
            made.wait_for_one(RECOVERY_S)
            time.sleep(0.5)
            one.pause()
            time.sleep(4)
            one.resume()
            made.wait_for_one(RECOVERY_S)
        made.rest()
        books.check(echoed=True, patience_s=120)
        made.load()
    made.rest()
    counts = books.check(echoed=True, patience_s=120)
    books.close()
    report(f"servers restarted and paused, {'PostgreSQL' if server else 'SQLite'}", times=MISHAPS, **counts)


@pytest.mark.parametrize("day", ENGINES if PROOF else ["sqlite"], indirect=True)
def test_a_clock_that_jumps(day: tuple[Installation, Postgres | None, Nats]) -> None:
    """One process's clock goes an hour on or back: nothing is recorded out of order, and it says why."""
    made, server, _bus = day
    books = Books(made)
    made.load()
    time.sleep(0.5)
    made.processes[0].send_signal(signal.SIGUSR2)  # back: this process refuses, the other goes on
    time.sleep(1.5)
    made.wait_for_one(RECOVERY_S)
    made.processes[0].send_signal(signal.SIGUSR1)  # right again
    time.sleep(1.5)
    made.processes[0].send_signal(
        signal.SIGUSR1
    )  # an hour on: what it writes is an hour ahead, so that the other must wait
    time.sleep(1.5)
    made.rest()
    assert "unavailable" in set(made.told.refused.values())
    times = books.check()
    books.close()
    report(f"clock ±1 h, {'PostgreSQL' if server else 'SQLite'}", **times)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_full_disk(engine: str, tmp_path: Path) -> None:
    """The disk fills up under load: refusals in plain words, nothing lost; once there is room again, it goes on."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", 96 if engine == "sqlite" else 256))
        settings = {}
        if engine == "postgres":
            server = stack.enter_context(postgres("-c max_wal_size=64MB", folder=disk))
            settings["store"] = server.dsn("egide")
        made = Installation((disk if engine == "sqlite" else tmp_path) / "data", **settings)
        stack.callback(made.end)
        made.start()
        made.start(join=True)
        books = Books(made)
        stack.callback(books.close)
        made.load()
        for _ in range(MISHAPS):
            time.sleep(0.5)
            before = len(made.told.refused)
            with filled(disk):
                until = time.monotonic() + 30
                while len(made.told.refused) == before and time.monotonic() < until:
                    time.sleep(0.1)
                assert len(made.told.refused) > before, "a full disk was not noticed"
            made.wait_for_one(RECOVERY_S)
            made.rest()
            books.check()
            made.load()
        made.rest()
        counts = books.check()
        report(f"full disk, {engine}", times=MISHAPS, **counts)
