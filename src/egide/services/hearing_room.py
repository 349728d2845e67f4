"""The room of a hearing by video: who is in it, what their browsers tell one another, and what happens to the link by itself.

Picture and sound go from browser to browser (RFC 8825); the server carries offers and answers and sees neither. A seat is an act
that holds a lease: decided again every second, and over when the hearing is. A link that is lost for five seconds, comes back or
ends is written into the file by the platform, with its time (CPP R53-39: every incident stands in the report).

    join        officer, or who writes captions for them     b"H" + JSON signals → the other seats, as pushes
    my_join     the person, by number and code
    note        the platform itself
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Connection, select

from egide.kernel.act import Act, Ctx, Effect, Facts, Gather, Handler, Input, act
from egide.kernel.clock import iso
from egide.kernel.errors import EgideError
from egide.kernel.identity import new_id
from egide.kernel.leases import Lease
from egide.services import tables
from egide.services.definition import ROOM, Definition, catalogue
from egide.services.filing import OFFICERS, slug
from egide.services.hearing import CHANGED, concerned, held, of_service
from egide.services.hearing_inputs import FileInput
from egide.services.hearing_signals import KIND, MAY, Bye, Media, Seat, Signal, Told, read_signal, read_told
from egide.services.holding import Held, StepDone, held_facts, held_row
from egide.services.model import EventBody, bound, file_owner, note

if TYPE_CHECKING:
    from egide.kernel.guard import Decision
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.hearing")

THING, ICE = (
    "hearings",
    "ice",
)  # among the kernel's things: the rooms; who says by which servers browsers find one another
TOPIC = "hearing"  # of what processes tell one another
LOST_S = 5.0  # s without picture and sound after which it is an incident
LINK = "remote-hearing-link"  # rule group of law/fr/cpp
What = Literal["began", "cut", "resumed", "ended"]


class Joining(FileInput):
    """As whom: the officer who hears, or who types captions for the person."""

    seat: Literal["officer", "relay"] = "officer"


class Joined(msgspec.Struct):
    """The servers by which browsers find one another (W3C RTCIceServer); none: on the same network alone."""

    file: str
    ice: list[dict[str, Any]]


class Note(FileInput):
    """What happened to the link, and when (ISO 8601)."""

    what: What
    at: str


@dataclass(slots=True)
class Room:
    """One hearing, as this process knows it."""

    file: str
    activity: str
    service: str
    seats: dict[Seat, tuple[Any, Lease]] = field(default_factory=dict)  # channel and lease
    on: bool = False  # a call is under way
    down: dict[Seat, int] = field(default_factory=dict)  # µs; since when a side has neither picture nor sound
    cut: bool = False  # and it is written that it is so
    timer: asyncio.TimerHandle | None = None


class Rooms:
    """Every room. Lives in `kernel.things["hearings"]`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._rooms: dict[str, Room] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listens to what is done with files, and to other processes."""
        self._kernel.bus.watch(self._happened)
        self._kernel.ephemeral.hear(TOPIC, self._heard)

    async def stop(self) -> None:
        """What is being written is finished."""
        for room in self._rooms.values():
            if room.timer is not None:
                room.timer.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- seats ----------------------------------------------------------------------------------------------------------------

    def join(self, file: str, definition: Definition, seat: Seat, channel: Any, lease: Lease) -> None:
        """Takes a seat; who sat on it before is gone, and who sat in another room has left that one."""
        for elsewhere in tuple(self._rooms.values()):
            for before, (held_by, old) in tuple(elsewhere.seats.items()):
                if held_by is channel and elsewhere.file != file:
                    self.leave(elsewhere.file, before, old)
        room = self._rooms.get(file)
        if room is None:
            room = self._rooms[file] = Room(file, definition.activity, slug(definition.id))
        for other, (held_by, old) in tuple(room.seats.items()):
            if other == seat or held_by is channel:  # who changes seats leaves the one before
                self._kernel.leases.close(old.id)
                del room.seats[other]
                if held_by is not channel:
                    held_by.push({"push": "hearing", "file": file, "over": True})
        room.seats[seat] = channel, lease
        self._kernel.leases.open(lease)
        channel.inlet(KIND, lambda data: self._said(room, seat, lease, read_signal(data)))
        channel.on_close(lambda: self.leave(file, seat, lease))

    def leave(self, file: str, seat: Seat, lease: Lease, *, refused: bool = False) -> None:
        """A seat is free: its terminal went, or the law closed the link."""
        self._kernel.leases.close(lease.id)
        room = self._rooms.get(file)
        if room is None or room.seats.get(seat, (None, None))[1] is not lease:
            return
        channel, _lease = room.seats.pop(seat)
        if refused:
            channel.inlet(KIND, None)
            channel.push({"push": "hearing", "file": file, "over": True})
            self._end(room)
        elif seat == "officer":
            self._media(room, "officer", up=False)
        self._tidy(room)

    def _tidy(self, room: Room) -> None:
        if not room.seats and not room.on:
            self._rooms.pop(room.file, None)

    # -- what passes ----------------------------------------------------------------------------------------------------------

    def _said(self, room: Room, seat: Seat, lease: Lease, signal: Signal) -> None:
        """A terminal's message: passed on while its lease lives. Raises `ValueError` for what its seat may not say."""
        if type(signal) not in MAY[seat]:
            raise ValueError("not for this seat")
        if not lease.alive():
            return
        self._pass(room, seat, signal)
        content = msgspec.json.encode(Told(room.file, seat, signal))
        self._kernel.ephemeral.say(TOPIC, content)

    def _pass(self, room: Room, seat: Seat, signal: Signal) -> None:
        told = {"push": "hearing", "file": room.file, "from": seat, "signal": msgspec.to_builtins(signal)}
        for other, (channel, lease) in tuple(room.seats.items()):
            if other != seat and lease.alive():
                channel.push(told)
        if isinstance(signal, Media):
            self._media(room, seat, up=signal.up)
        elif isinstance(signal, Bye):
            self._end(room)

    def _heard(self, content: bytes) -> None:
        """What a seat of another process said."""
        try:
            told = read_told(content)
        except ValueError as error:
            log.info("not a signal: %s", error)
            return
        room = self._rooms.get(told.file)
        if room is not None:
            self._pass(room, told.seat, told.signal)

    def _happened(self, name: str, told: dict[str, Any]) -> None:
        """Something was done with a file: both sides look again; a hearing that is over ends its call."""
        if name not in (CHANGED, "service.moved"):
            return
        room = self._rooms.get(told["file"])
        if room is None:
            return
        stopped = {"recording": told["recording"]} if "recording" in told else {}
        for channel, _lease in tuple(room.seats.values()):
            channel.push({"push": "hearing", "file": room.file, "news": True} | stopped)
        if name == "service.moved" and told["state"] not in ROOM:
            self._end(room)

    # -- what happens to the link by itself -----------------------------------------------------------------------------------

    def _media(self, room: Room, seat: Seat, *, up: bool) -> None:
        now = self._kernel.clock.latest_us()
        if up:
            room.down.pop(seat, None)
            # The process at which the officer sits writes what happens, once.
            if seat == "officer" and not room.on and "officer" in room.seats:
                room.on = True
                room.down.clear()
                self._note(room, "began", now)
        elif room.on:
            room.down.setdefault(seat, now)
        if not room.on:
            return
        if room.down and room.timer is None and not room.cut:
            room.timer = asyncio.get_running_loop().call_later(LOST_S, self._lost, room)
        elif not room.down:
            self._quiet(room)
            if room.cut:
                room.cut = False
                self._note(room, "resumed", now)

    def _lost(self, room: Room) -> None:
        room.timer = None
        if room.on and room.down:
            room.cut = True
            self._note(room, "cut", min(room.down.values()))

    def _end(self, room: Room) -> None:
        self._quiet(room)
        if room.on:
            room.on, room.cut = False, False
            room.down.clear()
            self._note(room, "ended", self._kernel.clock.latest_us())
        self._tidy(room)

    def _quiet(self, room: Room) -> None:
        if room.timer is not None:
            room.timer.cancel()
            room.timer = None

    def _note(self, room: Room, what: What, at: int) -> None:
        task = asyncio.get_running_loop().create_task(self._write(room, Note(file=room.file, what=what, at=iso(at))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, room: Room, given: Note) -> None:
        try:
            await self._kernel.perform(
                f"services.{room.service}.note", given, self._kernel.system(room.activity)
            )  # fmt: skip
        except EgideError:
            log.exception("an incident of a hearing is not in its file")


def rooms(kernel: Kernel) -> Rooms:
    """The rooms of this process."""
    found: Rooms = kernel.things[THING]
    return found


# -- the acts ---------------------------------------------------------------------------------------------------------


def _open(ctx: Ctx, file: str) -> bool:
    row = ctx.db.execute(select(tables.file.c.state).where(tables.file.c.id == file)).first()
    return row is not None and row.state in ROOM


def _officers_facts(definition: Definition) -> Gather:
    known = concerned(definition)

    def gather(ctx: Ctx, given: Joining) -> Facts:
        found = dict(known(ctx, given))
        # Of whom it is not the business nothing may be learnt.
        return found | {"hearing_open": _open(ctx, given.file) if found["concerned"] else True}

    return gather


def _persons_facts(ctx: Ctx, given: Held) -> Facts:
    row = held_row(ctx, given)
    return held_facts(ctx, given) | {"hearing_open": row.state in ROOM if row is not None else True}


def _taking(ctx: Ctx, given: Input, file: str, definition: Definition, seat: Seat) -> Effect:
    kernel, channel, found = ctx.kernel, ctx.channel, rooms(ctx.kernel)

    def ended(_decision: Decision) -> None:
        found.leave(file, seat, lease, refused=True)

    lease = Lease(new_id(), ctx.act, given, ctx.principal, ctx.purpose, ended)
    servers: Callable[[int], list[dict[str, Any]]] | None = kernel.things.get(ICE)

    def started() -> None:
        if not channel.closed:
            found.join(file, definition, seat, channel, lease)

    owner = file_owner(file)
    return Effect(
        Joined(file, servers(ctx.now_us) if servers is not None else []), started=started,
        actor=owner if seat == "holder" else None, concerns=(owner,),
    )  # fmt: skip


def join(ctx: Ctx, given: Joining) -> Effect:
    """The officer's seat, or that of who types captions."""
    row, definition = of_service(ctx, given.file)
    return _taking(ctx, given, row.id, definition, given.seat)


def my_join(ctx: Ctx, given: Held) -> Effect:
    """The person's seat."""
    row = held(ctx, given)
    _row, definition = of_service(ctx, row.id)
    return _taking(ctx, given, row.id, definition, "holder")


def write_note(ctx: Ctx, given: Note) -> Effect:
    """What happened to the link becomes an event of the file."""
    row, _definition = of_service(ctx, given.file)
    kernel, now = ctx.kernel, ctx.now_us

    def apply(connection: Connection) -> None:
        effect.bulk = bound([note(kernel, connection, row.id, given.what, now, EventBody(made=given.at)).hash])

    events = [(CHANGED, {"file": row.id, "service": row.service})]
    effect = Effect(StepDone(row.number, row.state), apply=apply, events=events, concerns=(file_owner(row.id),))
    return effect


def acts_of(definition: Definition) -> tuple[Act, ...]:
    """The acts of the room of one service."""
    name, title = f"services.{slug(definition.id)}", definition.title
    declared: list[tuple[str, Handler, dict[str, Any]]] = [
        ("join", join, {
            "verb": "view", "roles": OFFICERS, "groups": ["need-to-know", LINK], "gather": _officers_facts(definition), "live": True,
            "input": Joining, "output": Joined, "fr": "Entrer dans la salle d’audition", "en": "Enter the hearing’s room",
        }),
        ("my_join", my_join, {
            "verb": "view", "roles": ["anyone"], "groups": ["service-holder", LINK], "gather": _persons_facts, "live": True,
            "input": Held, "output": Joined, "fr": "Rejoindre l’agent par vidéo", "en": "Join the officer by video",
        }),
        ("note", write_note, {
            "verb": "alter", "roles": ["system"], "system": True, "input": Note, "output": StepDone,
            "fr": "Noter ce qui arrive à la liaison vidéo", "en": "Note what happens to the video link",
        }),
    ]  # fmt: skip
    return tuple(
        act(
            f"{name}.{id_}", activity=definition.activity, duty=True, **said | {"fr": f"{said['fr']} ({title.fr})", "en": f"{said['en']} ({title.en})"}
        )(handler)
        for id_, handler, said in declared
    )  # fmt: skip


ACTS: tuple[Act, ...] = tuple(
    one for definition in catalogue().current() if definition.hearing is not None for one in acts_of(definition)
)
