"""The six writes of `Ledger` (model.py) as calls of the contract, whatever takes them there."""

from __future__ import annotations

from abc import ABC, abstractmethod

from egide.border.ledger.contract import Value
from egide.border.ledger.model import Role, kid_of, kid_word
from egide.border.ledger.reading import Reading


class Writing(Reading, ABC):
    """Reads as `Reading` does; writes by `_write`, which returns once the call is made."""

    def add_key(self, x: bytes, y: bytes, role: Role, since: int, until: int) -> str:
        """Trusts a key of this member's; gives its kid."""
        self._write("add_key", x, y, role, since, until)
        return kid_of(x, y)

    def remove_key(self, kid: str, role: Role) -> None:
        """Ends the trust in a key of this member's, at once."""
        self._write("remove_key", kid_word(kid), role)

    def put_status(self, kid: str, digest: bytes, sequence: int) -> None:
        """Says the digest of a status list that this member issues; once a minute at most."""
        self._write("put_status", kid_word(kid), digest, sequence)

    def checkpoint(self, root: bytes, size: int) -> None:
        """Anchors the root of this member's audit log; once an hour at most."""
        self._write("put_checkpoint", root, size)

    def erasure_root(self, root: bytes, size: int) -> None:
        """Anchors the root of this member's erasure receipts; once an hour at most."""
        self._write("put_erasure", root, size)

    def vote(self, address: bytes, key: bytes | None) -> None:
        """For a new member with this key, or (None) for one to leave."""
        self._write("vote", address, key or bytes(32))

    @abstractmethod
    def _write(self, name: str, *arguments: Value) -> None:
        """Makes this call in the member's name. Raises `LedgerRefused` or `Unavailable`."""
