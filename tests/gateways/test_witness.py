"""The witness as a program: speaks C2SP tlog-witness, survives any request, and killed at any moment signs one history."""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from egide.gateways.witness import Endpoint
from egide.kernel import checkpoint
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.vault import SigningKey
from egide.kernel.witness import MAX_REQUEST, VKEY, Witness, trust
from tests.kernel.logs import Grown
from tests.ports import free_port

KILLS = 100 if os.environ.get("EGIDE_PROOF") == "1" else 6
START_S = 20.0


class Child:
    """`egide witness serve` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "egide",
            "witness",
            "serve",
            "--data",
            str(self.folder),
            "--port",
            str(self.port),
            "--name",
            "w",
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                if self.ask("GET", "/")[0] == 200:
                    return
            except OSError:
                assert self._process.poll() is None, self._process.communicate()[0].decode()
                time.sleep(0.02)
        raise AssertionError("the witness did not start")

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.getheader("content-type", "")
        finally:
            connection.close()

    def add(self, body: bytes) -> tuple[int, str, str]:
        return self.ask("POST", "/add-checkpoint", body)

    def end(self, how: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.communicate(timeout=10)
        return int(self._process.returncode)

    @property
    def vkey(self) -> str:
        return (self.folder / VKEY).read_text().strip()


@pytest.fixture
def log(tmp_path: Path) -> Grown:
    return Grown.at(tmp_path).grow(10)


@pytest.fixture
def child(tmp_path: Path, log: Grown) -> Iterator[Child]:
    trust(tmp_path / "witness", log.key.vkey)
    made = Child(tmp_path / "witness")
    made.start()
    yield made
    if made._process is not None and made._process.poll() is None:
        made.end(signal.SIGKILL)


def cosigned(vkey: str, log: Grown, size: int, line: str) -> bool:
    note = checkpoint.parse(log.note(size) + line)
    return len(CosignatureVerifier([vkey]).verify(note)) == 1


def test_it_speaks_the_protocol(child: Child, log: Grown) -> None:
    status, line, _ = child.add(log.request(0))
    assert status == 200
    assert cosigned(child.vkey, log, 10, line)
    assert child.add(log.grow(20).request(0)) == (409, "10\n", "text/x.tlog.size")
    assert child.add(Grown(log.key, 3).grow(20).request(10))[0] == 422
    assert child.add(b"old x\n")[0] == 400
    assert child.add(b"x" * (MAX_REQUEST + 1))[0] == 413
    assert child.ask("GET", "/add-checkpoint")[0] == 405
    assert child.ask("POST", "/elsewhere", b"")[0] == 404
    assert child.ask("GET", "/")[1] == child.vkey + "\n"
    assert child.add(log.request(10))[0] == 200
    assert child.end() in (0, -signal.SIGTERM)


class Offering(threading.Thread):
    """Offers one log's heads, one leaf more each time, as long as the witness is there; notes what was cosigned."""

    def __init__(self, child: Child, log: Grown, turns: int) -> None:
        super().__init__()
        self.child, self.log, self.turns = child, log, turns
        self.answers: list[tuple[int, str]] = []

    def run(self) -> None:
        old = 0
        for _ in range(self.turns):
            size = min(old + 1, self.log.log.size)
            try:
                status, said, kind = self.child.add(self.log.request(old, size))
            except (OSError, http.client.HTTPException):
                return  # killed
            if status == 200:
                self.answers.append((size, said))
                old = size
            elif kind == "text/x.tlog.size" and int(said) != old:
                old = int(said)
            else:
                return  # it has seen the other history


def test_killed_in_the_middle_of_requests_it_never_signs_two_histories(child: Child, tmp_path: Path) -> None:
    """An honest log and one rebuilt from its first leaf race; the process dies at a random moment and comes back."""
    chance, won = random.Random(7), set()
    for number in range(KILLS):
        key = SigningKey.load_or_create(tmp_path / f"{number}.key", f"egide.example/{number}")
        trust(child.folder, key.vkey)
        logs = {"honest": Grown(key).grow(400), "forged": Grown(key, 0).grow(400)}
        before = [Offering(child, logs[name], 400) for name in ("honest", "forged", "honest", "forged")]
        chance.shuffle(before)
        for each in before:
            each.start()
        time.sleep(chance.uniform(0.005, 0.15))
        child.end(signal.SIGKILL)
        for each in before:
            each.join(10)
        child.start()
        after = [Offering(child, log, 3) for log in logs.values()]
        for each in after:
            each.start()
        for each in after:
            each.join(10)
        given = [(each.log, size, line) for each in (*before, *after) for size, line in each.answers]
        assert given, "nothing was cosigned, so nothing is shown"
        assert all(cosigned(child.vkey, log, size, line) for log, size, line in given)
        assert len({id(log) for log, _, _ in given}) == 1, "two histories were cosigned"
        told = child.add(logs["honest"].request(400, 400))
        if told[0] == 409:
            assert int(told[1]) >= max(size for _, size, _ in given), "it forgot what it had cosigned"
        won |= {name for name, log in logs.items() if log is given[0][0]}
    assert won


async def _call(endpoint: Endpoint, messages: list[dict[str, object]], **scope: object) -> tuple[int, bytes]:
    sent: list[dict[str, object]] = []
    waiting = iter(messages)

    async def receive() -> dict[str, object]:
        return next(waiting)

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await endpoint({"type": "http", "method": "POST", "path": "/add-checkpoint"} | scope, receive, send)
    return int(str(sent[0]["status"])), bytes(sent[1]["body"])  # type: ignore[call-overload]


@pytest.mark.anyio
async def test_half_a_request_is_none(tmp_path: Path, log: Grown) -> None:
    trust(tmp_path / "w", log.key.vkey)
    witness = Witness(tmp_path / "w", "w")
    whole = log.request(0)
    endpoint = Endpoint(witness)
    half = [{"type": "http.request", "body": whole, "more_body": True}, {"type": "http.disconnect"}]
    assert (await _call(endpoint, half))[0] == 400
    parts = [
        {"type": "http.request", "body": whole[at : at + 7], "more_body": at + 7 < len(whole)}
        for at in range(0, len(whole), 7)
    ]
    assert (await _call(endpoint, parts))[0] == 200
    endless = [{"type": "http.request", "body": b"x" * 1024, "more_body": True} for _ in range(1000)]
    assert (await _call(endpoint, endless))[0] == 413
    witness.close()


def test_commands(tmp_path: Path, log: Grown) -> None:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "egide", "witness", *args], capture_output=True, text=True, timeout=60, check=False
        )

    done = run("trust", log.key.vkey, "--data", str(tmp_path / "w"))
    assert (done.returncode, "Log known" in done.stdout) == (0, True), done.stderr
    assert "Known already" in run("trust", log.key.vkey, "--data", str(tmp_path / "w")).stdout
    wrong = run("trust", "nonsense", "--data", str(tmp_path / "w"))
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr


def test_it_needs_nothing_of_the_platform() -> None:
    program = """
import sys
import egide.gateways.witness
loaded = [name for name in sys.modules if name.startswith("egide.")]
wrong = ("egide.app", "egide.operations", "egide.oversight", "egide.administration", "egide.engines", "egide.kernel.door", "egide.kernel.kernel", "egide.kernel.store")
assert not [name for name in loaded if name.startswith(wrong)], loaded
assert "sqlalchemy" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
