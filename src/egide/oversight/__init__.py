"""Oversight (contrôle): who did what, under which article, what was refused and why — and the proof that it was not rewritten."""

from __future__ import annotations

from egide.kernel.capability import Capability


def capability() -> Capability:
    """The capability."""
    from egide.oversight import ledger, record, replay, river, roots  # noqa: PLC0415

    acts = (*river.ACTS, *record.ACTS, *ledger.ACTS, *replay.ACTS, *roots.ACTS)
    return Capability(name="oversight", package="egide.oversight", acts=acts)
