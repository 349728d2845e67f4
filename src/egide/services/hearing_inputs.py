"""What the acts of a hearing by video take in, of the officer and of the person. Each field has a default or is words."""

from __future__ import annotations

import msgspec

from egide.kernel.act import Input
from egide.services.holding import HeldStep


class FileInput(Input):
    """One file."""

    file: str


class Proposed(FileInput):
    """When the officer could hear the person (ISO 8601)."""

    slots: list[str] = []


class Identified(FileInput):
    """Which identity document was held before the camera."""

    seen: str = ""


class StatementSaved(FileInput):
    """The statement as it stands; `base`: the hash of what it was written over."""

    text: str
    base: str


class Said(FileInput):
    """Words in the room."""

    text: str


class Fixed(FileInput):
    """When and where the person is heard in person as well."""

    at: str = ""
    place: str = ""


class Chosen(HeldStep):
    """One of the times that were proposed."""

    slot: str = ""


class Acknowledged(HeldStep):
    """The hash of the sheet of rights that was read."""

    sheet: str = ""


class Alone(HeldStep):
    """Whether the person is alone and safe; where not, how they would rather be reached."""

    alone: bool = False
    call: str = ""


class Confirmed(HeldStep):
    """The hash of the statement that the person confirms."""

    statement: str = ""


class Saved(msgspec.Struct):
    """The hash of the statement as it is kept."""

    digest: str
