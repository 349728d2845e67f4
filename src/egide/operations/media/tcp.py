"""MPEG-TS over a TCP connection: we call the sender (`tcp://host:port`), or it calls us (`tcp://host:port?listen`).

One sender at a time: another is let in when the first has hung up or has been silent. A sender that connects and stops
sending is lost after SILENCE_S, whichever side called.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from egide.operations.media.dial import TICK_S, dial
from egide.operations.media.errors import source_error
from egide.operations.media.ts import TsDemuxer
from egide.operations.media.tsreader import TsReader
from egide.operations.media.units import Sample

SILENCE_S: Final = 3.0
"""Seconds without a byte after which a sender is lost, as for RTSP."""
_CHUNK: Final = 64 * 1024


class TcpReader(TsReader):
    """MPEG-TS over TCP.  Opening raises SourceError address, port, unreachable."""

    container = "MPEG-TS / TCP"

    def __init__(self, url: str, timeout_s: float, cancel: threading.Event) -> None:
        host, port, listen = _address(url)
        super().__init__()
        self._anew = False
        self._heard = time.monotonic()
        self._server = _listening(host, port) if listen else None
        self._socket = None if listen else dial(host, port, time.monotonic() + timeout_s, cancel)

    def read(self) -> list[Sample] | None:
        """Wait up to 0.2 s for bytes, or for a sender.  Raises SourceError silent, lost, codec, encrypted, hostile."""
        if self._socket is None and not self._admit():
            return []
        data = self._receive()
        if data is None:
            return []
        self.received += len(data)
        self._heard = time.monotonic()
        samples = self._demuxer.push(data)
        if self._anew and samples:
            # A sender that takes over begins in the middle of a picture group: the first picture says so.
            samples[0] = replace(samples[0], damaged=True)
            self._anew = False
        return samples

    def close(self) -> None:
        """Hang up, and free the port."""
        for sock in (self._socket, self._server):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()

    def _receive(self) -> bytes | None:
        sock = self._socket
        if sock is None:
            return None
        try:
            data = sock.recv(_CHUNK)
        except TimeoutError:
            if time.monotonic() - self._heard < SILENCE_S:
                return None
            data = b""
        except OSError as problem:
            if self._server is None:
                raise source_error("lost") from problem
            data = b""
        if data:
            return data
        if self._server is None:
            raise source_error("lost" if self.received else "silent")
        sock.close()
        self._socket = None
        return None

    def _admit(self) -> bool:
        """Whether a sender has called."""
        if self._server is None:
            return False
        try:
            self._socket, _ = self._server.accept()
        except TimeoutError:
            return False
        except OSError as problem:
            raise source_error("lost") from problem
        self._socket.settimeout(TICK_S)
        self._heard = time.monotonic()
        heard_sound = self._demuxer.has_audio  # once known of a source, sound is not forgotten with its sender
        self._anew = self.received > 0
        self._demuxer = TsDemuxer()
        self._demuxer.has_audio = heard_sound
        return True


def _address(url: str) -> tuple[str, int, bool]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or ""), parts.port
        asked = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=4))
    except ValueError as problem:
        raise source_error("address") from problem
    listen = asked.pop("listen", "0") in ("", "1")
    if parts.scheme != "tcp" or not port or asked or not (host or listen):
        raise source_error("address")
    return host, port, listen


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        server = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as problem:
        raise source_error("port", port=port) from problem
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free
        server.bind(address)
        server.listen(1)
        server.settimeout(TICK_S)
    except OSError as problem:
        server.close()
        raise source_error("port", port=port) from problem
    return server
