"""Drafts: saved at each page, without an account, under a secret that only the person's browser holds; gone after 30 days.

A draft keeps the version of the service it was begun with. Sent on to another service, it takes along every answer that the
other asks for too. What is typed into a draft never enters the ledger: it is nobody's statement yet.
"""

from __future__ import annotations

import hmac
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Change, Ctx, Effect, Facts, Input, Rows, act
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.forget import forgetting
from egide.kernel.identity import digest
from egide.kernel.kernel import Kernel
from egide.kernel.randomness import draw
from egide.kernel.retention import Erasing, begun, ending, trigger, unkept
from egide.services import tables, uploads
from egide.services.answers import boxes, read
from egide.services.definition import Definition, catalogue
from egide.services.model import definition_of

ACTIVITY = "service-drafts"
CATEGORY = "service-draft"
# With whether any file came for it: most have none, and then nothing more is asked.
_DRAFT = select(tables.draft, uploads.any_of(bindparam("of"))).where(tables.draft.c.id == bindparam("id"))
_DELETE = delete(tables.draft).where(tables.draft.c.id == bindparam("of"))
MAX_BYTES = 256 * 1024  # of a draft; a form's fields are bounded well below


class Saved(Input):
    """What was answered on a page, as the browser sent it (name → values). Without `draft`, one is begun."""

    unkept: ClassVar[frozenset[str]] = frozenset({"form", "secret"})

    service: str
    form: dict[str, list[str]]
    draft: str = ""
    secret: str = ""


class DraftRef(Input):
    """A draft, and the secret of who wrote it."""

    unkept: ClassVar[frozenset[str]] = frozenset({"secret"})

    draft: str
    secret: str


class Moved(DraftRef):
    """A draft that goes on in another service."""

    service: str


class DraftId(msgspec.Struct):
    """A draft's id, and the secret that opens it."""

    id: str
    secret: str


class Draft(msgspec.Struct):
    """A draft as it stands: as typed, and as understood."""

    service: str
    version: int
    form: dict[str, list[str]]
    answers: dict[str, Any]


class Kept(msgspec.Struct):
    """What is sealed: everything as typed, also what cannot be understood yet."""

    form: dict[str, list[str]]


def owner(draft: str) -> str:
    """Whose key seals a draft: its own."""
    return f"draft:{draft}"


def noticed(_ctx: Ctx, _given: Any) -> Facts:
    """The pages themselves say who reads it, why and how long (GDPR 13), in the resident's language."""
    return {"notice_shown": True}


def draft_row(ctx: Ctx, draft: str, secret: str) -> Any:
    """A draft whose secret is held. Raises `NotFound`, the same whether it never was or is somebody else's."""
    row = ctx.kernel.store.first(ctx.db, _DRAFT, {"id": draft, "of": owner(draft)})
    if row is None or not hmac.compare_digest(row.secret, digest(secret)):
        raise NotFound(
            Text("Ce brouillon n’est plus là.", "This draft is no longer there."),
            Text("Recommencez : rien n’a été envoyé.", "Start again: nothing was sent."),
        )
    return row


def kept(kernel: Kernel, row: Any) -> dict[str, list[str]]:
    """What was typed into a draft."""
    opened = kernel.vault.open_(owner(row.id), ACTIVITY, row.body, row.id.encode())
    return msgspec.json.decode(opened, type=Kept).form


def form_of(ctx: Ctx, row: Any, definition: Definition) -> dict[str, list[str]]:
    """What was typed into a draft, and which files were sent for it."""
    form = kept(ctx.kernel, row)
    for id_ in definition.attachments:
        form[id_] = uploads.ids_of(ctx.kernel, ctx.db, owner(row.id)) if row.files else []
    return form


def service(id_: str) -> Definition:
    """The newest version of a service. Raises `NotFound`."""
    found = catalogue().find(id_)
    if found is None:
        raise NotFound(Text("Ce service n’existe pas.", "There is no such service."))
    return found


def inputs(definition: Definition) -> set[str]:
    """The names of a service's form fields; what was sent as a file is asked of the files themselves."""
    return {name for field in definition.fields if field.kind != "files" for name in boxes(field)}


def _bounded(form: dict[str, list[str]], definition: Definition) -> dict[str, list[str]]:
    known = inputs(definition)
    found = {name: values for name, values in form.items() if name in known}
    if sum(len(value.encode()) for values in found.values() for value in values) > MAX_BYTES:
        raise BadInput(
            Text("C’est trop long pour un formulaire.", "This is too long for a form."),
            Text("Résumez, et joignez le reste en fichier.", "Summarise, and attach the rest as a file."),
        )
    return found


def _sealed(kernel: Kernel, draft: str, form: dict[str, list[str]]) -> bytes:
    return kernel.vault.seal(owner(draft), ACTIVITY, msgspec.json.encode(Kept(form)), draft.encode())


@act(
    "services.draft.save", verb="collect", activity=ACTIVITY, roles=["anyone"], groups=["collection"], gather=noticed, duty=True,
    input=Saved, output=DraftId, max_bytes=2 * MAX_BYTES, fr="Garder ce qui est déjà répondu", en="Keep what is answered so far",
)  # fmt: skip
def save(ctx: Ctx, given: Saved) -> Effect:
    kernel, table = ctx.kernel, tables.draft
    if not given.draft:
        definition = service(given.service)
        id_, secret = draw(16).hex(), draw(24).hex()
        form = _bounded(given.form, definition)

        def sealed() -> Rows:
            row = {
                "id": id_, "secret": digest(secret), "service": definition.id, "version": definition.version, "at": ctx.now_us,
                "body": _sealed(kernel, id_, form),
            }  # fmt: skip
            return [(table, row), (kernel_tables.retained, begun(kernel, CATEGORY, id_, ctx.now_us))]

        return Effect(DraftId(id_, secret), sealed=sealed, actor=owner(id_))
    row = draft_row(ctx, given.draft, given.secret)
    definition = definition_of(row)
    now = _bounded(given.form, definition)
    # A page's fields replace what they said before, also where a box was emptied; other pages' stay.
    form = {name: values for name, values in kept(kernel, row).items() if name not in now} | now

    def again(connection: Connection) -> None:
        connection.execute(
            update(table).where(table.c.id == row.id).values(at=ctx.now_us, body=_sealed(kernel, row.id, form))
        )
        trigger(kernel, connection, CATEGORY, row.id, ctx.now_us)

    return Effect(DraftId(row.id, given.secret), apply=again, actor=owner(row.id))


@act(
    "services.draft.read", verb="view", activity=ACTIVITY, roles=["anyone"], duty=True,
    input=DraftRef, output=Draft, fr="Reprendre son brouillon", en="Go on with one’s draft",
)  # fmt: skip
def read_draft(ctx: Ctx, given: DraftRef) -> Effect:
    row = draft_row(ctx, given.draft, given.secret)
    definition = definition_of(row)
    form = form_of(ctx, row, definition)
    answers = read(definition.fields, form)
    return Effect(Draft(row.service, row.version, form, answers), actor=owner(row.id))


@act(
    "services.draft.move", verb="alter", activity=ACTIVITY, roles=["anyone"], duty=True,
    input=Moved, output=DraftId, fr="Continuer dans un autre service, réponses gardées", en="Go on in another service, answers kept",
)  # fmt: skip
def move(ctx: Ctx, given: Moved) -> Effect:
    row, definition = draft_row(ctx, given.draft, given.secret), service(given.service)
    table = tables.draft
    changed = {"service": definition.id, "version": definition.version, "at": ctx.now_us}

    def apply(connection: Connection) -> None:
        connection.execute(update(table).where(table.c.id == row.id).values(**changed))

    return Effect(DraftId(row.id, given.secret), apply=apply, actor=owner(row.id))


@act(
    "services.draft.drop", verb="erase", activity=ACTIVITY, roles=["anyone"], duty=True,
    input=DraftRef, output=DraftId, fr="Effacer son brouillon", en="Erase one’s draft",
)  # fmt: skip
def drop(ctx: Ctx, given: DraftRef) -> Effect:
    row = draft_row(ctx, given.draft, given.secret)
    erasing = erase(ctx.kernel, row.id)
    return Effect(DraftId(row.id, ""), changes=erasing.changes, shreds=erasing.keys, actor=owner(row.id))


def retire(draft: str, now_us: int) -> tuple[Change, ...]:
    """A draft became a file: its row goes with this transaction, its key at the retention clock's next look.

    Not here: a key that is destroyed comes back with no transaction that fails, and what the person wrote would be lost with it.
    """
    return Change(_DELETE, {"of": draft}, _sent), ending(CATEGORY, draft, now_us, now_us)


def _sent() -> Conflict:
    return Conflict(
        Text("Ce dossier vient d’être envoyé.", "This has just been sent."),
        Text(
            "Ouvrez-le avec le numéro et le code de son récépissé.",
            "Open it with the number and code of its receipt.",
        ),
    )


def erase(kernel: Kernel, draft: str) -> Erasing:
    """What destroys a draft: its key, its row, and what the ledger said of it."""
    of = owner(draft)
    changes = (
        uploads.release(of, kernel.clock.now_us()),
        Change(_DELETE, {"of": draft}),
        unkept(CATEGORY, draft),
        *forgetting(of),
    )
    return Erasing(((of, ACTIVITY),), changes)


ACTS: tuple[Act, ...] = (save, read_draft, move, drop)
