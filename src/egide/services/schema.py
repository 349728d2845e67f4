"""A definition as JSON Schema 2020-12: the contract of its answers, for whoever sends them — page, officer's terminal, programme.

Values: text as it is; a choice by its id, several as a list; yes or no as "yes" and "no"; a date as YYYY-MM-DD, an hour as HH:MM;
an amount in cents; a place as {address, lat, lon} (WGS84 degrees); files by the ids of their uploads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from egide.services.definition import MAX_LONG, MAX_TEXT, Condition, Definition, Field

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_FILES = 20
MAX_AMOUNT = 10**11  # cents
MAX_NUMBER = 10**6
# Digits with what people write between them; short numbers are emergency numbers, nobody's own.
PHONE = r"^\+?[0-9][0-9 .()\-]{5,24}$"
HOUR = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
CENTURIES = r"^(19|20|21)"  # a year of two figures is a slip, not a date
UPLOAD = r"^[0-9a-f]{16,40}$"


def compiled(definition: Definition, step: str = "") -> dict[str, Any]:
    """The schema of a whole set of answers: those of filing, or of a step that asks some."""
    fields = definition.fields_of(step)
    conditional = [_conditional(field, fields) for field in fields if field.when]
    return {
        "$schema": DIALECT,
        "$id": f"urn:egide:service:{definition.id}:{definition.version}{f':{step}' if step else ''}",
        "title": definition.title.en,
        "type": "object",
        "properties": {field.id: _VALUES[field.kind](field) | {"title": field.label.en} for field in fields},
        "required": [field.id for field in fields if field.required and not field.when],
        "additionalProperties": False,
    } | ({"allOf": conditional} if conditional else {})


@lru_cache(maxsize=128)
def validator(definition: Definition, step: str = "") -> Draft202012Validator:
    """The schema, ready to validate."""
    return Draft202012Validator(compiled(definition, step), validate_formats=True)


def _conditional(field: Field, fields: Iterable[Field]) -> dict[str, Any]:
    asked = {
        "properties": {one.field: _among(one, fields) for one in field.when},
        "required": [one.field for one in field.when],
    }
    found: dict[str, Any] = {"if": asked, "else": {"properties": {field.id: False}}}
    if field.required:
        found["then"] = {"required": [field.id]}
    return found


def _among(condition: Condition, fields: Iterable[Field]) -> dict[str, Any]:
    values = {"enum": list(condition.among)}
    kind = next(one.kind for one in fields if one.id == condition.field)
    return {"contains": values} if kind == "choices" else values


def _text(limit: int) -> Callable[[Field], dict[str, Any]]:
    return lambda field: {"type": "string", "minLength": 1, "maxLength": field.max or limit}


def _one(field: Field) -> dict[str, Any]:
    return {"enum": [option.id for option in field.options]}


def _several(field: Field) -> dict[str, Any]:
    return {"type": "array", "items": _one(field), "minItems": 1, "uniqueItems": True}


def _place(_field: Field) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "address": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
            "lat": {"type": "number", "minimum": -90, "maximum": 90},
            "lon": {"type": "number", "minimum": -180, "maximum": 180},
        },
        "required": ["address"],
        "dependentRequired": {"lat": ["lon"], "lon": ["lat"]},
        "additionalProperties": False,
    }


_VALUES: dict[str, Callable[[Field], dict[str, Any]]] = {
    "text": _text(MAX_TEXT),
    "long": _text(MAX_LONG),
    "choice": _one,
    "choices": _several,
    "yesno": lambda _field: {"enum": ["yes", "no"]},
    "date": lambda _field: {"type": "string", "format": "date", "pattern": CENTURIES},
    "time": lambda _field: {"type": "string", "pattern": HOUR},
    "place": _place,
    "phone": lambda _field: {"type": "string", "pattern": PHONE},
    "email": lambda _field: {"type": "string", "format": "idn-email", "maxLength": 254},
    "amount": lambda field: {"type": "integer", "minimum": 0, "maximum": field.max or MAX_AMOUNT},
    "number": lambda field: {"type": "integer", "minimum": 0, "maximum": field.max or MAX_NUMBER},
    "files": lambda _field: {
        "type": "array",
        "items": {"type": "string", "pattern": UPLOAD},
        "minItems": 1,
        "maxItems": MAX_FILES,
    },
}
