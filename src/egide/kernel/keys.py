"""What holds an installation's keys, as the kernel sees it: rows of wrapped data keys, who wraps them, who signs.

Why apart: the wrapped keys may lie in a file or in a database of their own, the key that wraps them in a file or in a
security module; the vault (vault.py) seals and opens the same way over any of them. Two bodies holding one half each hold
nothing: rows without the wrapping key, and the wrapping key without rows, open no sealed content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from egide.kernel.checkpoint import Signer
from egide.kernel.errors import Text

Owner = tuple[str, str]  # person, purpose
Owned = tuple[str, str | None]  # of one purpose, or of all
Advice = tuple[Text, Text]  # what could be better, what to do


class Row(NamedTuple):
    """One wrapped data key, as it is stored."""

    id: bytes
    person: str
    purpose: str
    subject: bytes
    wrapped: bytes


class KeyRows(Protocol):
    """Where wrapped data keys are kept. Any thread may call; several processes may share the rows.

    Nothing happens before the first call: an engine that was made and not used has created nothing. Every method raises
    `Unavailable` when the rows cannot be reached in a few seconds; then nothing is promised, and a repeat is right.
    """

    name: str  # for people: "SQLite", "PostgreSQL"
    place: str  # for people: the file, or the database without its password
    wipes_at_once: bool  # whether `wipe` is quick enough to be part of every shredding

    def of_owner(self, person: str, purpose: str) -> Row | None:
        """The row of (person, purpose)."""

    def of_id(self, identity: bytes) -> Row | None:
        """The row with this key id."""

    def every(self) -> Iterator[Row]:
        """Every row, some in memory at a time; those written meanwhile may be left out."""

    def missing(self, owners: Sequence[Owner]) -> list[Owner]:
        """Those owners that have no row yet."""

    def add(self, rows: Sequence[Row]) -> set[bytes]:
        """Inserts in one durable transaction; a row whose owner has one by now is left out, whoever wrote it. The ids of those
        that were inserted; a repeat after a lost answer may name fewer.
        """  # fmt: skip

    def delete(self, owned: Sequence[Owned]) -> int:
        """Deletes the rows of many in one durable transaction; how many there were."""

    def wipe(self) -> bool:
        """Makes sure that what was deleted is nowhere in the files. May take long; False when a trace is left."""

    def about(self, name: str) -> bytes | None:
        """A value about the rows as a whole."""

    def note(self, name: str, value: bytes) -> None:
        """Remembers such a value, durably, unless there is one."""

    def absent(self) -> str:
        """What ought to be there and is not, for people; empty when all is. Creates nothing."""

    def advice(self) -> list[Advice]:
        """What the operator should change so that deleted bytes are gone."""

    def release(self) -> None:
        """Lets go of what is held between two questions where that could keep a deleted key on the disk."""

    def close(self) -> None:
        """Closes for good; once more does no harm."""


class Wrapper(Protocol):
    """Who wraps data keys: holds the key-encryption key, in memory or in a security module. Any thread may call."""

    name: str  # for people: "kek.key", "the key egide/police/kek of token “egide”"
    place: str  # the file or the token, for the head of an error

    def wrap(self, secret: bytes, aad: bytes) -> bytes:
        """Wraps a short secret (a 32-byte key), bound to `aad`. Raises `Unavailable` when the module is away."""

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes | None:
        """The secret; None when this key and `aad` did not wrap it, or a bit was changed. Raises `Unavailable`."""

    def derive(self, label: bytes) -> bytes:
        """32 bytes that this key gives for `label`, always the same: for MACs that reveal nothing of the key."""

    def close(self) -> None:
        """Lets go of the key."""


class KeyHolder(Protocol):
    """Gives the wrapper and the ledger's signer. Nothing is opened or created before the first call of the two."""

    def wrapper(self, *, may_create: bool) -> Wrapper:
        """The key-encryption key, made first if there is none and there may be none. Raises `StartupError`."""

    def signer(self, name: str, *, may_create: bool) -> Signer:
        """The Ed25519 key that signs checkpoints under `name` (their origin). Raises `StartupError`."""

    def absent(self) -> list[str]:
        """The keys that are not there, for people. Creates nothing."""
