"""RTSP out, for ATAK and any player that speaks RTSP and no WebSocket: a lawful view at an address of its own.

`rtsp://host:port/<ticket>`: the ticket is 128 random bits, made by an act for one watch and worth nothing when that watch ends. A
standing address (of a TAK client's list) is worth a ticket that is asked for at that moment.  Nothing else is served, nothing is
listed.  H.264 as received in RTP (RFC 6184) and KLV as a second track (RFC 6597), interleaved in the connection or over UDP to
the address the connection comes from, never to another.  Source: RFC 2326 (RTSP 1.0), RFC 3550.
Bounds: MAX_CLIENTS connections, those of protocols/rtsp.py for what a client says, the hub's for what it does not take; who takes
nothing for STUCK_S is cut.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

from egide.operations.media import annexb, frames
from egide.operations.media.hub import Attachment, MediaHub, Sink
from egide.protocols.rtp import Sender
from egide.protocols.rtsp import (
    KLV,
    MAX_HEAD,
    PAYLOAD_TYPES,
    VIDEO,
    Request,
    RtspError,
    answer,
    body_length,
    describe,
    parse_request,
)

MAX_CLIENTS: Final = 64
IDLE_S: Final = 60.0
"""Seconds a connection may stay without a request before it plays; also the session's announced timeout."""
FIRST_PICTURE_S: Final = 5.0
"""Seconds to wait for the parameter sets that a description must carry."""
REPORT_S: Final = 5.0
STUCK_S: Final = 15.0
METHODS: Final = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
_CHANNELS: Final = re.compile(r"interleaved=(\d{1,3})-(\d{1,3})")
_PORTS: Final = re.compile(r"client_port=(\d{1,5})-(\d{1,5})")


class Grant(Protocol):
    """What a ticket opens: one source, for as long as a lease lives."""

    @property
    def source(self) -> str:
        """The source."""
        ...

    def attach(self, sink: Sink, on_end: Callable[[], None]) -> Attachment:
        """The source's frames (form `raw`) to this sink, while the lease lives."""
        ...

    def came(self) -> None:
        """Somebody plays."""
        ...

    def left(self) -> None:
        """Nobody plays any more."""
        ...


@dataclass
class _Track:
    """One medium on its way out."""

    sender: Sender
    send: Callable[[bytes], None]
    report: Callable[[bytes], None]
    transports: tuple[asyncio.DatagramTransport, ...] = ()


@dataclass(eq=False)
class _Client:
    """One connection: a sink of the hub once it plays."""

    writer: asyncio.StreamWriter
    ticket: str = ""
    name: str = ""  # the standing address it came by
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    tracks: dict[str, _Track] = field(default_factory=dict)
    attachment: Attachment | None = None
    origin: int = field(default_factory=lambda: secrets.randbits(32))  # RTP time of the stream's moment 0
    last: frames.Header | None = None

    def send(self, data: bytes) -> None:
        """One frame of the hub, as packets of its track."""
        header, payload = frames.unpack(data)
        kind = {frames.VIDEO: VIDEO, frames.KLV: KLV}.get(header.kind)
        track = self.tracks.get(kind) if kind else None
        if track is None:
            return
        stamp = self.stamp(header)
        first, self.last = self.last is None, header
        if first:
            self.report()
        make = track.sender.video if kind == VIDEO else track.sender.data
        for packet in make(bytes(payload), stamp):
            track.send(packet)

    def stamp(self, header: frames.Header) -> int:
        """The RTP time of a frame."""
        return self.origin + header.pts_us * 9 // 100 & 0xFFFFFFFF

    def report(self) -> None:
        """Tell each track's clock (RFC 3550, 6.4.1)."""
        if self.last is not None:
            for track in self.tracks.values():
                track.report(track.sender.report(self.last.capture_us, self.stamp(self.last), b"egide"))

    def pending(self) -> int:
        """Bytes that the connection has not taken."""
        return self.writer.transport.get_write_buffer_size()

    def close(self) -> None:
        """Nothing more is sent."""
        if self.attachment is not None:
            self.attachment.close()
        for track in self.tracks.values():
            for transport in track.transports:
                transport.close()
        self.writer.transport.abort()


class RtspServer:
    """Serves the grants it holds.  `start` listens on the first free port from `port` on, one for each process of a platform."""

    def __init__(self, hub: MediaHub) -> None:
        self._hub = hub
        self._grants: dict[str, Grant] = {}
        self._clients: set[_Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        # Of a standing address: asks for a ticket, for the connection that came by it; None where it is refused, or is none.
        self.ask: Callable[[str], Awaitable[str | None]] | None = None

    @property
    def port(self) -> int:
        """The port listened on; 0 when there is none."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else 0

    async def start(self, host: str, port: int, processes: int = 8) -> None:
        """Listen.  Raises OSError when none of the ports is free."""
        for offset in range(processes):
            try:
                self._server = await asyncio.start_server(self._accept, host, port + offset, limit=MAX_HEAD)
            except OSError:
                if offset == processes - 1:
                    raise
            else:
                return

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    def ticket() -> str:
        """A new ticket: 128 random bits."""
        return secrets.token_hex(16)

    def admit(self, ticket: str, grant: Grant) -> None:
        """The ticket opens this from now on."""
        self._grants[ticket] = grant

    def revoke(self, ticket: str) -> None:
        """The ticket is worth nothing any more, and who plays on it is cut."""
        self._grants.pop(ticket, None)
        self._cut(ticket)

    def _cut(self, ticket: str, but: _Client | None = None) -> None:
        for client in tuple(self._clients):
            if client.ticket == ticket and client is not but:
                client.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # a coroutine always runs in a task; this tells the type checker
            return
        client = _Client(writer)
        self._tasks.add(task)
        reports = asyncio.create_task(self._report(client))
        try:
            if len(self._clients) >= MAX_CLIENTS:
                writer.write(_answer(503, "0"))
                return
            self._clients.add(client)
            await self._converse(client, reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the viewer left, or never spoke: nothing to tell anyone
        except asyncio.CancelledError:
            pass  # the server closes; ending quietly is what was asked
        finally:
            reports.cancel()
            self._clients.discard(client)
            self._tasks.discard(task)
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.drain()
            client.close()
            grant = self._grants.get(client.ticket)
            if grant is not None and client.attachment is not None and not self._playing(client.ticket):
                grant.left()

    def _playing(self, ticket: str) -> bool:
        return any(client.ticket == ticket and client.attachment is not None for client in self._clients)

    async def _report(self, client: _Client) -> None:
        """Tells the clocks now and then, and cuts who takes nothing."""
        taken = time.monotonic()
        while True:
            await asyncio.sleep(REPORT_S)
            client.report()
            if client.pending() < self._hub.limits.viewer_bytes:
                taken = time.monotonic()
            elif time.monotonic() - taken > STUCK_S:
                client.close()

    async def _converse(self, client: _Client, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                async with asyncio.timeout(None if client.attachment is not None else IDLE_S):
                    request = await _read_request(reader)
            except RtspError as error:
                client.writer.write(_answer(error.status, "0"))
                return  # after bytes that make no request, nothing tells where the next one begins
            if request is None:
                continue
            try:
                headers, body = await self._handle(client, request)
            except RtspError as error:
                client.writer.write(_answer(error.status, request.cseq))
                if error.status == 404:
                    return  # who guesses begins anew each time
                continue
            client.writer.write(_answer(200, request.cseq, headers, body))
            if request.method == "PLAY":
                self._play(client)
            if request.method == "TEARDOWN":
                return

    async def _handle(self, client: _Client, request: Request) -> tuple[dict[str, str], str]:
        """Headers and body of the answer.  Raises RtspError when the request is refused."""
        if request.method == "OPTIONS":
            return {"Public": METHODS}, ""
        if request.method not in METHODS.split(", "):
            raise RtspError(405, f"{request.method} is not known here")
        name, medium = _path(request.url)
        ticket = await self._ticket(client, name)
        grant = self._grants.get(ticket)
        if grant is None or client.ticket not in ("", ticket):
            raise RtspError(404, "nothing is there")
        client.ticket = ticket
        if request.method == "DESCRIBE":
            sets = await self._parameter_sets(grant.source)
            base = request.url.rstrip("/") + "/"
            return {"Content-Type": "application/sdp", "Content-Base": base}, describe(sets, "Egide")
        if request.method == "SETUP":
            return await self._set_up(client, request, medium), ""
        if request.method == "GET_PARAMETER" and not client.tracks:
            return {}, ""
        if request.headers.get("session", "").split(";")[0] != client.session:
            raise RtspError(454, "no such session")
        if request.method == "PLAY" and not client.tracks:
            raise RtspError(455, "nothing is set up")
        more = {"Range": "npt=now-"} if request.method == "PLAY" else {}
        return {"Session": client.session, **more}, ""

    async def _ticket(self, client: _Client, name: str) -> str:
        """A ticket is its own name; for a standing address one is asked for, once a connection."""
        if name in self._grants or self.ask is None:
            return name
        if not client.name:
            client.name, found = name, await self.ask(name)
            return found or name
        return client.ticket if client.name == name else name

    def _play(self, client: _Client) -> None:
        grant = self._grants.get(client.ticket)
        if grant is None or client.attachment is not None:
            return
        self._cut(client.ticket, but=client)  # one viewer a ticket: who comes back takes the place of who was there
        client.attachment = grant.attach(client, client.close)
        grant.came()

    async def _parameter_sets(self, source: str) -> dict[int, bytes]:
        """SPS and PPS of the source's last key frame.  Raises RtspError when it shows none."""
        viewer = self._hub.subscribe(source)
        try:
            async with asyncio.timeout(FIRST_PICTURE_S):
                async for frame in viewer:
                    header, payload = frames.unpack(frame)
                    if header.kind == frames.VIDEO and header.key:
                        data = bytes(payload)
                        found = {n.type: data[n.start : n.end] for n in reversed(annexb.split(data))}
                        return {kind: found[kind] for kind in (annexb.SPS, annexb.PPS)}
        except (TimeoutError, KeyError, annexb.AnnexBError) as problem:
            raise RtspError(503, "the source shows no picture") from problem
        finally:
            viewer.close()
        raise RtspError(503, "the source has ended")

    async def _set_up(self, client: _Client, request: Request, medium: str) -> dict[str, str]:
        transport = request.headers.get("transport", "")
        if medium not in PAYLOAD_TYPES or medium in client.tracks or client.attachment is not None:
            raise RtspError(455, "set up each medium once, before playing")
        sender = Sender(PAYLOAD_TYPES[medium], secrets.randbits(32), secrets.randbits(16))
        channels, ports = _CHANNELS.search(transport), _PORTS.search(transport)
        if transport.startswith("RTP/AVP/TCP") and channels:
            way = self._interleaved(client, medium, sender, int(channels[1]))
        elif transport.startswith("RTP/AVP") and "multicast" not in transport and ports:
            way = await self._datagrams(client, medium, sender, int(ports[1]), int(ports[2]))
        else:
            raise RtspError(461, "interleaved TCP or unicast UDP")
        return {
            "Transport": f"{way};ssrc={sender.ssrc:08X}",
            "Session": f"{client.session};timeout={int(IDLE_S)}",
        }

    @staticmethod
    def _interleaved(client: _Client, medium: str, sender: Sender, channel: int) -> str:
        if channel > 254 or channel % 2:
            raise RtspError(455, "this channel cannot be used")
        write = client.writer.write

        def on(number: int) -> Callable[[bytes], None]:
            return lambda packet: write(b"$" + bytes((number,)) + len(packet).to_bytes(2, "big") + packet)

        client.tracks[medium] = _Track(sender, on(channel), on(channel + 1))
        return f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"

    @staticmethod
    async def _datagrams(client: _Client, medium: str, sender: Sender, port: int, control: int) -> str:
        """To the address that the connection comes from: nobody can have a third party flooded."""
        peer, own = client.writer.get_extra_info("peername")[0], client.writer.get_extra_info("sockname")[0]
        loop, made = asyncio.get_running_loop(), []
        try:
            for target in (port, control):
                transport, _ = await loop.create_datagram_endpoint(
                    asyncio.DatagramProtocol, local_addr=(own, 0), remote_addr=(peer, target)
                )
                made.append(transport)
        except (OSError, ValueError, OverflowError) as problem:
            for transport in made:
                transport.close()
            raise RtspError(461, "these ports cannot be used") from problem
        client.tracks[medium] = _Track(sender, made[0].sendto, made[1].sendto, tuple(made))
        served = "-".join(str(t.get_extra_info("sockname")[1]) for t in made)
        return f"RTP/AVP;unicast;client_port={port}-{control};server_port={served}"


def _answer(status: int, cseq: str, headers: dict[str, str] | None = None, body: str = "") -> bytes:
    return answer(status, cseq, headers, body, server="Egide")


def _path(url: str) -> tuple[str, str]:
    """(ticket, medium or nothing) of a request's URL.  Raises RtspError."""
    try:
        parts = urlsplit(url).path.strip("/").split("/")
    except ValueError:
        raise RtspError(400, "not a URL") from None
    return parts[0], parts[1] if len(parts) == 2 else ""


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None for an interleaved packet (a receiver report), which is read and left."""
    first = await reader.readexactly(1)
    if first == b"$":
        head = await reader.readexactly(3)
        await reader.readexactly(int.from_bytes(head[1:], "big"))
        return None
    try:
        rest = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise RtspError(413, "the head is too long") from None
    request = parse_request(first + rest)
    if length := body_length(request):
        await reader.readexactly(length)
    return request
