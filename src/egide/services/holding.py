"""The person's own file: where it stands and what was said, adding to it, taking it back.

By number and code, without an account.
"""

from __future__ import annotations

import hmac
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, insert, select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import digest
from egide.kernel.retention import trigger
from egide.services import documents, exports, notices, tables
from egide.services.answers import clean
from egide.services.definition import Definition, Transition
from egide.services.filing import category, slug
from egide.services.model import (
    EventBody,
    Who,
    body_of,
    broken,
    definition_of,
    events_of,
    file_owner,
    move,
    no_file,
    said_code,
)

HOLDER = "holder"
MAX_WORDS = 4_000  # characters


class Held(Input):
    """A file's number, and the code of its receipt."""

    unkept: ClassVar[frozenset[str]] = frozenset({"code"})

    number: str
    code: str


class HeldStep(Held):
    """A step of one's own file, and words where they are due."""

    text: str = ""


class EventShown(msgspec.Struct):
    """One event, as its holder or an officer sees it."""

    at: str
    step: str
    state: str
    mine: bool  # by the person whose file it is
    text: str


class FileShown(msgspec.Struct):
    """A file as it stands. `wrong`: what of its chain is not as it was written, in words."""

    id: str
    number: str
    service: str
    version: int
    channel: str
    state: str
    since: str
    due: str
    late: bool
    closed: bool
    answers: dict[str, Any]
    who: Who
    events: list[EventShown]
    head: str
    wrong: Text | None = None
    documents: list[documents.DocumentShown] = []
    proof: str = ""  # the address at which anybody verifies the receipt


class StepDone(msgspec.Struct):
    """Where a file stands after a step."""

    number: str
    state: str


def _row(ctx: Ctx, given: Held | documents.DocumentHeld | documents.DocumentWanted) -> Any:
    """The file, None where number and code do not go together: the law's refusal is the same for both."""
    row = ctx.db.execute(select(tables.file).where(tables.file.c.number == given.number.strip().upper())).first()
    proved = row is not None and hmac.compare_digest(row.secret, digest(said_code(given.code)))
    return row if proved else None


def _gather(ctx: Ctx, given: Held | documents.DocumentHeld | documents.DocumentWanted) -> Facts:
    return {"notice_shown": True, "holder_proved": _row(ctx, given) is not None}


def shown(ctx: Ctx, row: Any, *, to: str = "") -> FileShown:
    """A file, opened and checked; with `to`, the documents that this reader gets."""
    kernel, body = ctx.kernel, body_of(ctx.kernel, row)
    rows, words = events_of(kernel, ctx.db, row.id)
    said = [msgspec.json.decode(one, type=EventBody) if one else EventBody() for one in words]
    events = [
        EventShown(iso(one.at), one.step, one.state, one.officer is None, text.text)
        for one, text in zip(rows, said, strict=True)
    ]
    return FileShown(
        row.id, row.number, row.service, row.version, row.channel, row.state, iso(row.since), iso(row.due) if row.due else "",
        row.due is not None and row.closed is None and row.due < ctx.now_us, row.closed is not None, body.answers, body.who, events, row.head,
        broken(row.id, rows, words, row.head), documents.documents_of(ctx.db, row, to=to), documents.proof(kernel, ctx.db, row),
    )  # fmt: skip


@act(
    "services.file.follow", verb="view", activity="resident-services", roles=["anyone"], groups=["service-holder"], gather=_gather,
    duty=True, input=Held, output=FileShown, fr="Suivre son dossier", en="Follow one’s file",
)  # fmt: skip
def follow(ctx: Ctx, given: Held) -> Effect:
    row = _row(ctx, given)
    if row is None:
        raise no_file()
    return Effect(shown(ctx, row, to=HOLDER), actor=file_owner(row.id))


@act(
    "services.document.ask", verb="alter", activity="resident-services", roles=["anyone"], groups=["collection", "service-holder"],
    gather=_gather, duty=True, input=documents.DocumentWanted, output=documents.Made, fr="Demander un document de son dossier", en="Ask for a document of one’s file",
)  # fmt: skip
async def ask(ctx: Ctx, given: documents.DocumentWanted) -> Effect:
    row = _row(ctx, given)
    if row is None:
        raise no_file()
    return await documents.wanted(ctx, row, given.output, to=HOLDER)


@act(
    "services.document.fetch", verb="view", activity="resident-services", roles=["anyone"], groups=["service-holder"], gather=_gather,
    duty=True, input=documents.DocumentHeld, output=documents.Download, fr="Télécharger un document de son dossier", en="Download a document of one’s file",
)  # fmt: skip
def fetch(ctx: Ctx, given: documents.DocumentHeld) -> Effect:
    row = _row(ctx, given)
    if row is None:
        raise no_file()
    return documents.held(ctx, row, given.document)


def words_of(transition: Transition, text: str) -> str:
    """The words of a step, cleaned. Raises `BadInput` where they are due, or too many."""
    said = clean(text)
    if (transition.reason and not said) or len(said) > MAX_WORDS:
        raise BadInput(
            Text(
                f"Écrivez quelques mots, {MAX_WORDS} signes au plus.",
                f"Write a few words, {MAX_WORDS} characters at most.",
            )
        )
    return said


def step(ctx: Ctx, row: Any, transition: Transition, text: str, by: str | None, **values: Any) -> Effect:
    """The effect of one step. Raises `Conflict` where the file stands elsewhere, `BadInput`."""
    definition = definition_of(row)
    if row.state not in transition.origins:
        state = definition.state(row.state).say
        raise Conflict(
            Text(
                f"Ce dossier est « {state.fr} » : cela ne s’y fait pas.",
                f"This file is “{state.en}”: that cannot be done there.",
            )
        )
    body, kernel = EventBody(words_of(transition, text)), ctx.kernel

    def apply(connection: Connection) -> None:
        move(kernel, connection, row.id, row.state, transition.id, ctx.now_us, by, body, **values)
        jobs = [notices.job_of(kernel, row.id, row.events, ctx.now_us)] if by else []
        if transition.output is not None:
            jobs.append(documents.job_of(row.id, row.events, transition.output, ctx.now_us))
        for one in jobs:
            if one is not None:
                connection.execute(insert(kernel_tables.job), one)
        if definition.state(transition.to).ends:
            trigger(kernel, connection, category(definition), row.id, ctx.now_us)

    told = {"file": row.id, "service": row.service, "state": transition.to}
    events = [
        ("service.moved", told),
        *exports.leaving(definition, row.id, transition.id, body_of(kernel, row).answers),
    ]
    return Effect(
        StepDone(row.number, transition.to), apply=apply, events=events,
        actor=None if by else file_owner(row.id), concerns=(file_owner(row.id),),
    )  # fmt: skip


def _own(transition_id: str) -> Any:
    def handler(ctx: Ctx, given: HeldStep) -> Effect:
        row = _row(ctx, given)
        if row is None or slug(row.service) != ctx.act.name.split(".")[1]:
            raise no_file()
        found = next((one for one in definition_of(row).transitions if one.id == transition_id), None)
        if found is None or HOLDER not in found.roles:
            raise Conflict(Text("Ce dossier ne le permet pas.", "This file does not allow it."))
        return step(ctx, row, found, given.text, None)

    return handler


def own_act(definition: Definition, transition: Transition) -> Act:
    """The act by which a person takes a step of their own file."""
    return act(
        f"services.{slug(definition.id)}.my_{slug(transition.id)}", verb="alter", activity=definition.activity, roles=["anyone"],
        groups=["collection", "service-holder"], gather=_gather, duty=True, input=HeldStep, output=StepDone,
        fr=f"{transition.say.fr} ({definition.title.fr})", en=f"{transition.say.en} ({definition.title.en})",
    )(_own(transition.id))  # fmt: skip


ACTS: tuple[Act, ...] = (follow, ask, fetch)
