"""Verifies a folder of tiles (tile_export.py) with the public keys alone, and names the tile that was changed.

Why: mirrors copy these files and nobody's leaf stands in them, so that damage shows only when the tree is folded again. Every
hash of a tile above level 0 is the root of a full tile below it, which is what names the place. Source:
C2SP tlog-tiles, RFC 9162 §2.1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from egide.kernel import checkpoint, merkle
from egide.kernel.checkpoint import Checkpoint, CheckpointError
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.ledger import TILE_SIZE, TILE_WIDTH
from egide.kernel.ledger_leaves import Findings, Problem
from egide.kernel.merkle import HASH_SIZE
from egide.kernel.tile_export import HEAD, places


def verify_tiles(folder: Path, vkeys: Sequence[str], witnesses: Sequence[str] = ()) -> tuple[int, list[Problem]]:
    """(size, problems). Raises `CheckpointError` for a malformed key, OSError of an unreadable disk."""
    found = Findings()
    logs, others = checkpoint.Verifier(vkeys), CosignatureVerifier(witnesses)
    try:
        with (folder / HEAD).open("rb") as file:
            text = file.read(checkpoint.MAX_NOTE + 1).decode()
        head = logs.verify(text)
        others.verify(checkpoint.parse(text))
    except (FileNotFoundError, UnicodeDecodeError):
        found.add(HEAD, "Ce fichier manque ou est illisible.", "This file is missing or unreadable.")
    except CheckpointError as error:
        found.add(HEAD, error.what.fr, error.what.en)
    else:
        _fold(folder, head, found)
        return head.size, found.problems
    return 0, found.problems


def _fold(folder: Path, head: Checkpoint, found: Findings) -> None:
    tree = merkle.Frontier()
    roots: dict[int, list[bytes | None]] = {}  # of the full tiles of a level; None where one cannot be read
    for place in places(head.size):
        hashes = _read(folder / place.path(), place.width * HASH_SIZE)
        if hashes is None:
            found.add(place.path(), "Ce fichier manque ou n’est pas entier.", "This file is missing or not whole.")
        if place.width == TILE_WIDTH:
            roots.setdefault(place.level, []).append(merkle.perfect_root(hashes) if hashes else None)
        if not place.level:
            tree.extend(hashes or [])
            continue
        start = place.number * TILE_WIDTH
        for at, (said, root) in enumerate(zip(hashes or [], roots[place.level - 1][start:], strict=False)):
            if root is not None and said != root:
                below = next(p for p in places(head.size) if p[:2] == (place.level - 1, start + at)).path()
                found.add(
                    below,
                    f"Cette tuile, ou sa racine dans {place.path()}, a été modifiée.",
                    f"This tile, or its root in {place.path()}, was changed.",
                )
    if tree.size == head.size and tree.root() != head.root and not found.problems:
        found.add(
            f"tile/0/*.p/{head.size % TILE_WIDTH}",
            "La tuile du bord droit n’est pas celle qui a été signée.",
            "The tile at the right edge is not the one that was signed.",
        )


def _read(file: Path, size: int) -> list[bytes] | None:
    """The hashes of a tile; None unless it has exactly this many bytes."""
    try:
        with file.open("rb") as content:
            raw = content.read(TILE_SIZE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [raw[at : at + HASH_SIZE] for at in range(0, size, HASH_SIZE)] if len(raw) == size else None
