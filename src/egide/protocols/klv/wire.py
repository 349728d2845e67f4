"""Framing of KLV: BER lengths, BER-OID tags, packets inside a byte stream, metadata access units.

What: the bytes around and between the items of a MISB local set.
Source: SMPTE ST 336 (KLV), ISO/IEC 8825-1 (BER lengths), MISB ST 0107 (BER-OID tags), ISO/IEC 13818-1 §2.12.4
(metadata access unit cells, stream type 0x15 of an MPEG transport stream).
"""

from __future__ import annotations

from collections.abc import Iterator

KEY = bytes.fromhex("060e2b34020b01010e01030101000000")
"""The 16-byte universal label of the UAS datalink local set (MISB ST 0601)."""
MAX_PACKET = 64 * 1024
"""Bytes of one packet; real ones are a few hundred, the bound keeps a hostile length from taking memory."""
MAX_TAG = 1 << 28
"""Largest tag accepted (four BER-OID bytes); ST 0601 ends below 150."""
AU_HEADER = 5
"""Bytes of a metadata access unit cell header."""


class KlvError(ValueError):
    """Bytes that are no valid KLV, or a value that its item cannot carry; the message says which."""


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(length, position after it) of the BER length at ``at``; raises KlvError when cut short or above MAX_PACKET."""
    if at >= end:
        raise KlvError("packet ends where a length was expected")
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    count = first & 0x7F
    if not 1 <= count <= 8 or at + count > end:
        raise KlvError("malformed BER length")
    length = int.from_bytes(data[at : at + count], "big")
    if length > MAX_PACKET:
        raise KlvError(f"length {length} is above the limit of {MAX_PACKET} bytes")
    return length, at + count


def write_length(length: int) -> bytes:
    """The shortest BER form of a length."""
    if length < 0x80:
        return bytes((length,))
    body = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(body),)) + body


def read_tag(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(tag, position after it) of the BER-OID tag at ``at``; raises KlvError when cut short or above MAX_TAG."""
    tag = 0
    for position in range(at, min(at + 4, end)):
        byte = data[position]
        tag = tag << 7 | byte & 0x7F
        if byte < 0x80:
            return tag, position + 1
    raise KlvError("malformed BER-OID tag")


def write_tag(tag: int) -> bytes:
    """The BER-OID form of a tag; raises KlvError outside 0..MAX_TAG."""
    if not 0 <= tag < MAX_TAG:
        raise KlvError(f"tag {tag} cannot be written")
    body = [tag & 0x7F]
    while tag := tag >> 7:
        body.append(0x80 | tag & 0x7F)
    return bytes(reversed(body))


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each (tag, value) of a local set without key, such as the ST 0102 security set of item 48; KlvError if broken."""
    at, end = 0, len(data)
    while at < end:
        tag, at = read_tag(data, at, end)
        size, at = read_length(data, at, end)
        if at + size > end:
            raise KlvError(f"item {tag} runs past the end of its set")
        yield tag, data[at : at + size]
        at += size


def checksum(data: bytes) -> int:
    """The 16-bit running sum of ST 0601 item 1: bytes at even positions count as the high byte."""
    return (sum(data[::2]) * 256 + sum(data[1::2])) & 0xFFFF


def split(buffer: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Each whole ST 0601 packet found in a buffer, key and checksum included, in order; never raises on content.

    Garbage before, between and after is skipped. A packet whose length is impossible, cut short or that swallows the
    key of another one is dropped, and the search goes on behind its key. Time is linear in the buffer, extra memory
    one packet. Checksums are not looked at: that is ``decode``'s work.
    """
    data = bytes(buffer)
    size = len(data)
    at = data.find(KEY)
    while at >= 0:
        after = at + len(KEY)
        following = data.find(KEY, after)
        try:
            length, start = read_length(data, after, size)
        except KlvError:
            at = following
            continue
        end = start + length
        if end <= (size if following < 0 else following):
            yield data[at:end]
        at = following


def strip_au_header(payload: bytes) -> bytes:
    """KLV of a PES payload of a synchronous metadata stream, without its access unit cell headers.

    A payload that already begins with the key (asynchronous stream) comes back unchanged; several cells are joined.
    Raises KlvError when a cell runs past the payload or there is none.
    """
    if payload.startswith(KEY):
        return payload
    cells, at, end = [], 0, len(payload)
    while at < end:
        if at + AU_HEADER > end:
            raise KlvError("metadata access unit cell header cut short")
        size = payload[at + 3] << 8 | payload[at + 4]
        at += AU_HEADER
        if at + size > end:
            raise KlvError("metadata access unit cell runs past its payload")
        cells.append(payload[at : at + size])
        at += size
    if not cells:
        raise KlvError("no metadata access unit cell")
    return b"".join(cells)
