"""Rights that a person exercises on their file: a copy of all that is held and of who used it, correction, erasure, objection.

What the law allows is done at once; what it does not is refused with its articles and the way through the authority.
A correction and an objection are answered by a person, within the law's term, and the desk sees when it is over.
Sources: GDPR 12, 15 to 21; directive 2016/680, 18; law 78-17, 104 to 111. Who looked is told by function and unit, not by name:
an officer acting under the controller's authority is no recipient (CJEU, 22 June 2023, C-579/21).

    copy = await perform("services.rights.copy", {number, code})
    await perform("services.rights.ask", {number, code, right: "rectification", text})
    await perform("services.rights.grant", {file, text})        or `.refuse`, with the reasons
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, act
from egide.kernel.capability import Activity, Words
from egide.kernel.clock import from_us, iso, to_us
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.law import add_duration
from egide.kernel.retention import end, seal_state
from egide.services import desk, notices, tables, uploads
from egide.services.answers import clean
from egide.services.definition import HOLDER, Definition
from egide.services.entitled import works_on
from egide.services.filing import OFFICERS, category
from egide.services.holding import MAX_WORDS, FileShown, Held, StepDone, held_facts, held_row, shown
from egide.services.model import EventBody, bound, definition_of, file_owner, file_row, no_file, note
from egide.services.quarantine import DAY_US
from egide.services.quarantine import owner as upload_owner
from egide.services.questions import Line, lines
from egide.services.right_words import GRANTED, REFUSED

TERM = "gdpr.rights_answer"  # the packs' parameter; the directive has no term of its own, the same is kept
USES = 2_000  # entries of the ledger in a copy, the newest
READ_US = 30 * DAY_US  # µs after an objection was granted in which its answer can still be read
PLATFORM = Words("La plateforme", "The platform")
YOU = Words("Vous", "You")
# Of somebody with several roles the first of these is told.
ROLE_WORDS: dict[str, Words] = {
    "magistrate": Words("Magistrat", "Magistrate"),
    "dpo": Words("Délégué à la protection des données", "Data protection officer"),
    "inspector": Words("Inspection", "Inspection"),
    "command": Words("Commandement", "Command"),
    "officer": Words("Agent", "Officer"),
    "administrator": Words("Administration de la plateforme", "Administration of the platform"),
}


class RightAsked(Held):
    """A right that a person answers to, and the holder's words."""

    right: Literal["rectification", "objection"]
    text: str


class Use(msgspec.Struct):
    """One use of a file: when, by whom in what function, doing what, for which purposes."""

    at: str
    by: Words
    unit: str
    what: Words
    why: list[Words]


class Copy(msgspec.Struct):
    """Everything that is held in a file, and every use of it that the ledger has (GDPR 15)."""

    made: str
    controller: str
    activity: Words
    purposes: list[Words]
    bases: list[str]
    recipients: list[Words]
    retention: list[Words]
    erased_at: str  # "" while the file is open: the time runs from its end
    title: Words
    state: Words
    file: FileShown
    lines: list[Line]
    uploads: list[uploads.FileShown]
    uses: list[Use]


class Asked(msgspec.Struct):
    """Until when a right that was exercised is answered."""

    due: str


class Gone(msgspec.Struct):
    """The file is erased at the retention clock's next look."""

    number: str


def _facts(ctx: Ctx, given: Held, kind: str) -> Facts:
    row = held_row(ctx, given)
    found: Facts = {"right_kind": kind, "judicial_file": False, "file_open": False, "file_held": False}
    if row is not None:
        definition = definition_of(row)
        found |= {
            "judicial_file": _activity(ctx, definition).regime == "LED", "file_open": row.closed is None,
            "file_held": seal_state(ctx.kernel, ctx.db, category(definition), row.id)[1],
        }  # fmt: skip
    return dict(held_facts(ctx, given)) | found


def _activity(ctx: Ctx, definition: Definition) -> Activity:
    return ctx.kernel.activities[definition.activity]


def _of_copy(ctx: Ctx, given: Held) -> Facts:
    return _facts(ctx, given, "access")


def _of_erasure(ctx: Ctx, given: Held) -> Facts:
    return _facts(ctx, given, "erasure")


def _of_ask(ctx: Ctx, given: RightAsked) -> Facts:
    return _facts(ctx, given, given.right)


@act(
    "services.rights.copy", verb="view", activity="resident-services", roles=["anyone"], groups=["service-holder", "own-rights"],
    gather=_of_copy, duty=True, input=Held, output=Copy, fr="Obtenir copie de tout son dossier", en="Obtain a copy of one’s whole file",
)  # fmt: skip
def copy(ctx: Ctx, given: Held) -> Effect:
    row = _held(ctx, given)
    kernel, definition = ctx.kernel, definition_of(row)
    activity, file = _activity(ctx, definition), shown(ctx, row, to=HOLDER)
    kept = kernel_tables.retained
    due = ctx.db.execute(select(kept.c.erase_at).where(kept.c.id == f"{category(definition)}/{row.id}")).scalar()
    sent = uploads.files_of(kernel, ctx.db, file_owner(row.id))
    owners = [file_owner(row.id), *(upload_owner(one.upload) for one in sent)]
    made = Copy(
        iso(ctx.now_us), kernel.settings.controller, activity.title, [Words(one.fr, one.en) for one in activity.purposes],
        [f"{one.text}, {one.article}" for one in activity.bases], list(activity.recipients),
        [Words(one.fr, one.en) for one in activity.retention], iso(due) if due else "", definition.title,
        definition.state(row.state).say, file, lines(definition.fields, file.answers), sent, _uses(ctx, owners),
    )  # fmt: skip
    return Effect(made, actor=file_owner(row.id), concerns=(file_owner(row.id),))


def _uses(ctx: Ctx, owners: list[str]) -> list[Use]:
    """What the ledger has of acts about these, the oldest first."""
    entry, concern = kernel_tables.entry, kernel_tables.concern
    about = select(concern.c.idx).where(concern.c.person.in_(owners), concern.c.realm == ctx.kernel.settings.realm)
    rows = ctx.db.execute(
        select(entry.c.at, entry.c.act, entry.c.actor)
        .where(
            entry.c.realm == ctx.kernel.settings.realm, entry.c.outcome == "allowed",
            entry.c.idx.in_(about) | entry.c.actor.in_(owners),
        )
        .order_by(entry.c.idx.desc())
        .limit(USES)
    ).all()  # fmt: skip
    people = {row.id: row for row in _people(ctx, {row.actor for row in rows if row.actor})}
    return [_use(ctx, row, people.get(row.actor), owners) for row in reversed(rows)]


def _people(ctx: Ctx, ids: Iterable[str]) -> list[Any]:
    person, unit = kernel_tables.person, kernel_tables.unit
    asked = select(person.c.id, person.c.roles, person.c.unit, unit.c.name).outerjoin(unit, unit.c.id == person.c.unit)
    return list(ctx.db.execute(asked.where(person.c.id.in_(sorted(ids)))).all())


def _use(ctx: Ctx, row: Any, person: Any, owners: list[str]) -> Use:
    done = ctx.kernel.acts.get(row.act)
    activity = ctx.kernel.activities.get(done.activity) if done is not None else None
    by, unit = PLATFORM, ""
    if row.actor in owners:
        by = YOU
    elif person is not None:
        roles = [words for role, words in ROLE_WORDS.items() if role in person.roles.split()]
        by, unit = next(iter(roles), ROLE_WORDS["officer"]), person.name or person.unit
    what = Words(done.summary.fr, done.summary.en) if done is not None else Words(row.act, row.act)
    why = [Words(one.fr, one.en) for one in activity.purposes] if activity is not None else []
    return Use(iso(row.at), by, unit, what, why)


@act(
    "services.rights.erase", verb="erase", activity="resident-services", roles=["anyone"], groups=["service-holder", "own-rights"],
    gather=_of_erasure, duty=True, input=Held, output=Gone, fr="Faire effacer son dossier", en="Have one’s file erased",
)  # fmt: skip
def erase(ctx: Ctx, given: Held) -> Effect:
    row = _held(ctx, given)

    def apply(connection: Connection) -> None:
        end(connection, category(definition_of(row)), row.id, ctx.now_us)

    return Effect(Gone(row.number), apply=apply, actor=file_owner(row.id), concerns=(file_owner(row.id),))


@act(
    "services.rights.ask", verb="alter", activity="resident-services", roles=["anyone"], groups=["collection", "service-holder", "own-rights"],
    gather=_of_ask, duty=True, input=RightAsked, output=Asked, fr="Demander une correction, ou s’opposer", en="Ask for a correction, or object",
)  # fmt: skip
def ask(ctx: Ctx, given: RightAsked) -> Effect:
    row, kernel, text = _held(ctx, given), ctx.kernel, _words(given.text)
    now = from_us(ctx.now_us)
    due = to_us(add_duration(now, str(kernel.book.parameter(TERM, now))))

    def apply(connection: Connection) -> None:
        if file_row(connection, row.id).right is not None:
            raise Conflict(
                Text("Une demande de droits attend déjà sa réponse.", "A request of rights is awaiting its answer already."),
                Text("La page de vos droits dit pour quand elle est due.", "The page of your rights says when it is due."),
            )  # fmt: skip
        written = note(
            kernel, connection, row.id, f"right_{given.right}", ctx.now_us, EventBody(text), right=given.right, right_due=due
        )  # fmt: skip
        effect.bulk = bound([written.hash])

    effect = Effect(
        Asked(iso(due)), apply=apply, events=[("service.right_asked", {"file": row.id, "right": given.right})],
        actor=file_owner(row.id), concerns=(file_owner(row.id),),
    )  # fmt: skip
    return effect


def _held(ctx: Ctx, given: Held) -> Any:
    row = held_row(ctx, given)
    if row is None:
        raise no_file()
    return row


def _words(text: str) -> str:
    """Cleaned. Raises `BadInput` where there are none, or too many."""
    said = clean(text)
    if not said or len(said) > MAX_WORDS:
        raise BadInput(
            Text(f"Écrivez quelques mots, {MAX_WORDS} signes au plus.", f"Write a few words, {MAX_WORDS} characters at most.")
        )  # fmt: skip
    return said


# -- the answer, by who works on the file ---------------------------------------------------------------------------------


def _answering(outcome: str) -> Any:
    def gather(ctx: Ctx, given: desk.FileStep) -> Facts:
        row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
        kind = row.right if row is not None and row.right is not None else "access"
        # The page on which an answer is read says how to reach the authority and the court; no extension is ever announced here.
        return {
            "concerned": row is not None and works_on(ctx.principal, row), "right_kind": kind, "right_outcome": outcome,
            "refusal_reasoned": bool(given.text.strip()), "supervisory_route": True, "extension_late": False, "needed_as_proof": False,
        }  # fmt: skip

    return gather


def _answer(step: str) -> Any:
    def handler(ctx: Ctx, given: desk.FileStep) -> Effect:
        row, kernel = file_row(ctx.db, given.file), ctx.kernel
        if row.right is None:
            raise NotFound(Text("Aucun droit n’attend de réponse ici.", "No right awaits an answer here."))
        text = _words(given.text)

        def apply(connection: Connection) -> None:
            if file_row(connection, row.id).right is None:
                raise Conflict(Text("La réponse vient d’être donnée.", "The answer has just been given."))
            written = note(
                kernel, connection, row.id, step, ctx.now_us, EventBody(text), ctx.principal.id, right=None, right_due=None
            )  # fmt: skip
            effect.bulk = bound([written.hash])
            if step == GRANTED and row.right == "objection":
                _stop(ctx, connection, row)
            for news in notices.jobs_of(kernel, row.id, row.events, ctx.now_us):
                connection.execute(insert(kernel_tables.job), news)

        effect = Effect(
            StepDone(row.number, row.state), apply=apply, concerns=(file_owner(row.id),),
            events=[("service.right_answered", {"file": row.id, "right": row.right})],
        )  # fmt: skip
        return effect

    return handler


def _stop(ctx: Ctx, connection: Connection, row: Any) -> None:
    """Nothing more is done with the file (GDPR 21(1)), and it is erased once its answer could be read (17(1)(c)): never later
    than it would have been.
    """
    table, kept, object_ = tables.file, kernel_tables.retained, f"{category(definition_of(row))}/{row.id}"
    before = connection.execute(select(kept.c.erase_at).where(kept.c.id == object_)).scalar()
    until = min(before or ctx.now_us + READ_US, ctx.now_us + READ_US)
    if row.closed is None:
        connection.execute(update(table).where(table.c.id == row.id).values(closed=ctx.now_us, due=None))
    end(connection, category(definition_of(row)), row.id, ctx.now_us, at_us=until)


def _answer_act(name: str, step: str, outcome: str, fr: str, en: str) -> Act:
    return act(
        f"services.rights.{name}", verb="decide", activity="service-desk", roles=OFFICERS, groups=["need-to-know", "rights"],
        gather=_answering(outcome), duty=True, input=desk.FileStep, output=StepDone, fr=fr, en=en,
    )(_answer(step))  # fmt: skip


grant = _answer_act("grant", GRANTED, "granted", "Accorder le droit exercé", "Grant the right exercised")
refuse = _answer_act("refuse", REFUSED, "refused", "Refuser le droit exercé", "Refuse the right exercised")
ACTS: tuple[Act, ...] = (copy, erase, ask, grant, refuse)
