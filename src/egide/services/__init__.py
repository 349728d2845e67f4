"""Services (guichet): what the counter does, remotely and in the officer's pocket; each defined once (catalogue/)."""

from __future__ import annotations

from egide.kernel.capability import Capability


def capability() -> Capability:
    """The capability."""
    from egide.services import desk, drafts, holding, identities, tables  # noqa: PLC0415 — only a platform that starts needs them
    from egide.services.definition import catalogue  # noqa: PLC0415 — as above
    from egide.services.filing import category  # noqa: PLC0415 — as above

    files = {category(definition): desk.erase for definition in catalogue().versions.values()}
    return Capability(
        name="services",
        package="egide.services",
        acts=(*drafts.ACTS, *identities.ACTS, *holding.ACTS, *desk.ACTS, *desk.generated()),
        tables=tables.metadata,
        erasers={drafts.CATEGORY: drafts.erase, identities.CATEGORY: identities.erase, **files},
    )
