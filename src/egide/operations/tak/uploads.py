"""Bytes that come in: sealed part by part as they arrive, counted and hashed, quarantined until an act keeps them.

A package's parts are objects `documents/tak/<id>/<n>.seal` under a key of its own; whoever destroys the key erases the package.
What an interrupted process left is swept at the next start: parts whose package no act kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import select

from egide.kernel.errors import EgideError, Text, TooLarge, TooMany
from egide.kernel.identity import new_id
from egide.kernel.parts import Parts
from egide.operations.tak import tables

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.tak")

PART = 4 * 1024 * 1024  # bytes sealed at once: what one upload holds in memory
MIB = 1024 * 1024  # bytes
AT_ONCE = 2  # uploads of one person under way
EVERYONE = 16  # uploads of all: 64 MiB of memory at most
QUARANTINE = "tak-uploads"  # among the kernel's things
ROOT = "documents/tak"


def owner(package: str) -> str:
    """Whose key seals a package."""
    return f"tak-package:{package}"


def prefix(package: str) -> str:
    """Where its parts lie."""
    return f"{ROOT}/{package}"


@dataclass(slots=True)
class Upload:
    """One upload: what is known of it grows as it comes."""

    id: str
    person: str
    limit: int  # bytes
    size: int = 0
    parts: int = 0
    hash: str = ""
    whole: bool = False
    waiting: bytearray = field(default_factory=bytearray)  # received, not sealed yet


class Uploads:
    """The uploads of this process that no act has kept yet."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._held: dict[str, Upload] = {}

    def begin(self, person: str, announced: int | None) -> Upload:
        """Room for one more; refused before any byte is read where it is too large or too many. Raises `TooLarge`, `TooMany`."""
        limit = self._kernel.settings.tak_package_max_mib * MIB
        if announced is not None and announced > limit:
            raise too_large(limit)
        mine = sum(1 for upload in self._held.values() if upload.person == person)
        if mine >= AT_ONCE or len(self._held) >= EVERYONE:
            raise TooMany(
                Text("Trop d’envois à la fois.", "Too many uploads at once."),
                Text("Attendez la fin des autres.", "Wait until the others end."),
            )
        upload = Upload(new_id(), person, limit)
        self._held[upload.id] = upload
        return upload

    async def take(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        """Reads it to the end. Raises `TooLarge` at the first byte too many, `Unavailable` where nothing can be stored."""
        digest = sha256()
        async for chunk in chunks:
            upload.size += len(chunk)
            if upload.size > upload.limit:
                raise too_large(upload.limit)
            digest.update(chunk)
            upload.waiting += chunk
            while len(upload.waiting) >= PART:
                await self._part(upload, bytes(upload.waiting[:PART]))
                del upload.waiting[:PART]
        if upload.waiting or not upload.parts:
            await self._part(upload, bytes(upload.waiting))
            upload.waiting.clear()
        upload.hash, upload.whole = digest.hexdigest(), True

    def finished(self, id_: str, person: str) -> Upload | None:
        """The whole upload of this person with this id."""
        upload = self._held.get(id_)
        return upload if upload is not None and upload.whole and upload.person == person else None

    def kept(self, id_: str) -> None:
        """An act took it over."""
        self._held.pop(id_, None)

    async def drop(self, upload: Upload) -> None:
        """Destroys what no act kept; without effect once one did."""
        if self._held.pop(upload.id, None) is None:
            return
        try:
            await asyncio.to_thread(self._destroy, upload.id)
        except EgideError as error:
            log.warning("an upload is not swept yet: %s", error.what.en)

    async def _part(self, upload: Upload, content: bytes) -> None:
        await asyncio.to_thread(self._seal, upload.id, upload.parts, content)
        upload.parts += 1

    def _seal(self, id_: str, number: int, content: bytes) -> None:
        kernel = self._kernel
        sealed = kernel.vault.seal(owner(id_), tables.PURPOSE, content, _bound(id_, number))
        kernel.objects.put(f"{prefix(id_)}/{number:04d}.seal", sealed)

    def _destroy(self, id_: str) -> None:
        self._kernel.vault.shred(owner(id_), tables.PURPOSE)
        self._kernel.objects.delete_prefix(prefix(id_))

    def sweep(self) -> int:
        """Destroys the parts that an ended process left behind; blocks. Only where no other process may be receiving them."""
        kernel = self._kernel
        if kernel.processes.alive(kernel.store.reader()) - {kernel.process}:
            return 0
        found = {name.split("/")[2] for name in kernel.objects.names(ROOT)}
        known = {row.id for row in kernel.store.reader().execute(select(tables.package.c.id))}
        left = found - known - set(self._held)
        for id_ in left:
            self._destroy(id_)
        return len(left)


def uploads(kernel: Kernel) -> Uploads:
    """This process's uploads."""
    found: Uploads = kernel.things.setdefault(QUARANTINE, Uploads(kernel))
    return found


def reader(kernel: Kernel, upload: Upload) -> Parts:
    """A sealed package as a file one can seek in."""
    ends = [min((number + 1) * PART, upload.size) for number in range(upload.parts)]
    return Parts(ends, lambda number: _open(kernel, upload.id, number))


async def parts_of(kernel: Kernel, package: str, parts: int) -> AsyncIterator[bytes]:
    """The clear parts in order; raises the vault's error when the key is gone or a byte was changed."""
    for number in range(parts):
        yield await asyncio.to_thread(_open, kernel, package, number)


def _open(kernel: Kernel, package: str, number: int) -> bytes:
    sealed = kernel.objects.get(f"{prefix(package)}/{number:04d}.seal")
    return kernel.vault.open_(owner(package), tables.PURPOSE, sealed, _bound(package, number))


def _bound(package: str, number: int) -> bytes:
    return f"{package}/{number}".encode()


def too_large(limit: int) -> TooLarge:
    """What an upload beyond the limit is told."""
    return TooLarge(
        Text(
            f"Fichier trop volumineux : {limit // MIB} Mio au plus.",
            f"The file is too large: {limit // MIB} MiB at most.",
        ),
        Text("Réduisez-le, ou envoyez-le en plusieurs fois.", "Make it smaller, or send it in several pieces."),
    )
