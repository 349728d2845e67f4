"""The soak's cameras that hold a connection: each can be cut at once (reset, kill -9) or left half open, and nothing comes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import struct
import time
from typing import Any

from egide.exercise.links import FfmpegSink
from egide.exercise.rtsp import RtspServer
from egide.protocols.rtp import PPS, SPS, nal_units
from tests.attacks.soak_sender import RATE
from tests.attacks.soak_sources import GROUP, Camera, Reel

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing resets the connection
# Filler data (ITU-T H.264, 7.3.2.7): ffmpeg reads 200 kB before it calls by RTMP, for which small pictures would take minutes.
FILLER = b"\0\0\0\1\x0c" + b"\xff" * 52_000 + b"\x80"
AGAIN_S = 0.5  # s between two tries of a sender to reach the platform


class TcpCamera(Camera):
    """MPEG-TS over TCP; the platform calls us."""

    kind = "tcp"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._server: socket.socket | None = None
        self._peer: socket.socket | None = None

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    async def up(self) -> None:
        if self._server is None:
            self._server = socket.create_server(("127.0.0.1", self.port))
            self._server.setblocking(False)
        await super().up()

    async def ready(self) -> None:
        """Whoever called last is sent to."""
        while self._server is not None:
            try:
                peer, _ = self._server.accept()
            except BlockingIOError:
                return
            peer.setblocking(False)
            self.hang_up()
            self._peer = peer

    def send(self, piece: bytes) -> None:
        if self._peer is None:
            return
        try:
            if self._peer.send(piece) == len(piece):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.hang_up()

    def hang_up(self) -> None:
        """Resets the connection."""
        peer, self._peer = self._peer, None
        if peer is not None:
            with contextlib.suppress(OSError):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            peer.close()

    def cut(self) -> str:
        self.hang_up()
        if self._server is not None:
            self._server.close()
            self._server = None
        return "reset"

    def silence(self) -> str:
        return "half open"


class CallingCamera(TcpCamera):
    """MPEG-TS over TCP; we call the platform."""

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}?listen"

    async def up(self) -> None:
        await Camera.up(self)

    async def ready(self) -> None:
        loop = asyncio.get_running_loop()
        while self._peer is None:
            peer = socket.socket()
            peer.setblocking(False)
            try:
                await loop.sock_connect(peer, ("127.0.0.1", self.port))
            except OSError:
                peer.close()
                await asyncio.sleep(AGAIN_S)
            except asyncio.CancelledError:
                peer.close()
                raise
            else:
                self._peer = peer


class FfmpegCamera(Camera):
    """SRT or RTMP through a child ffmpeg, which calls the platform and is killed with -9, or stopped."""

    def __init__(self, *given: Any, kind: str) -> None:
        self.kind, self.klv = kind, kind == "srt"
        super().__init__(*given)
        self._padded = 0
        self._sink: FfmpegSink | None = None

    @property
    def url(self) -> str:
        return (
            f"srt://127.0.0.1:{self.port}?mode=listener"
            if self.kind == "srt"
            else f"rtmp://127.0.0.1:{self.port}/soak?listen"
        )

    async def ready(self) -> None:
        while self._sink is None or self._sink.over:
            if self._sink is not None:
                self._sink.close()
                await asyncio.sleep(AGAIN_S)
            self._padded = GROUP if self.kind == "rtmp" else 0  # a key picture is among them
            self._sink = FfmpegSink(self.url.partition("?")[0] + ("?mode=caller" if self.kind == "srt" else ""))

    def send(self, piece: bytes) -> None:
        if self._sink is not None:
            self._sink.write(piece)
            self._sink.send()

    def piece(self) -> bytes:
        filled, self._padded = self._padded > 0, max(0, self._padded - 1)
        return self.reel.piece(more=FILLER if filled else b"")

    async def up(self) -> None:
        if self._task is None:
            self.cut()  # whatever was stopped is of no use any more
        await super().up()

    def cut(self) -> str:
        if self._sink is not None:
            self._sink.close()
            self._sink = None
        return "kill -9"

    def silence(self) -> str:
        if self._sink is not None and not self._sink.over:
            self._sink._process.send_signal(signal.SIGSTOP)  # half open: its connection stands, nothing comes
        return "half open"


class _Replay(RtspServer):
    """The exercise's RTSP camera, which shows a clip instead of the town."""

    def __init__(self, reel: Reel) -> None:
        self._drone: Any = self  # all that is asked of an aircraft here is its name
        self.name, self._reel, self._path = "Soak", reel, "/soak"
        self._clients = set()
        self._connections = set()
        self._want_key = False
        self._server = None
        self._sets = {nal[0] & 0x1F: nal for nal in nal_units(reel.first.data) if nal[0] & 0x1F in (SPS, PPS)}

    def show(self) -> None:
        """One picture to whoever plays."""
        unit, now = self._reel.picture(), time.time_ns() // 1000
        said, stamp = self._reel.said(), time.monotonic_ns() * 9 // 100_000 & 0xFFFFFFFF
        for client in tuple(self._clients):
            if client.playing:
                client.send(unit, said, stamp, now)

    def abort(self) -> None:
        """Every connection is reset."""
        for client in tuple(self._clients):
            client.writer.transport.abort()


class RtspCamera(Camera):
    """A camera that is asked by RTSP."""

    kind = "rtsp"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._server: _Replay | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/soak"

    async def up(self) -> None:
        if self._server is None:
            server = _Replay(self.reel)
            await server.start(port=self.port)
            self._server = server
        await super().up()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._server is not None:
            self._server.show()
            due = max(due + 1 / RATE, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def down(self, draw: random.Random) -> str:
        how = await super().down(draw)
        if how == "reset" and self._server is not None:
            server, self._server = self._server, None
            server.abort()
            await server.close()
        return how

    def cut(self) -> str:
        return "reset"

    def silence(self) -> str:
        return "half open"
