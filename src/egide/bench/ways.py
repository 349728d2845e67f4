"""HTTP loads of several requests in a row: each person's next request is made from the answer to the one before.

A way is a generator that yields requests and is sent their answers:

    def file(…) -> Way:
        saved = yield post("/api/acts/services.draft.save", …)
        yield post("/api/acts/services.theft.file", …)          # with the id that `saved` holds

As in load.py: 64 connections that stay open; at a fixed rate (open loop) a way's latency counts from when it was due.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from egide.bench.load import CONNECTIONS, Answered
from egide.bench.measure import BenchError

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
COOKIE = re.compile(rb"\r\nset-cookie: *([^;\r]+)", re.IGNORECASE)
PATIENCE_S = 60.0  # s that ways under way get to end


class Answer(NamedTuple):
    """What came back: status, the head as bytes, the body."""

    status: int
    head: bytes
    body: bytes

    @property
    def cookies(self) -> list[str]:
        """The cookies it sets, as one sends them back."""
        return [found.decode("latin-1") for found in COOKIE.findall(self.head)]


Way = Generator[bytes, Answer, None]


def asked(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def throng(port: int, ways: Iterator[Way], seconds: float, *, connections: int = CONNECTIONS) -> Answered:
    """As many ways as the server takes, one after the other on each connection, until time or ways run out.

    Raises `BenchError` when an answer is neither 2xx nor 3xx.
    """
    return asyncio.run(_throng(port, ways, seconds, connections))


async def _throng(port: int, ways: Iterator[Way], seconds: float, connections: int) -> Answered:
    end = time.perf_counter() + seconds
    wires = [await _connect(port) for _ in range(connections)]
    started = time.perf_counter()

    def again(wire: _Wire) -> None:
        if time.perf_counter() < end and (way := next(ways, None)) is not None:
            wire.walk(way, time.perf_counter())

    for wire in wires:
        wire.ended = again
        again(wire)
    await _until_ended(wires)
    return _told(wires, time.perf_counter() - started)


def paced(port: int, ways: Iterator[Way], rate: float, seconds: float) -> Answered:
    """A fixed number of ways a second, due at even intervals; one that finds every connection busy waits, and that counts."""
    return asyncio.run(_paced(port, ways, rate, seconds))


async def _paced(port: int, ways: Iterator[Way], rate: float, seconds: float) -> Answered:
    wires = [await _connect(port) for _ in range(CONNECTIONS)]
    free, late = deque(wires), deque[float]()

    def again(wire: _Wire) -> None:
        if late:
            wire.walk(next(ways), late.popleft())
        else:
            free.append(wire)

    for wire in wires:
        wire.ended = again
    started = time.perf_counter()
    sent, total = 0, int(rate * seconds)
    while sent < total:
        due = min(total, int((time.perf_counter() - started) * rate) + 1)
        while sent < due:
            late.append(started + sent / rate)
            sent += 1
            if free:
                again(free.popleft())
        await asyncio.sleep(0.001)
    await _until_ended(wires)
    return _told(wires, time.perf_counter() - started)


def _told(wires: list[_Wire], took: float) -> Answered:
    latencies = tuple(latency for wire in wires for latency in wire.latencies)
    return Answered(len(latencies), took, latencies)


async def _until_ended(wires: list[_Wire]) -> None:
    end = time.monotonic() + PATIENCE_S
    while any(wire.busy for wire in wires) and time.monotonic() < end:  # noqa: ASYNC110 — the last, whichever it is
        await asyncio.sleep(0.002)
    stuck = sum(wire.busy for wire in wires)
    for wire in wires:
        wire.close()
    wrong = next((wire.wrong for wire in wires if wire.wrong), f"{stuck} ways did not end" if stuck else "")
    if wrong:
        raise BenchError(f"the server answered: {wrong}")


async def _connect(port: int) -> _Wire:
    _, wire = await asyncio.get_running_loop().create_connection(_Wire, "127.0.0.1", port)
    return wire


class _Wire(asyncio.Protocol):
    """One connection, and the way that is walked on it."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.BaseTransport | None = None
        self._way: Way | None = None
        self._due = 0.0
        self.latencies: list[float] = []
        self.wrong = ""
        self.ended: Callable[[_Wire], None] = _nothing

    @property
    def busy(self) -> bool:
        """Whether a way is under way."""
        return self._way is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or self._way is not None:
            self.wrong, self._way = self.wrong or f"the connection was closed: {exc!r}", None

    def walk(self, way: Way, due: float) -> None:
        """Begins a way whose latency counts from `due`."""
        self._way, self._due = way, due
        self._send(next(way))

    def _send(self, request: bytes) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not separator or self._way is None or len(rest) < (int(length[1]) if length else 0):
            return
        self._buffer, answer = b"", Answer(int(head[9:12]), head, rest)
        if answer.status >= 400:
            self.wrong, self._way = (head.partition(b"\r\n")[0] + b" " + rest[:400]).decode("utf-8", "replace"), None
            return
        try:
            request = self._way.send(answer)
        except StopIteration:
            self._way = None
            self.latencies.append(time.perf_counter() - self._due)
            self.ended(self)
        except BenchError as error:  # the way found something else than it expected
            self.wrong, self._way = str(error), None
        else:
            self._send(request)

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()


def _nothing(_wire: _Wire) -> None:
    return
