"""One source, received without decoding, in its own thread, for as long as it is wanted.

States told by `on_state`: connecting → live ⇄ waiting → stopped or failed.  `waiting` tries again by itself (0.5 s
doubling to 10 s); `failed` needs a person.  Sound, declared at any moment, ends in `failed` before any unit of that
moment is handed over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from egide.operations.media.assemble import Assembler
from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.readers import Reader, open_reader
from egide.operations.media.source import SourceSpec
from egide.operations.media.units import KlvUnit, Unit

_log = logging.getLogger(__name__)

State = Literal["connecting", "live", "waiting", "stopped", "failed"]
Detail = tuple[str, str] | None
"""(French, English), or None when there is nothing to add."""

STALL_S: Final = 3.0
"""Seconds without a picture before a live source is said to be waiting."""
FIRST_BACKOFF_S: Final = 0.5
MAX_BACKOFF_S: Final = 10.0
OPEN_S: Final = 5.0
MAX_RATE: Final = 2000
"""Units in one second beyond which the sender is hostile: ten times the fastest camera with its metadata."""
LATE_US: Final = 1_000_000
"""A file that plays this late (the machine slept) goes on from now instead of rushing."""


@dataclass(slots=True)
class Counters:
    """What has passed since the start."""

    units: int = 0
    keys: int = 0
    bytes: int = 0
    damaged: int = 0
    klv: int = 0
    klv_errors: int = 0
    reconnections: int = 0


class Ingest:
    """Receives `spec` from `start()` to `stop()`.

    `on_unit`, `on_klv` and `on_state` are called one at a time from the ingest's thread (the last state from `stop()`'s own)
    and must not block; none is called once `stop()` has returned.

    Memory: at most one access unit being built (8 MiB) and one KLV packet (64 KiB).
    """

    def __init__(
        self,
        spec: SourceSpec,
        on_unit: Callable[[Unit], None],
        on_klv: Callable[[KlvUnit], None],
        on_state: Callable[[State, Detail], None],
    ) -> None:
        self.spec = spec
        self.counters = Counters()
        self.state: State = "connecting"
        self.detail: Detail = None
        self.error: SourceError | None = None
        self._on_unit, self._on_klv, self._on_state = on_unit, on_klv, on_state
        self._assembler = Assembler()
        self._stop = threading.Event()
        self._gate = threading.RLock()
        self._thread: threading.Thread | None = None
        self._reader: Reader | None = None
        self._told: tuple[State, Detail] | None = None
        self._epoch_us: int | None = None
        self._last_picture = 0.0
        self._window = (0, 0)

    def start(self) -> None:
        """Begin; once."""
        if self._thread is not None:
            raise RuntimeError("an ingest starts once")
        self._thread = threading.Thread(target=self._run, name=f"ingest-{self.spec.id}", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """End; True when the thread is gone within `timeout_s` seconds, which takes 0.2 s unless a name look-up hangs."""
        self._stop.set()
        with self._gate:
            if self.state not in ("stopped", "failed"):
                self._tell("stopped", None, force=True)
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def _tell(self, state: State, detail: Detail, force: bool = False) -> None:
        with self._gate:
            if (self._stop.is_set() and not force) or self._told == (state, detail):
                return
            self._told = (state, detail)
            self.state, self.detail = state, detail
            self._on_state(state, detail)

    def _fail(self, error: SourceError) -> None:
        self.error = error
        self._tell("failed", error.text)

    def _run(self) -> None:
        try:
            self._keep_receiving()
        except Exception:  # noqa: BLE001 - the last frame of a thread: a fault here or in a callback must be seen, not vanish
            _log.exception("the ingest of %s stopped on an internal error", self.spec.id)
            self._fail(source_error("internal"))

    def _keep_receiving(self) -> None:
        backoff = FIRST_BACKOFF_S
        self._tell("connecting", None)
        while not self._stop.is_set():
            units = self.counters.units
            try:
                self._receive()
                if self._stop.is_set():
                    return
                if not self.spec.loop:
                    self._tell("stopped", None)
                    return
                continue
            except SourceError as error:
                if error.final or self.spec.kind == "file":
                    self._fail(error)
                    return
                self.error = error
                self._tell("waiting", error.text)
            if self.counters.units > units:
                backoff = FIRST_BACKOFF_S
            self._stop.wait(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF_S)
            self.counters.reconnections += 1
            self._assembler.restart()

    def _receive(self) -> None:
        """One opening of the source, to its end.  Returns at a file's end or at `stop`; raises SourceError otherwise."""
        reader = open_reader(self.spec.kind, self.spec.url, OPEN_S, self._stop, self.spec.secret)
        before = self.counters.units
        self._last_picture = time.monotonic()
        try:
            while not self._stop.is_set():
                received = reader.received
                samples = reader.read()
                if reader.has_audio:
                    raise source_error("audio")
                if samples is None:
                    break
                for sample in samples:
                    for unit in self._assembler.push(sample):
                        self._emit(unit)
                        if self._stop.is_set():
                            return
                if not samples and self.spec.kind != "file":
                    self._watch(reader, received)
        finally:
            reader.close()
        if self._stop.is_set():
            return
        if self.spec.kind != "file":
            raise source_error("lost")
        if self.counters.units == before:
            has_video = any(track.kind == "video" for track in reader.tracks)
            raise source_error("truncated" if has_video else "no_video")

    def _watch(self, reader: Reader, received: int) -> None:
        """Say so when pictures stay away; a port stays open meanwhile."""
        now = time.monotonic()
        if now - self._last_picture < STALL_S:
            return
        self._last_picture = now
        if reader.received == 0:
            code = "silent"
        elif reader.received == received:
            code = "lost"
        else:
            code = "no_key" if self._assembler.waiting_for_key else "no_video"
        error = source_error(code)
        self.error = error
        self._assembler.restart()
        self._tell("waiting", error.text)

    def _emit(self, unit: Unit | KlvUnit) -> None:
        self._limit_rate()
        counters = self.counters
        if isinstance(unit, KlvUnit):
            counters.klv += 1
            counters.klv_errors += unit.frame is None
            with self._gate:
                if not self._stop.is_set():
                    self._on_klv(unit)
            return
        if self.spec.kind == "file":
            self._pace(unit.dts_us)
            unit = replace(unit, capture_us=time.time_ns() // 1000)
        counters.units += 1
        counters.keys += unit.key
        counters.bytes += len(unit.data)
        counters.damaged += unit.damaged
        self._last_picture = time.monotonic()
        with self._gate:
            if not self._stop.is_set():
                self._tell("live", None)
                self._on_unit(unit)

    def _pace(self, dts_us: int) -> None:
        """Wait until a file's picture is due."""
        now = time.monotonic_ns() // 1000
        if self._epoch_us is None or now - (self._epoch_us + dts_us) > LATE_US:
            self._epoch_us = now - dts_us
        wait = (self._epoch_us + dts_us - now) / 1e6
        if wait > 0:
            self._stop.wait(wait)

    def _limit_rate(self) -> None:
        second, count = self._window
        now = int(time.monotonic())
        self._window = (now, count + 1) if now == second else (now, 1)
        if self._window[1] > MAX_RATE:
            raise source_error("hostile")
