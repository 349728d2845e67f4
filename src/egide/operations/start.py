"""What operations starts with the platform: the relay, the positions' clock, the town's map, and what listens to changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from egide.operations import tables
from egide.operations.map.build import describe
from egide.operations.map.style import Theme, style
from egide.operations.relay import Relay, push_picture

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

ARCHIVE = "town.pmtiles"
CHANGES = frozenset({"order.signed", "order.ended", "right.changed", "roster.changed"})
THEMES: dict[str, Theme] = {"day": "day", "night": "night", "red-night": "red-night"}


async def start(kernel: Kernel) -> None:
    """Starts the running side of operations."""
    runtime = Relay(kernel)
    kernel.things["relay"] = runtime
    runtime.positions.start()
    kernel.bus.watch(lambda name, _payload: push_picture(kernel) if name in CHANGES else None)
    await _clear(kernel)
    publish_map(kernel, kernel.settings.folder / "map" / ARCHIVE)


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


async def _clear(kernel: Kernel) -> None:
    """What ran in a process that is gone has ended: nobody watches or films through a dead process, and the ledger says so."""
    db, table = kernel.store.reader(), tables.deployment
    living = kernel.processes.alive(db)
    for (deployment,) in db.execute(
        select(table.c.id).where(table.c.ended.is_(None), table.c.process.not_in(living))
    ).all():
        given = msgspec.json.encode({"deployment": deployment})
        await kernel.perform("operations.camera.interrupted", given, kernel.system("operations-means"))
    for (watch,) in db.execute(
        select(tables.watch.c.id).where(tables.watch.c.closed.is_(None), tables.watch.c.process.not_in(living))
    ).all():
        given = msgspec.json.encode({"watch": watch, "why": "interrupted"})
        await kernel.perform("operations.watch.end", given, kernel.system("aerial-surveillance-log"))
