"""A video source as the operator writes it, and what a look at it tells before it may be used."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from egide.operations.media.assemble import Assembler
from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.psi import Track
from egide.operations.media.readers import Reader, open_reader
from egide.operations.media.units import Unit

__all__ = ["SourceError", "SourceFacts", "SourceSpec", "Track", "probe"]

Kind = Literal["file", "udp", "rtsp", "tcp", "srt", "rtmp", "onvif"]

_PICTURES: Final = 9
"""Pictures whose spacing gives the rate."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One line of configuration: `url` is a path (kind file), udp://host:port to listen on, rtsp://…, tcp://… (tcp.py),
    srt://… and rtmp://… (listing.py), or onvif://… (onvif.py).

    `loop` plays a file again from its start, for exercises. `secret` is what processes that share a UDP port know. `mavlink` is
    where the aircraft's autopilot speaks, if it does: (UDP port, system or 0).
    """

    id: str
    kind: Kind
    url: str
    loop: bool = False
    secret: bytes = field(default=b"", repr=False)
    mavlink: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source carries.  `codec` is an RFC 6381 string, sizes are pixels, `fps` pictures per second if known."""

    tracks: tuple[Track, ...]
    has_audio: bool
    has_klv: bool
    codec: str
    width: int
    height: int
    fps: float | None


def probe(spec: SourceSpec, timeout_s: float = 8.0) -> SourceFacts:
    """Look at a source for at most about `timeout_s` seconds, keeping nothing.

    Sound is reported in `has_audio`, never hidden.  Raises SourceError: address, file, port, unreachable, refused, path,
    transport, silent, no_video, codec, no_key, truncated, hostile, encrypted.
    """
    deadline = time.monotonic() + timeout_s
    reader = open_reader(spec.kind, spec.url, timeout_s, None, spec.secret)
    try:
        return _look(spec, reader, deadline)
    finally:
        reader.close()


def _look(spec: SourceSpec, reader: Reader, deadline: float) -> SourceFacts:
    assembler = Assembler()
    stamps: list[int] = []
    ended = False
    while not ended and len(stamps) < _PICTURES:
        if time.monotonic() > deadline:
            break
        samples = reader.read()
        ended = samples is None
        for sample in samples or ():
            stamps += [unit.dts_us for unit in assembler.push(sample) if isinstance(unit, Unit)]
    config = assembler.config
    if config is None or not stamps:
        raise _why_not(spec, reader, assembler, ended)
    return SourceFacts(
        tracks=reader.tracks,
        has_audio=reader.has_audio,
        has_klv=any(track.kind == "klv" for track in reader.tracks),
        codec=config.codec,
        width=config.width,
        height=config.height,
        fps=_rate(stamps, config.fps),
    )


def _why_not(spec: SourceSpec, reader: Reader, assembler: Assembler, ended: bool) -> SourceError:
    has_video = any(track.kind == "video" for track in reader.tracks)
    if not reader.received:
        return source_error("silent" if spec.kind != "file" else "truncated")
    if assembler.waiting_for_key:
        return source_error("no_key")
    if has_video and (ended or assembler.rejected or spec.kind == "file"):
        return source_error("truncated")
    return source_error("no_video")


def _rate(stamps: list[int], told: float | None) -> float | None:
    """The measured rate, or the one the camera tells when the measure agrees with it: a few live pictures are shaky."""
    steps = [b - a for a, b in pairwise(stamps) if b > a]
    if len(steps) < 3:
        return told
    measured = 1e6 / median(steps)
    return told if told is not None and 0.75 < measured / told < 1.33 else round(measured, 2)
