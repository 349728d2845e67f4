"""The words to which both agree before a hearing by video is recorded, known by their hash; and which hearings may be at all.

Data (recording.toml), filled in with the retention that the packs say, so that what was agreed to is what is done.
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from egide.kernel.capability import Words
from egide.kernel.errors import StartupError, Text
from egide.services.definition import Definition
from egide.services.hearing_sheet import Right, Sheet

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

PARAMETER = "cpp.hearing_recording"
_UNITS = {"D": ("jour", "jours", "day", "days"), "W": ("semaine", "semaines", "week", "weeks"), "M": ("mois", "mois", "month", "months"), "Y": ("an", "ans", "year", "years")}  # fmt: skip


@cache
def sheets() -> dict[str, Sheet]:
    """Every sheet, by whose rights the hearing tells. Raises `StartupError`."""
    place = files("egide.services") / "recording.toml"
    try:
        return msgspec.convert(tomllib.loads(place.read_text("utf-8")), dict[str, Sheet])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise StartupError(
            Text(f"Mots de l’enregistrement mal écrits : {error}", f"Wrong words of the recording: {error}"),
            file="egide/services/recording.toml",
        ) from error


def allowed(kernel: Kernel, definition: Definition) -> bool:
    """Whether the operator has allowed this service's hearings to be recorded. None is unless they say so."""
    return recordable(definition) and definition.id in kernel.settings.record_hearings.split()


def recordable(definition: Definition) -> bool:
    """Whether there are words to agree to for this service's hearings."""
    return definition.hearing is not None and definition.hearing.rights in sheets()


def sheet(kernel: Kernel, definition: Definition) -> Sheet:
    """What both agree to, as it stands today."""
    assert definition.hearing is not None  # noqa: S101 — asked of what is recordable alone
    found = sheets()[definition.hearing.rights]
    kept = said(str(kernel.book.parameter(PARAMETER, kernel.clock.now())))
    lines = tuple(Right(one.label, one.fr.format(kept.fr), one.en.format(kept.en)) for one in found.lines)
    return msgspec.structs.replace(found, lines=lines)


def digest(kernel: Kernel, definition: Definition) -> str:
    """SHA-256 of it."""
    return sheet(kernel, definition).digest


def said(duration: str) -> Words:
    """A duration of one unit (ISO 8601) as people say it. Raises `ValueError` for any other."""
    number, unit = duration[1:-1], _UNITS.get(duration[-1:])
    if not duration.startswith("P") or not number.isdigit() or unit is None:
        raise ValueError(f"say this duration in one unit: {duration!r}")
    many = int(number) > 1
    return Words(f"{number} {unit[many]}", f"{number} {unit[2 + many]}")


def checksum(before: str, content: bytes) -> str:
    """The next link of a recording's chain of parts: SHA-256 over the one before and the SHA-256 of this part."""
    return hashlib.sha256(bytes.fromhex(before) + hashlib.sha256(content).digest()).hexdigest()
