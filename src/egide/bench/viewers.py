"""Terminals as light as they can be, in a process of their own: TLS, a WebSocket, one act; what comes is counted and dropped.

    python -m egide.bench.viewers     reads one JSON line: {port, cafile, cookies, origin, act, input}
                                      prints {"open": n} when all have asked; {"bytes": n, "messages": n} for each line it reads

Own bytes instead of a WebSocket library: what is measured is the server, and the machine is shared by both.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import sys
from typing import Any, cast

from egide.bench.measure import ABSENT

OPENING = 16  # handshakes at once


class Terminal(asyncio.Protocol):
    """One viewer."""

    def __init__(self, hello: bytes, ask: bytes) -> None:
        self._hello = hello
        self._ask = ask
        self._head: bytes | None = b""
        self.bytes = 0
        self.reads = 0
        self.first = b""
        self.asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open: asks for the WebSocket."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop’s are no subclasses
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        """The handshake's answer, then whatever comes."""
        self.bytes += len(data)
        self.reads += 1
        if self._head is None:
            if len(self.first) < 4096:
                self.first += data
            return
        self._head += data
        if b"\r\n\r\n" in self._head and self.transport is not None:
            if not self._head.startswith(b"HTTP/1.1 101"):
                self.asked.set_exception(RuntimeError(self._head[:200].decode("latin-1")))
                return
            self._head = None
            self.transport.write(self._ask)
            self.asked.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server went away."""
        if not self.asked.done():
            self.asked.set_exception(exc or ConnectionError("closed"))


def masked(text: bytes) -> bytes:
    """One text message as a client sends it (RFC 6455 §5.3); a mask of zeros changes nothing."""
    head = bytes((0x81, 0x80 | len(text))) if len(text) < 126 else bytes((0x81, 0xFE)) + len(text).to_bytes(2, "big")
    return head + bytes(4) + text


async def play(told: dict[str, Any]) -> None:
    """Opens them all, then answers each line of standard input with what has come so far."""
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(cafile=told["cafile"]) if told.get("cafile") else None
    head = (
        f"GET /live HTTP/1.1\r\nhost: localhost:{told['port']}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n"
        f"sec-websocket-key: {base64.b64encode(os.urandom(16)).decode()}\r\norigin: {told['origin']}\r\ncookie: "
    )
    ask = masked(json.dumps({"id": 1, "act": told["act"], "input": told["input"]}).encode())
    gate = asyncio.Semaphore(OPENING)

    async def one(cookie: str) -> Terminal:
        async with gate:
            name = "localhost" if context else None
            _, terminal = await loop.create_connection(
                lambda: Terminal(f"{head}{cookie}\r\n\r\n".encode(), ask),
                "127.0.0.1",
                told["port"],
                ssl=context,
                server_hostname=name,
            )
            await terminal.asked
            return terminal

    terminals = await asyncio.gather(*(one(cookie) for cookie in told["cookies"]))
    print(json.dumps({"open": len(terminals)}), flush=True)
    while True:
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        answer = {
            "bytes": sum(each.bytes for each in terminals), "reads": sum(each.reads for each in terminals),
            "least": min(each.bytes for each in terminals), "first": terminals[0].first[:400].decode("utf-8", "replace"),
        }  # fmt: skip
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Plays what the first line asks for."""
    told = json.loads(sys.stdin.readline())
    try:
        import uvloop
    except ImportError:
        print(json.dumps({ABSENT: "uvloop"}))
        return
    uvloop.run(play(told))


if __name__ == "__main__":
    main()
