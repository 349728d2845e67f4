"""The public part of the tree as plain files, which mirrors copy and monitors read (C2SP tlog-tiles).

    checkpoint                    the newest cosigned head (the newest signed one where nobody cosigns)
    tile/<level>/<number>         256 hashes, 8192 bytes; the number in groups of three digits: x001/x234/067
    tile/<level>/<number>.p/<w>   the tile at the right edge, w hashes

There are no entry bundles: leaves are personal data and stay in the house. Full tiles never change, so that a second run writes
only what is new; a folder that holds another history is left as it is, and said.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from egide.kernel import checkpoint, cosigned
from egide.kernel.checkpoint import CheckpointError
from egide.kernel.errors import Conflict, Text, Unavailable
from egide.kernel.ledger import TILE_HEIGHT, TILE_SIZE, TILE_WIDTH, TileStore, damaged
from egide.kernel.tiles import SqlTiles

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

HEAD = "checkpoint"
_PATH = re.compile(
    r"tile/(?P<level>[0-9]|[1-5][0-9])/(?P<number>(x[0-9]{3}/){0,5}[0-9]{3})(\.p/(?P<width>[1-9][0-9]{0,2}))?", re.ASCII
)


class Written(NamedTuple):
    """What an export did: the size it now shows, and how many files it wrote."""

    size: int
    files: int


class Place(NamedTuple):
    """A tile of a tree: `width` hashes, 256 when full."""

    level: int
    number: int
    width: int

    def path(self) -> str:
        """Where it lies, C2SP tlog-tiles."""
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{self.level}/{number_path(self.number)}{partial}"


def number_path(number: int) -> str:
    """A tile's number in groups of three digits, all but the last marked: 1234067 → x001/x234/067."""
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03}")
    return "/".join(reversed(groups))


def places(size: int) -> Iterator[Place]:
    """The tiles of the tree of `size` leaves, level by level."""
    level, entries = 0, size
    while entries:
        full, rest = divmod(entries, TILE_WIDTH)
        for number in range(full):
            yield Place(level, number, TILE_WIDTH)
        if rest:
            yield Place(level, full, rest)
        level, entries = level + 1, entries >> TILE_HEIGHT


def hashes(store: TileStore, place: Place) -> bytes:
    """The bytes of a tile; raises `LedgerDamaged` when the store does not hold it."""
    if place.width == TILE_WIDTH:
        found = store.tile(place.level, place.number)
    else:
        start = place.number << TILE_HEIGHT
        full = store.tile(place.level, place.number)  # the tree has grown since: a prefix of what is stored
        if full is not None:
            return full[: place.width * (TILE_SIZE // TILE_WIDTH)]
        if place.level == 0:
            found = b"".join(store.leaf_hashes(start, start + place.width))
        else:
            found = b"".join(store.tile_root(place.level - 1, at) for at in range(start, start + place.width))
    if found is None or len(found) != place.width * (TILE_SIZE // TILE_WIDTH):
        raise damaged(f"tile {place.number} of level {place.level} is missing or cut short")
    return found


def parse_path(path: str) -> Place | None:
    """The tile that lies at a path; None unless the path is exactly what `Place.path` writes."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    number = int(found["number"].replace("x", "").replace("/", ""))
    place = Place(int(found["level"]), number, int(found["width"] or TILE_WIDTH))
    return place if place.path() == path and 0 < place.width <= TILE_WIDTH else None


def served(kernel: Kernel, place: Place) -> bytes | None:
    """A tile of the tree under the newest signed head; None for one that is not in it, leaves not signed over included."""
    newest = kernel.latest_checkpoint()
    if newest is None:
        return None
    entries = min(newest[0], kernel.log.size) >> TILE_HEIGHT * place.level
    if (place.number << TILE_HEIGHT) + place.width > entries:
        return None
    return hashes(SqlTiles(kernel.store.reader, kernel.settings.realm), place)


def write(kernel: Kernel, folder: Path) -> Written:
    """Writes what is missing, the checkpoint last. Raises `Conflict` when `folder` holds another history, `Unavailable`."""
    head = cosigned.best(kernel.store.reader(), kernel.settings.realm)
    if head is None or head.size > kernel.log.size:
        raise Unavailable(
            Text("Le registre est vide : aucune tête signée encore.", "The ledger is empty: no signed head yet.")
        )
    _same_history(kernel, folder / HEAD)
    store, files = SqlTiles(kernel.store.reader, kernel.settings.realm), 0
    for place in places(head.size):
        file = folder / place.path()
        expected = place.width * (TILE_SIZE // TILE_WIDTH)
        if file.is_file() and file.stat().st_size == expected:
            continue
        _put(file, hashes(store, place))
        files += 1
        if place.width == TILE_WIDTH:  # what it was while it grew is in it
            shutil.rmtree(file.with_name(file.name + ".p"), ignore_errors=True)
    _put(folder / HEAD, head.note.encode())
    return Written(head.size, files + 1)


def _same_history(kernel: Kernel, file: Path) -> None:
    if not file.exists():
        return
    try:
        before = checkpoint.verify(file.read_text("utf-8"), [kernel.key.vkey])
        same = before.size <= kernel.log.size and kernel.log.root(before.size) == before.root
    except (CheckpointError, UnicodeDecodeError):
        same = False
    if not same:
        raise Conflict(
            Text(
                f"{file.parent} contient l’arbre d’une autre histoire ou d’un autre registre.",
                f"{file.parent} holds the tree of another history or of another log.",
            ),
            Text(
                "Gardez ce dossier comme preuve et donnez-en un autre ; lancez « egide doctor ».",
                "Keep that folder as evidence and give another; run “egide doctor”.",
            ),
        )


def _put(file: Path, content: bytes) -> None:
    """A whole file or none: mirrors copy while it is written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    with draft.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
