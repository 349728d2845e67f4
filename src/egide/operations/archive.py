"""The recordings on disk: each segment sealed with its recording's own key, erased by destroying key and files.

Segments go to `<data>/recordings/<id>/<n>.seal`, written whole or not at all (temporary file, fsync, rename). The last link of
the hash chain stands in the row when the recording ends, and with it in the ledger.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, update

from egide.operations import tables
from egide.operations.media.recorder import Recorder, SegmentMeta

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

log = logging.getLogger("egide.archive")

CATEGORY = "aerial-recording"
PURPOSE = "aerial-recording"


def folder(kernel: Kernel, recording: str) -> Path:
    """Where a recording's segments lie."""
    return kernel.settings.folder / "recordings" / recording


def recorder_for(kernel: Kernel, recording: str, source: str) -> Recorder:
    """A recorder that seals each segment as it comes."""
    place = folder(kernel, recording)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    size = 0

    def seal(segment: bytes, meta: SegmentMeta) -> None:
        nonlocal size
        sealed = kernel.vault.seal(f"recording:{recording}", PURPOSE, segment, meta.chain.encode())
        final = place / f"{meta.index:06d}-{meta.chain}.seal"
        half = final.with_suffix(".half")
        try:
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(sealed)
                out.flush()
                os.fsync(out.fileno())
            half.rename(final)
        except OSError:
            half.unlink(missing_ok=True)
            raise
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

    return Recorder(recording, source, seal, trouble)


def segments(kernel: Kernel, recording: str) -> Iterator[bytes]:
    """The clear segments in order; raises the vault's error when the key is gone or a byte was changed."""
    for file in sorted(folder(kernel, recording).glob("*.seal")):
        chain = file.stem.partition("-")[2]
        yield kernel.vault.open_(f"recording:{recording}", PURPOSE, file.read_bytes(), chain.encode())


def erase(kernel: Kernel, recording: str) -> Callable[[Connection], None]:
    """What destroys a recording: its key (then nothing can open it), its files, and the row's figures."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(f"recording:{recording}", PURPOSE)
        shutil.rmtree(folder(kernel, recording), ignore_errors=True)
        connection.execute(
            update(tables.recording)
            .where(tables.recording.c.id == recording)
            .values(erased=kernel.clock.now_us(), bytes=0, segments=0)
        )

    return destroy
