"""Devices that keep something for work without network: a key lent at each contact, destroyed once the device is lost.

What opens a device's store is half on the device, half here, under a key of the device's own. Revoking it destroys that key, ends
its session and closes its sockets. What is kept, in which table and for how long, each capability says; what must be the same for
all is here. What it guarantees of a seized device and what not: docs/decisions/0046 and 0059.
Source: directive 2016/680, articles 20 and 29.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, Table, select, update

from egide.kernel.act import Ctx, Effect, Nothing
from egide.kernel.clock import from_us, iso, to_us
from egide.kernel.duration import add_duration
from egide.kernel.errors import NotFound, Text
from egide.kernel.randomness import draw
from egide.kernel.tables import session

KEY_SIZE = 32  # bytes, AES-256
MAX_LABEL = 80  # characters
SESSION_ENDED = "session.ended"  # the doors close the sockets of sessions that are over


class Lent(NamedTuple):
    """`key` (base64, 32 bytes) opens the device's store for `seconds` from now; no key where the device is revoked."""

    state: Literal["active", "revoked"]
    key: str = ""
    until: str = ""
    seconds: int = 0


@dataclass(frozen=True)
class DeviceKind:
    """Devices of one kind. Their table has the columns id, person, session, label, key, seen, until and revoked."""

    table: Table
    kind: str  # whose key seals what is lent: `kind:id`
    purpose: str  # what the label is sealed for
    lease: str  # what that key is for, whose destruction ends what a device keeps
    lasts: str  # the law's parameter
    unknown: tuple[Text, Text]  # said where there is none, or it is somebody else’s: what is wrong, what to do
    sealed: tuple[str, ...] = ("key",)  # the columns under that key

    def owner(self, id_: str) -> str:
        """Whose key seals what is lent to a device: its own."""
        return f"{self.kind}:{id_}"

    def new(self, ctx: Ctx, label: str) -> tuple[dict[str, Any], Lent]:
        """A device of who asks: its row, and the first lease."""
        id_, person, vault = draw(16).hex(), ctx.principal.id, ctx.kernel.vault
        key, until = draw(KEY_SIZE), self._until(ctx)
        row = {
            "id": id_, "person": person, "session": ctx.principal.session or None, "seen": ctx.now_us, "until": until, "revoked": None,
            "label": vault.seal(person, self.purpose, label.encode(), id_.encode()),
            "key": vault.seal(self.owner(id_), self.lease, key, id_.encode()),
        }  # fmt: skip
        return row, _lent(ctx, key, until)

    def renewed(self, ctx: Ctx, row: Row[Any]) -> tuple[Lent, Callable[[Connection], None] | None]:
        """The next lease of a device, and what the store is told."""
        if row.revoked is not None or row.key is None:
            return Lent("revoked"), None
        key = ctx.kernel.vault.open_(self.owner(row.id), self.lease, bytes(row.key), row.id.encode())
        until = self._until(ctx)

        def apply(connection: Connection) -> None:
            values = {"seen": ctx.now_us, "until": until, "session": ctx.principal.session or None}
            live = update(self.table).where(self.table.c.id == row.id, self.table.c.revoked.is_(None)).values(values)
            if connection.execute(live).rowcount != 1:  # revoked since it was read
                raise NotFound(*self.unknown)

        return _lent(ctx, key, until), apply

    def revoked(self, ctx: Ctx, row: Row[Any], also: Callable[[Connection], object] = lambda _: None) -> Effect:
        """The key first: whatever happens next, nobody opens that store any more. Then the session; its sockets follow."""
        kernel, table = ctx.kernel, self.table
        ended: dict[str, Any] = {"revoked": ctx.now_us} | dict.fromkeys(self.sealed)

        def apply(connection: Connection) -> None:
            kernel.vault.shred(self.owner(row.id), self.lease)
            connection.execute(update(table).where(table.c.id == row.id, table.c.revoked.is_(None)).values(ended))
            also(connection)
            connection.execute(
                update(session).where(session.c.hash == row.session, session.c.ended.is_(None)).values(ended=ctx.now_us)
            )

        told = {"person": row.person}
        return Effect(
            Nothing(), apply=apply, events=[("right.changed", told), (SESSION_ENDED, told)], rights_changed=True
        )

    def found(self, connection: Connection, id_: str) -> Row[Any] | None:
        """A device's row; None where there is none."""
        return connection.execute(select(self.table).where(self.table.c.id == id_)).first()

    def one(self, ctx: Ctx, id_: str, person: str | None = None) -> Row[Any]:
        """A device's row; of this person, where one is named."""
        row = self.found(ctx.db, id_)
        if row is None or (person is not None and row.person != person):
            raise NotFound(*self.unknown)
        return row

    def state(self, ctx: Ctx, id_: str) -> Literal["active", "revoked", "unknown"]:
        """For who has no session any more: a drawn number in, one word out."""
        row = self.found(ctx.db, id_)
        return "unknown" if row is None else "active" if row.revoked is None else "revoked"

    def of(self, ctx: Ctx, person: str) -> list[tuple[Row[Any], str, bool]]:
        """A person's devices, newest contact first: the row, what they call it, and whether it is this session's."""
        rows = ctx.db.execute(
            select(self.table).where(self.table.c.person == person).order_by(self.table.c.seen.desc())
        )
        open_, here = ctx.kernel.vault.open_, ctx.principal.session
        return [
            (
                row, open_(person, self.purpose, bytes(row.label), row.id.encode()).decode(),
                bool(row.session) and row.session == here,
            )
            for row in rows
        ]  # fmt: skip

    def _until(self, ctx: Ctx) -> int:
        now = from_us(ctx.now_us)
        return to_us(add_duration(now, str(ctx.kernel.book.parameter(self.lasts, now))))


def _lent(ctx: Ctx, key: bytes, until: int) -> Lent:
    return Lent("active", b64encode(key).decode(), iso(until), (until - ctx.now_us) // 1_000_000)
