"""What the ledger says, and the one protocol in which both machines say it.

Times are whole seconds since 1970, UTC. Members are known by 20 bytes (an EVM address); keys by `kid`.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import IntEnum
from hashlib import sha256
from typing import Protocol

import msgspec

from egide.kernel.errors import BadInput, Text

KID_BYTES = 12  # of SHA-256(x ‖ y); 96 bits: nobody finds a second key with a known kid
ADDRESS_BYTES = 20
WORD_BYTES = 32  # what the contract takes and gives


class Role(IntEnum):
    """What a key is trusted for."""

    ISSUER = 1
    VERIFIER = 2


class Member(msgspec.Struct, frozen=True):
    """An authority: its address (20 bytes) and the Ed25519 public key (32 bytes) that signs its blocks."""

    address: bytes
    key: bytes


class Key(msgspec.Struct, frozen=True):
    """A trusted P-256 key: coordinates (32 bytes each), trusted from `since` until before `until`, by its owner's word."""

    kid: str
    role: Role
    x: bytes
    y: bytes
    since: int
    until: int
    owner: bytes

    def holds(self, at: int) -> bool:
        """Whether it is trusted at this time (s since 1970)."""
        return self.since <= at < self.until


class StatusDigest(msgspec.Struct, frozen=True):
    """The SHA-256 digest of an issuer's whole status list; `sequence` only grows, so an older list is known as older."""

    digest: bytes
    sequence: int
    at: int


class Root(msgspec.Struct, frozen=True):
    """A member's log at `size` entries has this Merkle root (32 bytes)."""

    root: bytes
    size: int
    at: int


class Ledger(Protocol):
    """The consortium's ledger. Reads raise `Unavailable` where it cannot be read; writes raise `LedgerRefused` or `Unavailable`.

    Writes are the member's whose key this ledger was opened with, and have happened when they return.
    """

    def trusted(self, kid: str, role: Role, at: int) -> Key | None:
        """The key of this name, if it is trusted for this role at this time."""

    def keys(self) -> tuple[Key, ...]:
        """All keys listed and not removed, whatever their time."""

    def members(self) -> tuple[Member, ...]:
        """The authorities, in the order in which they propose."""

    def revision(self) -> int:
        """A counter of changes of members and keys: the same number, the same list."""

    def state(self) -> bytes:
        """32 bytes that commit to every write."""

    def status_digest(self, kid: str) -> StatusDigest | None:
        """The last digest of this issuer's status list."""

    def last_checkpoint(self, member: bytes) -> Root | None:
        """The member's last audit checkpoint."""

    def last_erasure(self, member: bytes) -> Root | None:
        """The member's last root of erasure receipts."""

    def erasure_at(self, member: bytes, size: int) -> bytes | None:
        """The root of erasure receipts that was anchored at exactly this size: what a traveller's proof leads to."""

    def add_key(self, x: bytes, y: bytes, role: Role, since: int, until: int) -> str:
        """Trusts a key of this member's; gives its kid."""

    def remove_key(self, kid: str, role: Role) -> None:
        """Ends the trust in a key of this member's, at once."""

    def put_status(self, kid: str, digest: bytes, sequence: int) -> None:
        """Says the digest of a status list that this member issues; once a minute at most."""

    def checkpoint(self, root: bytes, size: int) -> None:
        """Anchors the root of this member's audit log of two entries or more; once an hour at most."""

    def erasure_root(self, root: bytes, size: int) -> None:
        """Anchors the root of this member's erasure receipts, two or more; once an hour at most."""

    def vote(self, address: bytes, key: bytes | None) -> None:
        """For a new member with this key, or (None) for one to leave; done once a quorum has voted the same."""


def kid_of(x: bytes, y: bytes) -> str:
    """The name of a P-256 key: base64url of the first 12 bytes of SHA-256(x ‖ y)."""
    return urlsafe_b64encode(sha256(x + y).digest()[:KID_BYTES]).decode()


def kid_word(kid: str) -> bytes:
    """A kid as the contract's 32 bytes: its 12, then zeros. Raises `BadInput`."""
    try:
        raw = urlsafe_b64decode(kid.encode("ascii")) if len(kid) == 4 * KID_BYTES // 3 else b""
    except ValueError:
        raw = b""
    if len(raw) != KID_BYTES or urlsafe_b64encode(raw).decode() != kid:
        raise BadInput(Text("Ceci n’est pas le nom d’une clé.", "This is not the name of a key."))
    return raw.ljust(WORD_BYTES, b"\0")


def kid_text(word: bytes) -> str:
    """The contract's 32 bytes as a kid."""
    return urlsafe_b64encode(word[:KID_BYTES]).decode()


def address_of(key: bytes) -> bytes:
    """The address of a member that has no other: the last 20 bytes of SHA-256 of its Ed25519 public key."""
    return sha256(key).digest()[-ADDRESS_BYTES:]


def quorum(members: int) -> int:
    """How many of them decide: n - (n-1)//3, which is 2f+1 of 3f+1."""
    return members - (members - 1) // 3
