"""The brief of a mission: all an officer needs of it, in one answer that a terminal keeps for when the network is gone.

Bounded: a terminal's offline store takes it whole. Only whoever the mission concerns may have it, and the terminal's copy dies
with its lease.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.clock import iso
from egide.operations import incident_tables as tables
from egide.operations import tables as common
from egide.operations.facts import mission_row
from egide.operations.incident_desk import circle, desk, show_task
from egide.operations.incident_model import incident_owner, kinds, mission_owner

SHOWN_TASKS = 200


class MissionRef(Input):
    """One mission."""

    mission: str


class Brief(msgspec.Struct):
    """A mission as it is kept offline: who, what, where, what is done first; and when it was made."""

    mission: dict[str, Any]
    incidents: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    drawings: list[dict[str, Any]]
    procedures: list[dict[str, Any]]
    made: str


def _concerned(ctx: Ctx, given: MissionRef) -> Facts:
    mission_row(ctx, given.mission)
    return {"concerned": circle(ctx.db, given.mission).holds(ctx.principal)}


@act(
    "operations.mission.brief", verb="consult", activity="mission-work", roles=["officer", "command", "pilot"], duty=True,
    groups=["need-to-know"], gather=_concerned, input=MissionRef, output=Brief, fr="Recevoir toute sa mission", en="Have all of one’s mission",
)  # fmt: skip
def brief(ctx: Ctx, given: MissionRef) -> Effect:
    kernel, db, who = ctx.kernel, ctx.db, ctx.principal
    row, held = mission_row(ctx, given.mission), desk(ctx.kernel)
    on = db.execute(
        select(common.roster.c.person).where(common.roster.c.mission == row.id, common.roster.c.gone.is_(None))
    ).all()
    ids = [
        each.id
        for each in db.execute(
            select(tables.incident.c.id).where(tables.incident.c.mission == row.id).order_by(tables.incident.c.opened)
        )
    ]
    incidents = [one for one in (held.incident(db, id_, who) for id_ in ids) if one]
    task = tables.task
    query = select(task).where(task.c.mission == row.id).order_by(task.c.created.desc()).limit(SHOWN_TASKS)
    drawn = [
        drawing
        for scope in (mission_owner(row.id), *map(incident_owner, ids))
        for drawing in held.drawings(db, who, scope=scope)
    ]
    known = [kinds()[kind] for kind in dict.fromkeys(one["kind"] for one in incidents)]
    procedures = [
        {
            "kind": kind.id,
            "title": {"fr": kind.fr, "en": kind.en},
            "text": {"fr": kind.procedure.fr, "en": kind.procedure.en},
        }
        for kind in known
    ]
    mission = {
        "id": row.id, "title": row.title, "opened": iso(row.opened), "closed": row.closed is not None, "order": row.order_id or None,
        "roster": [{"id": person, "name": kernel.identity.name(person)} for (person,) in on],
    }  # fmt: skip
    tasks = [one for one in (show_task(kernel, each, who) for each in db.execute(query)) if one]
    return Effect(
        Brief(mission, incidents, tasks, drawn, procedures, iso(ctx.now_us)),
        order=row.order_id or None,
        concerns=(mission_owner(row.id),),
    )


ACTS: tuple[Act, ...] = (brief,)
