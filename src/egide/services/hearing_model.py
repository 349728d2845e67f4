"""A hearing by video: what is kept of it beside its file's chain, what of it each side sees, and what the law asks of it.

Where it stands is the file's state, and what was done is the chain: an acknowledgement of rights is an event with the sheet's
hash, a confirmation one with the statement's. Source: decree 2024-139 (CPP R2-25 to R2-29); the facts are those of law/fr/cpp.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from egide.kernel.act import Ctx, Facts
from egide.kernel.clock import iso
from egide.services import hearing_tables, recording_model
from egide.services.answers import holds
from egide.services.definition import ROOM, Definition, Transition
from egide.services.hearing_sheet import sheets
from egide.services.model import PURPOSE, EventBody, body_of, definition_of, events_of, file_owner
from egide.services.recording_model import RecordingShown

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

PROPOSE = "propose"
WRITING = ("heard", "in_person", "heard_here")  # in which the statement is written
# Rule groups of law/fr/cpp: the decree's, and those of a statement that is no complaint, by analogy.
BEGIN, CLOSE = "remote-hearing", "remote-hearing-close"
BEGIN_STATEMENT, CLOSE_STATEMENT = "remote-statement", "remote-statement-close"
LINES = 500  # of what is written in the room, the newest


class InPerson(msgspec.Struct):
    """The hearing in person that follows: when (ISO 8601), where."""

    at: str
    place: str


class HearingBody(msgspec.Struct, omit_defaults=True):
    """What is kept of a hearing; sealed. `alone`: when the person answered that they were not alone or not safe."""

    slots: list[str] = []
    slot: str = ""
    statement: str = ""
    alone: str = ""
    call: str = ""  # how they would rather be reached then
    in_person: InPerson | None = None


class LineBody(msgspec.Struct):
    """What somebody wrote in the room; sealed."""

    text: str


class Written(msgspec.Struct):
    """What was written in the room, as both sides see it."""

    id: str
    at: str
    officer: bool
    text: str


class HearingShown(msgspec.Struct):
    """A hearing as one side sees it. `alone`, `call`: to the officer alone; `due`: the law wants a hearing in person too."""

    slots: list[str]
    slot: str
    statement: str
    digest: str
    sheet: str
    room: bool
    due: bool
    in_person: InPerson | None
    lines: list[Written]
    unanswered: int
    alone: str = ""
    call: str = ""
    recording: RecordingShown | None = None


def digest_of(text: str) -> str:
    """SHA-256 of a statement."""
    return hashlib.sha256(text.encode()).hexdigest()


def sheet_digest(definition: Definition) -> str:
    """The hash of the sheet of rights that this service shows; "" where it shows none."""
    return sheets()[definition.hearing.rights].digest if definition.hearing is not None else ""


# -- what is kept -----------------------------------------------------------------------------------------------------


def kept(kernel: Kernel, connection: Connection, file: str) -> HearingBody:
    """What is kept of a hearing so far."""
    table = hearing_tables.hearing
    row = connection.execute(select(table.c.body).where(table.c.file == file)).first()
    if row is None:
        return HearingBody()
    return msgspec.json.decode(
        kernel.vault.open_(file_owner(file), PURPOSE, row.body, f"{file}.hearing".encode()), type=HearingBody
    )


def change(kernel: Kernel, connection: Connection, file: str, how: Callable[[HearingBody], None]) -> None:
    """Changes it in the transaction that it is in: what the other side changed a moment ago stays."""
    table, body = hearing_tables.hearing, kept(kernel, connection, file)
    how(body)
    sealed = kernel.vault.seal(file_owner(file), PURPOSE, msgspec.json.encode(body), f"{file}.hearing".encode())
    if not connection.execute(update(table).where(table.c.file == file).values(body=sealed)).rowcount:
        connection.execute(insert(table), {"file": file, "body": sealed})


def write_line(kernel: Kernel, connection: Connection, file: str, id_: str, at: int, by: str | None, text: str) -> None:
    """Writes what somebody wrote in the room; `by`: the officer, None: the person."""
    body = kernel.vault.seal(
        file_owner(file), PURPOSE, msgspec.json.encode(LineBody(text)), f"{file}.line.{id_}".encode()
    )
    row = {"id": id_, "file": file, "at": at, "officer": by is not None, "by": by, "body": body}
    connection.execute(insert(hearing_tables.line), row)


def lines_of(kernel: Kernel, connection: Connection, file: str) -> list[Written]:
    """What was written in the room, in order."""
    table = hearing_tables.line
    rows = connection.execute(
        select(table).where(table.c.file == file).order_by(table.c.at.desc(), table.c.id).limit(LINES)
    ).all()

    def text(row: Any) -> str:
        sealed = kernel.vault.open_(file_owner(file), PURPOSE, row.body, f"{file}.line.{row.id}".encode())
        return msgspec.json.decode(sealed, type=LineBody).text

    return [Written(row.id, iso(row.at), row.officer, text(row)) for row in reversed(rows)]


def drop(connection: Connection, file: str) -> None:
    """Deletes the rows of a file that is erased."""
    for table in (hearing_tables.line, hearing_tables.hearing):
        connection.execute(delete(table).where(table.c.file == file))


# -- where it stands --------------------------------------------------------------------------------------------------


def before(definition: Definition) -> tuple[str, ...]:
    """The states in which no time has been proposed, or no longer."""
    return next(step.origins for step in definition.transitions if step.id == PROPOSE)


def since_asked(definition: Definition, events: Sequence[Any], bodies: Sequence[Any]) -> list[tuple[str, EventBody]]:
    """(step, its words) since the file last stood where an appointment is asked for: what was done before counts no more."""
    start = max((at + 1 for at, event in enumerate(events) if event.state in before(definition)), default=0)
    return [
        (event.step, msgspec.json.decode(body, type=EventBody) if body else EventBody())
        for event, body in zip(events[start:], bodies[start:], strict=True)
    ]


def unanswered(done: Sequence[tuple[str, EventBody]]) -> int:
    """How many corrections were asked for that nobody has answered."""
    steps = [step for step, _ in done]
    return max(0, steps.count("correct") - steps.count("amend"))


def due_in_person(definition: Definition, answers: Mapping[str, Any], body: HearingBody) -> bool:
    """Whether a hearing in person must follow: after these answers, or because the officer fixed one (CPP R2-25 II)."""
    named = definition.hearing.in_person if definition.hearing is not None else ()
    return body.in_person is not None or (bool(named) and holds(named, answers))


def shown(
    ctx: Ctx, row: Any, events: Sequence[Any], bodies: Sequence[Any], answers: Mapping[str, Any], *, officer: bool
) -> HearingShown | None:
    """A hearing as one side sees it; None of a file of a service without one, and of one that nobody asked to tell by video."""
    definition = definition_of(row)
    if definition.hearing is None or not any(one.state in before(definition) for one in events):
        return None
    body, done = kept(ctx.kernel, ctx.db, row.id), since_asked(definition, events, bodies)
    asked = row.state in before(definition)
    found = HearingShown(
        [] if asked else body.slots, "" if asked else body.slot, body.statement, digest_of(body.statement), sheet_digest(definition), row.state in ROOM,
        due_in_person(definition, answers, body), body.in_person, lines_of(ctx.kernel, ctx.db, row.id), unanswered(done),
    )  # fmt: skip
    if officer:
        found.alone, found.call = body.alone, body.call
    found.recording = recording_model.shown(ctx, row, definition, [one.step for one in events], done)
    return found


# -- what the law asks ------------------------------------------------------------------------------------------------


def begin_facts(ctx: Ctx, row: Any, _transition: Transition) -> Facts:
    """Whether all that must come before a hearing by video has come."""
    definition = definition_of(row)
    done = dict(since_asked(definition, *events_of(ctx.kernel, ctx.db, row.id)))
    told = done.get("acknowledge")
    return {
        "hearing_chosen": "choose" in done,
        "rights_acknowledged": told is not None and told.digest == sheet_digest(definition),
        "identity_checked": "identify" in done,
        "alone_and_safe": {"ready", "ask_safe"} <= done.keys(),
    }


def close_facts(ctx: Ctx, row: Any, transition: Transition) -> Facts:
    """Whether the report may be signed, and its hearing ended or not."""
    definition, body = definition_of(row), kept(ctx.kernel, ctx.db, row.id)
    done = since_asked(definition, *events_of(ctx.kernel, ctx.db, row.id))
    confirmed = dict(done).get("confirm")
    due = due_in_person(definition, body_of(ctx.kernel, row).answers, body)
    ends = definition.state(transition.to).ends
    return {
        "report_confirmed": confirmed is not None and confirmed.digest == digest_of(body.statement),
        "corrections_answered": unanswered(done) == 0,
        "in_person_missing": due and (ends or body.in_person is None),
    }


# Of whom it is not the business nothing may be learnt: every fact as in a lawful situation, so that one rule alone refuses.
LAWFUL: dict[str, Facts] = {
    BEGIN: {"hearing_chosen": True, "rights_acknowledged": True, "identity_checked": True, "alone_and_safe": True},
    CLOSE: {"report_confirmed": True, "corrections_answered": True, "in_person_missing": False},
}
LAWFUL |= {BEGIN_STATEMENT: LAWFUL[BEGIN], CLOSE_STATEMENT: LAWFUL[CLOSE]}
GROUPS: dict[str, Callable[[Ctx, Any, Transition], Facts]] = {
    BEGIN: begin_facts, CLOSE: close_facts, BEGIN_STATEMENT: begin_facts, CLOSE_STATEMENT: close_facts,
}  # fmt: skip


def facts_of(ctx: Ctx, row: Any | None, transition: Transition) -> Facts:
    """The facts of a step's own rule groups; `row`: the file, None where it is not there or not their business."""
    judged = row is not None and definition_of(row).hearing is not None
    found: Facts = {}
    for group in transition.groups:
        found |= GROUPS[group](ctx, row, transition) if judged else LAWFUL[group]
    return found
