"""The live socket: one per terminal, for acts, pushes and streams alike (`/live`).

Text frames are acts and answers; binary frames are stream units exactly as the hub made them, and, from a terminal, what an act
has opened an inlet for. A slow terminal never slows the
source or another: the hub asks `pending()` and skips to the next key frame.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, EgideError, Text
from egide.kernel.identity import Principal
from egide.kernel.kernel import Kernel
from egide.kernel.limits import Buckets
from egide.kernel.told import problem

if TYPE_CHECKING:
    from egide.gateways.http import Doorkeeper

log = logging.getLogger("egide.live")

MAX_MESSAGE = 64 * 1024  # bytes of one text frame
MAX_UNDER_WAY = 16  # acts of one terminal at once
MAX_INLET = 16 * 1024  # bytes of one binary frame from a terminal
INLET_PER_S, INLET_BURST = 20, 60  # binary frames of one terminal
MAX_BACKLOG = 8 * 1024 * 1024  # bytes; a terminal this far behind is disconnected
# Bytes that the system may hold and has not sent: without a bound it takes megabytes, a picture waits behind them for seconds,
# and `pending()` says that nothing waits.
UNSENT = 32 * 1024
SESSION_OVER = 4401  # close code of our own (RFC 6455 §7.4.2): sign in again
WIRE = "egide.wire"  # our ASGI extension: the connection's own transport
TEXT, BINARY = 0x81, 0x82  # FIN and opcode of a whole message, RFC 6455 §5.2


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """One act asked for over the socket."""

    id: int
    act: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


class Ping(msgspec.Struct, forbid_unknown_fields=True):
    """Asks for an answer and nothing else: a page cannot send WebSocket pings, and must know how long a round trip takes."""

    ping: int


_decode = msgspec.json.Decoder(Call).decode
_ping = msgspec.json.Decoder(Ping).decode
PING = '{"ping":'
_encode = msgspec.json.Encoder().encode


class LiveProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which also lends its transport to the endpoint.

    Why: a frame goes to hundreds of terminals; through ASGI each costs a task switch, a dictionary and an envelope of its own.
    Whole messages written beside the protocol's own (pings, the close) are as good as its own: it never splits one.
    """

    def handle_connect(self, event: Request) -> None:
        """The handshake; the endpoint starts after this."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            wire = self.transport.get_extra_info("socket")
            if wire is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
            self.scope["extensions"][WIRE] = self.transport  # type: ignore[assignment]  # ASGI leaves the form of extensions open


class Envelope:
    """A message with its WebSocket header. The same bytes go to many terminals in a row: made once for all of them."""

    def __init__(self) -> None:
        self._of: bytes | None = None
        self._made = b""

    def binary(self, data: bytes) -> bytes:
        """One unmasked, unfragmented binary message."""
        if data is not self._of:
            self._of, self._made = data, framed(BINARY, data)
        return self._made


def framed(kind: int, data: bytes) -> bytes:
    """One unmasked, unfragmented message (RFC 6455 §5.2)."""
    size = len(data)
    if size < 126:
        return struct.pack("!BB", kind, size) + data
    if size < 65536:
        return struct.pack("!BBH", kind, 126, size) + data
    return struct.pack("!BBQ", kind, 127, size) + data


_envelope = Envelope()


class Channel:
    """One terminal's socket, as acts and the hub see it.

    With a transport of its own, what is sent goes straight into it; else it waits in a queue for `drain`.
    """

    def __init__(self, websocket: WebSocket, principal: Principal) -> None:
        self.principal = principal
        self._websocket = websocket
        self._wire: asyncio.Transport | None = websocket.scope.get("extensions", {}).get(WIRE)
        self._turn: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._queue: deque[bytes | str] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closing: list[Callable[[], None]] = []
        self._inlets: dict[int, Callable[[bytes], None]] = {}
        self._pace = Buckets(INLET_PER_S, INLET_BURST)
        self._complaints = Buckets(1, 1)
        self._ending: asyncio.Task[None] | None = None
        self.closed = False

    def send(self, data: bytes) -> None:
        """Sends or queues a binary frame."""
        if self._wire is None:
            self._put(data)
        elif not self.closed:
            self._write(_envelope.binary(data))

    def push(self, told: dict[str, Any]) -> None:
        """Sends or queues a JSON message."""
        if self._wire is None:
            self._put(_encode(told).decode())
        elif not self.closed:
            self._write(framed(TEXT, _encode(told)))

    def pending(self) -> int:
        """Bytes that the terminal's socket has not taken yet."""
        return self._bytes if self._wire is None else self._wire.get_write_buffer_size()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Calls back when the terminal is gone, however that happens."""
        self._closing.append(callback)

    def inlet(self, kind: int, take: Callable[[bytes], None] | None) -> None:
        """Hands the terminal's binary frames that begin with this byte to whoever opened the stream; None: to nobody more."""
        if take is None:
            self._inlets.pop(kind, None)
        else:
            self._inlets[kind] = take

    def receive(self, data: bytes) -> None:
        """A binary frame of the terminal: what nobody asked for is refused, what comes too fast is dropped, and that is said."""
        take = self._inlets.get(data[0]) if 0 < len(data) <= MAX_INLET else None
        if take is None:
            self.push({"id": None, "error": problem(_no_inlet)})
        elif self._pace.take(""):
            try:
                take(data)
            except ValueError as error:  # of a codec: bytes that are none of its messages
                unreadable = BadInput(Text(f"Message illisible : {error}", f"Unreadable message: {error}"))
                self.push({"id": None, "error": problem(unreadable)})
        elif self._complaints.take(""):
            self.push({"id": None, "error": problem(_too_much)})

    def _write(self, data: bytes) -> None:
        """What is sent within one turn of the loop (a picture and its telemetry) leaves as one TLS record and one system call."""
        if not self._turn:
            self._loop.call_soon(self._flush)
        self._turn.append(data)

    def _flush(self) -> None:
        wire, turn = self._wire, self._turn
        data = turn[0] if len(turn) == 1 else b"".join(turn)
        turn.clear()
        if self.closed or wire is None:
            return
        if wire.is_closing():
            self.closed = True
        elif wire.get_write_buffer_size() > MAX_BACKLOG:
            self.closed = True
            wire.abort()  # ends the endpoint too
        else:
            wire.write(data)

    def _put(self, data: bytes | str) -> None:
        if self.closed:
            return
        self._bytes += len(data)
        self._queue.append(data)
        if self._bytes > MAX_BACKLOG:
            self.closed = True
        self._wake.set()

    def end(self) -> None:
        """Closes the socket: its session is over."""
        if not self.closed:
            self._ending = self._loop.create_task(self._websocket.close(SESSION_OVER))

    async def drain(self) -> None:
        """Sends what is queued until the terminal goes."""
        send = self._websocket.send
        while not self.closed:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                data = self._queue.popleft()
                self._bytes -= len(data)
                if isinstance(data, bytes):
                    await send({"type": "websocket.send", "bytes": data})
                else:
                    await send({"type": "websocket.send", "text": data})

    def finish(self) -> None:
        """The terminal is gone: whoever asked is told."""
        self.closed = True
        self._wake.set()
        for callback in self._closing:
            callback()
        self._closing.clear()


class Live:
    """The endpoint and the open channels."""

    def __init__(self, kernel: Kernel, doorkeeper: Doorkeeper) -> None:
        self._kernel = kernel
        self._doorkeeper = doorkeeper
        self.channels: set[Channel] = set()
        kernel.bus.watch(lambda name, _told: self._end_over() if name == "session.ended" else None)

    def _end_over(self) -> None:
        """A terminal was revoked, here or in another process: the sockets of sessions that are over close."""
        for channel in tuple(self.channels):
            principal = channel.principal
            if principal.kind == "person" and self._kernel.identity.still(principal).kind == "anonymous":
                channel.end()

    async def endpoint(self, websocket: WebSocket) -> None:
        """Serves one terminal until it goes."""
        try:
            principal = self._doorkeeper.principal(websocket.scope, changing=True)
        except EgideError:
            await websocket.close(1008)
            return
        await websocket.accept()
        channel = Channel(websocket, principal)
        self.channels.add(channel)
        sender = asyncio.create_task(channel.drain())
        tasks: set[asyncio.Task[None]] = set()
        try:
            while not channel.closed:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                if message.get("bytes") is not None:
                    channel.receive(message["bytes"])
                    continue
                text = message.get("text")
                if text is None or len(text) > MAX_MESSAGE or len(tasks) >= MAX_UNDER_WAY:
                    channel.push({"id": None, "error": problem(_too_much)})
                    continue
                if text.startswith(PING) and self._pong(channel, text):
                    continue
                task = asyncio.create_task(self._perform(channel, websocket, text))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except WebSocketDisconnect:
            pass
        finally:
            self.channels.discard(channel)
            channel.finish()
            sender.cancel()
            await asyncio.gather(sender, *tasks, return_exceptions=True)
            if (
                websocket.application_state is not WebSocketState.DISCONNECTED
                and websocket.client_state is not WebSocketState.DISCONNECTED
            ):
                await websocket.close(1001)

    @staticmethod
    def _pong(channel: Channel, text: str) -> bool:
        """Whether it was a ping; anything else is answered as the unreadable act that it is."""
        try:
            channel.push({"pong": _ping(text).ping})
        except msgspec.DecodeError:
            return False
        return True

    async def _perform(self, channel: Channel, websocket: WebSocket, text: str) -> None:
        call: Call | None = None
        try:
            call = _decode(text)
            # Asked again for each act: who signed out or lost a right since the socket opened acts no more.
            channel.principal = self._doorkeeper.principal(websocket.scope, changing=True)
            who = channel.principal
            address = "" if who.id or websocket.client is None else websocket.client.host
            outcome = await self._kernel.perform(call.act, bytes(call.input), who, channel=channel, address=address)
        except (msgspec.DecodeError, RecursionError) as error:
            wrong = BadInput(Text(f"Message illisible : {error}", f"Unreadable message: {error}"))
            channel.push({"id": call.id if call else None, "error": problem(wrong)})
        except EgideError as error:
            channel.push({"id": call.id if call else None, "error": problem(error, call.act if call else "")})
        else:
            receipt = outcome.receipt
            told: dict[str, Any] = {
                "id": call.id,
                "result": outcome.told(),
                "receipt": {"realm": receipt.realm, "index": receipt.index} if receipt else None,
            }
            if outcome.journal is not None:
                told["journal"] = {"at": iso(outcome.journal.at), "durable": outcome.journal.durable}
            channel.push(told)
            if outcome.effect.started is not None:
                outcome.effect.started()


_no_inlet = BadInput(
    Text("Rien ne reçoit ce message ici, ou il est trop long.", "Nothing takes this message here, or it is too long."),
    Text("Ouvrez d’abord le flux par son acte.", "Open the stream by its act first."),
)
_too_much = BadInput(
    Text("Message trop long, ou trop d’actes à la fois.", "Message too long, or too many acts at once."),
    Text("Attendez les réponses en cours.", "Wait for the answers under way."),
)
