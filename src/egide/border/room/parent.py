"""The platform's side of a room: start, ask, end. It never holds what would open the ciphertext that it relays.

One warm room waits for the next control: to start one takes a second where faces are looked at (models), a control has five.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from egide.border.room.messages import LENGTH, MAX_MESSAGE, Asked, Broken, Kind, Ready, Sign, Signed, Told, packed, told
from egide.kernel.errors import Text, TooMany, Unavailable

START_S = 30.0  # s until a room is warm; a busy machine loads models slowly
ANSWER_S = 20.0  # s for one answer; a comparison takes 0.2
MOST = 48  # rooms at once in one process: about 150 MB each where faces are looked at

DigestSigner = Callable[[bytes], bytes]
"""Signs a SHA-256 digest with ECDSA on P-256; gives r ‖ s, 64 bytes."""


class Room:
    """One room. Its answers come in the order of the questions; `close` ends it, whatever it is doing."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Ready) -> None:
        self.ready = ready
        self._process = process
        self._lock = asyncio.Lock()
        self.closed = False

    @classmethod
    async def start(cls, kind: Kind) -> Room:
        """A warm room. Raises `Unavailable`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "egide.border.room.child", kind, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={}, limit=MAX_MESSAGE,
        )  # fmt: skip
        try:
            first = await asyncio.wait_for(_read(process), START_S)
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            await _end(process)
            raise _unavailable() from error
        except asyncio.CancelledError:  # the platform stops
            await _end(process)
            raise
        if not isinstance(first, Ready):
            await _end(process)
            raise _unavailable()
        return cls(process, first)

    async def ask(self, message: Asked, sign: DigestSigner | None = None) -> Told:
        """The room's answer; `sign` is asked where the room needs a signature. Raises `Unavailable`, and the room has ended."""
        try:
            async with self._lock, asyncio.timeout(ANSWER_S):
                answer = await self._exchange(message)
                while isinstance(answer, Sign) and sign is not None:
                    answer = await self._exchange(Signed(sign(answer.digest)))
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            await self.close()
            raise _unavailable() from error
        if isinstance(answer, Broken | Sign | Ready):
            await self.close()
            raise _unavailable()
        return answer

    async def _exchange(self, message: Asked) -> Told:
        assert self._process.stdin is not None  # noqa: S101 — opened by `start`, for the type checker
        self._process.stdin.write(packed(message))
        await self._process.stdin.drain()
        return await _read(self._process)

    async def close(self) -> None:
        """Ends the process and waits until it is gone: with it everything that it held."""
        self.closed = True
        await _end(self._process)


class Rooms:
    """Warm rooms of each kind, one waiting where there has been a first."""

    def __init__(self) -> None:
        self._waiting: dict[Kind, asyncio.Task[Room]] = {}
        self._taken: set[Room] = set()

    async def take(self, kind: Kind) -> Room:
        """A warm room, the caller's to close. Raises `TooMany`, `Unavailable`."""
        self._taken = {room for room in self._taken if not room.closed}
        if len(self._taken) >= MOST:
            raise TooMany(
                Text("Trop de contrôles à la fois.", "Too many controls at once."),
                Text("Passez par la voie égale, ou attendez un instant.", "Take the equal lane, or wait a moment."),
            )
        waiting = self._waiting.pop(kind, None) or asyncio.create_task(Room.start(kind))
        room = await waiting
        if room._process.returncode is not None:  # noqa: SLF001 — it died while it waited
            room = await Room.start(kind)
        self._waiting[kind] = asyncio.create_task(Room.start(kind), name="border room")
        self._taken.add(room)
        return room

    async def close(self) -> None:
        """Ends every room, those that wait too."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        for task in waiting:
            task.cancel()
        for found in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(found, Room):
                await found.close()
        for room in tuple(self._taken):
            await room.close()
        self._taken.clear()


async def _read(process: Any) -> Told:
    head = await process.stdout.readexactly(LENGTH)
    size = int.from_bytes(head, "big")
    if size > MAX_MESSAGE:
        raise ValueError("a message that no room sends")
    return told(await process.stdout.readexactly(size))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):  # it ended by itself
            process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


def _unavailable() -> Unavailable:
    return Unavailable(
        Text("Ce contrôle n’a pas pu se faire.", "This control could not be made."),
        Text("Adressez-vous à l’agent.", "Please ask the officer."),
    )
