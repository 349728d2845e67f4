"""What the rest of TAK asks of its neighbours: the stream, and the video output, which may be absent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from egide.operations.tak.router import Refusal
from egide.protocols.cot import CotError, CotEvent

if TYPE_CHECKING:
    from egide.kernel.door import Kernel
    from egide.operations.tak import router as streaming

log = logging.getLogger("egide.tak")

STREAM = "tak-stream"
OnEvent = Callable[[bytes, str, frozenset[str]], None]  # the event as XML, who sent it, in which groups


class Contact(Protocol):
    """A client that streams now, or did lately."""

    @property
    def uid(self) -> str:
        """What its application calls itself."""

    @property
    def callsign(self) -> str:
        """How others see it."""

    @property
    def team(self) -> str:
        """Its colour."""

    @property
    def role(self) -> str:
        """Its part in the team."""

    @property
    def takv(self) -> str:
        """Application and version."""

    @property
    def last_heard_us(self) -> int:
        """µs; when it was last heard."""

    @property
    def groups(self) -> frozenset[str]:
        """Its groups."""


class Router(Protocol):
    """The stream (`kernel.things[STREAM]`)."""

    on_event: list[OnEvent]

    def contacts(self) -> list[Contact]:
        """Who streams."""

    def publish(self, event: bytes, *, groups: frozenset[str], origin: str = "") -> None:
        """Hands an event to every client of these groups."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A client of the streaming router, as `Contact`."""

    uid: str
    callsign: str
    team: str
    role: str
    takv: str
    last_heard_us: int
    groups: frozenset[str]


class Ported:
    """The streaming router as `Router`: only what clients sent is told, by their device's id."""

    def __init__(self, stream: streaming.Router) -> None:
        self.on_event: list[OnEvent] = []
        self._stream = stream
        stream.on_event.append(self._heard)

    def contacts(self) -> list[Contact]:
        """Who streams."""
        return [
            Heard(each.uid, each.callsign, each.team, each.role, each.takv, each.heard_ms * 1000, each.groups)
            for each in self._stream.contacts()
        ]

    def publish(self, event: bytes, *, groups: frozenset[str], origin: str = "") -> None:
        """Hands an event to every client of these groups; one that cannot be passed on is said in the log."""
        try:
            self._stream.publish(event, groups=groups, origin=origin)
        except (CotError, Refusal) as error:
            log.info("an event of %s is not passed on: %s", origin or "the platform", error)

    def _heard(self, event: CotEvent, contact: streaming.Contact | None) -> None:
        if contact is not None:
            for each in self.on_event:
                each(event.raw, contact.device, contact.groups)


class VideoOut(Protocol):
    """Where players fetch live video (`kernel.things["video-out"]`)."""

    def address(self, deployment: str, person: str) -> str | None:
        """The address of a camera in service for this person's player; None where it cannot be played."""


def router(kernel: Kernel) -> Router | None:
    """The stream, where there is one."""
    found: Router | None = kernel.things.get(STREAM)
    return found


def video_out(kernel: Kernel) -> VideoOut | None:
    """The video output, where there is one."""
    found: VideoOut | None = kernel.things.get("video-out")
    return found
