"""Files that people sent, read: by whoever holds the draft or file, and by the officer who works on it, always as a copy.

What was not scanned is opened by an officer alone, who says why; something malicious by nobody. The original leaves for a stated
reason, under an act of its own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.errors import Conflict, Text
from egide.services import upload_words as words
from egide.services.entitled import MAGISTRATE, may
from egide.services.quarantine import owner, quarantine
from egide.services.sniffing import kinds
from egide.services.upload_tables import PURPOSE
from egide.services.uploads import FileShown, about, files_of, known, shown

OFFICERS = ("officer", "command")


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


@act(
    "services.upload.follow", verb="view", activity=PURPOSE, roles=["anyone"], duty=True, input=FileRef, output=FileShown,
    fr="Voir un fichier que l’on a envoyé", en="See a file that one has sent",
)  # fmt: skip
def follow(ctx: Ctx, given: FileRef) -> Effect:
    """The holder of the draft or file: its state, and the copy once it was scanned and is clean."""
    row = _sealed(ctx, given.upload, given.secret)
    found = shown(ctx.kernel, row)
    if row.scan == "clean" and row.copy == "ready":
        found.download = _copy_offer(ctx, row)
    return Effect(found, **about(ctx, row.id))


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
    "services.upload.read", verb="consult", activity=PURPOSE, roles=(*OFFICERS, MAGISTRATE), input=FileWanted, output=FileShown,
    fr="Lire la copie d’un fichier reçu", en="Read the copy of a received file",
)  # fmt: skip
def read(ctx: Ctx, given: FileWanted) -> Effect:
    """An officer: the copy; one that was not scanned only for a stated reason, one in which something was found never."""
    row = _sealed(ctx, given.upload, "")
    found = shown(ctx.kernel, row)
    if row.copy == "ready" and row.scan != "found":
        if row.scan != "clean" and not given.reason.strip():
            raise words.reason(Text("Ce fichier n’a pas été analysé.", "This file was not scanned."))
        found.download = _copy_offer(ctx, row)
    return Effect(found, concerns=(owner(row.id),))


@act(
    "services.upload.original", verb="export", activity=PURPOSE, roles=OFFICERS, input=FileWanted, output=FileShown,
    fr="Obtenir l’original d’un fichier reçu", en="Obtain the original of a received file",
)  # fmt: skip
def original(ctx: Ctx, given: FileWanted) -> Effect:
    """An officer, for a stated reason: the bytes as they came, with all that they say and all that they may do."""
    row = _sealed(ctx, given.upload, "")
    if not given.reason.strip():
        raise words.reason(Text("L’original dit plus que la copie.", "The original says more than the copy."))
    found = shown(ctx.kernel, row)
    held = quarantine(ctx.kernel)
    found.download = ctx.kernel.downloads.offer(
        ctx.principal.id,
        ctx.now_us,
        _filename(row, "original"),
        "application/octet-stream",
        lambda: held.original(row.id),
    )
    return Effect(found, concerns=(owner(row.id),))


def _sealed(ctx: Ctx, upload: str, secret: str) -> Any:
    """A file that came whole, for who may read it: others learn not even whether it did. Raises `NotFound`, `Conflict`."""
    row = known(ctx, upload)
    may(ctx, row.owner, secret, "read")
    if row.sealed is None:
        raise Conflict(Text("Ce fichier n’est pas encore arrivé en entier.", "This file has not come whole yet."))
    return row


def _copy_offer(ctx: Ctx, row: Any) -> str:
    held, kind = quarantine(ctx.kernel), kinds()[row.kind]
    size = int(row.copy_bytes)
    return ctx.kernel.downloads.offer(
        ctx.principal.id, ctx.now_us, _filename(row, "copie"), kind.media[0], lambda: held.copy(row.id, size)
    )


def _filename(row: Any, word: str) -> str:
    """What it is called on the reader's disk: nothing of what its sender called it."""
    return f"{word}-{row.id}.{kinds()[row.kind].endings[0]}"


ACTS: tuple[Act, ...] = (follow, list_files, read, original)
