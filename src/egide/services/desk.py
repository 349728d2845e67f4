"""The officer's desk: what waits, the most urgent first; a file read for one's work on it; each step of it an act of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, case, delete, func, or_, select

from egide.kernel.act import Act, Ctx, Effect, Facts, Gather, Input, Nothing, act
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.forget import forget_acts
from egide.kernel.kernel import Kernel
from egide.protocols.positions import on_earth
from egide.services import hearing, hearing_model, outbox_tables, recording_store, signing, tables, uploads
from egide.services.definition import HOLDER, Definition, Transition, catalogue
from egide.services.entitled import ENTRY, MAGISTRATE, deciding, may, sees, works_on
from egide.services.filing import OFFICERS, acts_of, slug
from egide.services.holding import FileShown, StepDone, own_act, shown, step
from egide.services.model import PURPOSE, Where, definition_of, file_owner, file_row
from egide.services.questions import Line, lines
from egide.services.right_words import RIGHTS
from egide.services.signing import SignedStep

QUEUE = 500  # files shown; who has more waiting sees the most urgent
READERS = (*OFFICERS, MAGISTRATE)
NEVER = 2**62  # µs, later than any deadline
ANSWERING = {"grant": Words("Accorder", "Grant"), "refuse": Words("Refuser", "Refuse")}  # own_rights.py
GONE = Words("Version du service qui n’est plus installée", "Version of the service that is no longer installed")
MAX_ACCURACY_M = 100_000  # m; a place that is less sure than this is none


class FileRef(Input):
    """One file."""

    file: str


class FileStep(FileRef):
    """One step of a file, and words where they are due. `made_at`: where it was made without network, when (ISO 8601)."""

    text: str = ""
    staged: str = ""  # the outbox's entry whose files came before it (entitled.py)
    client_id: str = ""
    made_at: str = ""


class Passage(FileStep):
    """A patrol passed by. Where: only if the officer gives it (degrees WGS84, metres); the ledger does not keep it."""

    unkept: ClassVar[frozenset[str]] = frozenset({"lat", "lon", "accuracy"})

    lat: float | None = None
    lon: float | None = None
    accuracy: float = 0.0


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


class Offer(msgspec.Struct):
    """A step that this officer may take now: its act, its words, whether words are due, whether it is signed.

    `step_up`: with their passkey; `card`: with their card too, where they have it here.
    """

    act: str
    say: Words
    reason: bool
    signed: bool
    step_up: bool
    card: bool


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
    """Whether this officer has to do with the file, or this magistrate now."""
    row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
    return {"concerned": row is not None and sees(ctx.principal, row)}


def concerned_by(definition: Definition, transition: Transition) -> Gather:
    """The same for one step."""

    def gather(ctx: Ctx, given: FileStep | SignedStep) -> Facts:
        row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
        waits = row is not None and row.service == definition.id and row.state in transition.origins
        decides = MAGISTRATE in transition.roles and MAGISTRATE in ctx.principal.roles
        may = row is not None and (works_on(ctx.principal, row) or (waits and decides))
        known = row if row is not None and may and row.service == definition.id else None
        found = {"concerned": may} | hearing_model.facts_of(ctx, known, transition)
        return found | (signing.facts_of(ctx, given, known, transition) if isinstance(given, SignedStep) else {})

    return gather


@act(
    "services.desk.queue", verb="consult", activity="service-desk", roles=READERS, duty=True, output=Queue,
    fr="Voir ce qui attend", en="See what waits",
)  # fmt: skip
def queue(ctx: Ctx, _given: Nothing) -> Effect:
    table, who = tables.file, ctx.principal
    soonest = case((table.c.right_due < func.coalesce(table.c.due, NEVER), table.c.right_due), else_=table.c.due)
    asked = select(table).where(table.c.closed.is_(None) | table.c.right.is_not(None))
    asked = asked.order_by(soonest.is_(None), soonest, table.c.opened)
    if who.roles.isdisjoint(OFFICERS):
        waits = [(one, deciding(one)) for one in catalogue().versions.values()]
        theirs = [
            (table.c.service == one.id) & (table.c.version == one.version) & table.c.state.in_(sorted(states))
            for one, states in waits
            if states
        ]
        asked = asked.where(or_(*theirs))
    elif "command" not in who.roles:
        asked = asked.where((table.c.unit.in_(["", who.unit])) | (table.c.officer == who.id))
    rows = ctx.db.execute(asked.limit(QUEUE)).all()
    return Effect(Queue([_waiting(ctx, row) for row in rows]))


def _waiting(ctx: Ctx, row: Any) -> Waiting:
    """A line of the queue; a right that awaits its answer is part of what waits."""
    definition = catalogue().find(row.service, row.version)
    due = min(filter(None, (row.due, row.right_due)), default=None)
    title, said = Words(row.service, row.service), GONE  # one file whose version is gone hides no other
    if definition is not None:
        title, said = definition.title, definition.state(row.state).say
    if row.right is not None:
        right = RIGHTS[row.right]
        said = Words(f"{said.fr} — {right.fr}", f"{said.en} — {right.en}")
    return Waiting(
        row.id, row.number, row.service, title, row.state, said, iso(row.since), iso(due) if due else "",
        due is not None and due < ctx.now_us, row.officer == ctx.principal.id, row.officer is not None,
    )  # fmt: skip


def _read(ctx: Ctx, given: FileRef) -> Effect:
    row = file_row(ctx.db, given.file)
    _of_this(ctx, row)
    definition, file = definition_of(row), shown(ctx, row)
    steps = [
        Offer(
            f"services.{slug(definition.id)}.{slug(one.id)}",
            one.say,
            one.reason,
            one.signed,
            signing.asks_key(ctx, one),
            one.signed and one.output is not None and signing.CARD in ctx.kernel.things,
        )
        for one in definition.transitions
        if row.closed is None
        and row.state in one.origins
        and not ctx.principal.roles.isdisjoint(set(one.roles) - {HOLDER})
    ]
    if row.right is not None and works_on(ctx.principal, row):
        steps += [
            Offer(
                f"services.rights.{name}",
                Words(f"{said.fr} : {right.fr}", f"{said.en}: {right.en}"),
                True,
                False,
                False,
                False,
            )
            for name, said in ANSWERING.items()
            for right in [RIGHTS[row.right]]
        ]
    opened = Opened(
        file,
        definition.title,
        definition.state(row.state).say,
        lines(definition.fields, file.answers),
        uploads.files_of(ctx.kernel, ctx.db, file_owner(row.id)),
        steps,
    )
    return Effect(opened, concerns=(file_owner(row.id),))


def _of_this(ctx: Ctx, row: Any) -> None:
    if slug(row.service) != ctx.act.name.split(".")[1]:
        raise NotFound(Text("Ce dossier est d’un autre service.", "This file is of another service."))


def _step(transition_id: str) -> Any:
    async def handler(ctx: Ctx, given: FileStep | SignedStep) -> Effect:
        row, who = file_row(ctx.db, given.file), ctx.principal
        _of_this(ctx, row)
        found = next((one for one in definition_of(row).transitions if one.id == transition_id), None)
        if found is None:
            raise Conflict(
                Text("Cette version du service n’a pas cette étape.", "This version of the service has no such step.")
            )
        # What a magistrate decides stays on the desk it lies on; who passes by takes nothing over.
        stays = who.roles.isdisjoint(OFFICERS) or found.round is not None
        taken: dict[str, Any] = {} if stays else {"officer": who.id, "unit": row.unit or who.unit}
        if isinstance(given, SignedStep):
            effect = await signing.signed(ctx, row, found, given, made=given.made_at, **taken)
        else:
            effect = step(ctx, row, found, given.text, who.id, made=given.made_at, where=_where(given), **taken)
        return with_files(ctx, given.staged, row.id, effect) if given.staged else effect

    return handler


def _where(given: FileStep) -> Where | None:
    if not isinstance(given, Passage) or given.lat is None or given.lon is None:
        return None
    if not on_earth(given.lat, given.lon) or not 0 <= given.accuracy <= MAX_ACCURACY_M:
        raise BadInput(
            Text("Cette position n’est pas sur la Terre.", "This position is not on the Earth."),
            Text("Reprenez-la, ou notez le passage sans elle.", "Take it again, or note the round without it."),
        )
    return Where(given.lat, given.lon, given.accuracy)


def with_files(ctx: Ctx, entry: str, file: str, effect: Effect) -> Effect:
    """The files that an officer's device sent before this act are the file's, in the same transaction. Raises `NotFound`."""
    may(ctx, f"{ENTRY}:{entry}", "", "read")
    may(ctx, file_owner(file), "", "add")
    effect.changes += uploads.hand_over(f"{ENTRY}:{entry}", file_owner(file))
    return effect


def _input(transition: Transition) -> type[FileStep | SignedStep]:
    if transition.signed:
        return SignedStep
    return FileStep if transition.round is None else Passage


def _step_act(definition: Definition, transition: Transition) -> Act:
    return act(
        f"services.{slug(definition.id)}.{slug(transition.id)}", verb="decide" if transition.signed else "alter",
        activity=definition.activity, roles=[role for role in transition.roles if role != HOLDER],
        groups=["need-to-know", *transition.groups, *([signing.GROUP] if transition.signed else [])],
        gather=concerned_by(definition, transition), duty=True, input=_input(transition), output=StepDone,
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
                f"services.{slug(definition.id)}.read", verb="consult", activity=definition.activity, roles=READERS if deciding(definition) else OFFICERS, groups=["need-to-know"],
                gather=concerned, duty=True, input=FileRef,
                output=Opened,
                fr=f"Lire un dossier : {definition.title.fr}", en=f"Read a file: {definition.title.en}",
            )(_read)
        )  # fmt: skip
        special = hearing.acts_of(definition)
        made += special
        there = {one.name for one in special}
        for transition in _steps(definition):
            if (
                set(transition.roles) - {HOLDER}
                and f"services.{slug(definition.id)}.{slug(transition.id)}" not in there
            ):
                made.append(_step_act(definition, transition))
            if HOLDER in transition.roles and f"services.{slug(definition.id)}.my_{slug(transition.id)}" not in there:
                made.append(own_act(definition, transition))
    return tuple(made)


def _steps(definition: Definition) -> list[Transition]:
    """The steps of every version: a file keeps the one it was begun with; of the same step the newest one's words."""
    every = sorted(
        (one for one in catalogue().versions.values() if one.id == definition.id), key=lambda one: one.version
    )
    return list({step.id: step for version in every for step in version.transitions}.values())


def erase(kernel: Kernel, file: str) -> Callable[[Connection], None]:
    """What destroys a file: its key, its rows, and what the ledger said of it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(file_owner(file), PURPOSE)
        uploads.release(file_owner(file), kernel.clock.now_us()).make(connection)
        hearing_model.drop(connection, file)
        recording_store.drop(connection, file, kernel.clock.now_us())
        connection.execute(delete(tables.document).where(tables.document.c.file == file))
        connection.execute(delete(tables.event).where(tables.event.c.file == file))
        connection.execute(delete(outbox_tables.carried).where(outbox_tables.carried.c.file == file))
        connection.execute(delete(tables.file).where(tables.file.c.id == file))
        forget_acts(connection, file_owner(file))

    return destroy


ACTS: tuple[Act, ...] = (queue,)
