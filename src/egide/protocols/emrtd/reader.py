"""The terminal's side: opens a chip and reads its files, over any way to send a command and get an answer.

PACE where the chip offers a kind that we speak, else basic access. Nothing is believed here: what was read goes through
passive authentication (`passive`), and EF.CardAccess is compared with DG14 (`Read.confirmed`, once DG14 is proved).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from egide.protocols.emrtd import access, bac, lds, pace, tlv
from egide.protocols.emrtd.apdu import (
    APPLICATION,
    CHAINED,
    CHALLENGE,
    EXTERNAL,
    GENERAL,
    MANAGE,
    OK,
    READ,
    READ_FAR,
    SELECT,
    Command,
    answer,
)
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import Password
from egide.protocols.emrtd.secure import Channel

Transmit = Callable[[bytes], bytes]  # a command to a chip, its answer
Random = Callable[[int], bytes]
CHUNK = 0xDF  # bytes of a file in one answer: with what secures it, no more than the short form holds
MAX_COMMANDS = 8192  # some five files of the largest size, in parts of `CHUNK`
NEAR = 0x7FFF  # the farthest place that READ BINARY names in its parameters
WANTED = ("COM", "SOD", "DG1", "DG2", "DG14")
NO_FILE, SHORTER = 0x6A82, 0x6282  # no such file; the file ended before what was asked for


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a chip gave: its files by name, how it was opened, what EF.CardAccess offered."""

    files: dict[str, bytes]
    opened: Literal["pace", "bac"]
    offered: tuple[access.PaceInfo, ...] = ()

    @property
    def confirmed(self) -> bool | None:
        """Whether DG14 states what EF.CardAccess offered; None where there is nothing to compare."""
        if not self.offered:
            return None
        try:
            return access.confirmed(self.offered, access.group14(self.files["DG14"]))
        except (EmrtdError, KeyError):
            return False


class ChipReader(Protocol):
    """Whatever holds a chip: a reader on a desk, a chip in software."""

    def read(self, password: Password, wanted: Sequence[str] = WANTED) -> Read:
        """Opens the chip and reads the wanted files that it has. Raises `EmrtdError`."""
        ...


class Terminal:
    """A `ChipReader` over a way to send commands. For one chip, once."""

    def __init__(self, transmit: Transmit, *, random: Random = secrets.token_bytes) -> None:
        self._transmit = transmit
        self._random = random
        self._channel: Channel | None = None
        self._said = 0

    def read(self, password: Password, wanted: Sequence[str] = WANTED) -> Read:
        """See `ChipReader`."""
        offered = self._card_access()
        info = access.chosen(offered)
        opened: Literal["pace", "bac"] = "bac"
        if info is not None:
            self._pace(info, password)
            opened = "pace"
        self._say(Command(SELECT, 0x04, 0x0C, APPLICATION))
        if info is None:
            self._bac(password)
        files: dict[str, bytes] = {}
        for name in wanted:
            data = self._file(lds.FILES[name])
            if data is not None:
                files[name] = data
        return Read(files=files, opened=opened, offered=offered)

    def _card_access(self) -> tuple[access.PaceInfo, ...]:
        """What EF.CardAccess offers; nothing where the chip has none, in whatever words it says so."""
        data = self._file(lds.CARD_ACCESS, optional=True)
        return () if data is None else access.card_access(data)

    def _bac(self, password: Password) -> None:
        theirs = self._say(Command(CHALLENGE, expected=bac.NONCE))
        if len(theirs) != bac.NONCE:
            raise EmrtdError("malformed", "a challenge of another length")
        own, secret = self._random(bac.NONCE), self._random(bac.SECRET)
        told = bac.said(password, own, theirs, secret)
        nonce, other = bac.heard(password, self._say(Command(EXTERNAL, data=told, expected=40), "access"), own)
        if nonce != theirs:
            raise EmrtdError("access", "the chip answers another exchange")
        self._channel = bac.channel((own, secret), (theirs, other))

    def _pace(self, info: access.PaceInfo, password: Password) -> None:
        side = pace.Side(info, password, self._random)
        asked = tlv.encode(0x80, info.oid) + tlv.encode(0x83, bytes([password.reference]))
        self._say(Command(MANAGE, 0xC1, 0xA4, asked + tlv.encode(0x84, bytes([info.parameter or 0]))))
        nonce = side.decrypted(self._general(None, b"", pace.ENCRYPTED_NONCE))
        side.mapped(nonce, self._general(pace.MAP_TERMINAL, side.drawn(), pace.MAP_CHIP))
        side.agreed(self._general(pace.KEY_TERMINAL, side.drawn(), pace.KEY_CHIP))
        side.check(self._general(pace.TOKEN_TERMINAL, side.token(), pace.TOKEN_CHIP, last=True))
        self._channel = side.channel()

    def _general(self, tag: int | None, value: bytes, wanted: int, *, last: bool = False) -> bytes:
        """One step of GENERAL AUTHENTICATE: our object, theirs."""
        data = tlv.encode(pace.DYNAMIC, b"" if tag is None else tlv.encode(tag, value))
        command = Command(GENERAL, data=data, expected=256, cla=0 if last else CHAINED)
        return tlv.first(tlv.only(self._say(command, "access" if last else "chip"), pace.DYNAMIC), wanted)

    def _file(self, identifier: int, *, optional: bool = False) -> bytes | None:
        """A whole file; None where the chip has none of this identifier (`optional`: or does not give it)."""
        _, status = self._exchange(Command(SELECT, 0x02, 0x0C, identifier.to_bytes(2, "big")))
        if status == NO_FILE or (optional and status != OK):
            return None
        if status != OK:
            raise EmrtdError("chip", f"a file that cannot be selected: {status:04X}")
        data = self._part(0, 8)
        _, before, length = tlv.head(data + bytes(8))
        whole = before + length
        if whole > lds.MAX_FILE:
            raise EmrtdError("too-large", f"a file of more than {lds.MAX_FILE} bytes")
        parts, have = [data], len(data)
        while have < whole:
            more = self._part(have, min(CHUNK, whole - have))
            parts.append(more)
            have += len(more)
        return b"".join(parts)[:whole]

    def _part(self, at: int, count: int) -> bytes:
        if at <= NEAR:
            data = self._say(Command(READ, at >> 8, at & 0xFF, expected=count))
        else:
            place = tlv.encode(0x54, at.to_bytes(4, "big").lstrip(b"\0"))
            # Room for the object that the bytes come back in.
            data = tlv.only(self._say(Command(READ_FAR, data=place, expected=min(count, CHUNK - 4) + 4)), 0x53)
        if not 1 <= len(data) <= count:
            raise EmrtdError("chip", "a part of a file that is empty, or longer than was asked for")
        return data

    def _say(self, command: Command, why: Literal["chip", "access"] = "chip") -> bytes:
        data, status = self._exchange(command)
        if status not in {OK, SHORTER}:
            raise EmrtdError(why, f"the chip refuses: {status:04X}")
        return data

    def _exchange(self, command: Command) -> tuple[bytes, int]:
        self._said += 1
        if self._said > MAX_COMMANDS:
            raise EmrtdError("chip", f"a chip that was not read after {MAX_COMMANDS} commands")
        if self._channel is None:
            return answer(self._transmit(command.encode()))
        return answer(self._channel.open(self._transmit(self._channel.protect(command))))
