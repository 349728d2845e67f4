"""Pictures as fragments of an MP4 movie, for browsers that have Media Source Extensions and no WebCodecs.

One initialisation segment where decoding may begin, then one fragment a picture: made when the first viewer of that form
asks, then shared by all of them.  Parameter sets stay in the pictures too, so that a new PPS needs no new segment.
"""

from __future__ import annotations

from typing import Final

from egide.operations.media import annexb
from egide.operations.media.annexb import AnnexBError
from egide.operations.media.timeline import DEFAULT_INTERVAL_US
from egide.operations.media.units import Unit, VideoConfig
from egide.protocols import fmp4

TRACK: Final = 1
MAX_DURATION_US: Final = 1_000_000


class Cadence:
    """Decoding times and durations for a player that is told of a picture before the next one is known.

    A player that sees decoding time step by more than twice the last duration drops everything until a key frame (W3C Media
    Source Extensions, “coded frame processing”).  So decoding time never steps further than one and a half durations; a camera
    that missed pictures is caught up with over the following ones, and the presentation time is always the true one.
    """

    def __init__(self) -> None:
        self._true: int | None = None
        self._told = 0
        self._duration = DEFAULT_INTERVAL_US

    def __call__(self, unit: Unit) -> tuple[int, int]:
        """(decoding time, duration) of the next picture, in µs."""
        last, self._true = self._true, unit.dts_us
        if last is None or unit.dts_us <= last:
            self._told = unit.dts_us
            return self._told, self._duration
        self._told = min(unit.dts_us, self._told + self._duration * 3 // 2)
        step = min(unit.dts_us - last, MAX_DURATION_US)
        self._duration += (step - self._duration) // 4
        return self._told, self._duration


def initialisation(data: bytes, config: VideoConfig) -> bytes:
    """The segment before this key frame (Annex B).  Raises Fmp4Error when it carries no parameter sets."""
    sets: dict[int, list[bytes]] = {annexb.SPS: [], annexb.PPS: []}
    for nal in _nals(data):
        if nal.type in sets:
            sets[nal.type].append(data[nal.start : nal.end])
    record = fmp4.avc_record(sets[annexb.SPS], sets[annexb.PPS])
    return fmp4.initialisation([fmp4.VideoTrack(TRACK, "avc1", record, config.width, config.height)])


def fragment(data: bytes, pts_us: int, key: bool, number: int, timing: tuple[int, int]) -> bytes:
    """One picture (Annex B), shown at `pts_us`; `timing` from a `Cadence`.  Raises Fmp4Error."""
    time, duration = timing
    view = memoryview(data)
    body = fmp4.with_lengths(view[nal.start : nal.end] for nal in _nals(data) if nal.type != annexb.AUD)
    picture = fmp4.Sample(body, duration, key, max(0, pts_us - time))
    return fmp4.fragment(number, [fmp4.Run(TRACK, time, [picture])])


def _nals(data: bytes) -> list[annexb.Nal]:
    try:
        return annexb.split(data)
    except AnnexBError as problem:
        raise fmp4.Fmp4Error(str(problem)) from problem
