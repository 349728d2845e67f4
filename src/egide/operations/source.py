"""The media layer's view of a source that the store describes."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from egide.operations.media.source import SourceSpec
from egide.operations.telemetry import mavlink_of

if TYPE_CHECKING:
    from egide.kernel.door import Kernel


def spec_of(kernel: Kernel, row: Any) -> SourceSpec:
    """How to reach a source; its address is sealed, because it may hold a password."""
    url = kernel.vault.open_(f"source:{row.id}", "sources", bytes(row.url), row.id.encode()).decode()
    tags = row.tags.split()
    return SourceSpec(row.id, row.kind, url, "loop" in tags, _secret(kernel), mavlink_of(tags))


def _secret(kernel: Kernel) -> bytes:
    """What the processes of this installation on this machine know, and nobody else: they share UDP ports by it."""
    with suppress(OSError):
        return hashlib.sha256(b"egide udp\0" + (kernel.settings.folder / "operator.token").read_bytes()).digest()
    return b""
