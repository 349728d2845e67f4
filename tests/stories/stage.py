"""What every story plays on: the platform as its own process, and a drone flown here, so that the truth is at hand."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from shapely.geometry import mapping

from egide.exercise.broadcast import broadcast
from egide.exercise.drone import Drone, make_drone
from egide.exercise.people import Person
from egide.exercise.story import Aircraft, Scene, clear, set_scene
from egide.exercise.town import town_file
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SIZE, FPS = (
    (960, 540),
    15,
)  # enough to aim in; leaves the cores to the browser, which draws and decodes in software here
START_S = 90.0  # s the platform may take to answer


def egide(*words: str) -> list[str]:
    return [sys.executable, "-m", "egide", *words]


# The platform reads its settings from EGIDE_…: none of the tests' own may reach it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("EGIDE_")}
ENVIRONMENT |= {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}


@dataclass
class Stage:
    """The platform's address, the drone, where its datagrams go, and what the platform said."""

    base: str
    drone: Drone
    udp: int
    said: Path
    process: asyncio.subprocess.Process

    @property
    def perimeter(self) -> dict[str, Any]:
        return dict(mapping(self.drone.flight.perimeter))

    async def scene(self) -> Scene:
        """What earlier scenes left is cleared; an order is signed, a mission opened, the drone's camera started."""
        middle = self.drone.flight.perimeter.centroid
        aircraft = Aircraft(
            "Drone 1", self.drone.tail, f"udp://127.0.0.1:{self.udp}", (middle.y, middle.x), self.perimeter
        )
        return await set_scene(self.base, [aircraft])

    async def clear(self) -> None:
        """The scene is over: the drone's port is free for another platform."""
        await clear(self.base)

    async def person(self, persona: str) -> Person:
        """A persona with a session of its own, to act without a browser."""
        person = Person(self.base, persona)
        await person.enter()
        return person

    def off_by(self, u: float, v: float, moment: str, lat: float, lon: float) -> float:
        """Metres between a place and what pixel (u, v) truly showed at that moment of telemetry (ISO 8601)."""
        at = self.drone.since(round(datetime.fromisoformat(moment).timestamp() * 1e6))
        truth = self.drone.truth(u, v, at)
        assert truth is not None, "that pixel is the sky"
        return metres(truth.lat, truth.lon, lat, lon)

    def reports(self) -> list[str]:
        """The CSP reports that browsers sent to the platform, from its log."""
        return [line for line in self.said.read_text("utf-8").splitlines() if "CSP report" in line]

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 15)


def metres(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Between two places some hundreds of metres apart, on a sphere of the earth's mean radius."""
    north = math.radians(lat2 - lat1)
    east = math.radians(lon2 - lon1) * math.cos(math.radians((lat1 + lat2) / 2))
    return 6_371_008.8 * math.hypot(north, east)


async def platform(folder: Path, drone: Drone, udp: int, *words: str, **settings: str) -> Stage:
    """`egide map build`, then `egide serve --demo` (and `words`), as an operator would type them, with these settings."""
    data, port, said = folder / "data", free_port(), folder / "platform.log"
    with said.open("wb") as log:
        built = await asyncio.create_subprocess_exec(
            *egide("map", "build", str(town_file()), "--data", str(data)),
            env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
        assert await built.wait() == 0, f"the map was not built:\n{said.read_text('utf-8')}"
        process = await asyncio.create_subprocess_exec(
            *egide("serve", "--demo", "--data", str(data), "--port", str(port), *words),
            env=ENVIRONMENT | {f"EGIDE_{name.upper()}": value for name, value in settings.items()}, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    stage = Stage(f"http://localhost:{port}", drone, udp, said, process)
    assert process.stdout is not None
    told = await asyncio.wait_for(process.stdout.readline(), START_S)
    if not told:
        await stage.stop()
        raise AssertionError(f"the platform did not start:\n{said.read_text('utf-8')}")
    return stage


class Flying:
    """The drone in the air, on a thread of this process, from `with` to its end."""

    def __init__(self, cache: Path) -> None:
        self.drone = make_drone(cache, "Drone 1", "F-ZEG1", size=SIZE, fps=FPS)
        self.udp = free_port()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=broadcast, args=(self.drone, ("127.0.0.1", self.udp), self._stop), name="drone"
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
