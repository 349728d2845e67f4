"""MPEG-TS arriving on a UDP port (port.py): one's own socket, so that it can be bounded and let go at once."""

from __future__ import annotations

import socket
import time
from typing import Final
from urllib.parse import urlsplit

from egide.operations.media.errors import source_error
from egide.operations.media.port import Port
from egide.operations.media.ts import PACKET
from egide.operations.media.tsreader import TsReader
from egide.operations.media.units import Sample

_DATAGRAM: Final = 65536
_BATCH: Final = 64
"""Datagrams taken in one read before the caller gets a turn."""
SENDER_SILENCE_S: Final = 1.0
"""A port listens to one sender; another is accepted when the first has been silent this long."""


class UdpReader(TsReader):
    """MPEG-TS over UDP, bare or in RTP, unicast or multicast; one sender at a time."""

    container = "MPEG-TS / UDP"

    def __init__(self, url: str, secret: bytes = b"") -> None:
        host, port = _udp_address(url)
        super().__init__()
        self._sender: tuple[str, int] | None = None
        self._heard = 0.0
        self._port = Port(host, port, secret)

    def read(self) -> list[Sample] | None:
        """Wait up to 0.2 s for a datagram, then take what is there."""
        samples: list[Sample] = []
        for turn in range(_BATCH):
            try:
                data, sender = self._port.recvfrom(_DATAGRAM, 0 if turn == 0 else socket.MSG_DONTWAIT)
            except (TimeoutError, BlockingIOError):
                break
            except OSError as problem:  # closed from another thread, or the interface went away
                raise source_error("lost") from problem
            now = time.monotonic()
            if sender is not None and sender != self._sender:
                if self._sender is not None and now - self._heard < SENDER_SILENCE_S:
                    continue
                self._sender = sender
            self._heard = now
            self.received += len(data)
            self._port.accepted(data)
            samples += self._demuxer.push(_without_rtp(data))
            if samples:
                break
        return samples

    def close(self) -> None:
        """Free the port."""
        self._port.close()


def _without_rtp(data: bytes) -> bytes:
    """MPEG-TS of an RTP datagram (RFC 2250: 12-byte header, whole packets), or the datagram itself."""
    if len(data) > 12 and data[0] & 0xC0 == 0x80 and data[12] == 0x47 and (len(data) - 12) % PACKET == 0:
        return data[12:]
    return data


def _udp_address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or ""), parts.port
    except ValueError as problem:
        raise source_error("address") from problem
    if parts.scheme != "udp" or not port:
        raise source_error("address")
    return host, port
