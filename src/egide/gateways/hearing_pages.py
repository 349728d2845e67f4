"""`/services/file/hearing`: one's own hearing by video — time, rights, room, text — and at all times a station instead.

Each button is an act of the service; the page is the same without JavaScript, with which the two see and hear one another and
what changes comes by itself. The file is the one this browser has opened (file_pages.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.gateways import hearing_views
from egide.gateways.file_pages import FILE
from egide.gateways.hearing_words import PATH, STYLE, WORDS, w
from egide.gateways.resident import Asker, built, form_of, held, lang_of, once_more, page, wrong
from egide.kernel.errors import EgideError, NotFound, NotSignedIn, Text
from egide.kernel.kernel import Kernel
from egide.services.definition import catalogue
from egide.services.filing import slug

SCRIPT = "hearing-page"
MAX_FORM = 64 * 1024  # bytes; 4,000 signs of three bytes each come as nine letters (WHATWG URL §5.2)
# What each button sends besides the file, by the name of the step.
FIELDS: dict[str, tuple[str, ...]] = {
    "choose": ("slot",), "acknowledge": ("sheet",), "confirm": ("statement",), "say": ("text",), "correct": ("text",), "decline": ("text",),
    "record_answer": ("words",),
}  # fmt: skip


class HearingPages:
    """The page and what is sent from it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._origin = kernel.settings.origin
        self._ask = Asker(kernel)

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route(PATH, self.show),
            Route(PATH, self.send, methods=["POST"]),
            Route(f"{PATH}/recordings/{{id}}", self.copy),
        ]

    async def copy(self, request: Request) -> Response:
        """A copy of one's own recording."""
        lang = lang_of(request)
        try:
            mine, shown = await self._read(request)
            name = f"services.{slug(shown['service'])}.my_recording"
            if name not in self._kernel.acts:
                raise NotFound(Text("Cet enregistrement n’existe pas.", "This recording does not exist."))
            given = {"number": mine[0], "code": mine[1], "recording": request.path_params["id"]}
            found = await self._ask(name, given, request)
        except EgideError as error:
            return _trouble(lang, error)
        return RedirectResponse(found["url"], 303)

    async def show(self, request: Request) -> Response:
        """The hearing as it stands."""
        lang = lang_of(request)
        try:
            mine, shown = await self._read(request)
        except EgideError as error:
            return _trouble(lang, error)
        return self._page(lang, mine, shown)

    async def send(self, request: Request) -> Response:
        """A step, or words; then the page is shown afresh, so that reloading sends nothing twice."""
        lang, form = lang_of(request), dict[str, list[str]]()
        try:
            form = await form_of(request, self._origin, MAX_FORM)
            mine, shown = await self._read(request)
            do = (form.get("do") or [""])[0]
            name = f"services.{slug(shown['service'])}.my_{'ready' if do in ('alone', 'call') else do}"
            if do in ("join", "recording") or name not in self._kernel.acts:
                raise NotFound(Text("Cette étape n’existe pas.", "There is no such step."))
            given: dict[str, Any] = {"number": mine[0], "code": mine[1]}
            given |= {field: (form.get(field) or [""])[0] for field in FIELDS.get(do, ())}
            if do in ("ready", "alone", "call"):
                given |= {"alone": do == "ready", "call": (form.get("call") or [""])[0]}
            if do == "record_answer":
                given |= {name: form.get(name) == ["yes"] for name in ("agree", "keep")}
        except EgideError as error:
            return _trouble(lang, error, once_more(request, lang, error, form))
        try:
            await self._ask(name, given, request)
        except EgideError as error:
            return self._page(lang, mine, shown, error, (do, (form.get("text") or [""])[0]))
        if do in ("alone", "call"):
            return _page(lang, hearing_views.not_alone(lang, told=do == "call"))
        return RedirectResponse(f"{PATH}?lang={lang}", 303)

    async def _read(self, request: Request) -> tuple[tuple[str, str], Mapping[str, Any]]:
        mine = held(request, FILE)
        if mine is None:
            raise NotSignedIn(Text("Ouvrez d’abord votre dossier.", "Open your file first."))
        shown = await self._ask("services.file.follow", {"number": mine[0], "code": mine[1]}, request)
        if shown["hearing"] is None:
            raise NotFound(Text("Ce dossier n’est pas d’une audition.", "This file is not of a hearing."))
        return mine, shown

    def _page(
        self, lang: str, mine: tuple[str, str], shown: Mapping[str, Any], error: EgideError | None = None,
        typed: tuple[str, str] = ("", ""),
    ) -> Response:  # fmt: skip
        """`typed`: what was written (step, words), where it was not taken."""
        definition = catalogue().find(shown["service"], shown["version"])
        if definition is None:
            return _trouble(
                lang, NotFound(Text("Ce service n’est plus installé.", "This service is no longer installed."))
            )
        content = hearing_views.content(lang, definition, shown, mine, self._kernel.book.zone, typed)
        if error is not None:
            content = wrong(lang, error) + content
        room = bool(shown["hearing"]["room"])
        return _page(lang, content, room=room, status=error.status if error else 200)


def _page(lang: str, content: str, *, room: bool = False, status: int = 200) -> Response:
    title = WORDS["title"].en if lang == "en" else WORDS["title"].fr
    return page(lang, title, PATH, content, style=STYLE, module=built(SCRIPT), status=status, wide=room)


def _trouble(lang: str, error: EgideError, again: str = "") -> Response:
    back = w(lang, "file")
    return _page(
        lang,
        f'<h1>{w(lang, "title")}</h1>{wrong(lang, error)}{again}<p><a href="/services/file?lang={lang}">{back}</a></p>',
        status=error.status,
    )
