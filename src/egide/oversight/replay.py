"""Replay of past acts under other law: who would now be refused, who allowed, and where nobody can say.

The facts of each decision are sealed with it and kept as long as it is (CSI R242-12; directive 2016/680 article 25). Opening
them is a use of personal data like any reading of the log: an act of its own, for the purposes of article 25(2) only, by the
data protection officer, the inspector or the operator of the machine. People stay the subject ids of the ledger.

A page at a time, in a thread: `cursor` is the entry to begin with, `next` the one to go on with.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, EgideError, StartupError, Text
from egide.kernel.guard import Decision, Guard
from egide.kernel.law_overlay import MAX_BYTES, bounded, diagnosis, other_law
from egide.kernel.replay import CHANGED, UNTOLD, Kind, Record, Replay, Verdict
from egide.kernel.times import parse
from egide.kernel.told import reasons
from egide.kernel.work import Leaf
from egide.oversight.river import READERS, log_facts

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

ROWS = 1_000  # entries read at once
MAX_SCANNED = 50_000  # entries of one page
MAX_S = 5.0  # s of work on one page
MAX_LISTED = 1_000  # entries that one page lists
KEPT_LAWS = 4  # other laws kept compiled, so that the next page does not read them again
KINDS: tuple[Kind, ...] = ("still_allowed", "still_refused", *CHANGED, *UNTOLD)
_WHY = {
    "erased": Text("Effacé : les faits de cet acte ont été détruits.", "Erased: the facts of this act were destroyed."),
    "unreadable": Text(
        "Illisible : les faits scellés ne sont plus ceux du registre.",
        "Unreadable: the sealed facts are no longer those of the ledger.",
    ),
    "no_such_act": Text("Cet acte n’existe plus.", "This act no longer exists."),
}
_leaf = msgspec.json.Decoder(Leaf).decode


class _Facts(msgspec.Struct):
    """Of a sealed body, only what replay needs: the input stays unread."""

    facts: Facts


_facts = msgspec.json.Decoder(_Facts).decode


class OtherLaw(Input):
    """Packs ("fr/csi-l242/rules.cedar" → text) and the span of acts to decide again (ISO 8601, with zone; both ends included)."""

    files: dict[str, str]
    since: str
    until: str
    motive: str
    cursor: int | None = None
    limit: int = 200
    log_purpose: str = "lawfulness"


class Replayed(msgspec.Struct):
    """One page: how many of each kind, which would change and how, of which nobody can say and why."""

    counts: dict[str, int]
    changed: list[dict[str, Any]]
    untold: list[dict[str, Any]]
    first: int  # entry with which the span begins
    end: int  # entry after its last
    next: int | None  # entry to go on with; None when the span is done
    law: dict[str, Any]


class Laws:
    """Other laws compiled lately, and one replay at a time."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._kept: OrderedDict[bytes, Guard] = OrderedDict()

    def guard(self, kernel: Kernel, files: dict[str, str]) -> Guard:
        """The judge under the packs in `files`. Raises `BadInput` with the loader's diagnosis."""
        bounded(files)
        now = kernel.clock.now()
        key = hashlib.sha256(msgspec.json.encode((now.date(), sorted(files.items())))).digest()
        found = self._kept.get(key)
        if found is None:
            book = other_law(files, kernel.law, kernel.settings.jurisdiction, now)
            try:
                found = Guard(book, kernel.guard.acts)
            except StartupError as error:
                raise diagnosis(error) from error
            except (ValueError, RecursionError) as error:
                said = str(error)[:200]
                raise BadInput(Text(f"Règles incorrectes : {said}", f"Wrong rules: {said}")) from error
            self._kept[key] = found
            while len(self._kept) > KEPT_LAWS:
                self._kept.popitem(last=False)
        return found


@act(
    "oversight.law.replay", verb="consult", activity="oversight", roles=(*READERS, "operator"), groups=["log-access"], gather=log_facts,
    input=OtherLaw, output=Replayed, max_bytes=MAX_BYTES * 5 // 4 + 64 * 1024,
    fr="Rejouer les actes passés sous un autre droit", en="Replay past acts under other law",
)  # fmt: skip
async def replay(ctx: Ctx, given: OtherLaw) -> Effect:
    since, until = parse(given.since), parse(given.until)
    if until < since:
        raise BadInput(Text("La fin précède le début.", "The end comes before the beginning."))
    laws: Laws = ctx.kernel.things.setdefault("replay", Laws())
    async with laws.lock:
        return Effect(await asyncio.to_thread(_page, ctx.kernel, laws, given, since, until))


def _page(kernel: Kernel, laws: Laws, given: OtherLaw, since: int, until: int) -> Replayed:
    guard = laws.guard(kernel, given.files)
    db = kernel.store.reader()
    realm = kernel.settings.realm
    last = db.execute(select(func.max(tables.entry.c.idx)).where(tables.entry.c.realm == realm)).scalar()
    size = 0 if last is None else int(last) + 1
    first, end = _position(db, realm, since, size), _position(db, realm, until + 1, size)
    start = max(first, min(given.cursor if given.cursor is not None else first, end))
    stop = min(end, start + MAX_SCANNED)
    found = Replayed(dict.fromkeys(KINDS, 0), [], [], first, end, None, _law(guard))
    limit, over = max(1, min(given.limit, MAX_LISTED)), monotonic() + MAX_S
    upto = start
    for verdict in Replay(guard, kernel.guard).run(_records(kernel, db, start, stop)):
        upto = verdict.record.index + 1
        found.counts[verdict.kind] += 1
        if verdict.kind in CHANGED:
            found.changed.append(_changed(kernel, verdict, guard))
        elif verdict.kind in UNTOLD:
            found.untold.append(_untold(kernel, verdict, guard))
        if len(found.changed) + len(found.untold) >= limit or monotonic() > over:
            break
    else:
        upto = stop
    found.next = upto if upto < end else None
    return found


def _position(db: Connection, realm: str, moment: int, size: int) -> int:
    """The first entry not before `moment`: times never fall in a ledger, so halving finds it."""
    table, low, high = tables.entry, 0, size
    while low < high:
        middle = (low + high) // 2
        at = db.execute(select(table.c.at).where(table.c.realm == realm, table.c.idx == middle)).scalar()
        if at is not None and at < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _records(kernel: Kernel, db: Connection, start: int, stop: int) -> Iterator[Record]:
    """The entries as replay wants them, a thousand at a time."""
    table = tables.entry
    for low in range(start, stop, ROWS):
        rows = db.execute(
            select(table.c.idx, table.c.leaf, table.c.body, table.c.actor)
            .where(table.c.realm == kernel.settings.realm, table.c.idx >= low, table.c.idx < min(stop, low + ROWS))
            .order_by(table.c.idx)
        ).all()
        for index, leaf, body, actor in rows:
            yield _record(kernel, index, _leaf(bytes(leaf)), body, actor)


def _record(kernel: Kernel, index: int, leaf: Leaf, body: bytes | None, actor: str | None) -> Record:
    """Opens the sealed facts; those whose key, body or link to the person is gone are erased."""

    def record(facts: Facts | None, *, erased: bool = False) -> Record:
        lost: Literal["erased", "unreadable"] = "erased" if erased else "unreadable"
        return Record(index, leaf.at, leaf.act, leaf.outcome != "refused", leaf.actor, facts, lost)

    if body is None:
        return record(None, erased=True)
    sealed = bytes(body)
    try:
        opened = kernel.vault.open_(actor or "nobody", leaf.activity, sealed, leaf.id.encode())
        if hashlib.sha256(sealed).hexdigest() != leaf.body:
            return record(None)
        return record(_facts(opened).facts)
    except EgideError as error:
        if error.code not in ("erased", "tampered"):
            raise
        return record(None, erased=error.code == "erased" or actor is None)
    except msgspec.DecodeError:  # a body of another time: it holds no facts that we know how to read
        return record(None)


def _law(guard: Guard) -> dict[str, Any]:
    book = guard.book
    return {"hash": book.hash, "day": book.at.astimezone(book.zone).date().isoformat(), "rules": len(book.rules)}


def _shown(kernel: Kernel, verdict: Verdict) -> dict[str, Any]:
    record = verdict.record
    declared = kernel.acts.get(record.act)
    return {
        "index": record.index, "at": iso(record.at), "act": record.act, "actor": record.actor, "kind": verdict.kind,
        "summary": {"fr": declared.summary.fr, "en": declared.summary.en} if declared else None,
    }  # fmt: skip


def _changed(kernel: Kernel, verdict: Verdict, guard: Guard) -> dict[str, Any]:
    told = reasons(Decision(verdict.record.act, False, verdict.reasons, (), guard.book.hash, {}))
    more = [{"kind": each.kind, "detail": each.detail} for each in verdict.more]
    less = [{"kind": each.kind, "detail": each.detail} for each in verdict.less]
    return _shown(kernel, verdict) | {"reasons": told, "more": more, "less": less}


def _untold(kernel: Kernel, verdict: Verdict, guard: Guard) -> dict[str, Any]:
    why = _WHY.get(verdict.kind)
    if why is None:
        docs = [(name, guard.book.facts[name].doc) for name in verdict.missing]
        fr = " ; ".join(f"{name} ({doc.fr.rstrip('.')})" for name, doc in docs)
        en = "; ".join(f"{name} ({doc.en.rstrip('.')})" for name, doc in docs)
        why = Text(f"Fait non recueilli : {fr}.", f"Fact not gathered: {en}.")
    return _shown(kernel, verdict) | {"why": {"fr": why.fr, "en": why.en}, "facts": list(verdict.missing)}


ACTS: tuple[Act, ...] = (replay,)
