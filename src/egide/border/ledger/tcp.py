"""Authorities of several machines joined by TCP: each calls each, and sends frames of four bytes of length and a signed envelope.

Why no TLS: nothing that authorities say is secret, and every word is signed for this chain (messages.py); who is on the path can
only lose words, which the consensus expects. Operators who want the path closed put WireGuard or IPsec below. A broken link is
given up after two seconds and called again; what waits meanwhile is bounded, and the oldest goes first.

One loop in a thread of its own; whoever else touches the authority holds `guard` meanwhile. What fails in it (a full disk) is
logged, and the loop goes on: a word that was not kept was not said, a block that was not kept was not made. It ends, and the log
says so, where going on does not help: the last block is not on the disk (somebody took it away, and the next would lie behind a
gap), or what waits is not decided any more. Whoever holds it starts it again (`running`).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from egide.border.ledger.authority import Authority
from egide.border.ledger.contract import MAX_MEMBERS
from egide.border.ledger.messages import MAX_MESSAGE, WireError, decode_signed

log = logging.getLogger("egide.consortium")

Place = tuple[str, int]  # host, port

QUEUE = 256  # messages that wait for one link
MAX_LINKS = 4 * MAX_MEMBERS  # calls taken at once, from whomever
TICK_S = 0.1  # s between two looks at the clock
RETRY_S = 0.25  # s until a link is called again
LINK_S = 2.0  # s without an acknowledgement after which a link is broken
IDLE_S = 10.0  # s without a word after which a caller is let go: authorities speak every second (authority.AGAIN_S)
SETTLE_S = 10.0  # s that a write waits for the others' signatures
STUCK_S = 30.0  # s after a failure within which what waits is decided, or the authority needs a new start
TAKEN = 2  # turns of the loop after which who was just taken is a link; closed before, Python 3.11 never hangs up (gh-109564)
QUIET_S = 60.0  # s between two lines of the log about what fails: the loop turns ten times a second
UNKNOWN = bytes(20)  # the link of who has not said a name


class Lost(RuntimeError):
    """The authority cannot go on from what it holds in memory; opened anew from its disk, it can."""


class TcpTransport:
    """`Transport` (authority.py) over TCP, and the loop that runs an authority: `start`, `stop`."""

    def __init__(self, listen: Place, peers: Mapping[bytes, Place]) -> None:
        self.guard = threading.Condition()
        self._listen, self._peers = listen, dict(peers)
        self._queues: dict[bytes, deque[bytes]] = {each: deque(maxlen=QUEUE) for each in peers}
        self._filled: dict[bytes, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._links = 0
        self._kept = 0  # the height up to which the disk is known to hold the chain
        self._failed: float | None = None  # when something failed that no block has followed since; monotonic, s
        self._quiet_until = 0.0

    @property
    def running(self) -> bool:
        """Whether the loop turns: from `start` until `stop`, or until it cannot go on."""
        return self._thread is not None and self._thread.is_alive()

    def send(self, to: bytes, data: bytes) -> None:
        """Queues a message; to a member that has no place here, nothing."""
        queue = self._queues.get(to)
        if queue is None:
            return
        queue.append(data)
        if self._loop is not None and to in self._filled:
            with suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._filled[to].set)

    def start(self, authority: Authority, clock: Callable[[], float]) -> None:
        """Runs the authority until `stop`. Raises OSError where the place cannot be listened at."""
        failed: list[OSError] = []
        up = threading.Event()
        self._kept, self._failed = 0, None  # of an authority that ran here before

        def run() -> None:
            try:
                asyncio.run(self._run(authority, clock, failed, up))
            except asyncio.CancelledError:  # `stop`
                return
            except Exception:
                # Nobody is above this thread to hear it: the log says it, and who looks finds that nothing ticks.
                log.critical("the authority has ended", exc_info=True)
            except BaseException:  # a panic of the machine (pyrevm) is no Exception
                log.critical("the authority has ended", exc_info=True)
                raise
            finally:
                up.set()

        self._thread = threading.Thread(target=run, name="consortium", daemon=True)
        self._thread.start()
        up.wait()
        if failed:
            raise failed[0]

    def stop(self) -> None:
        """Ends the loop and hangs up."""
        if self._loop is not None and self._main is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._main.cancel)
        if self._thread is not None:
            self._thread.join()

    def settle(self, done: Callable[[], bool]) -> bool:
        """Waits until it is so, at most SETTLE_S; for `EmbeddedLedger`."""
        with self.guard:
            return self.guard.wait_for(done, SETTLE_S)

    async def _run(
        self, authority: Authority, clock: Callable[[], float], failed: list[OSError], up: threading.Event
    ) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._filled = {each: asyncio.Event() for each in self._peers}
        async with asyncio.TaskGroup() as tasks:
            closing = asyncio.Event()

            def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                # A task of ours: asyncio's own, where it is cancelled, logs an error (Python 3.11).
                if closing.is_set():
                    writer.transport.abort()
                else:
                    link = tasks.create_task(self._hear(authority, clock, reader))
                    # Here and not in `_hear`: one that is cancelled before it began does nothing.
                    link.add_done_callback(lambda _: writer.transport.abort())

            try:
                server = await asyncio.start_server(taken, *self._listen, limit=MAX_MESSAGE)
            except OSError as error:
                failed.append(error)
                return
            up.set()
            try:
                for member, place in self._peers.items():
                    tasks.create_task(self._speak(member, place))
                while True:
                    self._work(authority, lambda: authority.tick(clock()))
                    await asyncio.sleep(TICK_S)
            finally:
                closing.set()
                for listening in server.sockets:
                    self._loop.remove_reader(listening.fileno())
                for _ in range(TAKEN):
                    await asyncio.sleep(0)
                server.close()

    def _work(self, authority: Authority, what: Callable[[], None]) -> None:
        """Lets the authority do this. Raises `Lost` where it cannot go on after it."""
        with self.guard:
            try:
                what()
            except Exception as error:  # noqa: BLE001 — whatever it is: the others count on this authority
                self._complain(error)
            finally:
                self.guard.notify_all()
            self._check(authority)

    def _check(self, authority: Authority) -> None:
        """Raises `Lost` where the last block, whichever thread decided it, is not kept, or none comes since a failure."""
        height = authority.chain.height
        if height != self._kept:
            if next(iter(authority.chain.store.blocks(height)), None) is None:
                raise Lost(f"block {height} is not on the disk")
            self._kept, self._failed = height, None
        elif not len(authority.pool):
            self._failed = None
        elif self._failed is not None and time.monotonic() > self._failed + STUCK_S:
            raise Lost("what waits is not decided since a failure")

    def _complain(self, error: Exception) -> None:
        """Notes that something was raised; logs it, once in a while."""
        now = time.monotonic()
        self._failed = now if self._failed is None else self._failed
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_S
            log.error("the authority failed at something and goes on", exc_info=error)

    async def _speak(self, member: bytes, place: Place) -> None:
        """Calls one member, and again; sends what waits for it."""
        queue, filled = self._queues[member], self._filled[member]
        while True:
            writer = None
            try:
                async with asyncio.timeout(LINK_S):
                    _, writer = await asyncio.open_connection(*place)
                _impatient(writer)
                while True:
                    while queue:
                        data = queue.popleft()
                        writer.write(len(data).to_bytes(4) + data)
                    async with asyncio.timeout(LINK_S):
                        await writer.drain()
                    filled.clear()
                    if not queue:
                        await filled.wait()
            except (OSError, TimeoutError):
                await asyncio.sleep(RETRY_S)
            finally:
                if writer is not None:
                    writer.transport.abort()

    async def _hear(
        self,
        authority: Authority,
        clock: Callable[[], float],
        reader: asyncio.StreamReader,
    ) -> None:
        """Takes frames of one caller until it hangs up, is silent too long, or sends what is no frame."""
        if self._links >= MAX_LINKS:
            return
        self._links += 1
        link = UNKNOWN
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    length = int.from_bytes(await reader.readexactly(4))
                    if length > MAX_MESSAGE:
                        return
                    data = await reader.readexactly(length)
                if link == UNKNOWN:
                    link = _author(data)
                self._work(authority, partial(authority.receive, data, link, clock()))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return
        finally:
            self._links -= 1


def _author(data: bytes) -> bytes:
    """Who the first word of a link says to be by: a name for faults without proof, no more."""
    try:
        return decode_signed(data).by
    except WireError:
        return UNKNOWN


def _impatient(writer: asyncio.StreamWriter) -> None:
    """What is not acknowledged for LINK_S breaks the link (Linux, TCP_USER_TIMEOUT, RFC 5482)."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LINK_S * 1000))
