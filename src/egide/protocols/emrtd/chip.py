"""A chip in software (ICAO Doc 9303 parts 10 and 11): answers the commands that a passport answers, opened by PACE or BAC.

For tests, the exercise, and a kiosk without a reader. It keeps the order that a chip keeps: no file before it was opened, one
step of PACE after the other, and an exchange that is ended by the first command that is not as secured as agreed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from egide.protocols.emrtd import access, apdu, bac, keys, lds, pace, tlv
from egide.protocols.emrtd.apdu import APPLICATION, CHAINED, OK, SECURE, Command, command
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.reader import Random
from egide.protocols.emrtd.secure import Channel
from egide.protocols.mrz import Mrz

# Status words (ISO/IEC 7816-4 §5.6).
WRONG, CLOSED, UNSECURED, NO_FILE, WRONG_DATA, NO_COMMAND, OUTSIDE = (
    0x6300,
    0x6982,
    0x6988,
    0x6A82,
    0x6A80,
    0x6D00,
    0x6B00,
)


class Chip:
    """A chip with these files. `transmit` is how a reader talks to it."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        zone: Mrz,
        *,
        can: str = "",
        offered: tuple[access.PaceInfo, ...] = (),
        basic: bool = True,
        random: Random = secrets.token_bytes,
    ) -> None:
        """`offered` are its ways to do PACE ((): none), `basic` whether basic access opens it too."""
        self._files = {lds.FILES[name]: data for name, data in files.items()}
        self._open_files = {lds.CARD_ACCESS: access.written(offered)} if offered else {}
        self._passwords = {1: keys.of_zone(zone)} | ({2: keys.of_can(can)} if can else {})
        self._offered, self._basic, self._random = offered, basic, random
        self._channel: Channel | None = None
        self._selected: bytes | None = None
        self._challenge = b""
        self._side: pace.Side | None = None
        self._nonce = b""
        self._step = 0

    def transmit(self, data: bytes) -> bytes:
        """One command, its answer."""
        try:
            given = command(data)
            if self._channel is None:
                if given.cla & SECURE:
                    return _plain(b"", UNSECURED)
                return _plain(*self._answered(given))
            if not given.cla & SECURE:
                self._channel = None
                return _plain(b"", CLOSED)
            channel = self._channel
            given = channel.accept(given)
        except EmrtdError:
            self._channel = None
            return _plain(b"", UNSECURED)
        found, status = self._answered(given)
        return channel.reply(found, status, odd=given.ins % 2 == 1)

    def _answered(self, given: Command) -> tuple[bytes, int]:
        try:
            match given.ins:
                case apdu.SELECT:
                    return self._select(given)
                case apdu.READ | apdu.READ_FAR:
                    return self._read(given)
                case apdu.CHALLENGE:
                    self._challenge = self._random(bac.NONCE)
                    return self._challenge, OK
                case apdu.EXTERNAL:
                    return self._external(given)
                case apdu.MANAGE:
                    return self._manage(given)
                case apdu.GENERAL:
                    return self._general(given)
        except EmrtdError as error:
            self._side = None
            return b"", WRONG if error.why == "access" else WRONG_DATA
        return b"", NO_COMMAND

    def _select(self, given: Command) -> tuple[bytes, int]:
        if given.p1 == 0x04:
            return b"", OK if given.data == APPLICATION else NO_FILE
        identifier = int.from_bytes(given.data, "big")
        if identifier in self._open_files:
            self._selected = self._open_files[identifier]
            return b"", OK
        if self._channel is None:
            return b"", NO_FILE if identifier == lds.CARD_ACCESS else CLOSED
        self._selected = self._files.get(identifier)
        return b"", NO_FILE if self._selected is None else OK

    def _read(self, given: Command) -> tuple[bytes, int]:
        if self._selected is None:
            return b"", CLOSED
        count = given.expected or 0
        if given.ins == apdu.READ:
            at = given.p1 << 8 | given.p2
            return self._selected[at : at + count], OK if at < len(self._selected) else OUTSIDE
        at = int.from_bytes(tlv.first(given.data, 0x54), "big")
        if at >= len(self._selected):
            return b"", OUTSIDE
        return tlv.encode(0x53, self._selected[at : at + max(count - 4, 0)]), OK

    def _external(self, given: Command) -> tuple[bytes, int]:
        """Basic access; a challenge answers once."""
        own, self._challenge = self._challenge, b""
        if not self._basic or not own:
            return b"", CLOSED
        nonce, secret = bac.heard(self._passwords[1], given.data, own)
        mine = self._random(bac.SECRET)
        told = bac.said(self._passwords[1], own, nonce, mine)
        self._channel = bac.channel((nonce, secret), (own, mine))
        return told, OK

    def _manage(self, given: Command) -> tuple[bytes, int]:
        """Which way to do PACE, with which password."""
        oid, reference = tlv.first(given.data, 0x80), tlv.number(tlv.first(given.data, 0x83))
        info = next((each for each in self._offered if each.oid == oid), None)
        if (given.p1, given.p2) != (0xC1, 0xA4) or info is None or reference not in self._passwords:
            return b"", WRONG_DATA
        self._side, self._step = pace.Side(info, self._passwords[reference], self._random), 0
        return b"", OK

    def _general(self, given: Command) -> tuple[bytes, int]:
        """The next of the four steps of PACE."""
        side, step = self._side, self._step
        if side is None or bool(given.cla & CHAINED) != (step < 3):
            return b"", CLOSED
        body = tlv.only(given.data, pace.DYNAMIC)
        self._step += 1
        if step == 0:
            self._nonce = self._random(pace.NONCE)
            return _dynamic(pace.ENCRYPTED_NONCE, side.encrypted(self._nonce)), OK
        if step == 1:
            own = side.drawn()
            side.mapped(self._nonce, tlv.first(body, pace.MAP_TERMINAL))
            return _dynamic(pace.MAP_CHIP, own), OK
        if step == 2:
            own = side.drawn()
            side.agreed(tlv.first(body, pace.KEY_TERMINAL))
            return _dynamic(pace.KEY_CHIP, own), OK
        side.check(tlv.first(body, pace.TOKEN_TERMINAL))
        self._side, self._channel = None, side.channel()
        return _dynamic(pace.TOKEN_CHIP, side.token()), OK


def _plain(data: bytes, status: int) -> bytes:
    return data + status.to_bytes(2, "big")


def _dynamic(tag: int, value: bytes) -> bytes:
    return tlv.encode(pace.DYNAMIC, tlv.encode(tag, value))
