"""Opening a TCP connection to a camera in steps short enough to be given up."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import Final

from egide.operations.media.errors import source_error

TICK_S: Final = 0.2
"""Seconds a read may wait: a stop is noticed within this time."""
_ADDRESSES: Final = 4
"""Addresses of one name that are tried."""


def dial(host: str | None, port: int, deadline: float, cancel: threading.Event) -> socket.socket:
    """A connected socket that waits TICK_S at most; `deadline` in monotonic seconds.  Raises SourceError unreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise source_error("unreachable") from problem
    for family, kind, protocol, _, address in found[:_ADDRESSES]:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.connect_ex(address)
            writable = select.poll()  # select() itself fails past 1,024 descriptors, which a busy relay has
            writable.register(sock, select.POLLOUT)
            while not cancel.is_set() and time.monotonic() < deadline:
                if writable.poll(TICK_S * 1000):
                    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        break
                    sock.settimeout(TICK_S)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return sock
        sock.close()
    raise source_error("unreachable")
