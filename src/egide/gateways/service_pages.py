"""`/services`: a resident's whole way — first questions, pages, check, identity, receipt — without JavaScript.

What a page does it asks of the door (`perform`), like any other. The draft's secret lives in a cookie that only these pages
read; nothing personal is in an address. Each page saves before it looks at what is wrong, so that nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.gateways.counter_views import banner, officer, person_box, ways
from egide.gateways.file_box import DROP, SCRIPT, Sent, form_with_files, refusals
from egide.gateways.file_pages import FILE, FILE_S
from egide.gateways.resident import Asker, built, form_of, held, keep, lang_of, once_more, page, wrong
from egide.gateways.resident_identity import SIGN_IN, WALLET, WHO
from egide.gateways.service_views import (
    check_page,
    elsewhere_page,
    first_page,
    identity_note,
    list_of_services,
    question_page,
    with_files,
)
from egide.gateways.service_words import FORMS, PATH, WORDS, w
from egide.kernel.capability import Words
from egide.kernel.errors import EgideError, NotFound, Refused, Text
from egide.kernel.identity import Principal
from egide.kernel.kernel import Kernel
from egide.services import drafts
from egide.services.answers import asked, boxes, check, read, relevant, way_of
from egide.services.definition import Definition, Field, Step, catalogue
from egide.services.filing import Invalid, slug
from egide.services.model import Who

DRAFT = "__Host-egide-draft"  # with the service's name: who begins another in a second window loses neither
DRAFT_S = 30 * 86_400  # s, as long as the draft is kept
MAX_FORM = 128 * 1024  # bytes
MAX_FIELDS = 200

Keeper = Callable[[Response], Response]


class ServicePages:
    """The pages of services, up to what is sent."""

    def __init__(self, kernel: Kernel, who: Callable[[Request], Principal]) -> None:
        """`who` tells who asks: an officer takes down for the person before them, on the same pages."""
        self._kernel = kernel
        self.who = who
        self.origin = kernel.settings.origin
        self.ask = Asker(kernel)

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route(PATH, self.services),
            Route(f"{PATH}/{{service}}", self.start),
            Route(f"{PATH}/{{service}}", self.started, methods=["POST"]),
            Route(f"{PATH}/{{service}}/way", self.way),
            Route(f"{PATH}/{{service}}/way", self.moved, methods=["POST"]),
            Route(f"{PATH}/{{service}}/check", self.check),
            Route(f"{PATH}/{{service}}/check", self.send, methods=["POST"]),
            Route(f"{PATH}/{{service}}/{{step}}", self.step),
            Route(f"{PATH}/{{service}}/{{step}}", self.answered, methods=["POST"]),
        ]

    async def services(self, request: Request) -> Response:
        """Every service."""
        lang = lang_of(request)
        return service_page(lang, WORDS["services"], PATH, list_of_services(lang))

    # -- the first questions, and where they lead -----------------------------------------------------------------------

    async def start(self, request: Request) -> Response:
        """What the service is, and its first questions."""
        lang = lang_of(request)
        try:
            definition = self.service_of(request)
            form, definition = await self.draft(request, definition)
        except EgideError as error:
            return trouble_page(lang, error)
        return service_page(
            lang, definition.title, f"{PATH}/{definition.id}", self._first(request, lang, definition, form, {})
        )

    def _first(
        self,
        request: Request,
        lang: str,
        definition: Definition,
        form: Mapping[str, list[str]],
        bad: Mapping[str, Text],
    ) -> str:
        who = self.who(request)
        taking = officer(who) and bool(ways(definition))
        return (banner(lang, who) if taking else "") + first_page(
            lang, definition, self._kernel.book, form, bad, taking=taking, again=_again(request)
        )

    async def started(self, request: Request) -> Response:
        """The first answers: kept, then on, or where they lead."""
        lang, form = lang_of(request), dict[str, list[str]]()
        try:
            definition = self.service_of(request)
            form = await form_of(request, self.origin, MAX_FORM, MAX_FIELDS)
            kept = await self._save(request, definition, definition.questions, form)
        except EgideError as error:
            return trouble_page(lang, error, once_more(request, lang, error, form))
        answers = read(definition.questions, form)
        if way_of(definition, answers) is not None:
            return kept(_to(lang, definition, "way"))
        bad = _of(self._wrong(definition, answers), asked(definition.questions, answers))
        if bad:
            content = self._first(request, lang, definition, form, bad)
            return kept(service_page(lang, definition.title, f"{PATH}/{definition.id}", content, bad=True))
        return kept(_to(lang, definition, "check" if _again(request) else _after(definition, None)))

    async def way(self, request: Request) -> Response:
        """Where the first answers lead, other than on."""
        lang = lang_of(request)
        try:
            form, definition = await self.draft(request, self.service_of(request), needed=True)
        except EgideError as error:
            return trouble_page(lang, error)
        way = way_of(definition, read(definition.questions, form))
        if way is None:
            return _to(lang, definition, _after(definition, None))
        return service_page(
            lang, definition.title, f"{PATH}/{definition.id}/way", elsewhere_page(lang, definition, way)
        )

    async def moved(self, request: Request) -> Response:
        """On to another service, with the answers."""
        lang = lang_of(request)
        try:
            await form_of(request, self.origin, MAX_FORM)
            form, definition = await self.draft(request, self.service_of(request), needed=True)
            way, mine = way_of(definition, read(definition.questions, form)), draft_held(request)
            if way is None or mine is None or not way.to.startswith("service:"):
                return _to(lang, definition, "")
            other = way.to.removeprefix("service:")
            await self.ask("services.draft.move", {"draft": mine[0], "secret": mine[1], "service": other}, request)
        except EgideError as error:
            return trouble_page(lang, error)
        answer = RedirectResponse(f"{PATH}/{other}?lang={lang}", 303)
        keep(draft_gone(answer, definition.id), f"{DRAFT}-{other}", f"{mine[0]}.{mine[1]}", DRAFT_S)
        return answer

    # -- pages of questions -----------------------------------------------------------------------------------------------

    async def step(self, request: Request) -> Response:
        """One page of questions."""
        lang = lang_of(request)
        try:
            form, definition = await self.draft(request, self.service_of(request), needed=True)
            step = _step(definition, request.path_params["step"])
            sent = await self._sent(request, step)
        except EgideError as error:
            return trouble_page(lang, error)
        content = question_page(lang, definition, self._kernel.book, step, form, {}, sent, again=_again(request))
        return _step_page(lang, definition, step, content)

    async def answered(self, request: Request) -> Response:
        """A page's answers: kept as typed, then looked at."""
        lang, typed = lang_of(request), dict[str, list[str]]()
        try:
            typed, refused = await self._came(request)
            before, definition = await self.draft(request, self.service_of(request), needed=True)
            step = _step(definition, request.path_params["step"])
            dropped = await self._dropped(request, step, typed)
            kept = await self._save(request, definition, step.fields, typed)
            sent = await self._sent(request, step)
        except EgideError as error:
            return trouble_page(lang, error, once_more(request, lang, error, typed))
        form = {**before, **_whole(step.fields, typed)}
        form |= {id_: [one["upload"] for one in sent.files] for id_ in definition.attachments if with_files(step)}
        answers = read(definition.fields, form)
        bad = _of(
            self._wrong(definition, answers), [one for one in asked(definition.fields, answers) if one in step.fields]
        )
        if refused is not None:
            bad |= dict.fromkeys(definition.attachments, refused)
        if bad or dropped:
            shown = {} if dropped else bad
            content = question_page(lang, definition, self._kernel.book, step, form, shown, sent, again=_again(request))
            return kept(_step_page(lang, definition, step, content, bad=bool(shown)))
        return kept(_to(lang, definition, "check" if _again(request) else _after(definition, step)))

    async def _came(self, request: Request) -> tuple[dict[str, list[str]], Text | None]:
        """(what was typed, why some files were not taken) of a page's form."""
        if not request.headers.get("content-type", "").startswith("multipart/"):
            return await form_of(request, self.origin, MAX_FORM, MAX_FIELDS), None
        mine = draft_held(request) or ("", "")
        form = await form_with_files(self._kernel, request, self.origin, Sent(drafts.owner(mine[0]), mine[1]))
        return form.fields, refusals(form.refused)

    async def _dropped(self, request: Request, step: Step, typed: Mapping[str, list[str]]) -> bool:
        """Whether a file was taken back by this form."""
        mine = draft_held(request) or ("", "")
        gone = typed.get(DROP, []) if with_files(step) else []
        for upload in gone:
            await self.ask("services.upload.withdraw", {"upload": upload, "secret": mine[1]}, request)
        return bool(gone)

    async def _sent(self, request: Request, step: Step) -> Sent:
        """The files that came with this draft, where the page takes some."""
        mine = draft_held(request)
        if mine is None or not with_files(step):
            return Sent("", "")
        given = {"owner": drafts.owner(mine[0]), "secret": mine[1]}
        found = await self.ask("services.upload.list", given, request)
        return Sent(given["owner"], mine[1], found["files"])

    # -- the last look, and sending ------------------------------------------------------------------------------------------

    async def check(self, request: Request) -> Response:
        """Everything once more before it is sent."""
        lang = lang_of(request)
        try:
            form, definition = await self.draft(request, self.service_of(request), needed=True)
            return await self.checked(request, lang, definition, form, None)
        except EgideError as error:
            return trouble_page(lang, error)

    async def checked(
        self,
        request: Request,
        lang: str,
        definition: Definition,
        form: Mapping[str, list[str]],
        trouble: EgideError | None,
    ) -> Response:
        """The page that shows everything once more, with what went wrong when it was sent."""
        answers = relevant(definition, read(definition.fields, form))
        bad = self._wrong(definition, answers)
        principal, here = self.who(request), f"{PATH}/{definition.id}/check"
        if officer(principal):
            person = banner(lang, principal) + person_box(
                lang, definition, {}, ready=not _unless_files(definition, bad)
            )
            content = check_page(
                lang, definition, self._kernel.book, answers, bad, person, ready=False, trouble=trouble
            )
            return service_page(
                lang, WORDS["check"], here, content, bad=bool(bad), status=trouble.status if trouble else 200
            )
        level, who = await self._identity(request)
        flows = {name: self._kernel.things[name].highest for name in (SIGN_IN, WALLET) if name in self._kernel.things}
        note = identity_note(lang, definition, level, who, flows)
        ready = not bad and max(level, 1) >= definition.channels["remote"].identity
        content = check_page(lang, definition, self._kernel.book, answers, bad, note, ready=ready, trouble=trouble)
        return service_page(
            lang, WORDS["check"], here, content, bad=bool(bad), status=trouble.status if trouble else 200
        )

    async def send(self, request: Request) -> Response:
        """The draft becomes a file; its number and code are shown once, on the next page."""
        lang = lang_of(request)
        try:
            await form_of(request, self.origin, MAX_FORM)
            form, definition = await self.draft(request, self.service_of(request), needed=True)
            draft, who = draft_held(request) or ("", ""), held(request, WHO) or ("", "")
            given = {"draft": draft[0], "secret": draft[1], "identity": who[0], "identity_secret": who[1], "lang": lang}
            try:
                done = await self.ask(f"services.{slug(definition.id)}.file", given, request)
            except (Refused, Invalid) as error:
                return await self.checked(request, lang, definition, form, error)
        except EgideError as error:
            return trouble_page(lang, error)
        answer = RedirectResponse(f"{PATH}/file?lang={lang}&new=1", 303)
        keep(answer, FILE, f"{done['number']}.{done['code']}", FILE_S)
        return draft_gone(answer, definition.id)

    # -- what they have in common ---------------------------------------------------------------------------------------------

    async def draft(
        self, request: Request, definition: Definition, *, needed: bool = False
    ) -> tuple[dict[str, list[str]], Definition]:
        """(what was typed so far, the version it was begun with). Raises `NotFound` where one is needed and there is none."""
        mine = draft_held(request)
        if mine is not None:
            try:
                found = await self.ask("services.draft.read", {"draft": mine[0], "secret": mine[1]}, request)
            except NotFound:
                found = None
            if found is not None and found["service"] == definition.id:
                return found["form"], catalogue().find(found["service"], found["version"]) or definition
        if needed:
            again = f"{self.origin}{PATH}/{definition.id}"
            raise NotFound(
                Text("Ce brouillon n’est plus là.", "This draft is no longer there."),
                Text(f"Recommencez à {again}.", f"Start again at {again}."),
            )
        return {}, definition

    async def _save(
        self, request: Request, definition: Definition, fields: tuple[Field, ...], form: Mapping[str, list[str]]
    ) -> Keeper:
        """Keeps a page's answers; gives what puts the draft's cookie on the answer."""
        mine, (before, _version) = draft_held(request), await self.draft(request, definition)
        given: dict[str, Any] = {"service": definition.id, "form": _whole(fields, form)}
        if mine is not None and before:
            given |= {"draft": mine[0], "secret": mine[1]}
        saved = await self.ask("services.draft.save", given, request)

        def kept(answer: Response) -> Response:
            keep(answer, f"{DRAFT}-{definition.id}", f"{saved['id']}.{saved['secret']}", DRAFT_S)
            return answer

        return kept

    async def _identity(self, request: Request) -> tuple[int, Who]:
        mine = held(request, WHO)
        if mine is None:
            return 0, Who()
        found = await self.ask("services.identity.read", {"identity": mine[0], "secret": mine[1]}, request)
        return int(found["level"]), Who(**found["who"])

    def _wrong(self, definition: Definition, answers: Mapping[str, Any]) -> dict[str, Text]:
        return check(definition, relevant(definition, answers), self._today())

    def service_of(self, request: Request) -> Definition:
        """The service of an address. Raises `NotFound` where there is none, or where it is not given to who asks in this way."""
        found = catalogue().find(request.path_params["service"])
        if found is None:
            raise NotFound(Text("Ce service n’existe pas.", "There is no such service."))
        if request.method == "POST" and not found.on_pages and not (ways(found) and officer(self.who(request))):
            raise NotFound(Text("Ce service ne se rend pas en ligne.", "This service is not given online."))
        return found

    def _today(self) -> date:
        return self._kernel.clock.now().astimezone(self._kernel.book.zone).date()


def draft_held(request: Request) -> tuple[str, str] | None:
    """(id, secret) of this browser's draft of the service of an address; of any, as versions before this one kept it."""
    return held(request, f"{DRAFT}-{request.path_params['service']}") or held(request, DRAFT)


def draft_gone(answer: Response, service: str) -> Response:
    """The draft of a service is no more in this browser."""
    for cookie in (DRAFT, f"{DRAFT}-{service}"):
        answer.delete_cookie(cookie, secure=True, httponly=True, samesite="strict")
    return answer


def service_page(
    lang: str, title: Text | Words, here: str, content: str, *, bad: bool = False, status: int = 200, module: str = ""
) -> Response:
    """A page of a service; `bad`: something on it needs another look, which its title says first."""
    words = title.en if lang == "en" else title.fr
    mark = ("Error: " if lang == "en" else "Erreur : ") if bad else ""
    return page(
        lang, mark + words, here, content, style=FORMS, module=module, status=422 if bad and status == 200 else status
    )


def _step_page(lang: str, definition: Definition, step: Step, content: str, *, bad: bool = False) -> Response:
    module = built(SCRIPT) if with_files(step) else ""
    return service_page(lang, step.title, f"{PATH}/{definition.id}/{step.id}", content, bad=bad, module=module)


def trouble_page(lang: str, error: EgideError, again: str = "") -> Response:
    """What went wrong, what was typed to be sent `again`, and the way back to every service."""
    back = f'<p><a href="{PATH}?lang={lang}">{w(lang, "services")}</a></p>'
    content = f"<h1>{w(lang, 'services')}</h1>{wrong(lang, error)}{again}{back}"
    return service_page(lang, WORDS["services"], PATH, content, status=error.status)


def _to(lang: str, definition: Definition, step: str) -> Response:
    return RedirectResponse(f"{PATH}/{definition.id}{'/' + step if step else ''}?lang={lang}", 303)


def _step(definition: Definition, id_: str) -> Step:
    for one in definition.steps:
        if one.id == id_:
            return one
    raise NotFound(Text("Cette page n’existe pas.", "There is no such page."))


def _again(request: Request) -> bool:
    """Whether one came from the last look, to change something."""
    return "check" in request.query_params


def _after(definition: Definition, step: Step | None) -> str:
    names = [*(one.id for one in definition.steps), "check"]
    return names[0] if step is None else names[names.index(step.id) + 1]


def _whole(fields: tuple[Field, ...], form: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """A page's fields as sent, with nothing for each that was emptied: a browser leaves out what is not ticked."""
    return {name: form.get(name, []) for field in fields for name in boxes(field)}


def _unless_files(definition: Definition, bad: Mapping[str, Text]) -> dict[str, Text]:
    """What is wrong, but for files: at the counter they may follow."""
    return {id_: words for id_, words in bad.items() if id_ not in definition.attachments}


def _of(bad: Mapping[str, Text], fields: list[Field]) -> dict[str, Text]:
    """The mistakes of one page."""
    return {field.id: bad[field.id] for field in fields if field.id in bad}
