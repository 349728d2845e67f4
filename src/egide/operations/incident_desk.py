"""Reading and showing incidents, tasks and drawings, and telling who follows them: each person what they may see, as it changes.

Who may see what: an incident that no mission works on yet is before every officer on duty, as calls for help are. Once a mission
works on it, its log, tasks and drawings are for command, for the mission's roster, and for whoever (or whose unit) has a task in
it (directive 2016/680, 29(2)(e)); the others keep its mark on the map. Nothing is remembered here but who follows: every look
reads the store, so that a change of roster counts at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, or_, select
from sqlalchemy.exc import DatabaseError

from egide.kernel.clock import iso
from egide.kernel.errors import EgideError, Text
from egide.kernel.leases import Lease
from egide.operations import incident_tables as tables
from egide.operations.incident_model import (
    STATE_WORDS,
    STEPS,
    TASK_OVER,
    TASK_STEPS,
    TASK_WORDS,
    IncidentBody,
    Step,
    TaskBody,
    incident_owner,
    mission_owner,
)
from egide.operations.tables import roster

if TYPE_CHECKING:
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.incidents")

PURPOSE = "incidents"
WORK = "mission-work"
DRAWINGS = "drawings"
SHOWN = 2_000  # incidents, tasks or drawings in one answer; the newest
CHANGED, TASK_CHANGED, DRAWING_CHANGED, ROSTER = "incident.changed", "task.changed", "drawing.changed", "roster.changed"


@dataclass(frozen=True, slots=True)
class Circle:
    """The people a mission concerns, and the units that have a task in it; None of both: nobody works on it yet."""

    people: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    open: bool = False

    def holds(self, who: Principal) -> bool:
        """Whether this person may see the work itself."""
        return (
            self.open or "command" in who.roles or who.id in self.people or (bool(who.unit) and who.unit in self.units)
        )


EVERYBODY = Circle(open=True)


def circle(db: Connection, mission: str | None) -> Circle:
    """Whom a mission concerns now."""
    if mission is None:
        return EVERYBODY
    task = tables.task.c
    on = {
        row[0]
        for row in db.execute(select(roster.c.person).where(roster.c.mission == mission, roster.c.gone.is_(None)))
    }
    given = db.execute(
        select(task.person, task.unit).where(task.mission == mission, task.state.not_in(("declined", "cancelled")))
    ).all()
    people = on | {row.person for row in given if row.person is not None}
    return Circle(frozenset(people), frozenset(row.unit for row in given if row.unit))


def body_of(kernel: Kernel, row: Any) -> IncidentBody:
    """What an incident is about, opened. Raises the vault's error where it was erased."""
    sealed = kernel.vault.open_(incident_owner(row.id), PURPOSE, bytes(row.body), row.id.encode())
    return msgspec.json.decode(sealed, type=IncidentBody)


def _why(step: Step, words: dict[str, Text], state: str, who: Principal, *, concerned: bool) -> dict[str, str] | None:
    """Why a step cannot be taken now by this person; None where it can."""
    told: Text | None = None
    if state not in step.before:
        fr = " ou ".join(words[each].fr for each in step.before)
        en = " or ".join(words[each].en for each in step.before)
        told = Text(f"Possible seulement depuis : {fr}.", f"Possible only from: {en}.")
    elif who.roles.isdisjoint(step.roles):
        told = Text("Cela revient au poste de commandement.", "This is for the command post.")
    elif not concerned:
        told = Text(
            "Cela revient à d’autres : vous n’y êtes pas affecté.", "This is for others: you are not assigned to it."
        )
    return None if told is None else {"fr": told.fr, "en": told.en}


def show_incident(row: Any, body: IncidentBody, who: Principal, around: Circle, alerts: list[str]) -> dict[str, Any]:
    """An incident as a console takes it."""
    inside = around.holds(who)
    return {
        "id": row.id, "kind": row.kind, "priority": row.priority, "state": row.state, "opened": iso(row.opened), "closed": row.closed is not None,
        "origin": row.origin, "mission": row.mission, "merged": row.merged, "concerned": inside, "title": body.title,
        "text": body.text if inside else "", "lat": body.lat, "lon": body.lon, "radius": body.radius, "address": body.address,
        "alerts": alerts if inside else [],
        "steps": [{"name": step.name, "why": _why(step, STATE_WORDS, row.state, who, concerned=inside)} for step in STEPS.values()],
    }  # fmt: skip


def show_task(kernel: Kernel, row: Any, who: Principal) -> dict[str, Any] | None:
    """A task as a terminal takes it; None where its key is gone."""
    try:
        sealed = kernel.vault.open_(mission_owner(row.mission), WORK, bytes(row.body), row.id.encode())
    except EgideError:
        return None
    body = msgspec.json.decode(sealed, type=TaskBody)
    theirs = mine(row, who)
    return {
        "id": row.id, "mission": row.mission, "incident": row.incident, "state": row.state, "created": iso(row.created),
        "changed": iso(row.changed), "deadline": None if row.deadline is None else iso(row.deadline), "lat": row.lat, "lon": row.lon,
        "person": None if row.person is None else {"id": row.person, "name": kernel.identity.name(row.person)}, "unit": row.unit or None,
        "title": body.title, "text": body.text, "answer": body.answer, "made_at": body.made_at, "mine": theirs,
        "steps": [
            {"name": step.name, "why": _why(step, TASK_WORDS, row.state, who, concerned=step.name == "cancel" or theirs)}
            for step in TASK_STEPS.values()
        ],
    }  # fmt: skip


def mine(row: Any, who: Principal) -> bool:
    """Whether this person has the task, or may take it for their unit."""
    if row.person is not None:
        return bool(row.person == who.id)
    return bool(row.unit) and row.unit == who.unit


def show_drawing(kernel: Kernel, row: Any) -> dict[str, Any] | None:
    """A drawing as a map takes it; None where its key is gone."""
    try:
        sealed = kernel.vault.open_(row.scope, DRAWINGS, bytes(row.body), row.id.encode())
    except EgideError:
        return None
    kind, _, of = row.scope.partition(":")
    told: dict[str, Any] = msgspec.json.decode(sealed)
    name = kernel.identity.name(row.person) if row.person is not None else None
    expires = None if row.expires is None else iso(row.expires)
    return {**told, "id": row.id, "of": {"kind": kind, "id": of}, "at": iso(row.at), "expires": expires, "author": name}


class Desk:
    """Who follows, in this process. Lives in `kernel.things["incidents"]`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._followers: dict[Any, Lease] = {}

    def start(self) -> None:
        """Listens to what changes, here and in other processes."""
        self._kernel.bus.watch(self._changed)

    # -- everything at once ----------------------------------------------------------------------------------------------

    def shown(self, db: Connection, who: Principal) -> dict[str, Any]:
        """All that is open and that this person may see."""
        table, known = tables.incident, _Circles(db)
        rows = db.execute(
            select(table).where(table.c.closed.is_(None)).order_by(table.c.opened.desc()).limit(SHOWN)
        ).all()
        calls = _alerts(db, [row.id for row in rows])
        incidents = [self._incident(row, who, known.of(row.mission), calls.get(row.id, [])) for row in rows]
        task = tables.task
        open_ = db.execute(
            select(task).where(task.c.state.not_in(TASK_OVER)).order_by(task.c.created.desc()).limit(SHOWN)
        ).all()
        tasks = [show_task(self._kernel, row, who) for row in open_ if known.of(row.mission).holds(who)]
        return {
            "incidents": [one for one in incidents if one], "tasks": [one for one in tasks if one],
            "drawings": self.drawings(db, who, known),
        }  # fmt: skip

    def drawings(
        self, db: Connection, who: Principal, known: _Circles | None = None, scope: str | None = None
    ) -> list[dict[str, Any]]:
        """The drawings in force that this person may see; of one mission or incident, or of all."""
        known = known or _Circles(db)
        table = tables.drawing
        alive = (
            table.c.removed.is_(False),
            or_(table.c.expires.is_(None), table.c.expires > self._kernel.clock.now_us()),
        )
        query = (
            select(table)
            .where(*alive, *(() if scope is None else (table.c.scope == scope,)))
            .order_by(table.c.at.desc())
            .limit(SHOWN)
        )
        found = (
            show_drawing(self._kernel, row) for row in db.execute(query).all() if known.around(row.scope).holds(who)
        )
        return [one for one in found if one]

    def incident(self, db: Connection, id_: str, who: Principal) -> dict[str, Any] | None:
        """One incident; None where there is none any more."""
        row = db.execute(select(tables.incident).where(tables.incident.c.id == id_)).first()
        return (
            None if row is None else self._incident(row, who, circle(db, row.mission), _alerts(db, [id_]).get(id_, []))
        )

    def _incident(self, row: Any, who: Principal, around: Circle, alerts: list[str]) -> dict[str, Any] | None:
        try:
            return show_incident(row, body_of(self._kernel, row), who, around, alerts)
        except EgideError:
            return None  # erased meanwhile

    # -- who follows ---------------------------------------------------------------------------------------------------

    def join(self, channel: Any, lease: Lease) -> None:
        """A terminal follows from now on; what it followed under an earlier lease is over."""
        before = self._followers.get(channel)
        if before is not None:
            self._kernel.leases.close(before.id)
        else:
            channel.on_close(lambda: self.leave(channel))
        self._followers[channel] = lease
        self._kernel.leases.open(lease)

    def leave(self, channel: Any) -> None:
        """A terminal goes, or may no longer."""
        lease = self._followers.pop(channel, None)
        if lease is not None:
            self._kernel.leases.close(lease.id)

    def _changed(self, name: str, payload: dict[str, Any]) -> None:
        if not self._followers or name not in (CHANGED, TASK_CHANGED, DRAWING_CHANGED, ROSTER):
            return
        try:
            if name == CHANGED:
                self._tell_incident(payload["incident"])
            elif name == TASK_CHANGED:
                self._tell_task(payload["task"])
            elif name == DRAWING_CHANGED:
                self._tell_drawing(payload["drawing"], payload["scope"])
            else:
                self._tell_roster(payload["mission"])
        except (DatabaseError, EgideError) as error:
            log.warning("%s is not told: %s", name, error)

    def _tell_incident(self, id_: str) -> None:
        db = self._kernel.store.reader()
        row = db.execute(select(tables.incident).where(tables.incident.c.id == id_)).first()
        if row is None:
            self._push(None, {"push": "incident.gone", "incident": id_})
            return
        around, calls = circle(db, row.mission), _alerts(db, [id_]).get(id_, [])
        body = body_of(self._kernel, row)  # opened once for all who follow
        for channel, who in self._living():
            channel.push({"push": "incident", "incident": show_incident(row, body, who, around, calls)})

    def _tell_task(self, id_: str) -> None:
        db = self._kernel.store.reader()
        row = db.execute(select(tables.task).where(tables.task.c.id == id_)).first()
        if row is None:
            return
        around = circle(db, row.mission)
        for channel, who in self._living():
            shown = show_task(self._kernel, row, who) if around.holds(who) else None
            if shown:
                channel.push({"push": "task", "task": shown})

    def _tell_drawing(self, id_: str, scope: str) -> None:
        db = self._kernel.store.reader()
        row = db.execute(select(tables.drawing).where(tables.drawing.c.id == id_)).first()
        shown = None if row is None or row.removed else show_drawing(self._kernel, row)
        told = {"push": "drawing", "drawing": shown} if shown else {"push": "drawing.gone", "drawing": id_}
        self._push(_Circles(db).around(scope), told)

    def _tell_roster(self, mission: str) -> None:
        """Who joined or left a mission sees more, or less: they ask again."""
        db = self._kernel.store.reader()
        touched = {row[0] for row in db.execute(select(roster.c.person).where(roster.c.mission == mission))}
        for channel, who in self._living():
            if who.id in touched:
                channel.push({"push": "incidents"})

    def _push(self, around: Circle | None, told: dict[str, Any]) -> None:
        for channel, who in self._living():
            if around is None or around.holds(who):
                channel.push(told)

    def _living(self) -> list[tuple[Any, Principal]]:
        """Who follows and still may, as they are now. A renewal that is late must not lose a change: then memory is asked."""
        kernel, found = self._kernel, []
        for channel, lease in self._followers.items():
            who = kernel.identity.still(channel.principal)
            if lease.alive() or who.may(lease.act, kernel.clock.latest_us()):
                found.append((channel, who))
        return found


class _Circles:
    """Circles as one look needs them: each read once."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._known: dict[str, Circle] = {}

    def of(self, mission: str | None) -> Circle:
        if mission is None:
            return EVERYBODY
        if mission not in self._known:
            self._known[mission] = circle(self._db, mission)
        return self._known[mission]

    def around(self, scope: str) -> Circle:
        """Whom what is bound to a mission or an incident concerns."""
        kind, _, id_ = scope.partition(":")
        if kind == "mission":
            return self.of(id_)
        return self.of(self._db.execute(select(tables.incident.c.mission).where(tables.incident.c.id == id_)).scalar())


def _alerts(db: Connection, incidents: list[str]) -> dict[str, list[str]]:
    """The calls for help behind incidents."""
    link, found = tables.incident_alert.c, dict[str, list[str]]()
    for row in db.execute(select(link.alert, link.incident).where(link.incident.in_(incidents)).order_by(link.since)):
        found.setdefault(row.incident, []).append(row.alert)
    return found


def desk(kernel: Kernel) -> Desk:
    """The desk of this process."""
    found: Desk = kernel.things["incidents"]
    return found
