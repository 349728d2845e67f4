"""A wire that may lose a quarter of what it is given, and brings the rest in any order."""

from __future__ import annotations

import random

from egide.border.ledger.wire import Wire

LOST = 0.25


class LossyWire(Wire):
    """As good as any until it is given `chance`."""

    chance: random.Random | None = None

    def put(self, sender: bytes, to: bytes, data: bytes) -> None:
        if self.chance is None or self.chance.random() >= LOST:
            super().put(sender, to, data)
        if self.chance is not None and self._under_way:
            self._under_way.rotate(self.chance.randrange(3))
