"""Looking at a feed for some seconds: the figures from which remarks.py says what is wrong with it.

Why apart from `probe`: a source that starts needs two facts soon; a person who asks why a feed is poor needs all that makes it
late, unreadable or unlawful here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from egide.operations.media import annexb
from egide.operations.media.assemble import Assembler
from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.psi import Track
from egide.operations.media.readers import Reader, open_reader
from egide.operations.media.units import KlvUnit, Unit, VideoConfig

OPEN_S: Final = 8.0
"""Seconds a feed may take until its first picture."""
_KINDS: Final = {
    "udp": "udp",
    "tcp": "tcp",
    "rtsp": "rtsp",
    "srt": "srt",
    "rtmp": "rtmp",
    "rtmps": "rtmp",
    "onvif": "onvif",
}


@dataclass(slots=True)
class Measured:
    """What was seen.  Seconds, pixels, pictures per second, bits per second; None where it could not be seen."""

    address: str
    kind: str
    container: str = ""
    tracks: list[str] = field(default_factory=list)
    has_audio: bool = False
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float | None = None
    bit_rate: int | None = None
    first_picture_s: float | None = None
    seconds: float = 0.0
    pictures: int = 0
    key_frames: int = 0
    key_gap_s: float | None = None
    b_frames: int = 0
    damaged: int = 0
    lost_packets: int = 0
    size_changes: int = 0
    klv: int = 0
    klv_errors: int = 0
    klv_checksum_errors: int = 0
    klv_timestamps: int = 0
    klv_positions: int = 0
    klv_clock_off_s: float | None = None
    error: SourceError | None = None


def kind_of(url: str) -> str:
    """The kind of source an address is of; a path is a file."""
    scheme = url.partition("://")[0] if "://" in url else ""
    return _KINDS.get(scheme, "file")


def shown(url: str) -> str:
    """The address as it may be shown: host and port; user, pass word, path and parameters may be secrets."""
    if kind_of(url) == "file":
        return url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "?"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "") + ("/…" if parts.path.strip("/") else "")


def measure(url: str, seconds: float, tell: Callable[[float], None] = lambda _share: None) -> Measured:
    """Receive for `seconds` after the first picture, keeping nothing; what ended it early is in `error`.

    `tell` is called several times a second with the share done (0 to 1).
    """
    kind = kind_of(url)
    found = Measured(shown(url), kind)
    began = time.monotonic()
    try:
        reader = open_reader(kind, url, OPEN_S, threading.Event())
    except SourceError as error:
        found.error = error
        return found
    look = _Look(found, began, seconds, kind == "file")
    try:
        while not look.over():
            tell(look.share)
            samples = reader.read()
            if samples is None:
                break
            for sample in samples:
                look.take(look.assembler.push(sample))
    except SourceError as error:
        found.error = error
    finally:
        look.close(reader)
        reader.close()
    return found


class _Look:
    """Counts what passes."""

    def __init__(self, found: Measured, began: float, seconds: float, offline: bool) -> None:
        self.assembler = Assembler()
        self._found, self._began, self._wanted, self._offline = found, began, seconds, offline
        self._first_dts: int | None = None
        self._last_dts = 0
        self._last_key: int | None = None
        self._bytes = 0
        self._config: VideoConfig | None = None

    @property
    def share(self) -> float:
        """How much of the look is done."""
        return min(1.0, self._seen() / self._wanted)

    def _seen(self) -> float:
        """Seconds of pictures looked at: of the stream's own clock, which a file runs through faster."""
        return 0.0 if self._first_dts is None else (self._last_dts - self._first_dts) / 1e6

    def over(self) -> bool:
        """Enough was seen, or nothing comes."""
        waited = time.monotonic() - self._began
        if self._first_dts is None:
            return waited > OPEN_S
        return self._seen() >= self._wanted or (not self._offline and waited > OPEN_S + 2 * self._wanted)

    def take(self, units: list[Unit | KlvUnit]) -> None:
        """The units of one sample."""
        for unit in units:
            if isinstance(unit, Unit):
                self._picture(unit)
            else:
                self._telemetry(unit)

    def _picture(self, unit: Unit) -> None:
        found = self._found
        if self._first_dts is None:
            self._first_dts = unit.dts_us
            found.first_picture_s = None if self._offline else round(time.monotonic() - self._began, 2)
        self._last_dts = unit.dts_us
        self._bytes += len(unit.data)
        found.pictures += 1
        found.damaged += unit.damaged
        found.b_frames += annexb.is_bidirectional(unit.data)
        if self._config is not None and unit.config != self._config:
            found.size_changes += 1
        self._config = unit.config
        if unit.key:
            found.key_frames += 1
            if self._last_key is not None:
                found.key_gap_s = max(found.key_gap_s or 0.0, round((unit.dts_us - self._last_key) / 1e6, 2))
            self._last_key = unit.dts_us

    def _telemetry(self, unit: KlvUnit) -> None:
        found = self._found
        found.klv += 1
        if unit.frame is None:
            found.klv_errors += 1
            found.klv_checksum_errors += "checksum" in (unit.error or "")
            return
        found.klv_positions += unit.frame.sensor_lat is not None and unit.frame.sensor_lon is not None
        if unit.frame.timestamp is not None:
            found.klv_timestamps += 1
            if not self._offline:  # the latest counts: the first ones may have waited at the sender
                found.klv_clock_off_s = round((unit.frame.timestamp - unit.capture_us) / 1e6, 2)

    def close(self, reader: Reader) -> None:
        """The figures that only the end tells."""
        found, config = self._found, self._config
        found.container, found.lost_packets, found.has_audio = reader.container, reader.lost, reader.has_audio
        found.tracks = [_named(track) for track in reader.tracks]
        found.seconds = round(self._seen(), 2)
        if config is not None:
            found.codec, found.width, found.height = config.codec, config.width, config.height
        if found.pictures > 1 and found.seconds > 0:
            found.fps = round((found.pictures - 1) / found.seconds, 2)
            found.bit_rate = int(self._bytes * 8 / found.seconds)
        if self._last_key is not None:  # a gap that has not ended yet is at least so long
            found.key_gap_s = max(found.key_gap_s or 0.0, round((self._last_dts - self._last_key) / 1e6, 2))
        if found.error is None and not found.pictures:
            has_video = any(track.kind == "video" for track in reader.tracks)
            code = "silent" if not reader.received and not self._offline else "no_key" if has_video else "no_video"
            found.error = source_error(code)


def _named(track: Track) -> str:
    return f"{track.kind}:{track.codec}"
