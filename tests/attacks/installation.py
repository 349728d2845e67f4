"""An installation under attack: processes, servers, a witness; a load that remembers every answer; books that are checked.

A client draws each number once and sends it once. Acknowledged: it must stand exactly once. Refused: not at all. Cut off or
“not known”: it may stand once. Whatever happens, never twice, never half.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from egide.kernel.checkpoint import parse
from egide.kernel.merkle import Frontier, leaf_hash
from tests.ports import free_port

START_S = 60  # s a start may take on a busy machine
ANSWER_S = 40  # s a client waits; the platform gives up long before
ROOT = Path(__file__).parents[2]


@dataclass
class Told:
    """What the clients were told."""

    done: dict[int, int] = field(default_factory=dict)  # number → ledger index
    refused: dict[int, str] = field(default_factory=dict)  # number → the words
    unknown: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Process:
    """A serving process that the nursery forked: it is the nursery's child, so it is known by its number only."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def runs(self) -> bool:
        return Path(f"/proc/{self.pid}/cmdline").exists()

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.runs():
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(0.002)


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < until, otherwise
        time.sleep(0.005)


class Installation:
    """Some processes on one data folder and one port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = settings
        self.processes: list[Process] = []
        self._mother: subprocess.Popen[bytes] | None = None
        self._born = 0
        self.told = Told()
        self.witness: Witness
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.cookie = ""

    def with_witness(self, witness: Witness) -> None:
        """Before the first start: whom the platform asks for cosignatures."""
        vkey = witness.start()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "egide.toml").write_text(
            f'witness_every_s = 1\n[witnesses]\n"{witness.url}" = "{vkey}"\n', "utf-8"
        )

    # -- processes ------------------------------------------------------------------------------------------------

    def start(self, *, join: bool = False) -> Process:
        """One more serving process; returns once it answers."""
        place = self.folder.parent
        self._born += 1
        said, told, errors = place / f"said-{self._born}", place / f"pid-{self._born}", place / "stderr.txt"
        asked = {
            "folder": str(self.folder), "port": self.port, "flags": ["--join"] if join else [], "log": str(errors), "said": str(said),
            "pid": str(told), "environment": {f"EGIDE_{name.upper()}": value for name, value in self.settings.items()},
        }  # fmt: skip
        nursery = self._nursery()
        assert nursery.stdin is not None
        nursery.stdin.write(json.dumps(asked).encode() + b"\n")
        nursery.stdin.flush()
        _wait(told.exists, "the nursery does not answer")
        process = Process(int(told.read_text()))
        self.processes.append(process)
        _wait(lambda: not process.runs() or (said.exists() and said.stat().st_size > 0), "a process does not answer")
        assert process.runs(), f"a process did not start: {errors.read_text()[-3000:]}"
        return process

    def _nursery(self) -> subprocess.Popen[bytes]:
        if self._mother is None:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("EGIDE_")}
            environment |= {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
            words = [sys.executable, "-m", "tests.attacks.nursery"]
            self._mother = subprocess.Popen(words, stdin=subprocess.PIPE, env=environment)
        return self._mother

    def kill(self, process: Process) -> None:
        process.send_signal(signal.SIGKILL)
        self._gone(process)

    def end(self) -> None:
        """Stops the load and every process, as an operator would."""
        self.rest()
        for process in tuple(self.processes):
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        for process in tuple(self.processes):
            try:
                process.wait(30)
            except TimeoutError:
                process.send_signal(signal.SIGKILL)
            self._gone(process)
        if self._mother is not None and self._mother.stdin is not None:
            self._mother.stdin.close()
            self._mother.wait(30)
            self._mother = None

    def _gone(self, process: Process) -> None:
        process.wait(30)
        self.processes.remove(process)

    # -- load -----------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """An officer signs in."""
        with contextlib.closing(self._connect()) as connection:
            status, body, cookie = self._ask("administration.demo.enter", {"persona": "officer"}, "", connection)
        assert status == 200, body
        self.cookie = cookie

    def load(self, clients: int = 4) -> None:
        """Starts asking, until `rest`."""
        if not self.cookie:
            self.enter()
        self._stop.clear()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def rest(self) -> None:
        """Ends the load; every client has its last answer."""
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_S + 5)
        self._threads = []

    def wait_for_one(self, seconds: float) -> float:
        """Seconds until an act is acknowledged that was asked for after this moment."""
        before = time.monotonic()
        while time.monotonic() - before < seconds:
            number = next(self._numbers)
            if self._one(number, None):
                return time.monotonic() - before
            time.sleep(0.01)
        raise AssertionError(f"no act was acknowledged within {seconds} s")

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)

    def _client(self) -> None:
        connection = self._connect()
        while not self._stop.is_set():
            if not self._one(next(self._numbers), connection):
                connection.close()  # the next number opens it again
                time.sleep(0.02)
        connection.close()

    def _one(self, number: int, connection: http.client.HTTPConnection | None) -> bool:
        """Sends one number, once; whether it was acknowledged."""
        told, own = self.told, connection or self._connect()
        try:
            if own.sock is None:
                own.connect()
        except OSError:
            own.close()
            return False  # nothing was sent
        try:
            status, body, _cookie = self._ask("proof.mark", {"number": number}, self.cookie, own)
        except (OSError, http.client.HTTPException, ValueError):
            with told.lock:
                told.unknown.add(number)
            return False
        finally:
            if connection is None:
                own.close()
        with told.lock:
            if status == 200:
                told.done[number] = body["receipt"]["index"]
            elif body.get("code") == "uncertain":
                told.unknown.add(number)
            else:
                told.refused[number] = body["code"]
                title = body.get("title", {})
                if not (title.get("fr") and title.get("en")) or "Traceback" in str(body):
                    told.wrong.append(f"{status}: {body}")
        return status == 200

    def _ask(
        self, name: str, given: dict[str, Any], cookie: str, connection: http.client.HTTPConnection
    ) -> tuple[int, dict[str, Any], str]:
        headers = {"origin": f"http://localhost:{self.port}", "content-type": "application/json", "cookie": cookie}
        connection.request("POST", f"/api/acts/{name}", json.dumps(given), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return answer.status, body, (answer.getheader("set-cookie") or "").partition(";")[0]


class Witness:
    """A real `egide witness serve`, on a folder of its own, that trusts the installation's ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "egide", "witness", *words, "--data", str(self.folder)]

    def start(self) -> str:
        """Starts it; its key."""
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        self._process = subprocess.Popen(
            self._words("serve", "--port", str(self.port)), stdout=subprocess.DEVNULL, env=environment
        )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                    connection.request("GET", "/")
                    return connection.getresponse().read().decode().strip()
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the witness does not answer")

    def trust(self, vkey: str) -> None:
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        words = [sys.executable, "-m", "egide", "witness", "trust", vkey, "--data", str(self.folder)]
        subprocess.run(words, check=True, capture_output=True, env=environment)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Books:
    """Checks the store from outside, with SQL and the tree only; goes on where it stopped."""

    def __init__(self, installation: Installation) -> None:
        store = installation.settings.get("store", "")
        url = store.replace("postgresql://", "postgresql+psycopg://") or f"sqlite:///{installation.folder / 'egide.db'}"
        self._engine = create_engine(url, pool_pre_ping=True)  # the server may have been restarted since
        self._told = installation.told
        self.tree = Frontier()
        self.size = 0
        self._heads: dict[int, bytes] = {}

    def close(self) -> None:
        self._engine.dispose()

    def check(self, *, echoed: bool = False, patience_s: float = 20.0) -> dict[str, int]:
        """What was acknowledged stands once, what was refused does not; the ledger is whole; counts of all that.

        Nobody may be asking meanwhile (`rest`).
        """
        with self._engine.connect() as db:
            assert not self._told.wrong, self._told.wrong[:3]
            self._entries(db)
            marks = Counter(row[0] for row in db.execute(text("SELECT number FROM proof_mark")))
            entries = dict(
                db.execute(
                    text(
                        "SELECT act, count(*) FROM entry WHERE outcome = 'allowed' AND act LIKE 'proof.%' GROUP BY act"
                    )
                ).all()
            )
        with self._told.lock:
            done, refused, unknown = dict(self._told.done), dict(self._told.refused), set(self._told.unknown)
        lost = [number for number in done if not marks[number]]
        assert not lost, f"{len(lost)} acknowledged acts are lost: {lost[:5]}"
        doubled = [number for number, count in marks.items() if count > 1]
        assert not doubled, f"{len(doubled)} acts stand twice: {doubled[:5]}"
        untrue = [number for number in refused if marks[number]]
        assert not untrue, f"{len(untrue)} acts were refused and done: {untrue[:5]}"
        assert len(set(done.values())) == len(done), "a place of the ledger was given twice"
        assert entries.get("proof.mark", 0) == sum(marks.values()), "an act is half written"
        echoes = self._echoes(marks, patience_s) if echoed else 0
        return {
            "acknowledged": len(done), "refused": len(refused), "unknown": len(unknown), "of which done": sum(marks[n] for n in unknown),
            "entries": self.size, "echoes": echoes,
        }  # fmt: skip

    def cosigned(self, patience_s: float = 30.0) -> int:
        """The witness has cosigned a head of this very tree; how many entries it covers."""
        until, found = time.monotonic() + patience_s, 0
        while time.monotonic() < until:
            with self._engine.connect() as db:
                found = int(db.execute(text("SELECT max(size) FROM cosignature")).scalar() or 0)
                newest = int(db.execute(text("SELECT max(size) FROM checkpoint")).scalar() or 0)
            if found and newest - found < 500:
                return found
            time.sleep(0.2)
        raise AssertionError(f"the witness cosigned up to {found} of {newest} entries")

    def relay(self) -> int | None:
        """The pid of the process that relays events."""
        query = "SELECT p.pid FROM turn t JOIN process p ON p.id = t.process WHERE t.name = 'relay'"
        with self._engine.connect() as db:
            found = db.execute(text(query)).scalar()
        return int(found) if found is not None else None

    def _echoes(self, marks: Counter[int], patience_s: float) -> int:
        """Each event was followed exactly once; as long as it goes on, however slowly, it is waited for."""
        before, moved = -1, time.monotonic()
        while True:
            with self._engine.connect() as db:
                echoes = Counter(row[0] for row in db.execute(text("SELECT number FROM proof_echo")))
            if len(echoes) > before:
                before, moved = len(echoes), time.monotonic()
            if len(echoes) >= len(marks) or time.monotonic() - moved > patience_s:
                break
            time.sleep(0.5)
        twice = [number for number, count in echoes.items() if count > 1]
        assert not twice, f"{len(twice)} events were followed twice: {twice[:5]}"
        missing = set(marks) - set(echoes)
        assert not missing, f"{len(missing)} events were not followed: {sorted(missing)[:5]}"
        return len(echoes)

    def _entries(self, db: Any) -> None:
        heads = {
            row[0]: row[1]
            for row in db.execute(text("SELECT size, note FROM checkpoint WHERE size > :size"), {"size": self.size})
        }
        rows = db.execute(
            text("SELECT idx, leaf, body FROM entry WHERE realm = 'police' AND idx >= :size ORDER BY idx"),
            {"size": self.size},
        )
        for index, leaf, body in rows:
            assert index == self.size, f"entry {self.size} is missing"
            assert json.loads(bytes(leaf))["body"] == hashlib.sha256(bytes(body)).hexdigest(), (
                f"entry {index}: another body"
            )
            self.tree.extend([leaf_hash(bytes(leaf))])
            self.size += 1
            if self.size in heads:
                assert parse(heads.pop(self.size)).checkpoint.root == self.tree.root(), (
                    f"head {self.size} is of another tree"
                )
        assert not [size for size in heads if size <= self.size], "a signed head was passed over"
