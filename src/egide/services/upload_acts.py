"""Files that people send: opened under a grant, received in quarantine, sealed by an act, taken back by one.

What is sealed is examined by a job (upload_examining.py) and read as a copy (upload_reading.py).

    opened = await perform("services.upload.open", {owner, secret, name, bytes, media})   → id, secret, chunk
    PUT /api/uploads/<id> with `upload-offset` and `upload-secret`, chunk by chunk          gateways/uploads.py
    await perform("services.upload.seal", {upload, secret, sha256})                         → what it is, and its state
    … the job `services.upload.examine` scans it and makes the copy …
    await perform("services.upload.read", {upload, reason})                                 → an address for a minute
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import digest, new_id, new_secret
from egide.kernel.jobs import job
from egide.kernel.retention import end, keep, run
from egide.kernel.tables import job as job_table
from egide.kernel.tables import retained
from egide.services import upload_words as words
from egide.services.entitled import ENTRY, may
from egide.services.quarantine import CHUNK, DAY_US, MAX_FILE, granted, owner, place, quarantine
from egide.services.sniffing import UNDECLARED, kinds
from egide.services.upload_examining import EXAMINE, Examine, inspected
from egide.services.upload_reading import FileRef
from egide.services.upload_tables import PURPOSE
from egide.services.upload_words import MAX_FILES, MAX_NAME
from egide.services.uploads import CATEGORY, TABLE, Body, FileShown, about, count, known, opened, seal, shown

HASH = 64  # hexadecimal digits of a SHA-256
GRANT_US = DAY_US  # µs in which a file must have come
STAGED_US = 30 * DAY_US  # µs a file that came before the act that names it waits for that act


class OpenUpload(Input):
    """A file to come: the draft or file it belongs to, that one's secret, and what the sender says of it."""

    unkept = frozenset({"secret"})

    owner: str
    name: str
    bytes: int
    secret: str = ""
    sha256: str = ""  # where it is known already; else when it is sealed
    media: str = ""
    exact: bool = True  # false: `bytes` is the most it may have (a form without script does not say)
    client_id: str = ""  # an officer's device asks twice: the same grant again


class Opened(msgspec.Struct):
    """The grant: whoever holds the secret sends the bytes, `chunk` at a time, until `until`."""

    id: str
    secret: str
    chunk: int
    until: str


class SealUpload(Input):
    """The whole file has come; its hash as the sender's machine computed it, where it can."""

    unkept = frozenset({"secret"})

    upload: str
    secret: str
    sha256: str = ""


def _noticed(_ctx: Ctx, _given: Any) -> Facts:
    """The form itself says who reads it, why and how long (GDPR 13), in the resident's language."""
    return {"notice_shown": True}


@act(
    "services.upload.open", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=_noticed, duty=True,
    input=OpenUpload, output=Opened, fr="Commencer l’envoi d’un fichier", en="Begin to send a file",
)  # fmt: skip
def open_upload(ctx: Ctx, given: OpenUpload) -> Effect:
    may(ctx, given.owner, given.secret, "add")
    name, media = _name(given.name), _media(given.media)
    _sizes(given)
    kernel, held = ctx.kernel, quarantine(ctx.kernel)
    if count(ctx.db, given.owner, ctx.now_us) >= MAX_FILES:
        raise words.many()
    held.room(given.bytes)
    if not ctx.principal.id:
        held.count(ctx.address, given.bytes, ctx.now_us)
    id_, secret, until = new_id(), new_secret(), ctx.now_us + GRANT_US
    row = {
        "id": id_, "owner": given.owner, "person": ctx.principal.id or None, "secret": digest(secret), "until": until, "opened": ctx.now_us,
        "bytes": given.bytes, "exact": int(given.exact), "sha256": given.sha256.lower(), "sealed": None, "kind": "", "held": "",
        "scan": "waiting", "scanner": "", "copy": "waiting", "copy_bytes": 0,
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        if count(connection, given.owner, ctx.now_us) >= MAX_FILES:
            raise words.many()
        body = seal(kernel, id_, Body(name, media))
        connection.execute(insert(TABLE), row | {"body": body})
        # What is never sealed is erased like all else, a day later.
        connection.execute(
            insert(retained),
            keep(CATEGORY, id_) | {"trigger": ctx.now_us, "erase_at": until, "state": "sealed"},
        )

    return Effect(Opened(id_, secret, CHUNK, iso(until)), apply=apply, **about(ctx, id_))


@act(
    "services.upload.seal", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=_noticed, duty=True,
    input=SealUpload, output=FileShown, fr="Sceller un fichier envoyé", en="Seal a file that was sent",
)  # fmt: skip
async def seal_upload(ctx: Ctx, given: SealUpload) -> Effect:
    """Reads the whole of it in a thread: hash, kind, what it hides; a picture's size and a document's acts in a process apart."""
    kernel, held = ctx.kernel, quarantine(ctx.kernel)
    row = ctx.db.execute(select(TABLE).where(TABLE.c.id == given.upload)).first()
    if row is not None and row.sealed is not None and hmac.compare_digest(row.secret, digest(given.secret)):
        return Effect(shown(kernel, row), **about(ctx, row.id))  # whoever did not hear the answer asks again
    row = granted(kernel, ctx.db, given.upload, given.secret)
    _whole(row, place(ctx.db, given.upload))
    async with held.slot:
        looked = await asyncio.to_thread(inspected, held.file(row.id), opened(kernel, row))
    for declared in (row.sha256, given.sha256.lower()):
        if declared and declared != looked.hash:
            raise words.altered()
    values = {
        "bytes": looked.size, "exact": 1, "sha256": looked.hash, "sealed": ctx.now_us, "kind": looked.kind.id, "held": looked.held,
        "copy": "none" if looked.kind.copy == "none" or looked.held == "points" else "waiting",
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        sealed = update(TABLE).where(TABLE.c.id == row.id, TABLE.c.sealed.is_(None)).values(**values)
        if connection.execute(sealed).rowcount != 1:
            raise Conflict(Text("Ce fichier est déjà scellé.", "This file is sealed already."))
        if row.owner.startswith(f"{ENTRY}:"):
            end(connection, CATEGORY, row.id, ctx.now_us, at_us=ctx.now_us + STAGED_US)
        else:
            run(connection, CATEGORY, row.id)
        raw = msgspec.json.encode(Examine(upload=row.id))
        connection.execute(insert(job_table), job(owner(row.id), EXAMINE, raw, ctx.now_us))

    return Effect(
        shown(kernel, row, **values),
        apply=apply,
        after=lambda _receipt: held.less(ctx.address, row.bytes - looked.size, ctx.now_us),
        events=[("upload.sealed", {"upload": row.id, "owner": row.owner})],
        **about(ctx, row.id),
    )


@act(
    "services.upload.withdraw", verb="erase", activity=PURPOSE, roles=["anyone"], duty=True, input=FileRef,
    fr="Retirer un fichier que l’on a envoyé", en="Take back a file that one has sent",
)  # fmt: skip
def withdraw(ctx: Ctx, given: FileRef) -> Effect:
    """From now nobody reads it, and the retention clock destroys key and content. What was filed stays with its file."""
    row = known(ctx, given.upload)
    may(ctx, row.owner, given.secret, "withdraw")

    def apply(connection: Connection) -> None:
        end(connection, CATEGORY, row.id, ctx.now_us)
        connection.execute(update(TABLE).where(TABLE.c.id == row.id).values(until=ctx.now_us))

    return Effect(Nothing(), apply=apply, **about(ctx, row.id))


def _sizes(given: OpenUpload) -> None:
    if not 1 <= given.bytes <= MAX_FILE:
        raise words.too_large()
    if given.sha256 and (
        len(given.sha256) != HASH or not all(sign in "0123456789abcdef" for sign in given.sha256.lower())
    ):
        raise BadInput(Text("Empreinte SHA-256 impossible.", "Impossible SHA-256 hash."))


def _name(name: str) -> str:
    """The last part of a file's name. Raises `BadInput`."""
    found = name.replace("\\", "/").rpartition("/")[2].strip()
    if not 1 <= len(found) <= MAX_NAME or found in (".", "..") or not found.isprintable():
        raise words.misnamed()
    return found


def _media(media: str) -> str:
    """The declared type, one of those that we take or none; what we do not take is refused before a byte has come."""
    told = media.partition(";")[0].strip().lower()
    if told not in UNDECLARED and not any(told in kind.media for kind in kinds().values()):
        raise words.not_taken()
    return told


def _whole(row: Any, there: int) -> None:
    if there == 0 or (row.exact and there != row.bytes):
        raise words.partial(there, row.bytes)


ACTS: tuple[Act, ...] = (open_upload, seal_upload, withdraw)
