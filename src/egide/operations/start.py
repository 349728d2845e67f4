"""What operations starts with the platform: the relay, the positions' clock, the town's map, and what listens to changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from egide.operations import pushes, rtsp_out, tables, vehicles
from egide.operations.board import Board
from egide.operations.fences import Fences
from egide.operations.fleet import Fleet
from egide.operations.hands import Hands
from egide.operations.incident_desk import Desk
from egide.operations.map.build import describe
from egide.operations.map.style import Theme, style
from egide.operations.relay import Relay, push_picture
from egide.operations.shifts import Shifts
from egide.operations.source import spec_of
from egide.operations.tak import data as tak_data
from egide.operations.tak import running as tak_stream
from egide.operations.telemetry import RECEIVER

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

ARCHIVE = "town.pmtiles"
CHANGES = frozenset(
    {
        "camera.started",
        "camera.stopped",
        "order.signed",
        "order.ended",
        "recording.stopped",
        "right.changed",
        "roster.changed",
        "source.changed",
    }
)
THEMES: dict[str, Theme] = {"day": "day", "night": "night", "red-night": "red-night"}


async def start(kernel: Kernel) -> None:
    """Starts the running side of operations."""
    runtime = Relay(kernel)
    kernel.things["relay"] = runtime
    runtime.positions.start()
    board = Board(kernel)
    kernel.things["alerts"] = board
    board.start()
    desk = Desk(kernel)
    kernel.things["incidents"] = desk
    desk.start()
    kernel.bus.watch(lambda name, _payload: push_picture(kernel) if name in CHANGES else None)
    kernel.things["shifts"] = Shifts(kernel)
    kernel.things["shifts"].start()
    vehicles.load(kernel)
    kernel.bus.watch(lambda name, payload: vehicles.changed(kernel, name, payload))
    kernel.things["fences"] = Fences(kernel)
    kernel.things["fences"].start()
    kernel.bus.watch(lambda name, _payload: listen(kernel, runtime) if name == "source.changed" else None)
    hands = Hands(kernel)
    kernel.things["hands"] = hands
    kernel.bus.watch(hands.heard)
    fleet = Fleet(kernel, runtime)
    kernel.things["fleet"] = fleet
    await fleet.start()
    kernel.on_leaving.append(fleet.release)
    await pushes.start(kernel)
    publish_map(kernel, kernel.settings.folder / "map" / ARCHIVE)
    listen(kernel, runtime)
    await rtsp_out.start(kernel)
    await tak_stream.start(kernel)
    await tak_data.start(kernel)  # after the router that its events come from


async def stop(kernel: Kernel) -> None:
    """Stops it, in the reverse order."""
    await tak_data.stop(kernel)
    await tak_stream.stop(kernel)
    await rtsp_out.stop(kernel)
    await kernel.things["fleet"].stop()
    await kernel.things["fences"].stop()
    await kernel.things["shifts"].stop()
    await kernel.things["relay"].close()


def listen(kernel: Kernel, runtime: Relay) -> None:
    """Listens to the declared receivers of remote identification, whichever process they were declared through."""
    table = tables.source
    declared = select(table).where(table.c.kind == RECEIVER, table.c.removed.is_(None))
    specs = [spec_of(kernel, row) for row in kernel.store.reader().execute(declared).all()]
    runtime.telemetry.receivers({spec.id: (spec.url, spec.secret) for spec in specs})


def publish_map(kernel: Kernel, archive: Path) -> None:
    """Declares the map's archive and styles as open-class files; without an archive the console draws on an empty ground."""
    if archive.exists():
        info = describe(archive)
        kernel.public[ARCHIVE] = archive
        kernel.things["map"] = {
            "pmtiles": f"/map/{ARCHIVE}", "center": list(info.center), "zoom": info.zoom, "bounds": list(info.bounds),
            "attribution": info.attribution,
        }  # fmt: skip

    def styled(query: Mapping[str, str]) -> bytes:
        theme = THEMES.get(query.get("theme", ""), "day")
        return msgspec.json.encode(
            style(f"/map/{ARCHIVE}", theme=theme, language="en" if query.get("lang") == "en" else "fr")
        )

    kernel.public["style.json"] = styled
