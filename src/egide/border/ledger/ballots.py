"""What the members are voting on: the contract counts votes and lists none, so that a list is made of the calls in the blocks.

It follows the contract (consortium.vy, `vote`): a change of members ends all other votes, and a quorum is one of the members of
that moment. Only calls that the contract took may be told here. A node gives no such list: it keeps what calls lead to, not them.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from egide.border.ledger.contract import SELECTOR_BYTES, functions
from egide.border.ledger.model import ADDRESS_BYTES, WORD_BYTES, quorum

LEAVES = bytes(WORD_BYTES)  # instead of a key: the member leaves
SHORT = 8  # hex digits by which people call a vote; some hundred votes wait at most


class Ballot(msgspec.Struct, frozen=True):
    """That this address becomes a member with this key, or (None) is one no more; who said so, since when (s since 1970)."""

    address: bytes
    key: bytes | None
    by: tuple[bytes, ...]
    at: int

    @property
    def id(self) -> str:
        """How people call it: the same for the same question."""
        return sha256(self.address + (self.key or LEAVES)).hexdigest()[:SHORT]


class Ballots:
    """The open votes of a chain that began with so many members."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._open: dict[tuple[bytes, bytes], Ballot] = {}

    def open(self) -> tuple[Ballot, ...]:
        """All that is not decided, the oldest first."""
        return tuple(self._open.values())

    def hear(self, by: bytes, data: bytes, at: int) -> None:
        """A call that the contract took."""
        if data[:SELECTOR_BYTES] != functions()["vote"].selector:
            return
        address = data[SELECTOR_BYTES + WORD_BYTES - ADDRESS_BYTES : SELECTOR_BYTES + WORD_BYTES]
        key = data[SELECTOR_BYTES + WORD_BYTES :]
        before = self._open.get((address, key))
        votes = (by,) if before is None else (*before.by, by)
        if len(votes) >= quorum(self._members):
            self._members += -1 if key == LEAVES else 1
            self._open.clear()
        else:
            since = at if before is None else before.at
            self._open[address, key] = Ballot(address, None if key == LEAVES else key, votes, since)
