"""The two things a source yields — a picture and a metadata moment — and the sample they are made from.

All times are microseconds: `pts_us` on the stream's own clock (0 at the ingest's start, never stepping back over a
discontinuity), `capture_us` on this machine's wall clock (UNIX epoch) when the unit was complete here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from egide.protocols.klv import UasFrame

MAX_UNIT: Final = 8 * 1024 * 1024
"""Bytes of one access unit; a 4K intra picture at the highest legal quality stays under it."""
MAX_KLV: Final = 64 * 1024
"""Bytes of one KLV packet; a PES packet with a length cannot exceed it (ISO/IEC 13818-1, 2.4.3.7)."""


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """What a decoder must be told: RFC 6381 codec string and picture size in pixels; `fps` when the SPS tells it."""

    codec: str
    width: int
    height: int
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """One H.264 access unit, Annex B, with SPS and PPS in band when `key`.

    `dts_us` differs from `pts_us` only in streams with B-frames; `dts_us` is the one that never decreases.
    `damaged` says that bytes were lost in this unit or just before it: the picture may show artefacts until a key frame.
    """

    pts_us: int
    dts_us: int
    capture_us: int
    key: bool
    data: bytes
    config: VideoConfig
    codec_changed: bool = False
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class KlvUnit:
    """One KLV packet on the video's clock; `frame` is None when it does not decode, and `error` then says why."""

    pts_us: int
    capture_us: int
    raw: bytes
    frame: UasFrame | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One elementary-stream payload as a demuxer hands it over; clock values in µs, not yet on the unit clock."""

    kind: Literal["video", "klv"]
    data: bytes
    pts_us: int | None
    dts_us: int | None
    damaged: bool = False
