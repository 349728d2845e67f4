"""What each page of a service shows, made from its definition and the answers so far; nothing is asked or kept here."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from egide.gateways import chat_words, wallet_page
from egide.gateways.document_page import PATH as DOCUMENTS
from egide.gateways.file_box import Sent, box
from egide.gateways.oidc_page import LEVELS
from egide.gateways.resident import said, wrong
from egide.gateways.resident_identity import SIGN_IN, WALLET
from egide.gateways.service_words import AGAIN, PATH, back, channels, danger, notice, row, w
from egide.kernel.errors import EgideError, Text
from egide.kernel.law import LawBook
from egide.services.answers import asked, read
from egide.services.contents import NOTICES
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
NOTICE = (NOTICES, Text("Payer ou contester un avis", "Pay or contest a notice"))

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


def links_of(definition: Definition) -> tuple[tuple[str, Text], ...]:
    """The pages of its own that a service has instead of a form."""
    return (NOTICE,) if definition.notice is not None else LINKS.get(definition.id, ())


def _links(lang: str, definition: Definition) -> str:
    return "".join(
        f'<p><a class="button" href="{at}?lang={lang}">{say(lang, words)}</a></p>' for at, words in links_of(definition)
    )


def _address(definition: Definition) -> str:
    """A service's page; help by chat has one of its own, whose address tells nothing to who looks at a browser's history."""
    way = definition.channels.get("remote")
    return chat_words.PATH if way is not None and "chat" in way.modes else f"{PATH}/{definition.id}"


def first_page(
    lang: str,
    definition: Definition,
    book: LawBook,
    form: Form,
    bad: Wrong,
    *,
    taking: bool = False,
    again: bool = False,
) -> str:
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
        if links_of(definition) and not taking
        else f'<form method="post" action="{PATH}/{definition.id}?lang={lang}{AGAIN * again}" novalidate>{boxes}<button>{w(lang, "next")}</button></form>'
        if absence is None or taking
        else f'<p class="note">{w(lang, "not_here")} {say(lang, absence.say)} ({escape(absence.article)})</p>'
    )
    return (
        f"{back(lang, f'{PATH}/{definition.id}/check' if again else PATH)}{danger(lang)}{mistakes(lang, definition.fields, bad)}<h1>{say(lang, definition.title)}</h1><p>{say(lang, definition.lead)}</p>"
        f"<p>{who}<br>{time}</p>{shown}{channels(lang, definition)}{notice(lang, definition, book)}"
    )


def question_page(
    lang: str,
    definition: Definition,
    book: LawBook,
    step: Step,
    form: Form,
    bad: Wrong,
    sent: Sent,
    *,
    again: bool = False,
) -> str:
    """One page of questions: those that the answers so far make one ask, with the files that were sent already.

    `again`: from the last look, to which it leads back.
    """
    shown = [one for one in asked(definition.fields, read(definition.deciding, form)) if one in step.fields]
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
    before = "/check" if again else f"/{definition.steps[at - 1].id}" if at else ""
    return (
        f"{back(lang, f'{PATH}/{definition.id}{before}')}{mistakes(lang, definition.fields, bad)}{_progress(lang, definition, at + 2)}<h1>{say(lang, step.title)}</h1>"
        f'<form method="post" action="{PATH}/{definition.id}/{step.id}?lang={lang}{AGAIN * again}" novalidate{several}>{first}{boxes}<button>{w(lang, "next")}</button></form>'
        f"{notice(lang, definition, book)}"
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
    lang: str, definition: Definition, book: LawBook, answers: Mapping[str, object], bad: Wrong, identity: str, *,
    ready: bool, trouble: EgideError | None,
) -> str:  # fmt: skip
    """Everything once more, who sends it, and the button that does."""
    rows = "".join(row(lang, definition, one, answers, bad) for one in asked(definition.fields, answers))
    send = f'<form method="post" action="{PATH}/{definition.id}/check?lang={lang}"><button>{w(lang, "send")}</button></form>'
    last = f"/{definition.steps[-1].id}" if definition.steps else ""
    return (
        f"{back(lang, f'{PATH}/{definition.id}{last}')}{wrong(lang, trouble) if trouble is not None else ''}{mistakes(lang, definition.fields, bad)}"
        f"{_progress(lang, definition, len(definition.steps) + 2)}<h1>{w(lang, 'check')}</h1><dl>{rows}</dl>"
        f"{identity}{send if ready else ''}{notice(lang, definition, book)}"
    )


def identity_note(lang: str, definition: Definition, level: int, who: Who, highest: Mapping[str, int]) -> str:
    """Who the person is known as, or how to be known, with and without an account; `highest`: what account and wallet prove."""
    needed = definition.channels["remote"].identity
    name = escape(f"{who.given_name} {who.family_name}".strip())
    how = f" ({wallet_page.w(lang, 'by')})" if who.method == "wallet" else ""
    known = f"<p>{w(lang, 'as').format(f'<bdi><strong>{name}</strong></bdi>')}{how}</p>" if level else ""
    if max(level, 1) >= needed:
        return known
    asked = f"level={needed}&amp;return={PATH}/{definition.id}/check&amp;lang={lang}"
    account = (SIGN_IN, "/identity/start", w(lang, "identify"))
    wallet = (WALLET, f"{wallet_page.PATH}/start", wallet_page.w(lang, "wallet"))
    flows = (wallet, account) if "wallet" in definition.channels["remote"].modes else (account, wallet)
    offered = [(at, words) for flow, at, words in flows if highest.get(flow, 0) >= needed]
    way = "".join(
        f'<a class="button{" quiet" if n else ""}" href="{at}?{asked}">{words}</a>'
        for n, (at, words) in enumerate(offered)
    )
    # A level too low is said beside what is asked for: one knows why signing in again would not help.
    low = ""
    if level:
        words = w(lang, "too_low").format(said(lang, LEVELS[level]), said(lang, LEVELS[needed]))
        low = f'<div class="wrong" role="alert">{words}</div>'
    off = "" if way else f"<p>{w(lang, 'provider_off')}</p>"
    return f'{known}{low}<p>{w(lang, "why_identity")}</p>{way}{off}<p class="small">{w(lang, "no_account")}</p>'
