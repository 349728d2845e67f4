"""Tag, length, value as the chip's files have them (ISO/IEC 8825-1 DER, ISO/IEC 7816-4): bounded, definite lengths only."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from egide.protocols.emrtd.errors import EmrtdError

MAX_BYTES = 8 << 20  # bytes of one value: a master list; the files of a chip are bounded far below (lds.MAX_FILE)
MAX_CHILDREN = 1024  # values beside one another
INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31


class Tlv(msgspec.Struct, frozen=True):
    """One value; `tag` is its tag's bytes as a number, `size` what it takes with tag and length."""

    tag: int
    value: bytes
    size: int


def head(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """(tag, bytes of tag and length, bytes of value) of what begins at `at`. Raises `EmrtdError`."""
    try:
        place = at + 1
        tag = data[at]
        if tag & 0x1F == 0x1F:
            tag = tag << 8 | data[place]
            place += 1
            if tag & 0x80:
                raise EmrtdError("malformed", "a tag of more than two bytes")
        length = data[place]
        place += 1
        if length >= 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or len(data) < place + count:
                raise EmrtdError("malformed", "a length that is indefinite, cut or too long")
            length = int.from_bytes(data[place : place + count], "big")
            place += count
    except IndexError as error:
        raise EmrtdError("malformed", "bytes that end within a tag or length") from error
    if length > MAX_BYTES:
        raise EmrtdError("too-large", f"a value of more than {MAX_BYTES} bytes")
    return tag, place - at, length


def read(data: bytes, at: int = 0) -> Tlv:
    """The value that begins at `at`. Raises `EmrtdError`."""
    tag, before, length = head(data, at)
    if len(data) < at + before + length:
        raise EmrtdError("malformed", "a value that is cut")
    return Tlv(tag, data[at + before : at + before + length], before + length)


def only(data: bytes, tag: int) -> bytes:
    """The value of the one thing that `data` is, which must have this tag; zeros that pad a file are let pass."""
    found = read(data)
    if found.tag != tag or data[found.size :].strip(b"\0"):
        raise EmrtdError("malformed", f"not one value of tag {tag:02X}")
    return found.value


def children(value: bytes) -> Iterator[Tlv]:
    """The values beside one another in `value`. Raises `EmrtdError`."""
    at = 0
    for _ in range(MAX_CHILDREN):
        if at == len(value):
            return
        found = read(value, at)
        yield found
        at += found.size
    if at != len(value):
        raise EmrtdError("too-large", f"more than {MAX_CHILDREN} values beside one another")


def first(value: bytes, tag: int) -> bytes:
    """The first value of this tag among the children. Raises `EmrtdError` where there is none."""
    for each in children(value):
        if each.tag == tag:
            return each.value
    raise EmrtdError("malformed", f"no value of tag {tag:02X}")


def number(value: bytes, limit: int = 1 << 31) -> int:
    """An INTEGER that is not negative. Raises `EmrtdError`."""
    if not 1 <= len(value) <= 8 or value[0] & 0x80:
        raise EmrtdError("malformed", "a number that is empty, negative or too long")
    found = int.from_bytes(value, "big")
    if found > limit:
        raise EmrtdError("malformed", "a number that is too large")
    return found


def encode(tag: int, *values: bytes) -> bytes:
    """A value with its tag and length, DER."""
    value = b"".join(values)
    length = len(value)
    if length < 0x80:
        told = bytes([length])
    else:
        count = (length.bit_length() + 7) // 8
        told = bytes([0x80 | count]) + length.to_bytes(count, "big")
    return tag.to_bytes((tag.bit_length() + 7) // 8 or 1, "big") + told + value


def oid(dotted: str) -> bytes:
    """The value (no tag) of an OBJECT IDENTIFIER."""
    one, two, *rest = (int(each) for each in dotted.split("."))
    found = bytearray()
    for arc in (one * 40 + two, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        found += bytes(reversed(septets))
    return bytes(found)
