"""Incidents as they are looked at: the list, followed live, and one of them whole with its log, tasks and drawings."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import NotFound, Text
from egide.kernel.identity import new_id
from egide.kernel.leases import Lease
from egide.operations import incident_tables as tables
from egide.operations.incident_desk import PURPOSE, desk, show_task
from egide.operations.incident_log import ACTIVITY, CREW, NEED, concerned, incident_row
from egide.operations.incident_model import LineBody, incident_owner, kinds


class IncidentRef(Input):
    """One incident."""

    incident: str


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
    return Effect(_everything(ctx), started=lambda: held.join(channel, lease), latest=lambda: _everything(ctx))


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


ACTS: tuple[Act, ...] = (list_incidents, follow, read)
