"""One source to many viewers: encoded once, sent to each, and nobody waits for the slowest.

Ingest threads call `publish`; everything else happens on the event loop.  Each source keeps the pictures since its last
key frame, so that a viewer who joins sees something at once.  A viewer is a `Sink`: `send` hands it bytes shared with all
others, `pending` tells how many it has not passed on yet.  Past the limit it is skipped until the next key frame — its
picture freezes for a moment, the source and the other viewers notice nothing.

The stream number belongs to the source, not to the viewer, so that one encoding serves all.  How much of a source goes to a
viewer (`Mode`) and in which form (`Form`) is the viewer's alone, and may change at any moment.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from egide.operations.media import fragments, frames
from egide.operations.media.units import KlvUnit, Unit, VideoConfig
from egide.protocols import klv
from egide.protocols.fmp4 import Fmp4Error

_log = logging.getLogger(__name__)

Form = Literal["units", "fmp4", "ticks", "raw"]
"""Access units for WebCodecs; fMP4 for Media Source Extensions; ticks for who sees the picture by another way; raw: access
units and telemetry as they were received, to pass on.
"""
OWN_FORM: Final = {frames.VIDEO: ("fmp4", "ticks"), frames.KLV: ("raw",)}
"""Kinds of frame that a form changes; all others are the same for everyone."""
Mode = Literal["normal", "low", "minimal"]
"""Everything; key frames only; no picture at all, telemetry now and then."""
KLV_EVERY_US: Final[dict[str, int]] = {"normal": 0, "low": 1_000_000, "minimal": 2_000_000}
"""µs between two telemetry messages at least: about 400 bytes each, so that `minimal` stays under 2 kbit/s."""


class Sink(Protocol):
    """A viewer's way out.  Both are called on the event loop and must return at once."""

    def send(self, data: bytes) -> None:
        """Take one frame; the bytes are shared, never changed."""
        ...

    def pending(self) -> int:
        """Bytes taken and not yet passed on."""
        ...


@dataclass(frozen=True, slots=True)
class HubLimits:
    """Bounds of memory and of delay.  A viewer may lag by `viewer_bytes`, and for no longer than `behind_s` by more than
    `small_bytes`: a queue that does not empty is delay, and what the page asks for waits behind it.  A source keeps
    `ring_bytes` of its present group of pictures; `inbox_bytes` may wait for a busy event loop.
    """

    viewer_bytes: int = 1 << 20
    small_bytes: int = 48 << 10
    behind_s: float = 1.0
    viewer_frames: int = 256
    ring_bytes: int = 8 << 20
    ring_frames: int = 1200
    inbox_bytes: int = 32 << 20


@dataclass(slots=True)
class Encoded:
    """One frame ready to send, and the other forms of it, each made once and only when somebody asks."""

    kind: int
    key: bool
    data: bytes
    config: VideoConfig | None = None  # of a picture
    number: int = 0  # of the picture, from 1
    timing: tuple[int, int] = (0, 0)  # decoding time and duration for fMP4, µs
    pts_us: int = 0
    raw: bytes = b""  # telemetry as received
    _made: dict[str, bytes] = field(default_factory=dict)

    @property
    def wire(self) -> bytes:
        """RFC 6455 message bytes."""
        return self.message("units", True)

    def message(self, form: str, wire: bool) -> bytes:
        """This frame in a viewer's form, with its envelope or without.  Raises Fmp4Error."""
        own = form in OWN_FORM.get(self.kind, ())
        return self._once(form if own else "units", wire)

    def segment(self, wire: bool) -> bytes:
        """The initialisation segment before this key frame.  Raises Fmp4Error."""
        return self._once("segment", wire)

    def _once(self, form: str, wire: bool) -> bytes:
        if form == "units" and not wire:
            return self.data
        name = form + ("/wire" if wire else "")
        found = self._made.get(name)
        if found is None:
            found = frames.websocket(self._once(form, False)) if wire else self._make(form)
            self._made[name] = found
        return found

    def _make(self, form: str) -> bytes:
        header, payload = frames.unpack(self.data)
        kind, body = frames.TICK, b""
        if form == "raw":
            kind, body = frames.KLV, self.raw
        elif form == "segment" and self.config is not None:
            kind, body = frames.SEGMENT, fragments.initialisation(bytes(payload), self.config)
        elif form == "fmp4":
            kind = frames.FRAGMENT
            body = fragments.fragment(bytes(payload), self.pts_us, self.key, self.number, self.timing)
        return frames.pack(kind, header.stream, header.pts_us, header.capture_us, body, header.flags)


class Attachment:
    """One sink on one source.  `close` cuts it at once; `skipped` counts the frames it was too slow for."""

    __slots__ = (
        "_channel", "_hub", "_on_end", "behind_since", "config", "form", "mode", "open", "pending", "send", "skipped", "told_us", "waiting", "wire",
    )  # fmt: skip

    def __init__(
        self, hub: MediaHub, channel: _Channel, sink: Sink, wire: bool, on_end: Callable[[], None] | None, form: Form, mode: Mode
    ) -> None:  # fmt: skip
        self._hub = hub
        self._channel = channel
        self._on_end = on_end
        self.form, self.mode = form, mode
        self.behind_since: float | None = None  # loop time from which on more than a little waits for it
        self.told_us: int | None = None  # when telemetry went to it last, on the stream's clock
        self.send = sink.send
        self.pending = sink.pending
        self.wire = wire
        self.waiting = True  # for a key frame
        self.config: Encoded | None = None
        self.skipped = 0
        self.open = True

    @property
    def stream(self) -> int:
        """The number in the header of this source's frames."""
        return self._channel.stream

    @property
    def source_id(self) -> str:
        """The source looked at."""
        return self._channel.source_id

    def become(self, form: Form, mode: Mode) -> None:
        """Go on in another form or mode, from the last key frame on.  Event loop only."""
        if not self.open or (form, mode) == (self.form, self.mode):
            return
        self.form, self.mode = form, mode
        self.waiting, self.config, self.told_us = True, None, None
        self._hub.catch_up(self)

    def close(self) -> None:
        """Nothing more is sent after this returns.  Event loop only; any number of times."""
        if self.open:
            self.open = False
            self._channel.viewers = tuple(a for a in self._channel.viewers if a is not self)

    def release(self) -> None:
        """The hub lets this viewer go: close, and tell its owner."""
        if self.open:
            self.close()
            if self._on_end is not None:
                self._on_end()


class Viewer:
    """A sink with its own bounded queue: `async for frame in viewer`.  Ends after `close` or the source's end."""

    def __init__(self, limits: HubLimits) -> None:
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._limits = limits
        self._wake = asyncio.Event()
        self._closed = False
        self.attachment: Attachment | None = None

    @property
    def stream(self) -> int:
        """The number in the header of this source's frames."""
        return self.attachment.stream if self.attachment else 0

    def send(self, data: bytes) -> None:
        """Queue one frame."""
        self._queue.append(data)
        self._bytes += len(data)
        self._wake.set()

    def pending(self) -> int:
        """Bytes queued; a queue with too many frames counts as full."""
        return self._bytes if len(self._queue) < self._limits.viewer_frames else self._limits.viewer_bytes + 1

    def close(self) -> None:
        """Leave; queued frames are thrown away, so that nothing is shown after a lease has ended."""
        self._closed = True
        self._queue.clear()
        self._bytes = 0
        self._wake.set()
        if self.attachment is not None:
            self.attachment.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._queue:
            if self._closed or (self.attachment is not None and not self.attachment.open):
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        data = self._queue.popleft()
        self._bytes -= len(data)
        return data

    def ended(self) -> None:
        """The hub says that nothing more comes."""
        self._wake.set()


@dataclass(slots=True)
class _Channel:
    """A source on the event loop's side."""

    source_id: str
    stream: int
    viewers: tuple[Attachment, ...] = ()
    config: Encoded | None = None
    ring: list[Encoded] = field(default_factory=list)
    ring_bytes: int = 0


@dataclass(slots=True)
class _Intake:
    """A source on its ingest's side: what the encoder must remember between units."""

    stream: int
    config: VideoConfig | None = None
    dropping: bool = False
    pictures: int = 0
    cadence: fragments.Cadence = field(default_factory=fragments.Cadence)


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """Of one source: viewers now, frames skipped for slow viewers now attached, bytes kept for joining."""

    viewers: int
    skipped: int
    ring_bytes: int


class MediaHub:
    """Create it on the event loop it serves."""

    def __init__(self, limits: HubLimits | None = None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.limits = limits or HubLimits()
        self._loop = loop or asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._intakes: dict[str, _Intake] = {}
        self._channels: dict[str, _Channel] = {}
        self._inbox: deque[tuple[str, Encoded]] = deque()
        self._inbox_bytes = 0
        self._awake = False
        self._closed = False
        self.passed = 0  # frames and telemetry that went to viewers since the start

    def stream(self, source_id: str) -> int:
        """The number of this source's frames (1–65535), fixed until `forget`.  Any thread."""
        with self._lock:
            return self._intake(source_id).stream

    def publish(self, source_id: str, item: Unit | KlvUnit) -> None:
        """Hand one unit to every viewer.  Any thread, one thread per source; never blocks, never raises for a viewer.

        A KLV unit that did not decode is not published.  When the event loop is too busy, whole groups of pictures are
        dropped up to the next key frame.
        """
        if self._closed:
            return
        with self._lock:
            intake = self._intake(source_id)
        if isinstance(item, KlvUnit):
            if item.frame is None or intake.dropping:
                return
            payload = klv.to_json(item.frame)
            data = frames.pack_json(frames.KLV, intake.stream, item.pts_us, item.capture_us, payload)
            self._post(source_id, Encoded(frames.KLV, False, data, pts_us=item.pts_us, raw=item.raw))
            return
        timing = intake.cadence(item)
        if intake.dropping:
            if not item.key or self._inbox_bytes > self.limits.inbox_bytes // 2:
                return
            intake.dropping = False
        elif self._inbox_bytes > self.limits.inbox_bytes:
            intake.dropping = True
            return
        if item.key and (item.codec_changed or item.config != intake.config):
            intake.config = item.config
            config = {"codec": item.config.codec, "width": item.config.width, "height": item.config.height}
            data = frames.pack_json(frames.CONFIG, intake.stream, item.pts_us, item.capture_us, config)
            self._post(source_id, Encoded(frames.CONFIG, False, data))
        flags = (frames.KEY if item.key else 0) | (frames.DAMAGED if item.damaged else 0)
        data = frames.pack(frames.VIDEO, intake.stream, item.pts_us, item.capture_us, item.data, flags)
        intake.pictures += 1
        self._post(source_id, Encoded(frames.VIDEO, item.key, data, item.config, intake.pictures, timing, item.pts_us))

    def end(self, source_id: str, code: str, fr: str, en: str) -> None:
        """Tell every viewer that the stream is over and why, and let them go.  Any thread."""
        with self._lock:
            intake = self._intake(source_id)
        intake.config = None
        reason = {"code": code, "fr": fr, "en": en}
        self._post(source_id, Encoded(frames.END, False, frames.pack_json(frames.END, intake.stream, 0, 0, reason)))

    def attach(
        self, source_id: str, sink: Sink, *, wire: bool = False, on_end: Callable[[], None] | None = None,
        form: Form = "units", mode: Mode = "normal",
    ) -> Attachment:  # fmt: skip
        """Join: configuration and pictures since the last key frame at once, then what the mode lets pass.  Event loop only.

        With `wire` the sink gets whole WebSocket messages to write to its transport.  `on_end` is called when the hub
        lets the viewer go: the source ended or was forgotten, or `send` raised.
        """
        channel = self._channel(source_id)
        attachment = Attachment(self, channel, sink, wire, on_end, form, mode)
        channel.viewers = (*channel.viewers, attachment)
        self.catch_up(attachment)
        return attachment

    def catch_up(self, attachment: Attachment) -> None:
        """Offer what there is since the last key frame.  Event loop only."""
        channel = self._channel(attachment.source_id)
        for encoded in channel.ring:
            if not attachment.open:
                break
            self._offer(channel, attachment, encoded, catching_up=True)

    def subscribe(self, source_id: str) -> Viewer:
        """Join with a queue of one's own.  Event loop only."""
        viewer = Viewer(self.limits)
        viewer.attachment = self.attach(source_id, viewer, on_end=viewer.ended)
        return viewer

    def forget(self, source_id: str) -> None:
        """Drop everything about a source, viewers included, and free its number.  Event loop only."""
        channel = self._channels.pop(source_id, None)
        with self._lock:
            self._intakes.pop(source_id, None)
        for attachment in channel.viewers if channel else ():
            attachment.release()

    def stats(self, source_id: str) -> ChannelStats:
        """Figures of one source.  Event loop only."""
        channel = self._channel(source_id)
        return ChannelStats(len(channel.viewers), sum(a.skipped for a in channel.viewers), channel.ring_bytes)

    def close(self) -> None:
        """Let every viewer go; later publications are ignored.  Event loop only."""
        self._closed = True
        for source_id in list(self._channels):
            self.forget(source_id)

    def _intake(self, source_id: str) -> _Intake:
        intake = self._intakes.get(source_id)
        if intake is None:
            taken = {held.stream for held in self._intakes.values()}
            stream = next((n for n in range(1, 65536) if n not in taken), None)
            if stream is None:
                raise ValueError("no stream number is left: 65535 sources are known")
            intake = self._intakes[source_id] = _Intake(stream)
        return intake

    def _channel(self, source_id: str) -> _Channel:
        channel = self._channels.get(source_id)
        if channel is None:
            channel = self._channels[source_id] = _Channel(source_id, self.stream(source_id))
        return channel

    def _post(self, source_id: str, encoded: Encoded) -> None:
        with self._lock:
            self._inbox.append((source_id, encoded))
            self._inbox_bytes += len(encoded.data)
            if self._awake:
                return
            self._awake = True
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # the loop is closed: the server is going down and there is nobody left to tell
            self._closed = True

    def _deliver(self) -> None:
        with self._lock:
            batch, self._inbox = self._inbox, deque()
            self.passed += len(batch)
            self._inbox_bytes = 0
            self._awake = False
            known = self._intakes.keys()
            batch = deque(entry for entry in batch if entry[0] in known)
        for source_id, encoded in batch:
            channel = self._channel(source_id)
            self._keep(channel, encoded)
            for attachment in channel.viewers:
                self._offer(channel, attachment, encoded)
            if encoded.kind == frames.END:
                for attachment in channel.viewers:
                    attachment.release()

    def _keep(self, channel: _Channel, encoded: Encoded) -> None:
        """The ring: the configuration apart, then everything since the last key frame, or nothing if that is too much."""
        if encoded.kind == frames.CONFIG:
            channel.config = encoded
            return
        if encoded.kind == frames.END:
            channel.config = None
        if encoded.key or encoded.kind == frames.END:
            channel.ring = []
            channel.ring_bytes = 0
        if encoded.key or (channel.ring and encoded.kind != frames.END):
            channel.ring.append(encoded)
            channel.ring_bytes += len(encoded.data)
            if channel.ring_bytes > self.limits.ring_bytes or len(channel.ring) > self.limits.ring_frames:
                channel.ring = []
                channel.ring_bytes = 0

    def _offer(self, channel: _Channel, to: Attachment, encoded: Encoded, catching_up: bool = False) -> None:
        if not to.open:
            return
        try:
            if encoded.kind != frames.END and not catching_up and self._late(to):
                to.skipped += 1
                to.waiting = True
                return
            if to.mode != "normal" and encoded.kind == frames.VIDEO and not (encoded.key and to.mode == "low"):
                return
            # Without pictures there is no key frame to wait for.
            if to.waiting and encoded.kind != frames.END and to.mode != "minimal":
                if not encoded.key:
                    return
                to.waiting = False
            if encoded.kind == frames.KLV and not self._due(to, encoded):
                return
            if encoded.key and to.config is not channel.config and channel.config is not None:
                to.send(channel.config.message(to.form, to.wire))
                if to.form == "fmp4":
                    to.send(encoded.segment(to.wire))
                to.config = channel.config
            if encoded.kind != frames.CONFIG:
                to.send(encoded.message(to.form, to.wire))
        except Fmp4Error:  # this picture cannot be written in that form: as if it had been lost on the way
            to.skipped += 1
            to.waiting = True
        except Exception:  # noqa: BLE001 - one viewer's transport must never reach the source or the other viewers
            _log.info("a viewer of %s was let go: its transport failed", channel.source_id, exc_info=True)
            to.release()

    def _late(self, to: Attachment) -> bool:
        """Whether this viewer has to be let catch up: until little waits for it."""
        behind = to.pending()
        if behind <= self.limits.small_bytes:
            to.behind_since = None
            return False
        now = self._loop.time()
        if to.behind_since is None:
            to.behind_since = now
        return behind > self.limits.viewer_bytes or now - to.behind_since > self.limits.behind_s

    @staticmethod
    def _due(to: Attachment, encoded: Encoded) -> bool:
        """Whether this telemetry may go: a weak link gets less of it."""
        least = KLV_EVERY_US[to.mode]
        if least and to.told_us is not None and 0 <= encoded.pts_us - to.told_us < least:
            return False
        to.told_us = encoded.pts_us
        return True
