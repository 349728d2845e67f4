"""An incident led from state to state by people, and merged into the one that tells the same.

Each way from state to state is an act of its own (incident_model.STEPS), so that each is decided, and stands in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select, update

from egide.kernel.act import Act, Ctx, Effect, Receipt, act
from egide.kernel.errors import Conflict, Text
from egide.kernel.retention import trigger
from egide.operations import incident_tables as tables
from egide.operations import tables as common
from egide.operations.alerts import CATEGORY as CALL
from egide.operations.board import CHANGED as ALERT_CHANGED
from egide.operations.board import board
from egide.operations.board import owner as alert_owner
from egide.operations.facts import open_mission_row
from egide.operations.incident_desk import body_of
from egide.operations.incident_log import (
    ACTIVITY,
    CATEGORY,
    NEED,
    IncidentId,
    changed,
    concerned,
    incident_row,
    insert_all,
    line,
)
from egide.operations.incident_model import (
    MAX_TEXT,
    OVER,
    STATE_WORDS,
    STEPS,
    FromClient,
    LineBody,
    Step,
    incident_owner,
    next_state,
    sentence,
)


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
            trigger(ctx.kernel, connection, CALL, alert.id, ctx.now_us)

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
    row, mission = incident_row(ctx, given.incident), open_mission_row(ctx, given.mission)
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


ACTS: tuple[Act, ...] = (confirm, assign, arrive, resolve, close, dismiss, merge)
