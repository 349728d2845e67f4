"""A recorded segment as fragmented MP4: H.264 as received, KLV as a timed-metadata track beside it.

Why MP4: every player opens it, and each segment is a whole film of its own that begins with its description; end to end they
play as one (a second `moov` is passed over).  `avc3`: the parameter sets stay in the pictures, so that a change of size midway is
in the film too.  KLV is a track and not an `emsg` box: a track is demuxed packet by packet, byte for byte, by what is there
(FFmpeg, GPAC); `emsg` is read by streaming players only and lost by every tool that rewrites a film.  The URI is MISB ST 1910's.
Source: ISO/IEC 14496-12 (12.9.7, URI metadata) and 14496-15 (avc3).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from egide.operations.media import annexb
from egide.operations.media.timeline import DEFAULT_INTERVAL_US
from egide.protocols import fmp4

KLV_URI: Final = "urn:misb:KLV:bin:1910.1"
VIDEO_TRACK: Final = 1
KLV_TRACK: Final = 2
_PER_SAMPLE: Final = 16
"""Bytes that a sample costs beside its own."""


class MovieMuxer:
    """The same calls as `tsmux.TsMuxer`: `tables` begins a segment, `take` gives it back whole."""

    def __init__(self) -> None:
        self._sets: dict[int, list[bytes]] = {annexb.SPS: [], annexb.PPS: []}
        self._pictures: list[tuple[int, int, bool, bytes]] = []  # dts, pts, key, NAL units with lengths
        self._packets: list[tuple[int, bytes]] = []
        self._number = 0
        self.size = 0

    def tables(self) -> None:
        """A segment begins; its description is made when it is taken, from the parameter sets in its pictures."""

    def video(self, data: bytes, pts_us: int, dts_us: int, key: bool) -> None:
        """One picture (Annex B)."""
        nals = annexb.split(data)
        if key:
            found = {kind: [data[n.start : n.end] for n in nals if n.type == kind] for kind in self._sets}
            if not self._pictures and all(found.values()):
                self._sets = found
        view = memoryview(data)
        body = fmp4.with_lengths(view[n.start : n.end] for n in nals if n.type != annexb.AUD)
        self._pictures.append((dts_us, pts_us, key, body))
        self.size += len(body) + _PER_SAMPLE

    def klv(self, raw: bytes, pts_us: int) -> None:
        """One metadata packet, as received."""
        self._packets.append((pts_us, raw))
        self.size += len(raw) + _PER_SAMPLE

    def take(self) -> bytes:
        """The segment; the next one begins empty.  Raises Fmp4Error when no parameter sets have ever come."""
        pictures, packets = self._pictures, sorted(self._packets, key=lambda one: one[0])
        self._pictures, self._packets, self.size = [], [], 0
        config = annexb.parse_sps(self._sets[annexb.SPS][0]) if self._sets[annexb.SPS] else None
        if config is None:
            raise fmp4.Fmp4Error("a film needs a sequence parameter set")
        record = fmp4.avc_record(self._sets[annexb.SPS], self._sets[annexb.PPS])
        head = fmp4.initialisation(
            [
                fmp4.VideoTrack(VIDEO_TRACK, "avc3", record, config.width, config.height),
                fmp4.MetaTrack(KLV_TRACK, KLV_URI),
            ]
        )
        self._number += 1
        runs = []
        if pictures:
            lasts = _durations([dts for dts, *_ in pictures])
            samples = [
                fmp4.Sample(body, last, key, max(0, pts - dts))
                for (dts, pts, key, body), last in zip(pictures, lasts, strict=True)
            ]
            runs.append(fmp4.Run(VIDEO_TRACK, pictures[0][0], samples))
        if packets:
            lasts = _durations([pts for pts, _ in packets])
            told = [fmp4.Sample(raw, last) for (_, raw), last in zip(packets, lasts, strict=True)]
            runs.append(fmp4.Run(KLV_TRACK, packets[0][0], told))
        return head + fmp4.fragment(self._number, runs)


def _durations(times: list[int]) -> list[int]:
    """From each sample to the next; the last as long as the one before it."""
    steps = [max(0, after - before) for before, after in pairwise(times)]
    return [*steps, steps[-1] if steps else DEFAULT_INTERVAL_US]
