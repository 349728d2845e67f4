"""A private NATS server with JetStream: a port and a store of its own, ended with the test."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import missing

START_S = 10  # s


class NatsServer:
    """One server; what JetStream has stored outlives `restart`."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [self.program, "-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self.folder)]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    if connection.recv(4) == b"INFO":
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("nats-server did not start")

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self, *, hard: bool = False) -> None:
        if self._process is None:
            return
        self.resume()
        self._process.kill() if hard else self._process.terminate()
        self._process.wait(timeout=START_S)
        self._process = None

    def restart(self, *, hard: bool = True) -> None:
        self.stop(hard=hard)
        self.start()

    def forget(self) -> None:
        """Loses everything JetStream had stored."""
        self.stop(hard=True)
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.start()


@contextmanager
def nats_server(folder: Path | None = None) -> Iterator[NatsServer]:
    """A running server; skips (or fails in CI) where it is not installed."""
    program = shutil.which("nats-server")
    if program is None:
        missing("nats-server is not installed: apt-get install nats-server")
    place = Path(tempfile.mkdtemp(prefix="egide-nats-", dir=folder))
    server = NatsServer(str(program), place / "store")
    server.folder.mkdir()
    try:
        server.start()
        yield server
    finally:
        server.stop(hard=True)
        shutil.rmtree(place, ignore_errors=True)
