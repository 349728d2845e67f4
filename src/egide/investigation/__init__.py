"""Investigation (enquête): what is told to the service becomes a case, without a word typed again."""

from __future__ import annotations

from egide.kernel.capability import Capability


def capability() -> Capability:
    """The capability."""
    from egide.investigation import cases, tables  # noqa: PLC0415 — only a platform that starts needs them

    return Capability(
        name="investigation",
        package="egide.investigation",
        acts=cases.ACTS,
        tables=tables.metadata,
        listeners=cases.LISTENERS,
        erasers={cases.CATEGORY: cases.erase},
    )
