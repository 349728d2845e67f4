"""What the rest of TAK asks of its neighbours: the streaming router, and the video output. Either may be absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


class Event(Protocol):
    """An event that is passed on."""

    @property
    def raw(self) -> bytes:
        """Its XML, from `<event` to `</event>`, as it came."""


class Contact(Protocol):
    """A client that streams and has said who it is."""

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
    def heard_ms(self) -> int:
        """ms; when it was last heard."""

    @property
    def groups(self) -> frozenset[str]:
        """Its groups."""

    @property
    def device(self) -> str:
        """The enrolled device it speaks from."""


OnEvent = Callable[[Event, Contact | None], None]  # an event that is passed on, who sent it (None: the platform)


class Router(Protocol):
    """The streaming router (`kernel.things["tak"]`)."""

    on_event: list[OnEvent]
    mission_groups: Callable[[str], frozenset[str]]  # which groups a mission's name stands for in `<dest mission="…">`

    def contacts(self) -> list[Contact]:
        """Who streams."""

    def publish(self, event: bytes, *, groups: frozenset[str], origin: str = "") -> None:
        """Hands an event to every client of these groups; raises where the event is none, or speaks for somebody else's thing."""


class VideoOut(Protocol):
    """Where players fetch live video (`kernel.things["video-out"]`)."""

    def address(self, deployment: str, person: str) -> str:
        """The address of a camera in service for this person's player."""


def router(kernel: Kernel) -> Router | None:
    """The router, where streaming is on."""
    found: Router | None = kernel.things.get("tak")
    return found


def video_out(kernel: Kernel) -> VideoOut | None:
    """The video output, where there is one."""
    found: VideoOut | None = kernel.things.get("video-out")
    return found
