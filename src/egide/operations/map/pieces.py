"""The town's archive as pieces with their SHA-256, so that a terminal can keep it whole and know that it is whole.

A terminal asks for the list, then for each piece as a byte range of the archive; each is checked as it comes and kept under its
digest, so that a broken transfer goes on where it stopped and a new map brings only what changed. Source: FIPS 180-4;
RFC 9110 §14 (ranges).
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.kernel.kernel import Kernel

PIECE = 1024 * 1024  # bytes: a few seconds of a weak network, and 100 lines for a large town


class Pieces(msgspec.Struct):
    """Where the archive is, its size, and the digest (hex) of each `piece` bytes; no address where there is no map."""

    pmtiles: str | None = None
    bytes: int = 0
    piece: int = PIECE
    sha256: tuple[str, ...] = ()


@act(
    "operations.map.pieces", verb="view", activity="picture", open=True, roles=["anyone"], output=Pieces,
    fr="Garder le fond de carte sur le terminal", en="Keep the base map on the terminal",
)  # fmt: skip
async def map_pieces(ctx: Ctx, _given: Nothing) -> Effect:
    kernel = ctx.kernel
    address = kernel.things.get("map", {}).get("pmtiles")
    archive = kernel.public.get(address.removeprefix("/map/")) if address else None
    if not isinstance(archive, Path):
        return Effect(Pieces())
    return Effect(await asyncio.to_thread(_listed, kernel, archive))


def _listed(kernel: Kernel, archive: Path) -> Pieces:
    """Read once for each state of the file: a gigabyte takes a second or two."""
    seen = archive.stat()
    state = (seen.st_mtime_ns, seen.st_size)
    held: tuple[tuple[int, int], Pieces] | None = kernel.things.get("map.pieces.listed")
    if held is None or held[0] != state:
        held = (state, digests(archive))
        kernel.things["map.pieces.listed"] = held
    return held[1]


def digests(archive: Path) -> Pieces:
    """The list of a file's pieces."""
    found = []
    with archive.open("rb") as file:
        while piece := file.read(PIECE):
            found.append(hashlib.sha256(piece).hexdigest())
    return Pieces(f"/map/{archive.name}", archive.stat().st_size, PIECE, tuple(found))


ACTS: tuple[Act, ...] = (map_pieces,)
