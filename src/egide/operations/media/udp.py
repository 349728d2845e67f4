"""MPEG-TS arriving on a UDP port: one's own socket, so that it can be bounded, shared with nobody and let go at once."""

from __future__ import annotations

import socket
import struct
import time
from typing import Final
from urllib.parse import urlsplit

from egide.operations.media.errors import source_error
from egide.operations.media.psi import Track
from egide.operations.media.ts import PACKET, TsDemuxer
from egide.operations.media.units import Sample

TICK_S: Final = 0.2
"""Seconds a read may wait: a stop is noticed within this time."""
_DATAGRAM: Final = 65536
_BATCH: Final = 64
"""Datagrams taken in one read before the caller gets a turn."""
SENDER_SILENCE_S: Final = 1.0
"""A port listens to one sender; another is accepted when the first has been silent this long."""
_RECEIVE_BUFFER: Final = 4 * 1024 * 1024


class UdpReader:
    """MPEG-TS over UDP, bare or in RTP, unicast or multicast; one sender at a time."""

    def __init__(self, url: str) -> None:
        host, port = _udp_address(url)
        self.received = 0
        self._demuxer = TsDemuxer()
        self._sender: tuple[str, int] | None = None
        self._heard = 0.0
        self._socket = _bind(host, port)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks the tables have told."""
        return self._demuxer.tracks

    @property
    def has_audio(self) -> bool:
        """True as soon as sound is declared or seen."""
        return self._demuxer.has_audio

    def read(self) -> list[Sample] | None:
        """Wait up to 0.2 s for a datagram, then take what is there."""
        samples: list[Sample] = []
        for turn in range(_BATCH):
            try:
                data, sender = self._socket.recvfrom(_DATAGRAM, 0 if turn == 0 else socket.MSG_DONTWAIT)
            except (TimeoutError, BlockingIOError):
                break
            except OSError as problem:  # closed from another thread, or the interface went away
                raise source_error("lost") from problem
            now = time.monotonic()
            if sender[:2] != self._sender:
                if self._sender is not None and now - self._heard < SENDER_SILENCE_S:
                    continue
                self._sender = sender[:2]
            self._heard = now
            self.received += len(data)
            samples += self._demuxer.push(_without_rtp(data))
            if samples:
                break
        return samples

    def close(self) -> None:
        """Free the port."""
        self._socket.close()


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


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as problem:
        raise source_error("port", port=port) from problem
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        packed = socket.inet_pton(family, str(address[0]).partition("%")[0])
        if family == socket.AF_INET and packed[0] & 0xF0 == 0xE0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed + bytes(4))
        elif family == socket.AF_INET6 and packed[0] == 0xFF:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed + struct.pack("@I", 0))
        else:
            sock.bind(address)
        sock.settimeout(TICK_S)
    except OSError as problem:
        sock.close()
        raise source_error("port", port=port) from problem
    return sock
