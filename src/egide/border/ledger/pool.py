"""The calls that wait for a block: bounded, each by a member, each one that the contract would take now."""

from __future__ import annotations

from collections.abc import Iterator

from egide.border.ledger.chain import Chain
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.messages import MAX_CALLS, Signed

PER_MEMBER = 2 * MAX_CALLS  # calls of one member that may wait: nobody fills the pool for the others


class Pool:
    """Of one authority; `waiting` is in each member's order."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._calls: dict[bytes, list[Signed]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    def waiting(self) -> Iterator[Signed]:
        """All that waits."""
        for calls in self._calls.values():
            yield from calls

    def next_nonce(self, member: bytes) -> int:
        """The number of this member's next call."""
        return self._chain.nonces.get(member, 0) + len(self._calls.get(member, ())) + 1

    def add(self, signed: Signed, at: int) -> bool:
        """Lets a call wait; False where it does already. Raises `LedgerRefused`, in the contract's word where it has one."""
        call, calls = self._chain.call_of(signed), self._calls.get(signed.by, [])
        if signed in calls:
            return False
        if len(calls) >= PER_MEMBER:
            raise LedgerRefused("full")
        if call.nonce != self.next_nonce(signed.by):
            raise LedgerRefused("nonce")
        if not calls:  # one behind another may need what that one does: the block's maker will see
            self._chain.try_call(signed, at)
        self._calls.setdefault(signed.by, []).append(signed)
        return True

    def sift(self, at: int) -> None:
        """After a block: what was done goes, and what can no longer be done, with the same member's later calls."""
        for member, calls in list(self._calls.items()):
            done = self._chain.nonces.get(member, 0)
            left = [each for each in calls if self._nonce(each) > done]
            if left and self._chain.would_take(left[:1], at):
                self._calls[member] = left
            else:
                del self._calls[member]

    def _nonce(self, signed: Signed) -> int:
        try:
            return self._chain.call_of(signed).nonce
        except LedgerRefused:  # its member has left
            return 0
