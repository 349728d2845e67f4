"""The copy that people are shown: made once, by a job, in threads and processes apart; the original stays as it came.

Pictures and documents go through a process of their own (apart.py). Films and sounds are put into a new container without being
decoded: the same pictures and sounds, nothing said beside them (no place, device, chapter, subtitle, data track or cover).
What it cannot do, said plainly: what is inside the pictures' own stream (user data of an encoder) stays in a film's copy.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import av
from av.error import FFmpegError

from egide.services import apart
from egide.services.quarantine import COPY_PART
from egide.services.sniffing import BLOCK, Kind, encoding

if TYPE_CHECKING:
    from av.container import InputContainer

# Container in which a copy is written, by kind; a fragmented MP4 is written from beginning to end, without going back.
CONTAINERS = {"mp4": "mp4", "webm": "webm", "mp3": "mp3", "wav": "wav", "ogg": "ogg"}
PLAIN = {"fflags": "+bitexact"}  # the muxer does not sign its work
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof+omit_tfhd_offset"}
MAX_STREAMS = 2  # a picture and a sound


def copied(kind: Kind, content: IO[bytes]) -> Iterator[bytes]:
    """The copy's bytes. Blocks; raises `apart.Unreadable` where the parser does not come to an end."""
    content.seek(0)
    if kind.copy in ("picture", "document"):
        _, made = apart.run(kind.copy, content)
        yield made
    elif kind.copy == "film":
        yield from _remuxed(CONTAINERS[kind.id], content)
    elif kind.copy == "text":
        yield from _text(content)


def _text(content: IO[bytes]) -> Iterator[bytes]:
    name = encoding(content) or "utf-8"
    content.seek(0)
    with io.TextIOWrapper(cast("BinaryIO", content), encoding=name, newline="") as text:
        while block := text.read(BLOCK):
            yield block.encode()


class _Out(io.RawIOBase):
    """What the muxer writes to; it cannot go back, so that nothing waits in memory but what was not fetched yet."""

    def __init__(self) -> None:
        self.ready = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.ready += data
        return len(data)


def _remuxed(form: str, content: IO[bytes]) -> Iterator[bytes]:
    out = _Out()
    try:
        with (
            av.open(content, "r") as source,
            av.open(out, "w", format=form, options=PLAIN | (FRAGMENTS if form == "mp4" else {})) as target,
        ):
            kept = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in _streams(source)}
            for stream in kept.values():
                stream.metadata.clear()
            target.metadata.clear()
            for packet in source.demux([source.streams[index] for index in kept]):
                if packet.dts is None:
                    continue
                packet.stream = kept[packet.stream.index]
                target.mux(packet)
                if len(out.ready) >= COPY_PART:
                    yield bytes(out.ready)
                    out.ready.clear()
    except (FFmpegError, ValueError, OSError, EOFError) as error:
        raise apart.Unreadable(form) from error
    yield bytes(out.ready)


def _streams(source: InputContainer) -> list[Any]:
    """The first picture and the first sound; covers, subtitles and data (where a camera writes its places) stay out."""
    pictures = [each for each in source.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
    found = [*pictures[:1], *source.streams.audio[:1]]
    if not found:
        raise ValueError("neither picture nor sound")
    return found[:MAX_STREAMS]
