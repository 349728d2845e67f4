"""Operations (terrain): live video and maps on officers' terminals, under an order, until the order ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.capability import Capability

if TYPE_CHECKING:
    from egide.kernel.door import Kernel


async def _start(kernel: Kernel) -> None:
    from egide.operations.start import start  # noqa: PLC0415 — numpy, av and shapely load while the server already listens

    await start(kernel)


async def _stop(kernel: Kernel) -> None:
    await kernel.things["fleet"].stop()
    await kernel.things["relay"].close()


def capability() -> Capability:
    """The capability."""
    from egide.operations import (  # noqa: PLC0415
        alerts,
        archive,
        cameras,
        drones,
        picture,
        recordings,
        rights,
        steering,
        tables,
        watching,
    )

    return Capability(
        name="operations",
        package="egide.operations",
        acts=(
            *cameras.ACTS,
            *watching.ACTS,
            *recordings.ACTS,
            *picture.ACTS,
            *alerts.ACTS,
            *drones.ACTS,
            *steering.ACTS,
        ),
        tables=tables.metadata,
        erasers={archive.CATEGORY: archive.erase, alerts.CATEGORY: alerts.erase},
        removers={archive.CATEGORY: archive.remove},
        rights=rights.check,
        start=_start,
        stop=_stop,
    )
