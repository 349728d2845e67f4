"""MPEG transport stream to elementary samples (ISO/IEC 13818-1, 2.4), in pure Python.

Why our own and not PyAV's demuxer for this one format:
- sound that appears midway is seen here (psi.py) and refused; PyAV never tells of streams born after opening;
- a picture is handed over when its last packet arrives, where FFmpeg waits for the next one, twice (80 ms at 25 pictures/s);
- bytes of an unknown sender never reach C code, memory is bounded by two constants, and a read can be stopped at once.
About 2 µs a packet: 0.3 % of a core for 2 Mbit/s.

End of a picture: the PES length when told; else, once the sender has proved over `_TRUST` pictures that stuffing
appears only in a picture's last packet, that stuffing; else the start of the next picture.
"""

from __future__ import annotations

from typing import Final

from egide.operations.media.errors import source_error
from egide.operations.media.psi import (
    METADATA_IN_PES,
    PRIVATE,
    SectionReader,
    Track,
    TsStream,
    parse_pat,
    parse_pmt,
    program_number,
)
from egide.operations.media.timeline import Unwrapper
from egide.operations.media.units import MAX_KLV, MAX_UNIT, Sample

PACKET: Final = 188
_SYNC: Final = 0x47
_NULL: Final = 0x1FFF
_TRUST: Final = 8
"""Pictures that must have shown stuffing at their end only, before stuffing is taken as an end."""
MAX_GARBAGE: Final = 1 << 20
"""Bytes without any packet before the sender is called hostile."""
_SCRAMBLED: Final = 64
_WITNESSES: Final = 3
"""Undeclared audio PES starts on one PID before sound is reported: one flipped bit must not condemn a camera."""
_SMPTE_KEY: Final = b"\x06\x0e\x2b\x34"
"""First bytes of every SMPTE 336 universal key."""


class _Pes:
    """One PID's packets put back together.  At most `limit` bytes are held."""

    def __init__(self, stream: TsStream, limit: int) -> None:
        self.stream = stream
        self.limit = limit
        self.chunks: list[bytes] = []
        self.size = 0
        self.expected = 0  # bytes of the whole PES packet; 0 when it does not tell
        self.open = False
        self.lost = False  # bytes missing in the packet being built
        self.damaged = False  # bytes missing since the last packet handed over
        self.counter = -1
        self.tail = False  # the last packet was stuffed
        self.trust = 0
        self.ended_early = False

    def begin(self) -> None:
        self.chunks, self.size, self.expected = [], 0, 0
        self.open, self.lost, self.tail, self.ended_early = True, False, False, False


class TsDemuxer:
    """Feed bytes with `push`, get samples; `tracks`, `has_audio` and `has_klv` tell what has been seen so far."""

    def __init__(self) -> None:
        self._rest = b""
        self._garbage = 0
        self._pat = SectionReader()
        self._pmts: dict[int, SectionReader] = {}
        self._announced: dict[int, int] = {}
        self._programs: dict[int, list[TsStream]] = {}
        self._pes: dict[int, _Pes] = {}
        self._unwrap = Unwrapper()
        self._suspects: dict[int, int] = {}
        self._scrambled = 0
        self._sniffed: dict[int, Track] = {}
        self.has_audio = False
        self.oversized = 0
        self.packets = 0
        self.lost = 0  # packets missing by their continuity counters: at least so many, for they count to 16 only

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Every declared or discovered track, in the order of the tables."""
        return tuple(self._sniffed.get(s.pid, s.track) for streams in self._programs.values() for s in streams)

    @property
    def has_klv(self) -> bool:
        """True once a KLV track is known."""
        return any(track.kind == "klv" for track in self.tracks)

    @property
    def known(self) -> bool:
        """True once every announced program has told its streams."""
        return bool(self._announced) and len(self._programs) == len(self._announced)

    def push(self, data: bytes) -> list[Sample]:
        """The samples completed by `data` (any split).  Raises SourceError codec, encrypted or hostile."""
        buffer = self._rest + data if self._rest else data
        size = len(buffer)
        samples: list[Sample] = []
        at = 0
        while size - at >= PACKET:
            if buffer[at] != _SYNC:
                at = self._resync(buffer, at)
                continue
            self._garbage = 0
            self._packet(buffer, at, samples)
            at += PACKET
        self._rest = buffer[at:]
        return samples

    def flush(self) -> list[Sample]:
        """What was being built when the stream ended, if whole enough to hand over."""
        samples: list[Sample] = []
        for pes in self._pes.values():
            if not pes.expected:
                self._finish(pes, samples)
        return samples

    def _resync(self, buffer: bytes, at: int) -> int:
        """Next offset at which a packet plausibly starts."""
        found = buffer.find(b"\x47", at + 1)
        while found >= 0 and found + PACKET < len(buffer) and buffer[found + PACKET] != _SYNC:
            found = buffer.find(b"\x47", found + 1)
        target = found if found >= 0 else len(buffer)
        self._garbage += target - at
        if self._garbage > MAX_GARBAGE:
            raise source_error("hostile")
        return target

    def _packet(self, buffer: bytes, at: int, samples: list[Sample]) -> None:
        second, fourth = buffer[at + 1], buffer[at + 3]
        pid = (second & 0x1F) << 8 | buffer[at + 2]
        start = bool(second & 0x40)
        pes = self._pes.get(pid)
        self.packets += 1
        if pes is None and not start and pid and pid not in self._pmts:
            return
        if pid == _NULL or second & 0x80 or not fourth & 0x10:  # stuffing, transport error, or no payload
            return
        end = at + PACKET
        begin = at + 4
        stuffed = False
        if fourth & 0x20:
            length = buffer[begin]
            begin += 1 + length
            if begin >= end:
                return
            stuffed = _stuffed(buffer, at + 4, length)
        if pid == 0 or pid in self._pmts:
            self._table(pid, buffer[begin:end], start)
        elif pes is None:
            self._suspect(pid, buffer[begin : begin + 4])
        else:
            if fourth & 0xC0:
                self._scrambled += 1
                if self._scrambled > _SCRAMBLED:
                    raise source_error("encrypted")
                return
            self._scrambled = 0
            fresh = bool(fourth & 0x20 and buffer[at + 4] and buffer[at + 5] & 0x80)
            self._payload(pes, buffer[begin:end], start, fourth & 0x0F, stuffed, fresh, samples)

    def _payload(
        self, pes: _Pes, payload: bytes, start: bool, counter: int, stuffed: bool, fresh: bool, samples: list[Sample]
    ) -> None:
        if pes.counter >= 0 and not fresh:
            if counter == pes.counter and (not start or pes.chunks == [payload]):
                return  # a packet sent twice, which 2.4.3.3 allows
            if counter != (pes.counter + 1) & 0x0F:
                self.lost += (counter - pes.counter - 1) & 0x0F
                pes.lost = pes.damaged = True
        pes.counter = counter
        if start:
            if pes.open and not pes.lost and pes.tail:
                pes.trust += 1
            self._finish(pes, samples)
            pes.begin()
            if len(payload) < 6 or payload[:3] != b"\x00\x00\x01":
                pes.open = False
                pes.damaged = True
                return
            declared = int.from_bytes(payload[4:6], "big")
            pes.expected = declared + 6 if declared else 0
        elif not pes.open:
            if pes.ended_early:  # the stuffing was not the end after all: this sender is not to be second-guessed
                pes.trust = -(1 << 60)
                pes.damaged = True
                pes.ended_early = False
            return
        elif pes.tail:
            pes.trust = -(1 << 60)
        pes.tail = stuffed
        pes.size += len(payload)
        if pes.size > pes.limit:
            pes.open = False
            pes.chunks = []
            pes.damaged = True
            self.oversized += 1
            return
        pes.chunks.append(payload)
        if pes.expected:
            if pes.size >= pes.expected:
                self._finish(pes, samples)
        elif stuffed and pes.trust >= _TRUST:
            self._finish(pes, samples)
            pes.ended_early = True

    def _finish(self, pes: _Pes, samples: list[Sample]) -> None:
        if not pes.open:
            return
        pes.open = False
        data = b"".join(pes.chunks)
        pes.chunks = []
        if pes.expected:
            data = data[: pes.expected]
        if pes.lost or len(data) < max(9, pes.expected) or len(data) < 9 + data[8]:
            pes.damaged = True
            return
        stream_id = data[3]
        video = pes.stream.track.kind == "video"
        if video and not 0xE0 <= stream_id <= 0xEF and stream_id not in (0xBD, 0xFD):
            pes.damaged = True
            return
        if not video and 0xC0 <= stream_id <= 0xDF:
            self._suspect(pes.stream.pid, data[:4])
            return
        flags, header = data[7], 9 + data[8]
        pts = _stamp(data, 9) if flags & 0x80 and header >= 14 else None
        dts = _stamp(data, 14) if flags & 0xC0 == 0xC0 and header >= 19 else None
        payload = data[header:]
        if not payload:
            return
        if not video and not self._sniff(pes.stream, payload):
            return
        dts_us = self._unwrap(dts) if dts is not None else None
        pts_us = self._unwrap(pts) if pts is not None else None
        # No DTS means that it equals the PTS (2.4.3.7).
        samples.append(
            Sample("video" if video else "klv", payload, pts_us, pts_us if dts is None else dts_us, pes.damaged)
        )
        pes.damaged = False

    def _sniff(self, stream: TsStream, payload: bytes) -> bool:
        """True when this private stream carries KLV, declared or not; notices undeclared sound."""
        track = self._sniffed.get(stream.pid, stream.track)
        if track.kind == "klv":
            return True
        if payload[:4] == _SMPTE_KEY or (stream.stream_type == METADATA_IN_PES and payload[5:9] == _SMPTE_KEY):
            self._sniffed[stream.pid] = Track("klv", "klv")
            return True
        if payload[:2] == b"\x0b\x77" or payload[:2] in (b"\xff\xf1", b"\xff\xf9"):  # AC-3, AAC ADTS
            self._sniffed[stream.pid] = Track("audio", "private")
            self.has_audio = True
        return False

    def _suspect(self, pid: int, first: bytes) -> None:
        if len(first) < 4 or first[:3] != b"\x00\x00\x01" or not 0xC0 <= first[3] <= 0xDF:
            return
        if pid in self._suspects or len(self._suspects) < 256:
            self._suspects[pid] = self._suspects.get(pid, 0) + 1
            if self._suspects[pid] >= _WITNESSES:
                self.has_audio = True

    def _table(self, pid: int, payload: bytes, start: bool) -> None:
        reader = self._pat if pid == 0 else self._pmts[pid]
        section = reader.push(payload, start)
        if section is None:
            return
        if pid == 0:
            programs = parse_pat(section)
            if programs:
                self._announced = programs
                self._pmts = {p: self._pmts.get(p) or SectionReader() for p in programs.values() if p not in (0, _NULL)}
                self._programs = {n: s for n, s in self._programs.items() if n in programs}
                self._select()
            return
        streams = parse_pmt(section)
        if streams is not None and program_number(section) in self._announced:
            self._programs[program_number(section)] = streams
            self._select()

    def _select(self) -> None:
        """Follow the first H.264 stream and its program's metadata; everything else is only named."""
        every = [stream for streams in self._programs.values() for stream in streams]
        if any(stream.track.kind == "audio" for stream in every):
            self.has_audio = True
        wanted: dict[int, _Pes] = {}
        for streams in self._programs.values():
            video = next((s for s in streams if s.track.codec == "h264"), None)
            if video is None:
                continue
            wanted[video.pid] = self._keep(video, MAX_UNIT)
            for stream in streams:
                if stream.track.kind == "klv" or stream.stream_type in (PRIVATE, METADATA_IN_PES):
                    wanted.setdefault(stream.pid, self._keep(stream, MAX_KLV + 64))
            break
        self._pes = wanted
        if not wanted and self.known:
            other = next((s for s in every if s.track.kind == "video"), None)
            if other is not None:
                raise source_error("codec", codec=other.track.codec)

    def _keep(self, stream: TsStream, limit: int) -> _Pes:
        held = self._pes.get(stream.pid)
        return held if held is not None and held.stream == stream else _Pes(stream, limit)


def _stuffed(buffer: bytes, at: int, length: int) -> bool:
    """True when the adaptation field at `at` holds bytes beyond its own fields (2.4.3.5)."""
    if length == 0:
        return True
    flags = buffer[at + 1]
    used = 1 + (6 if flags & 0x10 else 0) + (6 if flags & 0x08 else 0) + (1 if flags & 0x04 else 0)
    if flags & 0x02 and used < length:
        used += 1 + buffer[at + 1 + used]
    if flags & 0x01 and used < length:
        used += 1 + buffer[at + 1 + used]
    # A field of flags alone, with no flag set, exists only to fill the packet.
    return used < length or (length == 1 and flags == 0)


def _stamp(data: bytes, at: int) -> int:
    """A 33-bit time stamp from its five bytes (2.4.3.7)."""
    return (
        (data[at] >> 1 & 0x07) << 30
        | data[at + 1] << 22
        | (data[at + 2] >> 1) << 15
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )
