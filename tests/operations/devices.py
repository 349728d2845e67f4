"""What the tests of positions share: fixes of a device, and what a terminal has on its map."""

from __future__ import annotations

from typing import Any

import numpy as np

from egide.operations.moving import RECORD
from egide.protocols.positions import GONE, HEADER, KIND, WHOLE, Fix
from tests.world import INSIDE, Terminal, World


def fixes(world: World, *places: tuple[float, float], every_s: float = 10.0) -> list[Fix]:
    """Fixes at these places, the last of them now."""
    now = world.clock.latest_us() // 1000
    count = len(places)
    return [
        Fix(lat, lon, 90.0, 4.0, now - round((count - 1 - n) * every_s * 1000)) for n, (lat, lon) in enumerate(places)
    ]


def told(given: list[Fix]) -> list[dict[str, Any]]:
    """Fixes as `operations.position.report` takes them."""
    return [{"lat": f.lat, "lon": f.lon, "heading": f.heading, "accuracy": f.accuracy, "at": f.at_ms} for f in given]


def near(steps: int = 1) -> list[tuple[float, float]]:
    """Places a few metres apart."""
    return [(INSIDE[0] + n * 1e-4, INSIDE[1]) for n in range(steps)]


async def on_duty(world: World, who: str = "officer", hours: float = 8) -> str:
    """The shift of who goes on duty."""
    begun = await world.act(who, "operations.duty.begin", hours=hours, informed=True)
    return str(begun["duty"]["id"])


def seen(terminal: Terminal) -> dict[int, tuple[float, float]]:
    """What is on a terminal's map: number → place, as the page keeps it."""
    found: dict[int, tuple[float, float]] = {}
    for data in terminal.frames:
        kind, flags = HEADER.unpack_from(data)[:2]
        if kind != KIND:
            continue
        if flags & WHOLE:
            found.clear()
        for record in np.frombuffer(data, RECORD, offset=HEADER.size):
            number = int(record["number"])
            if record["flags"] & GONE:
                found.pop(number, None)
            else:
                found[number] = (int(record["lat"]) / 1e7, int(record["lon"]) / 1e7)
    return found


def names(terminal: Terminal) -> dict[int, str]:
    """The names a terminal was told."""
    return {
        each["number"]: each["id"]
        for push in terminal.pushed
        if push["push"] == "entities"
        for each in push["entities"]
    }


def on_map(terminal: Terminal, id_: str) -> tuple[float, float] | None:
    """Where an entity is on a terminal's map."""
    return next((place for number, place in seen(terminal).items() if names(terminal).get(number) == id_), None)
