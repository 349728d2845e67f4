"""What operations is measured with: the exercise's drone over UDP, or a recording of it, on a mission of a real platform."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from egide.bench.measure import BenchError, ask, child, free_port, wait_for
from egide.bench.platform import Caller, Platform, mission

PAINT_S = 180.0  # s the town may take to be painted, the first time on a machine


def cache() -> Path:
    """Where the painted town is kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "egide"


@contextmanager
def drone(port: int, *words: str) -> Iterator[dict[str, Any]]:
    """A drone that sends to a UDP port; what it announced of itself."""
    command = [
        sys.executable,
        "-m",
        "egide.exercise",
        "drone",
        "--udp",
        f"127.0.0.1:{port}",
        "--cache",
        str(cache()),
        *words,
    ]
    with child(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, environment={"PYTHONUNBUFFERED": "1"}
    ) as process:
        yield ask(process, "the exercise's drone", seconds=PAINT_S)


def record(file: Path, seconds: float) -> dict[str, Any]:
    """Keeps what a drone sends in a file; what it announced of itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker, file.open("wb") as out:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        taker.bind(("127.0.0.1", 0))
        taker.settimeout(5)
        with drone(taker.getsockname()[1]) as told:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                out.write(taker.recv(2048))
    return told


def udp_port() -> int:
    """A UDP port that is free now."""
    return free_port(socket.SOCK_DGRAM)


def fly(one: Platform, told: dict[str, Any], url: str, tags: tuple[str, ...] = ()) -> tuple[Caller, str]:
    """(officer, deployment) of that aircraft on a mission of its own."""
    officer, command, opened = mission(one, told["perimeter"])
    ring = told["perimeter"]["coordinates"][0]
    given = {
        "name": "Drone", "kind": url.partition(":")[0] if "://" in url else "file", "url": url, "aircraft": told["tail"], "pilot": "Télépilote",
        "lat": sum(point[1] for point in ring) / len(ring), "lon": sum(point[0] for point in ring) / len(ring), "tags": list(tags),
    }  # fmt: skip
    source = command.act("operations.source.add", **given)
    started = command.act("operations.camera.start", source=source["id"], mission=opened)
    return officer, str(started["deployment"])


class Viewers:
    """A child full of terminals (`egide.bench.viewers`)."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def told(self) -> dict[str, Any]:
        """What has come so far."""
        return ask(self._process, "the viewers' process", "how many?")


@contextmanager
def viewers(one: Platform, count: int, act: str, given: dict[str, Any]) -> Iterator[Viewers]:
    """Opens terminals that all ask the same, each with a session of its own."""
    told = {
        "port": one.port, "cafile": str(one.folder / "tls" / "ca.pem") if one.tls else None, "origin": one.origin,
        "cookies": [Caller(one, "officer").cookie for _ in range(count)], "act": act, "input": given,
    }  # fmt: skip
    with child([sys.executable, "-m", "egide.bench.viewers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        ask(process, "the viewers' process", told)
        yield Viewers(process)


def until_flowing(crowd: Viewers) -> None:
    """Waits until every terminal gets the picture."""
    last = {"least": 0}

    def flows() -> bool:
        before, now = last["least"], crowd.told()
        last["least"] = int(now["least"])
        if '"error"' in now["first"]:
            raise BenchError(f"the picture did not open: {now['first'][:300]}")
        time.sleep(0.2)
        return before > 50_000 and last["least"] > before

    wait_for(flows, "the picture", 30)
