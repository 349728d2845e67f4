"""What a device sent and could not be recorded as it was meant, on its unit's desk: read, then recorded or set aside with words.

A gap in the chain, a clock that was wrong, a form that no longer exists, a file that changed meanwhile: an officer decides, with
the newest version of the form. Whatever is decided is done once, and the device is told at its next contact.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, Text
from egide.kernel.together import Call, together
from egide.services import tables, uploads
from egide.services.answers import asked, clean, read, relevant
from egide.services.definition import Definition, catalogue
from egide.services.entitled import ENTRY, for_unit
from egide.services.filing import OFFICERS
from egide.services.outbox_entries import Complement, Entry, Take, Wrong, about, added, decoded, taken
from egide.services.outbox_kept import once, owner, settled
from egide.services.outbox_tables import PURPOSE, entry
from egide.services.outbox_words import SAID
from egide.services.questions import Line, plain

SHOWN = 200  # entries
MAX_WORDS = 1_000  # characters
WORDS = {
    "take": Words("Demande d’un service qui n’existe plus ici", "Request for a service that no longer exists here"),
    "complement": Words("Complément à un dossier", "Addition to a file"),
    "attach": Words("Fichiers pour un dossier", "Files for a file"),
    "pass": Words("Passage devant un logement", "Round past a home"),
    "unread": Words("Envoi illisible", "Unreadable entry"),
    "words": Words("Ce qui est écrit", "What is written"),
    "file": Words("Dossier", "File"),
}


class ReviewRef(Input):
    """One entry of a device."""

    device: str
    seq: int


class Settlement(ReviewRef):
    """What is done with it: recorded as it stands, or set aside; why."""

    decision: Literal["record", "aside"]
    text: str = ""
    client_id: str = ""


class ReviewLine(msgspec.Struct):
    """An entry that waits: nothing in it says whose it is about."""

    device: str
    seq: int
    title: Words
    why: Words
    at: str
    made: str


class Reviews(msgspec.Struct):
    """What waits for this officer's unit, the oldest first."""

    entries: list[ReviewLine]


class Review(msgspec.Struct):
    """An entry as an officer reads it."""

    entry: ReviewLine
    lines: list[Line]
    files: list[uploads.FileShown]
    can_record: bool


class Done(msgspec.Struct):
    """The file that came of it; empty where none did."""

    number: str
    file: str


def _row(connection: Connection, given: ReviewRef) -> Any:
    here = (entry.c.device == given.device) & (entry.c.seq == given.seq)
    return connection.execute(select(entry).where(here, entry.c.state == "review")).first()


def _concerned(ctx: Ctx, given: ReviewRef) -> Facts:
    row = _row(ctx.db, given)
    return {"concerned": row is not None and for_unit(ctx.principal, row.unit)}


def _waiting(ctx: Ctx, given: ReviewRef) -> Any:
    row = _row(ctx.db, given)
    if row is None or row.body is None:
        raise NotFound(Text("Cet envoi n’est plus à revoir.", "This entry is no longer to be looked at."))
    return row


def _body(ctx: Ctx, row: Any) -> str:
    return ctx.kernel.vault.open_(owner(row.device, row.seq), PURPOSE, bytes(row.body), row.id.encode()).decode()


def _newest(content: Entry | None) -> Definition | None:
    return catalogue().find(content.service) if isinstance(content, Take) else None


def _shown(row: Any, content: Entry | None) -> ReviewLine:
    definition = _newest(content)
    kind = "unread" if content is None else str(content.__struct_config__.tag)
    title = definition.title if definition is not None else WORDS[kind]
    what = SAID[row.reason or "unread"][0]
    return ReviewLine(row.device, row.seq, title, Words(what.fr, what.en), iso(row.at), iso(row.made))


@act(
    "services.review.list", verb="consult", activity=PURPOSE, roles=OFFICERS, duty=True, output=Reviews,
    fr="Voir ce qui est à revoir", en="See what is to be looked at",
)  # fmt: skip
def list_(ctx: Ctx, _given: Nothing) -> Effect:
    asked_ = select(entry).where(entry.c.state == "review", entry.c.body.is_not(None)).order_by(entry.c.at)
    if "command" not in ctx.principal.roles:
        asked_ = asked_.where(entry.c.unit.in_(["", ctx.principal.unit]))
    rows = ctx.db.execute(asked_.limit(SHOWN)).all()
    return Effect(Reviews([_shown(row, decoded(_body(ctx, row))) for row in rows]))


@act(
    "services.review.read", verb="consult", activity=PURPOSE, roles=OFFICERS, groups=["need-to-know"], gather=_concerned, duty=True,
    input=ReviewRef, output=Review, fr="Lire un envoi à revoir", en="Read an entry that is to be looked at",
)  # fmt: skip
def read_review(ctx: Ctx, given: ReviewRef) -> Effect:
    row = _waiting(ctx, given)
    body = _body(ctx, row)
    content, definition = decoded(body), _newest(decoded(body))
    if isinstance(content, Take) and definition is not None:
        answers = relevant(definition, read(definition.fields, content.form))
        lines = [
            Line(one.id, one.label, said.fr, said.en)
            for one in asked(definition.fields, answers)
            if one.kind != "files"
            for said in [plain(one, answers.get(one.id))]
        ]
    elif content is not None and not isinstance(content, Take):
        file = about(ctx.db, content, row.device, {})
        number, text = file.number if file is not None else "", clean(getattr(content, "text", ""))
        lines = [Line("file", WORDS["file"], number, number)]
        lines += [Line("text", WORDS["words"], text, text)] if text else []
    else:  # nobody knows its questions any more, or what it is: as it was written
        text = _typed(content) if content is not None else body
        lines = [Line("text", WORDS["words"], text, text)]
    files = uploads.files_of(ctx.kernel, ctx.db, f"{ENTRY}:{row.device}.{row.id}")
    shown = Review(_shown(row, content), lines, files, not isinstance(_call(ctx, row, content), Wrong))
    return Effect(shown, concerns=(owner(row.device, row.seq),))


def _typed(content: Take) -> str:
    """What was typed into a form, box by box."""
    boxes = ((name, clean(" ; ".join(values))) for name, values in content.form.items())
    return "\n".join(f"{name} : {typed}" for name, typed in boxes if typed)


def _call(ctx: Ctx, row: Any, content: Entry | None) -> Call | Wrong:
    """The act that records it now, by the newest version; why there is none."""
    definition, staged = _newest(content), f"{row.device}.{row.id}"
    if isinstance(content, Take):
        return taken(content, row.id, staged, definition) if definition is not None else Wrong("offered")
    if content is None:
        return Wrong("unread")
    file = about(ctx.db, content, row.device, {})
    now = msgspec.structs.replace(content, seen=0) if isinstance(content, Complement) else content
    return added(now, row.id, staged, file)


@act(
    "services.review.settle", verb="decide", activity=PURPOSE, roles=OFFICERS, groups=["need-to-know"], gather=_concerned, duty=True,
    input=Settlement, output=Done, fr="Enregistrer ou écarter un envoi à revoir", en="Record or set aside an entry that is to be looked at",
)  # fmt: skip
async def settle(ctx: Ctx, given: Settlement) -> Effect:
    row, words = _waiting(ctx, given), clean(given.text)
    if given.decision == "aside":
        if not words or len(words) > MAX_WORDS:
            raise BadInput(
                Text("Dites pourquoi, en quelques mots.", "Say why, in a few words."),
                Text(f"{MAX_WORDS} signes au plus.", f"{MAX_WORDS} characters at most."),
            )
        settle_ = _settled(ctx, row, "aside", None)

        def apply(connection: Connection) -> None:
            _alone(connection, row)
            settle_(connection)

        return Effect(Done("", ""), apply=apply, concerns=(owner(row.device, row.seq),))
    call = _call(ctx, row, decoded(_body(ctx, row)))
    if isinstance(call, Wrong):
        what, _ = SAID[call.reason]
        raise Conflict(
            what, Text("Écartez-le en disant ce que vous en avez fait.", "Set it aside, saying what you did with it.")
        )
    (done,) = await together(
        ctx.kernel, [Call(call.name, call.given, once(row.device, row.seq))], ctx.principal
    )  # fmt: skip
    if isinstance(done, EgideError):
        raise done
    told = msgspec.to_builtins(done.result) or {}
    file = str(told.get("file") or getattr(call.given, "file", ""))
    found = select(tables.file.c.number).where(tables.file.c.id == file)
    number = str(ctx.kernel.store.reader().execute(found).scalar() or "")
    return Effect(
        Done(number, file), apply=_settled(ctx, row, "recorded", file), concerns=(owner(row.device, row.seq),)
    )  # fmt: skip


def _alone(connection: Connection, row: Any) -> None:
    """Takes the place of the act that would record it: of two officers at once one records or sets aside, never both."""
    table, (consumer, seq) = kernel_tables.handled, once(row.device, row.seq)
    there = select(table.c.seq).where(table.c.consumer == consumer, table.c.seq == seq)
    if connection.execute(there).first() is not None:
        raise _dealt_with()
    connection.execute(insert(table), {"consumer": consumer, "seq": seq})


def _dealt_with() -> Conflict:
    return Conflict(Text("Cet envoi vient d’être traité.", "This entry has just been dealt with."))


def _settled(ctx: Ctx, row: Any, state: str, file: str | None) -> Any:
    def apply(connection: Connection) -> None:
        here = (entry.c.device == row.device) & (entry.c.seq == row.seq) & (entry.c.state == "review")
        if connection.execute(update(entry).where(here).values(state=state, file=file)).rowcount != 1:
            raise _dealt_with()
        settled(connection, f"{row.device}.{row.seq}", ctx.now_us)

    return apply


ACTS: tuple[Act, ...] = (list_, read_review, settle)
