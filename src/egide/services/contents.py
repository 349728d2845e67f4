"""What a file's documents say, from its definition and its answers: a receipt names nobody, a report says everything once.

The templates (templates/*.typ) say which names they take.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from egide.kernel.act import Ctx
from egide.kernel.clock import from_us
from egide.kernel.documents import Lang
from egide.kernel.errors import Text
from egide.services.answers import asked
from egide.services.definition import Definition, Output
from egide.services.model import EventBody, body_of, events_of
from egide.services.questions import plain

NOT_QUALIFIED = Text(
    "Validé par l’agent dans la plateforme. Ce n’est pas une signature électronique qualifiée.",
    "Validated by the officer on the platform. It is no qualified electronic signature.",
)
PERSON = Text("La personne", "The person")
NAME = Text("Nom et prénom", "Name")
BORN = Text("Né(e) le", "Born on")
PROVED = Text("Identité établie par", "Identity proved by")
ROLE = Text("Agent en charge du dossier", "Officer in charge of the file")
LEVELS = {
    1: Text("ses propres dires", "the person’s own word"),
    2: Text("un fournisseur d’identité, niveau faible", "an identity provider, level low"),
    3: Text("un fournisseur d’identité, niveau substantiel", "an identity provider, level substantial"),
    4: Text("un fournisseur d’identité, niveau élevé", "an identity provider, level high"),
    5: Text("un agent, sur pièce d’identité", "an officer who saw an identity document"),
}


def contents(ctx: Ctx, row: Any, definition: Definition, output: Output, unit: str) -> dict[str, Any]:
    """The data of one document."""
    lang: Lang = "en" if row.lang == "en" else "fr"
    common: dict[str, Any] = {
        "title": _say(lang, output.title), "number": row.number, "unit": unit,
        "legal": f"{definition.text}, {definition.article}",
    }  # fmt: skip
    match output.template:
        case "receipt":
            return common | _receipt(ctx, row, definition, lang)
        case "attestation":
            return common | {"facts": [one for _title, lines in _sections(ctx, row, definition, lang) for one in lines]}
        case "report":
            return common | _report(ctx, row, definition, lang)


def _receipt(ctx: Ctx, row: Any, definition: Definition, lang: Lang) -> dict[str, Any]:
    """Names nobody: it may be shown to anyone."""
    state = definition.state(definition.initial)
    opened = _local(ctx, row.opened)
    return {
        "service": _say(lang, definition.title), "day": f"{opened:%d/%m/%Y}", "received": _at(opened, lang),
        "next": [_say(lang, state.say), _say(lang, definition.lead_time), _say(lang, definition.human)],
    }  # fmt: skip


def _report(ctx: Ctx, row: Any, definition: Definition, lang: Lang) -> dict[str, Any]:
    events, words = events_of(ctx.kernel, ctx.db, row.id)
    said = [msgspec.json.decode(one, type=EventBody) for one in words]
    last = events[-1]
    officer = ctx.kernel.identity.name(last.officer) if last.officer else ""
    signed = {
        "name": officer, "role": _say(lang, ROLE), "at": _at(_local(ctx, last.at), lang), "how": _say(lang, NOT_QUALIFIED),
    }  # fmt: skip
    steps = [
        {"question": f"{_at(_local(ctx, event.at), lang)}", "answer": body.text}
        for event, body in zip(events, said, strict=True)
        if body.text
    ]
    sections = [
        {"title": title, "items": [{"question": line["question"], "answer": line["answer"]} for line in lines]}
        for title, lines in _sections(ctx, row, definition, lang)
    ]
    if steps:
        sections.append({"title": _say(lang, Text("Échanges", "Exchanges")), "items": steps})
    return {
        "officer": officer, "began": _at(_local(ctx, row.opened), lang), "ended": _at(_local(ctx, last.at), lang), "sections": sections,
        "signatures": [signed] if officer else [],
    }  # fmt: skip


def _sections(ctx: Ctx, row: Any, definition: Definition, lang: Lang) -> list[tuple[str, list[dict[str, str]]]]:
    """Who the person is, then the pages of the service: each question that was asked, with its answer."""
    body = body_of(ctx.kernel, row)
    name = f"{body.who.family_name} {body.who.given_name}".strip()
    person = [(NAME, name), (BORN, body.who.birthdate), (PROVED, _say(lang, LEVELS[row.level]))]
    found = [
        (
            _say(lang, PERSON),
            [{"question": _say(lang, label), "answer": value} for label, value in person if value],
        )
    ]
    shown = asked(definition.fields, body.answers)
    pages = [(definition.title, definition.questions), *((step.title, step.fields) for step in definition.steps)]
    for title, fields in pages:
        lines = [
            {"question": _say(lang, one.label), "answer": _say(lang, plain(one, body.answers.get(one.id)))}
            for one in fields
            if one in shown
        ]
        if lines:
            found.append((_say(lang, title), lines))
    return found


def _say(lang: Lang, words: Any) -> str:
    return str(words.en if lang == "en" else words.fr)


def _local(ctx: Ctx, at_us: int) -> datetime:
    return from_us(at_us).astimezone(ctx.kernel.book.zone)


def _at(moment: datetime, lang: Lang) -> str:
    return f"{moment:%d/%m/%Y}, {moment:%H h %M}" if lang == "fr" else f"{moment:%d/%m/%Y}, {moment:%H:%M}"
