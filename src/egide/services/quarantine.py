"""What comes in, chunk by chunk: inert sealed bytes under a grant, of which nothing is made until an act seals the file.

A chunk is whole or not taken. It goes to the end of what is there; what is there already is compared, so that a chunk sent twice
does nothing and another content is refused. Each part is an object of its own under the file's own key, durable before its row
says that it is there: a process that dies in between leaves nothing that counts, and any other process goes on.

    documents/uploads/<id>/original/<start>-<digest>.seal      the original, as it came
    documents/uploads/<id>/copy/<number>.seal                  the copy without metadata (copies.py)
"""

from __future__ import annotations

import asyncio
import hmac
import io
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from egide.kernel.errors import BadInput, Conflict, NotFound, Text, TooLarge, TooMany, Unavailable
from egide.kernel.identity import digest
from egide.kernel.parts import Parts
from egide.services import upload_tables as tables
from egide.services.upload_tables import PURPOSE

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

MIB = 1024 * 1024  # bytes
CHUNK = MIB  # bytes a client is told to send: what a bad network loses at most
MAX_CHUNK = 8 * MIB  # bytes taken at once
MAX_FILE = 512 * MIB  # bytes
MAX_PARTS = 2048  # of one file
COPY_PART = 4 * MIB  # bytes of a copy sealed at once
RESERVE = 512 * MIB  # bytes of the disk that uploads leave free
AT_ONCE, OF_ONE = 8, 3  # chunks under way: of all, of one address; 64 MiB of memory at most
SEALING = 2  # files read as a whole at once: threads are few
DAY_US = 86_400_000_000  # µs
DAILY, DAILY_BYTES = 60, 2048 * MIB  # files and bytes that one address opens in a day
MAX_ADDRESSES = 10_000  # remembered; the oldest give way
QUARANTINE = "upload-quarantine"  # among the kernel's things
TRIES = 3  # at a place that somebody else fills at the same moment


def owner(upload: str) -> str:
    """Whose key seals a file."""
    return f"upload:{upload}"


def prefix(upload: str) -> str:
    """Where its objects lie."""
    return f"documents/uploads/{upload}"


def place(connection: Connection, upload: str) -> int:
    """How many bytes of it are there."""
    part = tables.part
    found = connection.execute(select(func.max(part.c.start + part.c.length)).where(part.c.upload == upload)).scalar()
    return int(found or 0)


def granted(kernel: Kernel, connection: Connection, upload: str, secret: str) -> Any:
    """The row of a file that still comes, for who holds its grant. Raises `NotFound`."""
    table = tables.upload
    row = connection.execute(select(table).where(table.c.id == upload)).first()
    if (
        row is None
        or not hmac.compare_digest(row.secret, digest(secret))
        or row.sealed is not None
        or row.until <= kernel.clock.now_us()
    ):
        raise NotFound(
            Text("Cet envoi n’existe pas, ou son délai est passé.", "This upload does not exist, or its time is over."),
            Text(
                "Choisissez de nouveau le fichier. Ce que vous avez écrit est gardé.",
                "Choose the file again. What you wrote is kept.",
            ),
        )
    return row


class Quarantine:
    """This process's hand in it: takes chunks, gives what is there as a file. Its methods block: for threads."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._busy: dict[str, int] = defaultdict(int)  # address → chunks under way
        self._opened: dict[str, tuple[int, int, int]] = {}  # address → day, files, bytes
        self.slot = asyncio.Semaphore(SEALING)  # files read as a whole at once

    # -- bounds -----------------------------------------------------------------------------------------------------

    def enter(self, address: str) -> Callable[[], None]:
        """Room for one chunk; what it gives is called when the chunk is done. Event loop only. Raises `TooMany`."""
        if sum(self._busy.values()) >= AT_ONCE or self._busy[address] >= OF_ONE:
            raise TooMany(
                Text("Trop d’envois à la fois.", "Too many uploads at once."),
                Text(
                    "L’envoi reprendra de lui-même dans quelques secondes.", "It will go on by itself in a few seconds."
                ),
            )
        self._busy[address] += 1

        def leave() -> None:
            self._busy[address] -= 1
            if not self._busy[address]:
                del self._busy[address]

        return leave

    def count(self, address: str, size: int, now_us: int) -> None:
        """Counts a file that an address opens. In memory only, so that no address is kept. Raises `TooMany`."""
        if not address:
            return
        day, files, total = self._opened.pop(address, (0, 0, 0))
        today = now_us // DAY_US
        files, total = (files + 1, total + size) if day == today else (1, size)
        if files > DAILY or total > DAILY_BYTES:
            self._opened[address] = (today, files - 1, total - size)
            raise TooMany(
                Text(
                    "Trop de fichiers envoyés aujourd’hui depuis ce réseau.",
                    "Too many files sent today from this network.",
                ),
                Text(
                    "Réessayez demain, ou apportez-les au guichet. Ce que vous avez écrit est gardé.",
                    "Try again tomorrow, or bring them to the counter. What you wrote is kept.",
                ),
            )
        self._opened[address] = (today, files, total)
        if len(self._opened) > MAX_ADDRESSES:
            del self._opened[next(iter(self._opened))]

    def less(self, address: str, size: int, now_us: int) -> None:
        """A file that was counted for the most it could be is smaller by so many bytes."""
        day, files, total = self._opened.get(address, (0, 0, 0))
        if day == now_us // DAY_US:
            self._opened[address] = (day, files, max(total - size, 0))

    def room(self, size: int) -> None:
        """Raises `Unavailable` when the disk would not keep its reserve."""
        if shutil.disk_usage(self._kernel.settings.folder).free < RESERVE + size:
            raise Unavailable(
                Text("La place manque pour ce fichier en ce moment.", "There is no room for this file at the moment."),
                Text(
                    "Réessayez dans une heure, ou apportez-le au guichet. Ce que vous avez écrit est gardé.",
                    "Try again in an hour, or bring it to the counter. What you wrote is kept.",
                ),
            )

    # -- chunks -----------------------------------------------------------------------------------------------------

    def offset(self, upload: str, secret: str) -> tuple[int, int]:
        """(bytes there, bytes declared). Raises `NotFound`."""
        db = self._kernel.store.reader()
        row = granted(self._kernel, db, upload, secret)
        return place(db, upload), int(row.bytes)

    def take(self, upload: str, secret: str, at: int, content: bytes) -> int:
        """Takes a chunk that begins at byte `at`; gives how many bytes are there now. The same again changes nothing.

        Raises `NotFound`, `BadInput`, `TooLarge`, `Conflict` (a gap before it, or other bytes are there), `Unavailable`.
        """
        kernel = self._kernel
        row = granted(kernel, kernel.store.reader(), upload, secret)
        if not content or at < 0:
            raise BadInput(Text("Ce morceau est vide.", "This chunk is empty."))
        if len(content) > MAX_CHUNK:
            raise TooLarge(
                Text(
                    f"Morceau trop grand : {MAX_CHUNK} octets au plus.", f"Chunk too large: {MAX_CHUNK} bytes at most."
                )
            )
        if at + len(content) > row.bytes:
            raise TooLarge(
                Text("Plus d’octets que le fichier annoncé.", "More bytes than the file announced."),
                Text("Choisissez de nouveau le fichier.", "Choose the file again."),
            )
        for _ in range(TRIES):
            there = place(kernel.store.reader(), upload)
            if at > there:
                raise Conflict(
                    Text(
                        f"Il manque ce qui précède, depuis l’octet {there}.",
                        f"What precedes is missing, from byte {there}.",
                    )
                )
            if at < there:
                self._compare(upload, at, content[: there - at])
            rest = content[there - at :]
            if not rest or self._add(upload, there, rest):
                return there + len(rest)
        raise Conflict(Text("Ce fichier est envoyé deux fois à la fois.", "This file is sent twice at the same time."))

    def _add(self, upload: str, start: int, content: bytes) -> bool:
        kernel, part = self._kernel, tables.part
        self.room(len(content))
        hash_ = sha256(content).hexdigest()
        counted = select(func.count()).where(part.c.upload == upload)
        if kernel.store.reader().execute(counted).scalar_one() >= MAX_PARTS:
            raise TooMany(Text("Morceaux trop petits.", "Chunks too small."))
        sealed = kernel.vault.seal(owner(upload), PURPOSE, content, _bound(upload, start, hash_))
        kernel.objects.put(_name(upload, start, hash_), sealed)
        row = {"upload": upload, "start": start, "length": len(content), "sha256": hash_}
        try:
            # Not an act: inert bytes under the grant that an act gave (docs/decisions/0053).
            with kernel.store.side() as connection:
                connection.execute(insert(part), row)
        except IntegrityError:
            return False  # somebody else filled this place meanwhile: what is there now is compared
        return True

    def _compare(self, upload: str, at: int, content: bytes) -> None:
        """Raises `Conflict` unless the bytes from `at` are these."""
        file = self.file(upload)
        file.seek(at)
        done = 0
        while done < len(content):
            found = file.read(len(content) - done)
            if not found or found != content[done : done + len(found)]:
                raise Conflict(
                    Text(
                        "Ce morceau n’est pas celui qui a déjà été reçu à cet endroit.",
                        "This chunk is not the one already received at this place.",
                    ),
                    Text("Le fichier a changé : choisissez-le de nouveau.", "The file has changed: choose it again."),
                )
            done += len(found)

    # -- what is there ----------------------------------------------------------------------------------------------

    def file(self, upload: str) -> io.BufferedReader:
        """The original as a file to seek in; its bytes are those that came, or the vault's error is raised."""
        rows = self._parts(upload)

        def opened(number: int) -> bytes:
            row = rows[number]
            sealed = self._kernel.objects.get(_name(upload, row.start, row.sha256))
            return self._kernel.vault.open_(owner(upload), PURPOSE, sealed, _bound(upload, row.start, row.sha256))

        return io.BufferedReader(Parts([row.start + row.length for row in rows], opened))

    def _parts(self, upload: str) -> list[Any]:
        part = tables.part
        query = select(part).where(part.c.upload == upload).order_by(part.c.start)
        return list(self._kernel.store.reader().execute(query).all())

    def keep_copy(self, upload: str, content: Iterator[bytes]) -> int:
        """Seals a copy as it is made; gives its length. What a try before it left is replaced."""
        kernel = self._kernel
        kernel.objects.delete_prefix(f"{prefix(upload)}/copy")
        waiting, number, size = bytearray(), 0, 0

        def put(block: bytes) -> None:
            sealed = kernel.vault.seal(owner(upload), PURPOSE, block, _copy_bound(upload, number))
            kernel.objects.put(_copy_name(upload, number), sealed)

        for piece in content:
            waiting += piece
            size += len(piece)
            while len(waiting) >= COPY_PART:
                put(bytes(waiting[:COPY_PART]))
                del waiting[:COPY_PART]
                number += 1
        if waiting:
            put(bytes(waiting))
        return size

    def copy(self, upload: str, size: int) -> Iterator[bytes]:
        """The copy's bytes in order."""
        for number in range(-(-size // COPY_PART)):
            sealed = self._kernel.objects.get(_copy_name(upload, number))
            yield self._kernel.vault.open_(owner(upload), PURPOSE, sealed, _copy_bound(upload, number))

    def original(self, upload: str) -> Iterator[bytes]:
        """The original's bytes in order."""
        file = self.file(upload)
        while block := file.read(MAX_CHUNK):
            yield block


def quarantine(kernel: Kernel) -> Quarantine:
    """This process's quarantine."""
    found: Quarantine = kernel.things.setdefault(QUARANTINE, Quarantine(kernel))
    return found


def _name(upload: str, start: int, hash_: str) -> str:
    return f"{prefix(upload)}/original/{start:010d}-{hash_[:16]}.seal"


def _bound(upload: str, start: int, hash_: str) -> bytes:
    return f"{upload}/{start}/{hash_}".encode()


def _copy_name(upload: str, number: int) -> str:
    return f"{prefix(upload)}/copy/{number:04d}.seal"


def _copy_bound(upload: str, number: int) -> bytes:
    return f"{upload}/copy/{number}".encode()
