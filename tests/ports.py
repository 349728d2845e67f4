"""Ports for what a test starts, of a range that the kernel gives nobody by itself.

One that the kernel names on asking (port 0) may go to another program before the test's own listens on it, and the test waits for
what never comes. Each worker of a run goes through a share of its own, from a place drawn once.
"""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

LOWEST = 10_240
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")  # from the first of these on the kernel gives them away (ip(7))
SHARES = 8  # more than there are workers; runs without workers have the last


def _share() -> range:
    highest = int(GIVEN.read_text("ascii").split()[0]) if GIVEN.exists() else 32_768
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw") or SHARES - 1) % SHARES
    size = (highest - LOWEST) // SHARES
    return range(LOWEST + number * size, LOWEST + (number + 1) * size)


_PORTS = _share()
_at = random.randrange(len(_PORTS))


def free_port() -> int:
    """A port of this machine at which nobody listens, by TCP or UDP, and that no other test of this run is told."""
    global _at  # noqa: PLW0603 — one walk for the whole process
    for _ in _PORTS:
        _at = (_at + 1) % len(_PORTS)
        if _free(_PORTS[_at]):
            return _PORTS[_at]
    raise AssertionError(f"no port from {_PORTS.start} to {_PORTS.stop} is free")


def _free(port: int) -> bool:
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        try:
            stream.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
