"""Status lists kept by who verifies, unpacked once, and how long each still counts (Token Status List §8.3).

    fresh    younger than its `ttl`            the list decides
    grace    no newer one could be had         it still decides; a newer one is asked for all the while
    stale    past the grace, or past its `exp`  it decides nothing: the officer's lane

Age is counted from when the issuer signed, never from when the list came: who holds back lists cannot lend an old one years. A
list never gives way to an older one.
"""

from __future__ import annotations

from typing import Literal

from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import SKEW_S, Issuer, Reference
from egide.protocols.wallet.statuslist import VALID, Opened, opened

Freshness = Literal["fresh", "grace", "stale"]
TTL_S = 60  # s, where a list names none: how often the issuer signs anew
# s past the ttl: a broken line is mended or a lane opened within half an hour; revocations since are not seen
GRACE_S = 1800
MAX_LISTS = 64


class StatusLists:
    """Each issuer's lists by their address; the caller fetches, this keeps.

    A credential is looked up in its own issuer's list alone: another issuer's list of the same address says nothing of it.
    """

    def __init__(self, grace_s: int = GRACE_S) -> None:
        self._grace_s = grace_s
        self._held: dict[tuple[str, str], Opened] = {}  # by the issuer's name and the address

    def put(self, token: str, uri: str, issuer: Issuer, now: int) -> Opened:
        """Keeps a list that was fetched; its digest tells whether it is the same token again.

        Raises `WalletError` (status) where it does not hold or is older than the one kept, (too-large) beyond `MAX_LISTS`.
        """
        found = opened(token, uri, issuer, now)
        held = self._held.get((issuer.name, uri))
        if held is not None and found.issued < held.issued:
            raise WalletError("status", "a status list older than the one before")
        if held is None and len(self._held) >= MAX_LISTS:
            raise WalletError("too-large", f"more than {MAX_LISTS} status lists")
        self._held[issuer.name, uri] = found
        return found

    def freshness(self, uri: str, issuer: Issuer, now: int) -> Freshness:
        """How much this issuer's list of this address still counts; `stale` where there is none."""
        held = self._held.get((issuer.name, uri))
        if held is None or (held.until is not None and held.until + SKEW_S <= now):
            return "stale"
        age = now - held.issued - (TTL_S if held.ttl is None else held.ttl)
        if age <= 0:
            return "fresh"
        return "grace" if age <= self._grace_s else "stale"

    def check(self, reference: Reference, issuer: Issuer, now: int) -> Freshness:
        """Raises `WalletError`: revoked, however old the list; stale, where it decides no more; status, where it is too short."""
        held = self._held.get((issuer.name, reference.uri))
        if held is not None and held.value(reference.idx) != VALID:
            raise WalletError("revoked", "a credential that its issuer has revoked or suspended")
        fresh = self.freshness(reference.uri, issuer, now)
        if fresh == "stale":
            raise WalletError("stale", "the status list is too old, and no newer one could be had")
        return fresh
