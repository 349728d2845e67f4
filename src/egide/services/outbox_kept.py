"""What is kept of each entry that a device sent: its place, what became of it; and, sealed, what an officer still has to look at.

Nothing that was recorded or set aside changes any more. What is looked at goes at the retention clock's next look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import Conflict, Text
from egide.kernel.forget import forget_acts
from egide.kernel.retention import keep, trigger
from egide.services.entitled import OUTBOX
from egide.services.outbox_tables import PURPOSE, entry

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

CATEGORY = "field-outbox-review"


def once(device: str, seq: int) -> tuple[str, int]:
    """What is written with an entry's act, so that nobody does it too: neither its device nor an officer at the desk."""
    return f"{OUTBOX} {device}", seq


def owner(device: str, seq: int) -> str:
    """Whose key seals an entry that is to be looked at: its own."""
    return f"entry:{device}.{seq}"


def keeper(kernel: Kernel, rows: list[dict[str, Any]]) -> Callable[[Connection], None]:
    """What remembers these entries, in the transaction of the batch; the body of one to be looked at is sealed."""

    def apply(connection: Connection) -> None:
        for row in rows:
            here = (entry.c.device == row["device"]) & (entry.c.seq == row["seq"])
            was = connection.execute(select(entry).where(here)).first()
            if was is not None and was.hash != row["hash"]:
                raise Conflict(
                    Text(
                        "Un autre envoi de cet appareil a pris ce rang.",
                        "Another entry of this device took this place.",
                    )
                )
            if was is not None and was.state in ("recorded", "aside"):
                continue
            object_ = f"{row['device']}.{row['seq']}"
            kept = row | {"body": None}
            if row["body"] is not None:
                kept["body"] = kernel.vault.seal(
                    owner(row["device"], row["seq"]), PURPOSE, row["body"], row["id"].encode()
                )
            if was is None:
                connection.execute(insert(entry), kept)
            else:
                connection.execute(update(entry).where(here).values(**kept))
            if row["body"] is not None and (was is None or was.state != "review"):
                connection.execute(insert(kernel_tables.retained), keep(CATEGORY, object_))
                trigger(kernel, connection, CATEGORY, object_, row["at"])
            elif was is not None and was.state == "review" and row["state"] != "review":
                settled(connection, object_, row["at"])

    return apply


def settled(connection: Connection, object_: str, now_us: int) -> None:
    """It was looked at, or is recorded after all: what was kept of it goes at the retention clock's next look."""
    table = kernel_tables.retained
    ended = {"trigger": now_us, "erase_at": now_us, "state": "sealed"}
    connection.execute(update(table).where(table.c.id == f"{CATEGORY}/{object_}").values(**ended))


def erase(kernel: Kernel, object_: str) -> Callable[[Connection], None]:
    """What destroys what was kept of an entry: its key and the sealed words; that it came stays."""

    def destroy(connection: Connection) -> None:
        device, _, seq = object_.rpartition(".")
        kernel.vault.shred(owner(device, int(seq)), PURPOSE)
        connection.execute(update(entry).where(entry.c.device == device, entry.c.seq == int(seq)).values(body=None))
        forget_acts(connection, owner(device, int(seq)))

    return destroy


ERASERS = {CATEGORY: erase}
