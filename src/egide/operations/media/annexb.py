"""H.264 byte streams (ITU-T H.264, Annex B): NAL units, access units, key frames, and what the SPS says.

Why our own: the live path never decodes, it only needs to know where a picture starts, whether decoding may start there
(IDR), and the codec string and size for the browser's decoder.  Every function is bounded: a scan is one pass in C
(`bytes.find`), an SPS is read from at most 1 KiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from egide.operations.media.units import VideoConfig

SLICE: Final = 1
IDR: Final = 5
SEI: Final = 6
SPS: Final = 7
PPS: Final = 8
AUD: Final = 9
_VCL: Final = frozenset(range(1, 6))
_STARTS_UNIT: Final = frozenset({6, 7, 8, 9, 14, 15, 16, 17, 18})
"""NAL types that, after a slice, open the next access unit (H.264, 7.4.1.2.3)."""
START_CODE: Final = b"\x00\x00\x00\x01"
MAX_NALS: Final = 4096
"""NAL units in one access unit; level 6.2 allows fewer slices than that in a picture."""
MAX_PARAMETER_SET: Final = 1024
"""Bytes of one SPS or PPS that we read or keep."""
MAX_SIDE: Final = 16384
"""Pixels; the highest H.264 level (6.2) cannot exceed 16 880 in one direction."""
_HIGH_PROFILES: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


class AnnexBError(ValueError):
    """These bytes are not a readable H.264 byte stream."""


@dataclass(frozen=True, slots=True)
class Nal:
    """One NAL unit inside a buffer: `type` and the span [start, end) of its bytes, without start code."""

    type: int
    start: int
    end: int


def split(data: bytes) -> list[Nal]:
    """The NAL units of an Annex B buffer, in order.  Raises AnnexBError past `MAX_NALS`; no start code gives []."""
    nals: list[Nal] = []
    size = len(data)
    at = data.find(b"\x00\x00\x01")
    while at >= 0:
        start = at + 3
        following = data.find(b"\x00\x00\x01", start)
        end = size if following < 0 else following
        while end > start and data[end - 1] == 0:  # trailing_zero_8bits, or the long start code's first byte
            end -= 1
        if end > start:
            if len(nals) >= MAX_NALS:
                raise AnnexBError(f"more than {MAX_NALS} NAL units in one buffer")
            nals.append(Nal(data[start] & 0x1F, start, end))
        at = following
    return nals


def is_key(data: bytes) -> bool:
    """True when the access unit holds an IDR slice, from which a decoder may start."""
    return any(nal.type == IDR for nal in split(data))


def is_bidirectional(data: bytes) -> bool:
    """True when the picture's first slice is a B slice (H.264, 7.4.3): it waits for a later picture to be decoded."""
    nal = next((nal for nal in split(data) if nal.type in (SLICE, 2)), None)
    if nal is None:
        return False
    bits = _Bits(data[nal.start + 1 : nal.start + 17])
    try:
        bits.ue()  # first_mb_in_slice
        return bits.ue() % 5 == 1
    except AnnexBError:
        return False


def access_units(data: bytes, nals: list[Nal]) -> list[tuple[int, int]]:
    """Spans of the access units in a buffer: a PES packet may carry several (H.264, 7.4.1.2.3).

    A span runs over indices of `nals`.  A buffer that starts in the middle of a picture gives that part as its first span.
    """
    spans: list[tuple[int, int]] = []
    begin = 0
    seen_slice = False
    for index, nal in enumerate(nals):
        if nal.type in _VCL:
            if seen_slice and _first_slice(data, nal):
                spans.append((begin, index))
                begin = index
            seen_slice = True
        elif seen_slice and nal.type in _STARTS_UNIT:
            spans.append((begin, index))
            begin = index
            seen_slice = False
    if nals:
        spans.append((begin, len(nals)))
    return spans


def starts_picture(data: bytes, nals: list[Nal]) -> bool:
    """False when the first slice continues a picture whose beginning is elsewhere (first_mb_in_slice is not 0)."""
    return next((_first_slice(data, nal) for nal in nals if nal.type in _VCL), True)


def _first_slice(data: bytes, nal: Nal) -> bool:
    # first_mb_in_slice is ue(v): 0 is the single bit 1.  Partitions B and C (types 3, 4) never open a picture.
    return nal.type in (1, 2, 5) and nal.end > nal.start + 1 and bool(data[nal.start + 1] & 0x80)


class _Bits:
    """Reads an RBSP (emulation prevention removed) bit by bit."""

    def __init__(self, nal: bytes) -> None:
        rbsp = nal.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(rbsp, "big")
        self._left = len(rbsp) * 8

    def u(self, count: int) -> int:
        """`count` bits."""
        self._left -= count
        if self._left < 0:
            raise AnnexBError("the parameter set is cut short")
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Unsigned Exp-Golomb (H.264, 9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise AnnexBError("a number of the parameter set is out of range")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Signed Exp-Golomb (H.264, 9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def set_number(nal: bytes) -> int:
    """The number an SPS or PPS gives itself; a later set of the same number replaces it.  Raises AnnexBError."""
    head = 4 if nal and nal[0] & 0x1F == SPS else 1
    return _Bits(nal[head : head + 16]).ue()


def parse_sps(nal: bytes) -> VideoConfig:
    """Codec string, picture size in pixels after cropping, and rate if told, from one SPS NAL unit (H.264, 7.3.2.1.1).

    Raises AnnexBError when it is not an SPS, is cut short or tells an impossible size.
    """
    nal = nal[:MAX_PARAMETER_SET]
    if len(nal) < 5 or nal[0] & 0x1F != SPS:
        raise AnnexBError("this is not a sequence parameter set")
    profile, compatibility, level = nal[1], nal[2], nal[3]
    bits = _Bits(nal[4:])
    bits.ue()  # seq_parameter_set_id
    chroma, separate = 1, 0
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        if chroma == 3:
            separate = bits.u(1)
        bits.ue()  # bit_depth_luma
        bits.ue()  # bit_depth_chroma
        bits.u(1)
        if bits.u(1):
            _skip_scaling(bits, 8 if chroma != 3 else 12)
    bits.ue()  # log2_max_frame_num
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1)
        bits.se()
        bits.se()
        cycle = bits.ue()
        if cycle > 255:
            raise AnnexBError("a number of the parameter set is out of range")
        for _ in range(cycle):
            bits.se()
    bits.ue()  # max_num_ref_frames
    bits.u(1)
    width = (bits.ue() + 1) * 16
    map_units = bits.ue() + 1
    frames_only = bits.u(1)
    if not frames_only:
        bits.u(1)
    height = map_units * 16 * (2 - frames_only)
    bits.u(1)  # direct_8x8_inference
    if bits.u(1):
        array_type = 0 if separate else chroma
        step_x = 2 if array_type in (1, 2) else 1
        step_y = (2 if array_type == 1 else 1) * (2 - frames_only)
        width -= (bits.ue() + bits.ue()) * step_x
        height -= (bits.ue() + bits.ue()) * step_y
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise AnnexBError("the parameter set tells an impossible picture size")
    return VideoConfig(f"avc1.{profile:02X}{compatibility:02X}{level:02X}", width, height, _frame_rate(bits))


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.u(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _frame_rate(bits: _Bits) -> float | None:
    """Pictures per second from the VUI (H.264, E.1.1); None when absent, unreadable or implausible."""
    try:
        if not bits.u(1):
            return None
        if bits.u(1) and bits.u(8) == 255:  # aspect_ratio_idc, Extended_SAR
            bits.u(32)
        if bits.u(1):
            bits.u(1)
        if bits.u(1):
            bits.u(4)
            if bits.u(1):
                bits.u(24)
        if bits.u(1):
            bits.ue()
            bits.ue()
        if not bits.u(1):
            return None
        units, scale = bits.u(32), bits.u(32)
    except AnnexBError:
        return None  # the size is known already; a missing rate is no reason to refuse the picture
    rate = scale / (2 * units) if units else 0.0
    return round(rate, 3) if 0.1 <= rate <= 480 else None
