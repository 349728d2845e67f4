"""Units back into an MPEG transport stream (ISO/IEC 13818-1, 2.4): for recordings and for exercise files.

Why our own: a recording must hold the very bytes received, its KLV included, as either kind of metadata track, and be
written in memory segment by segment with counters that go on, so that the segments put end to end are one valid .ts.
"""

from __future__ import annotations

from typing import Final

from egide.operations.media.psi import METADATA_IN_PES, PRIVATE, crc32_mpeg2

PACKET: Final = 188
_PMT_PID: Final = 0x1000
_VIDEO_PID: Final = 0x0100
_KLV_PID: Final = 0x0101
_H264: Final = 0x1B
_REGISTRATION_KLVA: Final = b"\x05\x04KLVA"
_METADATA_KLVA: Final = b"\x26\x09\x01\x00\xffKLVA\x00\x0f" + b"\x27\x09\xc0\x00\x00\xc0\x00\x00\xc0\x00\x00"
"""Metadata descriptor and metadata STD descriptor (2.6.60, 2.6.62; values as in MISB ST 1402)."""
_LEAD: Final = 63_000
"""Ticks of 90 kHz before the first picture: a decoder's buffer fills 0.7 s ahead of presentation."""
_MASK: Final = (1 << 33) - 1


class TsMuxer:
    """Writes packets to memory.  `tables()` first, then `video()` and `klv()`; `take()` gives what was written."""

    def __init__(self, *, with_klv: bool = True, synchronous_klv: bool = False) -> None:
        self._with_klv = with_klv
        self._synchronous = synchronous_klv
        self._counters: dict[int, int] = {}
        self._out = bytearray()
        self._cell = 0

    @property
    def size(self) -> int:
        """Bytes not yet taken."""
        return len(self._out)

    def take(self) -> bytes:
        """What was written since the last take: whole packets."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def tables(self) -> None:
        """PAT and PMT, so that a player may begin here."""
        pat = _section(0x00, 1, (1).to_bytes(2, "big") + (0xE000 | _PMT_PID).to_bytes(2, "big"))
        body = (0xE000 | _VIDEO_PID).to_bytes(2, "big") + b"\xf0\x00" + _stream(_H264, _VIDEO_PID, b"")
        if self._with_klv:
            kind, descriptor = (METADATA_IN_PES, _METADATA_KLVA) if self._synchronous else (PRIVATE, _REGISTRATION_KLVA)
            body += _stream(kind, _KLV_PID, descriptor)
        for pid, section in ((0, pat), (_PMT_PID, _section(0x02, 1, body))):
            self._packetise(pid, b"\x00" + section, None, fill=True)

    def video(self, data: bytes, pts_us: int, dts_us: int, key: bool) -> None:
        """One access unit."""
        pts, dts = _ticks(pts_us), _ticks(dts_us)
        stamps = _stamp(2, pts) if pts == dts else _stamp(3, pts) + _stamp(1, dts)
        flags = 0x80 if pts == dts else 0xC0
        size = 3 + len(stamps) + len(data)
        head = b"\x00\x00\x01\xe0" + (size if size < 65536 else 0).to_bytes(2, "big")
        pes = head + bytes((0x84, flags, len(stamps))) + stamps + data
        self._packetise(_VIDEO_PID, pes, ((dts - _LEAD // 2) & _MASK, key))

    def klv(self, raw: bytes, pts_us: int) -> None:
        """One KLV packet.  Raises ValueError when it does not fit a PES packet or the file has no KLV track."""
        if not self._with_klv or len(raw) > 65000:
            raise ValueError("this KLV packet cannot be written")
        stamp = _stamp(2, _ticks(pts_us))
        if self._synchronous:
            cell = bytes((0x00, self._cell & 0xFF, 0xDF)) + len(raw).to_bytes(2, "big")
            self._cell += 1
            raw = cell + raw
        stream_id = b"\xfc" if self._synchronous else b"\xbd"
        head = b"\x00\x00\x01" + stream_id + (3 + len(stamp) + len(raw)).to_bytes(2, "big")
        self._packetise(_KLV_PID, head + bytes((0x84, 0x80, len(stamp))) + stamp + raw, None)

    def _packetise(self, pid: int, payload: bytes, clock: tuple[int, bool] | None, *, fill: bool = False) -> None:
        at, first, size = 0, True, len(payload)
        while at < size:
            field = b""
            if first and clock is not None:
                pcr, key = clock
                packed = (pcr << 15 | 0x7E00).to_bytes(6, "big")
                field = bytes((0x50 if key else 0x10,)) + packed
            room = PACKET - 4 - (len(field) + 1 if field else 0)
            missing = room - (size - at)
            if missing > 0 and not fill:
                if field:
                    field += b"\xff" * missing
                elif missing > 1:
                    field = b"\x00" + b"\xff" * (missing - 2)
                room = size - at
            counter = self._counters.get(pid, -1) + 1 & 0x0F
            self._counters[pid] = counter
            adapted = bool(field) or (missing == 1 and not fill)
            self._out += bytes(
                (0x47, (0x40 if first else 0) | pid >> 8, pid & 0xFF, (0x30 if adapted else 0x10) | counter)
            )
            if adapted:
                self._out.append(len(field))
                self._out += field
            chunk = payload[at : at + room]
            self._out += chunk
            if fill:
                self._out += b"\xff" * (room - len(chunk))
            at += room
            first = False


def _stream(stream_type: int, pid: int, descriptors: bytes) -> bytes:
    return (
        bytes((stream_type,))
        + (0xE000 | pid).to_bytes(2, "big")
        + (0xF000 | len(descriptors)).to_bytes(2, "big")
        + descriptors
    )


def _section(table: int, number: int, body: bytes) -> bytes:
    head = bytes((table,)) + (0xB000 | len(body) + 9).to_bytes(2, "big") + number.to_bytes(2, "big") + b"\xc1\x00\x00"
    return head + body + crc32_mpeg2(head + body).to_bytes(4, "big")


def _ticks(micros: int) -> int:
    return (micros * 9 // 100 + _LEAD) & _MASK


def _stamp(marker: int, ticks: int) -> bytes:
    return bytes(
        (
            marker << 4 | (ticks >> 30 & 0x07) << 1 | 1,
            ticks >> 22 & 0xFF,
            (ticks >> 15 & 0x7F) << 1 | 1,
            ticks >> 7 & 0xFF,
            (ticks & 0x7F) << 1 | 1,
        )
    )
