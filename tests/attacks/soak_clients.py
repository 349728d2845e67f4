"""The clients of the soak: what all have in common, and terminals on the live socket. Others: soak_players.py.

Each can be killed (its connection reset, or left half open: it stands and is not read) and joins again. Each counts what it got.
What ends a client that nobody killed must have been lawful to end: anything else is a fault of the platform, and kept.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from egide.exercise.people import Person
from egide.operations.media.frames import POSITIONS
from egide.protocols.positions import Fix, write_fixes
from tests.attacks.soak_sources import PLACE

ANSWER_S = 20.0  # s an act may take to be answered on a machine that does other work
HALF_OPEN = 0.4  # of the kills


class Untold(AssertionError):
    """The platform ended something and did not say why, or refused what is lawful."""


@dataclass(eq=False)
class Client:
    """A client. `alive` is the monotonic time since which it is connected; `got` counts what came, `last` is when."""

    name: str
    alive: float | None = None
    got: int = 0
    last: float = 0.0
    faults: list[str] = field(default_factory=list)
    leaving: bool = False  # we hang up: what ends now is no fault
    over: bool = False  # it ended, and not by us

    async def join(self) -> None:
        """It is connected when this returns."""
        self.leaving = self.over = False
        await self.up()
        self.alive = None if self.over else time.monotonic()

    async def kill(self, draw: random.Random) -> str:
        """It goes, in one of the ways in which clients go; which."""
        self.alive, self.leaving = None, True
        if draw.random() < HALF_OPEN:
            self.freeze()
            return "half open"
        await self.drop()
        return "reset"

    async def up(self) -> None:
        raise NotImplementedError

    def freeze(self) -> None:
        """Reads no more, and says nothing."""
        raise NotImplementedError

    async def drop(self) -> None:
        """Resets the connection; any number of times."""
        raise NotImplementedError

    def came(self) -> None:
        """One more of what it waits for."""
        self.got += 1
        self.last = time.monotonic()

    def ended(self, why: str, *, fault: bool) -> None:
        """It is over, and not by us."""
        if not self.leaving:
            self.alive, self.over = None, True
            if fault:
                self.faults.append(f"{self.name}: {why}")


class Terminal(Client):
    """A socket of somebody who is signed in."""

    def __init__(self, name: str, person: Person) -> None:
        super().__init__(name)
        self.person = person
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0

    async def up(self) -> None:
        await self.drop()
        if not self.person.cookie:
            await self.person.enter()
        self._socket = await connect(
            self.person.base.replace("http", "ws", 1) + "/live", additional_headers={"cookie": self.person.cookie},
            origin=Origin(self.person.base), max_size=1 << 24, compression=None, ping_interval=None, open_timeout=ANSWER_S, proxy=None,
        )  # fmt: skip
        self._task = asyncio.create_task(self._listen(self._socket))

    async def act(self, name: str, /, **given: Any) -> Any:
        """Performs an act; raises `Untold` when it is refused, TimeoutError when it is not answered."""
        if self._socket is None:
            raise Untold(f"{self.name}: not connected")
        self._last += 1
        number, future = self._last, asyncio.get_running_loop().create_future()
        self._answers[number] = future
        try:
            await self._socket.send(json.dumps({"id": number, "act": name, "input": given}))
            told = await asyncio.wait_for(future, ANSWER_S)
        finally:
            self._answers.pop(number, None)
        if "error" in told:
            raise Untold(f"{self.name}: {name}: {json.dumps(told['error'], ensure_ascii=False)[:400]}")
        return told["result"]

    def freeze(self) -> None:
        if self._socket is not None:
            self._socket.transport.pause_reading()

    async def drop(self) -> None:
        socket, self._socket = self._socket, None
        task, self._task = self._task, None
        if socket is not None:
            socket.transport.abort()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    self.frame(message)
                    continue
                told = json.loads(message)
                future = self._answers.get(told.get("id"))
                if future is not None and not future.done():
                    future.set_result(told)
                elif "push" in told:
                    self.pushed(told)
                elif "error" in told:
                    self.faults.append(f"{self.name}: {message}")
        except ConnectionClosed:
            pass
        self.ended(f"its connection was closed ({socket.close_code} {socket.close_reason})", fault=True)

    def frame(self, data: bytes) -> None:
        """A binary frame."""

    def pushed(self, told: dict[str, Any]) -> None:
        """A message that answers nothing."""


class Follower(Terminal):
    """A console that follows positions."""

    async def up(self) -> None:
        await super().up()
        await self.act("operations.track.subscribe")

    def frame(self, data: bytes) -> None:
        if data[0] == POSITIONS:
            self.came()


class Speaker(Terminal):
    """A terminal that says something every so often: subclasses know what. `came` counts what was taken."""

    every = 2.0  # s

    async def up(self) -> None:
        await super().up()
        self._speaking = asyncio.create_task(self._run())

    async def drop(self) -> None:
        speaking = getattr(self, "_speaking", None)
        if speaking is not None:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        await super().drop()

    def freeze(self) -> None:
        self._speaking.cancel()
        super().freeze()

    async def _run(self) -> None:
        while True:
            try:
                await self.say()
            except (ConnectionClosed, TimeoutError) as error:
                self.ended(f"it was not answered: {error!r}", fault=True)
                return
            except Untold as error:
                self.ended(str(error), fault=True)
                return
            self.came()
            await asyncio.sleep(self.every)

    async def say(self) -> None:
        raise NotImplementedError


class Writer(Speaker):
    """A terminal whose officer writes field notes."""

    mission = ""

    async def say(self) -> None:
        await self.act("operations.note.add", mission=self.mission, text="Rien à signaler.", lat=PLACE[0], lon=PLACE[1])


class Patrol(Speaker):
    """A terminal that tells where its officer is."""

    every = 1.0

    async def up(self) -> None:
        await Terminal.up(self)
        await self.act("operations.position.stream")
        self._speaking = asyncio.create_task(self._run())

    async def say(self) -> None:
        if self._socket is not None:
            fix = Fix(PLACE[0] + time.time() % 60 / 1e5, PLACE[1], 0.0, 5.0, time.time_ns() // 1_000_000)
            await self._socket.send(write_fixes([fix]))
