"""The sheet of rights that a person reads before they are heard by video (CPP R2-27), known by its version and its hash.

Data (rights.toml): an operator's jurist changes words and raises the version, nothing else.
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from egide.kernel.capability import Words
from egide.kernel.errors import StartupError, Text


class Right(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One right, in two languages."""

    label: Words
    fr: str
    en: str


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sheet."""

    version: int
    title: Words
    article: str
    lines: tuple[Right, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all it says, in both languages: what the person acknowledged can be told from any other."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


@cache
def sheets() -> dict[str, Sheet]:
    """Every sheet, by whose rights it tells. Raises `StartupError`."""
    place = files("egide.services") / "rights.toml"
    try:
        return msgspec.convert(tomllib.loads(place.read_text("utf-8")), dict[str, Sheet])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise StartupError(
            Text(f"Fiche des droits mal écrite : {error}", f"Wrong sheet of rights: {error}"),
            file="egide/services/rights.toml",
        ) from error
