"""Missions, their rosters and cameras, compared with the acts that opened, changed and ended them (kernel/rights_check.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel.rights_check import Acts, Fault, Told, about_then, fault, made
from egide.kernel.tables import person as people
from egide.operations import incident_check, tables
from egide.operations.source import NewSource
from egide.operations.tak import rights as tak

STOPS = ("operations.camera.stop", "operations.camera.interrupted", "operations.camera.release")


def check(acts: Acts) -> Iterator[Fault]:
    """Missions with their rosters, then cameras."""
    opened = acts.named("operations.mission.open")
    closed = {act.given["mission"]: act for act in acts.named("operations.mission.close") if act.given is not None}
    unknown = any(act.given is None for act in acts.named("operations.mission.close"))
    changes = acts.named("operations.roster.change")
    for row in acts.db.execute(select(tables.mission)):
        acts.checked += 1
        where, act = f"mission {row.id}", _opening(row, opened)
        if act is None:
            if not any(each.given is None for each in opened):
                yield fault(
                    where, "Aucun acte n’a ouvert cette mission, telle quelle", "No act opened this mission as it stands"
                )  # fmt: skip
            continue
        ended = closed.get(row.id)
        if ended is not None and not about_then(row.closed, ended):
            yield fault(
                where, "L’acte l’a close, la ligne dit autre chose", "The act closed it, the row says otherwise", ended.index
            )  # fmt: skip
        if ended is None and row.closed is not None and not unknown:
            yield fault(where, "Aucun acte n’a clos cette mission", "No act closed this mission")
        yield from _roster(acts, row.id, act, changes)
    yield from _cameras(acts)
    yield from _made(acts)
    yield from tak.check(acts)
    yield from incident_check.check(acts)


def _opening(row: Any, opened: list[Told]) -> Told | None:
    return next(
        (
            act
            for act in opened
            if act.given is not None
            and act.order == row.order_id
            and act.given["title"].strip()[:200] == row.title
            and about_then(row.opened, act)
        ),
        None,
    )


def _roster(acts: Acts, mission: str, opening: Told, changes: list[Told]) -> Iterator[Fault]:
    """Who is on the roster now is whom the acts put there and have not taken off."""
    if any(act.given is None for act in changes) or opening.given is None:
        return
    expected, last = set(opening.given.get("roster", [])), opening.index
    for act in changes:
        if act.given is not None and act.given["mission"] == mission:
            expected = (expected - set(act.given.get("remove", []))) | set(act.given.get("add", []))
            last = act.index
    table = tables.roster
    found = set()
    for row in acts.db.execute(select(table).where(table.c.mission == mission)):
        acts.checked += 1
        if row.gone is None:
            found.add(row.person)
    missing = acts.db.execute(select(people.c.id).where(people.c.id.in_(expected - found))).first()
    if found - expected or missing:  # whoever is not among the people any more was erased
        yield fault(
            f"mission {mission}", "L’équipe n’est pas celle des actes", "The roster is not the one of the acts", last
        )


def _made(acts: Acts) -> Iterator[Fault]:
    """Sources, flights, views and notes are as they were asked for."""
    yield from made(
        acts, tables.source, ("operations.source.add",),
        lambda row: (row.kind, row.aerial, row.aircraft, row.service, row.tags, row.lat, row.lon),
        lambda act: _source(msgspec.convert(act.given, NewSource)),
    )  # fmt: skip
    yield from made(
        acts, tables.deployment, ("operations.camera.start",),
        lambda row: (row.mission, row.source, row.order_id), lambda act: (*_of(act, "mission", "source"), act.order), "started",
    )  # fmt: skip
    yield from made(
        acts, tables.watch, ("operations.watch.open", "operations.watch.rtsp"),
        lambda row: (row.deployment, row.person, row.order_id), lambda act: (*_of(act, "deployment"), act.actor, act.order), "opened",
    )  # fmt: skip
    yield from made(
        acts, tables.note, ("operations.note.add",),
        lambda row: (row.mission, row.lat, row.lon, row.person), lambda act: (*_of(act, "mission", "lat", "lon"), act.actor), "at",
    )  # fmt: skip


def _source(given: NewSource) -> tuple[object, ...]:
    tags = " ".join(given.tags)
    return given.kind, given.aerial, given.aircraft[:120], given.service, tags, given.lat, given.lon


def _of(act: Told, *names: str) -> tuple[object, ...]:
    return tuple((act.given or {}).get(name) for name in names)


def _cameras(acts: Acts) -> Iterator[Fault]:
    """A camera that an act stopped is stopped."""
    stopped = {act.given["deployment"]: act for act in acts.named(*STOPS) if act.given is not None}
    table = tables.deployment
    for row in acts.db.execute(select(table.c.id, table.c.ended)):
        acts.checked += 1
        act = stopped.get(row.id)
        if act is not None and (row.ended is None or row.ended > act.at):
            yield fault(
                f"deployment {row.id}", "L’acte l’a arrêtée, la ligne dit autre chose", "The act stopped it, the row says otherwise", act.index
            )  # fmt: skip
