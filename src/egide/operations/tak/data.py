"""Everything of TAK besides the stream, as the capability plugs it in: acts, erasers, what starts and stops with the platform."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from egide.kernel.errors import EgideError
from egide.operations.tak import contents, enrol, federation, feeds, missions, packages, people
from egide.operations.tak.federation_links import Links
from egide.operations.tak.notices import Notices
from egide.operations.tak.uploads import uploads

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.tak")

ACTS = (*enrol.ACTS, *people.ACTS, *packages.ACTS, *missions.ACTS, *contents.ACTS, *feeds.ACTS, *federation.ACTS)
ERASERS = {packages.CATEGORY: packages.erase, missions.CATEGORY: missions.erase}
REMOVERS = {packages.CATEGORY: packages.remove}
THING = "tak-data"


async def start(kernel: Kernel) -> None:
    """Starts what runs beside the acts; after the streaming router, where there is one."""
    notices, links = Notices(kernel), Links(kernel)
    kernel.things[THING] = (notices, links)
    notices.start()
    await links.start()
    try:
        await asyncio.to_thread(uploads(kernel).sweep)
    except EgideError as error:
        log.warning("what interrupted uploads left is not swept: %s", error.what.en)


async def stop(kernel: Kernel) -> None:
    """Stops it."""
    notices, links = kernel.things[THING]
    await links.stop()
    await notices.stop()
