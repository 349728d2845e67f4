"""The platform's side of a room: ask for one, ask it, end it. It never holds what would open the ciphertext that it relays."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from egide.border.room.messages import LENGTH, MAX_MESSAGE, Asked, Broken, Kind, Ready, Sign, Signed, Told, packed, told
from egide.border.room.nursery import ROOM, WARM
from egide.kernel.errors import Text, TooMany, Unavailable

START_S = 120.0  # s until a nursery is warm; a machine with thirty processes at work loads models slowly
WAITED_S = 30.0  # s a control waits for that; then the gate says closed, and the next one finds it warm
ROOM_S = 5.0  # s until a room is there
ANSWER_S = 20.0  # s for one answer; a comparison takes 0.2
MOST = 48  # rooms at once in one process: about 25 MB each where faces are looked at
NURSERY = ("-I", "-m", "egide.border.room.nursery")  # what Python is started with, and the kind of rooms
# Libraries that would start threads of their own: a process with several is not forked safely.
ALONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

DigestSigner = Callable[[bytes], bytes]
"""Signs a SHA-256 digest with ECDSA on P-256; gives r ‖ s, 64 bytes."""


class Nursery:
    """A warm process that forks rooms of one kind."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process, self._control = process, control

    @classmethod
    async def start(cls, kind: Kind) -> Nursery:
        """A warm one. Raises `Unavailable`."""
        control, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *NURSERY, kind, stdin=theirs.fileno(), stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL, env=ALONE,
            )  # fmt: skip
        control.setblocking(False)
        made = cls(process, control)
        try:
            first = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(control, 1), START_S)
        except (OSError, TimeoutError) as error:
            await made.close()
            raise _unavailable() from error
        except asyncio.CancelledError:  # the platform stops
            await made.close()
            raise
        if first != WARM:
            await made.close()
            raise _unavailable()
        return made

    @property
    def alive(self) -> bool:
        """Whether it can still give birth."""
        return self._process.returncode is None

    async def room(self) -> Room:
        """A new room. Raises `Unavailable`."""
        mine, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [ROOM], [theirs.fileno()])
            reader, writer = await asyncio.open_connection(sock=mine, limit=MAX_MESSAGE)
        except OSError as error:
            mine.close()
            raise _unavailable() from error
        try:
            ready = await asyncio.wait_for(_read(reader), ROOM_S)
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            writer.close()
            raise _unavailable() from error
        except asyncio.CancelledError:  # the room ends with its socket
            writer.close()
            raise
        if not isinstance(ready, Ready):
            writer.close()
            raise _unavailable()
        return Room(ready, reader, writer)

    async def close(self) -> None:
        """Ends it; its rooms live on until they are ended."""
        self._control.close()
        if self.alive:
            with suppress(ProcessLookupError):  # it ended by itself
                self._process.kill()
        await self._process.wait()


class Room:
    """One room. Its answers come in the order of the questions; `close` ends it, whatever it is doing."""

    def __init__(self, ready: Ready, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ready = ready
        self.pid = ready.pid
        self.closed = False
        self._reader, self._writer = reader, writer
        self._lock = asyncio.Lock()
        self.nursery: Nursery | None = None  # its own, that ends with it
        # A handle on this very process: its number may be another's by the time it is ended.
        self._handle = os.pidfd_open(ready.pid)

    @classmethod
    async def start(cls, kind: Kind) -> Room:
        """A room from a nursery of its own, for who needs only one. Raises `Unavailable`."""
        nursery = await Nursery.start(kind)
        try:
            room = await nursery.room()
        except Unavailable:
            await nursery.close()
            raise
        room.nursery = nursery
        return room

    async def ask(self, message: Asked, sign: DigestSigner | None = None) -> Told:
        """The room's answer; `sign` is asked where the room needs a signature. Raises `Unavailable`, and the room has ended."""
        try:
            async with self._lock, asyncio.timeout(ANSWER_S):
                answer = await self._answered(message, sign)
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            await self.close()
            raise _unavailable() from error
        if isinstance(answer, Broken | Sign | Ready):
            await self.close()
            raise _unavailable()
        return answer

    async def _answered(self, message: Asked, sign: DigestSigner | None) -> Told:
        """The answer to this question; where nobody waits for it any more it would be the next one's, so the room ends."""
        if self.closed:
            raise _unavailable()
        try:
            answer = await self._exchange(message)
            while isinstance(answer, Sign) and sign is not None:
                answer = await self._exchange(Signed(sign(answer.digest)))
        except asyncio.CancelledError:
            await self.close()
            raise
        return answer

    async def _exchange(self, message: Asked) -> Told:
        self._writer.write(packed(message))
        await self._writer.drain()
        return await _read(self._reader)

    async def close(self) -> None:
        """Ends the process and waits until it is gone: with it goes everything that it held."""
        if not self.closed:
            self.closed = True
            with suppress(ProcessLookupError):  # it ended by itself
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            try:
                await _gone(self._handle)
            finally:
                os.close(self._handle)
                self._writer.close()
        if self.nursery is not None:
            await self.nursery.close()


class Rooms:
    """Rooms of each kind; the first of a kind waits for its nursery to get warm, the others do not."""

    def __init__(self) -> None:
        self._nurseries: dict[Kind, asyncio.Task[Nursery]] = {}
        self._taken: set[Room] = set()
        self._coming = 0  # rooms that were asked for and are not there yet

    def check(self) -> None:
        """Raises `TooMany` where no room is left."""
        self._taken = {room for room in self._taken if not room.closed}
        if len(self._taken) + self._coming >= MOST:
            raise TooMany(
                Text("Trop de contrôles à la fois.", "Too many controls at once."),
                Text("Passez par la voie égale, ou attendez un instant.", "Take the equal lane, or wait a moment."),
            )

    async def take(self, kind: Kind) -> Room:
        """A room, the caller's to close. Raises `TooMany`, `Unavailable`."""
        self.check()
        self._coming += 1
        try:
            room = await (await self._nursery(kind)).room()
            self._taken.add(room)
        finally:
            self._coming -= 1
        return room

    async def _nursery(self, kind: Kind) -> Nursery:
        found = self._nurseries.get(kind)
        if found is not None and found.done():
            if found.cancelled() or found.exception() is not None:
                found = None
            elif not found.result().alive:  # it died, and another takes its place
                dead, found = found.result(), None
                self._nurseries.pop(kind)
                await dead.close()
                found = self._nurseries.get(kind)
        if found is None:
            found = self._nurseries[kind] = asyncio.create_task(Nursery.start(kind), name=f"border nursery {kind}")
        try:
            return await asyncio.wait_for(asyncio.shield(found), WAITED_S)
        except TimeoutError as error:
            raise _unavailable() from error

    async def close(self) -> None:
        """Ends every room and every nursery."""
        for room in tuple(self._taken):
            await room.close()
        self._taken.clear()
        tasks = list(self._nurseries.values())
        self._nurseries.clear()
        for task in tasks:
            if not task.done():
                task.cancel()
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(found, Nursery):
                await found.close()


async def _gone(handle: int) -> None:
    """Waits until the process of this handle has ended (pidfd_open(2): the handle becomes readable)."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), ROOM_S)
    except TimeoutError:  # it is killed, and the machine has not come to it
        pass
    finally:
        loop.remove_reader(handle)


async def _read(reader: asyncio.StreamReader) -> Told:
    size = int.from_bytes(await reader.readexactly(LENGTH), "big")
    if size > MAX_MESSAGE:
        raise ValueError("a message that no room sends")
    return told(await reader.readexactly(size))


def _unavailable() -> Unavailable:
    return Unavailable(
        Text("Ce contrôle n’a pas pu se faire.", "This control could not be made."),
        Text("Adressez-vous à l’agent.", "Please ask the officer."),
    )
