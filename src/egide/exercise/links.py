"""The links an aircraft's transport stream may go by besides UDP: TCP by our own socket, SRT and RTMP through Debian's ffmpeg.

What: sinks for `broadcast`, chosen by an address: udp://, tcp://host:port (calls), tcp://host:port?listen (is called),
srt:// (its own parameters: mode, passphrase, latency in ms …) and rtmp://, which carries pictures and sound but no telemetry.
Why ffmpeg: most ground stations are built on it, so that what the platform meets here is what it meets there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import time
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

LINK_TIMEOUT = 5.0
"""Seconds a link may take to come about, or to take bytes."""
_TRIES_EVERY = 0.1
_PIPE = 1 << 20
"""Bytes between us and ffmpeg: some seconds of video, for a busy machine."""


class Sink(Protocol):
    """What the multiplexer writes to."""

    def write(self, data: bytes) -> int:
        """Called by PyAV."""

    def send(self) -> None:
        """Send all that waits."""

    def close(self) -> None:
        """Give the link back."""


class Waiting:
    """What the multiplexer has written and nobody has sent yet."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        """Called by PyAV."""
        self._waiting += data
        return len(data)

    def _taken(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data


class TcpSink(Waiting):
    """A TCP connection: made by us, or waited for. Without anyone to read, what is sent is lost, as on the air."""

    def __init__(self, host: str, port: int, *, listen: bool = False) -> None:
        super().__init__()
        self._peer: socket.socket | None = None
        self._server = socket.create_server((host, port)) if listen else None
        if self._server is None:
            self._peer = _called(host, port)
        else:
            self._server.setblocking(False)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._server.getsockname()[1]) if self._server else 0

    def send(self) -> None:
        """Send all that waits; a reader that left is let go, and another may come."""
        data = self._taken()
        if self._server is not None:
            with contextlib.suppress(BlockingIOError):
                peer, _ = self._server.accept()
                peer.settimeout(LINK_TIMEOUT)
                self._leave()
                self._peer = peer
        if self._peer is None:
            return
        try:
            self._peer.sendall(data)
        except OSError:
            self._leave()

    def close(self) -> None:
        """Hang up."""
        self._leave()
        if self._server is not None:
            self._server.close()

    def _leave(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None


class FfmpegSink(Waiting):
    """A child ffmpeg that takes our transport stream and sends it by SRT or RTMP; ValueError when there is no ffmpeg."""

    def __init__(self, url: str) -> None:
        super().__init__()
        program = shutil.which("ffmpeg")
        if program is None:
            raise ValueError("SRT and RTMP need the program ffmpeg: apt install ffmpeg")
        if url.startswith("srt:"):  # byte for byte, seven transport packets a message
            taken, kept = ["-f", "data", "-raw_packet_size", "1316"], ["-map", "0", "-f", "data"]
        else:
            taken = ["-probesize", "200000", "-fpsprobesize", "0", "-f", "mpegts"]
            kept = ["-map", "0:v", "-map", "0:a?", "-max_interleave_delta", "1", "-f", "flv"]
        self._process = subprocess.Popen(  # noqa: S603 — the exercise's own address, no secret of anyone
            [
                program, "-hide_banner", "-loglevel", "error", "-fflags", "nobuffer", *taken, "-i", "pipe:0",
                "-c", "copy", "-flush_packets", "1", *kept, url,
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip
        pipe = self._process.stdin
        if pipe is not None:  # a link that nobody has opened yet takes nothing: pictures are lost, and nobody waits
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
            os.set_blocking(pipe.fileno(), False)
        self.lost = 0

    def send(self) -> None:
        """Send all that waits; what ffmpeg does not take is lost, as on the air."""
        data = self._taken()
        pipe = self._process.stdin
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                self.lost += len(data) - (pipe.write(data) or 0)

    @property
    def over(self) -> bool:
        """True once ffmpeg has gone: refused, or the other side hung up."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End ffmpeg."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def sink_of(url: str) -> Sink:
    """The link of an address; ValueError when it is none of ours, OSError when it cannot be had."""
    parts = urlsplit(url)
    if parts.scheme == "tcp" and parts.port:
        listen = "listen" in dict(parse_qsl(parts.query, keep_blank_values=True))
        return TcpSink(parts.hostname or "", parts.port, listen=listen)
    if parts.scheme == "srt":
        # ffmpeg counts the latency of an SRT link in microseconds; the address says milliseconds, as SRT's own tools do
        query = "&".join(f"{k}={int(v) * 1000 if k == 'latency' else v}" for k, v in parse_qsl(parts.query))
        return FfmpegSink(parts._replace(query=query).geturl())
    if parts.scheme == "rtmp":
        return FfmpegSink(url)
    raise ValueError(f"{parts.scheme}: is no link that an exercise's aircraft has")


def _called(host: str, port: int) -> socket.socket:
    """A connection, tried for LINK_TIMEOUT."""
    until = time.monotonic() + LINK_TIMEOUT
    while True:
        try:
            return socket.create_connection((host, port), timeout=LINK_TIMEOUT)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(_TRIES_EVERY)
