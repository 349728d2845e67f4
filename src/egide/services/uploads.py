"""The files of a draft or file: what is known of each, in whose hands they are, how they go.

The original is kept as it came, under a key of its own, with its hash in the ledger; people are shown a copy without metadata.
Whose they are (a draft, a file) says who may add, read and take back: entitled.py. A file lives as long as its owner: `release`.
How they come: upload_acts.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, literal, select, update

from egide.kernel.act import Change, Ctx
from egide.kernel.clock import iso
from egide.kernel.forget import forget_acts
from egide.kernel.retention import seal_state
from egide.kernel.tables import retained
from egide.services import upload_tables as tables
from egide.services import upload_words as words
from egide.services.entitled import not_theirs
from egide.services.quarantine import owner, prefix
from egide.services.upload_tables import PURPOSE

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CATEGORY = "service-upload"
TABLE = tables.upload
_SEALED = (
    select(TABLE)
    .where(TABLE.c.owner == bindparam("of"), TABLE.c.sealed.is_not(None))
    .order_by(TABLE.c.sealed, TABLE.c.id)
)
_HANDED = select(literal(f"{CATEGORY}/") + TABLE.c.id).where(TABLE.c.owner == bindparam("of"))
_RELEASE = update(retained).where(retained.c.id.in_(_HANDED))
_RELEASE = _RELEASE.values(trigger=bindparam("began"), erase_at=bindparam("until"), state="sealed")
_LIVE_ON = update(retained).where(retained.c.id.in_(_HANDED.where(TABLE.c.sealed.is_not(None))))
_LIVE_ON = _LIVE_ON.values(trigger=None, erase_at=None, state="open")
_HAND_OVER = update(TABLE).where(TABLE.c.owner == bindparam("before")).values(owner=bindparam("after"))


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
    mine: bool = True  # sent by the resident, not by an officer


class Body(msgspec.Struct):
    """What its sender said of it; sealed."""

    name: str
    media: str
    found: str = ""  # what the scanner called it


def files_of(kernel: Kernel, connection: Connection, of: str) -> list[FileShown]:
    """The sealed files of a draft or file, oldest first; those whose time has come are left out."""
    return [shown(kernel, row) for row in _rows(kernel, connection, of)]


def _rows(kernel: Kernel, connection: Connection, of: str) -> list[Any]:
    rows = connection.execute(_SEALED, {"of": of}).all()
    return [row for row in rows if seal_state(kernel, connection, CATEGORY, row.id)[0] != "expired"]


def any_of(of: ColumnElement[str]) -> ColumnElement[bool]:
    """A column `files`: whether a draft or file has a sealed one."""
    return exists().where(TABLE.c.owner == of, TABLE.c.sealed.is_not(None)).label("files")


def ids_of(kernel: Kernel, connection: Connection, of: str, *, holder: bool = False) -> list[str]:
    """The sealed files of a draft or file by their ids, oldest first; with `holder`, those that no officer sent."""
    return [row.id for row in _rows(kernel, connection, of) if not holder or row.person is None]


def hashes_of(connection: Connection, of: str) -> set[str]:
    """The SHA-256 of the sealed files of an owner."""
    return {row.sha256 for row in connection.execute(_SEALED, {"of": of}).all()}


def release(of: str, now_us: int) -> Change:
    """Their draft or file is no more: so are they, at the retention clock's next look."""
    return Change(_RELEASE, {"of": of, "began": now_us, "until": now_us})


def hand_over(before: str, after: str) -> tuple[Change, ...]:
    """A draft became a file: what belonged to the one belongs to the other, and lives as long."""
    return Change(_LIVE_ON, {"of": before}), Change(_HAND_OVER, {"before": before, "after": after})


def erase(kernel: Kernel, upload: str) -> Callable[[Connection], None]:
    """What destroys a file in the writer's transaction: its key, its rows, and the bodies and links of every act about it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(upload), PURPOSE)
        connection.execute(delete(tables.part).where(tables.part.c.upload == upload))
        connection.execute(delete(TABLE).where(TABLE.c.id == upload))
        forget_acts(connection, owner(upload))

    return destroy


def remove(kernel: Kernel, upload: str) -> None:
    """Deletes original and copy of a file whose key is gone; repeated until it returns. Raises `Unavailable`."""
    kernel.objects.delete_prefix(prefix(upload))


def about(ctx: Ctx, upload: str) -> dict[str, Any]:
    """Whose key seals what the ledger keeps of it: a resident's act goes with the file, an officer's names it."""
    return {"concerns": (owner(upload),)} if ctx.principal.id else {"actor": owner(upload)}


def known(ctx: Ctx, upload: str) -> Any:
    """The row of a file that is there. Raises `NotFound`."""
    row = ctx.db.execute(select(TABLE).where(TABLE.c.id == upload)).first()
    if row is None or (row.sealed is not None and seal_state(ctx.kernel, ctx.db, CATEGORY, upload)[0] == "expired"):
        raise not_theirs()
    return row


def count(connection: Connection, of: str, now_us: int) -> int:
    """How many files of an owner count: sealed, or still under their grant."""
    live = (TABLE.c.sealed.is_not(None)) | (TABLE.c.until > now_us)
    return int(connection.execute(select(func.count()).where(TABLE.c.owner == of, live)).scalar_one())


def shown(kernel: Kernel, stored: Any, **changed: Any) -> FileShown:
    """A sealed file as people see it; `changed`: what the act at hand makes of its row."""
    row = {column.name: getattr(stored, column.name) for column in TABLE.c} | changed
    body = msgspec.json.decode(
        kernel.vault.open_(owner(row["id"]), PURPOSE, row["body"], row["id"].encode()), type=Body
    )
    said = words.state(row)
    return FileShown(
        row["id"], body.name, row["kind"], int(row["bytes"]), row["sha256"], iso(row["sealed"]), row["scan"], row["copy"], row["held"],
        {"fr": said.fr, "en": said.en}, mine=row["person"] is None,
    )  # fmt: skip


def seal(kernel: Kernel, upload: str, body: Body) -> bytes:
    """Under the file's own key."""
    return kernel.vault.seal(owner(upload), PURPOSE, msgspec.json.encode(body), upload.encode())


def opened(kernel: Kernel, row: Any) -> Body:
    """What `seal` sealed."""
    return msgspec.json.decode(kernel.vault.open_(owner(row.id), PURPOSE, row.body, row.id.encode()), type=Body)


ERASERS = {CATEGORY: erase}
REMOVERS = {CATEGORY: remove}
