"""`egide serve --processes N`: keeps N processes running on one port, and replaces them a generation at a time.

The supervisor holds the listening socket, which every process inherits: a connection that waits when one is killed, or when all
are replaced, is taken by another. One more process of each generation stands by with everything imported, so that one that dies
is replaced in a moment, by the program and settings it ran with. SIGHUP, which is what `egide upgrade` sends, starts a new
generation from the program as it is installed now; only when all of it answers is the old one asked to leave. A process lives no
longer than its supervisor: its standard input ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egide.gateways.serve import GO, LEAVE, LEAVE_S, listen_alone, refuse_running
from egide.kernel.errors import NotFound, StartupError, Text
from egide.kernel.lock import held
from egide.kernel.settings import Settings

PID_FILE = "run/supervisor.pid"
ROUNDS_FILE = "run/generations"  # "<generation> <renewals tried>", for `egide upgrade` to see how it went
START_S = 300.0  # s a process may take to answer; the first after an upgrade revises the store
CALM_S = 2.0  # s after which a process that dies counts as a new mishap
AGAIN_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # s before the next try
END_S = 7.0  # s processes have to end by themselves


@dataclass(eq=False, slots=True)
class Worker:
    """One serving process, or one that stands by."""

    process: asyncio.subprocess.Process
    generation: int

    def say(self, word: bytes) -> None:
        """Tells it something on its standard input."""
        stream = self.process.stdin
        if stream is not None and not stream.is_closing():
            stream.write(word)


class Supervisor:
    """The parent of the serving processes."""

    def __init__(self, settings: Settings, words: list[str], count: int) -> None:
        self._settings = settings
        self._words = [sys.executable, "-m", "egide", "serve", *words]
        self._count = count
        self._generation = 1
        self._tried = 0  # renewals
        self._ending = False
        self._listener: socket.socket
        self._tasks: set[asyncio.Task[None]] = set()
        self._workers: set[Worker] = set()
        self._spare: Worker | None = None
        self._renewing = asyncio.Lock()

    async def run(self) -> int:
        """Serves until told to end. Raises `StartupError` when the folder or the port is taken."""
        os.umask(0o077)
        refuse_running(self._settings)
        file = self._settings.folder / PID_FILE
        file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        held = _hold(file)
        self._listener = listen_alone(self._settings)
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, over.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._keep(self._renew()))
        self._note()
        ending = asyncio.create_task(over.wait())
        first = asyncio.create_task(self._first())
        try:
            await asyncio.wait({first, ending}, return_when=asyncio.FIRST_COMPLETED)
            if first.done() and not first.result():
                return 1
            await ending
        finally:
            self._ending = True
            ending.cancel()
            await self._end()
            first.cancel()
            for task in self._tasks:
                task.cancel()
            self._listener.close()
            file.unlink(missing_ok=True)
            (self._settings.folder / ROUNDS_FILE).unlink(missing_ok=True)
            os.close(held)
        return 0

    async def _first(self) -> bool:
        """The first process starts alone: the store may have to be revised."""
        async with self._renewing:
            for number in range(self._count):
                worker = await self._begin(await self._spawn(self._generation))
                if worker is None and number == 0:
                    return False
                if number == 0:
                    _say(f"Égide : {self._settings.origin}")
                self._keep(self._watch(worker, self._generation))
            self._keep(self._stand_by())
            return True

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _over(self, generation: int) -> bool:
        return self._ending or generation != self._generation

    def _note(self) -> None:
        (self._settings.folder / ROUNDS_FILE).write_text(f"{self._generation} {self._tried}\n", "ascii")

    # -- one process ------------------------------------------------------------------------------------------------

    async def _spawn(self, generation: int) -> Worker:
        """A process that imports everything and waits to be told."""
        wire = self._listener.fileno()
        process = await asyncio.create_subprocess_exec(
            *self._words, "--listener", str(wire), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            pass_fds=(wire,), start_new_session=True,
        )  # fmt: skip
        worker = Worker(process, generation)
        self._workers.add(worker)
        if self._ending:
            worker.process.kill()
        return worker

    async def _ready_made(self) -> Worker:
        """The process that stands by, or a new one if it has died."""
        worker, self._spare = self._spare, None
        if worker is None:
            return await self._spawn(self._generation)
        if worker.process.returncode is not None:
            self._workers.discard(worker)
            return await self._spawn(self._generation)
        return worker

    async def _begin(self, worker: Worker) -> Worker | None:
        """Lets a process serve; None when it does not start."""
        worker.say(GO)
        stream = worker.process.stdout
        line = b""
        if stream is not None:
            with contextlib.suppress(TimeoutError, ValueError):
                line = await asyncio.wait_for(stream.readline(), START_S)
            self._keep(_pass_on(stream))
        if line and not self._ending:
            return worker
        await self._dismiss(worker)
        return None

    async def _dismiss(self, worker: Worker) -> None:
        """Ends a process that serves nobody."""
        with contextlib.suppress(ProcessLookupError):
            worker.process.kill()
        await worker.process.wait()
        self._workers.discard(worker)

    async def _stand_by(self) -> None:
        if self._spare is None and not self._ending:
            self._spare = await self._spawn(self._generation)

    async def _watch(self, worker: Worker | None, generation: int) -> None:
        """Keeps one place of a generation filled until the generation is over."""
        mishaps, loop = 0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            if worker is not None:
                code = await worker.process.wait()
                self._workers.discard(worker)
            if self._over(generation):
                return
            if worker is not None:
                _say(
                    f"Un processus a pris fin ({code}) ; un autre le remplace. / A process ended ({code}); another replaces it."
                )
            mishaps = 0 if loop.time() - began > CALM_S else mishaps + 1
            await asyncio.sleep(AGAIN_S[min(max(mishaps - 1, 0), len(AGAIN_S) - 1)])
            if self._over(generation):
                return
            worker = await self._begin(await self._ready_made())
            if worker is not None:
                if self._over(generation):  # renewed meanwhile
                    self._keep(self._see_off(worker))
                    return
                self._keep(self._stand_by())

    # -- generations ------------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        """A new generation beside the old one, which leaves when all of the new one answers, and else goes on."""
        async with self._renewing:
            if self._over(self._generation):
                return
            generation, fresh = self._generation + 1, list[Worker]()
            for _ in range(self._count):
                worker = await self._begin(await self._spawn(generation))
                if worker is None:
                    await asyncio.gather(*(self._dismiss(each) for each in fresh))
                    _say("La nouvelle génération n’a pas démarré ; l’ancienne continue.")
                    _say("The new generation did not start; the old one goes on.")
                    break
                fresh.append(worker)
            else:
                self._generation = generation
                for each in fresh:
                    self._keep(self._watch(each, generation))
                spare, self._spare = self._spare, None
                for each in tuple(self._workers):
                    if each.generation != generation:
                        self._keep(self._dismiss(each) if each is spare else self._see_off(each))
                self._keep(self._stand_by())
            self._tried += 1
            self._note()

    async def _see_off(self, worker: Worker) -> None:
        """Asks a process to leave and waits until it has."""
        worker.say(LEAVE)
        for patience, then in ((LEAVE_S + END_S, worker.process.terminate), (END_S, worker.process.kill)):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.process.wait(), patience)
                break
            with contextlib.suppress(ProcessLookupError):
                then()
        await worker.process.wait()
        self._workers.discard(worker)

    async def _end(self) -> None:
        """Ends every process, with force those that do not end by themselves; none is left."""
        for then in (signal.SIGTERM, signal.SIGKILL):
            left = [each.process for each in self._workers if each.process.returncode is None]
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(then)
            if left:
                await asyncio.wait([asyncio.ensure_future(process.wait()) for process in left], timeout=END_S)


async def _pass_on(stream: asyncio.StreamReader) -> None:
    """What a process prints is the supervisor's output; it is read on even when nobody takes that any more."""
    while block := await stream.read(65536):
        with contextlib.suppress(OSError):
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        print(line, flush=True)  # noqa: T201 — the operator's terminal is this command's output


def _hold(file: Path) -> int:
    """Writes our number and locks the file while we live: a number alone may be another program's by now."""
    descriptor = held(file)
    if descriptor is None:
        raise StartupError(
            Text("Une autre plateforme tourne déjà sur ce dossier.", "Another platform already runs on this folder."),
            Text("Arrêtez-la, ou « egide upgrade » pour la remplacer.", "Stop it, or “egide upgrade” to replace it."),
            file=str(file.parent.parent),
        )
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def supervisor(settings: Settings) -> int | None:
    """The number of this installation's supervisor; None when there is none."""
    try:
        descriptor = os.open(settings.folder / PID_FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        try:
            return int(os.read(descriptor, 32))  # held: it lives
        except ValueError:
            return None  # about to write its number
    else:
        return None
    finally:
        os.close(descriptor)


def upgrade(settings: Settings, pid: int) -> bool:
    """Tells the supervisor to replace its processes and waits for the outcome: whether the new ones serve."""
    generation, tried = _rounds(settings)
    os.kill(pid, signal.SIGHUP)
    while (now := _rounds(settings))[1] == tried:
        time.sleep(0.1)
        if supervisor(settings) != pid:
            return False
    return now[0] > generation


def _rounds(settings: Settings) -> tuple[int, int]:
    for _ in range(20):
        with contextlib.suppress(OSError, ValueError):
            generation, tried = (settings.folder / ROUNDS_FILE).read_text("ascii").split()
            return int(generation), int(tried)
        time.sleep(0.05)  # not written yet, or being written
    return 0, 0


def not_running() -> NotFound:
    """What to say when nothing runs that could be replaced."""
    return NotFound(
        Text("Aucune plateforme ne tourne sur ce dossier.", "No platform runs on this folder."),
        Text("Lancez « egide serve ».", "Run “egide serve”."),
    )
