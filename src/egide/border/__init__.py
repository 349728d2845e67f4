"""Border (frontière): a face token in the traveller's hand passes every control; compared 1:1, and nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.capability import Capability

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


async def _start(kernel: Kernel) -> None:
    from egide.border import clerk, consents, control_points, holding  # noqa: PLC0415 — only a platform that starts needs it

    control_points.check_texts(kernel.book.texts)
    kernel.things[holding.THING] = holding.Holding(kernel)
    kernel.things[holding.THING].start()
    kernel.bus.watch(lambda name, told: consents.heard(kernel, name, told))
    kernel.things[clerk.THING] = clerk.Clerk(kernel)
    kernel.things[clerk.THING].start()


async def _stop(kernel: Kernel) -> None:
    from egide.border import clerk, holding  # noqa: PLC0415 — as above

    for name in (clerk.THING, holding.THING):
        if name in kernel.things:
            await kernel.things[name].close()


def capability() -> Capability:
    """The capability. Imported here and not above: the rooms (room/child.py) load none of it."""
    from egide.border import (  # noqa: PLC0415 — see above
        consents,
        consortium,
        controls,
        enrolment,
        erasure,
        keys,
        lanes,
        officers,
        refusals,
        statuses,
        tables,
    )

    acts = (
        *consents.ACTS,
        *enrolment.ACTS,
        *controls.ACTS,
        *officers.ACTS,
        *lanes.ACTS,
        *keys.ACTS,
        *statuses.ACTS,
        *erasure.ACTS,
        *refusals.ACTS,
        *consortium.ACTS,
    )
    return Capability(
        name="border",
        package="egide.border",
        acts=acts,
        tables=tables.metadata,
        erasers={consents.CATEGORY: consents.erase},
        never=refusals.NEVER,
        start=_start,
        stop=_stop,
    )
