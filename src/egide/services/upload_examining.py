"""What a file is, found out by reading the whole of it: when it is sealed, and after that by a job that scans it and copies it.

Both run in a thread; pictures and documents are opened in a process apart (apart.py), which may die of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.retention import seal_state
from egide.services import apart
from egide.services import upload_words as words
from egide.services.quarantine import MAX_CHUNK, owner, quarantine
from egide.services.scanning import Scan, scan
from egide.services.sniffing import Kind, kinds, recognise
from egide.services.upload_tables import PURPOSE
from egide.services.uploads import CATEGORY, TABLE, Body, opened, seal

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

EXAMINE = "services.upload.examine"
FOUND = "upload.found"  # event: a scanner found something; whoever cares for the file is told by its listener


class Examine(Input):
    """One file that was sealed."""

    upload: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What the content of a whole file is."""

    kind: Kind
    size: int
    hash: str
    held: str


def inspected(file: IO[bytes], body: Body) -> Looked:
    """Reads all of it: hash, kind, what it hides. Raises `BadInput` where it is not what it says, or cannot be read."""
    hasher, size = sha256(), 0
    file.seek(0)
    while block := file.read(MAX_CHUNK):
        hasher.update(block)
        size += len(block)
    kind = recognise(body.name, body.media, file)
    held = ""
    try:
        if kind.copy == "picture":
            told, _ = apart.run("measure-picture", file)
            held = "points" if told["points"] > apart.MAX_POINTS else ""
        elif kind.copy == "document":
            told, _ = apart.run("look-document", file)
            if told["locked"]:
                raise words.locked()
            held = "active" if told["active"] else ""
    except apart.Unreadable as error:
        raise words.broken(kind) from error
    return Looked(kind, size, hasher.hexdigest(), held)


def _examined(kernel: Kernel, row: Any) -> tuple[Scan, str, int]:
    """(what the scanner says, the copy's state, its length in bytes)."""
    from egide.services import copies  # noqa: PLC0415 — libav loads when the first file is examined

    held, kind = quarantine(kernel), kinds()[row.kind]
    said = scan(kernel.settings.clamav, held.file(row.id))
    if row.copy != "waiting":
        return said, str(row.copy), int(row.copy_bytes)
    try:
        return said, "ready", held.keep_copy(row.id, copies.copied(kind, held.file(row.id)))
    except apart.Unreadable:
        return said, "failed", 0


@act(
    "services.upload.examine", verb="alter", activity=PURPOSE, roles=["system"], system=True, duty=True, input=Examine,
    fr="Examiner un fichier scellé et en faire la copie", en="Examine a sealed file and make its copy",
)  # fmt: skip
async def examine(ctx: Ctx, given: Examine) -> Effect:
    """In a thread, one file after the other: asks the scanner, makes the copy."""
    kernel = ctx.kernel
    sealed = ctx.db.execute(select(TABLE).where(TABLE.c.id == given.upload, TABLE.c.sealed.is_not(None))).first()
    if sealed is None or seal_state(kernel, ctx.db, CATEGORY, given.upload)[0] == "expired":
        return Effect(Nothing())  # erased meanwhile: there is nothing to examine
    said, copy, size = await asyncio.to_thread(_examined, kernel, sealed)

    def apply(connection: Connection) -> None:
        row = connection.execute(select(TABLE).where(TABLE.c.id == given.upload)).first()
        if row is None:
            return
        body = opened(kernel, row)
        body.found = said.word if said.state == "found" else ""
        connection.execute(
            update(TABLE)
            .where(TABLE.c.id == given.upload)
            .values(
                scan=said.state, scanner=said.scanner, copy=copy, copy_bytes=size,
                body=seal(kernel, given.upload, body),
            )
        )  # fmt: skip

    events = [("upload.examined", {"upload": given.upload, "scan": said.state})]
    if said.state == "found":
        events.append((FOUND, {"upload": given.upload}))
    return Effect(Nothing(), apply=apply, events=events, concerns=(owner(given.upload),))


ACTS: tuple[Act, ...] = (examine,)
