"""`/services/file/steps/<step>`: a step of one's own file that asks questions, whole without JavaScript.

Two pages at most: first what decides which questions there are, then those. Nothing is kept between them but what the second page
holds itself; files go to the file at once, so that a mistake elsewhere on the page loses none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from html import escape
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.gateways.file_box import SCRIPT, Sent, box, form_with_files, refusals
from egide.gateways.file_pages import FILE, opened, opening_page
from egide.gateways.file_pages import HERE as FILES
from egide.gateways.notice_page import OPEN
from egide.gateways.resident import LATER, Asker, built, form_of, held, lang_of, once_more, page, wrong
from egide.gateways.service_words import FORMS, notice, w
from egide.kernel.errors import Conflict, EgideError, NotSignedIn, Refused, Text
from egide.kernel.kernel import Kernel
from egide.kernel.law import LawBook
from egide.services.answers import asked, check, read, relevant
from egide.services.definition import HOLDER, Definition, Field, Transition
from egide.services.filing import Invalid, slug
from egide.services.model import file_owner
from egide.services.questions import mistakes, question, say

HERE = f"{FILES}/steps"
MAX_FORM = 64 * 1024  # bytes
MAX_FIELDS = 100
Form = Mapping[str, list[str]]


class Step(NamedTuple):
    """Which step of which file is asked about."""

    lang: str
    definition: Definition
    step: Transition
    file: Mapping[str, Any]
    held: tuple[str, str]

    @property
    def first(self) -> tuple[Field, ...]:
        """The questions that decide which others are asked."""
        named = {condition.field for field in self.step.asks for condition in field.when}
        return tuple(field for field in self.step.asks if field.id in named)


class StepPages:
    """Its pages."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._origin = kernel.settings.origin
        self._ask = Asker(kernel)

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [Route(f"{HERE}/{{step}}", self.show), Route(f"{HERE}/{{step}}", self.answered, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """The first page."""
        try:
            at = await self._step(request)
            return await self._page(request, at, {}, {}, first=bool(at.first))
        except EgideError as error:
            return opening_page(lang_of(request), error)

    async def answered(self, request: Request) -> Response:
        """What a page asked: on to the second, or sent."""
        form: Form = {}
        try:
            if not request.headers.get("content-type", "").startswith("multipart/"):
                form = await form_of(request, self._origin, MAX_FORM, MAX_FIELDS)
            at, refused = await self._step(request), None
            if not form:
                form, refused = await self._came(request, at)
            if form.get("do") == ["choose"]:
                bad = self._wrong(at, read(at.first, form), at.first)
                return await self._page(request, at, form, bad, first=bool(bad))
            answers = read([one for one in at.step.asks if one.kind != "files"], form)
            files = [one["upload"] for one in (await self._files(request, at)) if one["mine"]]
            attached = {one.id: files for one in at.step.asks if one.kind == "files" and files}
            bad = self._wrong(at, answers | attached, at.step.asks)
            if refused is not None:
                bad |= {one.id: refused for one in asked(at.step.asks, answers) if one.kind == "files"}
            if bad:
                return await self._page(request, at, form, bad, first=any(one.id in bad for one in at.first))
            return await self._send(request, at, form, answers)
        except EgideError as error:
            lang = lang_of(request)
            if not form and isinstance(error, LATER):  # its words; without the file no file can be taken
                with suppress(EgideError):
                    form = (await form_with_files(self._kernel, request, self._origin, Sent("", ""))).fields
            return opening_page(lang, error, once_more(request, lang, error, form))

    async def _send(self, request: Request, at: Step, form: Form, answers: dict[str, Any]) -> Response:
        given = {"number": at.held[0], "code": at.held[1], "answers": relevant(at.definition, answers, at.step.id)}
        try:
            await self._ask(f"services.{slug(at.definition.id)}.my_{slug(at.step.id)}", given, request)
        except (Refused, Invalid) as error:
            return await self._page(request, at, form, {}, first=False, trouble=error)
        there = OPEN if at.definition.notice is not None else FILES
        return RedirectResponse(f"{there}?lang={at.lang}&done={at.step.id}", 303)

    async def _step(self, request: Request) -> Step:
        """Raises `NotSignedIn`, `Conflict` where the file does not stand there."""
        mine, id_ = held(request, FILE), request.path_params["step"]
        if mine is None:
            raise NotSignedIn(Text("Ouvrez d’abord votre dossier.", "Open your file first."))
        file, definition = await opened(self._ask, request, mine)
        for one in definition.transitions:
            if one.id == id_ and one.asks and HOLDER in one.roles and file["state"] in one.origins:
                return Step(lang_of(request), definition, one, file, mine)
        state = definition.state(file["state"]).say
        raise Conflict(
            Text(f"Ce dossier est « {state.fr} » : cela ne s’y fait pas.", f"This file is “{state.en}”: that cannot be done there.")
        )  # fmt: skip

    async def _came(self, request: Request, at: Step) -> tuple[dict[str, list[str]], Text | None]:
        """(what was typed beside files, why some files were not taken)."""
        sent = Sent(file_owner(at.file["id"]), at.held[1])
        form = await form_with_files(self._kernel, request, self._origin, sent)
        return form.fields, refusals(form.refused)

    async def _files(self, request: Request, at: Step) -> list[Mapping[str, Any]]:
        given = {"owner": file_owner(at.file["id"]), "secret": at.held[1]}
        found: list[Mapping[str, Any]] = (await self._ask("services.upload.list", given, request))["files"]
        return found

    def _wrong(self, at: Step, answers: Mapping[str, Any], fields: tuple[Field, ...]) -> dict[str, Text]:
        today = self._kernel.clock.now().astimezone(self._kernel.book.zone).date()
        found = check(at.definition, relevant(at.definition, answers, at.step.id), today, at.step.id)
        return {field.id: found[field.id] for field in fields if field.id in found}

    async def _page(
        self, request: Request, at: Step, form: Form, bad: Mapping[str, Text], *, first: bool, trouble: EgideError | None = None
    ) -> Response:  # fmt: skip
        given = read(at.first, form)
        rest = [one for one in asked(at.step.asks, given) if one not in at.first]
        fields = list(at.first) if first else rest
        files = any(one.kind == "files" for one in fields)
        sent = Sent("", "")
        if files:
            mine = [one for one in await self._files(request, at) if one["mine"]]
            sent = Sent(file_owner(at.file["id"]), at.held[1], mine, final=True)
        content = _content(at, self._kernel.book, fields, form, bad, sent, first=first)
        status = trouble.status if trouble is not None else 422 if bad else 200
        title = at.step.say.en if at.lang == "en" else at.step.say.fr
        mark = ("Error: " if at.lang == "en" else "Erreur : ") if bad else ""
        said = wrong(at.lang, trouble) if trouble is not None else ""
        return page(
            at.lang, mark + title, "" if form else f"{HERE}/{at.step.id}", said + content, style=FORMS,
            module=built(SCRIPT) if files else "", status=status,
        )  # fmt: skip


def _content(
    at: Step, book: LawBook, fields: list[Field], form: Form, bad: Mapping[str, Text], sent: Sent, *, first: bool
) -> str:
    lang = at.lang
    boxes = "".join(
        box(lang, one, sent, bad.get(one.id)) if one.kind == "files" else question(lang, one, form, bad.get(one.id))
        for one in fields
    )
    held_ = "" if first else "".join(
        f'<input type="hidden" name="{one.id}" value="{escape(value)}">' for one in at.first for value in form.get(one.id, [])
    )  # fmt: skip
    kind = ' enctype="multipart/form-data"' if any(one.kind == "files" for one in fields) else ""
    do, button = ("choose", "next") if first else ("send", "send")
    told = ""
    if at.definition.notice is not None and first:
        told = f"<p>{say(lang, at.definition.notice.contest)}</p>"
    pages = 2 if at.first else 1
    progress = (
        f'<p class="small">{w(lang, "step").format(1 if first else pages, pages)} · {escape(at.file["number"])}</p>'
    )
    back = f"{HERE}/{at.step.id}" if at.first and not first else OPEN if at.definition.notice is not None else FILES
    return (
        f"{mistakes(lang, at.step.asks, bad)}{progress}<h1>{say(lang, at.step.say)}</h1>{told}"
        f'<form method="post" action="{HERE}/{at.step.id}?lang={lang}" novalidate{kind}><input type="hidden" name="do" value="{do}">{held_}'
        f"{boxes}<button>{w(lang, button)}</button></form>"
        f'<p><a href="{back}?lang={lang}">{w(lang, "back")}</a></p>{notice(lang, at.definition, book)}'
    )
