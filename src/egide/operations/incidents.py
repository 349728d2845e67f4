"""Incidents: opened from a call for help or by hand, told line by line, said better as more is known."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.errors import Conflict, NotFound, Text
from egide.kernel.identity import new_id
from egide.operations import incident_tables as tables
from egide.operations.board import board
from egide.operations.board import owner as alert_owner
from egide.operations.incident_desk import body_of
from egide.operations.incident_log import (
    ACTIVITY,
    CREW,
    NEED,
    IncidentId,
    changed,
    concerned,
    incident_row,
    insert_all,
    line,
    opening,
)
from egide.operations.incident_model import (
    MAX_TEXT,
    MAX_TITLE,
    OVER,
    FromClient,
    IncidentBody,
    LineBody,
    incident_owner,
    place,
    sentence,
)


class NewIncident(FromClient):
    """An incident by hand: what, how urgent (1 at once … 4), where (WGS84 degrees, metres around)."""

    kind: str
    title: str
    priority: int = 3
    text: str = ""
    lat: float | None = None
    lon: float | None = None
    radius: float = 0.0
    address: str = ""


class FromAlert(FromClient):
    """An incident from a call for help: its words and place are taken over."""

    alert: str
    kind: str = "assistance"
    priority: int = 2


class Attached(Input):
    """A further call for help about an incident that is known already."""

    alert: str
    incident: str


class IncidentChange(FromClient):
    """What is known better now of an incident; what is left out stays as it is. A place has both its degrees."""

    incident: str
    kind: str | None = None
    priority: int | None = None
    title: str | None = None
    lat: float | None = None
    lon: float | None = None
    radius: float | None = None
    address: str | None = None


class NewLine(FromClient):
    """A line of the log, in the officer's words."""

    incident: str
    text: str


def body_from(given: NewIncident) -> IncidentBody:
    """What was given by hand, checked. Raises `BadInput`."""
    lat, lon = place(given.lat, given.lon)
    title, text = sentence(given.title, MAX_TITLE), sentence(given.text, MAX_TEXT, needed=False)
    return IncidentBody(title, text, lat, lon, given.radius, sentence(given.address, MAX_TITLE, needed=False))


@act(
    "operations.incident.open", verb="collect", activity=ACTIVITY, roles=CREW, duty=True, input=NewIncident, output=IncidentId,
    fr="Ouvrir un incident", en="Open an incident",
)  # fmt: skip
def open_incident(ctx: Ctx, given: NewIncident) -> Effect:
    id_ = new_id()
    rows = opening(ctx, id_, body_from(given), kind=given.kind, priority=given.priority, origin="hand")
    rows.append(line(ctx, id_, "state", LineBody(after="reported", made_at=given.made_at)))
    return Effect(
        IncidentId(id_, "reported"),
        apply=lambda connection: insert_all(connection, rows),
        events=[("incident.opened", {"incident": id_}), *changed(id_)],
        concerns=(incident_owner(id_),),
    )


@act(
    "operations.incident.from_alert", verb="combine", activity=ACTIVITY, roles=("officer", "command"), duty=True, input=FromAlert,
    output=IncidentId, fr="Ouvrir un incident depuis un appel à l’aide", en="Open an incident from a call for help",
)  # fmt: skip
def from_alert(ctx: Ctx, given: FromAlert) -> Effect:
    alert = _unlinked(ctx, given.alert)
    id_ = new_id()
    said = alert.body
    title = said.text.strip().splitlines()[0][:MAX_TITLE]
    body = IncidentBody(title, said.text, said.lat, said.lon)
    rows = opening(ctx, id_, body, kind=given.kind, priority=given.priority, origin="alert")
    rows.append((tables.incident_alert, {"alert": alert.id, "incident": id_, "since": ctx.now_us}))
    rows.append(line(ctx, id_, "alert", LineBody(after="reported", other=alert.id, made_at=given.made_at)))
    return Effect(
        IncidentId(id_, "reported"),
        apply=lambda connection: insert_all(connection, rows),
        events=[("incident.opened", {"incident": id_}), *changed(id_)],
        concerns=(incident_owner(id_), alert_owner(alert.id)),
    )


@act(
    "operations.incident.attach", verb="combine", activity=ACTIVITY, roles=("officer", "command"), duty=True, groups=NEED,
    gather=concerned, input=Attached, output=IncidentId, fr="Rattacher un appel à l’aide à un incident", en="Attach a call for help to an incident",
)  # fmt: skip
def attach(ctx: Ctx, given: Attached) -> Effect:
    row, alert = incident_row(ctx, given.incident), _unlinked(ctx, given.alert)
    if row.state in OVER:
        raise Conflict(
            Text("Cet incident est terminé.", "This incident is over."),
            Text("Ouvrez-en un autre.", "Open another one."),
        )
    rows = [
        (tables.incident_alert, {"alert": alert.id, "incident": row.id, "since": ctx.now_us}),
        line(ctx, row.id, "alert", LineBody(text=alert.body.text, other=alert.id)),
    ]
    return Effect(
        IncidentId(row.id, row.state), rows=rows, events=changed(row.id), concerns=(incident_owner(row.id), alert_owner(alert.id)),
    )  # fmt: skip


def _unlinked(ctx: Ctx, id_: str) -> Any:
    """An open alert of which no incident was made. Raises `NotFound`, `Conflict`."""
    alert = board(ctx.kernel).find(id_)
    if alert is None:
        raise NotFound(
            Text("Cette alerte n’existe pas, ou elle est close.", "This alert does not exist, or it is closed.")
        )
    link = tables.incident_alert.c
    if ctx.db.execute(select(link.incident).where(link.alert == id_)).first() is not None:
        raise Conflict(
            Text("Cette alerte a déjà son incident.", "This alert has its incident already."),
            Text("Ouvrez l’incident depuis la liste.", "Open the incident from the list."),
        )
    return alert


@act(
    "operations.incident.note", verb="collect", activity=ACTIVITY, roles=CREW, duty=True, groups=NEED, gather=concerned,
    input=NewLine, output=IncidentId, fr="Écrire dans le journal d’un incident", en="Write in an incident’s log",
)  # fmt: skip
def note(ctx: Ctx, given: NewLine) -> Effect:
    row = incident_row(ctx, given.incident)
    text = sentence(given.text, MAX_TEXT)
    added = line(ctx, row.id, "note", LineBody(text=text, made_at=given.made_at))
    return Effect(
        IncidentId(row.id, row.state), rows=[added],
        events=changed(row.id), concerns=(incident_owner(row.id),),
    )  # fmt: skip


@act(
    "operations.incident.change", verb="alter", activity=ACTIVITY, roles=CREW, duty=True, groups=NEED, gather=concerned,
    input=IncidentChange, output=IncidentId, fr="Préciser un incident", en="Say better what an incident is",
)  # fmt: skip
def change(ctx: Ctx, given: IncidentChange) -> Effect:
    row = incident_row(ctx, given.incident)
    if row.state in OVER:
        raise Conflict(Text("Cet incident est terminé.", "This incident is over."))
    body = body_of(ctx.kernel, row)
    before = f"{row.kind} {row.priority} {body.title} {body.lat} {body.lon} {body.address}"
    lat, lon = place(given.lat, given.lon)
    new = IncidentBody(
        body.title if given.title is None else sentence(given.title, MAX_TITLE),
        body.text,
        body.lat if lat is None else lat,
        body.lon if lon is None else lon,
        body.radius if given.radius is None else given.radius,
        body.address if given.address is None else sentence(given.address, MAX_TITLE, needed=False),
    )
    kind, priority = given.kind or row.kind, given.priority or row.priority
    (_, values), _kept = opening(ctx, row.id, new, kind=kind, priority=priority, origin=row.origin)
    added = line(ctx, row.id, "changed", LineBody(text=new.title, before=before, other=kind, made_at=given.made_at))

    def apply(connection: Connection) -> None:
        table = tables.incident
        told = {name: values[name] for name in ("kind", "priority", "body")}
        found = connection.execute(update(table).where(table.c.id == row.id, table.c.body == row.body).values(**told))
        if found.rowcount != 1:
            raise Conflict(
                Text("Cet incident vient de changer.", "This incident has just changed."), Text("Relisez-le, puis recommencez.", "Read it again, then repeat.")
            )  # fmt: skip
        insert_all(connection, [added])

    return Effect(
        IncidentId(row.id, row.state), apply=apply, events=changed(row.id), concerns=(incident_owner(row.id),),
    )  # fmt: skip


ACTS: tuple[Act, ...] = (open_incident, from_alert, attach, note, change)
