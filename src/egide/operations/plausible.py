"""Which positions of a moving thing can be true: on Earth, not of the future, not a thousand kilometres from the one before.

Why here and not in the codecs: a position is impossible only beside another one and a clock, and one wrong place sends help to
the wrong street. What is refused is counted and told where it comes from. A real jump (a receiver that had been wrong until now)
is believed once the sender has stayed near its new place for as many positions in a row as its `Limits` ask.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal, NamedTuple

from egide.protocols.geodesics import distance
from egide.protocols.positions import on_earth

Fault = Literal["off-earth", "future", "early", "jump"]


class Limits(NamedTuple):
    """What can be true of one kind of sender."""

    ahead_us: int  # µs that its clock may be ahead of ours
    fastest: float  # m/s
    slack: float  # m that two of its positions may differ at once
    agreeing: int  # positions in a row that must agree after a jump
    own_clock: bool = False  # speeds are measured by the sender's clock: its positions come in batches


# Ours where no source is named: what such receivers and clocks were seen to do, rounded up.
OFFICER: Final = Limits(
    ahead_us=5_000_000,  # phones keep network time
    fastest=100.0,  # a TGV runs 320 km/h, 89 m/s
    slack=500.0,  # among tall buildings
    agreeing=2,  # one a second, and the first may have been the wrong one
    own_clock=True,
)
AIRCRAFT: Final = Limits(
    ahead_us=60_000_000,  # an autopilot without network time
    fastest=350.0,  # the speed of sound at sea level is 340 m/s (ICAO Doc 7488); no aircraft of these services passes it
    slack=1_000.0,  # a satellite receiver that starts
    agreeing=10,  # two seconds at five a second
)
TAK: Final = Limits(
    ahead_us=300_000_000,  # field devices whose clock was set by hand
    fastest=1_000.0,  # partners' aircraft too: the fastest that breathes air flew 980 m/s (FAI record, 1976)
    slack=5_000.0,  # a place that comes from a radio mast
    agreeing=3,
)
METRES_A_DEGREE: Final = 112_000.0
"""No degree of latitude or longitude is longer (WGS84: 111,694 m, a degree of latitude at the poles)."""


class Plausible:
    """The last place believed of one thing, and what was refused since, by fault."""

    __slots__ = ("_agree", "_last", "_limits", "_other", "refused")

    def __init__(self, limits: Limits) -> None:
        self.refused: Counter[str] = Counter()
        self._limits = limits
        self._last: tuple[float, float, int] | None = None
        self._other: tuple[float, float, int] | None = None  # the last place that was too far
        self._agree = 0

    def judge(self, lat: float, lon: float, now_us: int, said_us: int | None = None, since_us: int = 0) -> Fault | None:
        """None when the place (degrees) may be true. `said_us`: the sender's time; what it dates before `since_us` is early."""
        fault = self._fault(lat, lon, now_us, said_us, since_us)
        if fault is not None:
            self.refused[fault] += 1
        return fault

    def believe(self, lat: float, lon: float, at_us: int) -> None:
        """A place that was judged elsewhere and held true."""
        self._last, self._other, self._agree = (lat, lon, at_us), None, 0

    def copy(self) -> Plausible:
        """The same knowledge, to try something on."""
        made = Plausible(self._limits)
        made._last, made._other, made._agree = self._last, self._other, self._agree
        return made

    def doubt(self, lat: float, lon: float, at_us: int) -> None:
        """A place that was refused elsewhere as too far, though the next may agree with it."""
        self._other, self._agree = (lat, lon, at_us), 1

    def _fault(self, lat: float, lon: float, now_us: int, said_us: int | None, since_us: int) -> Fault | None:
        if not on_earth(lat, lon) or lat == lon == 0:  # zeros are what a receiver without a fix says
            return "off-earth"
        if said_us is not None and said_us > now_us + self._limits.ahead_us:
            return "future"
        if said_us is not None and said_us < since_us:
            return "early"
        here = (lat, lon, said_us if self._limits.own_clock and said_us is not None else now_us)
        if self._last is not None and not self._reachable(self._last, here):
            near = self._other is not None and self._reachable(self._other, here)
            self._agree = self._agree + 1 if near else 1
            self._other = here
            if self._agree < self._limits.agreeing:
                return "jump"
        self._last, self._other, self._agree = here, None, 0
        return None

    def _reachable(self, before: tuple[float, float, int], after: tuple[float, float, int]) -> bool:
        """Whether one can get there in the time between; cheap where it is plain."""
        room = self._limits.slack + self._limits.fastest * abs(after[2] - before[2]) / 1e6
        if (abs(after[0] - before[0]) + abs(after[1] - before[1])) * METRES_A_DEGREE <= room:
            return True
        return distance(before[:2], after[:2]) <= room
