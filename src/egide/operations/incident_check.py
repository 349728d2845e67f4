"""Incidents and tasks compared with the acts that led them from state to state (kernel/rights_check.py).

The steps are taken again, in the order of the ledger: whoever edits a state, an urgency or whose task it is in the store says
something that no act said. An act that was sent twice did nothing the second time, and so it does here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel.act import Input
from egide.kernel.rights_check import Acts, Fault, Told, about_then, fault, made
from egide.operations import incident_tables as tables
from egide.operations.incident_model import OVER, STEPS, TASK_OVER, TASK_STEPS, Step, incident_owner, mission_owner
from egide.operations.incidents import FromAlert, NewIncident

OPENED: dict[str, type[Input]] = {"operations.incident.open": NewIncident, "operations.incident.from_alert": FromAlert}
CHANGED = "operations.incident.change"
MISSION_OPENED, MISSION_CLOSED = "operations.mission.open", "operations.mission.close"


def check(acts: Acts) -> Iterator[Fault]:
    """Incidents, then tasks."""
    yield from _incidents(acts)
    yield from _tasks(acts)


def _incidents(acts: Acts) -> Iterator[Fault]:
    """State, kind and urgency are what the acts about this incident made of it."""
    about: dict[str, list[Told]] = defaultdict(list)
    names = (
        *OPENED,
        CHANGED,
        "operations.cap.import",
        MISSION_OPENED,
        *(f"operations.incident.{name}" for name in STEPS),
    )
    for act in acts.named(*names):
        for person in act.people:
            about[person].append(act)
    for row in acts.db.execute(select(tables.incident)):
        acts.checked += 1
        told = about[incident_owner(row.id)]
        if any(act.given is None for act in told):
            continue  # somebody who led it was erased, and with them what they said
        where = f"incident {row.id}"
        if not told:
            yield fault(where, "Aucun acte n’a ouvert cet incident", "No act opened this incident")
            continue
        state, kind, priority = _led(row.id, told)
        if row.state != state or (row.closed is None) != (state not in OVER):
            yield fault(
                where, "Son état n’est pas celui des actes", "Its state is not the one of the acts", told[-1].index
            )
        if kind and (row.kind, row.priority) != (kind, priority):
            yield fault(
                where,
                "Sa nature ou son urgence n’est pas celle des actes",
                "Its kind or urgency is not the one of the acts",
                told[-1].index,
            )


def _led(id_: str, told: list[Told]) -> tuple[str, str, int]:
    """(state, kind or "" where no act says it, urgency) after these acts."""
    state, kind, priority = "reported", "", 0
    for act in told:
        given = act.given or {}
        if act.act in OPENED:
            first: Any = msgspec.convert(given, OPENED[act.act])
            kind, priority = first.kind, first.priority
        elif act.act == CHANGED and kind:
            kind, priority = given.get("kind") or kind, given.get("priority") or priority
        elif given.get("incident") == id_:
            name = "assign" if act.act == MISSION_OPENED else act.act.rpartition(".")[2]
            state = _stepped(STEPS, name, state)
    return state, kind, priority


def _stepped(steps: dict[str, Step], name: str, state: str) -> str:
    step = steps.get(name)
    return step.after if step is not None and state in step.before else state


def _tasks(acts: Acts) -> Iterator[Fault]:
    """A task was proposed as it stands, its state is that of its steps, and whoever accepted it has it.

    Its incident is left out: a merge changes it, and an erasure.
    """
    yield from made(
        acts, tables.task, ("operations.task.propose",),
        lambda row: (row.mission, row.unit, row.lat, row.lon),
        lambda act: tuple((act.given or {}).get(name, none) for name, none in (("mission", ""), ("unit", ""), ("lat", None), ("lon", None))),
        "created",
    )  # fmt: skip
    steps: dict[str, list[Told]] = defaultdict(list)
    unknown: set[str] = set()
    for act in acts.named(*(f"operations.task.{name}" for name in TASK_STEPS)):
        if act.given is None:
            unknown.update(act.people)
        else:
            steps[act.given["task"]].append(act)
    closed = {act.given["mission"]: act for act in acts.named(MISSION_CLOSED) if act.given is not None}
    for row in acts.db.execute(select(tables.task)):
        if mission_owner(row.mission) in unknown:
            continue
        state, holder = "proposed", None
        for act in steps[row.id]:
            after = _stepped(TASK_STEPS, act.act.rpartition(".")[2], state)
            holder = act.actor if after == "accepted" and state == "proposed" else holder
            state = after
        if state not in TASK_OVER and row.mission in closed and about_then(row.changed, closed[row.mission]):
            state = "cancelled"
        if row.state != state:
            yield fault(f"task {row.id}", "Son état n’est pas celui des actes", "Its state is not the one of the acts")
        if holder is not None and row.person not in (holder, None):
            yield fault(f"task {row.id}", "Elle n’est pas à qui l’a acceptée", "It is not with whoever accepted it")
