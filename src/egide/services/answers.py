"""What a person answered: read from a form as they typed it, checked against the schema, and what is wrong said in their words.

`read` never refuses: what cannot be understood is kept as typed, so that nothing is lost, and `check` says what is the matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from egide.kernel.errors import Text
from egide.services.definition import Condition, Definition, Field, Way
from egide.services.schema import validator

Answers = dict[str, Any]
Form = Mapping[str, list[str]]
# What no keyboard writes into an account; line breaks and tabs stay.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff]")


_PARTS = {"date": ("-day", "-month", "-year"), "place": ("", "-lat", "-lon")}


def boxes(field: Field) -> tuple[str, ...]:
    """The names under which a browser sends a question's answer."""
    return tuple(field.id + part for part in _PARTS.get(field.kind, ("",)))


def clean(text: str) -> str:
    """A text as it is kept: composed (NFC), line breaks as line feeds, without control characters or blanks around it."""
    if text.isascii() and text.isprintable():  # most answers, and nothing to change but blanks
        return text.strip()
    return CONTROLS.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))).strip()


def read(fields: Iterable[Field], form: Form) -> Answers:
    """The answers to these questions in a form as a browser sends it. What is empty is no answer."""
    found: Answers = {}
    for field in fields:
        value = _read(field, form)
        if value not in ("", [], None):
            found[field.id] = value
    return found


def _read(field: Field, form: Form) -> Any:
    values = [clean(value) for value in form.get(field.id, [])]
    first = values[0] if values else ""
    match field.kind:
        case "date":
            return _date([clean((form.get(f"{field.id}-{part}") or [""])[0]) for part in ("year", "month", "day")])
        case "choices" | "files":
            return list(dict.fromkeys(value for value in values if value))
        case "place":
            return _place(first, form.get(f"{field.id}-lat"), form.get(f"{field.id}-lon"))
        case "time":
            hour = re.fullmatch(r"([0-9]{1,2})\s*[:hH]\s*([0-9]{2})?", first)
            return f"{int(hour[1]):02}:{hour[2] or '00'}" if hour else first
        case "amount":
            return _cents(first)
        case "number":
            return int(first) if first.isascii() and first.isdigit() and len(first) < 16 else first
        case _:
            return first


def _date(parts: list[str]) -> str:
    """YYYY-MM-DD of year, month and day; as typed where they are no figures."""
    if not any(parts):
        return ""
    year, month, day = parts
    if all(part.isascii() and part.isdigit() for part in parts):
        return f"{year.zfill(4)}-{month.zfill(2)}-{day.zfill(2)}"
    return "-".join(parts)


def birthdate(typed: str) -> str:
    """YYYY-MM-DD of what was typed as day, month, year; as typed where it is none."""
    parts = typed.replace(".", "/").replace("-", "/").split("/")
    if len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts):
        return f"{parts[2].zfill(4)}-{parts[1].zfill(2)}-{parts[0].zfill(2)}"
    return typed.strip()


def _cents(text: str) -> int | str:
    """Cents of « 1 234,50 € »; the text where it is no amount."""
    found = re.fullmatch(r"([0-9]{1,12})(?:[.,]([0-9]{1,2}))?", re.sub(r"[\s\u00a0\u202f€]", "", text))
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else text


def _place(address: str, lat: list[str] | None, lon: list[str] | None) -> Any:
    if not address:
        return ""
    try:
        there = (float((lat or [""])[0]), float((lon or [""])[0]))
    except ValueError:
        return {"address": address}  # a place that cannot be read is left out: the address is what counts
    within = -90 <= there[0] <= 90 and -180 <= there[1] <= 180
    return {"address": address, "lat": there[0], "lon": there[1]} if within else {"address": address}


def holds(conditions: Iterable[Condition], answers: Mapping[str, Any]) -> bool:
    """Whether all conditions hold."""
    for condition in conditions:
        given = answers.get(condition.field)
        if isinstance(given, list):
            if not any(value in condition.among for value in given):
                return False
        elif given not in condition.among:
            return False
    return True


def asked(fields: Iterable[Field], answers: Mapping[str, Any]) -> list[Field]:
    """The questions that these answers make one ask: one whose condition hangs on an unasked question is not asked either."""
    found: list[Field] = []
    known: Answers = {}
    for field in fields:
        if holds(field.when, known):
            found.append(field)
            if field.id in answers:
                known[field.id] = answers[field.id]
    return found


def way_of(definition: Definition, answers: Mapping[str, Any]) -> Way | None:
    """Where the first answers lead, other than on."""
    return next((way for way in definition.ways if holds(way.when, answers)), None)


def relevant(definition: Definition, answers: Mapping[str, Any], step: str = "") -> Answers:
    """The answers to what is asked, at filing or at a step; the others are not kept (GDPR 5(1)(c))."""
    fields = definition.fields_of(step)
    return {field.id: answers[field.id] for field in asked(fields, answers) if field.id in answers}


def check(definition: Definition, answers: Mapping[str, Any], today: date, step: str = "") -> dict[str, Text]:
    """What is wrong, by question; empty where nothing is. `today`: the legal day of the jurisdiction."""
    given, fields = dict(answers), definition.fields_of(step)
    wrong: dict[str, Text] = {}
    for error in validator(definition, step).iter_errors(given):
        path = list(error.instance_path)
        kind: Any = error.kind  # one class for each keyword, which the stubs do not tell apart
        if path:
            id_ = str(path[0])
        elif kind.name == "required":
            id_ = kind.property
        else:
            id_ = str(next(iter(kind.unexpected))) if kind.name == "additionalProperties" else ""
        wrong.setdefault(id_, _sentence(fields, id_, kind))
    for field in fields:
        if field.past and field.id in given and field.id not in wrong and date.fromisoformat(given[field.id]) > today:
            wrong[field.id] = Text("Cette date n’est pas encore passée.", "This date has not come yet.")
    return wrong


def _sentence(fields: Iterable[Field], id_: str, kind: Any) -> Text:
    field = next((one for one in fields if one.id == id_), None)
    if field is None:
        return Text("Ce n’est pas une question de ce service.", "This is not a question of this service.")
    if kind.name in ("required", "minLength", "minItems"):
        return sentences(field)[0]
    if kind.name == "falseSchema":
        return Text("Cette question ne se pose pas ici.", "This question is not asked here.")
    if kind.name == "maxLength":
        return Text(f"{kind.limit} signes au plus.", f"{kind.limit} characters at most.")
    if kind.name == "maxItems":
        return Text(f"{kind.limit} au plus.", f"{kind.limit} at most.")
    return _WRONG[field.kind]


def sentences(field: Field) -> tuple[Text, Text]:
    """What is said where a question's answer is missing, and where it is not right."""
    return _MISSING.get(field.kind, Text("Répondez à cette question.", "Answer this question.")), _WRONG.get(
        field.kind, Text("Répondez à cette question.", "Answer this question.")
    )


_MISSING = {
    "choice": Text("Choisissez une réponse.", "Choose an answer."),
    "choices": Text("Choisissez au moins une réponse.", "Choose at least one answer."),
    "yesno": Text("Répondez par oui ou par non.", "Answer yes or no."),
    "date": Text("Donnez le jour, le mois et l’année.", "Give the day, the month and the year."),
    "files": Text("Joignez au moins un fichier.", "Attach at least one file."),
}
_WRONG = {
    "text": Text("Écrivez quelques mots.", "Write a few words."),
    "long": Text("Écrivez quelques mots.", "Write a few words."),
    "choice": Text("Choisissez une des réponses.", "Choose one of the answers."),
    "choices": Text("Choisissez parmi les réponses.", "Choose among the answers."),
    "yesno": Text("Répondez par oui ou par non.", "Answer yes or no."),
    "date": Text("Ce jour n’existe pas. Par exemple : 27 3 2026.", "There is no such day. For example: 27 3 2026."),
    "time": Text("Écrivez l’heure ainsi : 14:30.", "Write the time like this: 14:30."),
    "place": Text("Écrivez une adresse ou un lieu.", "Write an address or a place."),
    "phone": Text(
        "Écrivez un numéro de téléphone, par exemple 06 12 34 56 78.",
        "Write a telephone number, for example 06 12 34 56 78.",
    ),
    "email": Text(
        "Écrivez une adresse de messagerie, par exemple nom@exemple.fr.",
        "Write an e-mail address, for example name@example.com.",
    ),
    "amount": Text("Écrivez un montant, par exemple 120,50.", "Write an amount, for example 120.50."),
    "number": Text("Écrivez un nombre entier, par exemple 3.", "Write a whole number, for example 3."),
    "files": Text(
        "Ce fichier n’est plus là : joignez-le de nouveau.", "This file is no longer there: attach it again."
    ),
}
