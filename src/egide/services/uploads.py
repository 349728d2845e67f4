"""Files that people send: opened under a grant, received in quarantine, sealed by an act, examined by a job, read as a copy.

The original is kept as it came, under a key of its own, with its hash in the ledger; people are shown a copy without metadata.
Whose they are (a draft, a file) says who may add, read and take back: entitled.py. A file lives as long as its owner: `release`.

    opened = await perform("services.upload.open", {owner, secret, name, bytes, media})   → id, secret, chunk
    PUT /api/uploads/<id> with `upload-offset` and `upload-secret`, chunk by chunk          gateways/uploads.py
    await perform("services.upload.seal", {upload, secret, sha256})                         → what it is, and its state
    … the job `services.upload.examine` scans it and makes the copy …
    await perform("services.upload.read", {upload, reason})                                 → an address for a minute
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, Text, TooLarge, TooMany
from egide.kernel.forget import forget_acts
from egide.kernel.identity import digest, new_id, new_secret
from egide.kernel.jobs import job
from egide.kernel.retention import keep, seal_state
from egide.kernel.tables import job as job_table
from egide.kernel.tables import retained
from egide.services import apart
from egide.services import upload_tables as tables
from egide.services.entitled import may, not_theirs
from egide.services.quarantine import CHUNK, DAY_US, MAX_CHUNK, MAX_FILE, MIB, granted, owner, place, prefix, quarantine
from egide.services.scanning import Scan, scan
from egide.services.sniffing import UNDECLARED, Kind, kinds, recognise
from egide.services.upload_tables import PURPOSE

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

CATEGORY = "service-upload"
OFFICERS = ("officer", "command")
MAX_FILES = 20  # of one draft or file
MAX_NAME, MAX_OWNER = 200, 80  # characters
HASH = 64  # hexadecimal digits of a SHA-256
GRANT_US = DAY_US  # µs in which a file must have come
FOUND = "upload.found"  # event: a scanner found something; whoever cares for the file is told by its listener
_TABLE = tables.upload
_SEALED = (
    select(_TABLE)
    .where(_TABLE.c.owner == bindparam("of"), _TABLE.c.sealed.is_not(None))
    .order_by(_TABLE.c.sealed, _TABLE.c.id)
)

# Why no copy may be had of a file although it was kept.
HELD: dict[str, Text] = {
    "active": Text(
        "Ce document contient un programme ou un fichier joint : il est gardé à part, et montré sans eux.",
        "This document contains a program or an attached file: it is kept apart, and shown without them.",
    ),
    "points": Text(
        "Cette image est trop grande pour être montrée : l’originale est gardée à part.",
        "This picture is too large to be shown: the original is kept apart.",
    ),
}


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


class FileRef(Input):
    """One file, and the secret of the draft or file it belongs to."""

    unkept = frozenset({"secret"})

    upload: str
    secret: str = ""


class Owned(Input):
    """All that belongs to a draft or file, and its secret; an officer asks without one."""

    unkept = frozenset({"secret"})

    owner: str
    secret: str = ""


class FilesShown(msgspec.Struct):
    """The files of a draft or file, oldest first."""

    files: list[FileShown]


class FileWanted(Input):
    """One file, and why it is opened."""

    upload: str
    reason: str = ""


class Examine(Input):
    """One file that was sealed."""

    upload: str


class FileShown(msgspec.Struct):
    """A file as those who may have it see it. `download` is an address that works once; empty: no copy may be had now."""

    upload: str
    name: str
    kind: str
    bytes: int
    sha256: str
    at: str
    scan: str  # waiting, clean, found, unscanned
    copy: str  # waiting, ready, none, failed
    held: str
    said: dict[str, str]  # its state in plain words, in both languages
    download: str = ""


class _Body(msgspec.Struct):
    name: str
    media: str
    found: str = ""  # what the scanner called it


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the content of a whole file is."""

    kind: Kind
    size: int
    hash: str
    held: str


def _noticed(_ctx: Ctx, _given: Any) -> Facts:
    """The form itself says who reads it, why and how long (GDPR 13), in the resident's language."""
    return {"notice_shown": True}


# -- to send ------------------------------------------------------------------------------------------------------------


@act(
    "services.upload.open", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=_noticed, duty=True,
    input=OpenUpload, output=Opened, fr="Commencer l’envoi d’un fichier", en="Begin to send a file",
)  # fmt: skip
def open_upload(ctx: Ctx, given: OpenUpload) -> Effect:
    may(ctx, given.owner, given.secret, "add")
    name, media = _name(given.name), _media(given.media)
    _sizes(given)
    kernel, held = ctx.kernel, quarantine(ctx.kernel)
    if _files(ctx.db, given.owner, ctx.now_us) >= MAX_FILES:
        raise _many()
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
        if _files(connection, given.owner, ctx.now_us) >= MAX_FILES:
            raise _many()
        body = _seal(kernel, id_, _Body(name, media))
        connection.execute(insert(_TABLE), row | {"body": body})
        # What is never sealed is erased like all else, a day later.
        connection.execute(
            insert(retained),
            keep(CATEGORY, id_) | {"trigger": ctx.now_us, "erase_at": until, "state": "sealed"},
        )

    return Effect(Opened(id_, secret, CHUNK, iso(until)), apply=apply, **_about(ctx, id_))


def _inspected(file: IO[bytes], body: _Body) -> _Looked:
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
                raise _locked()
            held = "active" if told["active"] else ""
    except apart.Unreadable as error:
        raise _broken(kind) from error
    return _Looked(kind, size, hasher.hexdigest(), held)


@act(
    "services.upload.seal", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=_noticed, duty=True,
    input=SealUpload, output=FileShown, fr="Sceller un fichier envoyé", en="Seal a file that was sent",
)  # fmt: skip
async def seal_upload(ctx: Ctx, given: SealUpload) -> Effect:
    """Reads the whole of it in a thread: hash, kind, what it hides; a picture's size and a document's acts in a process apart."""
    kernel, held = ctx.kernel, quarantine(ctx.kernel)
    row = ctx.db.execute(select(_TABLE).where(_TABLE.c.id == given.upload)).first()
    if row is not None and row.sealed is not None and hmac.compare_digest(row.secret, digest(given.secret)):
        return Effect(_shown(kernel, row), **_about(ctx, row.id))  # whoever did not hear the answer asks again
    row = granted(kernel, ctx.db, given.upload, given.secret)
    _whole(row, place(ctx.db, given.upload))
    async with held.slot:
        looked = await asyncio.to_thread(_inspected, held.file(row.id), _opened_body(kernel, row))
    for declared in (row.sha256, given.sha256.lower()):
        if declared and declared != looked.hash:
            raise _altered()
    values = {
        "bytes": looked.size, "exact": 1, "sha256": looked.hash, "sealed": ctx.now_us, "kind": looked.kind.id, "held": looked.held,
        "copy": "none" if looked.kind.copy == "none" or looked.held == "points" else "waiting",
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        sealed = update(_TABLE).where(_TABLE.c.id == row.id, _TABLE.c.sealed.is_(None)).values(**values)
        if connection.execute(sealed).rowcount != 1:
            raise Conflict(Text("Ce fichier est déjà scellé.", "This file is sealed already."))
        connection.execute(
            update(retained)
            .where(retained.c.id == f"{CATEGORY}/{row.id}")
            .values(trigger=None, erase_at=None, state="open")
        )
        raw = msgspec.json.encode(Examine(upload=row.id))
        connection.execute(insert(job_table), job(owner(row.id), "services.upload.examine", raw, ctx.now_us))

    shown = _shown(kernel, row, **values)
    return Effect(
        shown, apply=apply, events=[("upload.sealed", {"upload": row.id, "owner": row.owner})], **_about(ctx, row.id)
    )


# -- to examine ---------------------------------------------------------------------------------------------------------


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
    sealed = ctx.db.execute(select(_TABLE).where(_TABLE.c.id == given.upload, _TABLE.c.sealed.is_not(None))).first()
    if sealed is None or seal_state(kernel, ctx.db, CATEGORY, given.upload)[0] == "expired":
        return Effect(Nothing())  # erased meanwhile: there is nothing to examine
    said, copy, size = await asyncio.to_thread(_examined, kernel, sealed)

    def apply(connection: Connection) -> None:
        row = connection.execute(select(_TABLE).where(_TABLE.c.id == given.upload)).first()
        if row is None:
            return
        body = _opened_body(kernel, row)
        body.found = said.word if said.state == "found" else ""
        connection.execute(
            update(_TABLE)
            .where(_TABLE.c.id == given.upload)
            .values(
                scan=said.state, scanner=said.scanner, copy=copy, copy_bytes=size,
                body=_seal(kernel, given.upload, body),
            )
        )  # fmt: skip

    events = [("upload.examined", {"upload": given.upload, "scan": said.state})]
    if said.state == "found":
        events.append((FOUND, {"upload": given.upload}))
    return Effect(Nothing(), apply=apply, events=events, concerns=(owner(given.upload),))


# -- to read ------------------------------------------------------------------------------------------------------------


@act(
    "services.upload.follow", verb="view", activity=PURPOSE, roles=["anyone"], duty=True, input=FileRef, output=FileShown,
    fr="Voir un fichier que l’on a envoyé", en="See a file that one has sent",
)  # fmt: skip
def follow(ctx: Ctx, given: FileRef) -> Effect:
    """The holder of the draft or file: its state, and the copy once it was scanned and is clean."""
    row = _sealed(ctx, given.upload, given.secret)
    shown = _shown(ctx.kernel, row)
    if row.scan == "clean" and row.copy == "ready":
        shown.download = _copy_offer(ctx, row, shown)
    return Effect(shown, **_about(ctx, row.id))


@act(
    "services.upload.list", verb="view", activity=PURPOSE, roles=["anyone"], duty=True, input=Owned, output=FilesShown,
    fr="Voir les fichiers d’un dossier", en="See the files of a draft or file",
)  # fmt: skip
def list_files(ctx: Ctx, given: Owned) -> Effect:
    """Whoever holds the draft or file, or works on it: what was sent, and what became of it."""
    may(ctx, given.owner, given.secret, "read")
    actor = None if ctx.principal.id else given.owner
    return Effect(FilesShown(files_of(ctx.kernel, ctx.db, given.owner)), actor=actor, concerns=(given.owner,))


@act(
    "services.upload.read", verb="consult", activity=PURPOSE, roles=OFFICERS, input=FileWanted, output=FileShown,
    fr="Lire la copie d’un fichier reçu", en="Read the copy of a received file",
)  # fmt: skip
def read(ctx: Ctx, given: FileWanted) -> Effect:
    """An officer: the copy; one that was not scanned only for a stated reason, one in which something was found never."""
    row = _sealed(ctx, given.upload, "")
    shown = _shown(ctx.kernel, row)
    if row.copy == "ready" and row.scan != "found":
        if row.scan != "clean" and not given.reason.strip():
            raise _reason(Text("Ce fichier n’a pas été analysé.", "This file was not scanned."))
        shown.download = _copy_offer(ctx, row, shown)
    return Effect(shown, concerns=(owner(row.id),))


@act(
    "services.upload.original", verb="export", activity=PURPOSE, roles=OFFICERS, input=FileWanted, output=FileShown,
    fr="Obtenir l’original d’un fichier reçu", en="Obtain the original of a received file",
)  # fmt: skip
def original(ctx: Ctx, given: FileWanted) -> Effect:
    """An officer, for a stated reason: the bytes as they came, with all that they say and all that they may do."""
    row = _sealed(ctx, given.upload, "")
    if not given.reason.strip():
        raise _reason(Text("L’original dit plus que la copie.", "The original says more than the copy."))
    shown = _shown(ctx.kernel, row)
    held = quarantine(ctx.kernel)
    shown.download = ctx.kernel.downloads.offer(
        ctx.principal.id,
        ctx.now_us,
        _filename(row, "original"),
        "application/octet-stream",
        lambda: held.original(row.id),
    )
    return Effect(shown, concerns=(owner(row.id),))


@act(
    "services.upload.withdraw", verb="erase", activity=PURPOSE, roles=["anyone"], duty=True, input=FileRef,
    fr="Retirer un fichier que l’on a envoyé", en="Take back a file that one has sent",
)  # fmt: skip
def withdraw(ctx: Ctx, given: FileRef) -> Effect:
    """From now nobody reads it, and the retention clock destroys key and content. What was filed stays with its file."""
    row = _known(ctx, given.upload)
    may(ctx, row.owner, given.secret, "withdraw")

    def apply(connection: Connection) -> None:
        connection.execute(
            update(retained)
            .where(retained.c.id == f"{CATEGORY}/{row.id}")
            .values(trigger=ctx.now_us, erase_at=ctx.now_us, state="sealed")
        )
        connection.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(until=ctx.now_us))

    return Effect(Nothing(), apply=apply, **_about(ctx, row.id))


# -- for the rest of the capability ---------------------------------------------------------------------------------------


def files_of(kernel: Kernel, connection: Connection, of: str) -> list[FileShown]:
    """The sealed files of a draft or file, oldest first; those whose time has come are left out."""
    return [_shown(kernel, row) for row in _rows(kernel, connection, of)]


def _rows(kernel: Kernel, connection: Connection, of: str) -> list[Any]:
    rows = connection.execute(_SEALED, {"of": of}).all()
    return [row for row in rows if seal_state(kernel, connection, CATEGORY, row.id)[0] != "expired"]


def ids_of(kernel: Kernel, connection: Connection, of: str) -> list[str]:
    """The sealed files of a draft or file by their ids, oldest first."""
    return [row.id for row in _rows(kernel, connection, of)]


def release(connection: Connection, of: str, now_us: int) -> None:
    """Their draft or file is no more: so are they, at the retention clock's next look. In the writer's transaction."""
    ids = [f"{CATEGORY}/{row.id}" for row in connection.execute(select(_TABLE.c.id).where(_TABLE.c.owner == of)).all()]
    ended = {"trigger": now_us, "erase_at": now_us, "state": "sealed"}
    connection.execute(update(retained).where(retained.c.id.in_(ids)).values(**ended))


def hand_over(connection: Connection, before: str, after: str) -> None:
    """A draft became a file: what belonged to the one belongs to the other. In the writer's transaction."""
    connection.execute(update(_TABLE).where(_TABLE.c.owner == before).values(owner=after))


def erase(kernel: Kernel, upload: str) -> Callable[[Connection], None]:
    """What destroys a file in the writer's transaction: its key, its rows, and the bodies and links of every act about it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(upload), PURPOSE)
        connection.execute(delete(tables.part).where(tables.part.c.upload == upload))
        connection.execute(delete(_TABLE).where(_TABLE.c.id == upload))
        forget_acts(connection, owner(upload))

    return destroy


def remove(kernel: Kernel, upload: str) -> None:
    """Deletes original and copy of a file whose key is gone; repeated until it returns. Raises `Unavailable`."""
    kernel.objects.delete_prefix(prefix(upload))


# -- within ---------------------------------------------------------------------------------------------------------------


def _about(ctx: Ctx, upload: str) -> dict[str, Any]:
    """Whose key seals what the ledger keeps of it: a resident's act goes with the file, an officer's names it."""
    return {"concerns": (owner(upload),)} if ctx.principal.id else {"actor": owner(upload)}


def _known(ctx: Ctx, upload: str) -> Any:
    row = ctx.db.execute(select(_TABLE).where(_TABLE.c.id == upload)).first()
    if row is None or (row.sealed is not None and seal_state(ctx.kernel, ctx.db, CATEGORY, upload)[0] == "expired"):
        raise not_theirs()
    return row


def _sealed(ctx: Ctx, upload: str, secret: str) -> Any:
    """A file that came whole, for who may read it: others learn not even whether it did. Raises `NotFound`, `Conflict`."""
    row = _known(ctx, upload)
    may(ctx, row.owner, secret, "read")
    if row.sealed is None:
        raise Conflict(Text("Ce fichier n’est pas encore arrivé en entier.", "This file has not come whole yet."))
    return row


def _files(connection: Connection, of: str, now_us: int) -> int:
    """How many files of an owner count: sealed, or still under their grant."""
    live = (_TABLE.c.sealed.is_not(None)) | (_TABLE.c.until > now_us)
    return int(connection.execute(select(func.count()).where(_TABLE.c.owner == of, live)).scalar_one())


def _sizes(given: OpenUpload) -> None:
    if not 1 <= given.bytes <= MAX_FILE:
        raise TooLarge(
            Text(f"Un fichier a de 1 octet à {MAX_FILE // MIB} Mio.", f"A file has 1 byte to {MAX_FILE // MIB} MiB."),
            Text(
                "Envoyez-le en plusieurs fichiers, ou apportez-le au guichet.",
                "Send it as several files, or bring it to the counter.",
            ),
        )
    if given.sha256 and (
        len(given.sha256) != HASH or not all(sign in "0123456789abcdef" for sign in given.sha256.lower())
    ):
        raise BadInput(Text("Empreinte SHA-256 impossible.", "Impossible SHA-256 hash."))


def _name(name: str) -> str:
    """The last part of a file's name. Raises `BadInput`."""
    found = name.replace("\\", "/").rpartition("/")[2].strip()
    if not 1 <= len(found) <= MAX_NAME or found in (".", "..") or not found.isprintable():
        raise BadInput(
            Text("Nom de fichier impossible.", "Impossible file name."),
            Text(f"De 1 à {MAX_NAME} caractères, sans dossier.", f"1 to {MAX_NAME} characters, without a folder."),
        )
    return found


def _media(media: str) -> str:
    """The declared type, one of those that we take or none; what we do not take is refused before a byte has come."""
    told = media.partition(";")[0].strip().lower()
    if told not in UNDECLARED and not any(told in kind.media for kind in kinds().values()):
        raise BadInput(
            Text("Ce format de fichier n’est pas accepté.", "This file format is not accepted."),
            Text(
                f"Formats acceptés : {', '.join(kind.title.fr for kind in kinds().values())}. Ce que vous avez écrit est gardé.",
                f"Accepted formats: {', '.join(kind.title.en for kind in kinds().values())}. What you wrote is kept.",
            ),
        )
    return told


def _whole(row: Any, there: int) -> None:
    if there == 0 or (row.exact and there != row.bytes):
        raise Conflict(
            Text(f"Le fichier n’est pas arrivé en entier : {there} octets sur {row.bytes}.", f"The file has not come whole: {there} bytes of {row.bytes}."),
            Text("Reprenez l’envoi.", "Go on sending."),
        )  # fmt: skip


def _copy_offer(ctx: Ctx, row: Any, shown: FileShown) -> str:
    held, kind = quarantine(ctx.kernel), kinds()[row.kind]
    size = int(row.copy_bytes)
    return ctx.kernel.downloads.offer(
        ctx.principal.id, ctx.now_us, _filename(row, "copie"), kind.media[0], lambda: held.copy(shown.upload, size)
    )


def _filename(row: Any, word: str) -> str:
    """What it is called on the reader's disk: nothing of what its sender called it."""
    return f"{word}-{row.id}.{kinds()[row.kind].endings[0]}"


def _shown(kernel: Kernel, stored: Any, **changed: Any) -> FileShown:
    row = {column.name: getattr(stored, column.name) for column in _TABLE.c} | changed
    body = msgspec.json.decode(
        kernel.vault.open_(owner(row["id"]), PURPOSE, row["body"], row["id"].encode()), type=_Body
    )
    said = _state(row)
    return FileShown(
        row["id"], body.name, row["kind"], int(row["bytes"]), row["sha256"], iso(row["sealed"]), row["scan"], row["copy"], row["held"],
        {"fr": said.fr, "en": said.en},
    )  # fmt: skip


def _state(row: Any) -> Text:
    """The one sentence that matters of a file's state."""
    if row["scan"] == "waiting":
        return Text("Reçu et scellé ; examen en cours.", "Received and sealed; being examined.")
    if row["scan"] == "found":
        return Text(
            "Un programme malveillant y a été trouvé : ce fichier est gardé à part, un agent en est averti.",
            "Something malicious was found in it: this file is kept apart, an officer is told.",
        )
    if row["held"]:
        return HELD[row["held"]]
    if row["scan"] == "unscanned":
        return Text(
            "Reçu et scellé. Non analysé contre les programmes malveillants : seul un agent peut l’ouvrir, en disant pourquoi.",
            "Received and sealed. Not scanned for malicious programs: only an officer may open it, saying why.",
        )
    if row["copy"] != "ready":
        return Text(
            "Reçu et scellé ; ce format n’a pas de copie à montrer.", "Received and sealed; there is no copy to show."
        )
    return Text(
        "Reçu, scellé et analysé : rien de malveillant trouvé.",
        "Received, sealed and scanned: nothing malicious found.",
    )


def _seal(kernel: Kernel, upload: str, body: _Body) -> bytes:
    return kernel.vault.seal(owner(upload), PURPOSE, msgspec.json.encode(body), upload.encode())


def _opened_body(kernel: Kernel, row: Any) -> _Body:
    return msgspec.json.decode(kernel.vault.open_(owner(row.id), PURPOSE, row.body, row.id.encode()), type=_Body)


def _many() -> TooMany:
    return TooMany(
        Text(f"Ce dossier a déjà {MAX_FILES} fichiers.", f"This file has {MAX_FILES} files already."),
        Text("Retirez-en un, ou apportez la suite au guichet.", "Take one back, or bring the rest to the counter."),
    )


def _altered() -> BadInput:
    return BadInput(
        Text(
            "Le fichier reçu n’est pas celui annoncé (SHA-256).",
            "The file received is not the one announced (SHA-256).",
        ),
        Text("Choisissez-le de nouveau. Ce que vous avez écrit est gardé.", "Choose it again. What you wrote is kept."),
    )


def _locked() -> BadInput:
    return BadInput(
        Text("Ce document PDF est protégé par un mot de passe.", "This PDF document is protected by a password."),
        Text(
            "Enregistrez-le sans mot de passe, puis envoyez-le. Ce que vous avez écrit est gardé.",
            "Save it without a password, then send it. What you wrote is kept.",
        ),
    )


def _broken(kind: Kind) -> BadInput:
    return BadInput(
        Text(f"Ce fichier ({kind.title.fr}) ne peut pas être lu.", f"This file ({kind.title.en}) cannot be read."),
        Text(
            "Ouvrez-le et enregistrez-le de nouveau, ou envoyez une photo de l’écran. Ce que vous avez écrit est gardé.",
            "Open it and save it again, or send a photo of the screen. What you wrote is kept.",
        ),
    )


def _reason(what: Text) -> BadInput:
    return BadInput(what, Text("Dites pourquoi il vous le faut.", "Say why you need it."))


ACTS: tuple[Act, ...] = (open_upload, seal_upload, examine, follow, list_files, read, original, withdraw)
ERASERS = {CATEGORY: erase}
REMOVERS = {CATEGORY: remove}
