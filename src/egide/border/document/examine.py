"""A document examined whole: opened with what was read from its page, its data proved, its page compared with its chip.

Two questions besides passive authentication's own: whether the page says what the chip says (a page exchanged, a chip of
another document), and whether DG14 states the ways that EF.CardAccess offered (somebody in between who makes both sides agree
on less). Each is answered, or is not checkable: never a bare yes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from egide.border.document.zone import Reading
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import of_zone
from egide.protocols.emrtd.passive import Limits, Passive, State, authenticate
from egide.protocols.emrtd.reader import ChipReader, Read
from egide.protocols.emrtd.trust import Trust
from egide.protocols.mrz import Mrz

# What the page and the chip must say alike. Names are not among them: on the page they have no check digit.
COMPARED = ("code", "state", "number", "nationality", "birth", "expiry")


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `files` are the chip's as they came: for the portrait, once the verdict is known."""

    passive: Passive
    page: State  # the page says what the chip says
    offer: State  # DG14 states what EF.CardAccess offered; not checkable where the chip was opened by basic access
    files: dict[str, bytes]

    @property
    def verdict(self) -> Literal["proved", "refuted", "open"]:
        """`refuted` where any answer is no; `open` where one is missing. A chip without PACE is none the worse."""
        if self.passive.verdict == "refuted" or "failed" in {self.page, self.offer}:
            return "refuted"
        return self.passive.verdict if self.page == "ok" else "open"


def examine(
    connect: Callable[[], ChipReader], seen: Reading, trust: Trust, at: int, limits: Limits | None = None
) -> Examined:
    """Opens the chip with the zone that was seen, or else with what it may as well have been; `at` in s since 1970.

    `connect` gives a fresh way to the chip for each try. Raises `EmrtdError`: `access` where nothing opens it, or what the
    chip answers instead.
    """
    if seen.mrz is None:
        raise EmrtdError("access", "nothing to open the chip with was read")
    read, page = _opened(connect, (seen.mrz, *seen.others))
    passive = authenticate(read.files, trust, at, limits)
    return Examined(passive=passive, page=_compared(page, passive.zone), offer=_offer(read), files=read.files)


def _opened(connect: Callable[[], ChipReader], zones: tuple[Mrz, ...]) -> tuple[Read, Mrz]:
    for zone in zones:
        try:
            return connect().read(of_zone(zone)), zone
        except EmrtdError as error:
            if error.why != "access":
                raise
    raise EmrtdError("access", "the chip opens to nothing that was read from the page")


def _compared(page: Mrz, chip: Mrz | None) -> State:
    if chip is None:
        return "not-checkable"
    return "ok" if all(getattr(page, name) == getattr(chip, name) for name in COMPARED) else "failed"


def _offer(read: Read) -> State:
    if read.opened == "bac" or read.confirmed is None:
        return "not-checkable"
    return "ok" if read.confirmed else "failed"
