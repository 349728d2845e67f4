"""Four authorities in network namespaces of their own: one lies, one is cut off, one comes back from an older backup.

The chain agrees all along, the one cut off catches up, a gate goes on offline. Needs root and `ip`.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from egide.border.ledger.model import Role
from egide.border.ledger.view import MAX_AGE_S, opened
from egide.engines.chain_store import FILE
from tests.border.ledger.parties import member
from tests.conftest import missing
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]
HOSTS = [f"10.213.78.{number + 1}" for number in range(4)]
LIAR, CUT, RESTORED = 3, 1, 2


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10)


class Net:
    """A namespace for each authority, and one with the bridge between them; nothing of it is in the machine's own."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self.hub = f"{stem}h"
        self.names = [f"{stem}{number}" for number in range(4)]

    def make(self) -> None:
        for name in (self.hub, *self.names):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self.hub, "link", "add", "br0", "type", "bridge")
        ip("-n", self.hub, "link", "set", "br0", "up")
        for number, name in enumerate(self.names):
            ip("-n", self.hub, "link", "add", f"m{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", self.hub, "link", "set", f"m{number}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"{HOSTS[number]}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")

    def cable(self, number: int, state: str) -> None:
        ip("-n", self.hub, "link", "set", f"m{number}", state)

    def remove(self) -> None:
        for name in (*self.names, self.hub):
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


class Process:
    """An authority's process in its namespace."""

    def __init__(self, net: Net, number: int, place: Path, at: int) -> None:
        told = {"number": number, "hosts": HOSTS, "place": str(place), "at": at, "lies": number == LIAR}
        command = [
            "ip",
            "netns",
            "exec",
            net.names[number],
            sys.executable,
            "-m",
            "tests.border.ledger.authority_process",
        ]
        self._process = subprocess.Popen(
            [*command, json.dumps(told)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        )  # fmt: skip

    def ask(self, words: str) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def look(self) -> dict[str, object]:
        found = self.ask("look")
        assert isinstance(found, dict)
        return found

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


class Four:
    """The four of them, and what they say of where the chain is."""

    def __init__(self, net: Net, place: Path) -> None:
        self.net, self.place, self.at = net, place, int(time.time())
        self.processes = {number: self.started(number) for number in range(4)}

    def started(self, number: int) -> Process:
        return Process(self.net, number, self.place / str(number), self.at)

    def __getitem__(self, number: int) -> Process:
        return self.processes[number]

    def within(self, true: Callable[[], bool]) -> bool:
        until = time.monotonic() + PATIENCE_S
        while not true():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def at_height(self, height: int, *numbers: int) -> bool:
        """Whether these come to the same block of this height, and the same state."""

        def same() -> bool:
            places = [self[number].look()["place"] for number in numbers]
            return all(each == places[0] and each[0] == height for each in places)  # type: ignore[index]

        return self.within(same)


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Four]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        missing("network namespaces need root and the program ip")
    net = Net(f"eg{os.getpid() % 1_000_000}")
    try:
        try:
            net.make()
        except subprocess.CalledProcessError as error:
            missing(f"this machine gives no network namespaces: {error.stderr.strip()}")
        made = Four(net, tmp_path)
        yield made
        for process in made.processes.values():
            process.kill()
    finally:
        net.remove()


def test_one_lies_one_is_cut_off_and_one_comes_back_from_an_older_backup(four: Four, tmp_path: Path) -> None:
    assert four.within(lambda: all(four[number].look()["joined"] for number in range(4)))

    # One lies: whoever's turn it is, the others decide the truth, and know who proposed something else.
    kid = four[0].ask("key 1")
    older = tmp_path / "older.db"
    copy(four.place / str(RESTORED) / FILE, older)
    for number in (0, 1, 2):
        assert four[number].ask("checkpoint 2") is None
    assert four.at_height(4, 0, 1, 2)
    for number in (0, 1, 2):
        assert f"wrong-state {LIAR}" in four[number].look()["faults"]  # type: ignore[operator]
        assert not [each for each in four[number].look()["faults"] if not str(each).endswith(f" {LIAR}")]  # type: ignore[attr-defined]

    # One is cut off: the others go on with the liar's vote, a gate of the lonely one with its copy, for its time.
    gate = opened(bytes.fromhex(str(four[CUT].ask("view"))), member(CUT).key)
    four.net.cable(CUT, "down")
    assert four[0].ask("erasure 2") is None
    assert four[2].ask("erasure 2") is None
    assert four.at_height(6, 0, 2)
    assert four[CUT].look()["place"][0] == 4  # type: ignore[index]
    now = int(time.time())
    assert gate.trusted(str(kid), Role.VERIFIER, now) is not None
    assert gate.trusted(str(kid), Role.VERIFIER, now + MAX_AGE_S + 1) is None
    four.net.cable(CUT, "up")
    assert four.at_height(6, 0, CUT, 2)

    # One comes back from an older backup: it is brought forward, and has said nothing twice.
    four[RESTORED].kill()
    for each in (four.place / str(RESTORED)).iterdir():
        each.unlink()
    shutil.copy(older, four.place / str(RESTORED) / FILE)
    four.processes[RESTORED] = four.started(RESTORED)
    assert four.at_height(6, 0, CUT, RESTORED)
    assert four[RESTORED].ask("key 2") is not None
    assert four.at_height(7, 0, CUT, RESTORED)
    for number in (0, CUT, RESTORED):
        assert not [each for each in four[number].look()["faults"] if "equivocation" in str(each)]  # type: ignore[attr-defined]


def copy(source: Path, target: Path) -> None:
    """A backup of a store in use, as SQLite makes it."""
    with sqlite3.connect(source) as one, sqlite3.connect(target) as other:
        one.backup(other)
    one.close()
    other.close()
