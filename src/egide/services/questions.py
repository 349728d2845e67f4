"""A service's questions as HTML: labels, hints, mistakes and what was typed, the same for a page, a terminal and a screen reader.

Patterns as GOV.UK's: one label for each box, a legend for each group, a date in three boxes (browsers show a date in their own
order, not the page's), the mistake above the box it is about. Whatever a person typed is escaped and stands in its own direction
(`dir="auto"`), so that right-to-left marks turn nothing around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from html import escape
from typing import Any

import msgspec

from egide.kernel.capability import Words
from egide.kernel.errors import Text
from egide.services.answers import asked
from egide.services.definition import MAX_LONG, MAX_TEXT, Field

OPTIONAL = Text("facultatif", "optional")
PARTS = (("day", Text("Jour", "Day"), 2), ("month", Text("Mois", "Month"), 2), ("year", Text("Année", "Year"), 4))
YES_NO = (("yes", Text("Oui", "Yes")), ("no", Text("Non", "No")))
NOT_GIVEN = Text("Non renseigné", "Not given")


class Line(msgspec.Struct):
    """A question and its answer, as people read them."""

    id: str
    label: Words
    fr: str
    en: str


def lines(fields: Iterable[Field], answers: Mapping[str, Any]) -> list[Line]:
    """These questions with their answers, those that are not asked left out."""
    return [
        Line(one.id, one.label, said.fr, said.en)
        for one in asked(fields, answers)
        for said in [plain(one, answers.get(one.id))]
    ]


def say(lang: str, words: Words | Text) -> str:
    """Words in the page's language, escaped."""
    return _escaped(words.en if lang == "en" else words.fr)


# The same few hundred sentences stand on every page.
_escaped = lru_cache(maxsize=2048)(escape)


def question(lang: str, field: Field, form: Mapping[str, list[str]], wrong: Text | None) -> str:
    """One question with its box or boxes."""
    match field.kind:
        case "choice" | "choices" | "yesno":
            return _choices(lang, field, form.get(field.id, []), wrong)
        case "date":
            return _date(lang, field, form, wrong)
        case "long":
            return _box(lang, field, wrong, _area(field, _first(form, field.id), _described(field, wrong)))
        case _:
            return _box(lang, field, wrong, _line(field, _first(form, field.id), _described(field, wrong)))


def _first(form: Mapping[str, list[str]], name: str) -> str:
    return (form.get(name) or [""])[0]


def _by(field: Field, wrong: Text | None) -> str:
    """The attribute by which a screen reader says the hint and the mistake."""
    by = [f"{field.id}-hint"] * (field.hint is not None) + [f"{field.id}-wrong"] * (wrong is not None)
    return f' aria-describedby="{" ".join(by)}"' if by else ""


def _described(field: Field, wrong: Text | None) -> str:
    return _by(field, wrong) + (' aria-invalid="true"' if wrong else "")


def _label(lang: str, field: Field) -> str:
    optional = "" if field.required else f' <span class="quiet">({say(lang, OPTIONAL)})</span>'
    return say(lang, field.label) + optional


def _notes(lang: str, field: Field, wrong: Text | None) -> str:
    hint = f'<p class="hint" id="{field.id}-hint">{say(lang, field.hint)}</p>' if field.hint else ""
    mistake = f'<p class="mistake" id="{field.id}-wrong">{say(lang, wrong)}</p>' if wrong else ""
    return hint + mistake


def _box(lang: str, field: Field, wrong: Text | None, box: str) -> str:
    held = " bad" if wrong else ""
    return f'<div class="q{held}"><label for="{field.id}">{_label(lang, field)}</label>{_notes(lang, field, wrong)}{box}</div>'


def _line(field: Field, value: str, more: str) -> str:
    kinds = {
        "email": 'type="email"',
        "phone": 'type="tel"',
        "number": 'inputmode="numeric"',
        "amount": 'inputmode="decimal"',
    }
    filled = field.autocomplete or "off"
    required = " required" if field.required else ""
    narrow = ' class="narrow"' if field.kind in ("number", "amount", "time") else ""
    return (
        f'<input id="{field.id}" name="{field.id}" {kinds.get(field.kind, "")} dir="auto" autocomplete="{filled}" '
        f'maxlength="{field.max or MAX_TEXT if field.kind in ("text", "place") else 254}" value="{escape(value)}"{required}{narrow}{more}>'
    )


def _area(field: Field, value: str, more: str) -> str:
    required = " required" if field.required else ""
    # What somebody tells of what happened to them is not for the browser to remember.
    return (
        f'<textarea id="{field.id}" name="{field.id}" dir="auto" autocomplete="off" maxlength="{field.max or MAX_LONG}"{required}{more}>'
        f"\n{escape(value)}</textarea>"
    )


def _choices(lang: str, field: Field, values: list[str], wrong: Text | None) -> str:
    options: Iterable[tuple[str, Words | Text]] = (
        YES_NO if field.kind == "yesno" else [(option.id, Words(option.fr, option.en)) for option in field.options]
    )
    kind = "checkbox" if field.kind == "choices" else "radio"
    required = " required" if field.required and kind == "radio" else ""
    boxes = "".join(
        f'<label class="pick"><input type="{kind}" name="{field.id}" value="{id_}"{" checked" if id_ in values else ""}{required}'
        f"{f' id={chr(34)}{field.id}{chr(34)}' if at == 0 else ''}> <span>{say(lang, words)}</span></label>"
        for at, (id_, words) in enumerate(options)
    )
    return _group(lang, field, wrong, boxes)


def _date(lang: str, field: Field, form: Mapping[str, list[str]], wrong: Text | None) -> str:
    boxes = "".join(
        f'<label class="part">{say(lang, words)}<input name="{field.id}-{part}" value="{escape(_first(form, f"{field.id}-{part}"))}" '
        f'inputmode="numeric" autocomplete="off" maxlength="{size}" size="{size}"{f" id={chr(34)}{field.id}{chr(34)}" if part == "day" else ""}></label>'
        for part, words, size in PARTS
    )
    return _group(lang, field, wrong, f'<div class="parts">{boxes}</div>')


def _group(lang: str, field: Field, wrong: Text | None, boxes: str) -> str:
    return (
        f'<div class="q{" bad" if wrong else ""}"><fieldset{_by(field, wrong)}><legend>{_label(lang, field)}</legend>'
        f"{_notes(lang, field, wrong)}{boxes}</fieldset></div>"
    )


def mistakes(lang: str, fields: Iterable[Field], wrong: Mapping[str, Text]) -> str:
    """Every mistake at the top of the page, each leading to its box."""
    if not wrong:
        return ""
    head = say(lang, Text("Il y a quelque chose à revoir", "Something needs another look"))
    labels = {one.id: one.label for one in fields}
    items = "".join(
        f'<li><a href="#{id_}">{say(lang, labels[id_])} — {say(lang, words)}</a></li>' for id_, words in wrong.items()
    )
    return f'<div class="wrong" role="alert" tabindex="-1" autofocus><h2>{head}</h2><ul>{items}</ul></div>'


def told(lang: str, field: Field, value: Any) -> str:
    """An answer as people read it, in its own direction, escaped."""
    if value in (None, "", []):
        return f'<span class="quiet">{say(lang, NOT_GIVEN)}</span>'
    return f"<bdi>{escape(plain(field, value).en if lang == 'en' else plain(field, value).fr)}</bdi>"


def plain(field: Field, value: Any) -> Text:
    """An answer as people read it, in both languages; "" where there is none."""
    if value in (None, "", []):
        return Text("", "")
    match field.kind:
        case "yesno":
            return dict(YES_NO)[value]
        case "choice" | "choices":
            chosen = [
                option for option in field.options if option.id in (value if isinstance(value, list) else [value])
            ]
            return Text(", ".join(one.fr for one in chosen), ", ".join(one.en for one in chosen))
        case "date":
            year, month, day = value.split("-")
            return Text(f"{day}/{month}/{year}", f"{day}/{month}/{year}")
        case "amount":
            whole, cents = divmod(value, 100)
            grouped = f"{whole:,}"
            return Text(f"{grouped.replace(',', chr(0x202F))},{cents:02} €", f"€{grouped}.{cents:02}")
        case "place":
            return Text(value["address"], value["address"])
        case "files":
            return Text(f"{len(value)} fichier(s)", f"{len(value)} file(s)")
        case _:
            return Text(str(value), str(value))
