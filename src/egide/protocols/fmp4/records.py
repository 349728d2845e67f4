"""What a decoder is told before the first picture, from the stream's own parameter sets (ISO/IEC 14496-15, 5.3.3 and 8.3.3)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from egide.protocols.fmp4.boxes import Fmp4Error

_MOST: Final = 31
_VPS, _SPS, _PPS = 32, 33, 34


def avc_record(sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """`avcC` of these parameter sets (NAL units without start codes).  Raises Fmp4Error when there are none, or too many."""
    if not 0 < len(sps) <= _MOST or not 0 < len(pps) <= 255 or len(sps[0]) < 4:
        raise Fmp4Error("a decoder needs one SPS and one PPS at least")
    first = sps[0]
    record = bytes((1, first[1], first[2], first[3], 0xFF, 0xE0 | len(sps))) + _listed(sps)
    return record + bytes((len(pps),)) + _listed(pps)


def hevc_record(vps: Sequence[bytes], sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """`hvcC` of these parameter sets.  Raises Fmp4Error when one kind is missing or the SPS cannot be read."""
    if not (vps and sps and pps):
        raise Fmp4Error("a decoder needs one VPS, one SPS and one PPS at least")
    told = _HevcSps(sps[0])
    record = (
        b"\x01" + told.profile + struct.pack(">HB", 0xF000, 0xFC)
        + bytes((0xFC | told.chroma, 0xF8 | told.luma_depth, 0xF8 | told.chroma_depth)) + struct.pack(">H", 0)
        + bytes((told.layers << 3 | told.nested << 2 | 3, 3))
    )  # fmt: skip
    for kind, sets in ((_VPS, vps), (_SPS, sps), (_PPS, pps)):
        record += struct.pack(">BH", 0x80 | kind, len(sets)) + _listed(sets)
    return record


def hevc_size(sps: bytes) -> tuple[int, int]:
    """(width, height) in pixels of a HEVC SPS, after cropping.  Raises Fmp4Error."""
    told = _HevcSps(sps)
    return told.width, told.height


def _listed(sets: Sequence[bytes]) -> bytes:
    if any(len(one) > 0xFFFF for one in sets):
        raise Fmp4Error("a parameter set is too long")
    return b"".join(struct.pack(">H", len(one)) + one for one in sets)


class _HevcSps:
    """The fields of a HEVC sequence parameter set that a record repeats (ITU-T H.265, 7.3.2.2)."""

    def __init__(self, nal: bytes) -> None:
        body = nal[2:1024].replace(b"\0\0\3", b"\0\0")
        if len(nal) < 16 or nal[0] >> 1 & 0x3F != _SPS:
            raise Fmp4Error("this is not a HEVC sequence parameter set")
        self._value, self._left = int.from_bytes(body, "big"), len(body) * 8
        self._take(4)
        more = self._take(3)
        self.layers, self.nested = more + 1, self._take(1)
        self.profile = self._take(96).to_bytes(12, "big")
        present = [(self._take(1), self._take(1)) for _ in range(more)]
        self._take(2 * (8 - more) if more else 0)
        for profile, level in present:
            self._take(88 * profile + 8 * level)
        self._exp()  # sps_seq_parameter_set_id
        self.chroma = self._exp()
        if self.chroma == 3:
            self._take(1)
        self.width, self.height = self._exp(), self._exp()
        if self._take(1):
            across, down = (2 if self.chroma in (1, 2) else 1), (2 if self.chroma == 1 else 1)
            self.width -= (self._exp() + self._exp()) * across
            self.height -= (self._exp() + self._exp()) * down
        self.luma_depth, self.chroma_depth = self._exp(), self._exp()
        if self.chroma > 3 or max(self.luma_depth, self.chroma_depth) > 7 or not 0 < self.width * self.height < 1 << 30:
            raise Fmp4Error("the sequence parameter set tells an impossible picture")

    def _take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise Fmp4Error("the parameter set is cut short")
        return self._value >> self._left & (1 << count) - 1

    def _exp(self) -> int:
        zeros = 0
        while not self._take(1):
            zeros += 1
            if zeros > 32:
                raise Fmp4Error("a number of the parameter set is out of range")
        return (1 << zeros) - 1 + self._take(zeros)
