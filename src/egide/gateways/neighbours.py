"""How the processes of one machine reach one another: a socket each in `<data>/run/`, open to their own account only.

Asked there: a file that another process has prepared (an address given by one may be opened at any, because the machine
spreads connections), what is served where, and to make room for a newer process (upgrade), which takes over the listening
socket itself (SCM_RIGHTS, unix(7)), so that no connection waiting in it is lost. And a request for what another process alone has
in memory is passed on to it as it came, with what says who asks: that process decides, as if it had been asked itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from egide.kernel.errors import EgideError, NotFound, Text, Unavailable
from egide.kernel.kernel import Kernel

FOLDER = "run"
Application = Callable[..., Awaitable[None]]  # ASGI 3.0
MAX_LINE = 4096  # bytes of a question or a first line of an answer
MAX_BLOCK = 1 << 24  # bytes of one block of a file
PASSED_S = 60.0  # s that another process may take over a request: a room's twenty, three times
PASSED = frozenset({b"cookie", b"origin", b"authorization", b"sec-fetch-site", b"content-type", b"accept-language"})
MAX_PASSED = 1 << 26  # bytes of a request or an answer that is passed on: as http.py takes
PATIENCE_S = 5.0  # s a neighbour has to answer
_size = struct.Struct("!I")  # before each block of a file; 0 ends it, so that a file cut short is told from a whole one


class Answered(NamedTuple):
    """What another process answered to a request that was passed on."""

    status: int
    media_type: str
    body: bytes


class Neighbours:
    """This process's socket, and how to ask at the others'."""

    def __init__(
        self, kernel: Kernel, drain: Callable[[], None], listener: socket.socket, application: Application
    ) -> None:
        self._kernel = kernel
        self._application = application
        self._drain = drain
        self._listener = listener
        folder = kernel.settings.folder / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Opens the socket; those of processes that are gone are removed."""
        living = self._kernel.processes.alive(self._kernel.store.reader())
        for name in _sockets(self._folder):
            if name not in living:
                with suppress(OSError):
                    os.unlink(f"{name}.sock", dir_fd=self._folder)
        self._server = await asyncio.start_unix_server(self._answer, _path(self._folder, self._kernel.process))

    async def stop(self) -> None:
        """Closes it."""
        if self._server is not None:
            self._server.close()
            with suppress(OSError):
                os.unlink(f"{self._kernel.process}.sock", dir_fd=self._folder)
        os.close(self._folder)

    async def fetch(self, ticket: str, person: str) -> tuple[dict[str, Any], AsyncIterator[bytes]]:
        """A file that another process offers this person: (what it is, its content). Raises `NotFound`."""
        process = ticket.partition("-")[0]
        if not (process.isascii() and process.isalnum()) or len(process) > 32:
            raise _gone()
        try:
            reader, writer = await asyncio.open_unix_connection(_path(self._folder, process))
        except OSError as error:
            raise _gone() from error
        try:
            writer.write(json.dumps({"download": ticket, "person": person}).encode() + b"\n")
            told = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE_S))
            if not isinstance(told, dict) or "filename" not in told:
                raise _gone()
        except (OSError, ValueError, TimeoutError) as error:
            writer.close()
            raise _gone() from error
        except EgideError:
            writer.close()
            raise

        async def content() -> AsyncIterator[bytes]:
            """Raises `IncompleteReadError` when the other process dies midway: the answer then breaks off as well."""
            try:
                while size := _size.unpack(await reader.readexactly(_size.size))[0]:
                    yield await reader.readexactly(min(size, MAX_BLOCK))
            finally:
                writer.close()

        return told, content()

    async def pass_on(self, id_: str, scope: MutableMapping[str, Any], body: bytes) -> Answered | None:
        """The answer of the process that has this in memory; None where it is this one, or none of this machine.

        Raises `Unavailable` where that process took the request and did not answer it.
        """
        process = id_.partition("-")[0]
        if process == self._kernel.process or not (process.isascii() and process.isalnum()) or len(process) > 32:
            return None
        try:
            reader, writer = await asyncio.open_unix_connection(_path(self._folder, process))
        except OSError:
            return None
        try:
            writer.write(b'{"request": true}\n')
            for block in (json.dumps(_head(scope)).encode(), body):
                writer.write(_size.pack(len(block)) + block)
            await writer.drain()
            told = json.loads(await asyncio.wait_for(_block(reader), PASSED_S))
            return Answered(told["status"], told["type"], await asyncio.wait_for(_block(reader), PASSED_S))
        except (OSError, ValueError, KeyError, EOFError, TimeoutError) as error:
            raise Unavailable(
                Text("La réponse n’est pas venue : on ne sait pas si c’est fait.", "No answer came: whether it was done is not known."),
                Text("Regardez avant de recommencer.", "Look before you try again."),
            ) from error  # fmt: skip
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A request that a neighbour passes on, answered by the application as if it had come here."""
        head, body = json.loads(await _block(reader)), await _block(reader)
        told, parts = {"status": 500, "type": ""}, [b""]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kinds = [value for name, value in message["headers"] if name == b"content-type"]
                told.update(status=message["status"], type=kinds[0].decode("latin-1") if kinds else "")
            else:
                parts.append(message.get("body", b""))

        await self._application(_scope(head), receive, send)
        for block in (json.dumps(told).encode(), b"".join(parts)):
            writer.write(_size.pack(len(block)) + block)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
            asked = json.loads(line[:MAX_LINE])
            if not isinstance(asked, dict):
                return
            if asked.get("drain"):
                writer.write(b'{"ok": true}\n')
                self._drain()
            elif asked.get("about"):
                writer.write(json.dumps(self._about()).encode() + b"\n")
            elif asked.get("listener"):
                self._lend(writer)
            elif "download" in asked:
                await self._offer(asked, writer)
            elif asked.get("request"):
                await self._serve(reader, writer)
            await writer.drain()
        except (OSError, EOFError, ValueError, TimeoutError, EgideError):
            pass  # a neighbour that went away or speaks otherwise; a file that cannot be read breaks off there as well
        finally:
            writer.close()

    def _about(self) -> dict[str, Any]:
        settings = self._kernel.settings
        return {
            "process": self._kernel.process, "leaving": self._kernel.leaving, "host": settings.host, "port": settings.port,
            "demo": settings.demo, "tls": settings.tls,
        }  # fmt: skip

    def _lend(self, writer: asyncio.StreamWriter) -> None:
        """Sends the listening socket: its queue of connections is then one that both processes take from."""
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as plain:
            socket.send_fds(plain, [b"{}\n"], [self._listener.fileno()])

    async def _offer(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        kernel = self._kernel
        offer = kernel.downloads.take(str(asked["download"]), str(asked.get("person")), kernel.clock.now_us())
        if offer is None:
            writer.write(b"{}\n")
            return
        writer.write(json.dumps({"filename": offer.filename, "media_type": offer.media_type}).encode() + b"\n")
        content = offer.content()
        while (block := await asyncio.to_thread(next, content, None)) is not None:
            for start in range(0, len(block), MAX_BLOCK):
                part = block[start : start + MAX_BLOCK]
                writer.write(_size.pack(len(part)))
                writer.write(part)
            await writer.drain()
        writer.write(_size.pack(0))


def serving_here(folder: Path) -> list[dict[str, Any]]:
    """What each process that serves this data folder on this machine says of itself; those that are leaving do not count."""
    try:
        descriptor = os.open(folder / FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        told = [_ask(descriptor, name, {"about": True})[0] for name in _sockets(descriptor)]
    finally:
        os.close(descriptor)
    return [one for one in told if "port" in one and not one.get("leaving")]


def ask_to_leave(folder: Path, process: str) -> bool:
    """Asks a process of this machine to make room; whether it heard."""
    return bool(_asked(folder, process, {"drain": True})[0].get("ok"))


def listener_of(folder: Path, process: str) -> socket.socket | None:
    """The listening socket of a process of this machine, shared from now on."""
    _told, descriptors = _asked(folder, process, {"listener": True})
    for extra in descriptors[1:]:
        os.close(extra)
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def _asked(folder: Path, process: str, question: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    try:
        descriptor = os.open(folder / FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return {}, []
    try:
        return _ask(descriptor, process, question)
    finally:
        os.close(descriptor)


def _ask(folder: int, process: str, question: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """One question: (the first line of the answer, descriptors that came with it); nothing when nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
        plain.settimeout(PATIENCE_S)
        try:
            plain.connect(_path(folder, process))
            plain.sendall(json.dumps(question).encode() + b"\n")
            said, descriptors, _flags, _from = socket.recv_fds(plain, MAX_LINE, 1)
            told = json.loads(said)
        except (OSError, ValueError):
            return {}, []
    return (told if isinstance(told, dict) else {}), descriptors


def _sockets(folder: int) -> list[str]:
    """The names of the processes that have a socket there; by descriptor: the path may be too long for what follows."""
    names = os.listdir(folder)
    return [name.removesuffix(".sock") for name in names if name.endswith(".sock")]


def _path(folder: int, process: str) -> str:
    """A Unix socket's path holds 107 bytes; a data folder may lie deeper, so it is named by its descriptor."""
    return f"/proc/self/fd/{folder}/{process}.sock"


async def _block(reader: asyncio.StreamReader) -> bytes:
    """Raises `IncompleteReadError`, `ValueError`."""
    size = _size.unpack(await reader.readexactly(_size.size))[0]
    if size > MAX_PASSED:
        raise ValueError("more than any request has")
    return await reader.readexactly(size)


def _head(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """Of a request what its decision needs: the address asked, who asks, from where."""
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"] if name in PASSED]
    return {"method": scope["method"], "path": scope["path"], "headers": headers, "client": scope.get("client")}


def _scope(head: dict[str, Any]) -> dict[str, Any]:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
    client = head["client"]
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "scheme": "http",
        "method": head["method"], "path": head["path"], "raw_path": head["path"].encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": tuple(client) if client else None, "server": None, "state": {},
    }  # fmt: skip


def _gone() -> NotFound:
    return NotFound(
        Text("Cette adresse a servi ou expiré.", "This address was used or has expired."),
        Text("Demandez le fichier à nouveau.", "Ask for the file again."),
    )
