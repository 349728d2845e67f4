"""Going on and off duty, and reporting where one is: the acts. What they keep in memory is in `shifts`, what stays in `tracks`.

A stream is one act that opens the wire; the fixes that follow are counted and sealed each minute (design, “Busy wires”). The
lease over it is decided again every second: whatever makes it unlawful ends it, and the device is told under which article.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import from_us, iso, to_us
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.guard import Decision
from egide.kernel.identity import new_id
from egide.kernel.jobs import job
from egide.kernel.law import add_duration
from egide.kernel.leases import Lease
from egide.kernel.limits import Buckets
from egide.kernel.retention import keep, trigger
from egide.kernel.times import parse
from egide.kernel.told import problem, reasons
from egide.operations import tables, tracks
from egide.operations.shifts import Stream, shifts
from egide.operations.tracks import CATEGORY, owner
from egide.protocols.positions import FIXES, MAX_FIXES, Fix, WireError, on_earth, read_fixes

ACTIVITY = "officer-location"
PURPOSES = frozenset({"safety", "coordination", "access", "request"})
FIELD = ("officer", "command", "pilot")
TELL_EVERY_S = 1.0  # s between two words to a device about what is wrong with its fixes


class NewShift(Input):
    """Going on duty for so many hours, and what the position is for. `informed`: one has read who sees it and how long."""

    hours: float
    purpose: str = "safety"
    informed: bool = False


class ShiftEnd(Input):
    """Going off duty; command names the officer whose shift it ends, and why."""

    person: str | None = None
    reason: str = ""


class ShiftId(Input):
    """A shift."""

    duty: str


class ReportedFix(msgspec.Struct, forbid_unknown_fields=True):
    """Where a device is: WGS84 degrees, heading in degrees, accuracy in metres, when (ms since 1970 UTC)."""

    lat: float
    lon: float
    at: int
    heading: float = 0.0
    accuracy: float = 0.0


class Report(Input):
    """Fixes since the last report, oldest first; in a vehicle's name where the device belongs to one."""

    unkept: ClassVar[frozenset[str]] = frozenset({"fixes"})  # the ledger says that one reported, never where one was
    fixes: list[ReportedFix]
    purpose: str = "safety"
    vehicle: str | None = None


class Wire(Input):
    """Opens the wire for fixes; in a vehicle's name where the device belongs to one."""

    purpose: str = "safety"
    vehicle: str | None = None


class Passed(Input):
    """How many fixes passed since the last seal."""

    fixes: int


class Mine(Input):
    """One's own shifts and where one was, between two times (ISO 8601)."""

    since: str = "1970-01-01T00:00:00Z"
    until: str = "2199-12-31T00:00:00Z"
    purpose: str = "access"


class Requested(Input):
    """An officer's track, asked for by justice or the inspection under the reference of a procedure."""

    person: str
    reference: str
    motive: str
    since: str
    until: str
    purpose: str = "request"


class ShiftShown(msgspec.Struct):
    """One's shift now, who else is on duty (for command), how long a shift may be and how long its track is kept."""

    duty: dict[str, Any] | None
    people: list[dict[str, Any]]
    longest: str
    kept: str


class ShiftTracks(msgspec.Struct):
    """Shifts, each with the places kept of it."""

    shifts: list[dict[str, Any]]


# -- facts ---------------------------------------------------------------------------------------------------------------


def location(ctx: Ctx) -> Facts:
    """What the position is for, in the law's words."""
    return {"location_purpose": ctx.purpose if ctx.purpose in PURPOSES else "other"}


def _beginning(ctx: Ctx, given: NewShift) -> Facts:
    longest = add_duration(from_us(ctx.now_us), ctx.kernel.book.duration("agent-location.shift_max"))
    until = ctx.now_us + round(given.hours * 3_600_000_000)
    return location(ctx) | {"shift_bounded": ctx.now_us < until <= to_us(longest), "notice_shown": given.informed}


def running(ctx: Ctx, person: str) -> Facts:
    """Whether a person is on duty, as the store says; for a round of renewals it is read once for all."""
    table = tables.duty

    def every() -> dict[str, int]:
        rows = ctx.db.execute(select(table.c.person, table.c.until).where(table.c.ended.is_(None)))
        return {row.person: row.until for row in rows}

    if ctx.shared is not None:
        until = ctx.once("on-duty", every).get(person)
    else:
        query = select(table.c.until).where(table.c.person == person, table.c.ended.is_(None))
        until = ctx.db.execute(query).scalar()
    return {"on_duty": until is not None, "shift_running": until is None or ctx.now_us < until}


def _reporting(ctx: Ctx, _given: Any) -> Facts:
    return location(ctx) | running(ctx, ctx.principal.id)


def _still(ctx: Ctx, _given: Any) -> Facts:
    return running(ctx, ctx.principal.id)


def _ending(ctx: Ctx, given: ShiftEnd) -> Facts:
    own = given.person in (None, ctx.principal.id)
    return location(ctx) | {"own_record": own, "commands": "command" in ctx.principal.roles}


def _reading(ctx: Ctx, given: Any) -> Facts:
    person, reference = getattr(given, "person", ctx.principal.id), getattr(given, "reference", "")
    roles = ctx.principal.roles
    reader = "judicial" if "magistrate" in roles else "inspection" if "inspector" in roles else "hierarchy"
    own = person == ctx.principal.id
    return location(ctx) | {
        "own_record": own, "track_reader": "self" if own else reader, "request_referenced": bool(reference.strip()),
    }  # fmt: skip


# -- on and off ----------------------------------------------------------------------------------------------------------


@act(
    "operations.duty.begin", verb="collect", activity=ACTIVITY, roles=FIELD, duty=True, groups=["agent-location", "agent-duty", "collection"],
    gather=_beginning, input=NewShift, output=ShiftShown, fr="Prendre son service", en="Go on duty",
)  # fmt: skip
def begin(ctx: Ctx, given: NewShift) -> Effect:
    person, id_ = ctx.principal.id, new_id()
    if _running_row(ctx.db, person) is not None:
        raise Conflict(Text("Vous êtes déjà en service.", "You are on duty already."))
    until = ctx.now_us + round(given.hours * 3_600_000_000)
    row = {
        "id": id_, "person": person, "unit": ctx.principal.unit, "purpose": ctx.purpose, "began": ctx.now_us, "until": until,
        "ended": None, "how": None,
    }  # fmt: skip
    lapse = job(id_, "operations.duty.lapse", msgspec.json.encode(ShiftId(duty=id_)), until)
    return Effect(
        _shown(ctx, {"id": id_, "purpose": ctx.purpose, "began": iso(ctx.now_us), "until": iso(until)}),
        rows=[(tables.duty, row), (kernel_tables.retained, keep(CATEGORY, id_)), (kernel_tables.job, lapse)],
        events=[("duty.began", {"duty": id_})],
        concerns=(owner(id_),),
    )


@act(
    "operations.duty.end", verb="alter", activity=ACTIVITY, roles=FIELD, duty=True, groups=["agent-location", "agent-duty-end"],
    gather=_ending, input=ShiftEnd, fr="Quitter son service", en="Go off duty",
)  # fmt: skip
def end(ctx: Ctx, given: ShiftEnd) -> Effect:
    person = given.person or ctx.principal.id
    row = _running_row(ctx.db, person)
    if row is None:
        raise NotFound(Text("Cette personne n’est pas en service.", "This person is not on duty."))
    how = "self" if person == ctx.principal.id else "command"
    return _ended(ctx, row.id, how, concerns=(owner(row.id),) if how == "self" else (owner(row.id), person))


@act(
    "operations.duty.lapse", verb="alter", activity=ACTIVITY, roles=["system"], system=True, duty=True, groups=["agent-location"],
    gather=lambda ctx, _given: location(ctx), input=ShiftId, fr="Constater la fin annoncée d’un service",
    en="Note the declared end of a shift",
)  # fmt: skip
def lapse(ctx: Ctx, given: ShiftId) -> Effect:
    table = tables.duty
    query = select(table.c.id).where(table.c.id == given.duty, table.c.ended.is_(None), table.c.until <= ctx.now_us)
    if ctx.db.execute(query).first() is None:
        return Effect(Nothing())  # it was ended before, or erased
    return _ended(ctx, given.duty, "shift", concerns=(owner(given.duty),))


def _running_row(db: Connection, person: str) -> Any:
    table = tables.duty
    return db.execute(select(table).where(table.c.person == person, table.c.ended.is_(None))).first()


def _ended(ctx: Ctx, duty: str, how: str, *, concerns: tuple[str, ...]) -> Effect:
    kernel, table = ctx.kernel, tables.duty

    def apply(connection: Connection) -> None:
        this = update(table).where(table.c.id == duty, table.c.ended.is_(None))
        if not connection.execute(this.values(ended=ctx.now_us, how=how)).rowcount:
            raise Conflict(Text("Ce service est déjà terminé.", "This shift has ended already."))
        trigger(kernel, connection, CATEGORY, duty, ctx.now_us)

    return Effect(Nothing(), apply=apply, events=[("duty.ended", {"duty": duty})], concerns=concerns)


@act(
    "operations.duty.show", verb="view", activity=ACTIVITY, roles=FIELD, duty=True, groups=["agent-location"],
    gather=lambda ctx, _given: location(ctx), output=ShiftShown, fr="Voir qui est en service", en="See who is on duty",
)  # fmt: skip
def show(ctx: Ctx, _given: Nothing) -> Effect:
    row = _running_row(ctx.db, ctx.principal.id)
    mine = row and {"id": row.id, "purpose": row.purpose, "began": iso(row.began), "until": iso(row.until)}
    return Effect(_shown(ctx, mine))


def _shown(ctx: Ctx, mine: dict[str, Any] | None) -> ShiftShown:
    people: list[dict[str, Any]] = []
    if "command" in ctx.principal.roles:
        people = [
            {"id": each.person, "name": each.name, "unit": each.unit, "until": iso(each.until)}
            for each in shifts(ctx.kernel).running()
        ]
    book = ctx.kernel.book
    return ShiftShown(
        mine, people, book.duration("agent-location.shift_max"), book.duration("agent-location.track_retention")
    )


# -- where one is --------------------------------------------------------------------------------------------------------


@act(
    "operations.position.report", verb="collect", activity=ACTIVITY, roles=FIELD, duty=True, groups=["agent-location", "agent-position"],
    gather=_reporting, recheck=_still, input=Report, max_bytes=128 * 1024, fr="Dire où l’on est", en="Report where one is",
)  # fmt: skip
def report(ctx: Ctx, given: Report) -> Effect:
    kernel, person = ctx.kernel, ctx.principal.id
    if not given.fixes or len(given.fixes) > MAX_FIXES:
        raise BadInput(Text(f"De 1 à {MAX_FIXES} positions à la fois.", f"From 1 to {MAX_FIXES} positions at once."))
    if not all(
        on_earth(each.lat, each.lon) and abs(each.heading) <= 360 and each.accuracy >= 0 for each in given.fixes
    ):
        raise BadInput(Text("Position hors de la Terre, ou cap illisible.", "A position off the Earth, or no heading."))
    _vehicle(ctx, given.vehicle)
    fixes = [Fix(each.lat, each.lon, each.heading, each.accuracy, each.at) for each in given.fixes]
    wrong = shifts(kernel).doubts(person, fixes)
    if wrong is not None:
        raise BadInput(wrong)

    def after(_receipt: Any) -> None:
        shift = shifts(kernel).shift(person)  # it may have ended, here or elsewhere, while the act was written
        if shift is None:
            return
        if shift.vehicle != given.vehicle:
            shifts(kernel).bind(shift, given.vehicle, None)
        shifts(kernel).take(person, fixes)

    return Effect(Nothing(), after=after)


@act(
    "operations.position.stream", verb="collect", activity=ACTIVITY, roles=FIELD, duty=True, live=True,
    groups=["agent-location", "agent-position"], gather=_reporting, recheck=_still, input=Wire,
    fr="Dire où l’on est, en continu", en="Report where one is, continuously",
)  # fmt: skip
def stream(ctx: Ctx, given: Wire) -> Effect:
    kernel, channel, board = ctx.kernel, ctx.channel, shifts(ctx.kernel)
    person = ctx.principal.id
    _vehicle(ctx, given.vehicle)

    def ended(decision: Decision) -> None:
        refusal = {
            "code": "refused", "act": ctx.act.name, "receipt": None, "reasons": reasons(decision),
            "title": {"fr": "Votre position n’est plus envoyée.", "en": "Your position is no longer sent."},
        }  # fmt: skip
        channel.push({"push": "position.ended", "refusal": refusal})
        close()
        shift = board.shift(person)
        if shift is not None:
            board.left(shift, this)

    lease = Lease(new_id(), ctx.act, given, ctx.principal, ctx.purpose, ended)

    def close() -> None:
        kernel.leases.close(lease.id)
        channel.inlet(FIXES, None)

    this = Stream(channel, close)

    def gone() -> None:
        close()
        shift = board.shift(person)
        if shift is not None:
            board.left(shift, this)

    def started() -> None:
        shift = board.shift(person)
        if shift is None or channel.closed:
            return
        board.bind(shift, given.vehicle, this)
        channel.inlet(FIXES, _inlet(board, person, lease, channel))
        kernel.leases.open(lease)

    channel.on_close(gone)
    row = _running_row(ctx.db, person)
    return Effect(Nothing(), started=started, concerns=(owner(row.id),) if row is not None else ())


def _inlet(board: Any, person: str, lease: Lease, channel: Any) -> Callable[[bytes], None]:
    """What takes a device's messages: bounded, only while the lease lives, saying what is wrong once a second at most."""
    words = Buckets(1 / TELL_EVERY_S, 1)

    def take(data: bytes) -> None:
        if not lease.alive():
            return
        try:
            wrong = board.take(person, read_fixes(data))
        except WireError as error:
            wrong = Text(f"Positions illisibles : {error}", f"Unreadable positions: {error}")
        if wrong is not None and words.take(""):
            channel.push({"push": "position.refused", "problem": problem(BadInput(wrong))})

    return take


def _vehicle(ctx: Ctx, vehicle: str | None) -> None:
    if vehicle is not None and vehicle not in ctx.kernel.things["vehicles"]:
        raise NotFound(Text("Ce véhicule n’est pas déclaré.", "This vehicle is not declared."))


@act(
    "operations.position.seal", verb="collect", activity=ACTIVITY, roles=["system"], system=True, duty=True, groups=["agent-location"],
    gather=lambda ctx, _given: location(ctx), input=Passed, fr="Sceller la minute écoulée des positions d’agents",
    en="Seal the past minute of officers’ positions",
)  # fmt: skip
def seal(ctx: Ctx, given: Passed) -> Effect:
    board = shifts(ctx.kernel)
    rows, _kept, root = board.tracks.sealed(ctx.db, board.taken)
    return Effect(Nothing(), rows=rows, bulk=(given.fixes, root))


# -- afterwards ----------------------------------------------------------------------------------------------------------


@act(
    "operations.position.mine", verb="consult", activity=ACTIVITY, roles=["self"], duty=True, groups=["agent-location", "agent-track"],
    gather=_reading, input=Mine, output=ShiftTracks, fr="Lire où l’on a été", en="Read where one has been",
)  # fmt: skip
def mine(ctx: Ctx, given: Mine) -> Effect:
    return Effect(ShiftTracks(_tracks(ctx, ctx.principal.id, given.since, given.until)))


@act(
    "operations.position.request", verb="disclose", activity=ACTIVITY, roles=["command", "inspector", "magistrate"],
    groups=["agent-location", "agent-track"], gather=_reading, input=Requested, output=ShiftTracks,
    fr="Demander le relevé de positions d’un agent, pour la justice ou l’inspection", en="Request an officer’s track, for justice or the inspection",
)  # fmt: skip
def request(ctx: Ctx, given: Requested) -> Effect:
    return Effect(ShiftTracks(_tracks(ctx, given.person, given.since, given.until)), concerns=(given.person,))


def _tracks(ctx: Ctx, person: str, since: str, until: str) -> list[dict[str, Any]]:
    return tracks.read(ctx.kernel, ctx.db, shifts(ctx.kernel).tracks, person, parse(since), parse(until))


ACTS: tuple[Act, ...] = (begin, end, lapse, show, report, stream, seal, mine, request)
