"""The HTTPS ports for TAK clients: uvicorn over the capability's doors, with the peer's certificate handed to them.

Why ports of their own: clients expect TAK's, and a browser must never be asked for a client certificate on the pages' port. The
certificate is the TAK authority's own (operations/tak/authority.py), the one that enrolled devices trust.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from egide.kernel.errors import StartupError, Text
from egide.kernel.kernel import Kernel
from egide.operations.tak.authority import Authority
from egide.operations.tak.marti.app import enrolling, marti
from egide.operations.tak.marti.door import PEER

GRACE_S = 3  # s that requests under way get at the end
CONNECTIONS = 2000  # at once on a port; beyond, 503
KEEP_ALIVE_S = 30  # s an idle connection stays


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also tells the application whose certificate the handshake saw."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn itself
        """The handshake is done."""
        super().connection_made(transport)
        session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self._peer = session.getpeercert(binary_form=True) if session is not None else None

    def on_message_begin(self) -> None:
        """One request begins."""
        super().on_message_begin()
        if self._peer is not None:
            self.scope["extensions"] = {PEER: self._peer}  # type: ignore[dict-item]  # ASGI leaves the form of extensions open


class _Server(uvicorn.Server):
    """Signals are the platform's affair (serve.py)."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class TakPorts:
    """The ports that the settings name, of one process; several processes share them (SO_REUSEPORT)."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._running: list[tuple[_Server, asyncio.Task[None]]] = []

    async def start(self) -> None:
        """Opens them. Raises `StartupError` for a port that is taken."""
        settings = self._kernel.settings
        await self._open(settings.tak_marti_port, marti, clients=True)
        await self._open(settings.tak_enrol_port, enrolling, clients=False)

    async def stop(self) -> None:
        """Closes them; what is under way is finished."""
        for server, _task in self._running:
            server.should_exit = True
        await asyncio.gather(*(task for _server, task in self._running), return_exceptions=True)
        self._running.clear()

    async def _open(self, port: int, application: Callable[[Kernel], Any], *, clients: bool) -> None:
        if not port:
            return
        listener = listen(self._kernel.settings.host, port)
        context = (await asyncio.to_thread(Authority.of, self._kernel)).server_context(clients=clients)
        config = uvicorn.Config(
            application(self._kernel), http=PeerProtocol, ws="none", loop="none", access_log=False, proxy_headers=False, log_config=None,
            lifespan="off", timeout_graceful_shutdown=GRACE_S, server_header=False, limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
        )  # fmt: skip
        config.load()
        config.ssl = context
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]), name=f"tak-{port}")
        self._running.append((server, task))
        while not server.started and not task.done():  # noqa: ASYNC110 — uvicorn tells by a flag only
            await asyncio.sleep(0.01)
        if task.done():
            await task


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that processes of one account may share. Raises `StartupError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartupError(
            Text(
                f"Le port TAK {port} est déjà pris ({error.strerror}).",
                f"TAK port {port} is taken already ({error.strerror}).",
            ),
            Text("Changez-le dans egide.toml.", "Change it in egide.toml."),
        ) from error
    listener.setblocking(False)
    return listener
