"""A supervised platform of real processes for tests: started as an operator does, watched through /proc, ended after."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
START_S = 100.0  # s a start may take on a busy machine
END_S = 30.0  # s in which everything ends
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("EGIDE_")}
ENVIRONMENT |= {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "EGIDE_ACTS_PER_S": "1000000"}


def egide(*words: str, timeout: float = START_S) -> subprocess.CompletedProcess[str]:
    """A command of the program, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "egide", *words],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


class Supervised:
    """`egide serve --demo --processes N` (or plain, for None) on a port of its own."""

    def __init__(self, folder: Path, processes: int | None = 2, *, program: Path = ROOT / "src") -> None:
        self.folder = folder
        self.port = free_port()
        self.said = folder.parent / f"said-{self.port}.log"
        words = ["serve", "--demo", "--data", str(folder), "--port", str(self.port)]
        words += [] if processes is None else ["--processes", str(processes)]
        with self.said.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "egide", *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=ENVIRONMENT | {"PYTHONPATH": str(program)},
            )  # fmt: skip

    def up(self, count: int = 1) -> None:
        """Waits until `count` processes answer."""
        self.until(lambda: len(self.answering()) >= count, START_S)

    def until(self, condition: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not come: {self.log()[-3000:]}"
            assert self.process.poll() is None, f"it ended: {self.log()[-3000:]}"
            time.sleep(0.05)

    def log(self) -> str:
        return self.said.read_text("utf-8")

    def children(self) -> list[int]:
        """The supervisor's processes, zombies too."""
        file = Path(f"/proc/{self.process.pid}/task")
        found: list[int] = []
        for thread in file.iterdir():
            found += [int(each) for each in (thread / "children").read_text().split()]
        return found

    def serving(self) -> dict[str, int]:
        """The serving processes: id → number in the operating system."""
        import sqlite3

        with closing(sqlite3.connect(f"file:{self.folder / 'egide.db'}?mode=ro", uri=True, timeout=30)) as db:
            rows = dict(db.execute("SELECT id, pid FROM process").fetchall())
        return {id_: pid for id_, pid in rows.items() if Path(f"/proc/{pid}").exists()}

    def heard(self, expected: set[str]) -> None:
        """Waits until each of `expected` has answered, and asserts that nobody else did.

        They share one door: the process that wakes first takes every connection that waits there, so one round may hear one.
        """
        heard: set[str] = set()

        def all_of_them() -> bool:
            heard.update(self.answering())
            return heard >= expected

        self.until(all_of_them, START_S)
        assert heard == expected

    def answering(self, connections: int = 24) -> set[str]:
        """The ids that answer when many ask at once: any process may take a connection."""
        wires: list[socket.socket] = []
        found: set[str] = set()
        try:
            while len(wires) < connections:
                wires.append(socket.create_connection(("127.0.0.1", self.port), timeout=30))
            for wire in wires:
                wire.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            for wire in wires:
                answer = http.client.HTTPResponse(wire)
                answer.begin()
                found.add(json.loads(answer.read())["process"])
                answer.close()
        except OSError:
            return set()
        finally:
            for wire in wires:
                wire.close()
        return found

    def end(self) -> float:
        """SIGTERM; the seconds it took. No child is left."""
        if self.process.poll() is not None:
            return 0.0
        left = self.children()
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        took = time.monotonic() - began
        for pid in left:
            assert not _egide(pid), f"{pid} was left behind"
        return took


def _egide(pid: int) -> bool:
    try:
        return b"egide" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


class Client:
    """Someone over one kept connection; a request on a connection that the server had closed before is sent once more."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.port, self.cookie = port, cookie
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def act(self, name: str, /, **given: Any) -> dict[str, Any]:
        headers = {"origin": f"http://localhost:{self.port}", "content-type": "application/json", "cookie": self.cookie}
        self.connection.request("POST", f"/api/acts/{name}", json.dumps(given), headers)
        answer = self.connection.getresponse()
        told = json.loads(answer.read())
        assert answer.status == 200, told
        self.cookie = (answer.getheader("set-cookie") or self.cookie).partition(";")[0]
        found: dict[str, Any] = told
        return found

    def get(self, path: str) -> tuple[int, bytes]:
        self.connection.request("GET", path, headers={"cookie": self.cookie})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def enter(self, persona: str) -> Client:
        self.act("administration.demo.enter", persona=persona)
        return self

    def close(self) -> None:
        self.connection.close()


class Load:
    """Clients with kept connections that ask until told to stop; counts what was answered and what was not."""

    def __init__(self, port: int, cookie: str, name: str, given: dict[str, Any], clients: int = 4) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(port, cookie, name, given)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, port: int, cookie: str, name: str, given: dict[str, Any]) -> None:
        client = Client(port, cookie)
        while not self._stop.is_set():
            try:
                client.act(name, **given)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                with self._lock:
                    self.failures.append(repr(error))
                client.close()
                client = Client(port, cookie)
                time.sleep(0.02)
            else:
                with self._lock:
                    self.answered += 1
        client.close()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(70)
