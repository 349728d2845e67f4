"""`egide serve --processes N`: keeps N processes running on one port, and replaces them a generation at a time.

The first starts alone (it may have to upgrade the store); one that dies is started again, later and later. SIGHUP, which is what
`egide upgrade` sends, starts a new generation from the program as it is installed now, beside the old one, and only when it
answers is the old one asked to leave: nobody is refused meanwhile, and open pictures go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from egide.kernel.errors import NotFound, Text
from egide.kernel.settings import Settings

PID_FILE = "run/supervisor.pid"
START_S = 60.0  # s a process may take to answer
CALM_S = 10.0  # s after which a process that dies counts as a new mishap
AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # s before the next try


class Supervisor:
    """The parent of the serving processes."""

    def __init__(self, settings: Settings, words: list[str], count: int) -> None:
        self._words = [sys.executable, "-m", "egide", "serve", *words]
        self._count = count
        self._file = settings.folder / PID_FILE
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: set[asyncio.subprocess.Process] = set()
        self._leaving: set[asyncio.subprocess.Process] = set()

    async def run(self) -> int:
        """Serves until told to end."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, over.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._keep(self._renew()))
        self._file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        self._file.write_text(f"{os.getpid()}\n", "ascii")
        try:
            first = await self._start()  # alone: the port must be free, and the store may have to be upgraded
            if first is None:
                return 1
            self._keep(self._watch(first))
            for _ in range(self._count - 1):
                self._keep(self._watch(await self._start("--join")))
            await over.wait()
        finally:
            self._ending = True
            for process in (*self._running, *self._leaving):
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            await asyncio.gather(*(process.wait() for process in (*self._running, *self._leaving)))
            for task in self._tasks:
                task.cancel()
            self._file.unlink(missing_ok=True)
        return 0

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, *flags: str) -> asyncio.subprocess.Process | None:
        """Starts one and waits until it answers; None when it does not."""
        process = await asyncio.create_subprocess_exec(*self._words, *flags, stdout=asyncio.subprocess.PIPE)
        self._running.add(process)
        stream = process.stdout
        line = b""
        if stream is not None:
            with contextlib.suppress(TimeoutError):
                line = await asyncio.wait_for(stream.readline(), START_S)
            self._keep(_pass_on(stream))
        if line:
            return process
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self._running.discard(process)
        return None

    async def _watch(self, process: asyncio.subprocess.Process | None) -> None:
        """Starts it again whenever it ends unasked."""
        mishaps = 0
        while not self._ending:
            began = asyncio.get_running_loop().time()
            if process is not None:
                await process.wait()
                self._running.discard(process)
                if process in self._leaving or self._ending:
                    self._leaving.discard(process)
                    return
            mishaps = 0 if asyncio.get_running_loop().time() - began > CALM_S else mishaps + 1
            await asyncio.sleep(AGAIN_S[min(mishaps, len(AGAIN_S) - 1)])
            if not self._ending:
                process = await self._start("--join")

    async def _renew(self) -> None:
        """A new generation; the first of it asks every process it finds to leave, the others join it."""
        old = tuple(self._running)
        self._leaving.update(old)
        first = await self._start("--replace")
        if first is None:
            self._leaving.difference_update(old)  # the old generation goes on as if nothing had been asked
            return
        self._keep(self._watch(first))
        for _ in range(self._count - 1):
            self._keep(self._watch(await self._start("--join")))


async def _pass_on(stream: asyncio.StreamReader) -> None:
    while line := await stream.readline():
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def upgrade(settings: Settings) -> bool:
    """Tells the supervisor of this installation to replace its processes; False when there is none."""
    file: Path = settings.folder / PID_FILE
    try:
        pid = int(file.read_text("ascii"))
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True


def not_running() -> NotFound:
    """What to say when nothing runs that could be replaced."""
    return NotFound(
        Text("Aucune plateforme ne tourne sur ce dossier.", "No platform runs on this folder."),
        Text("Lancez « egide serve ».", "Run “egide serve”."),
    )
