"""Oversight (contrôle): who did what, under which article, what was refused and why — and the proof that it was not rewritten."""

from __future__ import annotations

from egide.kernel.capability import Capability


def capability() -> Capability:
    """The capability."""
    from egide.oversight import ledger, record, river  # noqa: PLC0415

    return Capability(name="oversight", package="egide.oversight", acts=(*river.ACTS, *record.ACTS, *ledger.ACTS))
