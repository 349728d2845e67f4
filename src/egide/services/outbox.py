"""What a device did without network, taken in: one act for a batch, in which each entry is an act of its own, done exactly once.

A batch is judged against the device's chain (outbox_order.py). What fits is performed through the door like anything else —
facts, law, ledger entry — and all of it is durable in one transaction (kernel/together.py); an entry's id makes it the same
however often it is asked (kernel/repeats.py), and its place in the chain keeps anybody else from doing it too. What cannot be
done as it was meant is kept, sealed, for an officer to look at (reviews.py): nothing that the device signed is ever dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec
from sqlalchemy import Connection, select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, act
from egide.kernel.errors import Conflict, EgideError, Failed, Text, TooMany, Unavailable, Uncertain
from egide.kernel.merkle import Frontier, leaf_hashes
from egide.kernel.together import Call, together
from egide.kernel.told import problem
from egide.protocols.outbox_chain import key_of
from egide.services import outbox_tables, tables, uploads
from egide.services.devices import KIND, DeviceRef, enrolled
from egide.services.entitled import ENTRY, works_on
from egide.services.filing import OFFICERS
from egide.services.outbox_entries import (
    SLACK_US,
    Entry,
    Take,
    Wrong,
    about,
    added,
    decoded,
    made_at,
    offered,
    taken,
)
from egide.services.outbox_kept import keeper, once, owner
from egide.services.outbox_order import Judged, Place, Sent, judged, linked
from egide.services.outbox_tables import PURPOSE, entry
from egide.services.outbox_words import why

MOST = 100  # entries of a batch
MAX_BYTES = 8 * 1024 * 1024  # of a batch
State = Literal["recorded", "review", "refused", "waits"]
LATER = (TooMany, Unavailable, Uncertain, Failed)  # nothing was done, or nobody knows: the device asks again


class Batch(DeviceRef):
    """What one device brings, in any order, however often."""

    unkept: ClassVar[frozenset[str]] = frozenset({"entries"})

    entries: list[Sent]


class Became(msgspec.Struct, omit_defaults=True):
    """What became of an entry: its number and the code for the person; or why not, and which of its files must come first."""

    id: str
    state: State
    number: str = ""
    file: str = ""
    code: str = ""
    event: int = 0  # of a file that was there: which of its events this is (from 1)
    again: bool = False  # it was known already
    why: dict[str, Any] | None = None
    missing: list[str] = []


class Synced(msgspec.Struct):
    """What became of each."""

    entries: list[Became]


@dataclass(slots=True)
class Line:
    """One entry on its way through a batch."""

    judged: Judged
    content: Entry | None = None
    made: int = 0  # µs, by the device's clock
    call: Call | None = None
    became: Became | None = None
    reason: str = ""
    was: Any = None  # its row, where it is known
    about: Any = None  # the row of the file to which it adds something
    done: bool = False  # its act was done already

    @property
    def id(self) -> str:
        """Drawn by the device."""
        return self.judged.sent.id


@act(
    "services.outbox.sync", verb="collect", activity=PURPOSE, roles=OFFICERS, groups=["offline-device"], gather=enrolled, recheck=enrolled,
    duty=True, input=Batch, output=Synced, max_bytes=MAX_BYTES, fr="Recevoir ce qui a été fait hors réseau", en="Take in what was done without network",
)  # fmt: skip
async def sync(ctx: Ctx, given: Batch) -> Effect:
    if not 1 <= len(given.entries) <= MOST:
        raise TooMany(
            Text(f"De 1 à {MOST} envois à la fois.", f"1 to {MOST} entries at once."),
            Text("Envoyez le reste ensuite.", "Send the rest afterwards."),
        )
    device = KIND.one(ctx, given.device)
    known = _known(ctx.db, device.id, given.entries)
    places = {seq: Place(row.hash, row.made) for seq, row in known.items()}
    lines = [Line(one) for one in judged(device.id, key_of(bytes(device.public)), places, given.entries)]
    _read(ctx, device, lines, known, places)
    await _performed(ctx, device, [one for one in lines if isinstance(one.content, Take)])
    _look(ctx, device, lines)  # what is added to a file of this same batch, now that the file is there
    await _performed(ctx, device, [one for one in lines if not isinstance(one.content, Take)])
    rows = [_row(ctx, device, one) for one in lines if one.judged.verdict in ("next", "gap", "again")]
    reviews = [(owner(device.id, row["seq"]), PURPOSE) for row in rows if row["state"] == "review"]
    tree = Frontier()
    tree.extend(leaf_hashes([bytes.fromhex(row["hash"]) for row in rows]))
    told = [one.became for one in lines if one.became is not None]
    return Effect(
        Synced(told), apply=keeper(ctx.kernel, device.id, rows), bulk=(len(rows), tree.root()), keys=tuple(reviews)
    )


# -- what it says -----------------------------------------------------------------------------------------------------------


def _known(db: Connection, device: str, sent: Sequence[Sent]) -> dict[int, Any]:
    """The rows of these places and of those before them."""
    places = {seq for one in sent for seq in (one.seq - 1, one.seq) if 0 < seq < 2**53}
    found = select(entry).where(entry.c.device == device, entry.c.seq.in_(places))
    return {row.seq: row for row in db.execute(found).all()}


def _read(ctx: Ctx, device: Any, lines: list[Line], known: Mapping[int, Any], places: dict[int, Place]) -> None:
    """Decides for each entry what is to be performed, or why not."""
    done = _done(ctx, [one.id for one in lines])
    for line in lines:
        sent, verdict = line.judged.sent, line.judged.verdict
        if verdict not in ("next", "gap", "again"):
            _ends(line, "refused", verdict)
            continue
        line.was, line.done = known.get(sent.seq), line.id in done
        line.content = decoded(sent.body)
        made = made_at(line.content) if line.content is not None else None
        before = places.get(sent.seq - 1)
        line.made = made if made is not None else ctx.now_us
        places.setdefault(sent.seq, Place(line.judged.hash, line.made))
        if line.was is not None and line.was.state == "aside":
            _ends(line, "review", "aside")
        elif line.content is None or made is None:
            _ends(line, "review", "unread")
        elif line.was is not None and line.was.state == "recorded":
            line.done = True
            _call(ctx, device, line)
            if line.call is None and isinstance(line.content, Take):  # an officer recorded it, by another version
                line.became = _recorded(ctx, line.was)
        elif (
            line.was is not None
            and line.was.state == "review"
            and not (line.was.reason == "gap" and linked(sent, places))
        ):
            _ends(line, "review", line.was.reason)
        elif line.was is None and verdict == "gap":
            _ends(line, "review", "gap")
        elif (
            not max(device.enrolled, before.made if before is not None else 0) - SLACK_US
            <= made
            <= ctx.now_us + SLACK_US
        ):
            _ends(line, "review", "clock")
        else:
            _call(ctx, device, line)


def _done(ctx: Ctx, ids: list[str]) -> set[str]:
    """Which were done already, though the batch that brought them was cut off before it said so."""
    table = kernel_tables.client_act
    found = select(table.c.client).where(table.c.person == ctx.principal.id, table.c.client.in_(ids))
    return {str(row.client) for row in ctx.db.execute(found).all()}


def _ends(line: Line, state: State, reason: str) -> None:
    line.reason = reason
    line.became = Became(line.id, state, again=line.was is not None, why=why(reason))


def _call(ctx: Ctx, device: Any, line: Line) -> None:
    """The act that an entry asks for; what is added to a file is looked for when the files of this batch are there."""
    content, sent = line.content, line.judged.sent
    if content is None:
        return
    staged = f"{device.id}.{sent.id}"
    if content.files and not line.done:
        there = uploads.hashes_of(ctx.db, f"{ENTRY}:{staged}")
        missing = [one.id for one in content.files if one.sha256 not in there and one.id not in sent.without]
        if missing:
            line.became = Became(line.id, "waits", again=line.was is not None, why=why("files"), missing=missing)
            return
    if isinstance(content, Take):
        found = offered(content)
        line.call = None
        if isinstance(found, Wrong):
            _ends(line, "review" if found.review else "refused", found.reason)
        else:
            line.call = taken(content, sent.id, staged, found)


# -- what becomes of it -----------------------------------------------------------------------------------------------------


async def _performed(ctx: Ctx, device: Any, lines: list[Line]) -> None:
    """Performs these together and says what became of each."""
    waiting = [(line, line.call) for line in lines if line.became is None and line.call is not None]
    if not waiting:
        return
    calls = [Call(call.name, call.given, once(device.id, line.judged.sent.seq)) for line, call in waiting]
    done = await together(ctx.kernel, calls, ctx.principal)
    for (line, _call), outcome in zip(waiting, done, strict=True):
        if isinstance(outcome, EgideError):
            _failed(ctx, line, outcome)
            continue
        told = msgspec.to_builtins(outcome.result) or {}
        # What opens a file names it; what is added to one was told which.
        file = str(told.get("file") or getattr(line.call.given if line.call else None, "file", ""))
        number = told.get("number") or _number(ctx, file)
        line.became = Became(
            line.id, "recorded", number, file, told.get("code", ""), told.get("event", 0), line.was is not None
        )


def _look(ctx: Ctx, device: Any, lines: list[Line]) -> None:
    """The acts by which something is added to a file as it stands."""
    made = {one.id: one.became.file for one in lines if one.became is not None and one.became.file}
    ahead: Counter[str] = Counter()  # events that this batch adds, by file
    for line in lines:
        if line.became is not None or line.content is None or isinstance(line.content, Take):
            continue
        sent = line.judged.sent
        row = line.about = about(ctx.kernel.store.reader(), line.content, device.id, made)
        if line.was is not None and line.was.state == "recorded":
            line.became = _recorded(ctx, line.was)
            continue
        found = added(
            line.content,
            sent.id,
            f"{device.id}.{sent.id}",
            row,
            ahead=ahead[row.id] if row is not None else 0,
            done=line.done,
        )
        if isinstance(found, Wrong):
            _ends(line, "review", found.reason)
        elif not line.done and not works_on(ctx.principal, row) and _carried(ctx, device, row):
            _ends(line, "review", "handed")
        else:
            line.call = found
            ahead[row.id] += not line.done


def _carried(ctx: Ctx, device: Any, row: Any) -> bool:
    """Whether the device took this file along while its officer had to do with it."""
    table = outbox_tables.carried
    here = select(table.c.at).where(table.c.device == device.id, table.c.file == row.id)
    return ctx.db.execute(here).first() is not None


def _failed(ctx: Ctx, line: Line, error: EgideError) -> None:
    """An entry that was not performed: it was before, it is for the desk, it is refused, or it is asked again later."""
    if line.was is not None and line.was.state == "recorded":
        line.became = _recorded(ctx, line.was)
    elif isinstance(error, LATER):
        line.became = Became(line.id, "waits", again=line.was is not None, why=dict(problem(error)))
    elif isinstance(error, Conflict):
        _ends(line, "review", "changed")
    else:
        name = line.call.name if line.call is not None else ""
        line.became = Became(line.id, "refused", again=line.was is not None, why=dict(problem(error, name)))


def _recorded(ctx: Ctx, was: Any) -> Became:
    """What is known of an entry that was recorded; its code was told to whoever asked first."""
    return Became(was.id, "recorded", _number(ctx, was.file or ""), was.file or "", again=True)


def _number(ctx: Ctx, file: str) -> str:
    found = select(tables.file.c.number).where(tables.file.c.id == file)
    return str(ctx.kernel.store.reader().execute(found).scalar() or "")


def _row(ctx: Ctx, device: Any, line: Line) -> dict[str, Any]:
    """The row that remembers an entry; `body` is sealed in the transaction that keeps it."""
    sent, became = line.judged.sent, line.became or Became(line.id, "waits")
    file = became.file or (line.was.file if line.was is not None else None)
    of = line.about if line.about is not None else line.was  # what is for a file is looked at where that file lies
    unit = (of.unit if of is not None else "") or ctx.principal.unit
    return {
        "device": device.id, "seq": sent.seq, "id": sent.id, "hash": line.judged.hash, "prev": sent.prev, "made": line.made,
        "at": ctx.now_us, "state": became.state, "reason": line.reason, "file": file or None, "unit": unit,
        "body": sent.body.encode() if became.state == "review" else None,
    }  # fmt: skip


ACTS: tuple[Act, ...] = (sync,)
