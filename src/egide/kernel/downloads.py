"""Files an allowed act hands out: an address that works once, for a minute, for the same person only.

The act is the decision and is in the ledger; the address carries no name and no meaning (ASVS 14.2.1).
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LIFE_US = 60_000_000  # µs an address lives
MAX_OFFERS = 1_000  # addresses held at once; the oldest gives way


@dataclass(frozen=True, slots=True)
class Offer:
    """What waits behind an address."""

    person: str
    until: int
    filename: str
    media_type: str
    content: Callable[[], Iterator[bytes]]


class Downloads:
    """The addresses in force."""

    def __init__(self, process: str) -> None:
        self._process = process  # the address says which process has the file ready
        self._offers: OrderedDict[str, Offer] = OrderedDict()

    def offer(
        self, person: str, now_us: int, filename: str, media_type: str, content: Callable[[], Iterator[bytes]]
    ) -> str:
        """The address of a new offer."""
        ticket = f"{self._process}-{secrets.token_urlsafe(24)}"
        self._offers[ticket] = Offer(person, now_us + LIFE_US, filename, media_type, content)
        if len(self._offers) > MAX_OFFERS:
            self._offers.popitem(last=False)
        return f"/api/downloads/{ticket}"

    def drop(self) -> None:
        """Forgets every offer, at once: somebody was erased, and no offer says whom its file is about."""
        self._offers.clear()

    def elsewhere(self, ticket: str) -> bool:
        """Whether another process gave this address."""
        return not ticket.startswith(f"{self._process}-")

    def waiting(self, now_us: int) -> bool:
        """Whether an address in force has not been opened yet."""
        return any(offer.until >= now_us for offer in self._offers.values())

    def take(self, ticket: str, person: str, now_us: int) -> Offer | None:
        """The offer, once; None when it is unknown, over, or somebody else's."""
        offer = self._offers.get(ticket)
        if offer is None or offer.person != person:
            return None
        del self._offers[ticket]
        return offer if offer.until >= now_us else None
