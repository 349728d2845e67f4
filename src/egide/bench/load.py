"""HTTP loads: wrk where it is installed (as many requests as the server takes), an own client for a fixed rate.

The fixed rate is an open loop: each request has a time at which it is due, and its latency counts from then, so that a stall of
the server is seen in every request that waited for it (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from egide.bench.measure import BenchError

CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Request:
    """One POST, over and over, with the cookies of several sessions in turn."""

    port: int
    path: str
    body: bytes
    origin: str
    cookies: tuple[str, ...]

    def encoded(self, cookie: str) -> bytes:
        """The bytes of one request."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: localhost:{self.port}\r\norigin: {self.origin}\r\ncookie: {cookie}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back: how many answers of status 200, in how long, their latencies in s (fixed rate only)."""

    count: int
    seconds: float
    latencies: tuple[float, ...] = ()


def flood(request: Request, seconds: float, folder: Path, connections: int = CONNECTIONS) -> Answered:
    """As many as the server takes from so many connections. Raises `BenchError` when it answers anything but 200."""
    if shutil.which("wrk") is None:
        return asyncio.run(_closed(request, seconds, connections))
    script = folder / "load.lua"
    cookies = ", ".join(f'"{cookie}"' for cookie in request.cookies)
    script.write_text(
        f"local cookies = {{{cookies}}}\nlocal n = 0\nlocal body = [==[{request.body.decode()}]==]\n"
        "local made = {}\n"
        "function init(args) for i, c in ipairs(cookies) do made[i] = wrk.format('POST', nil, "
        f"{{['content-type']='application/json', ['origin']='{request.origin}', ['cookie']=c}}, body) end end\n"
        "function request() n = n + 1; return made[n % #made + 1] end\n",
        "utf-8",
    )
    words = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "-s",
        str(script),
        f"http://127.0.0.1:{request.port}{request.path}",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", done.stdout)
    if found is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise BenchError(f"wrk: {' '.join((done.stdout + done.stderr).split())[-400:]}")
    return Answered(int(found[1]), float(found[2]) / (1000 if found[3] == "ms" else 1))


async def _closed(request: Request, seconds: float, connections: int) -> Answered:
    """Without wrk: the same, from here."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    wires = [await _connect(request, number) for number in range(connections)]
    started = time.perf_counter()

    def again(wire: _Wire) -> None:
        if loop.time() < end:
            wire.ask(0.0)

    for wire in wires:
        wire.answered = again
        wire.ask(0.0)
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    await _finish(wires)
    return Answered(sum(wire.count for wire in wires), took)


def steady(request: Request, rate: float, seconds: float) -> Answered:
    """A fixed number of requests a second, due at even intervals over 64 connections."""
    return asyncio.run(_steady(request, rate, seconds))


async def _steady(request: Request, rate: float, seconds: float) -> Answered:
    wires = [await _connect(request, number) for number in range(CONNECTIONS)]
    started = time.perf_counter()
    sent, total = 0, int(rate * seconds)
    while sent < total:
        due = int((time.perf_counter() - started) * rate)
        while sent < min(due, total):
            wires[sent % CONNECTIONS].ask(started + sent / rate)
            sent += 1
        await asyncio.sleep(0.001)
    await _finish(wires)
    took = time.perf_counter() - started
    latencies = tuple(latency for wire in wires for latency in wire.latencies)
    return Answered(len(latencies), took, latencies)


async def _finish(wires: list[_Wire]) -> None:
    end = time.monotonic() + 30
    while any(wire.due for wire in wires) and time.monotonic() < end:  # noqa: ASYNC110 — the last of 64, whichever it is
        await asyncio.sleep(0.005)
    for wire in wires:
        wire.close()
    wrong = next((wire.wrong for wire in wires if wire.wrong), "")
    if wrong:
        raise BenchError(f"the server answered: {wrong}")


async def _connect(request: Request, number: int) -> _Wire:
    loop = asyncio.get_running_loop()
    cookie = request.cookies[number % len(request.cookies)]
    _, wire = await loop.create_connection(lambda: _Wire(request.encoded(cookie)), "127.0.0.1", request.port)
    return wire


class _Wire(asyncio.Protocol):
    """One connection; a request waits for the answer to the one before (no server here need pipeline)."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.due: deque[float] = deque()
        self.latencies: list[float] = []
        self.count = 0
        self.wrong = ""
        self.answered: Callable[[_Wire], None] = _nothing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 — asyncio's signature
        if self.due:
            self.wrong = self.wrong or "the connection was closed"
            self.due.clear()

    def ask(self, due: float) -> None:
        """Sends one, or lets it wait for its turn."""
        self.due.append(due)
        if len(self.due) == 1:
            self._send()

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if length is None or len(rest) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.wrong = (head.partition(b"\r\n")[0] + b" " + rest[:300]).decode("utf-8", "replace")
        self._buffer = b""
        self.count += 1
        if self.due:
            self.latencies.append(time.perf_counter() - self.due.popleft())
        if self.due:
            self._send()
        self.answered(self)

    def close(self) -> None:
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.close()


def _nothing(_wire: _Wire) -> None:
    return
