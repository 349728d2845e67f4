"""RTP packets back into pictures and metadata (RFC 3550; RFC 6184 for H.264; RFC 6597 for KLV).

A picture is handed over at its marker bit, without waiting for the next one.  Memory: one access unit of at most 8 MiB.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from egide.operations.media.annexb import START_CODE
from egide.operations.media.units import MAX_KLV, MAX_UNIT

_STAP_A: Final = 24
_FU_A: Final = 28
_MISORDER: Final = 1 << 15
"""A gap of half the sequence numbers or more is a packet that came late, not a loss."""
_NTP_UNIX: Final = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The parts of an RTP packet that matter here."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """One RTP packet (RFC 3550, 5.1); None when it is not one."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    begin, end = 12 + 4 * (data[0] & 0x0F), len(data)
    if data[0] & 0x10:
        if begin + 4 > end:
            return None
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if data[0] & 0x20:
        end -= data[-1]
    if begin > end:
        return None
    sequence, timestamp, ssrc = struct.unpack_from("!HII", data, 2)
    return Packet(bool(data[1] & 0x80), data[1] & 0x7F, sequence, timestamp, ssrc, data[begin:end])


def sender_report(data: bytes) -> tuple[int, int] | None:
    """(UTC in µs, RTP time stamp) of an RTCP sender report (RFC 3550, 6.4.1); None for any other packet."""
    if len(data) < 20 or data[0] >> 6 != 2 or data[1] != 200:
        return None
    seconds, fraction, stamp = struct.unpack_from("!III", data, 8)
    return (seconds - _NTP_UNIX) * 1_000_000 + (fraction * 1_000_000 >> 32), stamp


@dataclass(frozen=True, slots=True)
class Whole:
    """A picture in Annex B, or a metadata unit: its time stamp in µs of the track's clock (no wrap), and damage before it."""

    data: bytes
    time_us: int
    damaged: bool


class Depacketizer(ABC):
    """One track's packets put together.  Feed `push`; subclasses say what a payload is."""

    limit: int = MAX_UNIT

    def __init__(self, clock_hz: int) -> None:
        self._hz = max(1, clock_hz)
        self._sequence: int | None = None
        self._ssrc: int | None = None
        self._stamp = 0  # unwrapped
        self._known = False
        self._parts: list[bytes] = []
        self._size = 0
        self._broken = False  # bytes of the unit being built are missing
        self._damaged = False
        self.lost = 0  # packets missing by their sequence numbers
        self.report: tuple[int, int] | None = None

    def push(self, packet: Packet) -> list[Whole]:
        """The units that this packet completes."""
        if self._ssrc is not None and (
            packet.ssrc != self._ssrc or packet.sequence != (self._sequence or 0) + 1 & 0xFFFF
        ):
            self._broken = self._damaged = True
            missing = packet.sequence - (self._sequence or 0) - 1 & 0xFFFF
            self.lost += missing if packet.ssrc == self._ssrc and missing < _MISORDER else 0
        self._ssrc, self._sequence = packet.ssrc, packet.sequence
        stamp = self._unwrap(packet.timestamp)
        done: list[Whole] = []
        if stamp != self._stamp and self._parts:
            done += self._finish()  # the marker was lost or never set
        self._stamp = stamp
        self._take(packet.payload)
        if self._size > self.limit:
            self._parts, self._size = [], 0
            self._broken = self._damaged = True
        if packet.marker:
            done += self._finish()
        return done

    def utc_us(self, time_us: int) -> int | None:
        """UTC of a track time, once a sender report has told."""
        if self.report is None:
            return None
        utc, stamp = self.report
        return utc + time_us - self._micros(self._near(stamp))

    def time_us(self, utc_us: int) -> int | None:
        """The inverse of `utc_us`."""
        zero = self.utc_us(0)
        return None if zero is None else utc_us - zero

    def _near(self, timestamp: int) -> int:
        return self._stamp + ((timestamp - self._stamp + (1 << 31)) % (1 << 32) - (1 << 31))

    def _unwrap(self, timestamp: int) -> int:
        if not self._known:
            self._known, self._stamp = True, timestamp
        return self._near(timestamp)

    def _micros(self, stamp: int) -> int:
        return stamp * 1_000_000 // self._hz

    def _finish(self) -> list[Whole]:
        parts, broken, damaged = self._parts, self._broken, self._damaged
        self._parts, self._size, self._broken = [], 0, False
        if broken or not parts:
            return []
        self._damaged = False
        return [Whole(b"".join(parts), self._micros(self._stamp), damaged)]

    @abstractmethod
    def _take(self, payload: bytes) -> None:
        """What one packet holds, to the parts of the access unit at hand."""

    def _append(self, *parts: bytes) -> None:
        self._parts.extend(parts)
        self._size += sum(map(len, parts))


class H264(Depacketizer):
    """RFC 6184, packetization modes 0 and 1: single NAL units, STAP-A, FU-A."""

    def __init__(self, clock_hz: int) -> None:
        super().__init__(clock_hz)
        self._fragment = False

    def _take(self, payload: bytes) -> None:
        if not payload:
            return
        kind = payload[0] & 0x1F
        if kind == _FU_A and len(payload) > 2:
            if payload[1] & 0x80:
                self._append(START_CODE, bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)), payload[2:])
                self._fragment = True
            elif self._fragment:
                self._append(payload[2:])
            else:
                self._broken = self._damaged = True
            if payload[1] & 0x40:
                self._fragment = False
            return
        self._fragment = False
        if 0 < kind < _STAP_A:
            self._append(START_CODE, payload)
        elif kind == _STAP_A:
            at = 1
            while at + 2 < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                nal = payload[at + 2 : at + 2 + size]
                if not size or len(nal) < size:
                    self._broken = self._damaged = True
                    return
                self._append(START_CODE, nal)
                at += 2 + size
        else:
            self._broken = self._damaged = True


class Klv(Depacketizer):
    """RFC 6597: the payloads up to the marker are one KLV unit."""

    limit = MAX_KLV

    def _take(self, payload: bytes) -> None:
        self._append(payload)
