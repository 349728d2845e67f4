"""One client's connection: its stream is cut into events, spoken to in the form it asked for, and held to its limits.

To the acts it is what a terminal's socket is (`push`, `send`, `pending`, `on_close`, `principal`). Nothing of it is read before
its act was decided, and nothing is passed to it once its lease has ended.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from egide.kernel.errors import Text
from egide.kernel.identity import Principal, new_id
from egide.kernel.leases import Lease
from egide.operations.tak.limits import Allowance
from egide.operations.tak.router import Refusal, Router
from egide.operations.tak.subscriber import Subscriber
from egide.operations.tak.words import CUTS, REFUSALS
from egide.protocols import cot
from egide.protocols.cot import CotError, CotEvent

if TYPE_CHECKING:
    from egide.operations.tak.identity import TakDevice

log = logging.getLogger("egide.tak")

TURN = 32  # events of one client read before the loop turns to the others
HIGH, LOW = 256 * 1024, 64 * 1024  # bytes in a socket above which a client counts as slow, below which no longer
TOLD_S = 10.0  # s between two words about the same thing
BROKEN = 20  # unreadable messages in a row, after which it is no TAK client
# ms without an answer to what was sent, after which the system gives a connection up (TCP_USER_TIMEOUT)
GONE_MS = 60_000
SERVER = "EGIDE"  # the uid the platform speaks under
SERVER_NAME = "Égide"


class Connection(asyncio.Protocol):
    """A client. `admit` decides about it; it calls `opened` or `cut`."""

    def __init__(self, router: Router, now_ms: Callable[[], int], admit: Callable[[Connection], None]) -> None:
        self.id = new_id()
        self.principal: Principal
        self.lease: Lease | None = None
        self.subscriber: Subscriber
        self.closed = False
        self.why = "gone"
        self._router = router
        self._now_ms = now_ms
        self._admit = admit
        self._transport: asyncio.Transport
        self._splitter = cot.Splitter()
        self._inbox: deque[bytes | CotError] = deque()
        self._allowance = Allowance(monotonic())
        self._closing: list[Callable[[], None]] = []
        self._told: dict[str, float] = {}
        self._working: asyncio.Handle | None = None
        self._unreadable = 0
        self._open = False

    # -- asyncio ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done; what the client sends waits until it is admitted."""
        self._transport = transport  # type: ignore[assignment]  # asyncio names the base; a stream server gives a Transport
        self._transport.pause_reading()
        self._transport.set_write_buffer_limits(HIGH, LOW)
        wire = transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)
        self._admit(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._allowance.take(monotonic(), size=len(data))
        self._inbox.extend(self._splitter.feed(data))
        if self._open and self._working is None:
            self._work()

    def pause_writing(self) -> None:
        """Its socket takes nothing more: what is due waits."""
        self.subscriber.slow = True

    def resume_writing(self) -> None:
        """Its socket takes bytes again."""
        self.subscriber.slow = False
        if not self.closed:
            self._router.resume(self.subscriber)

    def connection_lost(self, _error: Exception | None) -> None:
        """However it ended."""
        self.closed = True
        # TLS has 300 kB of buffers, and the router keeps who sent what it still shows: up to a day after they left.
        self._transport = asyncio.Transport()
        if self._working is not None:
            self._working.cancel()
        for callback in self._closing:
            callback()
        self._closing.clear()

    # -- what admits it ---------------------------------------------------------------------------------------------

    def certificate(self) -> bytes | None:
        """The client's certificate (DER), None without one."""
        tls = self._transport.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) if tls is not None else None

    def known_as(self, device: TakDevice, principal: Principal) -> None:
        """Whose it is; to be said before the act is asked for."""
        self.principal = principal
        self.subscriber = Subscriber(device, self)

    def opened(self, groups: frozenset[str]) -> None:
        """It is admitted: it is told the protocol, then the picture, then it is listened to."""
        if self.closed:
            return
        self.write(self._event(cot.offer(SERVER, self._now_ms())))
        self._router.join(self.subscriber, groups)
        self._open = True
        self._work()

    # -- a terminal's socket, to the acts; an outlet, to the router ---------------------------------------------------

    def write(self, data: bytes) -> None:
        """Bytes for the client, while its lease lives."""
        if not self.closed and self.may_write():
            self._transport.write(data)

    send = write

    def may_write(self) -> bool:
        """Whether its lease lives."""
        return self.lease is None or self.lease.alive()

    def push(self, told: dict[str, Any]) -> None:
        """A message for the person; a TAK client shows words only."""
        title = told.get("title")
        if isinstance(title, dict):
            self.tell(str(told.get("push", "")), Text(title["fr"], title["en"]))

    def pending(self) -> int:
        """Bytes its socket has not taken yet."""
        return 0 if self.closed else self._transport.get_write_buffer_size()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Calls back when it is gone, however that happens."""
        self._closing.append(callback)

    def cut(self, why: str, words: str = "") -> None:
        """Ends it. `why`: a key of `words.CUTS`; `words`: more about it, for the log."""
        if self.closed:
            return
        self.closed, self.why = True, why
        who = getattr(self, "subscriber", None)
        log.info(
            "TAK connection %s of device %s cut: %s %s (%d events received, %d delivered, %d waiting, %d replaced by newer ones)",
            self.id, who.device.id if who else "?", CUTS[why].en if why in CUTS else why, words,
            who.received if who else 0, who.delivered if who else 0, who.waiting if who else 0, who.replaced if who else 0,
        )  # fmt: skip
        if who is not None and not who.slow and why in CUTS:
            self._transport.write(self._event(self._word(CUTS[why])))
            self._transport.close()
        else:
            self._transport.abort()

    def tell(self, reason: str, text: Text) -> None:
        """A word to the person behind the client, not too often about the same thing."""
        now = monotonic()
        if now - self._told.get(reason, float("-inf")) >= TOLD_S:
            self._told[reason] = now
            self.write(self._event(self._word(text)))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _word(self, text: Text) -> CotEvent:
        subscriber = self.subscriber
        return cot.chat(
            id_=new_id(), to=subscriber.uid or subscriber.device.id, sender=SERVER, callsign=SERVER_NAME,
            text=f"{text.fr} / {text.en}", now_ms=self._now_ms(),
        )  # fmt: skip

    def _event(self, event: CotEvent) -> bytes:
        if getattr(self, "subscriber", None) is not None and self.subscriber.proto:
            return cot.frame(cot.to_payload(event))
        return cot.DECLARATION + event.raw

    def _work(self) -> None:
        """Some of what came, then the others' turn; past its allowance the client's own socket waits."""
        self._working = None
        for _ in range(TURN):
            wait = self._allowance.wait(monotonic())
            if wait > 0:
                self._refused("flood")
                self._later(wait)
                return
            if not self._inbox or self.closed:
                break
            piece = self._inbox.popleft()
            self._allowance.take(monotonic(), events=1)
            if isinstance(piece, bytes):
                self._one(piece)
            else:
                self._wrong(piece)
        if self.closed:
            return
        if self._inbox:
            self._later(0)
        elif not self._transport.is_reading():
            self._transport.resume_reading()

    def _later(self, wait: float) -> None:
        if self._transport.is_reading():
            self._transport.pause_reading()
        loop = asyncio.get_running_loop()
        self._working = loop.call_later(wait, self._work) if wait else loop.call_soon(self._work)

    def _one(self, piece: bytes) -> None:
        try:
            event = cot.from_payload(piece) if self._splitter.proto else cot.read(piece)
        except CotError as error:
            self._wrong(error)
            return
        self._unreadable = 0
        if event is None:
            return
        if event.type == cot.PING:
            if not self.subscriber.slow:  # who does not read gets no answers piled up
                self.write(self._event(cot.pong(self._now_ms())))
        elif event.type == cot.REQUEST:
            self._switch(event)
        elif not event.type.startswith("t-x-takp") and event.type != cot.PONG:
            try:
                self._router.receive(self.subscriber, event)
            except Refusal as refusal:
                self._refused(refusal.reason)

    def _switch(self, event: CotEvent) -> None:
        """Both directions change form with the answer, which is the last XML (negotiation, step 6)."""
        accepted = cot.wanted_version(event) == "1"
        self.write(self._event(cot.answer(SERVER, self._now_ms(), accepted=accepted)))
        if accepted:
            self._splitter.proto = self.subscriber.proto = True

    def _wrong(self, error: CotError) -> None:
        self._refused(error.reason)
        self._unreadable += 1
        if error.fatal or self._unreadable >= BROKEN:
            self.cut("broken")

    def _refused(self, reason: str) -> None:
        counted = self.subscriber.refused
        counted[reason] = counted.get(reason, 0) + 1
        self.tell(reason, REFUSALS[reason])
