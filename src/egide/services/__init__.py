"""Services (guichet): what the counter does, remotely and in the officer's pocket; each defined once (catalogue/)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.capability import Capability

if TYPE_CHECKING:
    from egide.kernel.door import Kernel


async def _stop(kernel: Kernel) -> None:
    press = kernel.things.get("press")
    if press is not None:
        press.close()


def capability() -> Capability:
    """The capability. Imported here and not above: the processes in which files are parsed (apart.py) load none of it."""
    from egide.services import (  # noqa: PLC0415 — see above
        desk,
        documents,
        drafts,
        exports,
        holding,
        identities,
        notices,
        tables,
        uploads,
    )
    from egide.services.definition import catalogue  # noqa: PLC0415 — see above
    from egide.services.filing import category  # noqa: PLC0415 — see above

    kept = {category(definition): desk.erase for definition in catalogue().versions.values()}
    acts = (
        *drafts.ACTS,
        *identities.ACTS,
        *uploads.ACTS,
        *holding.ACTS,
        *documents.ACTS,
        *exports.ACTS,
        *notices.ACTS,
        *desk.ACTS,
        *desk.generated(),
    )
    erasers = {drafts.CATEGORY: drafts.erase, identities.CATEGORY: identities.erase, **uploads.ERASERS, **kept}
    return Capability(
        name="services",
        package="egide.services",
        acts=acts,
        tables=tables.metadata,
        erasers=erasers,
        removers=uploads.REMOVERS,
        stop=_stop,
    )
