"""How the processes of one machine reach one another: a socket each in `<data>/run/`, open to their own account only.

Two things are asked there: a file that another process has prepared (an address given by one may be opened at any, because the
machine spreads connections), and to make room for a newer process (upgrade): to take no more connections and to leave when the
last open console has moved.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from egide.kernel.door import Kernel
from egide.kernel.errors import NotFound, Text

FOLDER = "run"
MAX_LINE = 4096  # bytes of a question or a first line of an answer
CHUNK = 1 << 16  # bytes
PATIENCE_S = 5.0  # s a neighbour has to answer


class Neighbours:
    """This process's socket, and how to ask at the others'."""

    def __init__(self, kernel: Kernel, drain: Callable[[], None]) -> None:
        self._kernel = kernel
        self._drain = drain
        folder = kernel.settings.folder / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Opens the socket; those of processes that are gone are removed."""
        living = self._kernel.processes.alive(self._kernel.store.reader())
        for name in os.listdir(self._folder):  # noqa: PTH208 — by descriptor: the path may be too long for what follows
            if name.endswith(".sock") and name.removesuffix(".sock") not in living:
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._folder)
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
        if not process.isalnum() or len(process) > 32:
            raise _gone()
        try:
            reader, writer = await asyncio.open_unix_connection(_path(self._folder, process))
            writer.write(json.dumps({"download": ticket, "person": person}).encode() + b"\n")
            line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
            told = json.loads(line)
        except (OSError, ValueError, TimeoutError) as error:
            raise _gone() from error
        if "filename" not in told:
            writer.close()
            raise _gone()

        async def content() -> AsyncIterator[bytes]:
            try:
                while block := await reader.read(CHUNK):
                    yield block
            finally:
                writer.close()

        return told, content()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
            asked = json.loads(line[:MAX_LINE])
            if asked.get("drain"):
                writer.write(b'{"ok": true}\n')
                self._drain()
            elif "download" in asked:
                await self._offer(asked, writer)
            await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # a neighbour that went away, or speaks otherwise
        finally:
            writer.close()

    async def _offer(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        kernel = self._kernel
        offer = kernel.downloads.take(str(asked["download"]), str(asked.get("person")), kernel.clock.now_us())
        if offer is None:
            writer.write(b"{}\n")
            return
        writer.write(json.dumps({"filename": offer.filename, "media_type": offer.media_type}).encode() + b"\n")
        content = offer.content()
        while block := await asyncio.to_thread(next, content, None):
            writer.write(block)
            await writer.drain()


async def ask_to_leave(folder: Path, process: str) -> bool:
    """Asks a process of this machine to make room; whether it heard."""
    try:
        descriptor = os.open(folder / FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        reader, writer = await asyncio.open_unix_connection(_path(descriptor, process))
        writer.write(b'{"drain": true}\n')
        heard = bool(await asyncio.wait_for(reader.readline(), PATIENCE_S))
        writer.close()
    except (OSError, TimeoutError):
        return False
    finally:
        os.close(descriptor)
    return heard


def _path(folder: int, process: str) -> str:
    """A Unix socket's path holds 107 bytes; a data folder may lie deeper, so it is named by its descriptor."""
    return f"/proc/self/fd/{folder}/{process}.sock"


def _gone() -> NotFound:
    return NotFound(
        Text("Cette adresse a servi ou expiré.", "This address was used or has expired."),
        Text("Demandez le fichier à nouveau.", "Ask for the file again."),
    )
