"""`/services/file`: one's own file by its number and code — where it stands, what happened, the steps one may take oneself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.gateways.resident import Asker, form_of, held, keep, lang_of, page, wrong
from egide.gateways.service_words import FORMS, PATH, WORDS, day, row, w
from egide.kernel.door import Kernel
from egide.kernel.errors import BadInput, EgideError, NotFound, NotSignedIn, Text
from egide.services.answers import asked
from egide.services.definition import Definition, catalogue
from egide.services.filing import slug
from egide.services.model import said_code
from egide.services.questions import say

HERE = f"{PATH}/file"
FILE = "__Host-egide-file"
FILE_S = 3_600  # s a browser remembers which file was opened: it may be a shared one
MAX_FORM = 32 * 1024  # bytes


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
            Route(f"{HERE}/{{step}}", self.step_of_file, methods=["POST"]),
        ]

    async def file(self, request: Request) -> Response:
        """The file this browser has opened, or the two boxes that open one."""
        lang, mine = lang_of(request), held(request, FILE)
        if mine is None:
            return _page(lang, WORDS["follow"], HERE, _opening(lang, ""))
        try:
            shown = await self._ask("services.file.follow", {"number": mine[0], "code": mine[1]}, request)
        except EgideError as error:
            return _page(lang, WORDS["follow"], HERE, wrong(lang, error) + _opening(lang, ""), status=error.status)
        return self._file(lang, shown, mine[1] if "new" in request.query_params else "")

    async def open_file(self, request: Request) -> Response:
        """Number and code; or closing the file on this device."""
        lang = lang_of(request)
        number = ""
        try:
            form = await form_of(request, self._origin, MAX_FORM)
            if form.get("do") == ["leave"]:
                answer: Response = RedirectResponse(f"{PATH}/file?lang={lang}", 303)
                answer.delete_cookie(FILE, secure=True, httponly=True, samesite="strict")
                return answer
            number, code = (form.get("number") or [""])[0].strip().upper(), said_code((form.get("code") or [""])[0])
            await self._ask("services.file.follow", {"number": number, "code": code}, request)
        except EgideError as error:
            return _page(lang, WORDS["follow"], HERE, wrong(lang, error) + _opening(lang, number), status=error.status)
        answer = RedirectResponse(f"{PATH}/file?lang={lang}", 303)
        keep(answer, FILE, f"{number}.{code}", FILE_S)
        return answer

    async def step_of_file(self, request: Request) -> Response:
        """A step of one's own file: an answer, a withdrawal."""
        lang, mine = lang_of(request), held(request, FILE)
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
            return _page(lang, WORDS["follow"], HERE, wrong(lang, error) + _opening(lang, ""), status=error.status)
        return RedirectResponse(f"{PATH}/file?lang={lang}", 303)

    def _file(self, lang: str, shown: Mapping[str, Any], code: str) -> Response:
        definition = catalogue().find(shown["service"], shown["version"])
        if definition is None:
            gone = NotFound(
                Text("Cette version du service n’est plus installée.", "This version is no longer installed.")
            )
            return _page(lang, WORDS["follow"], HERE, wrong(lang, gone), status=gone.status)
        zone, state = self._kernel.book.zone, definition.state(shown["state"])
        new = ""
        if code:
            new = (
                f'<p>{w(lang, "keep")}</p><p class="note">{w(lang, "number")}<br><span class="code">{escape(shown["number"])}</span><br>{w(lang, "code")}<br>'
                f'<span class="code" data-code>{escape(code)}</span></p>'
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
        events = "".join(_event(lang, definition, one, zone) for one in shown["events"])
        answers = "".join(
            row(lang, definition, one, shown["answers"], None)
            for one in asked(definition.fields, shown["answers"])
            if one.kind != "files"
        )
        heading = w(lang, "received") if code else f"{w(lang, 'number')} {escape(shown['number'])}"
        content = (
            f'{damage}<h1>{heading}</h1><p>{say(lang, definition.title)}</p>{new}<h2>{w(lang, "where")}</h2><p data-state="{state.id}"><strong>{say(lang, state.say)}</strong></p>{due}'
            f"{_own_steps(lang, definition, shown['state'])}<h2>{w(lang, 'events')}</h2><ol>{events}</ol><h2>{w(lang, 'answers')}</h2><dl>{answers}</dl>"
            f'<form method="post" action="{PATH}/file?lang={lang}"><input type="hidden" name="do" value="leave"><button class="quiet">{w(lang, "leave")}</button></form>'
        )
        return _page(lang, WORDS["received"] if code else WORDS["where"], HERE, content)


def _page(lang: str, title: Text, here: str, content: str, *, status: int = 200) -> Response:
    return page(lang, title.en if lang == "en" else title.fr, here, content, style=FORMS, status=status)


def _event(lang: str, definition: Definition, event: Mapping[str, Any], zone: ZoneInfo) -> str:
    step = next((one for one in definition.transitions if one.id == event["step"]), None)
    words = say(lang, step.say) if step is not None else w(lang, "filed")
    text = f"<bdi>{escape(event['text'])}</bdi>" if event["text"] else ""
    by = w(lang, "you" if event["mine"] else "officer")
    return f'<li class="{"you" if event["mine"] else "officer"}"><b>{by}, {day(event["at"], zone)} — {words}</b>{text}</li>'


def _own_steps(lang: str, definition: Definition, state: str) -> str:
    found = ""
    for one in definition.transitions:
        if "holder" in one.roles and state in one.origins:
            box = (
                f'<label for="t-{one.id}">{w(lang, "words")}</label><textarea id="t-{one.id}" name="text" required autocomplete="off"></textarea>'
                if one.reason
                else ""
            )
            found += (
                f'<form method="post" class="short" action="{PATH}/file/{one.id}?lang={lang}"><input type="hidden" name="service" value="{definition.id}">{box}'
                f'<button class="quiet">{say(lang, one.say)}</button></form>'
            )
    return found


def _opening(lang: str, number: str) -> str:
    return (
        f'<h1>{w(lang, "follow")}</h1><form method="post" action="{PATH}/file?lang={lang}"><label for="number">{w(lang, "number")}</label>'
        f'<input id="number" name="number" required maxlength="40" autocomplete="off" placeholder="PL-2026-000123" value="{escape(number)}">'
        f'<label for="code">{w(lang, "code")}</label><input id="code" name="code" required maxlength="60" autocomplete="off"><button>{w(lang, "open")}</button></form>'
    )
