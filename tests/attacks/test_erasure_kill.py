"""kill -9 in the middle of every step of an erasure, its work done and not yet written down: finished after the next start."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from egide.kernel.erasure import STEPS
from tests.attacks.installation import ROOT
from tests.attacks.test_kill import Terminal
from tests.ports import free_port

ROUNDS = 10 if os.environ.get("EGIDE_PROOF") == "1" else 1
WAIT_S = 60


class Child:
    """A serving process that kills itself, with SIGKILL, in the given step of an erasure."""

    def __init__(self, folder: Path, dies: str) -> None:
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EGIDE_")}
        environment |= {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PROOF_DIES": dies}
        words = [sys.executable, "-m", "tests.attacks.child", str(folder), str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        assert self.process.stdout is not None
        assert self.process.stdout.readline()

    def end(self) -> int:
        self.process.terminate()
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def state(folder: Path, erasure: str) -> tuple[str, bool]:
    """(step, whether the row still names somebody)."""
    with closing(sqlite3.connect(folder / "egide.db")) as db:
        row = db.execute("SELECT state, person IS NOT NULL FROM erasure WHERE id=?", (erasure,)).fetchone()
    return str(row[0]), bool(row[1])


@pytest.mark.timeout(120 + 120 * ROUNDS)
@pytest.mark.parametrize("step", STEPS[1:5] if ROUNDS > 1 else ("keys",))
def test_a_kill_in_any_step_is_finished_after(tmp_path: Path, step: str) -> None:
    folder = tmp_path / "data"
    for _ in range(ROUNDS):
        child = Child(folder, step)
        administrator, dpo = Terminal(child).enter("administrator"), Terminal(child).enter("dpo")
        who = administrator.act("administration.person.add", name="Ada", unit="brigade", roles=["officer"])["result"][
            "id"
        ]
        told = dpo.act("administration.person.erase", person=who, motive="Demande de la personne")["result"]
        administrator.close()
        dpo.close()
        assert child.process.wait(WAIT_S) == -9
        child.end()
        assert state(folder, told["erasure"])[0] == step, "its work was done, the word was not written"
        child = Child(folder, "")
        until = time.monotonic() + WAIT_S
        while state(folder, told["erasure"]) != ("done", False) and time.monotonic() < until:
            time.sleep(0.2)
        child.end()
        assert state(folder, told["erasure"]) == ("done", False)
        assert [file.name for file in folder.rglob("*.db*") if who.encode() in file.read_bytes()] == []
