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
    from egide.operations import rtsp_out  # noqa: PLC0415 — as above

    await rtsp_out.stop(kernel)
    await kernel.things["fleet"].stop()
    await kernel.things["relay"].close()


def capability() -> Capability:
    """The capability."""
    from egide.operations import alerts, archive, cameras, picture, recordings, rights, rtsp_out, tables, watching  # noqa: PLC0415

    return Capability(
        name="operations",
        package="egide.operations",
        acts=(*cameras.ACTS, *watching.ACTS, *recordings.ACTS, *picture.ACTS, *alerts.ACTS, *rtsp_out.ACTS),
        tables=tables.metadata,
        erasers={archive.CATEGORY: archive.erase, alerts.CATEGORY: alerts.erase},
        removers={archive.CATEGORY: archive.remove},
        rights=rights.check,
        start=_start,
        stop=_stop,
    )
