"""The media layer's view of a source that the store describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from egide.operations.media.source import SourceSpec

if TYPE_CHECKING:
    from egide.kernel.door import Kernel


def spec_of(kernel: Kernel, row: Any) -> SourceSpec:
    """How to reach a source; its address is sealed, because it may hold a password."""
    url = kernel.vault.open_(f"source:{row.id}", "sources", bytes(row.url), row.id.encode()).decode()
    return SourceSpec(row.id, row.kind, url, loop="loop" in row.tags.split())
