"""Tasks of a mission: proposed by command, accepted or declined by whoever they are given to, begun, finished, or taken back.

The one who has a task says how it goes, nobody for them, and no machine: every step is that person's act. A task given to a unit
is taken by the first of its officers who accepts it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import new_id
from egide.kernel.retention import keep
from egide.operations import incident_tables as tables
from egide.operations.facts import one, open_mission_row
from egide.operations.incident_desk import TASK_CHANGED, WORK, mine
from egide.operations.incident_log import incident_row, insert_all, line
from egide.operations.incident_model import (
    MAX_TEXT,
    MAX_TITLE,
    TASK_OVER,
    TASK_STEPS,
    TASK_WORDS,
    FromClient,
    LineBody,
    TaskBody,
    incident_owner,
    mission_owner,
    moment,
    next_state,
    place,
    sentence,
)

CATEGORY = "mission-work"  # a mission's tasks and drawings
ACTIVITY = "mission-work"
NEED = ("need-to-know",)


class NewTask(FromClient):
    """A task for an officer or for a unit; until when (ISO 8601), where (WGS84 degrees)."""

    mission: str
    title: str
    person: str = ""
    unit: str = ""
    incident: str = ""
    text: str = ""
    deadline: str = ""
    lat: float | None = None
    lon: float | None = None


class TaskStep(FromClient):
    """One step of a task; why, where it is declined or cancelled."""

    task: str
    reason: str = ""


class TaskId(msgspec.Struct):
    """The task's id, and its state now."""

    id: str
    state: str


def kept(connection: Connection, mission: str) -> None:
    """A mission's first task or drawing puts them under the retention clock, which starts when the mission closes."""
    row = keep(CATEGORY, mission)
    known = kernel_tables.retained
    if connection.execute(select(known.c.id).where(known.c.id == row["id"])).first() is None:
        connection.execute(insert(known), row)


def _deadline(given: str) -> int | None:
    if not given:
        return None
    until = moment(given)
    if until is None:
        raise BadInput(
            Text("Échéance illisible.", "Unreadable deadline."),
            Text("Donnez date, heure et fuseau.", "Give date, time and zone."),
        )
    return until


def _given_to(ctx: Ctx, given: NewTask) -> None:
    person, unit = kernel_tables.person.c, kernel_tables.unit.c
    if bool(given.person) == bool(given.unit):
        raise BadInput(
            Text("Donnez la tâche à un agent ou à une unité.", "Give the task to one officer or to one unit.")
        )
    query = (
        select(person.id).where(person.id == given.person, person.active.is_(True))
        if given.person
        else select(unit.id).where(unit.id == given.unit)
    )
    if ctx.db.execute(query).first() is None:
        raise BadInput(
            Text("Cet agent ou cette unité n’existe pas.", "This officer or this unit does not exist."),
            Text("Choisissez dans la liste.", "Choose from the list."),
        )


@act(
    "operations.task.propose", verb="collect", activity=ACTIVITY, roles=["command"], duty=True, input=NewTask, output=TaskId,
    fr="Proposer une tâche", en="Propose a task",
)  # fmt: skip
def propose(ctx: Ctx, given: NewTask) -> Effect:
    mission = open_mission_row(ctx, given.mission)
    _given_to(ctx, given)
    if given.incident and incident_row(ctx, given.incident).mission != mission.id:
        raise BadInput(Text("Cet incident n’est pas de cette mission.", "This incident is not of this mission."))
    id_ = new_id()
    lat, lon = place(given.lat, given.lon)
    body = TaskBody(
        sentence(given.title, MAX_TITLE), sentence(given.text, MAX_TEXT, needed=False), made_at=given.made_at
    )
    row = {
        "id": id_, "mission": mission.id, "incident": given.incident or None, "state": "proposed", "created": ctx.now_us, "changed": ctx.now_us,
        "deadline": _deadline(given.deadline), "lat": lat, "lon": lon, "person": given.person or None, "unit": given.unit,
        "author": ctx.principal.id, "body": _sealed(ctx, mission.id, id_, body),
    }  # fmt: skip
    told = _told(ctx, given.incident, id_, body.title, "", "proposed", given.made_at)

    def change(connection: Connection) -> None:
        kept(connection, mission.id)
        insert_all(connection, [(tables.task, row), *told])

    return Effect(
        TaskId(id_, "proposed"), apply=change, order=mission.order_id or None, events=[(TASK_CHANGED, {"task": id_})],
        concerns=(mission_owner(mission.id), *((given.person,) if given.person else ()), *_of(given.incident)),
    )  # fmt: skip


def task_row(ctx: Ctx, id_: str) -> Any:
    """A task; raises `NotFound`."""
    return one(ctx, tables.task, id_, "Cette tâche n’existe pas.", "This task does not exist.")


def _theirs(ctx: Ctx, given: TaskStep) -> Facts:
    """Who has the task; to take it back is for whoever leads (the act's own roles say who that is)."""
    return {"concerned": ctx.act.name.endswith(".cancel") or mine(task_row(ctx, given.task), ctx.principal)}


def _step(ctx: Ctx, given: TaskStep) -> Effect:
    step = TASK_STEPS[ctx.act.name.rpartition(".")[2]]
    row = task_row(ctx, given.task)
    after = next_state(TASK_STEPS, TASK_WORDS, step.name, row.state)
    reason = sentence(given.reason, MAX_TEXT, needed=step.reason)
    sealed = bytes(row.body)
    body = msgspec.json.decode(
        ctx.kernel.vault.open_(mission_owner(row.mission), WORK, sealed, row.id.encode()), type=TaskBody
    )
    body.answer, body.made_at = reason or body.answer, given.made_at
    values = {"state": after, "changed": ctx.now_us, "body": _sealed(ctx, row.mission, row.id, body)}
    if step.name == "accept":
        values["person"] = ctx.principal.id
    told = _told(ctx, row.incident or "", row.id, f"{body.title}\n{reason}".strip(), row.state, after, given.made_at)

    def change(connection: Connection) -> None:
        table = tables.task
        found = connection.execute(
            update(table)
            .where(table.c.id == row.id, table.c.state == row.state, table.c.person.is_not_distinct_from(row.person))
            .values(**values)
        )
        if found.rowcount != 1:
            now = connection.execute(select(table.c.state).where(table.c.id == row.id)).scalar()
            next_state(TASK_STEPS, TASK_WORDS, step.name, str(now))
            raise Conflict(Text("Cette tâche vient de changer.", "This task has just changed."))
        insert_all(connection, told)

    return Effect(
        TaskId(row.id, after), apply=change, events=[(TASK_CHANGED, {"task": row.id})],
        concerns=(mission_owner(row.mission), *((row.person,) if row.person and row.person != ctx.principal.id else ()), *_of(row.incident)),
    )  # fmt: skip


def _declared(name: str) -> Act:
    step = TASK_STEPS[name]
    return act(
        f"operations.task.{name}", verb="alter", activity=ACTIVITY, roles=step.roles, duty=True, groups=NEED, gather=_theirs, recheck=_theirs,
        input=TaskStep, output=TaskId, fr=step.fr, en=step.en,
    )(_step)  # fmt: skip


accept, decline, start, finish, cancel = (_declared(name) for name in TASK_STEPS)


def _sealed(ctx: Ctx, mission: str, id_: str, body: TaskBody) -> bytes:
    return ctx.kernel.vault.seal(mission_owner(mission), WORK, msgspec.json.encode(body), id_.encode())


def _told(
    ctx: Ctx, incident: str, task: str, text: str, before: str, after: str, made_at: str
) -> list[tuple[Any, dict[str, Any]]]:
    """The line that a task leaves in the log of its incident."""
    if not incident:
        return []
    return [line(ctx, incident, "task", LineBody(text=text, before=before, after=after, other=task, made_at=made_at))]


def _of(incident: str | None) -> tuple[str, ...]:
    return (incident_owner(incident),) if incident else ()


def ending(ctx: Ctx, mission: str) -> tuple[Callable[[Connection], None], list[tuple[str, dict[str, Any]]]]:
    """(what closing a mission does to its open tasks, the events): they are cancelled by the same act."""
    table = tables.task
    left = (table.c.mission == mission, table.c.state.not_in(TASK_OVER))
    ids = [row.id for row in ctx.db.execute(select(table.c.id).where(*left))]

    def change(connection: Connection) -> None:
        connection.execute(update(table).where(*left).values(state="cancelled", changed=ctx.now_us))

    return change, [(TASK_CHANGED, {"task": id_}) for id_ in ids]


ACTS: tuple[Act, ...] = (propose, accept, decline, start, finish, cancel)
