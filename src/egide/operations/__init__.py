"""Operations (terrain): live video and maps on officers' terminals, under an order, until the order ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.capability import Capability

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


async def _start(kernel: Kernel) -> None:
    from egide.operations.start import start  # noqa: PLC0415 — numpy, av and shapely load while the server already listens

    await start(kernel)


async def _stop(kernel: Kernel) -> None:
    from egide.operations.start import stop  # noqa: PLC0415 — as above

    await stop(kernel)


def capability() -> Capability:
    """The capability."""
    from egide.operations import (  # noqa: PLC0415 — only a platform that starts needs them
        alerts,
        archive,
        briefs,
        cameras,
        drawings,
        drones,
        duty,
        erasing,
        examining,
        exchange,
        geofences,
        incident_log,
        incident_steps,
        incident_views,
        incidents,
        missions,
        picture,
        procedure,
        pushes,
        recordings,
        requests,
        rights,
        rtsp_out,
        source,
        steering,
        tables,
        tasks,
        terminals,
        tracks,
        vehicles,
        watching,
    )
    from egide.operations.map import pieces  # noqa: PLC0415 — as above
    from egide.operations.tak import acts as tak_stream  # noqa: PLC0415 — as above
    from egide.operations.tak import data as tak_data  # noqa: PLC0415 — as above

    rooms = (
        source, missions, cameras, watching, recordings, picture, alerts, incidents, requests, incident_views, incident_steps, tasks, drawings, briefs, exchange, duty, vehicles, geofences, terminals,
        procedure, pieces, pushes, drones, steering, examining, rtsp_out, tak_stream, tak_data,
    )  # fmt: skip
    return Capability(
        name="operations",
        package="egide.operations",
        acts=tuple(declared for room in rooms for declared in room.ACTS),
        tables=tables.metadata,
        listeners={**pushes.LISTENERS, **requests.LISTENERS},
        erasers={
            archive.CATEGORY: archive.erase,
            alerts.CATEGORY: alerts.erase,
            incident_log.CATEGORY: erasing.incident,
            tasks.CATEGORY: erasing.mission_work,
            tracks.CATEGORY: tracks.erase,
            geofences.CATEGORY: geofences.erase,
            **tak_data.ERASERS,
        },
        removers={archive.CATEGORY: archive.remove, **tak_data.REMOVERS},
        rights=rights.check,
        start=_start,
        stop=_stop,
    )
