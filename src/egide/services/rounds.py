"""The homes that patrols pass by (« opération tranquillité vacances »): which are under watch, since when nobody was there.

A round is a step of the home's file (`round` of its definition). Its holder reads that it was and when; what the officer wrote
and where they stood is the unit's. Nobody is told which homes of other units are empty.

Patrols' maps ask for it (`services.rounds.list`) and keep no copy but the officer's own, sealed: where nobody is at home is
written down once, under the file's key. Of its answers go those that its definition exports to operations, no others.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.services import tables
from egide.services.definition import Definition, catalogue
from egide.services.entitled import works_on
from egide.services.filing import OFFICERS, slug, today
from egide.services.model import EventBody, body_of, events_of, file_owner, happened
from egide.services.questions import plain

MOST = 60  # homes of one patrol
SOON = timedelta(days=3)  # begins while the pack is out
# What the definition asks: the home, what is normal there, from when until when.
HOME, KIND, SIGNS, LEAVE, BACK = "home", "home_kind", "signs", "leave_date", "return_date"


class Stop(msgspec.Struct):
    """A home to pass by. `act`: by which a round is noted; `last`: when somebody passed by last, "": nobody yet."""

    act: str
    file: str
    number: str
    address: str
    lat: float | None
    lon: float | None
    kind: Words
    signs: str
    leave: str
    back: str
    last: str
    rounds: int


class Stops(msgspec.Struct):
    """The homes that the officer's unit watches these days."""

    stops: list[Stop]


@act(
    "services.rounds.list", verb="consult", activity="resident-services", roles=OFFICERS, duty=True, output=Stops,
    fr="Voir les logements devant lesquels passer", en="See the homes to pass by",
)  # fmt: skip
def list_(ctx: Ctx, _given: Nothing) -> Effect:
    found = stops(ctx)
    return Effect(Stops(found), concerns=tuple(file_owner(one.file) for one in found))


def stops(ctx: Ctx) -> list[Stop]:
    """The homes that this officer's unit watches these days, the one longest unseen first."""
    table, day = tables.file, today(ctx)
    services = [one.id for one in catalogue().current() if any(step.round is not None for step in one.transitions)]
    rows = ctx.db.execute(select(table).where(table.c.service.in_(services), table.c.closed.is_(None))).all()
    found = [
        (seen, _stop(row, definition, answers, seen))
        for row in rows
        if works_on(ctx.principal, row)
        for definition in [catalogue().find(row.service, row.version)]
        if definition is not None and _open(definition, row.state)
        for answers in [_exported(definition, body_of(ctx.kernel, row).answers)]
        if date.fromisoformat(answers[LEAVE]) <= day + SOON and day <= date.fromisoformat(answers[BACK])
        for seen in [_seen(ctx, row, definition)]
    ]
    found.sort(key=lambda one: (max(one[0], default=0), one[1].leave))
    return [stop for _seen_at, stop in found[:MOST]]


def _exported(definition: Definition, answers: dict[str, Any]) -> dict[str, Any]:
    fields = {id_ for one in definition.exports if one.target == "operations" for id_ in one.fields}
    return {id_: value for id_, value in answers.items() if id_ in fields}


def _open(definition: Definition, state: str) -> bool:
    """Whether a file in this state is passed by."""
    return any(one.round is not None and state in one.origins for one in definition.transitions)


def _seen(ctx: Ctx, row: Any, definition: Definition) -> list[int]:
    """When somebody passed by, µs."""
    steps = {one.id for one in definition.transitions if one.round is not None}
    rows, bodies = events_of(ctx.kernel, ctx.db, row.id)
    return [
        happened(one.at, msgspec.json.decode(body, type=EventBody).made)
        for one, body in zip(rows, bodies, strict=True)
        if one.step in steps and body
    ]


def _stop(row: Any, definition: Definition, answers: dict[str, Any], seen: list[int]) -> Stop:
    home, kind = answers[HOME], plain(definition.field(KIND), answers.get(KIND))
    step = next(one.id for one in definition.transitions if one.round is not None)
    return Stop(
        f"services.{slug(definition.id)}.{slug(step)}", row.id, row.number, home["address"], home.get("lat"), home.get("lon"), Words(kind.fr, kind.en), answers.get(SIGNS, ""),
        answers[LEAVE], answers[BACK], iso(max(seen)) if seen else "", len(seen),
    )  # fmt: skip


ACTS: tuple[Act, ...] = (list_,)
