"""Samples of any container to units ready for a browser's decoder.

One place for what every source needs: several pictures in one PES packet are separated, key frames carry their SPS and PPS,
a change of codec or size gives a new configuration, the clock is made continuous, and KLV is decoded or its fault kept.
"""

from __future__ import annotations

import time
from typing import Final

from egide.operations.media import annexb
from egide.operations.media.annexb import AnnexBError, Nal
from egide.operations.media.errors import source_error
from egide.operations.media.timeline import Timeline
from egide.operations.media.units import MAX_KLV, MAX_UNIT, KlvUnit, Sample, Unit, VideoConfig
from egide.protocols import klv

MAX_PARAMETER_SETS: Final = 32
"""SPS allowed by H.264 (7.4.2.1.1); as many PPS are kept, which no camera exceeds."""
PATIENCE: Final = 600
"""Pictures to wait for a first key frame (20 s at 30 per second) before telling the person."""


class Assembler:
    """Turns samples into units; one per source, one thread.  Memory: the parameter sets and one access unit."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self._config: VideoConfig | None = None
        self._sets: dict[int, dict[int, bytes]] = {annexb.SPS: {}, annexb.PPS: {}}
        self._damaged = False
        self._announced = False
        self._fresh = True
        self.waiting_for_key = 0
        self.rejected = 0

    @property
    def config(self) -> VideoConfig | None:
        """The present configuration; None before the first readable SPS."""
        return self._config

    def restart(self) -> None:
        """The source was opened anew: wait for a key frame and announce the configuration again."""
        self._fresh = True
        self._announced = False
        self.waiting_for_key = 0

    def push(self, sample: Sample) -> list[Unit | KlvUnit]:
        """Units of one sample, in order.  Raises SourceError too_large, no_key."""
        if sample.kind == "klv":
            return list(self._klv(sample))
        return list(self._video(sample))

    def _video(self, sample: Sample) -> list[Unit]:
        data = sample.data
        if len(data) > MAX_UNIT:
            raise source_error("too_large")
        self._damaged = self._damaged or sample.damaged
        try:
            nals = annexb.split(data)
        except AnnexBError:
            nals = []
        if not nals or not annexb.starts_picture(data, nals):
            self.rejected += 1
            self._damaged = True
            return []
        units: list[Unit] = []
        spans = annexb.access_units(data, nals)
        for number, (first, last) in enumerate(spans):
            if len(spans) == 1:
                part, inside = data, nals
            else:
                start = nals[first].start
                end = nals[last - 1].end
                part = annexb.START_CODE + data[start:end]
                shift = start - len(annexb.START_CODE)
                inside = [Nal(n.type, n.start - shift, n.end - shift) for n in nals[first:last]]
            stamps = (sample.dts_us, sample.pts_us) if number == 0 else (None, None)
            unit = self._unit(part, inside, *stamps)
            if unit is not None:
                units.append(unit)
        return units

    def _unit(self, data: bytes, nals: list[Nal], dts_us: int | None, pts_us: int | None) -> Unit | None:
        types = {nal.type for nal in nals}
        if not types & {annexb.SLICE, 2, annexb.IDR}:
            self._learn(data, nals)  # parameter sets sent on their own, before the picture
            return None
        if annexb.SPS in types or annexb.PPS in types:
            self._learn(data, nals)
        key = annexb.IDR in types
        clock = time.monotonic_ns() // 1000
        dts, pts = self.timeline.video(dts_us, pts_us, clock)
        if self._fresh and not (key and self._config):
            self.waiting_for_key += 1
            if self.waiting_for_key > PATIENCE:
                raise source_error("no_key")
            return None
        if self._config is None:
            return None
        if key:
            data = self._with_sets(data, nals, types)
            self._fresh = self._damaged = False
        changed = key and not self._announced
        self._announced = self._announced or key
        unit = Unit(pts, dts, time.time_ns() // 1000, key, data, self._config, changed, self._damaged)
        self._damaged = self._damaged and not key
        return unit

    def _learn(self, data: bytes, nals: list[Nal]) -> None:
        """Keep the parameter sets; a different SPS is a new configuration from the next key frame on."""
        for nal in nals:
            held = self._sets.get(nal.type)
            if held is None or nal.end - nal.start > annexb.MAX_PARAMETER_SET:
                continue
            body = data[nal.start : nal.end]
            try:
                number = annexb.set_number(body)
                if held.get(number) == body:
                    continue
                config = annexb.parse_sps(body) if nal.type == annexb.SPS else None
            except AnnexBError:
                self.rejected += 1
                continue
            if config is not None and config != self._config:
                self._config = config
                self._announced = False
                held.clear()
                self._sets[annexb.PPS].clear()
            if number in held or len(held) < MAX_PARAMETER_SETS:
                held[number] = body

    def _with_sets(self, data: bytes, nals: list[Nal], types: set[int]) -> bytes:
        """The key frame with SPS and PPS in band, behind the access unit delimiter (H.264, 7.4.1.2.3)."""
        missing = [
            annexb.START_CODE + body
            for kind in (annexb.SPS, annexb.PPS)
            if kind not in types
            for body in self._sets[kind].values()
        ]
        if not missing:
            return data
        before = annexb.SPS if annexb.SPS in types else annexb.AUD  # a PPS must follow its SPS; the delimiter is first
        at = max((nal.end for nal in nals if nal.type == before), default=0)
        return data[:at] + b"".join(missing) + (b"\x00" if at else b"") + data[at:]

    def _klv(self, sample: Sample) -> list[KlvUnit]:
        if len(sample.data) > MAX_KLV + 64:
            self.rejected += 1
            return []
        pts = self.timeline.other(sample.pts_us)
        now = time.time_ns() // 1000
        try:
            payload = klv.strip_au_header(sample.data)
        except klv.KlvError:
            payload = sample.data
        packets = list(klv.split(payload))
        if not packets:
            return [KlvUnit(pts, now, sample.data[:MAX_KLV], None, "no whole ST 0601 packet in this payload")]
        units = []
        for packet in packets:
            try:
                units.append(KlvUnit(pts, now, packet, klv.decode(packet), None))
            except klv.KlvError as problem:
                units.append(KlvUnit(pts, now, packet, None, str(problem)))
        return units
