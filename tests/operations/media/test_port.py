"""One UDP port for several processes: what comes reaches all, and who is left takes it over."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from tests.ports import free_port
from tests.waiting import AT_ONCE_S

from egide.operations.media.errors import SourceError
from egide.operations.media.port import Port

SECRET = b"of one house"


@pytest.fixture
def number() -> int:
    return free_port()


class Reading:
    """A port that is read on a thread, as an ingest does."""

    def __init__(self, number: int, secret: bytes = SECRET) -> None:
        self.port = Port("127.0.0.1", number, secret)
        self.got: list[bytes] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                data, _sender = self.port.recvfrom(65536, 0)
            except TimeoutError:
                continue
            self.port.accepted(data)
            self.got.append(data)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()  # the timeout of every test ends a wait for ever; a port that is still read must not be closed
        self.port.close()


@pytest.fixture
def camera(number: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.connect(("127.0.0.1", number))
        yield sending


def sent(camera: socket.socket, reading: list[Reading], count: int = 200) -> None:
    """Sends datagrams until each of these has had one of them."""
    had = [len(one.got) for one in reading]
    for _ in range(count):
        with suppress(ConnectionRefusedError):  # nobody has the port at this moment
            camera.send(b"\x47" + os.urandom(1315))
        time.sleep(0.02)
        if all(len(one.got) > before for one, before in zip(reading, had, strict=True)):
            return
    raise AssertionError([len(one.got) for one in reading])


def test_what_comes_reaches_all_and_the_port_is_taken_over(number: int, camera: socket.socket) -> None:
    three = [Reading(number) for _ in range(3)]
    try:
        sent(camera, three)
        three[0].end()
        began = time.monotonic()
        sent(camera, three[1:])
        assert time.monotonic() - began < AT_ONCE_S
        three[1].end()
        sent(camera, three[2:])
    finally:
        for one in three:
            one.end()


def test_another_program_gets_nothing(number: int, camera: socket.socket) -> None:
    holder = Reading(number)
    try:
        with pytest.raises(SourceError):
            Port("127.0.0.1", number, b"of another house")
        with pytest.raises(SourceError):
            Port("127.0.0.1", number)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.sendto(b"\x00EGIDE?\x00" + bytes(32), ("127.0.0.1", number))
            sent(camera, [holder])
            stranger.settimeout(0.3)
            with pytest.raises(TimeoutError):
                stranger.recv(65536)
        assert all(data[:1] == b"\x47" for data in holder.got), "a hello is not a picture"
    finally:
        holder.end()


def test_a_port_of_another_program_is_refused(number: int) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", number))
        began = time.monotonic()
        with pytest.raises(SourceError):
            Port("127.0.0.1", number, SECRET)
        assert time.monotonic() - began < 5
