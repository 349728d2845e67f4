"""What the contract knows, as the ledger's structs, over whatever runs it: a machine in this process or a node far away."""

from __future__ import annotations

from collections.abc import Callable

from egide.border.ledger.contract import Value
from egide.border.ledger.model import Key, Member, Role, Root, StatusDigest, kid_text, kid_word

Read = Callable[..., tuple[Value, ...]]  # name of a function, its arguments → its values
NOBODY = bytes(20)


class Reading:
    """The reads of `Ledger` (model.py), by a function that asks the contract."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def trusted(self, kid: str, role: Role, at: int) -> Key | None:
        """The key of this name, if it is trusted for this role at this time."""
        key = self._key(kid_word(kid), role)
        return key if key is not None and key.holds(at) else None

    def keys(self) -> tuple[Key, ...]:
        """All keys listed and not removed, whatever their time."""
        places = range(number(self._read("entry_count")[0]))
        found = (
            self._key(word(self._read("entry_kid", place)[0]), Role(number(self._read("entry_role", place)[0])))
            for place in places
        )
        return tuple(each for each in found if each is not None)

    def members(self) -> tuple[Member, ...]:
        """The authorities, in the order in which they propose."""
        addresses = [word(self._read("member_at", place)[0]) for place in range(number(self._read("member_count")[0]))]
        return tuple(Member(each, word(self._read("member_key", each)[0])) for each in addresses)

    def revision(self) -> int:
        """A counter of changes of members and keys."""
        return number(self._read("revision")[0])

    def epoch(self) -> int:
        """A counter of changes of members."""
        return number(self._read("epoch")[0])

    def state(self) -> bytes:
        """32 bytes that commit to every write."""
        return word(self._read("state")[0])

    def status_digest(self, kid: str) -> StatusDigest | None:
        """The last digest of this issuer's status list."""
        digest, sequence, at = self._read("status_of", kid_word(kid))
        found = StatusDigest(word(digest), number(sequence), number(at))
        return found if found.sequence else None

    def last_checkpoint(self, member: bytes) -> Root | None:
        """The member's last audit checkpoint."""
        return self._root("checkpoint_of", member)

    def last_erasure(self, member: bytes) -> Root | None:
        """The member's last root of erasure receipts."""
        return self._root("erasure_of", member)

    def erasure_at(self, member: bytes, size: int) -> bytes | None:
        """The root of erasure receipts that was anchored at exactly this size."""
        found = word(self._read("erasure_at", member, size)[0])
        return found if any(found) else None

    def _key(self, kid: bytes, role: Role) -> Key | None:
        x, y, since, until, owner = self._read("key_of", kid, role)
        if owner == NOBODY:
            return None
        return Key(kid_text(kid), role, word(x), word(y), number(since), number(until), word(owner))

    def _root(self, name: str, member: bytes) -> Root | None:
        root, size, at = self._read(name, member)
        found = Root(word(root), number(size), number(at))
        return found if found.size else None


def number(value: Value) -> int:
    """An integer that the contract gave. Raises TypeError for bytes, which would be another contract."""
    if not isinstance(value, int):
        raise TypeError
    return value


def word(value: Value) -> bytes:
    """Bytes that the contract gave. Raises TypeError for an integer, which would be another contract."""
    if not isinstance(value, bytes):
        raise TypeError
    return value
