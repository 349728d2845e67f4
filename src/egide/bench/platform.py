"""A real platform to measure: `egide serve` as a child process, signed-in people, an order and a mission on it.

Two settings differ from an operator's: demo mode (its personas are the only people who can sign in without a passkey) and the
limit of acts a second, which would otherwise be what is measured.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from egide.bench.load import Request
from egide.bench.measure import BenchError, child, cpu_s, free_port, wait_for
from egide.exercise.story import draft
from egide.gateways.certificate import ensure, own_names
from egide.kernel.clock import Clock

ACTS_PER_S = 1_000_000
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[24.92, 60.15], [24.98, 60.15], [24.98, 60.19], [24.92, 60.19], [24.92, 60.15]]],
}
INSIDE = (60.17, 24.945)  # lat, lon
LIMIT_NOTE = "acts_per_s is raised for the bench: the limit per person (200/s by default) would be what is measured."


@dataclass(slots=True)
class Platform:
    """A running child."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    tls: bool

    @property
    def origin(self) -> str:
        """The only origin from which it takes acts."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    @property
    def base(self) -> str:
        """Where to send HTTP requests."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        return cpu_s(self.process.pid)

    def trust(self) -> ssl.SSLContext:
        """What a client trusts: the platform's own authority."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.pem"))
        context.check_hostname = False  # the certificate names localhost; we ask by number
        return context


@contextmanager
def platform(
    folder: Path, *, tls: bool = False, entities: int = 0, settings: Mapping[str, str] | None = None, port: int = 0,
    alone: bool = False, processes: int | None = None, feeder: str = "egide.bench.feeding",
) -> Iterator[Platform]:  # fmt: skip
    """Starts one and waits until it answers; it ends with the block. `entities`: with so many made-up ones (`feeder`).

    With a `port`: beside the process that serves it already, unless it is to be `alone` there. `processes`: under a supervisor.
    """
    join = ["--join"] if port and not alone else []
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    if tls:
        ensure(folder / "tls", own_names("localhost"), Clock().now())
    environment = {"EGIDE_ACTS_PER_S": str(ACTS_PER_S), "PYTHONUNBUFFERED": "1"}
    environment |= {f"EGIDE_{name.upper()}": value for name, value in (settings or {}).items()}
    words = [
        "egide",
        "serve",
        "--demo",
        "--data",
        str(folder),
        "--port",
        str(port),
        "--tls" if tls else "--no-tls",
        *join,
    ]
    words += ["--processes", str(processes)] if processes else []
    if entities:
        words = [feeder, str(folder), str(port), str(entities)]
    words = [sys.executable, "-m", *words]
    with (
        (folder / ("join.log" if join else "serve.log")).open("wb") as log,
        child(words, environment=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process,
    ):
        found = Platform(process, folder, port, tls)

        def ready() -> bool:
            if join and not _said(folder):
                return False  # the other one would answer for it
            if process.poll() is not None:
                raise BenchError(
                    f"the platform did not start: {(folder / 'serve.log').read_text('utf-8').strip()[-400:]}"
                )
            return healthy(found)

        wait_for(ready, "the platform")
        yield found


def _said(folder: Path) -> bool:
    """Whether the process says that it serves; several may write to one log."""
    return "Égide" in (folder / "join.log").read_text("utf-8")


def answers(request: Request) -> bool:
    """Whether one act is acknowledged."""
    connection = HTTPConnection("127.0.0.1", request.port, timeout=10)
    with closing(connection):
        try:
            connection.request(
                "POST", request.path, request.body, {"origin": request.origin, "cookie": request.cookies[0]}
            )
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def healthy(one: Platform) -> bool:
    """Whether its health page answers 200."""
    try:
        with socket.create_connection(("127.0.0.1", one.port), timeout=2) as plain:
            if not one.tls:
                return _ok(plain)
            with one.trust().wrap_socket(plain, server_hostname="localhost") as wrapped:
                return _ok(wrapped)
    except OSError:
        return False


def _ok(wire: socket.socket) -> bool:
    wire.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    return wire.recv(64).startswith(b"HTTP/1.1 200")


def listening(port: int) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Caller:
    """A persona of the demonstration with a session, over HTTP or HTTPS."""

    def __init__(self, one: Platform, persona: str) -> None:
        self._one = one
        self.cookie = ""
        self.act("administration.demo.enter", persona=persona)

    def act(self, name: str, /, **given: Any) -> Any:
        """One act's result; raises `BenchError` with the platform's words."""
        one = self._one
        connection = (
            HTTPSConnection("127.0.0.1", one.port, timeout=30, context=one.trust())
            if one.tls
            else HTTPConnection("127.0.0.1", one.port, timeout=30)
        )
        with closing(connection):
            connection.request(
                "POST", f"/api/acts/{name}", json.dumps(given), {"origin": one.origin, "cookie": self.cookie}
            )
            answer = connection.getresponse()
            told = json.loads(answer.read())
            if answer.status != 200:
                raise BenchError(f"{name}: {json.dumps(told, ensure_ascii=False)[:400]}")
            self.cookie = (answer.getheader("set-cookie") or self.cookie).partition(";")[0]
            return told["result"]


def mission(one: Platform, perimeter: dict[str, Any] | None = None) -> tuple[Caller, Caller, str]:
    """(officer, commander, mission) under an order that the prefect has signed."""
    prefect, command, officer = (Caller(one, persona) for persona in ("prefect", "command", "officer"))
    drafted = prefect.act("orders.draft", **draft(perimeter or SQUARE))
    prefect.act("orders.sign", order=drafted["id"])
    opened = command.act("operations.mission.open", title="Mesure", order=drafted["id"], roster=["officer", "command"])
    return officer, command, str(opened["id"])


def note(mission_id: str) -> bytes:
    """The input of the act that is measured: a field note of a usual length."""
    text = "Un homme âgé désorienté devant le numéro 14, pris en charge par les secours ; la rue est dégagée."
    return json.dumps({"mission": mission_id, "text": text, "lat": INSIDE[0], "lon": INSIDE[1]}).encode()
