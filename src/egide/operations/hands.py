"""Who turns a camera now: one person at a time, until some seconds after their last move.

Two people who turn one camera see nothing, neither of them. Nothing is stored: the hold is shorter than a restart, and other
processes learn of it by the event `camera.turned`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from egide.kernel.errors import Conflict, Text

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

TURNED = "camera.turned"
HOLD_S = 5  # s after the end of a move during which nobody else turns the camera


@dataclass(frozen=True, slots=True)
class Hold:
    """Whose the camera is, until when (µs)."""

    person: str
    until: int


class Hands:
    """The holds that this process knows of."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._holds: dict[str, Hold] = {}

    def free(self, deployment: str, person: str, now_us: int) -> None:
        """Raises `Conflict`, with the name, while somebody else turns the camera."""
        held = self._holds.get(deployment)
        if held is None or held.person == person or held.until <= now_us:
            return
        name = self._kernel.identity.name(held.person)
        raise Conflict(
            Text(f"{name} tourne cette caméra en ce moment.", f"{name} is turning this camera now."),
            Text(
                f"Parlez-lui, ou attendez {HOLD_S} s après son dernier mouvement.",
                f"Talk to them, or wait {HOLD_S} s after their last move.",
            ),
        )

    def take(self, deployment: str, person: str, now_us: int, until: int) -> None:
        """The camera is this person's until then; whose hold is over is forgotten. Raises `Conflict`."""
        self.free(deployment, person, now_us)
        self._holds = {each: hold for each, hold in self._holds.items() if hold.until > now_us}
        self._holds[deployment] = Hold(person, until)

    def heard(self, name: str, told: dict[str, Any]) -> None:
        """An event, of this process or another."""
        if name == TURNED:
            self._holds[told["deployment"]] = Hold(told["person"], told["until"])
