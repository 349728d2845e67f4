"""A bad network of our own: a relay for datagrams and one for connections, with loss, delay, jitter and a rate.

Why our own: tc netem is not in every kernel and needs privileges; two relays on the loopback do for tests and measures.
Everything is drawn from one seed, so that a run can be told again.

Datagrams: each is lost with `loss`, else sent on after `delay_s` ± `jitter_s` (uniform; they may overtake each other, as they do
on a radio), no faster than `rate` lets them; what waits for longer than QUEUE_S is lost too, as in a full modem.

Connections: TCP hides a loss and shows a wait, so the wait is what is imitated. Bytes are cut into segments of MSS; each segment
arrives after `delay_s` ± `jitter_s`, and a lost one (again with `loss`, for each sending of it) arrives
- one round trip later when more segments follow it closely (fast retransmit, RFC 5681 §3.2), or
- one retransmission timeout later, doubled at each further loss, when nothing follows or it is lost again (RFC 6298: twice the
  round trip, 200 ms at least, as Linux has it);
and nothing that was sent after it is handed over before it: that is the head of the line. The sender is held to a congestion
window: ten segments at first, one more for each window handed over, halved at a loss, one segment after a timeout (RFC 5681; slow
start up to the first loss). What the window does not let pass stays unread, so that the real sender feels it, as it would. Not
imitated: selective acknowledgement beyond “one loss costs one round trip”, and loss of acknowledgements.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

MSS = 1448
"""Bytes of one segment: an Ethernet frame less IP, TCP and time stamps."""
LEAST_RTO_S = 0.2
LONGEST_RTO_S = 10.0
FIRST_WINDOW = 10
QUEUE_S = 0.5
"""Seconds of traffic that a link with a rate holds before it drops."""
UNREAD = 8 * 1024
"""Bytes read ahead of what the window lets pass; as many again wait in the system, which would take megabytes unasked."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """One direction of a link. `loss` is a share, `rate` bits a second (0: no limit)."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    rate: int = 0

    def crossing(self, dice: random.Random) -> float:
        """Seconds that one packet takes."""
        return max(0.0, self.delay_s + dice.uniform(-self.jitter_s, self.jitter_s))


class _Pace:
    """When a packet may leave a link that carries `rate` bits a second."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free = 0.0

    def leaves(self, now: float, size: int) -> float:
        """The moment at which the last bit is out; the link is taken until then."""
        if not self._rate:
            return now
        self._free = max(now, self._free) + size * 8 / self._rate
        return self._free

    def full(self, now: float) -> bool:
        """Whether what waits already fills the queue."""
        return self._free - now > QUEUE_S


class DatagramRelay:
    """Relays UDP between `listen` and one target; the first who sends to it is the client. `counts` tells what became of them.

    The side that faces the target has an address of its own (`inner`): both ends take the relay for the other.
    """

    def __init__(self, impairment: Impairment, seed: int = 1) -> None:
        self._impairment = impairment
        self._dice = random.Random(seed)  # noqa: S311 — a made-up network
        self._client: tuple[str, int] | None = None
        self._target: tuple[str, int] | None = None
        self._outer: asyncio.DatagramTransport | None = None
        self._inner: asyncio.DatagramTransport | None = None
        self.counts = {"passed": 0, "lost": 0}

    async def start(self, host: str = "127.0.0.1", target: tuple[str, int] | None = None) -> None:
        """Binds both sides; `target` may be told later."""
        loop = asyncio.get_running_loop()
        self._target = target
        there, back = _Pace(self._impairment.rate), _Pace(self._impairment.rate)

        def from_client(data: bytes, address: tuple[str, int]) -> None:
            self._client = address
            self._pass(data, there, lambda: (self._inner, self._target))

        def from_target(data: bytes, _address: tuple[str, int]) -> None:
            self._pass(data, back, lambda: (self._outer, self._client))

        self._outer, _ = await loop.create_datagram_endpoint(lambda: _Taker(from_client), (host, 0))
        self._inner, _ = await loop.create_datagram_endpoint(lambda: _Taker(from_target), (host, 0))

    def toward(self, target: tuple[str, int]) -> None:
        """Where the client's datagrams go from now on."""
        self._target = target

    @property
    def outer(self) -> tuple[str, int]:
        """The address that the client sends to."""
        return _address(self._outer)

    @property
    def inner(self) -> tuple[str, int]:
        """The address that the target sees."""
        return _address(self._inner)

    def close(self) -> None:
        """Ends both sides; what is on its way is lost."""
        for side in (self._outer, self._inner):
            if side is not None:
                side.close()

    def _pass(
        self, data: bytes, pace: _Pace, way: Callable[[], tuple[asyncio.DatagramTransport | None, tuple[str, int] | None]]
    ) -> None:  # fmt: skip
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._dice.random() < self._impairment.loss or pace.full(now):
            self.counts["lost"] += 1
            return

        def send() -> None:
            side, address = way()
            if side is not None and address is not None and not side.is_closing():
                side.sendto(data, address)
                self.counts["passed"] += 1

        loop.call_at(pace.leaves(now, len(data)) + self._impairment.crossing(self._dice), send)


class _Taker(asyncio.DatagramProtocol):
    def __init__(self, taken: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._taken = taken

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._taken(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """A port that answers nothing: the network's business, not the relay's."""


def _address(transport: asyncio.DatagramTransport | None) -> tuple[str, int]:
    if transport is None:
        raise RuntimeError("not started yet")
    host, port = transport.get_extra_info("sockname")[:2]
    return str(host), int(port)


class Line:
    """The wait of TCP in one direction: when each segment of a stream is handed over. Pure: it is told the time."""

    def __init__(self, impairment: Impairment, dice: random.Random) -> None:
        self._link, self._dice = impairment, dice
        self._pace = _Pace(impairment.rate)
        self._handed = 0.0  # when the last segment is handed over: nothing comes before it
        self._flying: list[float] = []  # when the segments under way are acknowledged
        self._window = float(FIRST_WINDOW)
        self._threshold = float("inf")
        self.lost = 0
        self.timeouts = 0

    @property
    def flying(self) -> int:
        """Segments under way."""
        return len(self._flying)

    @property
    def round_trip(self) -> float:
        """Seconds there and back; what comes back is not impaired further."""
        return 2 * self._link.delay_s

    def may_send(self, now: float) -> float:
        """Seconds until the window lets one more segment pass; 0: now."""
        while self._flying and self._flying[0] <= now:
            heapq.heappop(self._flying)
            self._window += 1 if self._window < self._threshold else 1 / self._window
        return 0.0 if len(self._flying) < self._window else self._flying[0] - now

    def send(self, now: float, size: int, *, followed: bool) -> float:
        """When this segment is handed over. `followed`: more come right behind it, so that its loss is noticed soon."""
        arrives = self._pace.leaves(now, size) + self._link.crossing(self._dice)
        timeout = max(LEAST_RTO_S, 2 * self.round_trip)
        first = True
        while self._dice.random() < self._link.loss:
            self.lost += 1
            self._threshold = max(2.0, len(self._flying) / 2)
            if first and followed:
                arrives += max(self.round_trip, 0.001)
                self._window = self._threshold
            else:
                self.timeouts += 1
                arrives += timeout
                timeout = min(2 * timeout, LONGEST_RTO_S)
                self._window = 1.0
            first = False
        self._handed = max(self._handed, arrives)
        heapq.heappush(self._flying, self._handed + self._link.delay_s)
        return self._handed


class ConnectionRelay:
    """Relays TCP connections to a target, each direction behind a `Line` of its own."""

    def __init__(self, target: tuple[str, int], impairment: Impairment, seed: int = 1) -> None:
        self._target, self._impairment = target, impairment
        self._dice = random.Random(seed)  # noqa: S311 — a made-up network
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines: list[Line] = []

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listens; the port."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=UNREAD)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # a coroutine always runs in a task; this tells the type checker
            return
        self._tasks.add(task)
        try:
            there, back = await _connect(self._target)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, back))
                both.create_task(self._carry(there, writer))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one end is gone: so is the other
        except* asyncio.CancelledError:
            pass  # the relay closes
        finally:
            for end in (writer, back):
                end.transport.abort()
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, to its end: what is read waits for the window, then for its moment."""
        loop = asyncio.get_running_loop()
        line = Line(self._impairment, self._dice)
        self.lines.append(line)
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)

        async def hand_over() -> None:
            while True:
                moment, data = await waiting.get()
                await asyncio.sleep(max(0.0, moment - loop.time()))
                if not data:
                    with suppress(OSError):
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as both:
            both.create_task(hand_over())
            while data := await reader.read(UNREAD):
                for at in range(0, len(data), MSS):
                    while (wait := line.may_send(loop.time())) > 0:  # noqa: ASYNC110 — the window says when it opens
                        await asyncio.sleep(wait)
                    segment = data[at : at + MSS]
                    followed = (
                        at + 3 * MSS < len(data) or line.flying > 3
                    )  # three duplicate acknowledgements make a fast retransmit
                    await waiting.put((line.send(loop.time(), len(segment), followed=followed), segment))
            await waiting.put((loop.time() + self._impairment.delay_s, b""))


async def _connect(target: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose receive buffer is small: what the line does not carry must stay with the sender."""
    taking = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)
        taking.setblocking(False)
        await asyncio.get_running_loop().sock_connect(taking, target)
        return await asyncio.open_connection(sock=taking, limit=UNREAD)
    except BaseException:
        taking.close()
        raise
