"""What a file's documents say, from its definition and its answers: a receipt names nobody, a report says everything once.

The templates (templates/*.typ) say which names they take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from egide.kernel.act import Ctx
from egide.kernel.clock import from_us
from egide.kernel.documents import Lang
from egide.kernel.errors import Text
from egide.services import hearing_report
from egide.services.answers import asked
from egide.services.definition import Definition, Output, Transition
from egide.services.hearing_sheet import sheets
from egide.services.model import EventBody, body_of, due_at, events_of, happened
from egide.services.questions import lines, plain

NOTICES = "/services/notice"  # the page that a notice leads to
RIGHTS = "rights"  # the output that is a sheet of rights
NOT_QUALIFIED = Text(
    "Validé par l’agent dans la plateforme. Ce n’est pas une signature électronique qualifiée.",
    "Validated by the officer on the platform. It is no qualified electronic signature.",
)
BY_KEY = Text(
    "Validé par l’agent avec sa clé d’accès, qui a signé l’empreinte de ce document. Ce n’est pas une signature électronique qualifiée.",
    "Validated by the officer with their passkey, which signed this document’s hash. It is no qualified electronic signature.",
)
BY_CARD = Text(
    "Signé par l’agent avec sa carte : la signature est dans ce fichier. La page de vérification dit ce qu’elle vaut, et si elle est qualifiée.",
    "Signed by the officer with their card: the signature is in this file. The verification page says what it is worth, and whether it is qualified.",
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


@dataclass(frozen=True, slots=True)
class Pending:
    """A signature that is being made: the document is set before the step that it ends stands in the file."""

    step: str
    officer: str
    at: int  # µs
    text: str
    how: Text


def contents(
    ctx: Ctx, row: Any, definition: Definition, output: Output, unit: str, pending: Pending | None = None
) -> dict[str, Any]:
    """The data of one document."""
    lang: Lang = "en" if row.lang == "en" else "fr"
    common: dict[str, Any] = {
        "title": _say(lang, output.title), "number": row.number, "unit": unit,
        "legal": _say(lang, ctx.kernel.book.in_words(definition.text, definition.article)),
    }  # fmt: skip
    match output.template:
        case "receipt":
            return common | _receipt(ctx, row, definition, output, lang)
        case "notice":
            return common | _notice(ctx, row, definition, output, lang)
        case "attestation":
            return common | _attested(ctx, row, definition, output, lang)
        case "report":
            return (
                common
                | _report(ctx, row, definition, output, lang, pending)
                | hearing_report.part(ctx, row, definition, lang)
            )


def _receipt(ctx: Ctx, row: Any, definition: Definition, output: Output, lang: Lang) -> dict[str, Any]:
    """Names nobody: it may be shown to anyone. Of the step from which it comes; else of what was filed."""
    step, at = _came_of(ctx, row, definition, output)
    state = definition.state(step.to if step is not None else definition.initial)
    received = _local(ctx, at if step is not None else row.opened)
    after = [definition.lead_time, definition.human] if not state.ends else []
    return {
        "service": _say(lang, definition.title), "day": f"{received:%d/%m/%Y}", "received": _at(received, lang),
        "next": [_say(lang, one) for one in (state.say, *after)],
    }  # fmt: skip


def _came_of(ctx: Ctx, row: Any, definition: Definition, output: Output) -> tuple[Transition | None, int]:
    """(the step from which a document comes, when it was last taken); None where it comes of no step."""
    steps = {step.id: step for step in definition.transitions if step.output == output.id}
    taken = [one for one in events_of(ctx.kernel, ctx.db, row.id)[0] if one.step in steps]
    return (steps[taken[-1].step], taken[-1].at) if taken else (None, row.opened)


def _notice(ctx: Ctx, row: Any, definition: Definition, output: Output, lang: Lang) -> dict[str, Any]:
    """What the person is told who reaches their file by it: what is held against them, until when, and the way in.

    The way in is an address whose fragment holds number and code: a browser sends no fragment to anybody.
    """
    notice, (step, at) = definition.notice, _came_of(ctx, row, definition, output)
    if notice is None or step is None:
        return {}
    body, due = body_of(ctx.kernel, row), due_at(definition, step.to, at)
    link = f"{ctx.kernel.settings.origin}{NOTICES}"
    sections = _sections(ctx, row, definition, lang)
    return {
        "sections": [{"title": title, "items": items} for title, items in sections if items], "sent": _at(_local(ctx, at), lang),
        "until": f"{_local(ctx, due):%d/%m/%Y}" if due else "", "pay": _say(lang, notice.pay), "contest": _say(lang, notice.contest),
        "late": _say(lang, notice.late), "link": link, "code": body.code, "way": f"{link}#{row.number}.{body.code}",
    }  # fmt: skip


def _attested(ctx: Ctx, row: Any, definition: Definition, output: Output, lang: Lang) -> dict[str, Any]:
    """What the service certifies; of a hearing the sheet of rights, to be kept and printed (CPP R2-27)."""
    if definition.hearing is None or output.id != RIGHTS:
        facts = [one for _title, lines in _sections(ctx, row, definition, lang) for one in lines]
        return {"facts": facts + _rounds(ctx, row, definition, lang)}
    sheet = sheets()[definition.hearing.rights]
    told = [
        {"question": _say(lang, one.label), "answer": one.en if lang == "en" else one.fr} for one in sheet.lines
    ]  # fmt: skip
    return {"facts": told, "legal": f"{sheet.article} ({sheet.version}, {sheet.digest[:16]})"}


def _rounds(ctx: Ctx, row: Any, definition: Definition, lang: Lang) -> list[dict[str, str]]:
    """Each time a patrol passed by: when, and nothing more."""
    words = {one.id: one.round for one in definition.transitions if one.round is not None}
    rows, bodies = events_of(ctx.kernel, ctx.db, row.id) if words else ([], [])
    return [
        {"question": _at(_local(ctx, happened(one.at, msgspec.json.decode(body, type=EventBody).made)), lang), "answer": _say(lang, words[one.step])}
        for one, body in zip(rows, bodies, strict=True)
        if one.step in words
    ]  # fmt: skip


def _report(
    ctx: Ctx, row: Any, definition: Definition, output: Output, lang: Lang, pending: Pending | None
) -> dict[str, Any]:
    events, words = events_of(ctx.kernel, ctx.db, row.id)
    said = [msgspec.json.decode(one, type=EventBody) for one in words]
    if pending is not None:
        events, said = [*events, pending], [*said, EventBody(pending.text)]
    known = {step.id: step for step in definition.transitions}
    # Who signed it took the step from which it comes; something may have happened since.
    signing = [one for one in events if one.step in known and known[one.step].output == output.id]
    last = signing[-1] if signing else events[-1]
    officer = ctx.kernel.identity.name(last.officer) if last.officer else ""
    signed = {
        "name": officer, "role": _say(lang, ROLE), "at": _at(_local(ctx, last.at), lang), "how": _say(lang, NOT_QUALIFIED if pending is None else pending.how),
    }  # fmt: skip
    steps = [
        {"question": _asked(ctx, event, known, lang), "answer": _answer(definition, event.step, body, lang)}
        for event, body in zip(events, said, strict=True)
        if body.text or body.answers
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


def _answer(definition: Definition, step: str, body: EventBody, lang: Lang) -> str:
    """The words of a step, and what it asked with what was answered."""
    told = lines(definition.fields_of(step), body.answers) if body.answers else []
    return "\n".join(
        [*([body.text] if body.text else []), *(f"{_say(lang, one.label)} {_say(lang, one)}" for one in told)]
    )


def _asked(ctx: Ctx, event: Any, steps: Mapping[str, Transition], lang: Lang) -> str:
    """When something was said, and as what."""
    at = _at(_local(ctx, event.at), lang)
    return f"{at} — {_say(lang, steps[event.step].say)}" if event.step in steps else at


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
