"""What an officer takes along: the files they have to do with, and the homes to pass by, sealed on their device.

The forms of the pack are the same for everybody and lie in its cache (gateways/field_pages.py); this is the part that is about
people, given to an enrolled device only, at each contact anew. Which files went along is kept, so that what comes back for one
that was handed over meanwhile is known to be meant for it (outbox.py). Of a file goes what tells it from another, no more.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from egide.kernel.act import Act, Ctx, Effect, act
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.services import outbox_tables, rounds, tables
from egide.services.definition import catalogue
from egide.services.devices import DeviceRef, enrolled
from egide.services.filing import OFFICERS
from egide.services.model import body_of, definition_of, file_owner
from egide.services.outbox_entries import COMPLETE
from egide.services.outbox_tables import PURPOSE

MOST = 30  # files of one officer; the most urgent
KEPT_US = (
    30 * 86_400_000_000
)  # µs it is known that a file went along: as long as files wait for their act (upload_acts.py)


class Carried(msgspec.Struct):
    """A file as its officer knows it outside. `events`: how many it had; `report`: a further report may be added."""

    id: str
    number: str
    title: Words
    said: Words
    place: str
    events: int
    report: bool


class Pack(msgspec.Struct):
    """The officer's open files, the most urgent first, and the homes to pass by, the one longest unseen first."""

    files: list[Carried]
    stops: list[rounds.Stop]
    at: str


@act(
    "services.outbox.pack", verb="consult", activity=PURPOSE, roles=OFFICERS, groups=["offline-device"], gather=enrolled, duty=True,
    input=DeviceRef, output=Pack, fr="Emporter ses dossiers et ses passages", en="Take one’s files and rounds along",
)  # fmt: skip
def pack(ctx: Ctx, given: DeviceRef) -> Effect:
    table, stops = tables.file, rounds.stops(ctx)
    mine = (table.c.officer == ctx.principal.id) & table.c.closed.is_(None)
    order = (table.c.due.is_(None), table.c.due, table.c.opened.desc())
    passed = {one.file for one in stops}
    found = [row for row in ctx.db.execute(select(table).where(mine).order_by(*order)) if row.id not in passed]
    rows = [row for row in found if catalogue().find(row.service, row.version) is not None][:MOST]
    ids = [*(row.id for row in rows), *passed]
    return Effect(
        Pack([_carried(ctx, row) for row in rows], stops, iso(ctx.now_us)),
        apply=lambda connection: _remember(connection, given.device, ids, ctx.now_us),
        concerns=tuple(file_owner(id_) for id_ in ids),
    )


def _carried(ctx: Ctx, row: Any) -> Carried:
    definition, answers = definition_of(row), body_of(ctx.kernel, row).answers
    places = [answers[one.id]["address"] for one in definition.fields if one.kind == "place" and answers.get(one.id)]
    further = any(one.id == COMPLETE and row.state in one.origins for one in definition.transitions)
    return Carried(
        row.id, row.number, definition.title, definition.state(row.state).say, places[0] if places else "", row.events, further
    )  # fmt: skip


def _remember(connection: Connection, device: str, ids: list[str], now_us: int) -> None:
    table = outbox_tables.carried
    of_device = table.c.device == device
    connection.execute(delete(table).where(of_device, table.c.at < now_us - KEPT_US))
    known = {row.file for row in connection.execute(select(table.c.file).where(of_device, table.c.file.in_(ids)))}
    connection.execute(update(table).where(of_device, table.c.file.in_(known)).values(at=now_us))
    new = [{"device": device, "file": id_, "at": now_us} for id_ in ids if id_ not in known]
    if new:
        connection.execute(insert(table), new)


ACTS: tuple[Act, ...] = (pack,)
