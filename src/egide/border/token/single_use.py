"""A token is spent once in each realm: shown a second time, it is a copy, or was used already.

What is remembered is a mark: a digest of the token's own key and of the realm. Both forms of a token have one mark, a signature
written in another way gives no new one, two tokens of one traveller have nothing in common, and two realms remember nothing
that could be compared. After the token's end nobody need remember it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol

from egide.border.token.verify import Holder
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import SKEW_S

DOMAIN = b"EGIDE-BT-1 spent\0"
MAX_MARKS = 100_000  # in memory: the travellers of a gate's day many times over


class Marks(Protocol):
    """Where marks are kept, one for all gates of a realm that see one another."""

    def add(self, mark: bytes, until: int, now: int) -> bool:
        """Remembers a mark until then (s since 1970), in one step that cannot be divided; False where it was there already."""
        ...


def mark(key: bytes, realm: str) -> bytes:
    """The mark of a token in a realm, 32 bytes; `key`: `Holder.key`."""
    return sha256(DOMAIN + realm.encode() + b"\0" + key).digest()


def spend(holder: Holder, realm: str, marks: Marks, now: int) -> None:
    """Once every other check held. Raises `WalletError` (replayed) where the token was spent in this realm before."""
    if not marks.add(mark(holder.key, realm), holder.until + SKEW_S, now):
        raise WalletError("replayed", "a token that was used here before")


class MemoryMarks:
    """Marks of one gate without a network; they go with the process, and are told to the realm when the line is back."""

    def __init__(self) -> None:
        self._until: dict[bytes, int] = {}

    def add(self, mark: bytes, until: int, now: int) -> bool:
        """See `Marks`. Raises `WalletError` (unavailable) where no more can be remembered: nothing passes unseen."""
        if self._until.get(mark, now) > now:
            return False
        if len(self._until) >= MAX_MARKS:
            self._until = {known: end for known, end in self._until.items() if end > now}
            if len(self._until) >= MAX_MARKS:
                raise WalletError("unavailable", "too many tokens to remember")
        self._until[mark] = until
        return True

    def pending(self, now: int) -> dict[bytes, int]:
        """The marks that still count, with their ends: to be told to the realm."""
        return {known: end for known, end in self._until.items() if end > now}
