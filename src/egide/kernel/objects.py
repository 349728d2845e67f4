"""Where large sealed things lie (recordings, documents): whole or not at all, durable before `put` returns, gone when deleted.

What is common to every engine (engines/objects.py): names, their bounds, and what each operation promises. An engine never sees
clear content: the vault seals before `put` and opens after `get`, so that destroying the key erases every copy there is; deleting
the objects comes on top (`remains` says what deletion alone leaves behind).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar

from egide.kernel.errors import BadInput, NotFound, Text, TooLarge, Unavailable

# First part of every name: a folder engine shares its folder with the database and the keys, which must stay out of reach.
KINDS = frozenset({"recordings", "documents"})
MAX_NAME = 240  # characters
MAX_BYTES = 64 * 1024 * 1024  # one object; a recording's segment has 32 MiB at most before it is sealed
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", re.ASCII)


class Objects(ABC):
    """An object store. Callable from any thread; calls block (network, disk), so never from the event loop or the writer.

    Names are `<kind>/<part>/…/<part>`; a prefix is a folder of them, at least the kind, and means
    what lies under it: an object of that very name is not among them.
    Every method raises `BadInput` for a wrong name and `Unavailable` within ten seconds when the store cannot serve.
    """

    name: ClassVar[str]  # for people: "folder", "S3"
    remains: ClassVar[Text]  # what may outlive `delete`, in plain words: the operator must know it

    @abstractmethod
    def put(self, name: str, content: bytes) -> None:
        """Writes the object whole or not at all, replacing what was there; durable on return. Raises `TooLarge`."""

    @abstractmethod
    def get(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes [start, end), as far as there are any. Raises `NotFound`."""

    @abstractmethod
    def size(self, name: str) -> int:
        """The object's length in bytes. Raises `NotFound`."""

    @abstractmethod
    def names(self, prefix: str) -> list[str]:
        """The names under a prefix, sorted; only whole objects."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Deletes the object; that it is gone already is no error."""

    @abstractmethod
    def delete_prefix(self, prefix: str) -> None:
        """Deletes all under a prefix, what interrupted writes left included. Repeat it after a failure until it returns."""


def checked(name: str) -> str:
    """The name, when it is one. Raises `BadInput`."""
    if "/" not in name:
        raise _wrong(name)
    return checked_prefix(name)


def checked_prefix(prefix: str) -> str:
    """The prefix, when it is one. Raises `BadInput`."""
    kind, *parts = prefix[: MAX_NAME + 1].split("/")
    if len(prefix) > MAX_NAME or kind not in KINDS or not all(PART.fullmatch(part) for part in parts):
        raise _wrong(prefix)
    return prefix


def checked_range(start: int, end: int | None) -> None:
    """Raises `BadInput` when [start, end) is no range."""
    if start < 0 or (end is not None and end < start):
        raise BadInput(Text(f"Plage impossible : {start}–{end}.", f"Impossible range: {start}–{end}."))


def checked_size(content: bytes) -> None:
    """Raises `TooLarge` when the object has more than `MAX_BYTES`."""
    if len(content) > MAX_BYTES:
        raise TooLarge(
            Text(
                f"Trop volumineux : {len(content)} octets pour {MAX_BYTES} au plus.",
                f"Too large: {len(content)} bytes, {MAX_BYTES} at most.",
            )
        )


def gone(name: str) -> NotFound:
    """The plain sentence for an object that is not there."""
    return NotFound(Text(f"Ce fichier n’existe pas : {name}.", f"This file does not exist: {name}."))


def away(cause: str) -> Unavailable:
    """The plain sentence for a store of objects that cannot serve; `cause` names what is known of it."""
    return Unavailable(
        Text(
            f"Le stockage des enregistrements ne répond pas ({cause}).",
            f"The storage of recordings does not answer ({cause}).",
        ),
        Text(
            "Vérifiez-le ; la plateforme réessaie d’elle-même.",
            "Check it; the platform tries again by itself.",
        ),
    )


def full() -> Unavailable:
    """The plain sentence for a full disk."""
    return Unavailable(
        Text("Le disque des enregistrements est plein.", "The disk of the recordings is full."),
        Text("Libérez de la place ; la suite reprend d’elle-même.", "Free some space; the rest resumes by itself."),
    )


def _wrong(name: str) -> BadInput:
    return BadInput(
        Text(f"Nom de fichier impossible : {name[:80]!r}.", f"Impossible object name: {name[:80]!r}."),
        Text("Donnez recordings/… ou documents/….", "Give recordings/… or documents/…."),
    )
