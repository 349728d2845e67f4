"""The officer's desk: what waits, the most urgent first; a file read for one's work on it; each step of it an act of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from egide.kernel.act import Act, Ctx, Effect, Facts, Gather, Input, Nothing, act
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.kernel.door import Kernel
from egide.kernel.errors import Conflict, NotFound, Text
from egide.kernel.forget import forget_acts
from egide.services import tables, uploads
from egide.services.answers import asked
from egide.services.definition import Definition, Transition, catalogue
from egide.services.entitled import works_on
from egide.services.filing import OFFICERS, acts_of, slug
from egide.services.holding import HOLDER, FileShown, StepDone, own_act, shown, step
from egide.services.model import PURPOSE, definition_of, file_owner, file_row
from egide.services.questions import plain

QUEUE = 500  # files shown; who has more waiting sees the most urgent
MAGISTRATE = "magistrate"


class FileRef(Input):
    """One file."""

    file: str


class FileStep(FileRef):
    """One step of a file, and words where they are due."""

    text: str = ""
    client_id: str = ""


class Waiting(msgspec.Struct):
    """A file in the queue: nothing in it says whose it is."""

    id: str
    number: str
    service: str
    title: Words
    state: str
    said: Words
    since: str
    due: str
    late: bool
    mine: bool
    taken: bool


class Line(msgspec.Struct):
    """A question and its answer, as people read them."""

    id: str
    label: Words
    fr: str
    en: str


class Offer(msgspec.Struct):
    """A step that this officer may take now: its act, its words, whether words are due, whether it is signed."""

    act: str
    say: Words
    reason: bool
    signed: bool


class Opened(msgspec.Struct):
    """A file as an officer reads it."""

    file: FileShown
    title: Words
    said: Words
    lines: list[Line]
    uploads: list[uploads.FileShown]
    steps: list[Offer]


class Queue(msgspec.Struct):
    """What waits for this officer's unit, the most urgent first."""

    files: list[Waiting]


def concerned(ctx: Ctx, given: FileRef) -> Facts:
    """Whether this officer has to do with the file."""
    row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
    return {"concerned": row is not None and works_on(ctx.principal, row)}


def _concerned_by(definition: Definition, transition: Transition) -> Gather:
    """The same for one step. A magistrate has no desk: a file is theirs while it waits for their decision (CPP 39-3, 41)."""

    def gather(ctx: Ctx, given: FileRef) -> Facts:
        row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
        waits = row is not None and row.service == definition.id and row.state in transition.origins
        decides = MAGISTRATE in transition.roles and MAGISTRATE in ctx.principal.roles
        return {"concerned": row is not None and (works_on(ctx.principal, row) or (waits and decides))}

    return gather


@act(
    "services.desk.queue", verb="consult", activity="service-desk", roles=OFFICERS, duty=True, output=Queue,
    fr="Voir ce qui attend", en="See what waits",
)  # fmt: skip
def queue(ctx: Ctx, _given: Nothing) -> Effect:
    table, who = tables.file, ctx.principal
    asked = select(table).where(table.c.closed.is_(None)).order_by(table.c.due.is_(None), table.c.due, table.c.opened)
    if "command" not in who.roles:
        asked = asked.where((table.c.unit.in_(["", who.unit])) | (table.c.officer == who.id))
    rows = ctx.db.execute(asked.limit(QUEUE)).all()
    return Effect(
        Queue(
            [
                Waiting(
                    row.id, row.number, row.service, definition_of(row).title, row.state, definition_of(row).state(row.state).say, iso(row.since), iso(row.due) if row.due else "",
                    row.due is not None and row.due < ctx.now_us, row.officer == who.id, row.officer is not None,
                )
                for row in rows
            ]
        )
    )  # fmt: skip


def _read(ctx: Ctx, given: FileRef) -> Effect:
    row = file_row(ctx.db, given.file)
    _of_this(ctx, row)
    definition, file = definition_of(row), shown(ctx, row)
    lines = [
        Line(one.id, one.label, said.fr, said.en)
        for one in asked(definition.fields, file.answers)
        for said in [plain(one, file.answers.get(one.id))]
    ]
    steps = [
        Offer(f"services.{slug(definition.id)}.{slug(one.id)}", one.say, one.reason, one.signed)
        for one in definition.transitions
        if row.state in one.origins and not ctx.principal.roles.isdisjoint(set(one.roles) - {HOLDER})
    ]
    opened = Opened(
        file,
        definition.title,
        definition.state(row.state).say,
        lines,
        uploads.files_of(ctx.kernel, ctx.db, file_owner(row.id)),
        steps,
    )
    return Effect(opened, concerns=(file_owner(row.id),))


def _of_this(ctx: Ctx, row: Any) -> None:
    if slug(row.service) != ctx.act.name.split(".")[1]:
        raise NotFound(Text("Ce dossier est d’un autre service.", "This file is of another service."))


def _step(transition_id: str) -> Any:
    def handler(ctx: Ctx, given: FileStep) -> Effect:
        row, who = file_row(ctx.db, given.file), ctx.principal
        _of_this(ctx, row)
        found = next((one for one in definition_of(row).transitions if one.id == transition_id), None)
        if found is None:
            raise Conflict(
                Text("Cette version du service n’a pas cette étape.", "This version of the service has no such step.")
            )
        # What a magistrate decides stays on the desk it lies on.
        taken = {} if who.roles.isdisjoint(OFFICERS) else {"officer": who.id, "unit": row.unit or who.unit}
        return step(ctx, row, found, given.text, who.id, **taken)

    return handler


def _step_act(definition: Definition, transition: Transition) -> Act:
    return act(
        f"services.{slug(definition.id)}.{slug(transition.id)}", verb="decide" if transition.signed else "alter",
        activity=definition.activity, roles=[role for role in transition.roles if role != HOLDER], groups=["need-to-know"],
        gather=_concerned_by(definition, transition), duty=True, input=FileStep, output=StepDone,
        fr=f"{transition.say.fr} ({definition.title.fr})", en=f"{transition.say.en} ({definition.title.en})",
    )(_step(transition.id))  # fmt: skip


@cache
def generated() -> tuple[Act, ...]:
    """Every service's acts: filing, reading, and each of its steps, of officers and of the person."""
    made: list[Act] = []
    for definition in catalogue().current():
        made += acts_of(definition)
        made.append(
            act(
                f"services.{slug(definition.id)}.read", verb="consult", activity=definition.activity, roles=OFFICERS, groups=["need-to-know"],
                gather=concerned, duty=True, input=FileRef,
                output=Opened,
                fr=f"Lire un dossier : {definition.title.fr}", en=f"Read a file: {definition.title.en}",
            )(_read)
        )  # fmt: skip
        for transition in definition.transitions:
            if set(transition.roles) - {HOLDER}:
                made.append(_step_act(definition, transition))
            if HOLDER in transition.roles:
                made.append(own_act(definition, transition))
    return tuple(made)


def erase(kernel: Kernel, file: str) -> Callable[[Connection], None]:
    """What destroys a file: its key, its rows, and what the ledger said of it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(file_owner(file), PURPOSE)
        uploads.release(connection, file_owner(file), kernel.clock.now_us())
        connection.execute(delete(tables.document).where(tables.document.c.file == file))
        connection.execute(delete(tables.event).where(tables.event.c.file == file))
        connection.execute(delete(tables.file).where(tables.file.c.id == file))
        forget_acts(connection, file_owner(file))

    return destroy


ACTS: tuple[Act, ...] = (queue,)
