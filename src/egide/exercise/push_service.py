"""A push service on loopback, as browsers' makers run them: takes wake-ups for the devices it knows, and looks who asks.

It checks what RFC 8030 and RFC 8292 ask of the sender: a TTL, a signed token for this service, no body. Only for exercises and
tests: it wakes nobody, it remembers.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Self

from egide.protocols.vapid import verify

MAX_BODY = 4096  # bytes a push service must take, RFC 8030 §7.2


class PushService:
    """Serves from `with` to its end. `woken`: (device, who asked) in order; `wrong`: what was refused, and why."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self.devices: set[str] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(service._answer(self))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Says nothing: an address names a device."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="push service", daemon=True)

    @property
    def origin(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def device(self, name: str) -> str:
        """A device's endpoint, from now on known here."""
        self.devices.add(name)
        return f"{self.origin}/wake/{name}"

    def _answer(self, request: BaseHTTPRequestHandler) -> int:
        name = request.path.removeprefix("/wake/")
        body = request.rfile.read(min(MAX_BODY, int(request.headers.get("content-length") or 0)))
        try:
            who = verify(request.headers.get("authorization", ""), self.origin, int(time()))
        except ValueError as error:
            self.wrong.append(str(error))
            return 403
        if body or not request.headers.get("ttl", "").isdigit():
            self.wrong.append("a body, or no TTL")
            return 400
        if name not in self.devices:
            return 410
        self.woken.append((name, who))
        return 201

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
