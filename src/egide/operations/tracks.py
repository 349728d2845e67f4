"""An officer's own track: kept under the officer's own key, one for each shift, read by them, erased when its term is over.

Nobody looks into it afterwards but the officer (GDPR 15) and justice or the inspection under a reference; the law pack
fr/agent-location says so. One place every ten seconds is kept, in memory for a minute at most, then sealed: a crash costs that
minute. What a shift leaves is destroyed with its key by the retention clock, and with all the officer's keys on erasure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.clock import iso
from egide.kernel.errors import EgideError
from egide.kernel.identity import new_id
from egide.kernel.merkle import Frontier, leaf_hash
from egide.kernel.retention import seal_state
from egide.operations import tables
from egide.protocols.positions import Fix, pack, unpack

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.positions")

CATEGORY = "officer-track"
EVERY_MS = 10_000  # ms between places kept: enough to know where one was, no more (GDPR 5(1)(c))
HELD = 10_000  # fixes of one shift that may wait for the store; the oldest go first


def purpose_of(duty: str) -> str:
    """Under which of the officer's keys the track of a shift is."""
    return f"officer-location:{duty}"


def owner(duty: str) -> str:
    """What the ledger's bodies about a shift are found by when it is erased."""
    return f"duty:{duty}"


class Tracks:
    """Fixes that wait to be sealed, by shift."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._waiting: dict[tuple[str, str], list[Fix]] = {}  # (duty, person)
        self._last: dict[str, int] = {}  # duty → time of the last fix kept
        self.passed = 0  # fixes received since the last seal, kept or not

    def add(self, duty: str, person: str, fixes: list[Fix]) -> None:
        """Keeps what is to be kept of them."""
        self.passed += len(fixes)
        kept = self._waiting.setdefault((duty, person), [])
        for fix in fixes:
            if fix.at_ms - self._last.get(duty, 0) >= EVERY_MS:
                self._last[duty] = fix.at_ms
                kept.append(fix)
        del kept[:-HELD]

    def waiting(self, duty: str) -> list[Fix]:
        """What is not sealed yet of a shift."""
        return [fix for (each, _), fixes in self._waiting.items() if each == duty for fix in fixes]

    def forget(self, duty: str) -> None:
        """Nothing of this shift is kept any more: its officer was erased."""
        for key in [key for key in self._waiting if key[0] == duty]:
            del self._waiting[key]
        self._last.pop(duty, None)

    def ended(self, duty: str) -> None:
        """Nothing more comes of this shift; what waits is sealed with the rest."""
        self._last.pop(duty, None)

    def take(self) -> dict[tuple[str, str], list[Fix]]:
        """What waits, to be sealed now."""
        taken, self._waiting, self.passed = self._waiting, {}, 0
        return {key: fixes for key, fixes in taken.items() if fixes}

    def give_back(self, taken: dict[tuple[str, str], list[Fix]]) -> None:
        """The store did not take it: it waits again."""
        for key, fixes in taken.items():
            self._waiting[key] = (fixes + self._waiting.get(key, []))[-HELD:]

    def sealed(
        self, db: Connection, taken: dict[tuple[str, str], list[Fix]]
    ) -> tuple[list[tuple[Any, dict[str, Any]]], int, bytes]:
        """(rows, how many fixes, root over the sealed rows); a shift that was erased meanwhile gets no row and no key."""
        duties = [duty for duty, _ in taken]
        known = {id_ for (id_,) in db.execute(select(tables.duty.c.id).where(tables.duty.c.id.in_(duties)))}
        rows: list[tuple[Any, dict[str, Any]]] = []
        root, count = Frontier(), 0
        for (duty, person), fixes in taken.items():
            if duty not in known:
                continue
            id_ = new_id()
            body = self._kernel.vault.seal(person, purpose_of(duty), pack(fixes), id_.encode())
            root.extend([leaf_hash(body)])
            count += len(fixes)
            row = {"id": id_, "duty": duty, "person": person, "at": fixes[0].at_ms * 1000, "body": body}
            rows.append((tables.track, row))
        return rows, count, root.root()


def read(
    kernel: Kernel, db: Connection, tracks: Tracks, person: str, since_us: int, until_us: int
) -> list[dict[str, Any]]:
    """A person's shifts in these times and what is kept of where they were; what is due for erasure is gone already."""
    table, found = tables.duty, []
    query = select(table).where(table.c.person == person, table.c.began < until_us).order_by(table.c.began)
    for row in db.execute(query).all():
        if (row.ended or row.until) < since_us or seal_state(kernel, db, CATEGORY, row.id)[0] == "expired":
            continue
        fixes = [fix for body in _bodies(db, row.id) for fix in _opened(kernel, person, row.id, *body)]
        fixes += tracks.waiting(row.id)
        found.append(
            {
                "duty": row.id, "purpose": row.purpose, "began": iso(row.began), "until": iso(row.until),
                "ended": iso(row.ended) if row.ended else None, "how": row.how,
                "fixes": [_shown(fix) for fix in fixes if since_us <= fix.at_ms * 1000 < until_us],
            }
        )  # fmt: skip
    return found


def _bodies(db: Connection, duty: str) -> list[tuple[str, bytes]]:
    table = tables.track
    query = select(table.c.id, table.c.body).where(table.c.duty == duty).order_by(table.c.at)
    return [(row.id, bytes(row.body)) for row in db.execute(query)]


def _opened(kernel: Kernel, person: str, duty: str, id_: str, body: bytes) -> list[Fix]:
    try:
        return unpack(kernel.vault.open_(person, purpose_of(duty), body, id_.encode()))
    except EgideError as error:
        if error.code != "erased":
            raise
        return []  # the clock destroyed the key a moment ago


def _shown(fix: Fix) -> dict[str, Any]:
    return {
        "at": iso(fix.at_ms * 1000),
        "lat": fix.lat,
        "lon": fix.lon,
        "heading": fix.heading,
        "accuracy": fix.accuracy,
    }


def erase(kernel: Kernel, duty: str) -> Callable[[Connection], None]:
    """What destroys what a shift left: its key, its rows, and the bodies of the acts that told of it."""

    def destroy(connection: Connection) -> None:
        person = connection.execute(select(tables.duty.c.person).where(tables.duty.c.id == duty)).scalar()
        if person is not None:
            kernel.vault.shred(person, purpose_of(duty))
        connection.execute(delete(tables.track).where(tables.track.c.duty == duty))
        connection.execute(delete(tables.duty).where(tables.duty.c.id == duty))
        forget(kernel, connection, owner(duty))

    return destroy


def forget(kernel: Kernel, connection: Connection, about: str) -> None:
    """Takes the bodies of every act about something out of the ledger, whose leaves stay; inside the caller's transaction."""
    entry, concern, realm = kernel_tables.entry, kernel_tables.concern, kernel.settings.realm
    numbers = select(concern.c.idx).where(concern.c.person == about, concern.c.realm == realm)
    connection.execute(update(entry).where(entry.c.realm == realm, entry.c.idx.in_(numbers)).values(body=None))
    connection.execute(delete(concern).where(concern.c.person == about, concern.c.realm == realm))
