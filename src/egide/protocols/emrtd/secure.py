"""Secure messaging (ICAO Doc 9303 part 11 §9.8): each command and answer encrypted, counted and with a checksum.

Both sides: the terminal protects commands and opens answers, a chip the other way round. An answer that came in clear, that
was altered, repeated or left out, ends the exchange.
"""

from __future__ import annotations

import hmac

from egide.protocols.emrtd import keys, tlv
from egide.protocols.emrtd.apdu import SECURE, Command
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import Suite

# Data objects (§9.8.4): cryptogram, cryptogram of an odd instruction, expected length, status, checksum.
CRYPTOGRAM, CRYPTOGRAM_ODD, EXPECTED, STATUS, CHECKSUM = 0x87, 0x85, 0x97, 0x99, 0x8E


class Channel:
    """One side of a secured exchange. `counter` is the send sequence counter at its start: a block long."""

    def __init__(self, suite: Suite, encryption: bytes, mac: bytes, counter: bytes) -> None:
        self._suite: Suite = suite
        self._encryption, self._mac = encryption, mac
        self._block = keys.block_of(suite)
        self._counter = int.from_bytes(counter, "big")

    def protect(self, command: Command) -> bytes:
        """The terminal's command, secured."""
        self._count()
        header = Command(command.ins, command.p1, command.p2, cla=command.cla | SECURE).header
        inside = self._sealed(command.data, odd=command.ins % 2 == 1)
        if command.expected is not None:
            inside += tlv.encode(EXPECTED, bytes([command.expected % 256]))
        inside += tlv.encode(CHECKSUM, self._checksum(keys.padded(header, self._block), inside))
        return Command(command.ins, command.p1, command.p2, inside, 256, command.cla | SECURE).encode()

    def open(self, data: bytes) -> bytes:
        """What the chip's answer holds (data and status word), its checksum verified. Raises `EmrtdError`."""
        self._count()
        try:
            parts = list(tlv.children(data[:-2]))
        except EmrtdError as error:
            raise EmrtdError("channel", "an answer that is not secured") from error
        *inside, mac = parts or [tlv.Tlv(0, b"", 0)]
        covered = data[: sum(each.size for each in inside)]
        if mac.tag != CHECKSUM or not hmac.compare_digest(mac.value, self._checksum(b"", covered)):
            raise EmrtdError("channel", "an answer whose checksum does not hold")
        found = {each.tag: each.value for each in inside}
        if len(found.get(STATUS, b"")) != 2 or len(found) != len(inside):
            raise EmrtdError("channel", "an answer without its status, or with a part twice")
        return self._opened(found) + found[STATUS]

    def accept(self, command: Command) -> Command:
        """The chip's reading of a secured command. Raises `EmrtdError`."""
        self._count()
        *inside, mac = list(tlv.children(command.data)) or [tlv.Tlv(0, b"", 0)]
        covered = command.data[: sum(each.size for each in inside)]
        header = keys.padded(command.header, self._block)
        if mac.tag != CHECKSUM or not hmac.compare_digest(mac.value, self._checksum(header, covered)):
            raise EmrtdError("channel", "a command whose checksum does not hold")
        found = {each.tag: each.value for each in inside}
        expected = found.get(EXPECTED)
        length = None if expected is None else int.from_bytes(expected, "big") or 256
        return Command(command.ins, command.p1, command.p2, self._opened(found), length, command.cla & ~SECURE)

    def reply(self, data: bytes, status: int, *, odd: bool = False) -> bytes:
        """The chip's answer, secured."""
        self._count()
        word = status.to_bytes(2, "big")
        inside = self._sealed(data, odd=odd) + tlv.encode(STATUS, word)
        return inside + tlv.encode(CHECKSUM, self._checksum(b"", inside)) + word

    def _count(self) -> None:
        self._counter = (self._counter + 1) % (1 << 8 * self._block)

    def _start(self) -> bytes | None:
        """What the first block is chained to: nothing with 3DES, the encrypted counter with AES (§9.8.6)."""
        return None if self._suite == "3des" else keys.block(self._encryption, self._number())

    def _number(self) -> bytes:
        return self._counter.to_bytes(self._block, "big")

    def _sealed(self, data: bytes, *, odd: bool) -> bytes:
        if not data:
            return b""
        sealed = keys.encrypt(self._suite, self._encryption, keys.padded(data, self._block), self._start())
        return tlv.encode(CRYPTOGRAM_ODD, sealed) if odd else tlv.encode(CRYPTOGRAM, b"\x01", sealed)

    def _opened(self, found: dict[int, bytes]) -> bytes:
        sealed = found.get(CRYPTOGRAM_ODD)
        if sealed is None:
            told = found.get(CRYPTOGRAM)
            if told is None:
                return b""
            if told[:1] != b"\x01":
                raise EmrtdError("channel", "data whose padding is none that is agreed")
            sealed = told[1:]
        return keys.unpadded(keys.decrypt(self._suite, self._encryption, sealed, self._start()))

    def _checksum(self, header: bytes, inside: bytes) -> bytes:
        whole = self._number() + header + inside
        return keys.checksum(self._suite, self._mac, keys.padded(whole, self._block) if inside else whole)
