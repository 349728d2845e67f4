"""Missions and their rosters: opened, closed, changed; the end of a mission ends its cameras and its work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, Receipt, act
from egide.kernel.identity import new_id
from egide.kernel.retention import trigger
from egide.operations import tables
from egide.operations.cameras import end_deployment
from egide.operations.facts import mission_row
from egide.operations.incident_log import changed, insert_all
from egide.operations.incident_model import FromClient, incident_owner
from egide.operations.incident_steps import assigning
from egide.operations.relay import push_picture, relay
from egide.operations.source import Id
from egide.operations.tasks import CATEGORY as WORK
from egide.operations.tasks import ending


class NewMission(FromClient):
    """A mission, who conducts it, the order its cameras fly under (none: no camera), the incident it is for."""

    title: str
    order: str = ""
    roster: list[str] = []
    incident: str = ""


class MissionRef(Input):
    """A mission."""

    mission: str


class RosterChange(Input):
    """Who joins and who leaves."""

    mission: str
    add: list[str] = []
    remove: list[str] = []


@act(
    "operations.mission.open", verb="collect", activity="operations-means", roles=["command"], duty=True, input=NewMission, output=Id,
    fr="Ouvrir une mission", en="Open a mission",
)  # fmt: skip
def open_mission(ctx: Ctx, given: NewMission) -> Effect:
    order = ctx.kernel.orders.get(given.order, ctx.db).body.id if given.order else ""
    id_ = new_id()
    assigned = assigning(ctx, given.incident, id_, given.made_at) if given.incident else None
    rows: list[tuple[Any, dict[str, Any]]] = [
        (
            tables.mission,
            {
                "id": id_,
                "title": given.title.strip()[:200],
                "order_id": order,
                "opened": ctx.now_us,
                "closed": None,
            },
        )
    ]
    rows += [
        (tables.roster, {"mission": id_, "person": p, "since": ctx.now_us, "gone": None})
        for p in dict.fromkeys(given.roster)
    ]

    def change(connection: Connection) -> None:
        insert_all(connection, rows)
        if assigned is not None:
            assigned(connection)

    return Effect(
        Id(id_),
        apply=change,
        order=order or None,
        events=[("roster.changed", {"mission": id_}), *(changed(given.incident) if given.incident else [])],
        concerns=(*given.roster, *((incident_owner(given.incident),) if given.incident else ())),
        after=lambda _r: push_picture(ctx.kernel),
    )


@act(
    "operations.mission.close", verb="alter", activity="operations-means", roles=["command"], duty=True, input=MissionRef,
    fr="Clore une mission", en="Close a mission",
)  # fmt: skip
def close_mission(ctx: Ctx, given: MissionRef) -> Effect:
    row = mission_row(ctx, given.mission)
    flying = ctx.db.execute(
        select(tables.deployment).where(tables.deployment.c.mission == row.id, tables.deployment.c.ended.is_(None))
    ).all()

    end_work, told = ending(ctx, row.id)

    def apply(connection: Connection) -> None:
        connection.execute(update(tables.mission).where(tables.mission.c.id == row.id).values(closed=ctx.now_us))
        end_work(connection)
        trigger(ctx.kernel, connection, WORK, row.id, ctx.now_us)
        for deployment in flying:
            end_deployment(ctx, connection, deployment.id)

    async def stop(_receipt: Receipt) -> None:
        for deployment in flying:
            await relay(ctx.kernel).stop(deployment.source, "La mission est close.", "The mission is closed.")
        push_picture(ctx.kernel)

    return Effect(
        Nothing(), apply=apply, after=stop, order=row.order_id or None, rights_changed=True,
        events=[("mission.closed", {"mission": row.id}), ("roster.changed", {"mission": row.id}), *told],
    )  # fmt: skip


@act(
    "operations.roster.change", verb="alter", activity="operations-means", roles=["command"], duty=True, input=RosterChange,
    fr="Modifier l’équipe d’une mission", en="Change a mission’s roster",
)  # fmt: skip
def change_roster(ctx: Ctx, given: RosterChange) -> Effect:
    row = mission_row(ctx, given.mission)

    def apply(connection: Connection) -> None:
        table = tables.roster
        for person in given.remove:
            connection.execute(
                update(table).where(table.c.mission == row.id, table.c.person == person).values(gone=ctx.now_us)
            )
        for person in given.add:
            again = connection.execute(
                update(table).where(table.c.mission == row.id, table.c.person == person).values(gone=None)
            )
            if again.rowcount == 0:
                connection.execute(insert(table).values(mission=row.id, person=person, since=ctx.now_us, gone=None))

    return Effect(
        Nothing(),
        apply=apply,
        rights_changed=True,
        events=[("roster.changed", {"mission": row.id})],
        concerns=(*given.add, *given.remove),
        after=lambda _r: push_picture(ctx.kernel),
    )


ACTS: tuple[Act, ...] = (open_mission, close_mission, change_roster)
