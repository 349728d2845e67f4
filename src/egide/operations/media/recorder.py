"""What is shown, kept: the units as received, in sealed segments that prove their order.

Each segment is a whole film of at most 10 s — fragmented MP4, or MPEG-TS where the recording began as that — that begins with its
description and, where the source allows, with a key frame; KLV stays a track of it.  It is handed to `seal` in one piece, never
half-written, with its place in the chain: chain = SHA-256(previous chain ‖ segment).  Taking one away, changing or reordering
breaks every following link.

A full disk must not stop the picture: sealing has its own thread and bounded queue; what could not be sealed is counted
and told in the next segment's description, so that a gap is declared, never hidden.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from egide.operations.media.moviemux import MovieMuxer
from egide.operations.media.tsmux import PACKET, TsMuxer
from egide.operations.media.units import KlvUnit, Unit

_log = logging.getLogger(__name__)

SEGMENT_US: Final = 10_000_000
"""No segment is longer, whatever the source's key frames."""
CUT_SHARE: Final = 0.6
"""From this share of its longest length on, a segment ends at the next key frame."""
MAX_SEGMENT: Final = 32 << 20
"""Bytes of one segment (25 Mbit/s over 10 s); past it the segment is cut early."""
QUEUE_SEGMENTS: Final = 4
"""Segments that may wait for the disk."""
_FULL_FR: Final = (
    "L'enregistrement ne peut pas être écrit : le disque est plein ou ne répond plus. La vue en direct continue. "
    "Libérez de la place ; l'enregistrement reprend de lui-même et le manque y est signalé."
)
_FULL_EN: Final = (
    "The recording cannot be written: the disk is full or does not answer. The live view goes on. "
    "Free some space; recording resumes by itself and the gap is marked in it."
)


@dataclass(frozen=True, slots=True)
class SegmentMeta:
    """A sealed segment's description.  Times in µs (`started`/`ended` wall clock, `pts` stream clock); digests in hex.

    `lost` counts the segments before this one that could not be sealed: the chain goes from the last sealed one to this one.
    """

    recording_id: str
    source_id: str
    index: int
    started_us: int
    ended_us: int
    first_pts_us: int
    last_pts_us: int
    pictures: int
    klv: int
    starts_with_key: bool
    codec: str
    width: int
    height: int
    size: int
    sha256: str
    previous: str
    chain: str
    lost: int


Seal = Callable[[bytes, SegmentMeta], None]
OnError = Callable[[str, str], None]


def genesis(recording_id: str) -> str:
    """The link before the first segment, bound to the recording, in hex."""
    return hashlib.sha256(b"egide/recording/1\x00" + recording_id.encode()).hexdigest()


def link(previous: str, segment: bytes) -> str:
    """SHA-256(previous ‖ segment) in hex."""
    return hashlib.sha256(bytes.fromhex(previous) + segment).hexdigest()


def verify(recording_id: str, segments: Sequence[bytes], chains: Sequence[str]) -> int | None:
    """Index of the first segment that does not fit the chain; None when all do.  A missing one at the end counts too."""
    previous = genesis(recording_id)
    for index in range(max(len(segments), len(chains))):
        if index >= len(segments) or index >= len(chains) or link(previous, segments[index]) != chains[index]:
            return index
        previous = chains[index]
    return None


def replay(segments: Iterable[bytes]) -> bytes:
    """The segments as one .ts.  Raises ValueError when one is not a whole transport stream."""
    parts = []
    for index, segment in enumerate(segments):
        if len(segment) % PACKET or segment[:1] != b"\x47":
            raise ValueError(f"segment {index} is not a whole MPEG transport stream")
        parts.append(segment)
    return b"".join(parts)


class _Open:
    """The segment being filled."""

    def __init__(self, unit: Unit) -> None:
        self.first = self.last = unit
        self.last_pts = unit.pts_us
        self.pictures = self.klv = 0


class Recorder:
    """Feed it `unit` and `klv` from the ingest's callbacks; both return at once.  `close` seals what is left.

    `seal` is called from the recorder's own thread and must either keep the segment or raise.  `on_error(fr, en)` is called
    once per trouble, not per segment, from that thread or the ingest's: it must not block.
    """

    def __init__(
        self,
        recording_id: str,
        source_id: str,
        seal: Seal,
        on_error: OnError,
        *,
        segment_us: int = SEGMENT_US,
        form: Literal["ts", "mp4"] = "ts",
        after: tuple[int, str] | None = None,
    ) -> None:
        """`after`: (segments, last link) of a recording that another process began and this one goes on with."""
        self.recording_id, self.source_id = recording_id, source_id
        self._seal, self._on_error = seal, on_error
        self._segment_us = segment_us
        self._muxer: TsMuxer | MovieMuxer = MovieMuxer() if form == "mp4" else TsMuxer()
        self._open: _Open | None = None
        self._begun = False
        self._queue: queue.Queue[tuple[bytes, _Open] | None] = queue.Queue(QUEUE_SEGMENTS)
        self._index, self._chain = after or (0, genesis(recording_id))
        self._lost = 0
        self._overflowed = 0
        self._troubled = False
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"recorder-{recording_id}", daemon=True)
        self._thread.start()

    @property
    def chain(self) -> str:
        """The last link, in hex: what the ledger should hold when the recording ends."""
        return self._chain

    @property
    def segments(self) -> int:
        """Segments sealed so far."""
        return self._index

    def unit(self, unit: Unit) -> None:
        """Record one picture.  Before the first key frame nothing is recorded."""
        with self._lock:
            if self._closed:
                return
            held = self._open
            if held is not None:
                age = unit.dts_us - held.first.dts_us
                soft = CUT_SHARE * self._segment_us
                full = self._muxer.size + len(unit.data) > MAX_SEGMENT
                if age >= self._segment_us or (unit.key and (age >= soft or unit.codec_changed)) or full or age < 0:
                    self._cut()
                    held = None
            if held is None:
                if not self._begun and not unit.key:
                    return
                held = self._open = _Open(unit)
                self._begun = True
                self._muxer.tables()
            self._muxer.video(unit.data, unit.pts_us, unit.dts_us, unit.key)
            held.last = unit
            held.last_pts = max(held.last_pts, unit.pts_us)
            held.pictures += 1

    def klv(self, unit: KlvUnit) -> None:
        """Record one metadata packet, readable or not, as received."""
        with self._lock:
            if self._closed or self._open is None or len(unit.raw) > 65000:
                return
            self._muxer.klv(unit.raw, unit.pts_us)
            self._open.klv += 1

    def close(self, timeout_s: float = 10.0) -> bool:
        """Seal what is open and wait for the sealing to end; False when it did not within `timeout_s`."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._cut()
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _cut(self) -> None:
        held, self._open = self._open, None
        if held is None:
            return
        try:
            self._queue.put_nowait((self._muxer.take(), held))
        except queue.Full:
            self._overflowed += 1
            self._complain()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            with self._lock:
                self._lost += self._overflowed
                self._overflowed = 0
            self._keep(*item)

    def _keep(self, segment: bytes, held: _Open) -> None:
        chain = link(self._chain, segment)
        meta = SegmentMeta(
            recording_id=self.recording_id,
            source_id=self.source_id,
            index=self._index,
            started_us=held.first.capture_us,
            ended_us=held.last.capture_us,
            first_pts_us=held.first.pts_us,
            last_pts_us=held.last_pts,
            pictures=held.pictures,
            klv=held.klv,
            starts_with_key=held.first.key,
            codec=held.first.config.codec,
            width=held.first.config.width,
            height=held.first.config.height,
            size=len(segment),
            sha256=hashlib.sha256(segment).hexdigest(),
            previous=self._chain,
            chain=chain,
            lost=self._lost,
        )
        try:
            self._seal(segment, meta)
        except Exception:  # noqa: BLE001 - whatever the store's trouble is, the live view and the recorder's thread must survive it
            _log.warning("a segment of recording %s could not be sealed", self.recording_id, exc_info=True)
            self._lost += 1
            self._complain()
            return
        self._chain = chain
        self._index += 1
        self._lost = 0
        self._troubled = False

    def _complain(self) -> None:
        if not self._troubled:
            self._troubled = True
            self._on_error(_FULL_FR, _FULL_EN)
