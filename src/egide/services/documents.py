"""Documents of a file: set and sealed, kept under the file's key, handed to its holder and to who works on it.

What a signature brings forth is made by a job; a receipt when somebody first asks for it: its proof is at hand anyway, a PDF
costs a tenth of a second of a core, and most are never opened.

The ledger's leaf of the job holds the document's leaf hash (RFC 6962 §2.1), so that even a byte that no signature covers is found
when it changed. What a document says is what the file says: nothing is typed again.

    rows += [job_of(file, seq, output, now)]        in the transaction of the step from which the document comes
    … the job `services.document.make` …            or: await perform("services.document.ask", {number, code, output})
    await perform("services.document.fetch", {number, code, document})     → an address for a minute
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
from sqlalchemy import Connection, func, insert, select

from egide.kernel import merkle
from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.capability import Words
from egide.kernel.clock import from_us, iso
from egide.kernel.documents import Lang, Sealed
from egide.kernel.errors import NotFound, Text
from egide.kernel.jobs import job
from egide.services import tables
from egide.services.contents import Pending, contents
from egide.services.definition import Definition, Output
from egide.services.entitled import MAGISTRATE, sees, works_on
from egide.services.model import PURPOSE, definition_of, file_owner, file_row
from egide.services.receipts import Receipt, address, fitting, issue

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

MAKE = "services.document.make"
PRESS = "press"  # among the kernel's things: who sets and seals (engines/press.py)


class Wanted(Input):
    """A document to be made of a file."""

    file: str
    output: str


class Made(msgspec.Struct):
    """A document that was made, and the SHA-256 of its bytes."""

    document: str
    sha256: str


class DocumentShown(msgspec.Struct):
    """A document as those who may have it see it; `level`: of its seal (EN 319 142-1); `signed`: with what its officer did.

    One that is not `made` yet is made when it is asked for: its id is its output's, and it has neither hash nor level.
    """

    id: str
    title: Words
    at: str
    sha256: str
    level: str
    made: bool = True
    signed: list[Literal["passkey", "card"]] = []


class DocumentRef(Input):
    """One document of one file."""

    document: str


class DocumentHeld(Input):
    """A document of one's own file."""

    unkept: ClassVar[frozenset[str]] = frozenset({"code"})

    number: str
    code: str
    document: str


class DocumentWanted(Input):
    """A document of one's own file that is made when it is asked for."""

    unkept: ClassVar[frozenset[str]] = frozenset({"code"})

    number: str
    code: str
    output: str


class Kept(msgspec.Struct):
    """A document that was made: the row that keeps it, and its leaf hash."""

    row: dict[str, Any]
    leaf: bytes


class Download(msgspec.Struct):
    """An address that works once, for a minute."""

    download: str
    sha256: str


def job_of(file: str, seq: int, output: str, now_us: int) -> dict[str, Any]:
    """The row that asks for a document, for the event of that number."""
    return job(f"{file}.{seq}", MAKE, msgspec.json.encode(Wanted(file=file, output=output)), now_us)


def at_will(definition: Definition) -> list[Output]:
    """The documents that are made when they are asked for: those of no step, none where all is answered at once."""
    later = {step.output for step in definition.transitions}
    ended = definition.state(definition.initial).ends
    return [one for one in definition.outputs if one.id not in later and not ended]


def proof(kernel: Kernel, connection: Connection, row: Any, step: str = "") -> str:
    """The address that proves to anybody that this file is real, and says not whose it is; "" before the ledger has it.

    With `step`, that it was taken, and on which day.
    """
    concern, definition = kernel_tables.concern, definition_of(row)
    title, at = definition.title, row.opened
    if step:
        entry, name = kernel_tables.entry, f"services.{row.service.replace('-', '_')}"
        done = select(entry.c.idx, entry.c.at).join(
            concern, (concern.c.realm == entry.c.realm) & (concern.c.idx == entry.c.idx)
        )
        acts = (f"{name}.{step}", f"{name}.my_{step}")
        there = (concern.c.person == file_owner(row.id), entry.c.act.in_(acts), entry.c.outcome == "allowed")
        found = connection.execute(done.where(*there).order_by(entry.c.idx.desc())).first()
        index, at = (found.idx, found.at) if found is not None else (None, at)
        title = next(one.say for one in definition.transitions if one.id == step)
    else:
        first = select(func.min(concern.c.idx)).where(concern.c.person == file_owner(row.id))
        index = connection.execute(first).scalar()
    if index is None:
        return ""
    receipt = Receipt(
        number=row.number,
        service=title.en if row.lang == "en" else title.fr,
        day=from_us(at).astimezone(kernel.book.zone).date(),
        unit=fitting(unit_name(kernel, connection, row.unit)),
        index=index,
        root=kernel.log.root(),
    )
    return address(kernel.settings.origin, issue(receipt, kernel.key))


def unit_name(kernel: Kernel, connection: Connection, unit: str) -> str:
    """The unit on whose desk a file lies, by its name; the whole service's where it lies on none."""
    row = connection.execute(select(kernel_tables.unit.c.name).where(kernel_tables.unit.c.id == unit)).first()
    return str(row.name) if row is not None else kernel.settings.realm


def _of(definition: Definition, output: str) -> Output:
    found = next((one for one in definition.outputs if one.id == output), None)
    if found is None:
        raise NotFound(Text("Ce service ne fait pas ce document.", "This service makes no such document."))
    return found


@act(
    MAKE, verb="alter", activity="service-desk", roles=["system"], system=True, duty=True, input=Wanted, output=Made,
    fr="Établir et sceller un document", en="Make and seal a document",
)  # fmt: skip
async def make(ctx: Ctx, given: Wanted) -> Effect:
    row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
    if row is None:
        return Effect(Made("", ""))  # erased meanwhile
    effect = await _made(ctx, row, given.output)
    effect.concerns = (file_owner(row.id),)
    return effect


async def _made(ctx: Ctx, row: Any, output_id: str, *, once: bool = False) -> Effect:
    """The effect of one document made. In a thread: some 100 ms. `once`: of two asked for at the same time the first stays."""
    definition = definition_of(row)
    url = proof(ctx.kernel, ctx.db, row, receipted_step(definition, _of(definition, output_id)))
    pdf = await set_(ctx, row, output_id, url, ctx.now_us)
    kept = await sealed(ctx, row, output_id, pdf)
    made = Made(kept.row["id"], kept.row["sha256"])

    def apply(connection: Connection) -> None:
        first = _kept(connection, row.id, output_id) if once else None
        if first is not None:
            made.document, made.sha256, effect.bulk = first.id, first.sha256, None
        elif connection.execute(select(tables.file.c.id).where(tables.file.c.id == row.id)).first() is not None:
            connection.execute(insert(tables.document), kept.row)

    effect = Effect(
        made, apply=apply, bulk=(1, kept.leaf), events=[("service.document", {"file": row.id, "service": row.service})]
    )
    return effect


def _kept(connection: Connection, file: str, output_id: str) -> Any:
    """The document of that output that was made already; None where there is none."""
    table = tables.document
    return connection.execute(select(table).where(table.c.file == file, table.c.output == output_id)).first()


async def set_(ctx: Ctx, row: Any, output_id: str, url: str, at_us: int, pending: Pending | None = None) -> bytes:
    """A document set, not sealed: the same bytes for the same file, time and address of the receipt's proof."""
    kernel, definition = ctx.kernel, definition_of(row)
    output = _of(definition, output_id)
    data = contents(ctx, row, definition, output, unit_name(kernel, ctx.db, row.unit), pending)
    data["url"] = url
    made: bytes = await asyncio.to_thread(
        kernel.things[PRESS].set, output.template, data, _lang(row), at=from_us(at_us)
    )
    return made


async def sealed(ctx: Ctx, row: Any, output_id: str, pdf: bytes) -> Kept:
    """A document that was set, sealed; its row is for the transaction of the act."""
    kernel = ctx.kernel
    made: Sealed = await asyncio.to_thread(
        kernel.things[PRESS].seal, pdf, at=from_us(ctx.now_us), reason=title_of(row, output_id)
    )
    id_ = sha256(f"{row.id}/{output_id}/{ctx.now_us}".encode()).hexdigest()[:32]
    values = {
        "id": id_, "file": row.id, "output": output_id, "at": ctx.now_us, "sha256": made.sha256.hex(), "level": str(made.level),
        "body": kernel.vault.seal(file_owner(row.id), PURPOSE, made.pdf, f"document.{id_}".encode()),
    }  # fmt: skip
    return Kept(values, merkle.leaf_hash(made.pdf))


def title_of(row: Any, output_id: str) -> str:
    """A document's title in its file's language. Raises `NotFound`."""
    title = _of(definition_of(row), output_id).title
    return title.en if _lang(row) == "en" else title.fr


def receipted_step(definition: Definition, output: Output) -> str:
    """The step for which a receipt is given; "" where it is for what was filed."""
    if output.template != "receipt":
        return ""
    return next((one.id for one in definition.transitions if one.output == output.id), "")


def _lang(row: Any) -> Lang:
    return "en" if row.lang == "en" else "fr"


def documents_of(connection: Connection, row: Any, *, to: str = "") -> list[DocumentShown]:
    """A file's documents, oldest first; with `to`, those that this reader gets."""
    definition, table = definition_of(row), tables.document
    found = []
    for one in connection.execute(select(table).where(table.c.file == row.id).order_by(table.c.at)).all():
        output = _of(definition, one.output)
        if not to or to in output.to:
            found.append(DocumentShown(one.id, output.title, iso(one.at), one.sha256, one.level))
    titles = {one.title for one in found}
    return [
        DocumentShown(one.id, one.title, "", "", "", made=False)
        for one in at_will(definition)
        if one.title not in titles and (not to or to in one.to)
    ] + found


def _offer(ctx: Ctx, row: Any, document: str, to: str = "") -> Download:
    """The document's address. Raises `NotFound` where it is not this file's, or not for this reader."""
    kernel, table = ctx.kernel, tables.document
    if document not in {one.id for one in documents_of(ctx.db, row, to=to)}:
        raise NotFound(Text("Ce document n’existe pas ici.", "There is no such document here."))
    kept = ctx.db.execute(select(table).where(table.c.id == document)).one()
    name = f"{row.number}-{kept.output}.pdf"

    def content() -> Iterator[bytes]:
        yield kernel.vault.open_(file_owner(row.id), PURPOSE, kept.body, f"document.{kept.id}".encode())

    at = kernel.downloads.offer(ctx.principal.id, ctx.now_us, name, "application/pdf", content)
    return Download(at, kept.sha256)


def _file_of(ctx: Ctx, document: str) -> Any:
    kept = ctx.db.execute(select(tables.document.c.file).where(tables.document.c.id == document)).first()
    if kept is None:
        raise NotFound(Text("Ce document n’existe pas ici.", "There is no such document here."))
    return file_row(ctx.db, kept.file)


def _concerned(ctx: Ctx, given: DocumentRef) -> Facts:
    """Refused alike where there is none and where it is not theirs."""
    try:
        return {"concerned": sees(ctx.principal, _file_of(ctx, given.document))}
    except NotFound:
        return {"concerned": False}


def _of_file(ctx: Ctx, given: Wanted) -> Facts:
    row = ctx.db.execute(select(tables.file).where(tables.file.c.id == given.file)).first()
    return {"concerned": row is not None and works_on(ctx.principal, row)}


@act(
    "services.document.draw", verb="alter", activity="service-desk", roles=["officer", "command"], groups=["need-to-know"],
    gather=_of_file, duty=True, input=Wanted, output=Made, fr="Établir un document d’un dossier", en="Draw up a document of a file",
)  # fmt: skip
async def draw(ctx: Ctx, given: Wanted) -> Effect:
    return await wanted(ctx, file_row(ctx.db, given.file), given.output)


@act(
    "services.document.read", verb="consult", activity="service-desk", roles=["officer", "command", MAGISTRATE], groups=["need-to-know"],
    gather=_concerned, duty=True, input=DocumentRef, output=Download, fr="Ouvrir un document d’un dossier", en="Open a document of a file",
)  # fmt: skip
def read(ctx: Ctx, given: DocumentRef) -> Effect:
    row = _file_of(ctx, given.document)
    return Effect(_offer(ctx, row, given.document), concerns=(file_owner(row.id),))


async def wanted(ctx: Ctx, row: Any, output: str, to: str = "") -> Effect:
    """A document made because somebody asks for it; the one that is there already, if any."""
    definition = definition_of(row)
    if output not in {one.id for one in at_will(definition) if not to or to in one.to}:
        raise NotFound(Text("Ce document n’existe pas ici.", "There is no such document here."))
    kept = _kept(ctx.db, row.id, output)
    effect = Effect(Made(kept.id, kept.sha256)) if kept is not None else await _made(ctx, row, output, once=True)
    effect.actor = None if ctx.principal.id else file_owner(row.id)
    effect.concerns = (file_owner(row.id),)
    return effect


def held(ctx: Ctx, row: Any, document: str) -> Effect:
    """A document handed to the person whose file it is."""
    return Effect(_offer(ctx, row, document, to="holder"), actor=file_owner(row.id))


ACTS: tuple[Act, ...] = (make, draw, read)
