"""A time-stamping authority of our own (openssl), and the tiny HTTP server that parties outside the house are behind."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Answering = Callable[[bytes], tuple[int, bytes, str]]


@contextmanager
def answering(answer: Answering) -> Iterator[str]:
    """A tiny HTTP server on a free port; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body, kind = answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


TSA = """[tsa]
default_tsa = a
[a]
serial = {place}/serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority:
    """openssl as a time-stamping authority; its certificate alone goes into the answer."""

    def __init__(self, place: Path, days: int = 30) -> None:
        place.mkdir()
        self.place = place
        self.body: bytes | None = None
        (place / "tsa.cnf").write_text(TSA.format(place=place))
        (place / "serial").write_text("01\n")
        self._run(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.pem", "-days", str(days), "-subj", "/CN=Authority",
            "-addext", "extendedKeyUsage=critical,timeStamping", "-addext", "keyUsage=critical,digitalSignature",
        )  # fmt: skip

    def _run(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self.place, check=True, capture_output=True, timeout=60)

    def __call__(self, asked: bytes) -> tuple[int, bytes, str]:
        (self.place / "q").write_bytes(asked)
        self._run(
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-queryfile",
            "q",
            "-signer",
            "tsa.pem",
            "-inkey",
            "tsa.key",
            "-out",
            "r",
        )
        return 200, self.body or (self.place / "r").read_bytes(), "application/timestamp-reply"
