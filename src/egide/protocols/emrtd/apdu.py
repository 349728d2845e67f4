"""Commands to a chip and its answers (ISO/IEC 7816-4 §5), in their short form: at most 255 bytes out, 256 back."""

from __future__ import annotations

import msgspec

from egide.protocols.emrtd.errors import EmrtdError

OK = 0x9000
SELECT, READ, READ_FAR, CHALLENGE, EXTERNAL, GENERAL, MANAGE = 0xA4, 0xB0, 0xB1, 0x84, 0x82, 0x86, 0x22
CHAINED, SECURE = 0x10, 0x0C  # bits of the class: more commands follow; secured
APPLICATION = bytes.fromhex("A0000002471001")  # eMRTD (Doc 9303 part 10 §3.1)
LONGEST = 256  # bytes of an answer's data


class Command(msgspec.Struct, frozen=True):
    """One command; `expected` is how many bytes may come back (1 to 256), None for none."""

    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = b""
    expected: int | None = None
    cla: int = 0

    @property
    def header(self) -> bytes:
        """Class, instruction, parameters."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def encode(self) -> bytes:
        """The bytes on the wire. Raises `EmrtdError` where the data is too long for the short form."""
        if len(self.data) > 255:
            raise EmrtdError("too-large", "a command of more than 255 bytes")
        body = bytes([len(self.data)]) + self.data if self.data else b""
        return self.header + body + (b"" if self.expected is None else bytes([self.expected % 256]))


def command(data: bytes) -> Command:
    """Reads a command in its short form. Raises `EmrtdError`."""
    if not 4 <= len(data) <= 261:
        raise EmrtdError("malformed", "a command that is too short or too long")
    cla, ins, p1, p2, *rest = data
    if len(rest) <= 1:
        return Command(ins, p1, p2, b"", (rest[0] or LONGEST) if rest else None, cla)
    length, body = rest[0], bytes(rest[1:])
    if length == 0 or len(body) - length not in {0, 1}:
        raise EmrtdError("malformed", "a command whose length does not hold")
    return Command(ins, p1, p2, body[:length], (body[length] or LONGEST) if len(body) > length else None, cla)


def answer(data: bytes) -> tuple[bytes, int]:
    """(data, status word) of what a chip answered. Raises `EmrtdError`."""
    if not 2 <= len(data) <= LONGEST + 2:
        raise EmrtdError("malformed", "an answer that is too short or too long")
    return data[:-2], int.from_bytes(data[-2:], "big")
