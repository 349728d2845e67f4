"""`/services/file`: one's own file by its number and code — where it stands, what happened, the steps one may take oneself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import segno
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.gateways import hearing_views, hearing_words
from egide.gateways.file_box import Sent, box, form_with_files, refusals
from egide.gateways.resident import Asker, form_of, held, keep, lang_of, once_more, page, wrong
from egide.gateways.service_words import FORMS, PATH, WORDS, day, row, w
from egide.kernel.capability import Words
from egide.kernel.errors import BadInput, EgideError, NotFound, NotSignedIn, Text
from egide.kernel.kernel import Kernel
from egide.services.answers import asked
from egide.services.contents import NOTICES
from egide.services.definition import HOLDER, Definition, catalogue
from egide.services.filing import slug
from egide.services.hearing_report import INCIDENTS
from egide.services.holding import MAX_WORDS
from egide.services.model import file_owner, said_code
from egide.services.questions import say

HERE = f"{PATH}/file"
FILE = "__Host-egide-file"
FILE_S = 3_600  # s a browser remembers which file was opened: it may be a shared one
MAX_FORM = 64 * 1024  # bytes; 4,000 signs of three bytes each come as nine letters (WHATWG URL §5.2)


class FilePages:
    """The pages of one's own file."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._origin = kernel.settings.origin
        self._ask = Asker(kernel)

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route(HERE, self.file),
            Route(HERE, self.open_file, methods=["POST"]),
            Route(f"{HERE}/files", self.add, methods=["POST"]),
            Route(f"{HERE}/files/{{id}}", self.copy),
            Route(f"{HERE}/documents/{{id}}", self.document),
            Route(f"{HERE}/{{step}}", self.step_of_file, methods=["POST"]),
        ]

    async def file(self, request: Request) -> Response:
        """The file this browser has opened, or the two boxes that open one."""
        lang, mine = lang_of(request), held(request, FILE)
        if mine is None:
            return _page(lang, WORDS["follow"], HERE, _opening(lang, ""))
        try:
            shown, definition = await opened(self._ask, request, mine)
        except EgideError as error:
            return opening_page(lang, error)
        return await self._file(request, lang, shown, definition, mine[1])

    async def open_file(self, request: Request) -> Response:
        """Number and code; or closing the file on this device."""
        lang = lang_of(request)
        number = ""
        try:
            form = await form_of(request, self._origin, MAX_FORM)
            if form.get("do") == ["leave"]:
                return closed_here(f"{PATH}/file?lang={lang}")
            number, code = typed_in(form)
            await self._ask("services.file.follow", {"number": number, "code": code}, request)
        except EgideError as error:
            return _page(lang, WORDS["follow"], HERE, wrong(lang, error) + _opening(lang, number), status=error.status)
        return open_here(f"{PATH}/file?lang={lang}", number, code)

    async def step_of_file(self, request: Request) -> Response:
        """A step of one's own file: an answer, a withdrawal."""
        lang, mine = lang_of(request), held(request, FILE)
        form: dict[str, list[str]] = {}
        try:
            form = await form_of(request, self._origin, MAX_FORM)
            if mine is None:
                raise NotSignedIn(Text("Ouvrez d’abord votre dossier.", "Open your file first."))
            number, code = mine
            service = (form.get("service") or [""])[0]
            given = {"number": number, "code": code, "text": (form.get("text") or [""])[0]}
            name = f"services.{slug(service)}.my_{slug(request.path_params['step'])}"
            if name not in self._kernel.acts:
                raise NotFound(Text("Cette étape n’existe pas.", "There is no such step."))
            await self._ask(name, given, request)
        except EgideError as error:
            return await self._again(request, lang, error, form)
        return RedirectResponse(f"{PATH}/file?lang={lang}", 303)

    async def _again(
        self, request: Request, lang: str, error: EgideError, form: Mapping[str, list[str]]
    ) -> Response:  # fmt: skip
        """The file as it stands, why a step was not taken, and what was typed for it; what opens a file where none is open."""
        mine, typed = held(request, FILE), (request.path_params["step"], (form.get("text") or [""])[0])
        try:
            if mine is not None:
                shown, definition = await opened(self._ask, request, mine)
                return await self._file(request, lang, shown, definition, mine[1], trouble=error, typed=typed)
        except EgideError:  # it cannot be shown either: what went wrong first is what is said
            pass
        return opening_page(lang, error, once_more(request, lang, error, form))

    async def add(self, request: Request) -> Response:
        """Files added to a file that was sent already."""
        lang, mine = lang_of(request), held(request, FILE)
        try:
            if mine is None:
                raise NotSignedIn(Text("Ouvrez d’abord votre dossier.", "Open your file first."))
            shown, definition = await opened(self._ask, request, mine)
            form = await form_with_files(self._kernel, request, self._origin, Sent(file_owner(shown["id"]), mine[1]))
        except EgideError as error:
            return opening_page(lang, error)
        refused = refusals(form.refused)
        if refused is not None:
            return await self._file(request, lang, shown, definition, mine[1], refused)
        return RedirectResponse(f"{HERE}?lang={lang}", 303)

    async def copy(self, request: Request) -> Response:
        """The copy of a file that one has sent."""
        return await self._download(
            request, "services.upload.follow", lambda mine, id_: {"upload": id_, "secret": mine[1]}
        )

    async def document(self, request: Request) -> Response:
        """A document that one was given."""
        mine, id_ = held(request, FILE), request.path_params["id"]
        if mine is not None and "make" in request.query_params:
            try:
                made = await self._ask(
                    "services.document.ask", {"number": mine[0], "code": mine[1], "output": id_}, request
                )
            except EgideError as error:
                lang = lang_of(request)
                return opening_page(lang, error)
            id_ = made["document"]
        return await self._download(
            request, "services.document.fetch", lambda mine, _: {"number": mine[0], "code": mine[1], "document": id_}
        )

    async def _download(
        self, request: Request, act: str, given: Callable[[tuple[str, str], str], dict[str, Any]]
    ) -> Response:
        lang, mine = lang_of(request), held(request, FILE)
        try:
            if mine is None:
                raise NotSignedIn(Text("Ouvrez d’abord votre dossier.", "Open your file first."))
            found = await self._ask(act, given(mine, request.path_params["id"]), request)
            if not found["download"]:
                raise NotFound(Text("Il n’y a rien à ouvrir encore.", "There is nothing to open yet."))
        except EgideError as error:
            return opening_page(lang, error)
        return RedirectResponse(found["download"], 303)

    async def _file(
        self,
        request: Request,
        lang: str,
        shown: Mapping[str, Any],
        definition: Definition,
        held_code: str,
        refused: Text | None = None,
        *,
        trouble: EgideError | None = None,
        typed: tuple[str, str] = ("", ""),
    ) -> Response:
        """`refused`: why files were not taken; `trouble`: why a step was not, and what was typed for it (step, words)."""
        code = held_code if "new" in request.query_params else ""
        zone, state = self._kernel.book.zone, definition.state(shown["state"])
        new = ""
        if code:
            new = (
                f'<div class="panel"><h1>{w(lang, "received")}</h1><p>{w(lang, "number")}<br><span class="code">{escape(shown["number"])}</span></p><p>{w(lang, "code")}<br>'
                f'<span class="code" data-code>{escape(code)}</span></p></div><p>{w(lang, "keep")}</p>'
            )
        due = ""
        if shown["due"] and not shown["closed"]:
            when = day(shown["due"], zone)
            due = (
                f'<p class="late">{w(lang, "late").format(when)}</p>'
                if shown["late"]
                else f"<p>{w(lang, 'due').format(when)}</p>"
            )
        damage = wrong(lang, BadInput(Text(**shown["wrong"]))) if shown["wrong"] else ""
        events = "".join(_event(lang, one, zone) for one in shown["events"])
        answers = "".join(
            row(lang, definition, one, shown["answers"], None)
            for one in asked(definition.fields, shown["answers"])
            if one.kind != "files"
        )
        given = {"owner": file_owner(shown["id"]), "secret": held_code}
        found = await self._ask("services.upload.list", given, request)
        extra = (
            proof_of(lang, shown) + documents_of(lang, shown) + _files(lang, definition, shown, found["files"], refused)
        )
        head = new or f"<h1>{w(lang, 'number')} {escape(shown['number'])}</h1>"
        said = wrong(lang, trouble) if trouble is not None else ""
        steps = _ways(lang, definition, shown, self._kernel, typed)
        last = (
            ""
            if definition.notice or shown["closed"]
            else own_steps(lang, definition, shown["state"], self._kernel, typed, ends=True)
        )
        content = (
            f'{said}{damage}{head}<p><strong>{say(lang, definition.title)}</strong></p><h2>{w(lang, "where")}</h2><p data-state="{state.id}"><strong>{say(lang, state.say)}</strong></p>{due}'
            f"{_hearing(lang, shown)}{_question(shown) if '<textarea' in steps else ''}{steps}{extra}<h2>{w(lang, 'events')}</h2><ol>{events}</ol><h2>{w(lang, 'answers')}</h2><dl>{answers}</dl>{last}"
            f'<p><a href="{HERE}/rights?lang={lang}">{w(lang, "rights")}</a></p>'
            f'<form method="post" action="{PATH}/file?lang={lang}"><input type="hidden" name="do" value="leave"><button class="quiet">{w(lang, "leave")}</button></form>'
        )
        status = trouble.status if trouble is not None else 200 if refused is None else 422
        return _page(lang, WORDS["received"] if code else WORDS["where"], HERE, content, status=status)


def _page(lang: str, title: Text, here: str, content: str, *, status: int = 200) -> Response:
    words = title.en if lang == "en" else title.fr
    mark = ("Error: " if lang == "en" else "Erreur : ") if status >= 400 else ""
    return page(lang, mark + words, here, content, style=FORMS, status=status)


def _hearing(lang: str, shown: Mapping[str, Any]) -> str:
    """The way to one's hearing by video, where this service has one and it still holds something."""
    hearing = shown["hearing"]
    if hearing is None:
        return ""
    if shown["closed"] and not any(one["kept"] for one in (hearing["recording"] or {"pieces": ()})["pieces"]):
        return ""
    return f'<p><a class="button" href="{hearing_words.PATH}?lang={lang}">{hearing_words.w(lang, "title")}</a></p>'


def proof_of(lang: str, shown: Mapping[str, Any]) -> str:
    """The code by which anybody verifies that the receipt is genuine."""
    if not shown["proof"]:
        return ""
    picture = segno.make(shown["proof"], error="m", micro=False).svg_inline(
        scale=3, border=4, dark="#000", light="#fff", omitsize=False, svgclass=None, lineclass=None, title=WORDS["verify"].fr if lang == "fr" else WORDS["verify"].en,
    )  # fmt: skip
    return (
        f'<h2>{w(lang, "verify")}</h2><p>{w(lang, "proof")}</p><div class="qr" data-proof>{picture}</div>'
        f'<p><a href="{escape(shown["proof"])}">{w(lang, "verify")}</a></p>'
    )


def documents_of(lang: str, shown: Mapping[str, Any]) -> str:
    """The documents of a file, each by its link."""
    if not shown["documents"]:
        return ""
    lines = ""
    for one in shown["documents"]:
        words, make = w(lang, "document").format(escape(one["title"][lang]), escape(one["level"])), ""
        if not one["made"]:
            words, make = f"{escape(one['title'][lang])} (PDF)", "&amp;make=1"
        at = f"{HERE}/documents/{one['id']}?lang={lang}{make}"
        lines += f'<li><a href="{at}" data-document="{one["id"]}">{words}</a></li>'
    return f'<h2>{w(lang, "documents")}</h2><ul class="list">{lines}</ul>'


def _files(
    lang: str, definition: Definition, shown: Mapping[str, Any], files: list[Mapping[str, Any]], refused: Text | None
) -> str:  # fmt: skip
    """What was sent, and more of it, where the service takes files."""
    lines = "".join(
        f"<li><span><bdi>{escape(one['name'])}</bdi> — {escape(one['said'][lang])}</span>"
        + (
            f'<a href="{HERE}/files/{one["upload"]}?lang={lang}">{w(lang, "open_file")}</a>'
            if one["copy"] == "ready" and one["scan"] == "clean"
            else ""
        )
        + "</li>"
        for one in files
    )
    there = f'<ul class="files">{lines}</ul>' if lines else ""
    more = ""
    if definition.attachments and not shown["closed"]:
        question = msgspec.structs.replace(
            definition.field(definition.attachments[0]),
            label=Words(WORDS["choose"].fr, WORDS["choose"].en),
            required=False,
        )
        more = (
            f'<form method="post" enctype="multipart/form-data" action="{HERE}/files?lang={lang}"><h3>{w(lang, "add_files")}</h3>{box(lang, question, Sent("", ""), refused)}'
            f'<button class="quiet">{w(lang, "send_files")}</button></form>'
        )
    return f"<h2>{w(lang, 'files')}</h2>{there}{more}" if there or more else ""


def _event(lang: str, event: Mapping[str, Any], zone: ZoneInfo) -> str:
    words = say(lang, Words(**event["said"]))
    text = f"<bdi>{escape(event['text'])}</bdi>" if event["text"] else ""
    text += "".join(
        f"<br>{say(lang, Words(**one['label']))} <bdi>{escape(one[lang])}</bdi>" for one in event["lines"] if one[lang]
    )
    by = "" if event["step"] in INCIDENTS else w(lang, "you" if event["mine"] else "officer") + ", "
    return (
        f'<li class="{"you" if event["mine"] else "officer"}"><b>{by}{day(event["at"], zone)} — {words}</b>{text}</li>'
    )


def _ways(
    lang: str, definition: Definition, shown: Mapping[str, Any], kernel: Kernel, typed: tuple[str, str]
) -> str:  # fmt: skip
    """The steps one may take oneself; of a file that one reaches by a notice they are on the notice's page."""
    if shown["closed"]:  # also where an objection was granted, which leaves the state as it was
        return ""
    if definition.notice is None:
        return own_steps(lang, definition, shown["state"], kernel, typed, ends=False)
    if not own_steps(lang, definition, shown["state"], kernel):
        return ""
    words = next(one.title for one in definition.outputs if one.id == definition.notice.output)
    return f'<p><a class="button" href="{NOTICES}/open?lang={lang}">{say(lang, words)}</a></p>'


def _question(shown: Mapping[str, Any]) -> str:
    """What an officer said last, right above the box for the answer."""
    said = next((one["text"] for one in reversed(shown["events"]) if one["text"] and not one["mine"]), "")
    return f'<p class="note"><bdi>{escape(said)}</bdi></p>' if said else ""


def own_steps(
    lang: str, definition: Definition, state: str, kernel: Kernel, typed: tuple[str, str] = ("", ""), *, ends: bool | None = None
) -> str:  # fmt: skip
    """A button for each step that one may take oneself, a page for one that asks questions. `ends`: those that end the file,
    folded and with a warning, those that do not, or (None) all. `typed`: what was typed for a step that was refused.
    """  # fmt: skip
    found = ""
    for one in definition.transitions:
        if definition.hearing is not None and one.id in hearing_views.STEPS:
            continue  # on a page of its own
        # A version before this one may have given the person a step that is now an officer's.
        if (
            HOLDER not in one.roles
            or state not in one.origins
            or f"services.{slug(definition.id)}.my_{slug(one.id)}" not in kernel.acts
            or ends not in (None, definition.state(one.to).ends)
        ):
            continue
        if one.asks:
            found += f'<p><a class="button" href="{HERE}/steps/{one.id}?lang={lang}">{say(lang, one.say)}</a></p>'
            continue
        was = escape(typed[1]) if typed[0] == one.id else ""
        box = (
            f'<label for="t-{one.id}">{w(lang, "words")}</label><textarea id="t-{one.id}" name="text" required maxlength="{MAX_WORDS}" dir="auto" autocomplete="off">\n{was}</textarea>'
            if one.reason
            else ""
        )
        step = (
            f'<form method="post" class="short" action="{PATH}/file/{one.id}?lang={lang}"><input type="hidden" name="service" value="{definition.id}">{box}'
            f'<button class="quiet">{say(lang, one.say)}</button></form>'
        )
        found += (
            f"<details><summary>{say(lang, one.say)}</summary><p>{w(lang, 'final')}</p>{step}</details>"
            if ends
            else step
        )
    return found


def typed_in(form: Mapping[str, list[str]]) -> tuple[str, str]:
    """(number, code) as a person types them, in the form that a file is asked for by."""
    return (form.get("number") or [""])[0].strip().upper(), said_code((form.get("code") or [""])[0])


def open_here(to: str, number: str, code: str) -> Response:
    """On to a page, with the file open on this device."""
    answer = RedirectResponse(to, 303)
    keep(answer, FILE, f"{number}.{code}", FILE_S)
    return answer


def closed_here(to: str) -> Response:
    """On to a page, with the file closed on this device."""
    answer = RedirectResponse(to, 303)
    answer.delete_cookie(FILE, secure=True, httponly=True, samesite="strict")
    return answer


async def opened(ask: Asker, request: Request, mine: tuple[str, str]) -> tuple[Mapping[str, Any], Definition]:
    """(a file as its holder sees it, the version it was begun with). Raises what the door raises, `NotFound`."""
    shown = await ask("services.file.follow", {"number": mine[0], "code": mine[1]}, request)
    definition = catalogue().find(shown["service"], shown["version"])
    if definition is None:
        raise NotFound(Text("Cette version du service n’est plus installée.", "This version is no longer installed."))
    return shown, definition


def opening_page(lang: str, error: EgideError, again: str = "") -> Response:
    """What went wrong, what was typed to be sent `again`, and the two boxes that open a file."""
    return _page(lang, WORDS["follow"], HERE, wrong(lang, error) + (again or _opening(lang, "")), status=error.status)


def _opening(lang: str, number: str) -> str:
    return (
        f'<h1>{w(lang, "follow")}</h1><form method="post" action="{PATH}/file?lang={lang}"><label for="number">{w(lang, "number")}</label>'
        f'<p class="hint" id="number-hint">{w(lang, "number_hint")}</p><input id="number" name="number" required maxlength="40" autocomplete="off" aria-describedby="number-hint" value="{escape(number)}">'
        f'<label for="code">{w(lang, "code")}</label><input id="code" name="code" required maxlength="60" autocomplete="off"><button>{w(lang, "open")}</button></form>'
    )
