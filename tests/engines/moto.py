"""A private S3: moto's server as a child process on a free loopback port, ended with the test. It keeps all in memory."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.conftest import missing
from tests.ports import free_port

START_S = 30  # s
PROGRAM = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"


class Server:
    """One S3 server; `environment` is what a platform needs to reach it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.address, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(START_S * 10):
            try:
                urlopen(self.address, timeout=2).close()
            except (URLError, OSError):
                time.sleep(0.1)
            else:
                return
        raise AssertionError("moto did not start")

    def bucket(self, name: str) -> str:
        """Makes a bucket; gives its address."""
        request = Request(f"{self.address}/{name}", method="PUT")
        try:
            urlopen(request, timeout=10).close()
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        return f"s3://{name}/some/prefix"

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def moto() -> Iterator[Server]:
    """A running server; skips (or fails in CI) where moto or obstore is not installed."""
    for package in ("moto", "flask", "obstore"):
        if importlib.util.find_spec(package) is None:
            missing(f"{package} is not installed: pip install 'moto[server]' obstore")
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.stop()
