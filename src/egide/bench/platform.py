"""A real platform to measure: `egide serve` as a child process, signed-in people, an order and a mission on it.

Two settings differ from an operator's: demo mode (its personas are the only people who can sign in without a passkey) and the
limit of acts a second, which would otherwise be what is measured.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egide.bench.measure import BenchError, child, cpu_s, free_port, wait_for
from egide.exercise.people import Person
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

    def person(self, persona: str) -> Person:
        """A persona, signed in."""
        found = Person(self.origin, persona)
        asyncio.run(found.enter())
        return found

    def trust(self) -> ssl.SSLContext:
        """What a client trusts: the platform's own authority."""
        return ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.pem"))


@contextmanager
def platform(folder: Path, *, tls: bool = False) -> Iterator[Platform]:
    """Starts one and waits until it answers; it ends with the block."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    if tls:
        ensure(folder / "tls", own_names("localhost"), Clock().now())
    environment = {"EGIDE_ACTS_PER_S": str(ACTS_PER_S), "PYTHONUNBUFFERED": "1"}
    words = [
        sys.executable,
        "-m",
        "egide",
        "serve",
        "--demo",
        "--data",
        str(folder),
        "--port",
        str(port),
        "--tls" if tls else "--no-tls",
    ]
    with (
        (folder / "serve.log").open("wb") as log,
        child(words, environment=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process,
    ):
        found = Platform(process, folder, port, tls)

        def ready() -> bool:
            if process.poll() is not None:
                raise BenchError(
                    f"the platform did not start: {(folder / 'serve.log').read_text('utf-8').strip()[-400:]}"
                )
            return healthy(found)

        wait_for(ready, "the platform")
        yield found


def healthy(one: Platform) -> bool:
    """Whether its health page answers 200."""
    try:
        with socket.create_connection(("127.0.0.1", one.port), timeout=2) as plain:
            wrapped = one.trust().wrap_socket(plain, server_hostname="localhost") if one.tls else plain
            wrapped.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return wrapped.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def listening(port: int) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def mission(one: Platform, perimeter: dict[str, Any] | None = None) -> tuple[Person, Person, str]:
    """(officer, commander, mission) under an order that the prefect has signed."""
    return asyncio.run(_mission(one, perimeter or SQUARE))


async def _mission(one: Platform, perimeter: dict[str, Any]) -> tuple[Person, Person, str]:
    people = {name: Person(one.origin, name) for name in ("prefect", "command", "officer")}
    for person in people.values():
        await person.enter()
    drafted = await people["prefect"].act("orders.draft", **draft(perimeter))
    await people["prefect"].act("orders.sign", order=drafted["id"])
    opened = await people["command"].act(
        "operations.mission.open", title="Mesure", order=drafted["id"], roster=["officer", "command"]
    )
    return people["officer"], people["command"], str(opened["id"])


def note(mission_id: str) -> bytes:
    """The input of the act that is measured: a field note of a usual length."""
    text = "Un homme âgé désorienté devant le numéro 14, pris en charge par les secours ; la rue est dégagée."
    return json.dumps({"mission": mission_id, "text": text, "lat": INSIDE[0], "lon": INSIDE[1]}).encode()


def idle(one: Platform, seconds: float) -> float:
    """Share of a core it uses when nothing happens, to be told apart from what a load costs."""
    before = one.cpu_s()
    time.sleep(seconds)
    return (one.cpu_s() - before) / seconds
