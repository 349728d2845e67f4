"""The person's own file: where it stands and what was said, adding to it, taking it back.

By number and code, without an account.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec
from sqlalchemy import Connection, Table, insert, select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import digest
from egide.kernel.passkeys import counted
from egide.kernel.retention import trigger
from egide.protocols.stepup import Evidence
from egide.services import documents, exports, hearing_model, notices, tables, uploads
from egide.services.answers import check, clean, relevant
from egide.services.definition import HOLDER, Definition, Transition
from egide.services.filing import Invalid, category, slug, today
from egide.services.hearing_report import INCIDENTS, NOTED
from egide.services.model import (
    EventBody,
    Where,
    Who,
    body_of,
    bound,
    broken,
    definition_of,
    events_of,
    file_owner,
    happened,
    lateness,
    move,
    no_file,
    said_code,
)
from egide.services.questions import Line, lines
from egide.services.right_words import SAID

SENT = Words("Dossier déposé", "File sent")
ATTACHED = "attached"  # the event by which an officer's files came to a file
ADDED = {ATTACHED: Words("Fichiers joints par un agent", "Files added by an officer")}
MAX_WORDS = 4_000  # characters
PASSED = "service.passed"  # event: a patrol passed by; when, in µs


class Held(Input):
    """A file's number, and the code of its receipt."""

    unkept: ClassVar[frozenset[str]] = frozenset({"code"})

    number: str
    code: str


class HeldStep(Held):
    """A step of one's own file, and words where they are due."""

    text: str = ""


class AskedStep(HeldStep):
    """A step of one's own file that asks questions; files are those that were added to the file before."""

    unkept: ClassVar[frozenset[str]] = frozenset({"code", "answers"})

    answers: dict[str, Any] = {}


class EventShown(msgspec.Struct):
    """One event, as its holder or an officer sees it."""

    at: str
    step: str
    state: str
    mine: bool  # by the person whose file it is
    text: str
    said: Words  # what it was
    where: str = ""  # as the officer gave it; for officers alone
    signed: list[Literal["passkey", "card"]] = []  # with what its officer signed it
    lines: list[Line] = []  # what the step asked, and what was answered
    late: bool = False  # taken after its time


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
    hearing: hearing_model.HearingShown | None = None
    right: str = ""  # that the person exercises and that awaits its answer
    right_due: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a step was signed with, beyond being taken: a passkey over it, a card; and the document that was made at once."""

    proof: Evidence | None = None
    key: tuple[str, int] | None = None  # the passkey and its new count
    once: tuple[Table, dict[str, Any]] | None = None  # the challenge, which is answered once
    card: bool = False
    document: documents.Kept | None = None


UNSIGNED = Signature()


class StepDone(msgspec.Struct):
    """Where a file stands after a step, and which of its events that was (from 1)."""

    number: str
    state: str
    event: int = 0


def held_row(ctx: Ctx, given: Held | documents.DocumentHeld | documents.DocumentWanted) -> Any:
    """The file, None where number and code do not go together: the law's refusal is the same for both."""
    row = ctx.db.execute(select(tables.file).where(tables.file.c.number == given.number.strip().upper())).first()
    proved = row is not None and hmac.compare_digest(row.secret, digest(said_code(given.code)))
    return row if proved else None


def held_facts(ctx: Ctx, given: Held | documents.DocumentHeld | documents.DocumentWanted) -> Facts:
    """What the law asks of whoever does something with their own file."""
    return {"notice_shown": True, "holder_proved": held_row(ctx, given) is not None}


def shown(ctx: Ctx, row: Any, *, to: str = "") -> FileShown:
    """A file, opened and checked; with `to`, the documents that this reader gets."""
    kernel, body = ctx.kernel, body_of(ctx.kernel, row)
    rows, words = events_of(kernel, ctx.db, row.id)
    said = [msgspec.json.decode(one, type=EventBody) if one else EventBody() for one in words]
    definition = definition_of(row)
    late = lateness(definition, rows)
    events = [_event(definition, one, text, to, late=after) for one, text, after in zip(rows, said, late, strict=True)]
    made, by = documents.documents_of(ctx.db, row, to=to), {one.document: _signed(one) for one in said if one.document}
    for one in made:
        one.signed = by.get(one.id, [])
    return FileShown(
        row.id, row.number, row.service, row.version, row.channel, row.state, iso(row.since), iso(row.due) if row.due else "",
        row.due is not None and row.closed is None and row.due < ctx.now_us, row.closed is not None, body.answers, body.who, events, row.head,
        broken(row.id, rows, words, row.head), made, documents.proof(kernel, ctx.db, row, _receipted(definition, rows)),
        hearing_model.shown(ctx, row, rows, words, body.answers, officer=not to), row.right or "",
        iso(row.right_due) if row.right_due else "",
    )  # fmt: skip


def _event(definition: Definition, row: Any, body: EventBody, to: str, *, late: bool) -> EventShown:
    """One event; of a patrol's round its holder reads that it was and when, nothing else."""
    taken = next((one for one in definition.transitions if one.id == row.step), None)
    other = NOTED.get(row.step) or ADDED.get(row.step) or SAID.get(row.step) or SENT
    said = taken.say if taken is not None else other
    mine, at, text, where = row.officer is None and row.step not in INCIDENTS, row.at, body.text, said_where(body.where)
    if taken is not None and taken.round is not None:
        at = happened(row.at, body.made)
        if to:
            said, text, where = taken.round, "", ""
    return EventShown(
        iso(at), row.step, row.state, mine, text, said, where if not to else "", _signed(body),
        answered(definition, row.step, body), late,
    )  # fmt: skip


def said_where(where: Where | None) -> str:
    """A place as people read it: degrees, and how sure it is in metres."""
    return f"{where.lat:.5f}, {where.lon:.5f} (± {where.accuracy:.0f} m)" if where is not None else ""


def _signed(body: EventBody) -> list[Literal["passkey", "card"]]:
    found: list[Literal["passkey", "card"]] = ["passkey"] if body.proof is not None else []
    return [*found, "card"] if body.card else found


def answered(definition: Definition, step: str, body: EventBody) -> list[Line]:
    """What a step asked, with what was answered, as people read it."""
    return lines(definition.fields_of(step), body.answers) if body.answers else []


def _receipted(definition: Definition, rows: Iterable[Any]) -> str:
    """The person's last step of which they are given a receipt; "" where it is what they filed."""
    receipts = {one.id for one in definition.outputs if one.template == "receipt"}
    theirs = {one.id for one in definition.transitions if HOLDER in one.roles and one.output in receipts}
    return next((one.step for one in reversed(list(rows)) if one.step in theirs and one.officer is None), "")


@act(
    "services.file.follow", verb="view", activity="resident-services", roles=["anyone"], groups=["service-holder"], gather=held_facts,
    duty=True, input=Held, output=FileShown, fr="Suivre son dossier", en="Follow one’s file",
)  # fmt: skip
def follow(ctx: Ctx, given: Held) -> Effect:
    row = held_row(ctx, given)
    if row is None:
        raise no_file()
    return Effect(shown(ctx, row, to=HOLDER), actor=file_owner(row.id))


@act(
    "services.document.ask", verb="alter", activity="resident-services", roles=["anyone"], groups=["collection", "service-holder"],
    gather=held_facts, duty=True, input=documents.DocumentWanted, output=documents.Made, fr="Demander un document de son dossier", en="Ask for a document of one’s file",
)  # fmt: skip
async def ask(ctx: Ctx, given: documents.DocumentWanted) -> Effect:
    row = held_row(ctx, given)
    if row is None:
        raise no_file()
    return await documents.wanted(ctx, row, given.output, to=HOLDER)


@act(
    "services.document.fetch", verb="view", activity="resident-services", roles=["anyone"], groups=["service-holder"], gather=held_facts,
    duty=True, input=documents.DocumentHeld, output=documents.Download, fr="Télécharger un document de son dossier", en="Download a document of one’s file",
)  # fmt: skip
def fetch(ctx: Ctx, given: documents.DocumentHeld) -> Effect:
    row = held_row(ctx, given)
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


def may_step(row: Any, transition: Transition) -> None:
    """Raises `Conflict` where the file stands elsewhere."""
    if row.closed is not None:
        raise Conflict(Text("Ce dossier est clos.", "This file is closed."))
    if row.state not in transition.origins:
        state = definition_of(row).state(row.state).say
        raise Conflict(
            Text(
                f"Ce dossier est « {state.fr} » : cela ne s’y fait pas.",
                f"This file is “{state.en}”: that cannot be done there.",
            )
        )


def step(
    ctx: Ctx, row: Any, transition: Transition, text: str, by: str | None, *, digest: str = "", made: str = "",
    where: Where | None = None, answers: dict[str, Any] | None = None, signature: Signature = UNSIGNED, **values: Any,
) -> Effect:  # fmt: skip
    """The effect of one step; `digest`: of what is acknowledged by it; `made`, `where`: as its maker says; `answers`: to what
    it asks.

    Raises `Conflict` where the file stands elsewhere, `BadInput`.
    """
    definition, document = definition_of(row), signature.document
    may_step(row, transition)
    body, kernel = EventBody(words_of(transition, text), made, digest, where, answers=answers or {}), ctx.kernel
    body.proof, body.card = signature.proof, signature.card
    if document is not None:  # the event holds its hash, and the leaf the event's
        body.document, body.digest = document.row["id"], digest or document.row["sha256"]
    done = StepDone(row.number, transition.to)

    def apply(connection: Connection) -> None:
        if signature.key is not None and not counted(connection, *signature.key):
            raise Conflict(
                Text("Votre clé d’accès vient de servir ailleurs.", "Your passkey was just used elsewhere."),
                Text("Recommencez : rien n’est perdu.", "Begin again: nothing is lost."),
            )
        seen = row.head if document is not None else ""  # a document that is signed says what the file said then
        written = move(kernel, connection, row.id, row.state, transition.id, ctx.now_us, by, body, seen=seen, **values)
        done.event, effect.bulk = written.number, bound([written.hash])
        jobs = notices.jobs_of(kernel, row.id, done.event - 1, ctx.now_us) if by else []
        if document is not None:
            connection.execute(insert(tables.document), document.row)
        elif transition.output is not None:
            jobs.append(documents.job_of(row.id, done.event - 1, transition.output, ctx.now_us))
        for one in jobs:
            connection.execute(insert(kernel_tables.job), one)
        if definition.state(transition.to).ends:
            trigger(kernel, connection, category(definition), row.id, ctx.now_us)

    told = {"file": row.id, "service": row.service, "state": transition.to}
    events = [
        ("service.moved", told),
        *exports.leaving(definition, row.id, transition.id, body_of(kernel, row).answers),
    ]
    if transition.round is not None:
        events.append((PASSED, {"file": row.id, "service": row.service, "at": happened(ctx.now_us, made)}))
    if document is not None:
        events.append(("service.document", {"file": row.id, "service": row.service}))
    effect = Effect(
        done, apply=apply, events=events, rows=[signature.once] if signature.once else [], actor=None if by else file_owner(row.id),
        concerns=(file_owner(row.id),),
    )  # fmt: skip
    return effect


def _own(transition_id: str) -> Any:
    def handler(ctx: Ctx, given: HeldStep) -> Effect:
        row = held_row(ctx, given)
        if row is None or slug(row.service) != ctx.act.name.split(".")[1]:
            raise no_file()
        found = next((one for one in definition_of(row).transitions if one.id == transition_id), None)
        if found is None or HOLDER not in found.roles:
            raise Conflict(Text("Ce dossier ne le permet pas.", "This file does not allow it."))
        return step(ctx, row, found, given.text, None, answers=_answers(ctx, row, found, given))

    return handler


def _answers(ctx: Ctx, row: Any, transition: Transition, given: HeldStep) -> dict[str, Any]:
    """The answers to what a step asks, with the files that the person has added. Raises `Invalid`."""
    if not transition.asks:
        return {}
    definition, files = definition_of(row), [one.id for one in transition.asks if one.kind == "files"]
    sent = dict(given.answers) if isinstance(given, AskedStep) else {}
    added = uploads.ids_of(ctx.kernel, ctx.db, file_owner(row.id), holder=True) if files else []
    sent = {id_: value for id_, value in sent.items() if id_ not in files} | (
        dict.fromkeys(files, added) if added else {}
    )
    found = relevant(definition, sent, transition.id)
    wrong = check(definition, found, today(ctx), transition.id)
    if wrong:
        raise Invalid(wrong)
    return found


def own_act(definition: Definition, transition: Transition) -> Act:
    """The act by which a person takes a step of their own file."""
    return act(
        f"services.{slug(definition.id)}.my_{slug(transition.id)}", verb="alter", activity=definition.activity, roles=["anyone"],
        groups=["collection", "service-holder"], gather=held_facts, duty=True, input=AskedStep if transition.asks else HeldStep, output=StepDone,
        fr=f"{transition.say.fr} ({definition.title.fr})", en=f"{transition.say.en} ({definition.title.en})",
    )(_own(transition.id))  # fmt: skip


ACTS: tuple[Act, ...] = (follow, ask, fetch)
