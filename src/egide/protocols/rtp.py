"""RTP packets for H.264 and KLV, and the RTCP report that ties their clocks together.

What: cuts access units and KLV packets into RTP packets that fit a network frame. Pure: bytes in, bytes out.
Source: RFC 3550 (RTP, RTCP sender reports), RFC 6184 (H.264: single NAL unit, STAP-A, FU-A; packetization mode 1),
RFC 6597 (SMPTE 336M KLV).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MTU = 1400
"""Bytes of one RTP packet at most, header included: an Ethernet frame less IP, UDP and a tunnel."""
HEADER = 12
CLOCK_HZ = 90_000
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
STAP_A, FU_A = 24, 28
SPS, PPS = 7, 8


def nal_units(unit: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B access unit, without start codes."""
    at = unit.find(b"\0\0\1")
    while at >= 0:
        begin = at + 3
        at = unit.find(b"\0\0\1", begin)
        # A start code of four bytes leaves a zero behind; a NAL unit never ends with one (ITU-T H.264, 7.4.1).
        nal = (unit[begin:at] if at >= 0 else unit[begin:]).rstrip(b"\0")
        if nal:
            yield nal


class Sender:
    """One RTP stream: numbers its packets and counts them for the reports."""

    def __init__(self, payload_type: int, ssrc: int, sequence: int = 0) -> None:
        self.payload_type, self.ssrc, self.sequence = payload_type, ssrc, sequence & 0xFFFF
        self.packets = self.octets = 0

    def video(self, unit: bytes, timestamp: int) -> list[bytes]:
        """An access unit (Annex B) as packets; the last carries the marker."""
        return self._number(list(h264_payloads(unit)), timestamp)

    def data(self, packet: bytes, timestamp: int) -> list[bytes]:
        """A KLV unit as packets, cut where it is too long; the last carries the marker."""
        size = MTU - HEADER
        return self._number([packet[at : at + size] for at in range(0, len(packet), size)], timestamp)

    def _number(self, payloads: list[bytes], timestamp: int) -> list[bytes]:
        packets = []
        for i, payload in enumerate(payloads):
            marker = 0x80 if i == len(payloads) - 1 else 0
            head = struct.pack(
                "!BBHII", 0x80, marker | self.payload_type, self.sequence, timestamp & 0xFFFFFFFF, self.ssrc
            )
            packets.append(head + payload)
            self.sequence = self.sequence + 1 & 0xFFFF
            self.packets += 1
            self.octets += len(payload)
        return packets

    def report(self, epoch_us: int, timestamp: int, name: bytes = b"exercise") -> bytes:
        """An RTCP sender report: at ``epoch_us`` of UTC the stream's clock shows ``timestamp``; ``name`` is the CNAME."""
        seconds, micros = divmod(epoch_us, 1_000_000)
        report = struct.pack(
            "!BBHIIIIII", 0x80, 200, 6, self.ssrc, seconds + NTP_EPOCH & 0xFFFFFFFF, (micros << 32) // 1_000_000,
            timestamp & 0xFFFFFFFF, self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF,
        )  # fmt: skip
        chunk = struct.pack("!IBB", self.ssrc, 1, len(name)) + name
        chunk += bytes(4 - len(chunk) % 4)
        return report + struct.pack("!BBH", 0x81, 202, len(chunk) // 4) + chunk


def h264_payloads(unit: bytes) -> Iterator[bytes]:
    """RTP payloads of an access unit: small NAL units together (STAP-A), large ones in fragments (FU-A)."""
    room = MTU - HEADER
    small: list[bytes] = []
    for nal in nal_units(unit):
        if sum(2 + len(n) for n in small) + 2 + len(nal) + 1 <= room:
            small.append(nal)
            continue
        yield from _together(small)
        small = []
        if len(nal) <= room:
            small = [nal]
        else:
            yield from _fragments(nal, room)
    yield from _together(small)


def _together(nals: list[bytes]) -> Iterator[bytes]:
    if len(nals) == 1:
        yield nals[0]
    elif nals:
        priority = max(nal[0] & 0x60 for nal in nals)
        yield bytes([priority | STAP_A]) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def _fragments(nal: bytes, room: int) -> Iterator[bytes]:
    indicator, kind, body = nal[0] & 0xE0 | FU_A, nal[0] & 0x1F, nal[1:]
    size = room - 2
    for at in range(0, len(body), size):
        start, end = at == 0, at + size >= len(body)
        yield bytes([indicator, start << 7 | end << 6 | kind]) + body[at : at + size]
