"""The second drone's link: a small RTSP 1.0 server, media interleaved in the same TCP connection.

What: OPTIONS, DESCRIBE, SETUP (RTP/AVP/TCP only), PLAY, GET_PARAMETER and TEARDOWN for one aircraft with two media,
H.264 and KLV telemetry. Pictures are taken only while somebody watches.
Why: ground stations and fixed cameras speak RTSP; neither FFmpeg nor PyAV has a server to test against.
Source: RFC 2326 (RTSP 1.0) §10.12 (interleaving), RFC 8866 (SDP), RFC 6184 and RFC 6597 through rtp.py.
Bounds: MAX_CLIENTS connections, MAX_HEAD bytes of request, MAX_BODY of body, BACKLOG of unsent media (then the viewer
loses pictures until the next key picture; one that takes nothing for STUCK seconds is cut).
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from egide.exercise.drone import Drone
from egide.exercise.encoder import BITRATE, AccessUnit, Encoder
from egide.protocols.rtp import CLOCK_HZ, PPS, SPS, Sender, nal_units
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

MAX_CLIENTS = 16
BACKLOG = 1_500_000
"""Bytes: six seconds of 2 Mbit/s."""
STUCK = 15.0
IDLE = 60.0
"""Seconds a connection may stay without a request before it plays; also the session's announced timeout."""
REPORT_EVERY = 5.0
LINGER = 1.0
"""Seconds in which a connection that is being closed may still read its last answer."""
PATH = "/second"
METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"

_CHANNELS = re.compile(r"interleaved=(\d{1,3})-(\d{1,3})")
_log = logging.getLogger(__name__)


@dataclass
class _Track:
    channel: int
    sender: Sender


@dataclass(eq=False)
class _Client:
    """One connection."""

    writer: asyncio.StreamWriter
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    tracks: dict[str, _Track] = field(default_factory=dict)
    playing: bool = False
    in_step: bool = False  # a key picture has been sent, and nothing left out since
    reported: float = 0.0
    full_since: float | None = None

    def send(self, unit: AccessUnit, klv: bytes, timestamp: int, epoch_us: int) -> None:
        """One picture and its telemetry, or nothing when the viewer is too slow."""
        now = time.monotonic()
        if self.writer.transport.get_write_buffer_size() > BACKLOG:
            self.in_step = False
            self.full_since = self.full_since or now
            if now - self.full_since > STUCK:
                self.writer.transport.abort()
            return
        self.full_since = None
        self.in_step |= unit.key
        out: list[bytes] = []
        report = now - self.reported > REPORT_EVERY
        self.reported = now if report else self.reported
        for kind, track in self.tracks.items():
            if report:
                out.append(_interleave(track.channel + 1, track.sender.report(epoch_us, timestamp)))
            if kind == KLV:
                packets = track.sender.data(klv, timestamp)
            else:
                packets = track.sender.video(unit.data, timestamp) if self.in_step else []
            out.extend(_interleave(track.channel, packet) for packet in packets)
        self.writer.write(b"".join(out))


def _interleave(channel: int, packet: bytes) -> bytes:
    return b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet


class RtspServer:
    """Serves one drone at ``rtsp://host:port/second``. ``start`` listens, ``run`` flies until ``stop``, ``close`` ends."""

    def __init__(self, drone: Drone, *, path: str = PATH, bitrate: int = BITRATE) -> None:
        self._drone, self._path = drone, path
        self._encoder = Encoder(drone.size, drone.fps, bitrate)
        self._clients: set[_Client] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._want_key = False
        self._server: asyncio.Server | None = None
        first = self._encoder.encode(drone.picture(0.0), key=True)
        self._sets = {nal[0] & 0x1F: nal for nal in nal_units(first.data) if nal[0] & 0x1F in (SPS, PPS)}

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._server is None:
            raise RuntimeError("not listening yet")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str = "127.0.0.1", port: int = 8554) -> None:
        """Listen; port 0 takes a free one."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=MAX_HEAD)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def run(self, stop: asyncio.Event, seconds: float | None = None) -> None:
        """Take and send pictures in real time until ``stop`` is set or ``seconds`` have passed."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        number = 0
        with ThreadPoolExecutor(1, "camera") as camera:
            while not stop.is_set() and (seconds is None or number < seconds * self._drone.fps):
                late = loop.time() - begin - number / self._drone.fps
                if late < 0:
                    await asyncio.sleep(-late)
                elif late > 0.5:
                    number += int(late * self._drone.fps)
                if any(client.playing for client in self._clients):
                    await self._one(camera)
                number += 1

    async def _one(self, camera: ThreadPoolExecutor) -> None:
        epoch_us = time.time_ns() // 1000
        t = self._drone.since(epoch_us)
        key, self._want_key = self._want_key, False

        def take() -> tuple[AccessUnit, bytes]:
            return self._encoder.encode(self._drone.picture(t), key=key), self._drone.telemetry(t)

        unit, klv = await asyncio.get_running_loop().run_in_executor(camera, take)
        for client in list(self._clients):
            if client.playing:
                client.send(unit, klv, _clock(t), epoch_us)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # a coroutine always runs in a task; this tells the type checker
            return
        client = _Client(writer)
        try:
            if len(self._clients) >= MAX_CLIENTS:
                writer.write(answer(503, "0"))
                return
            self._clients.add(client)
            self._connections.add(task)
            await self._converse(client, reader)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass  # The viewer left, or never spoke: nothing to tell anyone.
        except asyncio.CancelledError:
            pass  # The server closes; ending the task quietly is what was asked.
        finally:
            self._clients.discard(client)
            await _hang_up(reader, writer)
            self._connections.discard(task)

    async def _converse(self, client: _Client, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                async with asyncio.timeout(None if client.playing else IDLE):
                    request = await _read_request(reader)
            except RtspError as error:
                client.writer.write(answer(error.status, "0"))
                return  # After bytes that make no request, nothing tells where the next one begins.
            if request is None:
                continue
            try:
                headers, body = self._handle(client, request)
                client.writer.write(answer(200, request.cseq, headers, body))
            except RtspError as error:
                client.writer.write(answer(error.status, request.cseq))
            if request.method == "PLAY":
                client.playing = bool(client.tracks)
            if request.method == "TEARDOWN":
                return

    def _handle(self, client: _Client, request: Request) -> tuple[dict[str, str], str]:
        """Headers and body of the answer. RtspError when the request is refused."""
        if request.method == "OPTIONS":
            return {"Public": METHODS}, ""
        if request.method not in METHODS.split(", "):
            raise RtspError(405, f"{request.method} is not known here")
        track = self._track_of(request.url)
        if request.method == "DESCRIBE":
            base = request.url.rstrip("/") + "/"
            return {"Content-Type": "application/sdp", "Content-Base": base}, describe(self._sets, self._drone.name)
        if request.method == "SETUP":
            return self._set_up(client, request, track), ""
        if request.method == "GET_PARAMETER" and not client.tracks:
            return {}, ""
        if request.headers.get("session", "").split(";")[0] != client.session:
            raise RtspError(454, "no such session")
        if request.method == "PLAY":
            if not client.tracks:
                raise RtspError(455, "nothing is set up")
            self._want_key = True
            client.in_step, client.reported = False, 0.0
            return {"Session": client.session, "Range": "npt=now-"}, ""
        return {"Session": client.session}, ""

    def _track_of(self, url: str) -> str:
        """The medium, or nothing for the whole presentation. RtspError 404 for anything else."""
        try:
            path = urlsplit(url).path.rstrip("/")
        except ValueError:
            raise RtspError(400, "not a URL") from None
        for track in ("", VIDEO, KLV):
            if path == (f"{self._path}/{track}" if track else self._path):
                return track
        raise RtspError(404, "nothing is there")

    def _set_up(self, client: _Client, request: Request, kind: str) -> dict[str, str]:
        if kind == "":
            raise RtspError(455, "set up one medium at a time")
        transport = request.headers.get("transport", "")
        channels = _CHANNELS.search(transport)
        if not transport.startswith("RTP/AVP/TCP") or not channels:
            raise RtspError(461, "only interleaved TCP")
        channel = int(channels[1])
        taken = {track.channel for name, track in client.tracks.items() if name != kind}
        if channel > 254 or channel % 2 or channel in taken or client.playing:
            raise RtspError(455, "this channel cannot be used")
        ssrc = secrets.randbits(32)
        client.tracks[kind] = _Track(channel, Sender(PAYLOAD_TYPES[kind], ssrc, secrets.randbits(16)))
        return {
            "Transport": f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};ssrc={ssrc:08X}",
            "Session": f"{client.session};timeout={int(IDLE)}",
        }


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
    length = body_length(request)
    if length:
        await reader.readexactly(length)
    return request


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close, giving the last answer a second to arrive: bytes left unread would make the system drop it (RST)."""
    try:
        async with asyncio.timeout(LINGER):
            writer.write_eof()
            while await reader.read(MAX_HEAD):
                pass
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass  # The other side is gone, or will not hear it.
    finally:
        writer.transport.abort()


def _clock(t: float) -> int:
    """RTP time of ``t`` seconds of flight (RFC 3550 lets it start anywhere)."""
    return int(t * CLOCK_HZ) & 0xFFFFFFFF
