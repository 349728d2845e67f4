"""Every file's chain of events compared with what the ledger's leaves hold of it (kernel/rights_check.py); `egide doctor` asks.

Why beside the chain itself: whoever has the store and the keys can write a whole chain anew, each link right. But the leaf of the
act that wrote an event holds that event's hash, and heads over the leaves are signed, cosigned and published. So each event as
it lies there must be one that a leaf speaks for, and each that a leaf speaks for must lie there, unless it was erased. Nothing is
opened: the hash is over the sealed words (model.event_hash), and that they open in their place is sealed_check.py's to tell.

Events older than the first leaf that holds one were written by a version that told the ledger nothing of them: they are compared
within their file alone. An act that wrote several holds the Merkle root over them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import Text
from egide.kernel.rights_check import Acts, Fault
from egide.services import tables
from egide.services.model import bound, event_hash, file_owner

PAGE = 4096  # rows in memory at once
_FILE, _EVENT = tables.file.c, tables.event.c


class _Leaf(msgspec.Struct):
    rows: int = 0
    sub: str = ""


class _Told(msgspec.Struct):
    """A leaf that holds events: which entry, by whom, whether its body is there still; `seen`: so are its events."""

    index: int
    at: int
    actor: str
    erased: bool
    seen: bool = False


_LEAF = msgspec.json.Decoder(_Leaf)
_Held = dict[tuple[int, str], _Told]


def check(acts: Acts) -> Iterator[Fault]:
    """What of files does not say what the ledger says."""
    return compared(acts, _held(acts))


def compared(acts: Acts, held: _Held) -> Iterator[Fault]:
    """The same, by what leaves hold."""
    since = min((told.at for told in held.values()), default=None)
    counts = sorted({count for count, _root in held})
    wrong: set[str] = set()
    for file, events in _files(acts):
        acts.checked += len(events)
        found = _of(file, events, held, counts, since)
        if found is not None:
            wrong.add(file.id)
            yield found
    yield from _missing(acts, held, wrong)


def _held(acts: Acts) -> _Held:
    """Every leaf of services that holds events, by how many and their root. Documents' and outboxes' leaves are not events'."""
    table, found = kernel_tables.entry, _Held()
    query = select(table.c.idx, table.c.at, table.c.leaf, table.c.actor, table.c.body.is_(None).label("erased")).where(
        table.c.realm == acts.kernel.settings.realm, table.c.act.like("services.%"), table.c.outcome == "allowed",
        table.c.act.not_like("services.document.%"), table.c.act.not_like("services.outbox.%"),
    )  # fmt: skip
    for row in acts.db.execute(query.execution_options(yield_per=PAGE)):
        try:
            leaf = _LEAF.decode(row.leaf)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # the ledger's check names it
        if leaf.rows:
            found[leaf.rows, leaf.sub] = _Told(row.idx, row.at, row.actor or "", bool(row.erased))
    return found


def _files(acts: Acts) -> Iterator[tuple[Any, list[Any]]]:
    """Each file with its events in order; events of no file come with a file that is their id and nothing else."""
    columns = (_FILE.id, _FILE.number, _FILE.state, _FILE.head, _FILE.events)
    files = {row.id: row for row in acts.db.execute(select(*columns))}
    every = select(tables.event).order_by(_EVENT.file, _EVENT.seq).execution_options(yield_per=PAGE)
    rows = acts.db.execute(every)
    events: list[Any] = []
    for row in rows:
        if events and row.file != events[0].file:
            yield files.pop(events[0].file, None) or _Stray(events[0].file), events
            events = []
        events.append(row)
    if events:
        yield files.pop(events[0].file, None) or _Stray(events[0].file), events
    for file in files.values():
        yield file, []


class _Stray(msgspec.Struct):
    """A file whose row is gone."""

    id: str
    number: str = ""
    state: str = ""
    head: str = ""
    events: int = 0


def _of(file: Any, events: list[Any], held: _Held, counts: list[int], since: int | None) -> Fault | None:
    """The first event of a file that no leaf speaks for, or what its row says otherwise than they."""
    hashes = [event_hash(event._mapping) for event in events]  # noqa: SLF001 — SQLAlchemy's public name for it
    spoken = [False] * len(events)
    for end, event in enumerate(events, 1):
        told, count = _teller(hashes[:end], held, counts)
        if told is None:
            continue
        told.seen = True
        spoken[end - count : end] = [True] * count
        if count == 1 and event.officer is not None and told.actor not in ("", event.officer):
            return _fault(file, event.seq, "n’est pas de cet agent", "is not this officer’s", told.index)
    for event, known in zip(events, spoken, strict=True):
        if not known and since is not None and event.at >= since:
            return _fault(
                file, event.seq, "n’est pas celui que le registre tient", "is not the one that the ledger holds"
            )
    last = (events[-1].link, events[-1].state, len(events)) if events else ("", "", 0)
    if (file.head, file.state, file.events) != last:
        what = Text(
            f"Dossier {file.number or file.id} : son état n’est pas celui de son dernier événement.",
            f"File {file.number or file.id}: its state is not that of its last event.",
        )
        return Fault(f"service_file {file.id}", what)
    return None


def _teller(hashes: list[bytes], held: _Held, counts: list[int]) -> tuple[_Told | None, int]:
    """(the leaf that holds the last of these events, how many of them it holds)."""
    for count in counts:
        if count > len(hashes):
            break
        told = held.get((count, bound(hashes[-count:])[1].hex()))
        if told is not None:
            return told, count
    return None, 0


def _fault(file: Any, seq: int, fr: str, en: str, entry: int | None = None) -> Fault:
    name = file.number or file.id
    what = Text(f"Dossier {name} : l’événement n° {seq + 1} {fr}.", f"File {name}: event {seq + 1} {en}.")
    return Fault(f"service_event {file.id} {seq}", what, entry)


def _missing(acts: Acts, held: _Held, wrong: set[str]) -> Iterator[Fault]:
    """Events that a leaf holds, whose act was not erased, and that lie nowhere."""
    gone = {told.index for told in held.values() if not told.seen and not told.erased}
    if not gone:
        return
    concern = kernel_tables.concern
    of: dict[int, list[str]] = defaultdict(list)
    names = {file_owner(row.id): (row.id, row.number) for row in acts.db.execute(select(_FILE.id, _FILE.number))}
    query = select(concern.c.idx, concern.c.person).where(
        concern.c.realm == acts.kernel.settings.realm, concern.c.person.like("file:%")
    )
    for row in acts.db.execute(query.execution_options(yield_per=PAGE)):
        if row.idx in gone:
            of[row.idx].append(row.person)
    for index in sorted(gone):
        file, number = names.get(of[index][0], (of[index][0], of[index][0])) if of[index] else ("", "?")
        if file in wrong:
            continue  # named already, by the event that stands in its place
        what = Text(
            f"Dossier {number} : l’événement que l’entrée {index} a scellé n’y est plus.",
            f"File {number}: the event that entry {index} sealed is no longer there.",
        )
        yield Fault(f"entry {index}", what, index)
