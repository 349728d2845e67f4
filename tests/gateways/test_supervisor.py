"""Several processes on one port, as an operator runs them: killed, replaced, ended; all of them real."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from egide.gateways.supervisor import supervisor
from egide.kernel.settings import Settings
from tests.conftest import proof_only
from tests.gateways.supervised import ENVIRONMENT, Client, Load, Supervised, egide
from tests.world import SQUARE

pytestmark = pytest.mark.timeout(400)
EXPORT_FROM = 8  # connections over which a file is asked for, so that both processes are asked


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose path is longer than a Unix socket's may be."""
    folder = tmp_path_factory.mktemp("deep")
    while len(str(folder / "data")) < 150:
        folder = folder / "dossier-profond"
    folder.mkdir(parents=True)
    return folder / "data"


@pytest.fixture(scope="module")
def two(deep: Path) -> Iterator[Supervised]:
    running = Supervised(deep)
    try:
        running.up(2)
        yield running
    finally:
        running.end()


def noting(running: Supervised) -> tuple[str, str, dict[str, object]]:
    """(cookie of an officer, the act, its input)."""
    now = time.time()
    stamp = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + shift)) for shift in (-3600, 86_400)]
    prefect, command, officer = (Client(running.port).enter(persona) for persona in ("prefect", "command", "officer"))
    order = prefect.act(
        "orders.draft", title="Marché", purpose="places", place="Centre", perimeter=SQUARE, cap=2, starts=stamp[0], ends=stamp[1],
        necessity="Foule", less_intrusive="Rondes insuffisantes", equipment="Aéronef de 900 g, sans micro",
    )["result"]["id"]  # fmt: skip
    prefect.act("orders.sign", order=order)
    mission = command.act("operations.mission.open", title="Test", order=order, roster=["officer"])["result"]["id"]
    for each in (prefect, command, officer):
        each.close()
    return officer.cookie, "operations.note.add", {"mission": mission, "text": "Note", "lat": 60.17, "lon": 24.94}


def test_a_file_is_fetched_whichever_process_has_it(two: Supervised) -> None:
    owners = set()
    for _ in range(EXPORT_FROM):
        asking, fetching = Client(two.port).enter("dpo"), []
        url = asking.act("oversight.ledger.export", kind="public", motive="Contrôle")["result"]["url"]
        owners.add(url.rsplit("/", 1)[1].partition("-")[0])
        try:
            fetching = [Client(two.port, asking.cookie) for _ in range(6)]
            for client in fetching:
                client.connection.connect()
            answers = [client.get(url) for client in fetching]
            assert sorted(status for status, _ in answers) == [200, *[404] * 5], (
                "it is had once, wherever it is asked for"
            )
            (content,) = (body for status, body in answers if status == 200)
            assert len(content) > 1024
        finally:
            for client in (asking, *fetching):
                client.close()
    assert owners <= two.serving().keys()


def test_what_lies_in_run_is_the_accounts_own(two: Supervised) -> None:
    run = two.folder / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    for file in run.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    assert {file.stem for file in run.glob("*.sock")} == set(two.serving())
    two.heard(set(two.serving()))
    assert supervisor(Settings(data=str(two.folder))) == two.process.pid


def test_a_second_start_by_accident_refuses(two: Supervised, tmp_path: Path) -> None:
    here, elsewhere = str(two.folder), str(tmp_path / "other")
    for words in (
        ("serve", "--data", here, "--port", str(two.port)),
        ("serve", "--data", here, "--port", "1"),
        ("serve", "--data", here, "--processes", "2"),
    ):
        refused = egide(*words)
        assert refused.returncode == 1, words
        assert "Another platform already runs on this folder" in refused.stderr.replace("\n", " "), refused.stderr
        assert "Traceback" not in refused.stderr
    for more in ((), ("--processes", "2")):  # another installation on the same port
        refused = egide("serve", "--data", elsewhere, "--port", str(two.port), *more)
        assert refused.returncode == 1
        assert f"Port {two.port} is taken already" in refused.stderr.replace("\n", " "), refused.stderr


def test_one_killed_the_other_goes_on(two: Supervised) -> None:
    cookie, name, given = noting(two)
    before = two.serving()
    assert len(before) == 2
    load = Load(two.port, cookie, name, given, clients=6)
    try:
        time.sleep(1)
        dead = next(iter(before))
        os.kill(before[dead], signal.SIGKILL)
        two.until(lambda: len(two.answering() - before.keys()) == 1, 60)
        time.sleep(1)
    finally:
        load.stop()
    assert len(load.failures) <= 6, "more failed than connections were open to the dead one"
    assert load.answered > 100
    assert dead not in two.answering()
    assert len(two.children()) <= 3, "two serve, one stands by, and no zombie"


def test_an_upgrade_under_load_loses_nothing(two: Supervised) -> None:
    cookie, name, given = noting(two)
    before = set(two.serving())
    load = Load(two.port, cookie, name, given)
    try:
        time.sleep(0.5)
        done = egide("upgrade", "--data", str(two.folder))
        assert done.returncode == 0, done.stdout + done.stderr
        two.until(lambda: len(two.serving()) == 2 and not before & set(two.serving()), 60)
        time.sleep(1)
    finally:
        load.stop()
    assert load.failures == []
    assert load.answered > 100


@proof_only
def test_a_program_that_does_not_start_leaves_the_old_one(two: Supervised) -> None:
    before = set(two.serving())
    settings = two.folder / "egide.toml"
    settings.write_text('jurisdiktion = "fr"\n')
    try:
        refused = egide("upgrade", "--data", str(two.folder))
        assert refused.returncode == 1  # it reads the same settings, and says so itself
        os.kill(two.process.pid, signal.SIGHUP)
        two.until(lambda: "The new generation did not start; the old one goes on." in two.log(), 60)
    finally:
        settings.unlink()
    assert "Unknown setting: jurisdiktion" in two.log()
    assert set(two.serving()) == before
    assert two.answering() <= before
    assert egide("upgrade", "--data", str(two.folder)).returncode == 0, "and it goes better the next time"
    two.until(lambda: not before & set(two.serving()), 60)


def test_sigterm_ends_everything(deep: Path, two: Supervised) -> None:
    took = two.end()
    assert took < 10
    assert [file.name for file in (deep / "run").iterdir()] == []
    assert "Traceback" not in two.log(), two.log()


def test_killed_supervisor_leaves_nobody(tmp_path: Path) -> None:
    running = Supervised(tmp_path / "data", 1)
    try:
        running.up()
        children = running.children()
        running.process.kill()
        running.process.wait()
        end = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in children):
            assert time.monotonic() < end, "orphans"
            time.sleep(0.1)
        assert supervisor(Settings(data=str(running.folder))) is None, "a number without its program is nobody's"
        again = egide("upgrade", "--data", str(running.folder))
        assert again.returncode == 1
        assert "No platform runs on this folder" in again.stderr.replace("\n", " ")
    finally:
        running.end()


@proof_only
def test_upgrade_beside_a_single_process(tmp_path: Path) -> None:
    running = Supervised(tmp_path / "data", None)
    newer: subprocess.Popen[bytes] | None = None
    try:
        running.up()
        (old,) = running.answering()
        cookie, name, given = noting(running)
        load = Load(running.port, cookie, name, given)
        try:
            newer = subprocess.Popen(
                [sys.executable, "-m", "egide", "upgrade", "--data", str(running.folder)],
                env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            assert running.process.wait(100) == 0, "the old one leaves by itself"
            time.sleep(1)
        finally:
            load.stop()
        assert load.failures == []
        assert running.answering().isdisjoint({old})
        assert len(running.answering()) == 1
    finally:
        running.end()
        if newer is not None:
            newer.terminate()
            assert newer.wait(15) == 0
