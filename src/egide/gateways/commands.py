"""Acts as commands: the fields of an act's input are its options, typed by its struct."""

from __future__ import annotations

import difflib
import json
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from egide.gateways.composition import composed
from egide.kernel.act import Act
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.settings import Settings


def _acts(settings: Settings) -> dict[str, Act]:
    return {
        act.name: act
        for capability in composed().capabilities(settings)
        for act in capability.acts
        if not act.system and not act.live
    }


def listing(settings: Settings, console: Console) -> None:
    """Every act one may ask for, with its fields."""
    table = Table("Acte / act", "Champs / fields", "")
    for name, act in sorted(_acts(settings).items()):
        fields = " ".join(f"--{f.encode_name}" for f in msgspec.structs.fields(act.input))
        table.add_row(name, fields, f"{act.summary.fr} / {act.summary.en}")
    console.print(table)


def arguments(settings: Settings, name: str, args: list[str]) -> dict[str, Any]:
    """`--field value` pairs as the act's JSON input. A value that is JSON is taken as such. Raises `BadInput`, `NotFound`."""
    acts = _acts(settings)
    if name not in acts:
        near = difflib.get_close_matches(name, acts, 1)
        hint = f" « {near[0]} » ?" if near else ""
        raise NotFound(Text(f"Acte inconnu : {name}.{hint}", f"Unknown act: {name}.{hint}"))
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(acts[name].input)}
    given: dict[str, Any] = {}
    for option, value in zip(args[::2], args[1::2], strict=False):
        field = option.removeprefix("--").replace("-", "_")
        if field not in fields or not option.startswith("--"):
            raise BadInput(
                Text(f"Option inconnue : {option}", f"Unknown option: {option}"),
                Text(f"Options : {', '.join(fields)}", f"Options: {', '.join(fields)}"),
            )
        given[field] = value if fields[field] in (str, str | None) else _value(value)
    if len(args) % 2:
        raise BadInput(Text(f"Valeur manquante pour {args[-1]}", f"Missing value for {args[-1]}"))
    return given


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
