"""The recordings' segments: each sealed with its recording's own key, erased by destroying the key, then the objects.

Segments are objects `recordings/<id>/<n>-<chain>.mp4.seal`, written whole or not at all (kernel/objects.py); those without `.mp4`
are MPEG-TS, of recordings begun before films were MP4. The last link of the
hash chain stands in the row when the recording ends, and with it in the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, select, update

from egide.operations import tables
from egide.operations.media.recorder import Recorder, SegmentMeta

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.archive")

CATEGORY = "aerial-recording"
PURPOSE = "aerial-recording"
Form = Literal["ts", "mp4"]
ENDINGS: dict[Form, str] = {"ts": ".seal", "mp4": ".mp4.seal"}
TYPES: dict[Form, str] = {"ts": "video/mp2t", "mp4": "video/mp4"}


def prefix(recording: str) -> str:
    """Where a recording's segments lie among the objects."""
    return f"recordings/{recording}"


def recorder_for(kernel: Kernel, recording: str, source: str) -> Recorder:
    """A recorder that seals each segment as it comes; it goes on where another process left the recording."""
    table = tables.recording
    row = (
        kernel.store.reader()
        .execute(select(table.c.segments, table.c.chain, table.c.bytes).where(table.c.id == recording))
        .first()
    )
    size, after = (int(row.bytes), (int(row.segments), str(row.chain))) if row and row.segments else (0, None)

    form = form_of(kernel, recording)
    ending = ENDINGS[form]

    def seal(segment: bytes, meta: SegmentMeta) -> None:
        nonlocal size
        sealed = kernel.vault.seal(f"recording:{recording}", PURPOSE, segment, meta.chain.encode())
        kernel.objects.put(f"{prefix(recording)}/{meta.index:06d}-{meta.chain}{ending}", sealed)
        size += len(segment)
        # A measure of the recording, not a use of it: bookkeeping of the camera's act, which is in the ledger already.
        with kernel.store.side() as connection:
            connection.execute(
                update(tables.recording)
                .where(tables.recording.c.id == recording)
                .values(segments=meta.index + 1, bytes=size, chain=meta.chain, codec=meta.codec)
            )

    def trouble(fr: str, en: str) -> None:
        log.error("recording %s: %s", recording, en)
        kernel.things.setdefault("trouble", {})[source] = (fr, en)

    return Recorder(recording, source, seal, trouble, form=form, after=after)


def form_of(kernel: Kernel, recording: str) -> Form:
    """The form of a recording's segments: what the first of them has, MP4 where there is none yet."""
    first = next(iter(kernel.objects.names(prefix(recording))), ENDINGS["mp4"])
    return "mp4" if first.endswith(ENDINGS["mp4"]) else "ts"


def segments(kernel: Kernel, recording: str) -> Iterator[bytes]:
    """The clear segments in order; raises the vault's error when the key is gone or a byte was changed."""
    for name in kernel.objects.names(prefix(recording)):
        chain = name.rpartition("/")[2].removesuffix(".seal").removesuffix(".mp4").partition("-")[2]
        yield kernel.vault.open_(f"recording:{recording}", PURPOSE, kernel.objects.get(name), chain.encode())


def erase(kernel: Kernel, recording: str) -> Callable[[Connection], None]:
    """What destroys a recording in the writer's transaction: its key (then nothing can open it) and the row's figures."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(f"recording:{recording}", PURPOSE)
        connection.execute(
            update(tables.recording)
            .where(tables.recording.c.id == recording)
            .values(erased=kernel.clock.now_us(), bytes=0, segments=0)
        )

    return destroy


def remove(kernel: Kernel, recording: str) -> None:
    """Deletes the segments of a recording whose key is gone; repeated until it returns. Raises `Unavailable`."""
    kernel.objects.delete_prefix(prefix(recording))
