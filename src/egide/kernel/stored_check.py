"""Checks what is stored beside the leaves: tiles, cosignatures, stamps, and that no row belongs to another realm.

Why apart from `ledger_check`: that judges the leaves, which every tile is computed from; this what was kept to save computing,
and what others said of the heads. A changed tile gives wrong proofs although every entry is right, so it must be found as well.
Sources: C2SP tlog-tiles (the root of a full tile is a hash of the tile above), C2SP tlog-cosignature, RFC 3161.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from sqlalchemy import Connection, func, select

from egide.kernel import checkpoint, cosignature, merkle, tables
from egide.kernel.checkpoint import CheckpointError
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.errors import EgideError
from egide.kernel.ledger import TILE_HEIGHT, TILE_SIZE, TILE_WIDTH
from egide.kernel.ledger_leaves import Findings
from egide.kernel.ledger_verify import StampCheck
from egide.kernel.merkle import HASH_SIZE
from egide.kernel.store import has_table

SECOND_US = 1_000_000
OF_A_REALM = (tables.entry, tables.tile, tables.checkpoint, tables.cosignature, tables.stamp, tables.concern)


def tiles(db: Connection, realm: str, size: int, found: Findings) -> int:
    """Every full tile against those below it, and how many there are; gives their number.

    The hashes of level 0 are compared with the leaves elsewhere (ledger_check.py), where the entry can be named.
    """
    table, checked = tables.tile, 0
    below: list[bytes] = []
    for level in count():
        expected = size >> TILE_HEIGHT * (level + 1)
        query = select(table.c.number, table.c.hashes, table.c.root)
        rows = db.execute(
            query.where(table.c.realm == realm, table.c.level == level).order_by(table.c.number).limit(expected + 1)
        )
        roots: list[bytes] = []
        for row in rows:
            hashes, root = bytes(row.hashes), bytes(row.root)
            start = row.number * TILE_WIDTH
            whole = row.number == len(roots) and len(hashes) == TILE_SIZE
            whole = whole and (not level or b"".join(below[start : start + TILE_WIDTH]) == hashes)
            split = [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]
            if not whole or merkle.perfect_root(split) != root:
                found.add(
                    f"tile {level}/{row.number}",
                    f"La tuile {row.number} du niveau {level} n’est pas ce que donnent celles d’en dessous.",
                    f"Tile {row.number} of level {level} is not what those below it give.",
                )
            roots.append(root)
        if len(roots) != expected:
            found.add(
                f"tile {level}",
                f"Le niveau {level} a {len(roots)} tuiles au lieu de {expected}.",
                f"Level {level} has {len(roots)} tiles instead of {expected}.",
            )
        checked += len(roots)
        below = roots
        if not expected:
            break
    above = db.execute(select(func.count()).where(table.c.realm == realm, table.c.level > level)).scalar_one()
    below_zero = db.execute(select(func.count()).where(table.c.realm == realm, table.c.level < 0)).scalar_one()
    if above or below_zero:
        found.add("tile", "Des tuiles sont d’un niveau qui n’existe pas.", "Tiles are of a level that does not exist.")
    return checked


def attestations(
    db: Connection, realm: str, witnesses: Sequence[str], stamped: StampCheck | None, found: Findings
) -> int:
    """Every cosignature and stamp over the head it stands beside; gives how many hold under a known key."""
    heads = {
        int(size): str(note)
        for size, note in db.execute(
            select(tables.checkpoint.c.size, tables.checkpoint.c.note).where(tables.checkpoint.c.realm == realm)
        )
    }
    held = _cosignatures(db, realm, heads, CosignatureVerifier(witnesses), found)
    return held + _stamps(db, realm, heads, stamped, found)


def _cosignatures(
    db: Connection, realm: str, heads: dict[int, str], verifier: CosignatureVerifier, found: Findings
) -> int:
    table, held = tables.cosignature, 0
    if not has_table(db, table.name):
        return 0
    for size, witness, at, line in db.execute(
        select(table.c.size, table.c.witness, table.c.at, table.c.line).where(table.c.realm == realm)
    ):
        try:
            body = checkpoint.parse(heads[size]).body
            (signature,) = cosignature.read_lines(line, body)
            seconds = int.from_bytes(signature.signature[: cosignature.TIME_SIZE], "big")
            right = (signature.name, seconds * SECOND_US) == (witness, at)
            held += len(verifier.among((signature,), body))
        except (KeyError, ValueError, CheckpointError):
            right = False
        if not right:
            found.add(
                f"cosignature {size}",
                f"La cosignature de {witness} sur {size} entrées a été modifiée.",
                f"The cosignature of {witness} over {size} entries was changed.",
            )
    return held


def _stamps(db: Connection, realm: str, heads: dict[int, str], stamped: StampCheck | None, found: Findings) -> int:
    table, held = tables.stamp, 0
    if stamped is None or not has_table(db, table.name):
        return 0
    for size, at, token in db.execute(select(table.c.size, table.c.at, table.c.token).where(table.c.realm == realm)):
        try:
            right = stamped(bytes(token), checkpoint.parse(heads[size]).body) == at
        except (KeyError, EgideError):
            right = False
        held += right
        if not right:
            found.add(
                f"stamp {size}",
                f"Le sceau de temps sur {size} entrées a été modifié.",
                f"The time stamp over {size} entries was changed.",
            )
    return held


def times(db: Connection, realm: str, found: Findings) -> None:
    """A head is signed after its last entry and before the next; closer than that, nobody signed its time."""
    head, entry = tables.checkpoint, tables.entry
    for step, wrong in ((-1, head.c.at < entry.c.at), (0, head.c.at > entry.c.at)):
        same = (entry.c.realm == head.c.realm) & (entry.c.idx == head.c.size + step)
        query = select(head.c.size).select_from(head.join(entry, same)).where(head.c.realm == realm, wrong)
        for size in db.execute(query.order_by(head.c.size)).scalars():
            found.add(
                f"checkpoint {size}",
                f"L’heure de la tête {size} ne tombe pas entre ses entrées.",
                f"The time of head {size} does not lie between its entries.",
            )


def strangers(db: Connection, realm: str, found: Findings) -> None:
    """A store is one realm's: a row of another was put there, or its realm was changed."""
    for table in OF_A_REALM:
        if not has_table(db, table.name):
            continue
        number = db.execute(select(func.count()).select_from(table).where(table.c.realm != realm)).scalar_one()
        if number:
            found.add(
                table.name,
                f"{table.name} : {number} lignes sont d’un autre domaine.",
                f"{table.name}: {number} rows are of another realm.",
            )
