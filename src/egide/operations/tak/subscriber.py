"""One client as the router sees it: what it may hear, what it says of itself, and what waits for it when its link is slow.

While its socket takes bytes, what is due goes straight into it. While it does not, the newest position of each thing waits, chats
and other one-shot events wait in order; past a bound the client is let go, and how much it missed is logged.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from egide.protocols import cot

if TYPE_CHECKING:
    from egide.operations.tak.identity import TakDevice
    from egide.protocols.cot import CotEvent

MAX_WAITING = 5_000  # events
MAX_WAITING_BYTES = 8 * 1024 * 1024  # bytes


class Outlet(Protocol):
    """The way to a client's socket."""

    def write(self, data: bytes) -> None:
        """Takes bytes; never blocks."""

    def may_write(self) -> bool:
        """Whether its right to hear stands at this moment."""

    def cut(self, why: str) -> None:
        """Ends the connection; `why` is a key of `words.CUTS`."""


@dataclass(slots=True, eq=False)
class Routed:
    """An event under way, encoded once for each form it is sent in."""

    event: CotEvent
    mask: int  # whom it may reach
    source: Subscriber | None
    key: Hashable  # the newest of a key replaces the one before it
    _xml: bytes = b""
    _proto: bytes = b""

    def data(self, *, proto: bool) -> bytes:
        """The bytes for a client of this form."""
        if proto:
            if not self._proto:
                self._proto = cot.frame(cot.to_payload(self.event))
            return self._proto
        if not self._xml:
            self._xml = cot.DECLARATION + self.event.raw
        return self._xml


@dataclass(slots=True, eq=False)
class Subscriber:
    """A connected client. `send` and `receive` are the compiled filter (bits of groups)."""

    device: TakDevice
    outlet: Outlet
    groups: frozenset[str] = frozenset()
    send: int = 0
    receive: int = 0
    proto: bool = False
    slow: bool = False  # its socket takes nothing more for now
    uid: str = ""
    callsign: str = ""
    team: str = ""
    role: str = ""
    takv: str = ""
    heard_ms: int = 0
    received: int = 0
    delivered: int = 0
    replaced: int = 0  # positions that a newer one took the place of while they waited
    refused: dict[str, int] = field(default_factory=dict)
    _waiting: dict[Hashable, Routed] = field(default_factory=dict)
    _waiting_bytes: int = 0

    def write(self, data: bytes, count: int) -> None:
        """Sends what holds so many events."""
        self.delivered += count
        self.outlet.write(data)

    @property
    def waits(self) -> bool:
        """Whether what is due must wait: its socket is full, or its lease is about to be decided again."""
        return self.slow or not self.outlet.may_write()

    def keep(self, many: Iterable[Routed]) -> None:
        """Keeps for later; lets the client go when it is too far behind."""
        for routed in many:
            before = self._waiting.pop(routed.key, None)
            if before is not None:
                self._waiting_bytes -= len(before.event.raw)
                self.replaced += 1
            self._waiting[routed.key] = routed
            self._waiting_bytes += len(routed.event.raw)
        if len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            self.outlet.cut("slow")

    def catch_up(self) -> int:
        """Its socket takes bytes again: sends what waited; how many events that was."""
        many, self._waiting, self._waiting_bytes = list(self._waiting.values()), {}, 0
        if many:
            self.write(b"".join(routed.data(proto=self.proto) for routed in many), len(many))
        return len(many)

    @property
    def waiting(self) -> int:
        """Events that wait for it."""
        return len(self._waiting)
