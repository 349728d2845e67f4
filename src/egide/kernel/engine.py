"""The engines of one installation, opened: what the composition root hands to the kernel (design §3: engines are replaceable)."""

from __future__ import annotations

from dataclasses import dataclass

from egide.kernel.keys import KeyHolder, KeyRows
from egide.kernel.objects import Objects
from egide.kernel.store import Store
from egide.kernel.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Opened engines; the kernel closes them when it stops."""

    store: Store
    objects: Objects
    rows: KeyRows  # the wrapped data keys
    keys: KeyHolder  # who wraps them and who signs the ledger
    transport: Transport | None = None  # of events between processes; None: the outbox alone

    def absent(self) -> tuple[str, ...]:
        """What ought to hold keys and is not there, for people; looking creates nothing."""
        return tuple(name for name in (*self.keys.absent(), self.rows.absent()) if name)
