"""Operations (terrain): live video and maps on officers' terminals, under an order, until the order ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.capability import Capability

if TYPE_CHECKING:
    from egide.kernel.door import Kernel


async def _start(kernel: Kernel) -> None:
    from egide.operations.start import start  # noqa: PLC0415 — numpy, av and shapely load while the server already listens
    from egide.operations.tak import data  # noqa: PLC0415 — as above

    data.prepare(kernel)  # before the stream, which asks whose a certificate is
    await start(kernel)
    await data.start(kernel)  # after the stream, whose events it hears


async def _stop(kernel: Kernel) -> None:
    from egide.operations.tak import data  # noqa: PLC0415 — as above

    await data.stop(kernel)
    await kernel.things["fleet"].stop()
    await kernel.things["relay"].close()


def capability() -> Capability:
    """The capability."""
    from egide.operations import alerts, archive, cameras, picture, recordings, rights, tables, watching  # noqa: PLC0415
    from egide.operations.tak import data as tak  # noqa: PLC0415

    return Capability(
        name="operations",
        package="egide.operations",
        acts=(*cameras.ACTS, *watching.ACTS, *recordings.ACTS, *picture.ACTS, *alerts.ACTS, *tak.ACTS),
        tables=tables.metadata,
        erasers={archive.CATEGORY: archive.erase, alerts.CATEGORY: alerts.erase, **tak.ERASERS},
        removers={archive.CATEGORY: archive.remove, **tak.REMOVERS},
        rights=rights.check,
        start=_start,
        stop=_stop,
    )
