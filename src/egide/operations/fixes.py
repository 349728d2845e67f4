"""Whether a fix can be true: on the Earth, not from the future, not a thousand kilometres from the one before.

Why: one wrong fix sends help to the wrong street. What cannot be true is refused where it comes from, with the reason, and
nobody else sees it. A device whose *first* fix was the wrong one is believed again as soon as two in a row agree.
"""

from __future__ import annotations

from egide.kernel.errors import Text
from egide.protocols.geodesics import distance
from egide.protocols.positions import Fix, on_earth

AHEAD_MS = 5_000  # ms a device's clock may be ahead of ours
GROUND_M_S = 100.0  # m/s: 360 km/h, faster than any patrol car
AIR_M_S = 700.0  # m/s: faster than any aircraft that films
TOLERANCE_M = 500.0  # m a fix among tall buildings may be off

FUTURE = Text(
    "Position datée du futur : mettez le terminal à l’heure.", "A position from the future: set the device’s clock."
)
NOWHERE = Text("Position hors de la Terre.", "A position off the Earth.")
JUMP = Text(
    "Position trop loin de la précédente : elle n’est pas montrée.",
    "Too far from the position before it: it is not shown.",
)
EARLY = Text("Position d’avant la prise de service.", "A position from before the shift.")


class Plausible:
    """What is known of one source of fixes."""

    __slots__ = ("_doubtful", "_fastest", "last")

    def __init__(self, fastest_m_s: float = GROUND_M_S) -> None:
        self._fastest = fastest_m_s
        self.last: Fix | None = None
        self._doubtful: Fix | None = None

    def refuses(self, fix: Fix, now_ms: int, since_ms: int = 0) -> Text | None:
        """Why this fix is not believed; None where it is, and is the newest from now on."""
        if not on_earth(fix.lat, fix.lon):
            return NOWHERE
        if fix.at_ms > now_ms + AHEAD_MS:
            return FUTURE
        if fix.at_ms < since_ms:
            return EARLY
        if self.last is not None and not self._reached(self.last, fix):
            doubtful, self._doubtful = self._doubtful, fix
            if doubtful is None or not self._reached(doubtful, fix):
                return JUMP
        self.last, self._doubtful = fix, None
        return None

    def copy(self) -> Plausible:
        """The same knowledge, to try something on."""
        made = Plausible(self._fastest)
        made.last, made._doubtful = self.last, self._doubtful
        return made

    def doubt(self, fix: Fix) -> None:
        """A fix that was not believed, though the next may agree with it."""
        self._doubtful = fix

    def _reached(self, before: Fix, after: Fix) -> bool:
        seconds = abs(after.at_ms - before.at_ms) / 1000
        metres = distance((before.lat, before.lon), (after.lat, after.lon))
        return metres <= TOLERANCE_M + self._fastest * seconds
