"""MPEG-TS program tables (ISO/IEC 13818-1, 2.4.4): which PIDs carry pictures, metadata or sound.

Why our own: PyAV fixes the list of streams when it opens a source, so sound that appears later would be dropped without a word
— and sound from a drone must be refused, never silently stripped.  Tables are trusted only with a right CRC.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Literal

MAX_SECTION: Final = 1024
"""Bytes of one PAT or PMT section (2.4.4.3: section_length ≤ 1021)."""
MAX_PROGRAMS: Final = 16
MAX_STREAMS: Final = 64

TrackKind = Literal["video", "audio", "klv", "data"]

_VIDEO: Final = {
    0x01: "MPEG-1", 0x02: "MPEG-2", 0x10: "MPEG-4 Part 2", 0x1B: "h264", 0x1F: "H.264 SVC", 0x20: "H.264 MVC",
    0x21: "JPEG 2000", 0x24: "H.265 (HEVC)", 0x25: "H.265 (HEVC)", 0x33: "H.266 (VVC)", 0x42: "AVS", 0xD2: "AVS2",
    0xD4: "AVS3", 0xEA: "VC-1",
}  # fmt: skip
_AUDIO: Final = {
    0x03: "mp2", 0x04: "mp2", 0x0F: "aac", 0x11: "aac", 0x1C: "aac", 0x2D: "mpeg-h", 0x2E: "mpeg-h", 0x80: "pcm",
    0x81: "ac3", 0x82: "dts", 0x83: "truehd", 0x84: "eac3", 0x85: "dts", 0x87: "eac3", 0x88: "dts", 0x8A: "dts",
    0xA1: "eac3", 0xA2: "dts", 0xC1: "ac3", 0xC2: "eac3", 0xCF: "aac",
}  # fmt: skip
_AUDIO_DESCRIPTORS: Final = {0x6A: "ac3", 0x7A: "eac3", 0x7B: "dts", 0x7C: "aac", 0x03: "mp2"}
_AUDIO_REGISTRATIONS: Final = {
    b"AC-3": "ac3", b"EAC3": "eac3", b"Opus": "opus", b"BSSD": "pcm", b"DTS1": "dts", b"DTS2": "dts", b"DTS3": "dts",
    b"AC-4": "ac4", b"mlpa": "truehd", b"dtsh": "dts",
}  # fmt: skip
_EXTENSION: Final = 0x7F  # DVB EN 300 468, 6.2.18; tag extension 0x80 is Opus in TS, 0x15 AC-4, 0x0E DTS-HD, 0x19 AC-4
_AUDIO_EXTENSIONS: Final = frozenset({0x0E, 0x15, 0x19, 0x21, 0x80})
_REGISTRATION: Final = 0x05
_METADATA: Final = 0x26
PRIVATE: Final = 0x06
METADATA_IN_PES: Final = 0x15
_REVERSE: Final = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream of a source: its kind and the codec's short name."""

    kind: TrackKind
    codec: str


@dataclass(frozen=True, slots=True)
class TsStream:
    """A track inside a transport stream: where it is and how it is declared."""

    pid: int
    stream_type: int
    track: Track


def crc32_mpeg2(data: bytes) -> int:
    """CRC-32/MPEG-2 (Annex A): the bit mirror of zlib's; 0 over a section with its CRC."""
    mirrored = zlib.crc32(data.translate(_REVERSE)) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


class SectionReader:
    """Puts the sections of one PID together; gives each new whole valid section once.  Bounded to one section."""

    def __init__(self) -> None:
        self._buffer = b""
        self._accepted = b""

    def push(self, payload: bytes, start: bool) -> bytes | None:
        """The section completed by this packet's payload, or None; repeats and sections with a wrong CRC give None."""
        if start:
            if not payload or payload[0] + 1 > len(payload):
                self._buffer = b""
                return None
            self._buffer = payload[1 + payload[0] :]
        elif self._buffer:
            self._buffer += payload
        if len(self._buffer) < 3:
            return None
        size = 3 + ((self._buffer[1] & 0x0F) << 8 | self._buffer[2])
        if size > MAX_SECTION or size < 12:
            self._buffer = b""
            return None
        if len(self._buffer) < size:
            return None
        section, self._buffer = self._buffer[:size], b""
        if section == self._accepted or crc32_mpeg2(section):
            return None
        self._accepted = section
        return section


def parse_pat(section: bytes) -> dict[int, int]:
    """PID of the map of each program, by program number (2.4.4.3); empty when this is not a current PAT."""
    programs: dict[int, int] = {}
    if section[0] != 0x00 or not section[5] & 1:
        return programs
    for at in range(8, len(section) - 7, 4):
        number = int.from_bytes(section[at : at + 2], "big")
        if number and len(programs) < MAX_PROGRAMS:
            programs[number] = int.from_bytes(section[at + 2 : at + 4], "big") & 0x1FFF
    return programs


def program_number(section: bytes) -> int:
    """The program that a PMT section describes."""
    return int.from_bytes(section[3:5], "big")


def parse_pmt(section: bytes) -> list[TsStream] | None:
    """The streams of a program (2.4.4.8); None when this is not a current PMT or its lengths disagree."""
    if section[0] != 0x02 or len(section) < 16 or not section[5] & 1:
        return None
    end = len(section) - 4
    at = 12 + (int.from_bytes(section[10:12], "big") & 0x0FFF)
    streams: list[TsStream] = []
    while at + 5 <= end:
        stream_type = section[at]
        pid = int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        size = int.from_bytes(section[at + 3 : at + 5], "big") & 0x0FFF
        at += 5
        if at + size > end or len(streams) >= MAX_STREAMS:
            return None
        streams.append(TsStream(pid, stream_type, _track(stream_type, _descriptors(section[at : at + size]))))
        at += size
    return streams


def _descriptors(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    at = 0
    while at + 2 <= len(data):
        tag, size = data[at], data[at + 1]
        found.append((tag, data[at + 2 : at + 2 + size]))
        at += 2 + size
    return found


def _track(stream_type: int, descriptors: list[tuple[int, bytes]]) -> Track:
    if stream_type in _VIDEO:
        return Track("video", _VIDEO[stream_type])
    if stream_type in _AUDIO:
        return Track("audio", _AUDIO[stream_type])
    for tag, body in descriptors:
        if tag == _REGISTRATION:
            if body[:4] == b"KLVA":
                return Track("klv", "klv")
            if body[:4] == b"HEVC":
                return Track("video", "H.265 (HEVC)")
            if body[:4] in _AUDIO_REGISTRATIONS:
                return Track("audio", _AUDIO_REGISTRATIONS[body[:4]])
        elif tag == _METADATA and b"KLVA" in body:
            return Track("klv", "klv")
        elif tag in _AUDIO_DESCRIPTORS:
            return Track("audio", _AUDIO_DESCRIPTORS[tag])
        elif tag == _EXTENSION and body[:1] and body[0] in _AUDIO_EXTENSIONS:
            return Track("audio", "private")
    return Track("data", f"0x{stream_type:02x}")
