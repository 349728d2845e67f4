"""Filing: an act of its own for each service, so that the record of processing and the ledger say which one it was.

A resident files from a page (`services.<service>.file`), an officer for whoever stands before them, at the counter or outside
(`services.<service>.take`): the same questions, the same checks, the same record, the same receipt.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar, Literal

import msgspec

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Numbered, Rows, act
from egide.kernel.clock import from_us, iso
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.identity import digest
from egide.kernel.law import legal_day
from egide.kernel.randomness import draw
from egide.kernel.retention import begun, keep
from egide.services import drafts, exports, tables, uploads
from egide.services.answers import check, read, relevant, way_of
from egide.services.definition import ChannelName, Definition, catalogue
from egide.services.entitled import ENTRY, may
from egide.services.identities import known
from egide.services.model import (
    FILED,
    PURPOSE,
    SEEN,
    START,
    EventBody,
    FileBody,
    Who,
    bound,
    definition_of,
    due_at,
    event_hash,
    file_owner,
    link,
    new_code,
    number,
    places,
    series_of,
)

MAX_BYTES = 512 * 1024  # of what is filed
OFFICERS = ("officer", "command")


class Filed(Input):
    """A draft that is sent as it stands, and the identity that sends it."""

    unkept: ClassVar[frozenset[str]] = frozenset({"secret", "identity_secret"})

    draft: str
    secret: str
    identity: str = ""
    identity_secret: str = ""
    lang: Literal["fr", "en"] = "fr"


class Taken(Input):
    """What an officer takes down for a person; `document`: which identity document was seen. `made_at`: where it was made without
    network, when (ISO 8601).
    """  # fmt: skip

    unkept: ClassVar[frozenset[str]] = frozenset({"answers", "who", "secret"})

    channel: Literal["counter", "mobile"]
    version: int
    answers: dict[str, Any]
    who: Who
    draft: str = ""  # taken down page by page: the answers and files are the draft's
    secret: str = ""
    staged: str = ""  # made without network: the outbox's entry whose files came before it (entitled.py)
    lang: Literal["fr", "en"] = "fr"
    client_id: str = ""
    made_at: str = ""


class Receipt(msgspec.Struct):
    """What the person takes home: the number, the code that opens the file, when, and the chain's head."""

    file: str
    number: str
    code: str
    at: str
    head: str


class Invalid(BadInput):
    """Answers that are not all there, or not right; `wrong` says what, by question."""

    def __init__(self, wrong: dict[str, Text]) -> None:
        super().__init__(
            Text(
                "Il manque quelque chose, ou une réponse est à revoir.",
                "Something is missing, or an answer needs another look.",
            ),
            Text(
                " ".join(f"{id_} : {said.fr}" for id_, said in wrong.items()),
                " ".join(f"{id_}: {said.en}" for id_, said in wrong.items()),
            ),
        )
        self.wrong = wrong


def category(definition: Definition) -> str:
    """The retention category of a service's files."""
    return f"{definition.activity}-file"


def eligible(definition: Definition, answers: dict[str, Any]) -> bool:
    """Whether the first answers lead to this service, and not elsewhere."""
    return way_of(definition, answers) is None


def _facts(definition: Definition, channel: ChannelName, level: int, answers: dict[str, Any]) -> Facts:
    way = definition.channels.get(channel)
    return {
        "notice_shown": True,
        "identity_enough": way is not None and level >= way.identity,
        "channel_open": way is not None,
        "eligible": eligible(definition, answers),
        "author_unknown": answers.get("author_known") == "no",
    }


def _of_draft(ctx: Ctx, given: Filed | Taken) -> tuple[Definition, dict[str, Any]]:
    found: tuple[Definition, dict[str, Any]] = ctx.first(_of_draft, lambda: _read_draft(ctx, given))
    return found


def _read_draft(ctx: Ctx, given: Filed | Taken) -> tuple[Definition, dict[str, Any]]:
    row = drafts.draft_row(ctx, given.draft, given.secret)
    definition = definition_of(row)
    if ctx.act.name.split(".")[1] != slug(definition.id):
        raise NotFound(Text("Ce brouillon est d’un autre service.", "This draft is of another service."))
    return definition, relevant(definition, read(definition.fields, drafts.form_of(ctx, row, definition)))


def _gather_filed(ctx: Ctx, given: Filed) -> Facts:
    definition, answers = _of_draft(ctx, given)
    level, _who = known(ctx, given.identity, given.identity_secret)
    # Level 1 is a person's own word and a way to reach them, which the form itself asks for.
    return _facts(definition, "remote", max(level, 1), answers)


def _file(ctx: Ctx, given: Filed) -> Effect:
    definition, answers = _of_draft(ctx, given)
    level, who = known(ctx, given.identity, given.identity_secret)
    effect = filed(ctx, definition, "remote", max(level, 1), FileBody(answers, who), given.lang, "")
    return _instead_of(ctx, given.draft, effect)


def _instead_of(ctx: Ctx, draft: str, effect: Effect) -> Effect:
    """The file stands where the draft was, with its uploads. Raises `Conflict` where it was sent meanwhile."""
    handed = uploads.hand_over(drafts.owner(draft), file_owner(effect.result.file))
    effect.changes = (*drafts.retire(draft, ctx.now_us), *handed)
    return effect


def _gather_taken(ctx: Ctx, given: Taken) -> Facts:
    definition, answers = _taken(ctx, given)
    return _facts(definition, given.channel, SEEN, answers) | {"author_unknown": True}


def _take(ctx: Ctx, given: Taken) -> Effect:
    definition, answers = _taken(ctx, given)
    body = FileBody(answers, given.who)
    effect = filed(ctx, definition, given.channel, SEEN, body, given.lang, given.made_at, files_follow=True)
    if given.staged:
        return _with_files_of(given.staged, effect)
    return _instead_of(ctx, given.draft, effect) if given.draft else effect


def _with_files_of(entry: str, effect: Effect) -> Effect:
    """The files that an officer's device sent before this act are the file's, in the same transaction."""
    effect.changes = uploads.hand_over(f"{ENTRY}:{entry}", file_owner(effect.result.file))
    return effect


def _taken(ctx: Ctx, given: Taken) -> tuple[Definition, dict[str, Any]]:
    """What an officer takes down: page by page in a draft, or whole. Files may follow, as a photo from outside does."""
    if given.draft:
        return _of_draft(ctx, given)
    found: tuple[Definition, dict[str, Any]] = ctx.first(_taken, lambda: _read_taken(ctx, given))
    return found


def _read_taken(ctx: Ctx, given: Taken) -> tuple[Definition, dict[str, Any]]:
    definition = _version(ctx, given.version)
    attachments = definition.attachments
    sent = {id_: value for id_, value in given.answers.items() if id_ not in attachments}
    if given.staged:
        may(ctx, f"{ENTRY}:{given.staged}", "", "read")
        files = uploads.ids_of(ctx.kernel, ctx.db, f"{ENTRY}:{given.staged}")
        sent |= dict.fromkeys(attachments, files) if files else {}
    return definition, relevant(definition, sent)


def _version(ctx: Ctx, version: int) -> Definition:
    id_ = ctx.act.name.split(".")[1]
    for definition in catalogue().versions.values():
        if slug(definition.id) == id_ and definition.version == version:
            return definition
    raise NotFound(
        Text(
            "Cette version du service n’existe pas ou plus ici.",
            "This version of the service does not exist here, or no longer.",
        ),
        Text(
            "Ouvrez la version actuelle : vos réponses y vont avec vous.",
            "Open the current version: your answers go with you.",
        ),
    )


def filed(
    ctx: Ctx, definition: Definition, channel: ChannelName, level: int, body: FileBody, lang: str, made: str,
    *, files_follow: bool = False,
) -> Effect:  # fmt: skip
    """The effect of filing: row, number, first event and what others are told, in one transaction. Raises `Invalid`."""
    kernel, now = ctx.kernel, ctx.now_us
    wrong = check(definition, body.answers, today(ctx))
    if files_follow:
        wrong = {id_: words for id_, words in wrong.items() if id_ not in definition.attachments}
    if wrong:
        raise Invalid(wrong)
    id_, code = draw(16).hex(), new_code()
    officer = ctx.principal.id or None
    words = msgspec.json.encode(EventBody(made=made))
    head = link(START, id_, 0, now, FILED, definition.initial, words)
    receipt = Receipt(id_, "", code, iso(now), head)
    series = series_of(definition.code, from_us(now).astimezone(kernel.book.zone))
    if definition.notice is not None:
        body = msgspec.structs.replace(body, code=code)

    def told(place: int) -> None:
        receipt.number = number(series, place)

    def sealed() -> Rows:
        event = {
            "file": id_, "seq": 0, "at": now, "step": FILED, "state": definition.initial, "officer": officer, "link": head,
            "body": kernel.vault.seal(file_owner(id_), PURPOSE, words, f"{id_}.0".encode()),
        }  # fmt: skip
        effect.bulk = bound([event_hash(event)])
        ends = definition.state(definition.initial).ends
        retained = begun(kernel, kept, id_, now) if ends else keep(kept, id_)
        return [
            (tables.file, _row(ctx, definition, channel, level, lang, receipt, body)), (tables.event, event),
            (kernel_tables.retained, retained),
        ]  # fmt: skip

    kept = category(definition)
    events: list[tuple[str, dict[str, Any]]] = [("service.filed", {"file": id_, "service": definition.id})]
    events += exports.leaving(definition, id_, FILED, body.answers)
    effect = Effect(
        receipt, numbered=Numbered(series, places, told), sealed=sealed, events=events, actor=None if officer else file_owner(id_), concerns=(file_owner(id_),),
        keys=((file_owner(id_), PURPOSE),),
    )  # fmt: skip
    return effect


def _row(
    ctx: Ctx, definition: Definition, channel: ChannelName, level: int, lang: str, receipt: Receipt, body: FileBody
) -> dict[str, Any]:
    now, id_ = ctx.now_us, receipt.file
    return {
        "id": id_, "number": receipt.number, "secret": digest(receipt.code), "service": definition.id, "version": definition.version,
        "channel": channel, "level": level, "lang": lang, "opened": now, "state": definition.initial, "since": now,
        "due": due_at(definition, definition.initial, now), "unit": ctx.principal.unit, "officer": ctx.principal.id or None,
        "events": 1, "head": receipt.head, "closed": now if definition.state(definition.initial).ends else None,
        "body": ctx.kernel.vault.seal(file_owner(id_), PURPOSE, msgspec.json.encode(body), id_.encode()),
    }  # fmt: skip


def today(ctx: Ctx) -> date:
    """The legal day of the jurisdiction."""
    return legal_day(from_us(ctx.now_us), ctx.kernel.book.zone)


def slug(service: str) -> str:
    """A service's id as it stands in the names of its acts."""
    return service.replace("-", "_")


def acts_of(definition: Definition) -> tuple[Act, ...]:
    """The acts by which one files with a service."""
    name, title = f"services.{slug(definition.id)}", definition.title
    groups = ["collection", "service-filing", *definition.groups]
    made: list[Act] = []
    if definition.on_pages:
        declare: Callable[..., Act] = act(
            f"{name}.{FILED}", verb="collect", activity=definition.activity, roles=["anyone"], groups=groups, gather=_gather_filed,
            duty=True, input=Filed, output=Receipt, fr=f"Déposer : {title.fr}", en=f"File: {title.en}",
        )  # fmt: skip
        made.append(declare(_file))
    if set(definition.channels) - {"remote"}:
        declare = act(
            f"{name}.take", verb="collect", activity=definition.activity, roles=OFFICERS, groups=groups, gather=_gather_taken, duty=True,
            input=Taken, output=Receipt, max_bytes=MAX_BYTES, fr=f"Recueillir : {title.fr}", en=f"Take down: {title.en}",
        )  # fmt: skip
        made.append(declare(_take))
    return tuple(made)
