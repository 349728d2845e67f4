"""Officers whose device speaks to another process: their places are on the picture here all the same.

Whoever takes a fix tells the others, ten times a second at most and the newest of each officer only; and all there is every two
seconds, for what was lost and for whoever has just started. What is told is shown only of a shift that runs *here* too
(shifts.py), so that nothing told late brings back somebody who went off duty; the officer's own record is written where the fix
was taken, and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from egide.kernel.ephemeral import MAX
from egide.protocols.positions import Fix

if TYPE_CHECKING:
    from egide.kernel.ephemeral import Ephemeral

TOPIC = "operations.places"
TELL_S = 0.1  # s between two messages
AGAIN_S = 2.0  # s between two tellings of all there is
EACH = 160  # bytes one place takes at most: two ids of up to 32 characters, numbers, the frame around them
MANY = MAX // EACH  # places in one message


class Place(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The newest fix of a shift, as another process took it."""

    person: str
    duty: str
    vehicle: str | None
    fix: Fix


class Elsewhere:
    """Tells the other processes, and hears them."""

    def __init__(
        self, ephemeral: Ephemeral, show: Callable[[Place], None], everyone: Callable[[], Iterator[Place]]
    ) -> None:
        self._ephemeral, self._show, self._everyone = ephemeral, show, everyone
        self._waiting: dict[str, Place] = {}  # by person; the newest
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._encoder, self._decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(list[Place])

    def start(self) -> None:
        """Listens, and tells from now on."""
        self._ephemeral.hear(TOPIC, self._heard)
        self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._all)

    def stop(self) -> None:
        """Tells nothing any more."""
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()

    def tell(self, place: Place) -> None:
        """A fix was taken here."""
        self._waiting[place.person] = place
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_S, self._send)

    def _all(self) -> None:
        self._say(self._everyone(), always=True)
        self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._all)

    def _send(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        self._say(iter(waiting.values()))

    def _say(self, places: Iterator[Place], *, always: bool = False) -> None:
        while part := list(islice(places, MANY)):
            self._ephemeral.say(TOPIC, self._encoder.encode(part), always=always)

    def _heard(self, content: bytes) -> None:
        for place in self._decoder.decode(content):
            self._show(place)
