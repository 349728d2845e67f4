"""The controls and enrolments that are going on: in memory, each with its room, for a minute or two; nowhere else.

A control belongs to the process that opened it, and its id begins with that process: what is asked of it at another process of
this machine is passed on (gateways/neighbours.py), and who waits for an officer is on every process's list (elsewhere.py). What
ends, ends its room: by its outcome, by its time, or with the platform. A room is taken once the act that wants it is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from egide.border.control_points import Point
from egide.border.elsewhere import Elsewhere, Waiting
from egide.border.realm import Of
from egide.border.room.messages import Admitted, ChipRead, Kind, Receive, Received, StatusToken
from egide.border.room.parent import Room, Rooms
from egide.border.token.question import name_of
from egide.kernel.errors import BadInput, Conflict, NotFound, Text, TooMany
from egide.kernel.identity import new_secret

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

THING = "border-held"  # among the kernel's things
CONTROL_S = 120.0  # s that a control may take: to read the picture, agree, look at the camera, twice
CASE_S = 300.0  # s that an officer has for a doubtful passage (law pack: edpb-11-2024.case_life)
MOST_POSTS = 16  # answers that a room looks at for one control: a wallet posts one
ENROLMENT_S = 900.0  # s to finish an enrolment (law pack: edpb-11-2024.enrolment_life)


@dataclass(slots=True)
class Held:
    """One control, or one enrolment (`consent`), and the room in which it is."""

    id: str
    of: Of
    room: Room
    point: Point | None = None
    external: bool = True  # the journey leaves the area
    kid: str = ""  # the gate's key
    question: bytes = b""  # for a wallet without network
    consent: str = ""
    attempts: int = 0
    challenge: tuple[tuple[str, int], ...] = ()  # movements of the attempt to come, and when they are asked for (ms)
    admitted: Admitted | None = None
    lists: tuple[StatusToken, ...] = ()  # by which it was
    chip: ChipRead | None = None
    request: str = ""  # what the wallet with a network fetches
    channel: Any = None  # the gate's live connection, where it has one
    posts: int = 0  # answers that came by network
    why: str = ""
    case_at: int = 0  # µs; since when an officer is wanted, 0: not
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class Holding:
    """What goes on in this process."""

    def __init__(self, kernel: Kernel) -> None:
        self._process = kernel.process
        self._elsewhere = Elsewhere(kernel, self._waiting, self._push)
        self.rooms = Rooms()
        self._held: dict[str, Held] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._followers: dict[str, set[Any]] = {}  # by realm: officers' live connections

    def start(self) -> None:
        """Hears of the cases of other processes, and tells them ours."""
        self._elsewhere.start()

    def free(self) -> None:
        """Whether there is a room for one more, before the act is recorded that wants it. Raises `TooMany`."""
        self.rooms.check()

    @asynccontextmanager
    async def opening(self, of: Of, kind: Kind, seconds: float, **about: Any) -> AsyncIterator[Held]:
        """A new one in a warm room; where what is made of it fails, nobody will ever know its id, and it ends at once.

        Raises `TooMany`, `Unavailable`.
        """
        room = await self.rooms.take(kind)
        held = Held(
            id=f"{self._process}-{new_secret()}", of=of, room=room, challenge=room.ready.challenge, **about
        )  # fmt: skip
        self._held[held.id] = held
        self.keep(held, seconds)
        try:
            yield held
        except BaseException:
            self.end(held)
            raise

    def keep(self, held: Held, seconds: float) -> None:
        """Lets it live so long from now."""
        if held.id in self._ends:
            self._ends.pop(held.id).cancel()
        self._ends[held.id] = asyncio.get_running_loop().call_later(seconds, self.end, held)

    def find(self, of: Of, id_: str) -> Held:
        """One of this realm. Raises `NotFound`: over, of somebody else, or of a process to which nothing could be passed on."""
        held = self._held.get(id_)
        if held is None and not id_.startswith(f"{self._process}-"):
            raise NotFound(
                Text("Ce contrôle est terminé, ou il est à une autre machine.", "This control is over, or another machine has it."),
                Text("Recommencez à cette porte, ou prenez la voie égale.", "Start again at this gate, or take the equal lane."),
            )  # fmt: skip
        if held is None or held.of is not of or held.room.closed:
            raise NotFound(
                Text("Ce contrôle est terminé.", "This control is over."),
                Text("Recommencez, ou prenez la voie égale.", "Start again, or take the equal lane."),
            )
        return held

    def request(self, name: str) -> str | None:
        """The signed request of a control, for the wallet that fetches it; None where it is over.

        `name`: the control's id, or what a wallet that read its picture calls it (`question.name_of`).
        """
        held = self._held.get(name) or next((each for each in self._held.values() if _asks(each, name)), None)
        return held.request if held is not None and held.request else None

    async def answered(self, id_: str, answer: str) -> bool:
        """Hands what a wallet posted to the gate, as a push `border.answer`; False where no gate waits for it.

        What the control's room cannot open never comes to the gate, which waits on. Raises `BadInput`, `TooMany`, `Unavailable`.
        """
        held = self._listening(id_)
        if held is None:
            return False
        if held.posts >= MOST_POSTS:
            raise TooMany(
                Text("Trop de réponses pour ce contrôle.", "Too many answers for this control."),
                Text("Montrez votre image à la porte.", "Show your picture to the gate."),
            )
        held.posts += 1
        said = await held.room.ask(Receive(answer.encode()))
        if not isinstance(said, Received) or said.why:
            raise BadInput(
                Text("Cette réponse n’est pas pour ce contrôle.", "This answer is not for this control."),
                Text("Lisez à nouveau le code de la porte.", "Read the gate’s code again."),
            )
        if self._listening(id_) is not held:
            return False
        held.channel.push({"push": "border.answer", "control": id_, "answer": answer})
        return True

    def _listening(self, id_: str) -> Held | None:
        """The control whose gate waits for an answer."""
        held = self._held.get(id_)
        if held is None or held.room.closed or held.case_at:
            return None
        return None if held.channel is None or held.channel.closed else held

    def follow(self, of: Of, channel: Any) -> None:
        """Tells this connection, by a push `border.cases` that says nothing more, when the list of cases changes."""
        mine = self._followers.setdefault(of.realm, set())
        if channel not in mine:
            mine.add(channel)
            channel.on_close(lambda: mine.discard(channel))

    def changed(self, of: Of) -> None:
        """The list of cases did."""
        self._push(of.realm)
        self._elsewhere.tell()

    def _push(self, realm: str) -> None:
        for channel in tuple(self._followers.get(realm, ())):
            channel.push({"push": "border.cases", "realm": realm})

    def cases(self, of: Of) -> list[Held]:
        """Those for which an officer of this realm is wanted, the longest waiting first."""
        mine = [held for held in self._held.values() if held.of is of and held.case_at]
        return sorted(mine, key=lambda held: held.case_at)

    def waiting(self, of: Of) -> list[Waiting]:
        """The cases of this realm at every process, the longest waiting first."""
        mine = [each for each in self._waiting() if each.realm == of.realm]
        return sorted([*mine, *self._elsewhere.of(of.realm)], key=lambda each: each.at)

    def _waiting(self) -> list[Waiting]:
        return [
            Waiting(held.of.realm, held.id, held.point.id if held.point is not None else "", held.case_at, held.why)
            for held in self._held.values()
            if held.case_at
        ]

    def enrolments(self) -> list[Held]:
        """Those that are under way."""
        return [held for held in self._held.values() if held.consent]

    def settle(self, held: Held) -> None:
        """Ends it with a word on who stands there. Raises `Conflict` where it ended before, by another: there is one word."""
        if held.id not in self._held:
            raise Conflict(
                Text("Ce passage vient d’être décidé, ou son temps est écoulé.", "This passage was just decided, or its time is up."),
                Text("Ce mot-ci ne compte pas. Prenez le passage suivant.", "This word does not count. Take the next passage."),
            )  # fmt: skip
        self.end(held)

    def end(self, held: Held) -> None:
        """Ends it, and its room with everything in it."""
        self._held.pop(held.id, None)
        if held.case_at:
            self.changed(held.of)
        timer = self._ends.pop(held.id, None)
        if timer is not None:
            timer.cancel()
        task = asyncio.get_running_loop().create_task(held.room.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Ends all."""
        self._elsewhere.stop()
        for held in tuple(self._held.values()):
            self.end(held)
        await asyncio.gather(*self._ending)
        await self.rooms.close()


def _asks(held: Held, name: str) -> bool:
    return bool(held.question) and name_of(held.question) == name


def holding(kernel: Kernel) -> Holding:
    """What goes on in this process."""
    found: Holding = kernel.things[THING]
    return found
