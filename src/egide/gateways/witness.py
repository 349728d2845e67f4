"""`egide witness`: a witness as a program of its own, on another machine than the platform, run by somebody else.

HTTP of C2SP tlog-witness: `POST /add-checkpoint`. Nothing of the platform is opened: no store, no capability, no law. TLS is the
reverse proxy's; no request is logged (a witness sees tree heads only, and has nothing to tell of who sent them).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
from rich.console import Console

from egide.gateways.telling import raw, tell
from egide.kernel import witness as kept
from egide.kernel.checkpoint import parse_vkey
from egide.kernel.errors import Text
from egide.kernel.witness import MAX_REQUEST, Answer, Witness

PATH = "/add-checkpoint"
READ_S = 10.0  # s a client has to send its request
AT_ONCE = 64  # requests; more are told to come back
GRACE_S = 3  # s that open requests get at the end

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Endpoint:
    """The ASGI application over one witness; requests are decided one after the other, in a thread (each waits for the disk)."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/" and scope["method"] == "GET":
            answer = Answer(200, f"{self._witness.vkey}\n")
        elif scope["path"] != PATH:
            answer = Answer(404, f"POST {PATH}\n")
        elif scope["method"] != "POST":
            answer = Answer(405, f"POST {PATH}\n")
        elif self._waiting >= AT_ONCE:
            answer = Answer(503, "Too many requests at once.\n")
        else:
            self._waiting += 1
            try:
                answer = await self._asked(receive)
            finally:
                self._waiting -= 1
        body = answer.body.encode()
        headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _asked(self, receive: Receive) -> Answer:
        try:
            body = await asyncio.wait_for(_read(receive), READ_S)
        except TimeoutError:
            return Answer(408, "The request did not come whole in time.\n")
        if body is None:
            return Answer(400, "The request broke off.\n")
        return await asyncio.to_thread(self._witness.add_checkpoint, body)


async def _read(receive: Receive) -> bytes | None:
    """The body, cut one byte beyond what is admitted; None when the client went away."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        body += part[: MAX_REQUEST + 1 - len(body)]
        if not message.get("more_body") or len(body) > MAX_REQUEST:
            return body


def serve(folder: Path, host: str, port: int, name: str, console: Console) -> None:
    """`egide witness serve`: until a signal. Raises `StartupError`."""
    os.umask(0o077)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    witness = Witness(folder, name or f"{socket.gethostname()}/egide-witness")
    try:
        tell(console, Text(f"Témoin : http://{host}:{port}{PATH}", f"Witness: http://{host}:{port}{PATH}"), "good")
        tell(console, Text("Sa clé publique, à remettre au service :", "Its public key, for the service:"))
        raw(console, witness.vkey)
        if not kept.known(folder):
            tell(
                console,
                Text("Il ne connaît encore aucun registre.", "It knows no log yet."),
                "note",
                Text(
                    f"egide witness trust CLÉ --data {folder} (la clé est sur la page /roots du service)",
                    f"egide witness trust VKEY --data {folder} (the key is on the service’s /roots page)",
                ),
            )
        config = uvicorn.Config(
            Endpoint(witness), host=host, port=port, loop="uvloop", http="httptools", ws="none", access_log=False,
            proxy_headers=False, log_level="warning", lifespan="off", server_header=False, limit_concurrency=4 * AT_ONCE,
            timeout_graceful_shutdown=GRACE_S,
        )  # fmt: skip
        uvicorn.Server(config).run()
    finally:
        witness.close()


def trust(folder: Path, vkey: str, console: Console) -> None:
    """`egide witness trust`: a running witness knows the log from its next request on."""
    name = parse_vkey(vkey).name
    if kept.trust(folder, vkey):
        tell(console, Text(f"Registre reconnu : {name}", f"Log known: {name}"), "good")
    else:
        tell(console, Text(f"Déjà connu : {name}", f"Known already: {name}"), "note")
