"""A UDP port that the processes of one installation share: one of them has it, and passes what comes on to the others.

Why: a unicast datagram reaches one socket only, but every process shows every camera, and when the process that has the port
leaves or dies another must go on within a moment. Who finds the port taken asks its holder from this machine, proving with the
installation's secret (HMAC, RFC 2104) that it is of the same house; who is left without takes the port itself. Without a secret
nothing is shared.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
import time
from typing import Final

from egide.operations.media.errors import SourceError, source_error

TICK_S: Final = 0.2
"""Seconds a read may wait: a stop is noticed within this time, and a port whose holder has gone is taken."""
PATIENCE_S: Final = 1.5
"""Seconds a holder may take to admit another; it may be on its way out."""
AGAIN_S: Final = 0.5
"""Seconds between two hellos of one who follows."""
FORGET_S: Final = 3.0
"""Seconds without a hello after which nothing is passed on any more."""
MAX_FOLLOWERS: Final = 64
_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
_HELLO, _ADMITTED = b"\x00EGIDE?\x00", b"\x00EGIDE!\x00"  # neither MPEG-TS (0x47) nor RTP (0x80)

Address = tuple[str, int]


class Port:
    """A bound port, or what another process of the installation passes on from it. Raises SourceError port."""

    def __init__(self, host: str, port: int, secret: bytes = b"") -> None:
        self._family, self._address = _resolved(host, port)
        self._secret = secret
        self._followers: dict[Address, float] = {}  # of the holder: who follows → when last heard
        self._holder: Address | None = None  # of a follower
        self._said = 0.0
        until = time.monotonic() + (PATIENCE_S if secret else 0.0)
        while True:
            try:
                self._socket = _bound(self._family, self._address)
            except SourceError:
                if time.monotonic() > until:
                    raise
                if not self._admitted():
                    continue
            return

    def recvfrom(self, size: int, flags: int) -> tuple[bytes, Address | None]:
        """A datagram and who sent it: None when the holder, which has judged it, passed it on. Raises OSError as sockets do."""
        while True:
            if self._holder is not None:
                self._hello()
            try:
                data, sender = self._socket.recvfrom(size, flags)
            except TimeoutError:
                if self._holder is not None:
                    self._take()
                raise
            if data.startswith((_HELLO, _ADMITTED)):
                self._admit(data, sender[:2])
            elif self._holder is None:
                return data, sender[:2]
            elif sender[:2] == self._holder:
                return data, None

    def accepted(self, data: bytes) -> None:
        """What came is from the camera: the others get it too."""
        if self._holder is not None or not self._followers:
            return
        now = time.monotonic()
        for follower, heard in tuple(self._followers.items()):
            if now - heard > FORGET_S:
                del self._followers[follower]
                continue
            try:
                self._socket.sendto(data, socket.MSG_DONTWAIT, follower)
            except OSError:
                continue  # full, or gone: it is forgotten when it says hello no more

    def close(self) -> None:
        """Frees the port."""
        self._socket.close()

    def _proof(self, word: bytes, port: int) -> bytes:
        return word + hmac.digest(self._secret, b"%b%d %d" % (word, self._address[1], port), hashlib.sha256)

    def _admit(self, data: bytes, sender: Address) -> None:
        """Of the holder: a process of our own installation asks to be passed on what comes."""
        known = sender in self._followers or len(self._followers) < MAX_FOLLOWERS
        if self._holder is None and self._secret and known:
            if not hmac.compare_digest(data, self._proof(_HELLO, sender[1])):
                return
            self._followers[sender] = time.monotonic()
            try:
                self._socket.sendto(self._proof(_ADMITTED, sender[1]), socket.MSG_DONTWAIT, sender)
            except OSError:
                return

    def _admitted(self) -> bool:
        """Whether the port's holder is of our installation and takes us in; we then listen on a socket of our own."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._address[0], self._address[0])  # noqa: S104 — read, not bound
        asking = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            asking.bind((host, 0))
            asking.settimeout(TICK_S)
            own = asking.getsockname()[1]
            asking.sendto(self._proof(_HELLO, own), (host, self._address[1]))
            data, sender = asking.recvfrom(256)
        except OSError:
            asking.close()
            return False
        if sender[1] != self._address[1] or not hmac.compare_digest(data, self._proof(_ADMITTED, own)):
            asking.close()
            return False
        self._socket, self._holder, self._said = asking, sender[:2], time.monotonic()
        return True

    def _hello(self) -> None:
        now = time.monotonic()
        if self._holder is None or now - self._said < AGAIN_S:
            return
        self._said = now
        try:
            self._socket.sendto(self._proof(_HELLO, self._socket.getsockname()[1]), self._holder)
        except OSError:
            return

    def _take(self) -> None:
        """Nothing came: if the holder has gone, the port is ours now."""
        try:
            bound = _bound(self._family, self._address)
        except SourceError:
            self._said = 0.0  # there is a holder, perhaps another than before: hello at once
            return
        self._socket.close()
        self._socket, self._holder = bound, None


def _resolved(host: str, port: int) -> tuple[int, Address]:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as problem:
        raise source_error("port", port=port) from problem
    return family, (str(address[0]), int(address[1]))


def _bound(family: int, address: Address) -> socket.socket:
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
        raise source_error("port", port=address[1]) from problem
    return sock
