"""`/services/notice`: the page a notice leads to — what is held against one, until when, paying, contesting — without JavaScript.

One gets in with the number and the code of the notice, typed or scanned: its QR code holds them in the address's fragment, which
a browser keeps to itself; the page's script moves them into the form's body and out of the address, as for receipts. The page
shows the offence and not who is meant. The platform takes no payment and never says that one was made: it leads to the public
payment service that the operator names, and an officer records what came in. Source: CPP 529 to 530-1; docs/decisions/0062.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.gateways.file_pages import FILE, closed_here, open_here, opened, own_steps, proof_of, typed_in
from egide.gateways.file_pages import HERE as FILES
from egide.gateways.file_pages import documents_of as documents
from egide.gateways.resident import Asker, form_of, held, lang_of, page, said, wrong
from egide.gateways.service_words import FORMS, PATH, day, notice, row, w
from egide.kernel.errors import EgideError, StartupError, Text
from egide.kernel.kernel import Kernel
from egide.services.contents import NOTICES as HERE
from egide.services.definition import Definition, Notice
from egide.services.questions import say

OPEN = f"{HERE}/open"
MAX_FORM = 8 * 1024  # bytes
SCRIPT = """const held=location.hash.slice(1),dot=held.indexOf('.');if(dot>0){history.replaceState(null,'',location.pathname+location.search);
const number=document.querySelector('#number'),code=document.querySelector('#code');number.value=held.slice(0,dot);code.value=held.slice(dot+1);number.form.requestSubmit()}"""
WORDS = {
    "title": Text("Payer ou contester un avis", "Pay or contest a notice"),
    "what": Text(
        "L’avis porte un numéro et un code. Ils ouvrent sa page : l’infraction, ce que vous pouvez faire, jusqu’à quand.",
        "The notice says a number and a code. They open its page: the offence, what you may do, until when.",
    ),
    "number": Text("Numéro de l’avis", "Number of the notice"),
    "code": Text("Code de l’avis", "Code of the notice"),
    "open": Text("Ouvrir l’avis", "Open the notice"),
    "resume": Text("Revenir à l’avis ouvert sur cet appareil", "Back to the notice that is open on this device"),
    "notice": Text("Avis {}", "Notice {}"),
    "offence": Text("L’infraction", "The offence"),
    "until": Text("Vous avez jusqu’au {}.", "You have until {}."),
    "over": Text("Le délai s’est terminé le {}.", "The time ended on {}."),
    "pay": Text("Payer", "Pay"),
    "pay_there": Text("Aller au service public de paiement", "Go to the public payment service"),
    "pay_what": Text(
        "Vous quittez cette page. Le paiement s’affichera ici quand un agent l’aura enregistré.",
        "You leave this page. The payment shows here once an officer has recorded it.",
    ),
    "pay_off": Text("Le paiement en ligne n’est pas relié à cette page.", "Payment online is not linked to this page."),
    "contest": Text("Contester", "Contest"),
    "sent": Text("C’est envoyé", "It is sent"),
    "sent_what": Text(
        "Le ministère public lit vos raisons et décide. Vous n’avez rien à payer en attendant sa décision.",
        "The public prosecutor reads your reasons and decides. You have nothing to pay while the decision is awaited.",
    ),
    "file": Text("Voir tout le dossier", "See the whole file"),
    "leave": Text("Fermer cet avis sur cet appareil", "Close this notice on this device"),
}


def t(lang: str, word: str) -> str:
    """One of these words, escaped."""
    return said(lang, WORDS[word])


def payment_service(address: str) -> str:
    """The operator's public payment service; "" where there is none. Raises `StartupError` where it is no https address."""
    if address:
        parts = urlsplit(address)
        if parts.scheme != "https" or not parts.hostname or parts.username:
            raise StartupError(
                Text("Le service de paiement des amendes est mal donné.", "The payment service of fines is given wrongly."),
                Text("Donnez fine_payment = https://…, ou rien.", "Give fine_payment = https://…, or nothing."),
                file="egide.toml",
            )  # fmt: skip
    return address


class NoticePages:
    """The two boxes that open a notice, and the notice."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._origin = kernel.settings.origin
        self._payment = payment_service(kernel.settings.fine_payment)
        self._ask = Asker(kernel)

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [Route(HERE, self.boxes), Route(HERE, self.open_, methods=["POST"]), Route(OPEN, self.show)]

    async def boxes(self, request: Request) -> Response:
        """Number and code."""
        return _opening(lang_of(request), resume=held(request, FILE) is not None)

    async def open_(self, request: Request) -> Response:
        """Opens a notice on this device, or closes it."""
        lang, number = lang_of(request), ""
        try:
            form = await form_of(request, self._origin, MAX_FORM)
            if form.get("do") == ["leave"]:
                return closed_here(f"{HERE}?lang={lang}")
            number, code = typed_in(form)
            await opened(self._ask, request, (number, code))
        except EgideError as error:
            return _opening(lang, number=number, error=error)
        return open_here(f"{OPEN}?lang={lang}", number, code)

    async def show(self, request: Request) -> Response:
        """The notice that is open on this device."""
        lang, mine = lang_of(request), held(request, FILE)
        if mine is None:
            return RedirectResponse(f"{HERE}?lang={lang}", 303)
        try:
            file, definition = await opened(self._ask, request, mine)
        except EgideError as error:
            return _opening(lang, error=error)
        if definition.notice is None:
            return RedirectResponse(f"{FILES}?lang={lang}", 303)
        done = request.query_params.get("done", "")
        content = self._content(lang, definition, definition.notice, file, sent=_last_is(file, done))
        title = WORDS["title"].en if lang == "en" else WORDS["title"].fr
        return page(lang, title, OPEN, content, style=FORMS)

    def _content(
        self, lang: str, definition: Definition, of: Notice, file: Mapping[str, Any], *, sent: bool
    ) -> str:  # fmt: skip
        state, zone = definition.state(file["state"]), self._kernel.book.zone
        facts = "".join(row(lang, definition, definition.field(id_), file["answers"], None) for id_ in of.shows)
        steps = own_steps(lang, definition, file["state"], self._kernel)
        payable = any(one.id == of.paid and file["state"] in one.origins for one in definition.transitions)
        head = f"<h1>{t(lang, 'notice').format(escape(file['number']))}</h1>"
        receipt = proof_of(lang, file) + documents(lang, file)
        if sent:
            head = (
                f'<h1>{t(lang, "sent")}</h1><p class="note" role="status">{w(lang, "number")}<br><span class="code">{escape(file["number"])}</span></p>'
                f"<p>{t(lang, 'sent_what')}</p>{receipt}"
            )
            receipt = ""
        contest = f"<h2>{t(lang, 'contest')}</h2><p>{say(lang, of.contest)}</p>{steps}" if steps else ""
        return (
            f'{head}<h2>{w(lang, "where")}</h2><p data-state="{state.id}"><strong>{say(lang, state.say)}</strong></p>{_time(lang, of, file, payable, zone)}'
            f"<h2>{t(lang, 'offence')}</h2><dl>{facts}</dl>{self._pay(lang, of) if payable else ''}"
            f"{contest}{receipt}"
            f'<p><a href="{FILES}?lang={lang}">{t(lang, "file")}</a></p>{notice(lang, definition, self._kernel.book)}'
            f'<form method="post" action="{HERE}?lang={lang}"><input type="hidden" name="do" value="leave"><button class="quiet">{t(lang, "leave")}</button></form>'
        )

    def _pay(self, lang: str, of: Notice) -> str:
        there = f"<p>{t(lang, 'pay_off')}</p>"
        if self._payment:
            there = (
                f'<p><a class="button" href="{escape(self._payment)}" rel="noreferrer external">{t(lang, "pay_there")}</a></p>'
                f'<p class="small">{t(lang, "pay_what")}</p>'
            )
        return f"<h2>{t(lang, 'pay')}</h2><p>{say(lang, of.pay)}</p>{there}"


def _last_is(file: Mapping[str, Any], step: str) -> bool:
    """Whether the last thing that happened is that step, taken by the person."""
    last = file["events"][-1]
    return bool(step) and last["step"] == step and bool(last["mine"])


def _time(lang: str, of: Notice, file: Mapping[str, Any], payable: bool, zone: ZoneInfo) -> str:
    """Until when; after that, what is still possible."""
    if not payable or not file["due"]:
        return ""
    when = day(file["due"], zone)
    if file["late"]:
        return f'<p class="late">{t(lang, "over").format(when)}</p><p class="note" data-late>{say(lang, of.late)}</p>'
    return f"<p data-until>{t(lang, 'until').format(when)}</p>"


def _opening(lang: str, *, number: str = "", error: EgideError | None = None, resume: bool = False) -> Response:
    trouble = wrong(lang, error) if error is not None else ""
    back = f'<p><a href="{OPEN}?lang={lang}">{t(lang, "resume")}</a></p>' if resume else ""
    content = (
        f'{trouble}<h1>{t(lang, "title")}</h1><p>{t(lang, "what")}</p><form method="post" action="{HERE}?lang={lang}">'
        f'<label for="number">{t(lang, "number")}</label><input id="number" name="number" required maxlength="40" autocomplete="off" dir="auto" value="{escape(number)}">'
        f'<label for="code">{t(lang, "code")}</label><input id="code" name="code" required maxlength="60" autocomplete="off" spellcheck="false" autocapitalize="characters">'
        f'<button>{t(lang, "open")}</button></form>{back}<p><a href="{PATH}?lang={lang}">{w(lang, "services")}</a></p>'
    )
    title = WORDS["title"].en if lang == "en" else WORDS["title"].fr
    return page(
        lang, title, HERE, content, style=FORMS, script=SCRIPT, status=error.status if error is not None else 200
    )
