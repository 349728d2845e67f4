"""Verifies a backup without restoring it: names the member that was changed and, in a damaged store, the ledger's entry.

Every byte is covered by the signed manifest (bundle.py); this goes on where that stops: a SQLite store whose hash is wrong is
opened all the same, and its entries are judged one by one against the stored tree and their own leaves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel import tables
from egide.kernel.backup import STORE
from egide.kernel.bundle import BundleError, Damage, Manifest, Reader, member_of
from egide.kernel.dumps import SqliteFile
from egide.kernel.errors import EgideError, Text
from egide.kernel.ledger_check import check
from egide.kernel.ledger_leaves import MAX_PROBLEMS
from egide.kernel.restore import examine, opened

SQLITE = STORE + SqliteFile.file


@dataclass(slots=True)
class Verdict:
    """What a verification found. `entries` are the numbers of damaged ledger entries, as far as they could be told."""

    manifest: Manifest | None
    damages: list[Damage]
    entries: list[int] = field(default_factory=list)
    bytes: int = 0
    trusted: bool = False  # the ledger's key was known from elsewhere

    @property
    def ok(self) -> bool:
        """Whether every byte is as it was written."""
        return not self.damages


def verify(
    file: Path, passphrase: bytes | None = None, *, vkey: str = "", count: Callable[[int], None] | None = None
) -> Verdict:
    """Verifies one set. `vkey` is the ledger's public key as known from elsewhere; without it a set agrees with itself only."""
    reader = examine(file, passphrase, count)
    found = Verdict(
        reader.manifest, list(reader.damages), bytes=sum(part.size for part in reader.read), trusted=bool(vkey)
    )
    if vkey and reader.signed_by and reader.signed_by != vkey:
        found.damages.append(
            Damage(
                "manifest", Text("Le manifeste est signé d’une autre clé.", "The manifest is signed by another key.")
            )
        )
    if reader.manifest is not None and any(member_of(each.member) == SQLITE for each in reader.damages):
        found.entries = _entries(file, reader.manifest)
    return found


def _entries(file: Path, manifest: Manifest) -> list[int]:
    """The entries that are damaged in the set's store; none where the damage lies elsewhere in it, or nothing can be read."""
    with tempfile.TemporaryDirectory(prefix="egide-verify-") as aside:
        store = SqliteFile(Path(aside) / "damaged.db")
        try:
            with opened(file, None) as source:
                for name, pieces in Reader(source).members():
                    if name == SQLITE:
                        store.load(pieces)
                        break
            with store.open() as db:
                return _judged(db, manifest)
        except (BundleError, SQLAlchemyError, EgideError):
            return []


def _judged(db: Connection, manifest: Manifest) -> list[int]:
    try:
        problems = check(db, manifest.realm, [manifest.vkey], lambda *_: None).problems
        return sorted({each.entry for each in problems if each.entry is not None})
    except SQLAlchemyError:
        return _unreadable(db, manifest)


def _unreadable(db: Connection, manifest: Manifest) -> list[int]:
    """Row by row, where a page of the file cannot be read any more."""
    table, found = tables.entry, []
    for number in range(manifest.size):
        query = select(table.c.leaf, table.c.body).where(table.c.realm == manifest.realm, table.c.idx == number)
        try:
            whole = db.execute(query).first() is not None
        except SQLAlchemyError:
            whole = False
        if not whole:
            found.append(number)
            if len(found) >= MAX_PROBLEMS:
                break
    return found
