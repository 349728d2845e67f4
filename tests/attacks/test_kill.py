"""kill -9 under load, again and again: what was acknowledged is there, nothing is half-written, the ledger proves itself."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from egide.kernel.checkpoint import parse
from egide.kernel.merkle import Frontier, leaf_hash
from tests.ports import free_port
from tests.world import SQUARE

CYCLES = 100 if os.environ.get("EGIDE_PROOF") == "1" else 3
THREADS = 4
LOAD_S = (0.15, 0.9)  # s of load before a kill; drawn anew each time
START_S = 60  # s a start may take on a busy machine
SEED = 20261124


class Child:
    """A real `python -m egide serve` on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.errors = (folder.parent / "stderr.txt").open("wb")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EGIDE_")}
        environment |= {"EGIDE_ACTS_PER_S": "1000000", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "egide", "serve", "--demo", "--data", str(folder), "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment,
        )
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        watchdog.cancel()
        self.errors.close()
        assert said, f"the server did not start: {(folder.parent / 'stderr.txt').read_text()[-2000:]}"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


class Terminal:
    """Someone at the server, over one kept connection."""

    def __init__(self, child: Child, cookie: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", child.port, timeout=30)
        self.headers = {"origin": f"http://localhost:{child.port}", "content-type": "application/json"}
        self.cookie = cookie

    def act(self, name: str, /, **given: Any) -> dict[str, Any]:
        self.connection.request("POST", f"/api/acts/{name}", json.dumps(given), self.headers | {"cookie": self.cookie})
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        set_cookie = answer.getheader("set-cookie")
        if set_cookie:
            self.cookie = set_cookie.partition(";")[0]
        found: dict[str, Any] = json.loads(body)
        return found

    def get(self, path: str) -> bytes:
        self.connection.request("GET", path, headers=self.headers | {"cookie": self.cookie})
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body

    def close(self) -> None:
        self.connection.close()

    def enter(self, persona: str) -> Terminal:
        self.act("administration.demo.enter", persona=persona)
        return self


@dataclass
class Acknowledged:
    """What the server said was done: (index, act, id of the note)."""

    entries: list[tuple[int, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, receipt: dict[str, Any], act: str, id_: str = "") -> None:
        with self.lock:
            self.entries.append((receipt["index"], act, id_))


def load(child: Child, cookie: str, mission: str, done: Acknowledged) -> None:
    """Asks until the server is gone."""
    terminal = Terminal(child, cookie)
    number = 0
    try:
        while True:
            number += 1
            if number % 5:
                name = "operations.note.add"
                answer = terminal.act(name, mission=mission, text=f"Note {number}", lat=60.17, lon=24.94)
                done.add(answer["receipt"], name, answer["result"]["id"])
            else:
                name = "administration.demo.enter"
                done.add(Terminal.act(terminal, name, persona="officer")["receipt"], name)
                terminal.cookie = cookie
    except (OSError, http.client.HTTPException):
        pass  # killed
    except (AssertionError, ValueError, KeyError) as error:
        done.wrong.append(repr(error))
    finally:
        terminal.close()


class Books:
    """Checks the store from outside, with SQLite and the tree only; goes on where it stopped."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "egide.db"
        self.tree = Frontier()
        self.size = 0
        self.checked = 0  # acknowledgements

    def check(self, done: Acknowledged) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            self._entries(db)
            self._effects(db)
            for index, act, id_ in done.entries[self.checked :]:
                row = db.execute("SELECT act, outcome FROM entry WHERE realm='police' AND idx=?", (index,)).fetchone()
                assert row == (act, "allowed"), f"acknowledged act {index} is lost: {row}"
                if id_:
                    assert db.execute("SELECT 1 FROM note WHERE id=?", (id_,)).fetchone(), f"note {id_} is lost"
        self.checked = len(done.entries)
        indices = [index for index, _act, _id in done.entries]
        assert len(indices) == len(set(indices)), "no place of the ledger is given twice"

    def _entries(self, db: sqlite3.Connection) -> None:
        heads = dict(db.execute("SELECT size, note FROM checkpoint WHERE size > ? ORDER BY size", (self.size,)))
        for index, leaf, body in self._rows(db):
            assert index == self.size, f"entry {self.size} is missing"
            assert json.loads(leaf)["body"] == hashlib.sha256(body).hexdigest(), f"entry {index}: another body"
            self.tree.extend([leaf_hash(leaf)])
            self.size += 1
            if self.size in heads:
                signed = parse(heads.pop(self.size)).checkpoint
                assert signed.root == self.tree.root(), f"the head signed at {self.size} is of another tree"
        assert not heads, f"heads are signed for entries that are not there: {sorted(heads)}"

    def _rows(self, db: sqlite3.Connection) -> Iterator[tuple[int, bytes, bytes]]:
        yield from db.execute(
            "SELECT idx, leaf, body FROM entry WHERE realm='police' AND idx >= ? ORDER BY idx", (self.size,)
        )

    @staticmethod
    def _effects(db: sqlite3.Connection) -> None:
        """A row of effect is there if and only if its entry is."""
        for table, act in (("note", "operations.note.add"), ("session", "administration.demo.enter")):
            (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
            (entries,) = db.execute(
                "SELECT count(*) FROM entry WHERE realm='police' AND act=? AND outcome='allowed'", (act,)
            ).fetchone()
            assert rows == entries, f"{rows} rows of {table} for {entries} entries"


def prepare(child: Child) -> tuple[str, str]:
    """(cookie of an officer, mission)."""
    now = time.time()
    stamp = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + shift)) for shift in (-3600, 86_400)]
    prefect, command, officer = (Terminal(child).enter(persona) for persona in ("prefect", "command", "officer"))
    order = prefect.act(
        "orders.draft", title="Marché", purpose="places", place="Centre", perimeter=SQUARE, cap=2, starts=stamp[0], ends=stamp[1],
        necessity="Foule", less_intrusive="Rondes insuffisantes", equipment="Aéronef de 900 g, sans micro",
    )["result"]["id"]  # fmt: skip
    prefect.act("orders.sign", order=order)
    mission = command.act("operations.mission.open", title="Test", order=order, roster=["officer"])["result"]["id"]
    for each in (prefect, command, officer):
        each.close()
    return officer.cookie, str(mission)


@pytest.mark.timeout(60 + CYCLES * 20)
def test_no_acknowledged_act_is_lost_and_none_is_half_written(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    folder = tmp_path / "data"
    done, books = Acknowledged(), Books(folder)
    cookie = mission = ""
    for cycle in range(CYCLES):
        child = Child(folder)
        try:
            if not cookie:
                cookie, mission = prepare(child)
            before = len(done.entries)
            threads = [threading.Thread(target=load, args=(child, cookie, mission, done)) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            time.sleep(draw.uniform(*LOAD_S))
        finally:
            child.kill()
        for thread in threads:
            thread.join(30)
        assert not done.wrong, done.wrong[:3]
        assert len(done.entries) > before, f"cycle {cycle}: nothing was under way"
        books.check(done)

    child = Child(folder)
    try:
        exports = export(child, tmp_path)
    finally:
        assert child.stop() in (0, -signal.SIGTERM)
    books.check(done)
    with closing(sqlite3.connect(books.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for archive in exports:
        verify = [
            sys.executable,
            "-m",
            "egide",
            "ledger",
            "verify",
            str(archive),
            "--key",
            str(tmp_path / "ledger.vkey"),
        ]
        checked = subprocess.run(
            verify,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def export(child: Child, place: Path) -> list[Path]:
    """Both exports as an inspector gets them, and the public key beside them."""
    inspector = Terminal(child).enter("dpo")
    (place / "ledger.vkey").write_text(inspector.act("oversight.ledger.head")["result"]["vkey"] + "\n")
    found = []
    for kind in ("inspector", "public"):
        url = inspector.act("oversight.ledger.export", kind=kind, motive="Contrôle après incident")["result"]["url"]
        found.append(place / f"{kind}.tar")
        found[-1].write_bytes(inspector.get(url))
    inspector.close()
    return found
