"""Reminders for the field: short procedures, shipped as data, that a terminal keeps and shows without network.

One file each in `procedures/`: a title, steps in the order they are done, where they come from. They are general; a service
replaces them with its own by replacing the files. They are no law: what may be done is decided by the packs.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.kernel.capability import Words
from egide.kernel.errors import StartupError, Text

FOLDER = "procedures"


class Procedure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reminder. `revised` is the ISO date of its last reading."""

    id: str
    title: Words
    revised: str
    source: Words
    steps: tuple[Words, ...]


class Procedures(msgspec.Struct):
    """All of them, by title."""

    procedures: tuple[Procedure, ...]


@cache
def procedures() -> tuple[Procedure, ...]:
    """Reads the files; raises `StartupError` naming the one that is wrong."""
    found = []
    for file in sorted((files("egide.operations") / FOLDER).iterdir(), key=lambda each: each.name):
        if not file.name.endswith(".toml"):
            continue
        try:
            given = {"id": file.name.removesuffix(".toml")} | tomllib.loads(file.read_text("utf-8"))
            found.append(msgspec.convert(given, Procedure))
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise StartupError(
                Text(f"Procédure incorrecte : {error}", f"Wrong procedure: {error}"), file=f"{FOLDER}/{file.name}"
            ) from error
    return tuple(found)


@act(
    "operations.procedure.list", verb="view", activity="operations-means", roles=["officer", "command", "pilot"], duty=True, output=Procedures,
    fr="Lire les fiches réflexes", en="Read the reminders",
)  # fmt: skip
def list_procedures(_ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Procedures(procedures()))


ACTS: tuple[Act, ...] = (list_procedures,)
