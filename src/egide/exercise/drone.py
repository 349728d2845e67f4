"""A drone of the exercise: an aircraft on a flight, its camera and its telemetry, and the truth to check against."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av

from egide.exercise.camera import Camera
from egide.exercise.flight import Flight, circuit, read_perimeter
from egide.exercise.ground import Ground
from egide.exercise.painting import cached_ground
from egide.exercise.town import GROUND_ALT, Town
from egide.exercise.traffic import Traffic
from egide.protocols import klv
from egide.protocols.geodesy import Pose, Position

SIZE = (1280, 720)
FPS = 30
MARKING = klv.encode_security(
    klv.Security(classification=1, coding=2, country="//FRA", object_coding=2, object_countries="FIN", version=12)
)
"""The security marking of its pictures (MISB ST 0102): unclassified, French, of Helsinki."""
LATE = 0.5
"""Seconds behind its clock after which a drone leaves pictures out rather than lag."""


class Tick(NamedTuple):
    """One picture due: its number since the start, seconds of flight, microseconds of UTC."""

    number: int
    t: float
    epoch_us: int


class Drone:
    """A named aircraft. ``takeoff`` (microseconds of UTC) ties its flight's time 0 to the world's clock.

    With ``takeoff`` and ``flight`` anyone can recompute where it was: they are printed when it starts.
    """

    def __init__(
        self, name: str, tail: str, flight: Flight, ground: Ground, town: Town, *, size: tuple[int, int] = SIZE,
        fps: int = FPS, traffic: bool = True, with_barcode: bool = False, takeoff: int | None = None,
    ) -> None:  # fmt: skip
        if not 1 <= fps <= 60:
            raise ValueError("a drone sends 1 to 60 pictures a second")
        self.name, self.tail, self.flight, self.fps = name, tail, flight, fps
        self.takeoff = time.time_ns() // 1000 if takeoff is None else takeoff
        moving = Traffic(town, ground) if traffic else None
        self.camera = Camera(ground, size, traffic=moving, label=f"EXERCISE {tail}", with_barcode=with_barcode)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures."""
        return self.camera.size

    def since(self, epoch_us: int) -> float:
        """Seconds of flight at a moment of UTC, as a packet of telemetry gives it."""
        return (epoch_us - self.takeoff) / 1e6

    def pose(self, t: float) -> Pose:
        """Where it is and looks at ``t`` seconds of flight."""
        return self.flight.at(t)

    def picture(self, t: float) -> av.VideoFrame:
        """The picture at ``t`` seconds of flight, with its moment burnt in."""
        return self.camera.render(self.flight.at(t), t, self.takeoff + round(t * 1e6))

    def telemetry(self, t: float) -> bytes:
        """The ST 0601 packet that belongs to that picture: the true pose, the frame centre and the corners."""
        frame = klv.frame_of(self.flight.at(t), self.takeoff + round(t * 1e6), mission="EXERCISE", tail=self.tail)
        frame.designation, frame.image_source, frame.coordinate_system = self.name, "EO", "Geodetic WGS84"
        frame.ground_speed, frame.security = round(self.flight.speed), MARKING
        return klv.encode(frame)

    def truth(self, u: float, v: float, t: float) -> Position | None:
        """The place on the ground that pixel (u, v), in 0..1, shows at ``t``; None for the sky."""
        return self.flight.at(t).pixel_to_ground(u, v)

    def depart(self, t: float, *, beyond: float = 60.0, stay: float = 20.0) -> None:
        """Leave the perimeter from ``t`` seconds of flight on (see Flight.depart)."""
        self.flight = self.flight.depart(t, beyond=beyond, stay=stay)

    def ticks(self, stop: threading.Event, seconds: float | None = None) -> Iterator[Tick]:
        """The pictures due, in real time, until ``stop`` is set or ``seconds`` have passed.

        A drone that falls behind by more than LATE leaves numbers out, so that its pictures are never old.
        """
        begin = time.monotonic()
        number = 0
        while not stop.is_set() and (seconds is None or number < seconds * self.fps):
            wait = begin + number / self.fps - time.monotonic()
            if wait > 0 and stop.wait(wait):
                return
            if wait < -LATE:
                number += int(-wait * self.fps)
            epoch_us = time.time_ns() // 1000
            yield Tick(number, self.since(epoch_us), epoch_us)
            number += 1


def make_drone(
    cache: Path, name: str = "Exercise 1", tail: str = "F-ZEG1", *, perimeter: Path | None = None, phase: float = 0.0,
    size: tuple[int, int] = SIZE, fps: int = FPS, with_barcode: bool = False, takeoff: int | None = None,
) -> Drone:  # fmt: skip
    """A drone over the exercise's town, on a circuit inside ``perimeter`` (a GeoJSON file) or inside the whole extract.

    TownError when there is no town, FlightError when no circuit fits.
    """
    ground, town = cached_ground(cache)
    area = read_perimeter(perimeter) if perimeter else town.perimeter()
    flight = circuit(area, ground_alt=GROUND_ALT, phase=phase)
    return Drone(name, tail, flight, ground, town, size=size, fps=fps, with_barcode=with_barcode, takeoff=takeoff)
