"""The engines of one installation, opened: what the composition root hands to the kernel (design §3: engines are replaceable)."""

from __future__ import annotations

from dataclasses import dataclass

from egide.kernel.objects import Objects
from egide.kernel.store import Store
from egide.kernel.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Opened engines; the kernel closes them when it stops."""

    store: Store
    objects: Objects
    transport: Transport | None = None  # of events between processes; None: the outbox alone
