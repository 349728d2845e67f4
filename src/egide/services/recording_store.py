"""The parts of a recording as they come and as they lie: sealed under the recording's own key, chained, each an object.

A part is whole or not taken; it is the next one or it is not taken. That it still may come — the recording runs, its grant lasts,
the hearing goes on — is asked in the transaction that counts it, in whichever process: once somebody has said stop, no byte is
added anywhere. A recording that brings nothing for `SILENT_S` is closed by the platform, and that is written.

    recordings/hearing-<id>/<number>-<link>.seal
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, delete, func, insert, select, update

from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, Text, TooLarge, Unavailable
from egide.kernel.forget import forget_acts
from egide.kernel.identity import digest
from egide.kernel.retention import end, seal_state
from egide.services import recording_tables as tables
from egide.services import tables as service_tables
from egide.services.definition import ROOM
from egide.services.filing import slug
from egide.services.model import definition_of, file_row
from egide.services.recording_sheet import checksum

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.recording")

CATEGORY, PURPOSE = "hearing-recording", "hearing-recordings"
MIB = 1024 * 1024  # bytes
PART_MS = 1000  # ms of picture and sound in a part: what a crash loses at most, and one more on its way
MAX_PART = 2 * MIB  # bytes; a second of a call has 0.2
MAX_BYTES = 1024 * MIB  # of one recording: two hours and more of a call of 1 Mbit/s
LONGEST_US = 2 * 3_600_000_000  # µs a grant lasts
SILENT_S = 10.0  # s without a part after which nobody is recording any more
RESERVE = 512 * MIB  # bytes of the disk that recordings leave free
START = "0" * 64  # the link before the first part
THING = "recordings"  # among the kernel's things
How = Literal["stop", "withdraw", "cut", "over"]
_TABLE = tables.recording


def owner(recording: str) -> str:
    """Whose key seals a recording: its own, so that it can be destroyed without the file."""
    return f"hearing-recording:{recording}"


def prefix(recording: str) -> str:
    """Where its objects lie."""
    return f"recordings/hearing-{recording}"


def of_file(connection: Connection, file: str) -> list[Any]:
    """The recordings of a file, oldest first."""
    return list(
        connection.execute(select(_TABLE).where(_TABLE.c.file == file).order_by(_TABLE.c.began, _TABLE.c.id)).all()
    )


def running(connection: Connection, file: str) -> Any | None:
    """The recording that is under way; None where nothing is recorded."""
    return connection.execute(select(_TABLE).where(_TABLE.c.file == file, _TABLE.c.ended.is_(None))).first()


def kept(kernel: Kernel, connection: Connection, row: Any) -> bool:
    """Whether there is something to watch: it has ended, was not taken back, and its time is not over."""
    if row.ended is None or row.erased is not None or not row.parts:
        return False
    return seal_state(kernel, connection, CATEGORY, row.id)[0] != "expired"


def close(connection: Connection, recording: str, now_us: int, how: How) -> Any:
    """Ends a recording in this transaction and gives its row as it stands. Raises `Conflict` where it has ended already."""
    ended = update(_TABLE).where(_TABLE.c.id == recording, _TABLE.c.ended.is_(None)).values(ended=now_us, how=how)
    if connection.execute(ended).rowcount != 1:
        raise Conflict(Text("Cet enregistrement est terminé.", "This recording has ended."))
    return connection.execute(select(_TABLE).where(_TABLE.c.id == recording)).one()


def release(connection: Connection, file: str, now_us: int) -> None:
    """The recordings of a file are erased at the clock's next look: the person took them back."""
    for row in of_file(connection, file):
        if row.erased is None:
            end(connection, CATEGORY, row.id, now_us)


def drop(connection: Connection, file: str, now_us: int) -> None:
    """The file is erased: what is left of its recordings goes at the clock's next look, what says that they were at once."""
    release(connection, file, now_us)
    connection.execute(delete(_TABLE).where(_TABLE.c.file == file, _TABLE.c.erased.is_not(None)))


def erase(kernel: Kernel, recording: str) -> Callable[[Connection], None]:
    """What destroys a recording: its key, its rows but for that it was, and what the ledger kept of who watched it."""

    def destroy(connection: Connection) -> None:
        now = kernel.clock.now_us()
        kernel.vault.shred(owner(recording), PURPOSE)
        over, mine, file = func.coalesce(_TABLE.c.ended, now), _TABLE.c.id == recording, service_tables.file
        there = select(file.c.id).where(file.c.id == _TABLE.c.file).exists()
        connection.execute(update(_TABLE).where(mine).values(ended=over, erased=now, bytes=0, parts=0))
        connection.execute(delete(_TABLE).where(mine, ~there))  # nobody's file any more: not even that it was
        connection.execute(delete(tables.part).where(tables.part.c.recording == recording))
        connection.execute(delete(tables.view).where(tables.view.c.recording == recording))
        forget_acts(connection, owner(recording))

    return destroy


def remove(kernel: Kernel, recording: str) -> None:
    """Deletes the parts of a recording whose key is gone; repeated until it returns. Raises `Unavailable`."""
    kernel.objects.delete_prefix(prefix(recording))


class Recordings:
    """This process's hand in them. `take` and reading block: for threads; the rest is for the event loop."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what comes ---------------------------------------------------------------------------------------------------------

    def granted(self, recording: str, secret: str) -> Any:
        """The row of a recording under way, for who holds its grant. Raises `NotFound`: the browser then stops."""
        row = self._kernel.store.reader().execute(select(_TABLE).where(_TABLE.c.id == recording)).first()
        if row is None or not hmac.compare_digest(row.secret, digest(secret)) or row.ended is not None:
            raise _over()
        return row

    def take(self, recording: str, secret: str, number: int, content: bytes) -> int:
        """Takes part `number`; gives how many there are now. The same again changes nothing.

        Raises `NotFound` (it is over), `BadInput`, `TooLarge`, `Conflict` (not the next one), `Unavailable`.
        """
        kernel, row = self._kernel, self.granted(recording, secret)
        now = kernel.clock.now_us()
        _bounds(row, number, content, now)
        if number < row.parts:
            self._compare(row, number, content)
            return int(row.parts)
        if number > row.parts:
            raise Conflict(
                Text(f"Il manque le morceau {row.parts}.", f"Part {row.parts} is missing."),
            )
        if shutil.disk_usage(kernel.settings.folder).free < RESERVE:
            raise Unavailable(
                Text("La place manque pour enregistrer.", "There is no room to record."),
                Text("L’audition continue sans enregistrement.", "The hearing goes on without a recording."),
            )
        link = checksum(row.chain, content)
        name = _name(recording, number, link)
        sealed = kernel.vault.seal(owner(recording), PURPOSE, content, _bound(recording, number, link))
        kernel.objects.put(name, sealed)
        if not self._count(row, link, len(content), now):
            kernel.objects.delete(name)
            raise _over()
        return number + 1

    def _count(self, row: Any, link: str, length: int, now: int) -> bool:
        """Counts the part, unless the recording ended, or another came in its place, meanwhile."""
        file = service_tables.file
        hearing = select(file.c.id).where(file.c.id == row.file, file.c.state.in_(ROOM)).exists()
        counted = (
            update(_TABLE)
            .where(_TABLE.c.id == row.id, _TABLE.c.ended.is_(None), _TABLE.c.parts == row.parts, hearing)
            .values(parts=row.parts + 1, bytes=row.bytes + length, chain=link, seen=now)
        )
        part = {"recording": row.id, "number": row.parts, "start": row.bytes, "length": length, "link": link}
        # Not an act: inert bytes under the grant that an act gave, as those of uploads are (docs/decisions/0053).
        with self._kernel.store.side() as connection:
            if connection.execute(counted).rowcount != 1:
                return False
            connection.execute(insert(tables.part), part)
        return True

    def _compare(self, row: Any, number: int, content: bytes) -> None:
        parts = self._parts(row.id)
        before = parts[number - 1].link if number else START
        if parts[number].link != checksum(before, content):
            raise Conflict(Text("Un autre morceau est à cette place.", "Another part is at this place."))

    # -- what is there ------------------------------------------------------------------------------------------------------

    def _parts(self, recording: str) -> list[Any]:
        part = tables.part
        query = select(part).where(part.c.recording == recording).order_by(part.c.number)
        return list(self._kernel.store.reader().execute(query).all())

    def read(self, row: Any, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of a recording from `start` to `end`, part by part, each checked against the chain.

        Raises `Conflict` where a part was changed, moved or taken out, and the vault's errors.
        """
        before, parts = START, self._parts(row.id)
        if len(parts) != row.parts or (parts and parts[-1].link != row.chain):
            raise altered()
        for part in parts:
            first, last = int(part.start), int(part.start + part.length)
            if last > start and (end is None or first < end):
                sealed = self._kernel.objects.get(_name(row.id, part.number, part.link))
                bound = _bound(row.id, part.number, part.link)
                content = self._kernel.vault.open_(owner(row.id), PURPOSE, sealed, bound)
                if checksum(before, content) != part.link or len(content) != part.length:
                    raise altered()
                yield content[max(start - first, 0) : None if end is None else end - first]
            before = part.link

    # -- what stops it ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listens to what becomes of hearings, and looks after what a process before this one left."""
        self._kernel.bus.watch(self._happened)
        for row in self._kernel.store.reader().execute(select(_TABLE).where(_TABLE.c.ended.is_(None))).all():
            self.heard(row.id)

    async def stop(self) -> None:
        """What is being written is finished."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def heard(self, recording: str) -> None:
        """A part came to this process: it looks again when no other follows."""
        before = self._timers.pop(recording, None)
        if before is not None:
            before.cancel()
        self._timers[recording] = asyncio.get_running_loop().call_later(SILENT_S, self._silent, recording)

    def _silent(self, recording: str) -> None:
        self._timers.pop(recording, None)
        row = self._kernel.store.reader().execute(select(_TABLE).where(_TABLE.c.id == recording)).first()
        if row is None or row.ended is not None:
            return
        if self._kernel.clock.latest_us() - row.seen < SILENT_S * 1e6 / 2:
            self.heard(recording)  # it came to another process
        else:
            self._close(row, "cut")

    def _happened(self, name: str, told: dict[str, Any]) -> None:
        """A hearing that is over ends its recording."""
        if name != "service.moved" or told["state"] in ROOM:
            return
        row = running(self._kernel.store.reader(), told["file"])
        if row is not None and row.id in self._timers:
            self._close(row, "over")

    def _close(self, row: Any, how: How) -> None:
        task = asyncio.get_running_loop().create_task(self._ended(row, how))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ended(self, row: Any, how: How) -> None:
        kernel = self._kernel
        try:
            file = file_row(kernel.store.reader(), row.file)
            name = f"services.{slug(file.service)}.record_end"
            given = kernel.acts[name].input(file=row.file, recording=row.id, how=how)
            await kernel.perform(name, given, kernel.system(definition_of(file).activity))
        except Conflict:
            pass  # somebody else was first
        except EgideError:
            log.exception("the end of a recording is not in its file")


def recordings(kernel: Kernel) -> Recordings:
    """Those of this process."""
    found: Recordings = kernel.things[THING]
    return found


def _bounds(row: Any, number: int, content: bytes, now: int) -> None:
    if not content or number < 0:
        raise BadInput(Text("Ce morceau est vide.", "This part is empty."))
    if len(content) > MAX_PART:
        raise TooLarge(
            Text(f"Morceau trop grand : {MAX_PART} octets au plus.", f"Part too large: {MAX_PART} bytes at most.")
        )
    if row.until <= now or row.bytes + len(content) > MAX_BYTES:
        raise TooLarge(
            Text("L’enregistrement a atteint sa durée la plus longue.", "The recording has reached its longest time."),
            Text("Arrêtez-le ; l’audition continue.", "Stop it; the hearing goes on."),
        )


def altered() -> Conflict:
    """The plain sentence for a recording that is not what its file's chain says."""
    return Conflict(
        Text("Cet enregistrement a été modifié.", "This recording was changed."),
        Text("N’y touchez plus, et prévenez l’inspection.", "Leave it as it is, and tell the inspection."),
    )


def _over() -> NotFound:
    return NotFound(Text("Cet enregistrement est terminé.", "This recording has ended."))


def _name(recording: str, number: int, link: str) -> str:
    return f"{prefix(recording)}/{number:06d}-{link[:16]}.seal"


def _bound(recording: str, number: int, link: str) -> bytes:
    return f"{recording}/{number}/{link}".encode()
