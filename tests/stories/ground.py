"""Ground without network: a platform that can be killed, a relay before it that can be cut and that loses or doubles, a browser
that can be killed with its profile on the disk.

The platform listens on one loopback address, the relay on the one that browsers know: cut, the port is closed for real, also
for a service worker. What the relay saw of batches it can send again, as often and in whichever order it likes.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, BrowserType, Page

from tests.ports import free_port
from tests.stories.stage import ENVIRONMENT, START_S
from tests.stories.window import ARGS, PATIENCE_MS, PHONE, chromium

FRONT, BACK = "127.0.0.1", "127.0.0.2"
SYNC = b"POST /api/acts/services.outbox.sync"


class Platform:
    """`egide serve --demo` behind the relay; killed and started again on the same data."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self.said = folder, port, folder / "platform.log"
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        words = [
            sys.executable,
            "-m",
            "egide",
            "serve",
            "--demo",
            "--data",
            str(self.folder / "data"),
            "--port",
            str(self.port),
        ]
        with self.said.open("ab") as log:
            environment = ENVIRONMENT | {"EGIDE_HOST": BACK}
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while not await answers(BACK, self.port):
            assert self.process.poll() is None, self.said.read_text("utf-8")[-3000:]
            assert time.monotonic() < end, "the platform did not start"
            await asyncio.sleep(0.2)

    async def kill(self) -> None:
        """As a power cut would: nothing is said, nothing finished."""
        if self.process is not None:
            self.process.kill()
            await asyncio.to_thread(self.process.wait, 15)
            self.process = None


async def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError):
        _reader, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True
    return False


class Relay:
    """Hands bytes on while it is up. `lose`: of how many batches to come the answer is lost."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lose = 0
        self.lost = 0
        self.batches: list[bytes] = []  # as they were sent
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, FRONT, self.port)

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            for end in list(self._ends):
                end.transport.abort()
            await self._server.wait_closed()
            self._server = None
        assert not await answers(FRONT, self.port), "the port is still open: this would be no test without network"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner, outer = await asyncio.open_connection(BACK, self.port)
        except OSError:
            writer.close()
            return
        state = {"losing": False}
        self._ends |= {writer, outer}
        await asyncio.gather(self._there(reader, outer, state), self._back(inner, writer, state))
        self._ends -= {writer, outer}

    async def _there(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, state: dict[str, bool]) -> None:
        seen = b""
        with suppress(OSError):
            while data := await source.read(65536):
                seen = seen + data if seen else (data if SYNC in data else b"")
                if whole(seen):
                    self.batches.append(seen)
                    seen = b""
                    if self.lose > 0:
                        self.lose -= 1
                        state["losing"] = True
                target.write(data)
                await target.drain()
        target.close()

    async def _back(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, state: dict[str, bool]) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if state["losing"]:  # done, and nobody is told
                    self.lost += 1
                    target.transport.abort()
                    break
                target.write(data)
                await target.drain()
        target.close()

    async def again(self, shuffled: random.Random) -> list[bytes]:
        """Every batch that was seen, twice, in any order, to the platform itself; gives its answers."""
        order = [*self.batches, *self.batches]
        shuffled.shuffle(order)
        found = []
        for request in order:
            reader, writer = await asyncio.open_connection(BACK, self.port)
            writer.write(request.replace(b"Connection: keep-alive", b"Connection: close"))
            found.append(await asyncio.wait_for(reader.read(), 60))
            writer.close()
        return found


def whole(request: bytes) -> bool:
    """Whether a request is there with all of its body."""
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    sizes = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(sizes) and len(body) >= int(sizes[0])


class Phone:
    """An officer's browser: a profile on the disk, opened, killed and opened again."""

    def __init__(self, browsers: BrowserType, profile: Path, port: int) -> None:
        self._browsers, self.profile, self.base = browsers, profile, f"http://localhost:{port}"
        self.context: BrowserContext | None = None
        self.page: Page
        self.crashed: list[str] = []

    async def open(self, path: str = "/field?lang=fr", **shift: float) -> Page:
        """Opened at a page; `hours`: its clock is that far ahead."""
        self.context = await self._browsers.launch_persistent_context(
            self.profile, executable_path=chromium(), args=[*ARGS, "--hide-crash-restore-bubble"], base_url=self.base,
            viewport={"width": PHONE[0], "height": PHONE[1]}, locale="fr-FR", reduced_motion="reduce",
        )  # fmt: skip
        self.context.set_default_timeout(PATIENCE_MS * 4)
        self.page = await self.context.new_page()
        self.page.on("pageerror", lambda error: self.crashed.append(str(error)))
        if shift:
            await self.page.clock.install(time=time.time() + shift["hours"] * 3600)
        await self.page.goto(path)
        return self.page

    async def enter(self, persona: str) -> None:
        await self.page.evaluate(
            """async (persona) => { const answer = await fetch('/api/acts/administration.demo.enter', {
                 method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({persona}) });
               if (!answer.ok) throw new Error(await answer.text()); }""",
            persona,
        )

    async def kill(self) -> None:
        """SIGKILL to every process of this browser; what is on the disk is what there is."""
        await asyncio.to_thread(self._killed)
        if self.context is not None:
            with suppress(Exception):
                await self.context.close()
            self.context = None

    def _killed(self) -> None:
        mine = f"--user-data-dir={self.profile}".encode()
        for place in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                if mine in (place / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(place.name), signal.SIGKILL)
        for lock in self.profile.glob("Singleton*"):  # the next one is told by it that this one still runs
            lock.unlink(missing_ok=True)

    async def close(self) -> None:
        if self.context is not None:
            await self.context.close()
            self.context = None


def two_ports_in_one() -> int:
    """A port that is free on both addresses."""
    while True:
        port = free_port()
        with socket.socket() as other, suppress(OSError):
            other.bind((BACK, port))
            return port


def told(answer: bytes) -> Any:
    """The JSON of an answer."""
    import json

    return json.loads(answer.partition(b"\r\n\r\n")[2])
