"""What each page of a service shows, made from its definition and the answers so far; nothing is asked or kept here."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from egide.gateways import chat_words
from egide.gateways.document_page import PATH as DOCUMENTS
from egide.gateways.file_box import Sent, box
from egide.gateways.resident import wrong
from egide.gateways.service_words import PATH, channels, danger, notice, row, w
from egide.kernel.errors import EgideError, Text
from egide.services.answers import asked, read
from egide.services.definition import Definition, Step, Way, catalogue
from egide.services.model import Who
from egide.services.questions import mistakes, question, say
from egide.services.receipts import PATH as RECEIPTS

# Services that are a page of their own.
LINKS = {
    "verification": (
        (RECEIPTS, Text("Vérifier un récépissé", "Verify a receipt")),
        (DOCUMENTS, Text("Vérifier un document", "Verify a document")),
    )
}

Form = Mapping[str, list[str]]
Wrong = Mapping[str, Text]


def list_of_services(lang: str) -> str:
    """Every service, each in a sentence."""
    lines = "".join(
        f'<li><a href="{_address(one)}?lang={lang}">{say(lang, one.title)}</a>{say(lang, one.lead)}</li>'
        for one in catalogue().current()
    )
    follow = f'<p><a href="{PATH}/file?lang={lang}">{w(lang, "follow")}</a></p>'
    return f'{danger(lang)}<h1>{w(lang, "services")}</h1><ul class="list">{lines}</ul>{follow}'


def _links(lang: str, definition: Definition) -> str:
    return "".join(
        f'<p><a class="button" href="{at}?lang={lang}">{say(lang, words)}</a></p>' for at, words in LINKS[definition.id]
    )


def _address(definition: Definition) -> str:
    """A service's page; help by chat has one of its own, whose address tells nothing to who looks at a browser's history."""
    way = definition.channels.get("remote")
    return chat_words.PATH if way is not None and "chat" in way.modes else f"{PATH}/{definition.id}"


def first_page(lang: str, definition: Definition, form: Form, bad: Wrong, *, taking: bool = False) -> str:
    """What the service is, who decides, how long it takes, which ways there are, and its first questions."""
    fields = asked(definition.questions, read(definition.questions, form))
    boxes = "".join(question(lang, one, form, bad.get(one.id)) for one in fields)
    who = w(lang, "who_reads").format(say(lang, definition.human))
    time = w(lang, "lead_time").format(say(lang, definition.lead_time))
    absence = definition.absence("remote")
    way = definition.channels.get("remote")
    shown = (
        f'<p><a class="button" href="{chat_words.PATH}?lang={lang}">{chat_words.w(lang, "begin")}</a></p>'
        if way is not None and "chat" in way.modes and not taking
        else _links(lang, definition)
        if definition.id in LINKS and not taking
        else f'<p class="note">{w(lang, "not_yet")}</p>'
        if way is not None and "form" not in way.modes and not taking
        else f'<form method="post" action="{PATH}/{definition.id}?lang={lang}" novalidate>{boxes}<button>{w(lang, "next")}</button></form>'
        if absence is None or taking
        else f'<p class="note">{w(lang, "not_here")} {say(lang, absence.say)} ({escape(absence.article)})</p>'
    )
    return (
        f"{danger(lang)}{mistakes(lang, definition, bad)}<h1>{say(lang, definition.title)}</h1><p>{say(lang, definition.lead)}</p>"
        f"<p>{who}<br>{time}</p>{shown}{channels(lang, definition)}{notice(lang, definition)}"
    )


def question_page(lang: str, definition: Definition, step: Step, form: Form, bad: Wrong, sent: Sent) -> str:
    """One page of questions: those that the answers so far make one ask, with the files that were sent already."""
    shown = [one for one in asked(definition.fields, read(definition.fields, form)) if one in step.fields]
    boxes = "".join(
        box(lang, one, sent, bad.get(one.id)) if one.kind == "files" else question(lang, one, form, bad.get(one.id))
        for one in shown
    )
    several, first = "", ""
    if with_files(step):
        # Enter presses a form's first button: it must be the one that goes on, not one that takes a file back.
        several, first = (
            ' enctype="multipart/form-data"',
            '<button class="first" tabindex="-1" aria-hidden="true"></button>',
        )
    at = definition.steps.index(step)
    before = f"/{definition.steps[at - 1].id}" if at else ""
    return (
        f"{mistakes(lang, definition, bad)}{_progress(lang, definition, at + 2)}<h1>{say(lang, step.title)}</h1>"
        f'<form method="post" action="{PATH}/{definition.id}/{step.id}?lang={lang}" novalidate{several}>{first}{boxes}<button>{w(lang, "next")}</button></form>'
        f'<p><a href="{PATH}/{definition.id}{before}?lang={lang}">{w(lang, "back")}</a></p>{notice(lang, definition)}'
    )


def with_files(step: Step) -> bool:
    """Whether a page takes files."""
    return any(one.kind == "files" for one in step.fields)


def _progress(lang: str, definition: Definition, page: int) -> str:
    words = w(lang, "step").format(page, len(definition.steps) + 2)
    return f'<p class="small">{words} · {say(lang, definition.title)}</p>'


def elsewhere_page(lang: str, definition: Definition, way: Way) -> str:
    """Where the first answers lead, and the button that goes there with them."""
    other = catalogue().find(way.to.removeprefix("service:")) if way.to.startswith("service:") else None
    go = ""
    if other is not None:
        words = w(lang, "go_on").format(say(lang, other.title))
        go = f'<form method="post" action="{PATH}/{definition.id}/way?lang={lang}"><button>{words}</button></form>'
    urgent = danger(lang) if way.to == "emergency" else ""
    return (
        f'<h1>{say(lang, definition.title)}</h1>{urgent}<p class="note">{say(lang, way.say)}</p>{go}'
        f'<p><a href="{PATH}/{definition.id}?lang={lang}">{w(lang, "start_over")}</a></p>'
    )


def check_page(
    lang: str, definition: Definition, answers: Mapping[str, object], bad: Wrong, identity: str, *, ready: bool,
    trouble: EgideError | None,
) -> str:  # fmt: skip
    """Everything once more, who sends it, and the button that does."""
    rows = "".join(row(lang, definition, one, answers, bad) for one in asked(definition.fields, answers))
    send = f'<form method="post" action="{PATH}/{definition.id}/check?lang={lang}"><button>{w(lang, "send")}</button></form>'
    return (
        f"{wrong(lang, trouble) if trouble is not None else ''}{mistakes(lang, definition, bad)}"
        f"{_progress(lang, definition, len(definition.steps) + 2)}<h1>{w(lang, 'check')}</h1><dl>{rows}</dl>"
        f"{identity}{send if ready else ''}{notice(lang, definition)}"
    )


def identity_note(lang: str, definition: Definition, level: int, who: Who, *, provider: bool) -> str:
    """Who the person is known as, or how to be known, with and without an account."""
    needed = definition.channels["remote"].identity
    name = escape(f"{who.given_name} {who.family_name}".strip())
    known = f"<p>{w(lang, 'as').format(f'<bdi><strong>{name}</strong></bdi>')}</p>" if level else ""
    if max(level, 1) >= needed:
        return known
    here = f"{PATH}/{definition.id}/check"
    sign_in = f"/identity/start?level={needed}&amp;return={here}&amp;lang={lang}"
    way = (
        f'<a class="button" href="{sign_in}">{w(lang, "identify")}</a>'
        if provider
        else f"<p>{w(lang, 'provider_off')}</p>"
    )
    return f'{known}<p>{w(lang, "why_identity")}</p>{way}<p class="small">{w(lang, "no_account")}</p>'
