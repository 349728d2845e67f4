"""The ledger's face: its signed head for everyone, a proof for each entry, two exports for those who check."""

from __future__ import annotations

import base64
import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy import select

from egide.kernel import cosigned, tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.checkpoint import parse
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, NotFound, NotSignedIn, Text, Unavailable
from egide.kernel.identity import ANONYMOUS
from egide.kernel.kernel import Kernel
from egide.kernel.ledger_export import write_inspector, write_public
from egide.oversight.river import READERS, log_facts

PAGE = 2_000  # leaves read at once


class Head(msgspec.Struct):
    """The signed tree head: anyone may keep it and later ask that the log still grows from it."""

    origin: str
    size: int
    root: str
    note: str
    vkey: str


class EntryRef(Input):
    """An entry of the ledger."""

    index: int


class Proof(msgspec.Struct):
    """What a browser needs to check that an entry stands under a signed head (RFC 9162 §2.1.3)."""

    index: int
    leaf: str
    size: int
    hashes: list[str]
    note: str
    vkey: str


class Export(Input):
    """Which export: the inspector's with leaves, or the public one with roots only."""

    kind: str
    motive: str
    log_purpose: str = "lawfulness"


class Exported(msgspec.Struct):
    """Where the export can be fetched once."""

    url: str


@act(
    "oversight.ledger.head", verb="view", activity="oversight", open=True, roles=["anyone"], output=Head,
    fr="Lire la tête signée du registre", en="Read the ledger’s signed head",
)  # fmt: skip
def head(ctx: Ctx, _given: Nothing) -> Effect:
    size, note = _newest(ctx.kernel)
    root = base64.b64encode(parse(note).checkpoint.root).decode()
    return Effect(Head(ctx.kernel.origin, size, root, note, ctx.kernel.key.vkey))


@act(
    "oversight.ledger.proof", verb="view", activity="oversight", open=True, roles=["anyone"], input=EntryRef, output=Proof,
    fr="Vérifier une inscription au registre", en="Verify an entry of the ledger",
)  # fmt: skip
def proof(ctx: Ctx, given: EntryRef) -> Effect:
    kernel = ctx.kernel
    if ctx.principal is ANONYMOUS:  # heads are everyone's; leaves stay in the house
        raise NotSignedIn(
            Text("Connectez-vous pour vérifier une inscription.", "Sign in to verify an entry."),
            Text("La tête signée du registre, elle, est publique.", "The ledger’s signed head is public."),
        )
    size, note = _newest(kernel)
    if not 0 <= given.index < size:
        raise NotFound(
            Text(
                "Cette inscription n’est pas encore sous une tête signée.", "This entry is not yet under a signed head."
            ),
            Text("Réessayez dans une seconde.", "Try again in a second."),
        )
    leaf = ctx.db.execute(
        select(tables.entry.c.leaf).where(
            tables.entry.c.realm == kernel.settings.realm, tables.entry.c.idx == given.index
        )
    ).scalar_one()
    hashes = [base64.b64encode(h).decode() for h in kernel.log.inclusion(given.index, size)]
    return Effect(Proof(given.index, base64.b64encode(leaf).decode(), size, hashes, note, kernel.key.vkey))


@act(
    "oversight.ledger.export", verb="disclose", activity="oversight", roles=READERS, groups=["log-access"], gather=log_facts, input=Export,
    output=Exported, fr="Exporter le registre", en="Export the ledger",
)  # fmt: skip
def export(ctx: Ctx, given: Export) -> Effect:
    if given.kind not in ("inspector", "public"):
        raise BadInput(Text("L’export est « inspector » ou « public ».", "The export is “inspector” or “public”."))
    kernel = ctx.kernel
    name = f"egide-{kernel.settings.realm}-{given.kind}.tar"
    url = kernel.downloads.offer(
        ctx.principal.id, ctx.now_us, name, "application/x-tar", lambda: _tar(kernel, given.kind)
    )
    return Effect(Exported(url))


def write(kernel: Kernel, kind: str, folder: Path) -> None:
    """Writes an export as it stands under the newest signed head."""
    notes = _notes(kernel)
    if not notes:
        raise Unavailable(Text("Aucune tête signée encore.", "No signed head yet."))
    size = notes[-1][0]
    texts = [note for _, note in notes]
    made = iso(kernel.clock.now_us())
    stamps = cosigned.stamps(kernel.store.reader(), kernel.settings.realm)
    if kind == "inspector":
        write_inspector(
            folder, _leaves(kernel, size), texts, [kernel.key.vkey], realm=kernel.settings.realm, created=made, stamps=stamps,
        )  # fmt: skip
    else:
        write_public(
            folder, texts, kernel.log.consistency, [kernel.key.vkey], realm=kernel.settings.realm, created=made, stamps=stamps,
        )  # fmt: skip


def _tar(kernel: Kernel, kind: str) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="egide-export-") as place:
        folder = Path(place) / kind
        write(kernel, kind, folder)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(folder, arcname=f"egide-{kernel.settings.realm}-{kind}")
    yield packed.getvalue()  # the folder is gone by now, whether or not somebody reads to the end


def _newest(kernel: Kernel) -> tuple[int, str]:
    found = kernel.latest_checkpoint()
    if found is None:
        raise NotFound(
            Text("Le registre est vide.", "The ledger is empty."),
            Text("Accomplissez un premier acte.", "Do a first act."),
        )
    return found


def _notes(kernel: Kernel) -> list[tuple[int, str]]:
    """The signed heads with their cosignatures, oldest first."""
    return [(head.size, head.note) for head in cosigned.heads(kernel.store.reader(), kernel.settings.realm)]


def _leaves(kernel: Kernel, size: int) -> Iterator[bytes]:
    table = tables.entry
    for start in range(0, size, PAGE):
        rows = kernel.store.reader().execute(
            select(table.c.leaf)
            .where(table.c.realm == kernel.settings.realm, table.c.idx >= start, table.c.idx < min(size, start + PAGE))
            .order_by(table.c.idx)
        )
        for (leaf,) in rows:
            yield bytes(leaf)


ACTS: tuple[Act, ...] = (head, proof, export)
