"""The boxes: what a player must know before the first picture (`moov`), and what comes with each (`moof`, `mdat`).

Source: ISO/IEC 14496-12; the number of the section stands beside each box.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

TIMESCALE: Final = 1_000_000
"""Units a second: microseconds."""
_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SYNC: Final = 0x02000000
"""Sample flags of a key frame: depends on no other (8.8.3.1)."""
_DEPENDS: Final = 0x01010000
"""Sample flags of any other picture: depends on others, is no sync sample."""
_U32: Final = 0xFFFFFFFF


class Fmp4Error(ValueError):
    """This cannot be written as fragmented MP4."""


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """A video track; `record` is the codec's configuration record.

    avc1 and hvc1: the parameter sets are in the record alone.  avc3: samples may carry them too, so that they may change.
    """

    id: int
    entry: Literal["avc1", "avc3", "hvc1"]
    record: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MetaTrack:
    """A timed-metadata track (`urim`, 12.9.7): `uri` says what its samples are."""

    id: int
    uri: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture (NAL units with 4-byte lengths) or one metadata packet; `offset` is presentation minus decoding time."""

    data: bytes
    duration: int
    key: bool = True
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """Samples of one track that follow one another from `time` (decoding time of the first) on."""

    track: int
    time: int
    samples: Sequence[Sample]


def with_lengths(nals: Iterable[bytes | memoryview]) -> bytes:
    """NAL units as a sample: each with its length in 4 bytes before it (14496-15, 4.3.3)."""
    parts: list[bytes | memoryview] = []
    for nal in nals:
        parts += (len(nal).to_bytes(4, "big"), nal)
    return b"".join(parts)


def initialisation(tracks: Sequence[VideoTrack | MetaTrack]) -> bytes:
    """`ftyp` and `moov` for these tracks.  Raises Fmp4Error when a field does not fit."""
    if not tracks:
        raise Fmp4Error("a movie has at least one track")
    try:
        head = struct.pack(">IIIIIH", 0, 0, TIMESCALE, 0, 0x10000, 0x100) + bytes(10) + _MATRIX + bytes(24)
        movie = _full(b"mvhd", 0, 0, head, struct.pack(">I", max(track.id for track in tracks) + 1))  # 8.2.2
        extends = b"".join(_full(b"trex", 0, 0, struct.pack(">5I", t.id, 1, 0, 0, 0)) for t in tracks)  # 8.8.3
        return _box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6cmfcmp41") + _box(
            b"moov", movie, *(_track(track) for track in tracks), _box(b"mvex", extends)
        )
    except struct.error as problem:
        raise Fmp4Error(f"a field does not fit its box: {problem}") from problem


def fragment(number: int, runs: Sequence[Run]) -> bytes:
    """`moof` and `mdat` of these runs, empty ones left out.  Raises Fmp4Error when there is nothing or a field does not fit."""
    full = [run for run in runs if run.samples]
    if not full:
        raise Fmp4Error("a fragment has at least one sample")
    try:
        # Where the samples lie is counted from the first byte of `moof`, whose size is known once it is written.
        size = len(_moof(number, full, 0))
        moof = _moof(number, full, size + 8)
        return b"".join((moof, _box(b"mdat", *(sample.data for run in full for sample in run.samples))))
    except (struct.error, OverflowError) as problem:
        raise Fmp4Error(f"a field does not fit its box: {problem}") from problem


def _moof(number: int, runs: Sequence[Run], at: int) -> bytes:
    """8.8.4 to 8.8.12; `at`: the first sample's place."""
    parts = [_full(b"mfhd", 0, 0, struct.pack(">I", number & _U32))]
    for run in runs:
        parts.append(
            _box(
                b"traf",
                _full(b"tfhd", 0, 0x020000, struct.pack(">I", run.track)),  # default-base-is-moof
                _full(b"tfdt", 1, 0, struct.pack(">Q", run.time)),
                _run(run.samples, at),
            )
        )
        at += sum(len(sample.data) for sample in run.samples)
    return _box(b"moof", *parts)


def _run(samples: Sequence[Sample], at: int) -> bytes:
    """8.8.8: where, then duration, size, flags and offset of each."""
    table = b"".join(
        struct.pack(">IIIi", s.duration, len(s.data), _SYNC if s.key else _DEPENDS, s.offset) for s in samples
    )
    return _full(b"trun", 1, 0x000F01, struct.pack(">Ii", len(samples), at), table)


def _track(track: VideoTrack | MetaTrack) -> bytes:
    video = isinstance(track, VideoTrack)
    width, height = (track.width, track.height) if isinstance(track, VideoTrack) else (0, 0)
    head = struct.pack(">IIIIIQHHHH", 0, 0, track.id, 0, 0, 0, 0, 0, 0, 0) + _MATRIX
    place = struct.pack(">II", width << 16, height << 16)
    kind, name = (b"vide", b"video\0") if video else (b"meta", b"klv\0")
    here = _full(b"url ", 0, 1)  # the samples are in this file
    return _box(
        b"trak",
        _full(b"tkhd", 0, 3, head, place),  # 8.3.2: enabled, in the movie
        _box(
            b"mdia",
            _full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TIMESCALE, 0, 0x55C4, 0)),  # 8.4.2: language undetermined
            _full(b"hdlr", 0, 0, bytes(4), kind, bytes(12), name),
            _box(
                b"minf",
                _full(b"vmhd", 0, 1, bytes(8)) if video else _full(b"nmhd", 0, 0),
                _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1), here)),
                _box(b"stbl", _description(track), *_no_samples()),
            ),
        ),
    )


def _description(track: VideoTrack | MetaTrack) -> bytes:
    """`stsd` (8.5.2) with one entry."""
    if isinstance(track, MetaTrack):
        uri = _full(b"uri ", 0, 0, track.uri.encode("ascii"), b"\0")
        return _full(b"stsd", 0, 0, struct.pack(">I", 1), _box(b"urim", bytes(6), struct.pack(">H", 1), uri))
    shown = struct.pack(">HHIIIH", track.width, track.height, 0x480000, 0x480000, 0, 1) + bytes(32)
    inner = _box(b"hvcC" if track.entry == "hvc1" else b"avcC", track.record)
    entry = _box(
        track.entry.encode(),
        bytes(6), struct.pack(">H", 1), bytes(16), shown, struct.pack(">Hh", 0x18, -1), inner,
    )  # fmt: skip
    return _full(b"stsd", 0, 0, struct.pack(">I", 1), entry)


def _no_samples() -> tuple[bytes, ...]:
    """The tables of a movie whose samples all come in fragments."""
    none = bytes(4)
    return (
        _full(b"stts", 0, 0, none),
        _full(b"stsc", 0, 0, none),
        _full(b"stsz", 0, 0, none, none),
        _full(b"stco", 0, 0, none),
    )


def _box(kind: bytes, *parts: bytes) -> bytes:
    size = 8 + sum(len(part) for part in parts)
    return b"".join((struct.pack(">I", size), kind, *parts))


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)
