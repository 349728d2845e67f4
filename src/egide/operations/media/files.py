"""Video files: MPEG-TS by our own demuxer, MP4, Matroska, AVI and raw H.264 by PyAV, without decoding.

PyAV is given a whitelist of formats and an already opened file: a playlist cannot make it open anything else.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import unquote, urlsplit

import av
from av.bitstream import BitStreamFilterContext

from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.psi import Track
from egide.operations.media.ts import PACKET
from egide.operations.media.tsreader import TsReader
from egide.operations.media.units import MAX_UNIT, Sample

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

_FORMATS: Final = "mov,mp4,matroska,webm,avi,h264"
"""No format here opens further files, nor lets streams appear after opening, which PyAV does not survive."""
_CHUNK: Final = 64 * PACKET


def open_file(url: str) -> TsFileReader | AvReader:
    """Open a path or file:// URL.  Raises SourceError file, truncated, no_video, codec."""
    path = Path(unquote(urlsplit(url).path) if url.startswith("file://") else url)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise source_error("file")
        file = path.open("rb")
    except (OSError, ValueError) as problem:
        if isinstance(problem, SourceError):
            raise
        raise source_error("file") from problem
    try:
        head = file.read(2 * PACKET + 1)
        file.seek(0)
        if head[:1] == b"\x47" and (len(head) <= PACKET or head[PACKET] == 0x47):
            return TsFileReader(file)
        return AvReader(file)
    except BaseException:
        file.close()
        raise


class TsFileReader(TsReader):
    """An MPEG-TS file."""

    container = "MPEG-TS"

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._ended = False

    def read(self) -> list[Sample] | None:
        """The samples of the next 12 KiB."""
        if self._ended:
            return None
        try:
            data = self._file.read(_CHUNK)
        except (OSError, ValueError) as problem:
            raise source_error("file") from problem
        self.received += len(data)
        if not data:
            self._ended = True
            return self._demuxer.flush() or None
        return self._demuxer.push(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class AvReader:
    """A container that PyAV opens: the packets of its H.264 track as Annex B, and of its KLV track."""

    def __init__(self, file: BinaryIO) -> None:
        self.received = 0
        self.lost = 0  # a container says nothing of what went missing before it was written
        self._file = file
        try:
            self._container: InputContainer = av.open(file, mode="r", options={"format_whitelist": _FORMATS})
        except (av.FFmpegError, OSError, ValueError) as problem:
            raise source_error("truncated") from problem
        container = self._container
        self.container = str(container.format.long_name)
        self.tracks = tuple(_track(stream) for stream in container.streams)
        self.has_audio = any(track.kind == "audio" for track in self.tracks)
        try:
            self._video, self._klv = _choose(container, self.tracks)
            self._filter = BitStreamFilterContext("h264_mp4toannexb", self._video)
        except BaseException:
            self.close()
            raise
        wanted = [self._video] if self._klv is None else [self._video, self._klv]
        self._packets: Iterator[Packet[Stream]] = container.demux(*wanted)

    def read(self) -> list[Sample] | None:
        """The next packet."""
        try:
            packet = next(self._packets, None)
            if packet is None:
                return None
            if not packet.size:  # PyAV's flush marker
                return []
            self.received += packet.size
            base = packet.time_base  # read now: the filter below empties the packet it is given
            if packet.stream is not self._video:
                return [Sample("klv", bytes(packet), _micros(packet.pts, base), None, packet.is_corrupt)]
            if packet.size > MAX_UNIT:
                raise source_error("too_large")
            return [
                Sample("video", bytes(p), _micros(p.pts, base), _micros(p.dts, base), p.is_corrupt)
                for p in self._filter.filter(packet)
            ]
        except SourceError:
            raise
        except (av.FFmpegError, OSError, ValueError) as problem:
            raise source_error("truncated") from problem

    def close(self) -> None:
        """Close the container and the file."""
        self._container.close()
        self._file.close()


def _track(stream: Stream) -> Track:
    context = getattr(stream, "codec_context", None)
    name = context.name if context is not None else (getattr(stream, "name", None) or "unknown")
    if stream.type == "video":
        return Track("video", str(name))
    if stream.type == "audio":
        return Track("audio", str(name))
    return Track("klv", "klv") if name == "klv" else Track("data", str(name))


def _choose(container: InputContainer, tracks: tuple[Track, ...]) -> tuple[Stream, Stream | None]:
    pairs = list(zip(container.streams, tracks, strict=True))
    video = next((stream for stream, track in pairs if track == Track("video", "h264")), None)
    if video is None:
        other = next((track.codec for track in tracks if track.kind == "video"), None)
        raise source_error("no_video") if other is None else source_error("codec", codec=other.upper())
    return video, next((stream for stream, track in pairs if track.kind == "klv"), None)


def _micros(ticks: int | None, base: Fraction | None) -> int | None:
    return None if ticks is None or not base else ticks * 1_000_000 * base.numerator // base.denominator
