"""Where the bytes come from, behind one small face: a file, a UDP port, a TCP connection, an RTSP camera, an SRT or RTMP link.

A reader gives samples, never units; a read returns within 0.2 s, so that a stop is always prompt.
"""

from __future__ import annotations

import threading
from typing import Protocol

from egide.operations.media.child import ChildReader
from egide.operations.media.errors import source_error
from egide.operations.media.files import open_file
from egide.operations.media.onvif import stream_of
from egide.operations.media.psi import Track
from egide.operations.media.rtsp import RtspReader
from egide.operations.media.tcp import TcpReader
from egide.operations.media.udp import UdpReader
from egide.operations.media.units import Sample


class Reader(Protocol):
    """An opened source."""

    received: int

    @property
    def container(self) -> str:
        """What pictures and metadata travel in, for people."""
        ...

    @property
    def lost(self) -> int:
        """Packets known to be missing so far."""
        ...

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks known so far."""
        ...

    @property
    def has_audio(self) -> bool:
        """True as soon as sound is declared or seen."""
        ...

    def read(self) -> list[Sample] | None:
        """Samples that became whole, [] when none yet, None at the end.  Raises SourceError."""
        ...

    def close(self) -> None:
        """Give everything back; once."""
        ...


def open_reader(
    kind: str, url: str, timeout_s: float, cancel: threading.Event | None = None, secret: bytes = b""
) -> Reader:
    """Open a source within about `timeout_s` seconds, or until `cancel` is set; with `secret`, a UDP port may be shared.

    Raises SourceError address, file, port, unreachable, refused, path, transport, codec, no_video, truncated, hostile, ffmpeg.
    """
    if kind == "udp":
        return UdpReader(url, secret)
    if kind == "rtsp":
        return RtspReader(url, timeout_s, cancel or threading.Event())
    if kind == "onvif":
        return RtspReader(stream_of(url, timeout_s), timeout_s, cancel or threading.Event())
    if kind == "tcp":
        return TcpReader(url, timeout_s, cancel or threading.Event())
    if kind in ("srt", "rtmp"):
        return ChildReader(kind, url, timeout_s)
    if kind == "file":
        return open_file(url)
    raise source_error("address")
