"""Incidents: opened from a call for help or by hand, led from state to state by people, told line by line, closed.

Each way from state to state is an act of its own (incident_model.STEPS), so that each is decided, and stands in the ledger. What
an outbox sends twice is done once (kernel/repeats.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, Receipt, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.identity import new_id
from egide.kernel.leases import Lease
from egide.kernel.retention import keep, trigger
from egide.operations import incident_tables as tables
from egide.operations import tables as common
from egide.operations.board import CHANGED as ALERT_CHANGED
from egide.operations.board import board
from egide.operations.board import owner as alert_owner
from egide.operations.facts import mission_row, one
from egide.operations.incident_desk import CHANGED, PURPOSE, body_of, circle, desk, show_task
from egide.operations.incident_model import (
    MAX_TEXT,
    MAX_TITLE,
    OVER,
    PRIORITIES,
    STATE_WORDS,
    STEPS,
    FromClient,
    IncidentBody,
    LineBody,
    Step,
    incident_owner,
    kinds,
    next_state,
    place,
    sentence,
)

CATEGORY = "incident"
ACTIVITY = "incidents"
CREW = ("officer", "command", "pilot")
NEED = ("need-to-know",)
MAX_RADIUS_M = 50_000.0


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


class IncidentRef(Input):
    """One incident."""

    incident: str


class IncidentStep(FromClient):
    """One step of an incident; why, where that is worth a line."""

    incident: str
    reason: str = ""


class Assigned(FromClient):
    """The mission that works on an incident."""

    incident: str
    mission: str


class Merged(FromClient):
    """An incident that is told twice, and the one that takes it in."""

    incident: str
    into: str


class NewLine(FromClient):
    """A line of the log, in the officer's words."""

    incident: str
    text: str


class IncidentId(msgspec.Struct):
    """The incident's id, and its state now."""

    id: str
    state: str


class Board(msgspec.Struct):
    """Every open incident, and the tasks and drawings that concern who asks; the kinds to choose from."""

    incidents: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    drawings: list[dict[str, Any]]
    kinds: list[dict[str, Any]]
    units: list[dict[str, str]]


class IncidentShown(msgspec.Struct):
    """One incident whole: its log, oldest first, its tasks and its drawings."""

    incident: dict[str, Any]
    lines: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    drawings: list[dict[str, Any]]
    procedure: dict[str, str]


# -- what the acts share -------------------------------------------------------------------------------------------------


def incident_row(ctx: Ctx, id_: str) -> Any:
    """An incident; raises `NotFound`."""
    return one(ctx, tables.incident, id_, "Cet incident n’existe pas.", "This incident does not exist.")


def concerned(ctx: Ctx, given: Any) -> Facts:
    """Whether the one who asks is among those whom the incident's mission concerns."""
    return {"concerned": circle(ctx.db, incident_row(ctx, given.incident).mission).holds(ctx.principal)}


def line(ctx: Ctx, incident: str, kind: str, body: LineBody) -> tuple[Any, dict[str, Any]]:
    """A row of the log."""
    id_ = new_id()
    sealed = ctx.kernel.vault.seal(incident_owner(incident), PURPOSE, msgspec.json.encode(body), id_.encode())
    row = {"id": id_, "incident": incident, "at": ctx.now_us, "kind": kind, "person": ctx.principal.id, "body": sealed}
    return tables.incident_line, row


def changed(*incidents: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of incidents that changed."""
    return [(CHANGED, {"incident": id_}) for id_ in incidents]


def insert_all(connection: Connection, rows: list[tuple[Any, dict[str, Any]]]) -> None:
    """Rows in their order."""
    for table, row in rows:
        connection.execute(insert(table), row)


def opening(
    ctx: Ctx, id_: str, body: IncidentBody, *, kind: str, priority: int, origin: str, reference: str = ""
) -> list[tuple[Any, dict[str, Any]]]:
    """The rows of a new incident. Raises `BadInput`."""
    if kind not in kinds() or priority not in PRIORITIES or not 0 <= body.radius <= MAX_RADIUS_M:
        raise BadInput(
            Text("Nature, urgence ou rayon inconnus.", "Unknown kind, urgency or radius."),
            Text(
                f"Natures : {', '.join(kinds())} ; urgence de 1 à 4.", f"Kinds: {', '.join(kinds())}; urgency 1 to 4."
            ),
        )
    sealed = ctx.kernel.vault.seal(incident_owner(id_), PURPOSE, msgspec.json.encode(body), id_.encode())
    row = {
        "id": id_, "kind": kind, "priority": priority, "state": "reported", "opened": ctx.now_us, "closed": None, "origin": origin,
        "reference": reference, "person": ctx.principal.id, "mission": None, "merged": None, "body": sealed,
    }  # fmt: skip
    return [(tables.incident, row), (kernel_tables.retained, keep(CATEGORY, id_))]


def body_from(given: NewIncident) -> IncidentBody:
    """What was given by hand, checked. Raises `BadInput`."""
    lat, lon = place(given.lat, given.lon)
    title, text = sentence(given.title, MAX_TITLE), sentence(given.text, MAX_TEXT, needed=False)
    return IncidentBody(title, text, lat, lon, given.radius, sentence(given.address, MAX_TITLE, needed=False))


# -- opening -------------------------------------------------------------------------------------------------------------


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


# -- looking -------------------------------------------------------------------------------------------------------------


def _everything(ctx: Ctx) -> Board:
    shown = desk(ctx.kernel).shown(ctx.db, ctx.principal)
    named = [
        {"id": each.id, "label": {"fr": each.fr, "en": each.en}, "symbol": each.symbol, "sidc": each.sidc}
        for each in kinds().values()
    ]
    unit = kernel_tables.unit.c
    units = ctx.db.execute(select(unit.id, unit.name)).all() if "command" in ctx.principal.roles else []
    return Board(**shown, kinds=named, units=[{"id": row.id, "name": row.name} for row in units])


@act(
    "operations.incident.list", verb="consult", activity=ACTIVITY, roles=CREW, duty=True, output=Board,
    fr="Voir les incidents en cours", en="See the open incidents",
)  # fmt: skip
def list_incidents(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(_everything(ctx))


@act(
    "operations.incident.follow", verb="consult", activity=ACTIVITY, roles=CREW, duty=True, live=True, output=Board,
    fr="Suivre les incidents en cours", en="Follow the open incidents",
)  # fmt: skip
def follow(ctx: Ctx, given: Nothing) -> Effect:
    channel, held = ctx.channel, desk(ctx.kernel)

    def ended(_decision: Any) -> None:
        held.leave(channel)
        channel.push({"push": "incidents"})  # it asks again, and is told why not

    lease = Lease(new_id(), ctx.act, given, ctx.principal, ctx.purpose, ended)
    return Effect(_everything(ctx), started=lambda: held.join(channel, lease))


@act(
    "operations.incident.read", verb="consult", activity=ACTIVITY, roles=CREW, duty=True, groups=NEED, gather=concerned,
    input=IncidentRef, output=IncidentShown, fr="Lire un incident", en="Read an incident",
)  # fmt: skip
def read(ctx: Ctx, given: IncidentRef) -> Effect:
    kernel, db, who = ctx.kernel, ctx.db, ctx.principal
    row = incident_row(ctx, given.incident)
    shown = desk(kernel).incident(db, row.id, who)
    if shown is None:
        raise NotFound(Text("Cet incident a été effacé.", "This incident was erased."))
    told, task = tables.incident_line, tables.task
    lines = [
        _line(ctx, each)
        for each in db.execute(select(told).where(told.c.incident == row.id).order_by(told.c.at, told.c.id))
    ]
    tasks = [
        show_task(kernel, each, who)
        for each in db.execute(select(task).where(task.c.incident == row.id).order_by(task.c.created))
    ]
    steps = kinds()[row.kind].procedure
    drawings = desk(kernel).drawings(db, who, scope=incident_owner(row.id))
    shown_all = IncidentShown(
        shown, lines, [each for each in tasks if each], drawings, {"fr": steps.fr, "en": steps.en}
    )
    return Effect(shown_all, concerns=(incident_owner(row.id),))


def _line(ctx: Ctx, row: Any) -> dict[str, Any]:
    sealed = ctx.kernel.vault.open_(incident_owner(row.incident), PURPOSE, bytes(row.body), row.id.encode())
    name = ctx.kernel.identity.name(row.person) if row.person is not None else ""
    return {
        **msgspec.to_builtins(msgspec.json.decode(sealed, type=LineBody)),
        "id": row.id,
        "at": iso(row.at),
        "kind": row.kind,
        "person": name,
    }


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


# -- from state to state ---------------------------------------------------------------------------------------------------


def moving(ctx: Ctx, row: Any, step: Step, body: LineBody, **values: Any) -> tuple[Callable[[Connection], None], str]:
    """(the change, the state it leads to). Raises `Conflict`: at once, and in the transaction where another act was first."""
    after = next_state(STEPS, STATE_WORDS, step.name, row.state)
    body.before, body.after = row.state, after
    added = line(ctx, row.id, "state", body)
    over = after in OVER

    def change(connection: Connection) -> None:
        table = tables.incident
        ended = {"closed": ctx.now_us} if over else {}
        found = connection.execute(
            update(table).where(table.c.id == row.id, table.c.state == row.state).values(state=after, **ended, **values)
        )
        if found.rowcount != 1:
            now = connection.execute(select(table.c.state).where(table.c.id == row.id)).scalar()
            next_state(STEPS, STATE_WORDS, step.name, str(now))
            raise Conflict(Text("Cet incident vient de changer.", "This incident has just changed."))
        insert_all(connection, [added])
        if over:
            trigger(ctx.kernel, connection, CATEGORY, row.id, ctx.now_us)

    return change, after


def _step(ctx: Ctx, given: IncidentStep) -> Effect:
    step = STEPS[ctx.act.name.rpartition(".")[2]]
    row = incident_row(ctx, given.incident)
    reason = sentence(given.reason, MAX_TEXT, needed=step.reason)
    change, after = moving(ctx, row, step, LineBody(text=reason, made_at=given.made_at))
    return Effect(
        IncidentId(row.id, after), apply=change, events=changed(row.id), concerns=(incident_owner(row.id),),
    )  # fmt: skip


def _declared(name: str) -> Act:
    """The act of a step that carries nothing but itself."""
    step = STEPS[name]
    return act(
        f"operations.incident.{name}", verb="alter", activity=ACTIVITY, roles=step.roles, duty=True, groups=NEED, gather=concerned,
        input=IncidentStep, output=IncidentId, fr=step.fr, en=step.en,
    )(_step)  # fmt: skip


confirm, arrive, resolve, dismiss = (_declared(name) for name in ("confirm", "arrive", "resolve", "dismiss"))


@act(
    "operations.incident.close", verb="alter", activity=ACTIVITY, roles=STEPS["close"].roles, duty=True, groups=NEED, gather=concerned,
    input=IncidentStep, output=IncidentId, fr=STEPS["close"].fr, en=STEPS["close"].en,
)  # fmt: skip
def close(ctx: Ctx, given: IncidentStep) -> Effect:
    """The calls for help behind it are over with it: their senders' pages end, and their 30 days begin."""
    effect = _step(ctx, given)
    if effect.apply is None:
        return effect
    link, held = tables.incident_alert.c, board(ctx.kernel)
    ids = [row.alert for row in ctx.db.execute(select(link.alert).where(link.incident == given.incident))]
    alerts = [alert for alert in map(held.find, ids) if alert is not None]
    step = effect.apply

    def apply(connection: Connection) -> None:
        step(connection)
        for alert in alerts:
            connection.execute(update(common.alert).where(common.alert.c.id == alert.id).values(closed=ctx.now_us))
            trigger(ctx.kernel, connection, "distress-alert", alert.id, ctx.now_us)

    def after(receipt: Receipt) -> None:
        for alert in alerts:
            held.close(alert, receipt)

    effect.apply, effect.after = apply, after
    effect.events += [(ALERT_CHANGED, {"alert": alert.id, "process": ctx.kernel.process}) for alert in alerts]
    effect.concerns += tuple(alert_owner(alert.id) for alert in alerts)
    return effect


def assigning(ctx: Ctx, incident: str, mission: str, made_at: str = "") -> Callable[[Connection], None]:
    """The change that gives an incident its mission. Raises `NotFound`, `Conflict`."""
    row = incident_row(ctx, incident)
    return moving(ctx, row, STEPS["assign"], LineBody(other=mission, made_at=made_at), mission=mission)[0]


@act(
    "operations.incident.assign", verb="alter", activity=ACTIVITY, roles=STEPS["assign"].roles, duty=True, groups=NEED, gather=concerned,
    input=Assigned, output=IncidentId, fr=STEPS["assign"].fr, en=STEPS["assign"].en,
)  # fmt: skip
def assign(ctx: Ctx, given: Assigned) -> Effect:
    row, mission = incident_row(ctx, given.incident), mission_row(ctx, given.mission)
    if mission.closed is not None:
        raise Conflict(
            Text("Cette mission est close.", "This mission is closed."),
            Text("Ouvrez-en une autre.", "Open another one."),
        )
    change = assigning(ctx, row.id, mission.id, given.made_at)
    return Effect(
        IncidentId(row.id, "assigned"), apply=change, order=mission.order_id or None, events=changed(row.id),
        concerns=(incident_owner(row.id),),
    )  # fmt: skip


@act(
    "operations.incident.merge", verb="combine", activity=ACTIVITY, roles=STEPS["merge"].roles, duty=True, groups=NEED, gather=concerned,
    input=Merged, output=IncidentId, fr=STEPS["merge"].fr, en=STEPS["merge"].en,
)  # fmt: skip
def merge(ctx: Ctx, given: Merged) -> Effect:
    """The duplicate ends; its calls for help, its tasks and, where the other has none, its mission go over."""
    row, into = incident_row(ctx, given.incident), incident_row(ctx, given.into)
    if row.id == into.id or into.state in OVER:
        raise Conflict(
            Text(
                "L’autre incident doit être un autre, et en cours.", "The other incident must be another one, and open."
            ),
            Text("Choisissez-le dans la liste.", "Choose it from the list."),
        )
    change, after = moving(ctx, row, STEPS["merge"], LineBody(other=into.id, made_at=given.made_at), merged=into.id)
    told = body_of(ctx.kernel, row)
    added = line(
        ctx, into.id, "merged", LineBody(text=f"{told.title}\n{told.text}".strip(), other=row.id, made_at=given.made_at)
    )

    def both(connection: Connection) -> None:
        change(connection)
        for table in (tables.incident_alert, tables.task):
            connection.execute(update(table).where(table.c.incident == row.id).values(incident=into.id))
        table = tables.incident
        connection.execute(
            update(table).where(table.c.id == into.id, table.c.mission.is_(None)).values(mission=row.mission)
        )
        insert_all(connection, [added])

    return Effect(
        IncidentId(row.id, after), apply=both, events=changed(row.id, into.id),
        concerns=(incident_owner(row.id), incident_owner(into.id)),
    )  # fmt: skip


ACTS: tuple[Act, ...] = (
    open_incident, from_alert, attach, list_incidents, follow, read, note, change, confirm, assign, arrive, resolve, close, dismiss, merge,
)  # fmt: skip
