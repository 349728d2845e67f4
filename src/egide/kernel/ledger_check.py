"""Checks a stored ledger whole: every leaf against every signed head, every body and column against its leaf.

Why apart from `ledger_verify`: that judges an export, this the rows themselves, and names the entry that was changed, be it in
the leaf, in the stored tree, in the sealed body or in a column copied from the leaf. Source: RFC 9162 §2.1.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from egide.kernel import merkle, stored_check, tables
from egide.kernel.checkpoint import Checkpoint, CheckpointError, Verifier
from egide.kernel.ledger import TILE_WIDTH, damaged
from egide.kernel.ledger_export import entry_line
from egide.kernel.ledger_leaves import Findings, LeavesCheck, Problem, Signed
from egide.kernel.ledger_verify import StampCheck
from egide.kernel.merkle import HASH_SIZE

PAGE = 4096  # entries read at once: a whole number of tiles
ENTRY = "entry"
CHECKPOINT = "checkpoint"
Count = Callable[[int, int], None]


class _Leaf(msgspec.Struct):
    """What of a leaf stands in columns too."""

    id: str
    at: int
    act: str
    outcome: str
    body: str
    order: str = ""


@dataclass(slots=True)
class Checked:
    """What a check found."""

    size: int
    root: bytes
    heads: int  # signed heads that were compared
    bodies: int  # sealed bodies that are what their leaves say
    erased: int  # entries whose body is gone
    problems: list[Problem] = field(default_factory=list)


_LEAF = msgspec.json.Decoder(_Leaf)


def grown(db: Connection, realm: str, vkey: str, count: Count) -> tuple[int, bytes]:
    """(size, root) of the stored leaves, in constant memory; about 500,000 entries a second.

    Raises `LedgerDamaged` when they do not give the newest signed head: nobody may sign over a ledger that was changed.
    """
    table, tree = tables.entry, merkle.Frontier()
    total = int(db.execute(select(func.count()).where(table.c.realm == realm)).scalar_one())
    signed = _newest(db, realm, vkey)
    while tree.size < total:
        end = signed.size if tree.size < signed.size else total
        end = min(end, tree.size + PAGE)
        query = select(table.c.leaf).where(table.c.realm == realm, table.c.idx >= tree.size, table.c.idx < end)
        hashes = merkle.leaf_hashes(bytes(leaf) for leaf in db.execute(query.order_by(table.c.idx)).scalars())
        if len(hashes) != end - tree.size:
            raise damaged(f"an entry from {tree.size} to {end - 1} is missing")
        tree.extend(hashes)
        if tree.size == signed.size and tree.root() != signed.root:
            break
        count(tree.size, total)
    if tree.size < signed.size or (tree.size == signed.size and tree.root() != signed.root):
        raise damaged(f"its leaves are not those signed at size {signed.size}")
    return tree.size, tree.root()


def _newest(db: Connection, realm: str, vkey: str) -> Checkpoint:
    """The newest signed head; that of the empty tree when there is none."""
    table = tables.checkpoint
    query = select(table.c.note).where(table.c.realm == realm).order_by(table.c.size.desc()).limit(1)
    note = db.execute(query).scalar()
    if note is None:
        return Checkpoint("", 0, merkle.EMPTY_ROOT)
    try:
        return Verifier([vkey]).verify(note)
    except CheckpointError as error:
        raise damaged(f"its newest head: {error.what.en}") from error


def check(
    db: Connection, realm: str, vkeys: Sequence[str], count: Count, known: Iterable[Checkpoint] = (), *,
    witnesses: Sequence[str] = (), stamped: StampCheck | None = None,
) -> Checked:  # fmt: skip
    """Checks every entry, and what is stored beside the entries.

    `known` are heads kept elsewhere (a witness's, a published one), already verified; `witnesses` the keys of those who cosign.
    """
    found = Findings()
    notes = _signed(db, realm, vkeys, found)
    total = int(db.execute(select(func.count()).where(tables.entry.c.realm == realm)).scalar_one())
    elsewhere = [Signed(each.size, each.root, "head") for each in known if each.size <= total]
    leaves = LeavesCheck(sorted([*notes, *elsewhere], key=lambda note: note.size), found)
    tree = merkle.Frontier()
    bodies = erased = read = 0
    start = 0
    while read < total:
        rows = db.execute(_ROWS.where(*_page(realm, start)).order_by(tables.entry.c.idx)).all()
        stored = _stored_hashes(db, realm, start)
        lines = []
        for row in rows:
            leaf = bytes(row.leaf)
            digest = merkle.leaf_hash(leaf)
            tree.extend([digest])
            lines.append(entry_line(row.idx, leaf, stored.get(row.idx, digest)))
            if row.body is None:
                erased += 1
            elif _fits(row, leaf, found):
                bodies += 1
        if lines:
            leaves.feed(b"\n".join(lines) + b"\n")
        read += len(rows)
        start += PAGE
        count(read, total)
        if not rows and start > total:
            break  # numbers beyond what there is: `finish` says which are missing
    leaves.finish(total)
    stored_check.tiles(db, realm, total, found)
    stored_check.attestations(db, realm, witnesses, stamped, found)
    stored_check.times(db, realm, found)
    stored_check.strangers(db, realm, found)
    return Checked(total, tree.root(), len(notes) + len(elsewhere), bodies, erased, found.problems)


def _signed(db: Connection, realm: str, vkeys: Sequence[str], found: Findings) -> list[Signed]:
    """The stored heads whose signatures hold."""
    verifier, table = Verifier(vkeys), tables.checkpoint
    notes = []
    for size, note in db.execute(
        select(table.c.size, table.c.note).where(table.c.realm == realm).order_by(table.c.size)
    ):
        try:
            signed = verifier.verify(note)
        except CheckpointError as error:
            found.add(f"{CHECKPOINT} {size}", f"Tête {size} : {error.what.fr}", f"Head {size}: {error.what.en}")
            continue
        if signed.size != size:
            found.add(f"{CHECKPOINT} {size}", f"La tête {size} en nomme une autre.", f"Head {size} names another.")
            continue
        notes.append(Signed(signed.size, signed.root, f"{CHECKPOINT} {size}"))
    return notes


def _page(realm: str, start: int) -> tuple[Any, ...]:
    idx = tables.entry.c.idx
    return tables.entry.c.realm == realm, idx >= start, idx < start + PAGE


def _stored_hashes(db: Connection, realm: str, start: int) -> dict[int, bytes]:
    """Leaf hashes as the full tiles keep them: where they differ from a leaf's own, the next head tells which was changed."""
    table, first = tables.tile, start // TILE_WIDTH
    rows = db.execute(
        select(table.c.number, table.c.hashes).where(
            table.c.realm == realm,
            table.c.level == 0,
            table.c.number >= first,
            table.c.number < first + PAGE // TILE_WIDTH,
        )
    )
    return {
        number * TILE_WIDTH + at: bytes(hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE])
        for number, hashes in rows
        for at in range(len(hashes) // HASH_SIZE)
    }


def _fits(row: Any, leaf: bytes, found: Findings) -> bool:
    """Whether body and columns are what the leaf says."""
    try:
        said = _LEAF.decode(leaf)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False  # the tree has told
    where = f"{ENTRY} {row.idx}"
    if hashlib.sha256(row.body).hexdigest() != said.body:
        found.add(
            where,
            f"Entrée {row.idx} : son contenu scellé a été modifié.",
            f"Entry {row.idx}: its sealed content was changed.",
            row.idx,
        )
        return False
    if (row.id, row.at, row.act, row.outcome, row.order_id or "") != (
        said.id,
        said.at,
        said.act,
        said.outcome,
        said.order,
    ):
        found.add(
            where,
            f"Entrée {row.idx} : ses colonnes ne disent pas ce que dit l’entrée signée.",
            f"Entry {row.idx}: its columns do not say what the signed entry says.",
            row.idx,
        )
        return False
    return True


_ROWS = select(
    tables.entry.c.idx, tables.entry.c.leaf, tables.entry.c.body, tables.entry.c.id, tables.entry.c.at,
    tables.entry.c.act, tables.entry.c.outcome, tables.entry.c.order_id,
)  # fmt: skip
