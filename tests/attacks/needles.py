"""What to look for on a disk after an erasure: bytes of bodies, keys and ids, each short enough not to be cut by a page."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from egide.kernel import tables
from egide.kernel.keys import KeyRows
from tests.world import World

PIECE = 24  # bytes: of a body that is cut between pages all pieces but a few are found before


def pieces(value: bytes) -> list[bytes]:
    """The value in parts; a shorter rest is left out."""
    return [value[at : at + PIECE] for at in range(0, max(len(value) - PIECE + 1, 1), PIECE)]


def bodies(world: World, who: str) -> list[bytes]:
    """Parts of every ledger body of the person's own acts."""
    rows = world.kernel.store.reader().execute(select(tables.entry.c.body).where(tables.entry.c.actor == who)).all()
    found = [piece for row in rows for piece in pieces(bytes(row[0]))]
    assert found, "the person acted"
    return found


def keys(rows: KeyRows, who: str, *purposes: str) -> list[bytes]:
    """Ids, subject ids and wrapped bytes of the person's data keys."""
    found = [row for row in (rows.of_owner(who, purpose) for purpose in purposes) if row is not None]
    assert found, "the person has keys"
    return [part for row in found for part in (row.id, row.subject, row.wrapped)]


def seen(raw: bytes, needles: list[bytes]) -> list[bytes]:
    """Which of the needles are in these bytes."""
    return [needle for needle in needles if needle in raw]


def in_folder(folder: Path, needles: list[bytes]) -> list[str]:
    """The files of a folder that hold one of the needles, or are named so."""
    return [
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*"))
        if any(needle in str(file).encode() for needle in needles)
        or (file.is_file() and seen(file.read_bytes(), needles))
    ]
