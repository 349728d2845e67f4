"""What is kept of each entry that a device sent: its place, what became of it; and, sealed, what an officer still has to look at.

Nothing that was recorded or set aside changes any more. What is looked at goes at the retention clock's next look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import Conflict, Text
from egide.kernel.forget import forget_acts
from egide.kernel.retention import keep, trigger
from egide.services.entitled import OUTBOX
from egide.services.outbox_tables import PURPOSE, entry

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CATEGORY = "field-outbox-review"
_COLUMNS = tuple(column.name for column in entry.columns)
# Built once, and asked once for a whole batch: row by row this was a third of what a batch costs.
_THERE = select(entry.c.seq, entry.c.hash, entry.c.state).where(
    entry.c.device == bindparam("device"), entry.c.seq.in_(bindparam("places", expanding=True))
)
_AGAIN = update(entry).where(entry.c.device == bindparam("of"), entry.c.seq == bindparam("place"))


def once(device: str, seq: int) -> tuple[str, int]:
    """What is written with an entry's act, so that nobody does it too: neither its device nor an officer at the desk."""
    return f"{OUTBOX} {device}", seq


def owner(device: str, seq: int) -> str:
    """Whose key seals an entry that is to be looked at: its own."""
    return f"entry:{device}.{seq}"


def keeper(kernel: Kernel, device: str, rows: list[dict[str, Any]]) -> Callable[[Connection], None]:
    """What remembers these entries, in the transaction of the batch; the body of one to be looked at is sealed."""

    def apply(connection: Connection) -> None:
        asked = {"device": device, "places": [row["seq"] for row in rows]}
        there = {row.seq: row for row in connection.execute(_THERE, asked)} if rows else {}
        new: list[tuple[Any, ...]] = []
        for row in rows:
            was = there.get(row["seq"])
            if was is not None and was.hash != row["hash"]:
                raise Conflict(
                    Text(
                        "Un autre envoi de cet appareil a pris ce rang.",
                        "Another entry of this device took this place.",
                    )
                )
            if was is not None and was.state in ("recorded", "aside"):
                continue
            kept = _sealed(kernel, row)
            if was is None:
                new.append(tuple(kept[name] for name in _COLUMNS))
            else:
                connection.execute(_AGAIN, kept | {"of": device, "place": row["seq"]})
            _clock(kernel, connection, row, was)
        kernel.store.insert(connection, entry, _COLUMNS, new)

    return apply


def _sealed(kernel: Kernel, row: dict[str, Any]) -> dict[str, Any]:
    if row["body"] is None:
        return row
    sealed = kernel.vault.seal(owner(row["device"], row["seq"]), PURPOSE, row["body"], row["id"].encode())
    return row | {"body": sealed}


def _clock(kernel: Kernel, connection: Connection, row: dict[str, Any], was: Any) -> None:
    """The retention clock of what is to be looked at begins, or ends."""
    object_ = f"{row['device']}.{row['seq']}"
    looked = was is not None and was.state == "review"
    if row["body"] is not None and not looked:
        connection.execute(insert(kernel_tables.retained), keep(CATEGORY, object_))
        trigger(kernel, connection, CATEGORY, object_, row["at"])
    elif looked and row["state"] != "review":
        settled(connection, object_, row["at"])


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
