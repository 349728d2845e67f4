"""`/infos`: help by chat for victims and witnesses of violence. Whole without JavaScript, at 320 px, in French and English.

Whoever writes here may be watched. So: an address and a title that tell nothing, the numbers to call first, nothing asked before
the first word, a way out that is always in view. The conversation's secret lives in a cookie that ends with the window; nothing
is cached, nothing is stored, nothing personal is in an address. With the script, forms are sent without a navigation, so that
the browser has no page with words in its history, and answers come by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from egide.gateways import calendar_page
from egide.gateways.chat_words import PATH, SCRIPT, STYLE, WORDS, w
from egide.gateways.resident import Asker, form_of, held, lang_of, page, said, wrong
from egide.kernel.errors import EgideError, NotFound, Text
from egide.kernel.kernel import Kernel
from egide.services.answers import asked
from egide.services.chat import MAX_TEXT
from egide.services.chat_board import definition
from egide.services.filing import Invalid
from egide.services.questions import question

COOKIE = "__Host-egide-info"
EXIT = f"{PATH}/exit"
MAX_FORM = 48 * 1024  # bytes
AWAY = '"cache", "cookies", "storage"'  # Clear-Site-Data: what this site ever put into the browser
CALLBACK = "callback"
NUMBERS = (
    ("tel:17", "17", "police"),
    ("tel:112", "112", "europe"),
    ("sms:114", "114", "deaf"),
    ("tel:3919", "3919", "women"),
)

Form = Mapping[str, list[str]]


class ChatPage:
    """The page's addresses: the form or the conversation, what is sent, whether there is news, and the way out."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._ask = Asker(kernel)

    def routes(self) -> list[BaseRoute]:
        """The page's routes."""
        return [
            Route(PATH, self.show),
            Route(PATH, self.send, methods=["POST"]),
            Route(f"{PATH}/news", self.news),
            Route(EXIT, self.exit),
            Route(calendar_page.PATH, calendar_page.CalendarPage(self._kernel).show),
        ]

    async def show(self, request: Request) -> Response:
        """The conversation where this window has one, else the form."""
        lang, mine = lang_of(request), held(request, COOKIE)
        if mine is None:
            return _page(lang, _begin(lang))
        try:
            return _page(lang, self._talk(lang, await self._read(request, mine)))
        except NotFound:
            return _over(lang)
        except EgideError as error:
            return _page(lang, wrong(lang, error) + _begin(lang), status=error.status)

    async def send(self, request: Request) -> Response:
        """Words, or a choice; then the page is shown afresh, so that reloading sends nothing twice."""
        lang, mine = lang_of(request), held(request, COOKIE)
        form: dict[str, list[str]] = {}
        try:
            form = await form_of(request, self._kernel.settings.origin, MAX_FORM)
            if mine is not None and _first(form, "do") != "new":
                return await self._sent(request, lang, mine, form)
            given = {"text": _first(form, "text"), "lang": lang}
            begun = await self._ask("services.chat.open", given, request)
        except EgideError as error:
            return await self._again(request, lang, mine, form, error)
        answer = RedirectResponse(f"{PATH}?lang={lang}", 303)
        # No Max-Age: it ends with the window, and browsers do not write it to the disk.
        answer.set_cookie(COOKIE, f"{begun['id']}.{begun['secret']}", secure=True, httponly=True, samesite="strict")
        return answer

    async def news(self, request: Request) -> Response:
        """204 while an open window shows all there is."""
        mine, headers = held(request, COOKIE), {"cache-control": "no-store"}
        if mine is not None:
            seen = request.query_params.get("seen", "")
            try:
                if not (await self._ask("services.chat.news", _ref(mine) | {"seen": seen}, request))["new"]:
                    return Response(status_code=204, headers=headers)
            except EgideError:
                pass  # it has ended, or cannot be told: the page itself says which
        return Response(headers=headers)

    async def exit(self, request: Request) -> Response:
        """Ends the cookie and leads to a page that tells nothing. No act: the conversation stays, so that help can come."""
        answer = RedirectResponse(self._kernel.settings.chat_exit or calendar_page.PATH, 303)
        answer.headers["cache-control"] = "no-store"
        # Another site's page may lead here, but not throw anybody out of their conversation or session.
        if request.headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
            answer.headers["clear-site-data"] = AWAY
            _forgotten(answer)
        return answer

    async def _read(self, request: Request, mine: tuple[str, str]) -> Any:
        return await self._ask("services.chat.follow", _ref(mine), request)

    async def _sent(self, request: Request, lang: str, mine: tuple[str, str], form: Form) -> Response:
        ref, do = _ref(mine), _first(form, "do")
        if do == "end":
            await self._ask("services.chat.leave", ref, request)
            return _forgotten(_over(lang))
        if do in ("keep", "forget"):
            return await self._kept(request, lang, ref | {"words": do == "keep"})
        if do == "call":
            chat = await self._read(request, mine)
            given = {**_asked(form), CALLBACK: ["yes"]}
            return await self._kept(request, lang, ref | {"words": chat["words"], "form": given})
        await self._ask("services.chat.say", ref | {"text": _first(form, "text")}, request)
        return RedirectResponse(f"{PATH}?lang={lang}", 303)

    async def _kept(self, request: Request, lang: str, given: dict[str, Any]) -> Response:
        """The number and the code, once; afterwards the conversation alone."""
        chosen = await self._ask("services.chat.keep", given, request)
        if not chosen["code"]:
            return RedirectResponse(f"{PATH}?lang={lang}", 303)
        return _page(
            lang,
            f'<h1>{w(lang, "code_title")}</h1><p class="note">{w(lang, "code_how")}</p><dl><div><dt>{w(lang, "number")}</dt>'
            f'<dd class="code" data-number>{escape(chosen["number"])}</dd></div><div><dt>{w(lang, "code")}</dt>'
            f'<dd class="code" data-code>{escape(chosen["code"])}</dd></div></dl>'
            f'<p><a class="button" href="{PATH}?lang={lang}">{w(lang, "back")}</a></p>',
        )

    async def _again(
        self, request: Request, lang: str, mine: tuple[str, str] | None, form: Form, error: EgideError
    ) -> Response:
        """What went wrong, and everything that was typed."""
        text = _first(form, "text")
        if mine is not None:
            try:
                shown = self._talk(lang, await self._read(request, mine), form, error)
                return _page(lang, wrong(lang, error) + shown, status=error.status)
            except EgideError:  # it ended meanwhile: the words are kept for a new one
                return _forgotten(_page(lang, wrong(lang, error) + _begin(lang, text), status=error.status))
        return _page(lang, wrong(lang, error) + _begin(lang, text), status=error.status)

    def _talk(self, lang: str, chat: dict[str, Any], form: Form | None = None, error: EgideError | None = None) -> str:
        zone = self._kernel.book.zone
        lines = "".join(
            _line(lang, one, datetime.fromisoformat(one["at"]).astimezone(zone).strftime("%H:%M"))
            for one in chat["lines"]
        )
        state = said(lang, Text(**chat["said"])) + ("" if chat["answered"] else f"<br>{w(lang, 'within')}")
        honest = f"<p data-journal>{w(lang, 'journal')}</p>" if chat["journal"] else ""
        text = escape(_first(form or {}, "text"))
        return f"""<h1>{w(lang, "talk")}</h1><div id="state" role="status"><p class="state">{state}</p>{honest}</div>
<div id="said" role="log" aria-label="{w(lang, "talk")}" data-stamp="{escape(chat["stamp"])}"><ol>{lines}</ol></div>
<form method="get" action="{PATH}" id="refresh"><input type="hidden" name="lang" value="{lang}"><button class="quiet">{w(lang, "refresh")}</button></form>
{_post(lang, "", f'<label for="text">{w(lang, "more")}</label>{_area(text)}<p id="lost" class="wrong" role="alert" hidden>{w(lang, "lost")}</p><button>{w(lang, "send")}</button>', more=True)}
<div id="choices">{_choices(lang, chat, form or {}, error)}</div><p class="small">{w(lang, "notice")}</p>"""


def _ref(mine: tuple[str, str]) -> dict[str, str]:
    return {"chat": mine[0], "secret": mine[1]}


def _first(form: Form, name: str) -> str:
    return (form.get(name) or [""])[0]


def _asked(form: Form) -> dict[str, list[str]]:
    """The boxes of the questions before a call-back."""
    known = {field.id for step in definition().steps for field in step.fields}
    return {name: values for name, values in form.items() if name in known}


def _forgotten(answer: Response) -> Response:
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
    return answer


def _page(lang: str, content: str, *, status: int = 200) -> Response:
    way = (
        f'<p class="exit"><a class="button" href="{EXIT}" data-exit rel="nofollow">{w(lang, "exit")} '
        f'<span class="small">({w(lang, "exit_how")})</span></a></p>'
    )
    few = 'id="said"' in content  # in a conversation the words come first, the numbers take one line
    title = WORDS["title"]
    return page(
        lang, title.en if lang == "en" else title.fr, PATH, f"{way}{_numbers(lang, few=few)}{content}", style=STYLE, script=SCRIPT,
        status=status, asks=True,
    )  # fmt: skip


def _numbers(lang: str, *, few: bool) -> str:
    """The numbers to call, before everything else."""
    lines = "".join(
        f'<li><a href="{address}" aria-label="{number} : {w(lang, words)}"><strong>{number}</strong></a></li>'
        if few
        else f'<li><a href="{address}"><strong>{number}</strong>{w(lang, words)}</a></li>'
        for address, number, words in NUMBERS
    )
    return f'<ul class="numbers{" few" if few else ""}" aria-label="{w(lang, "numbers")}">{lines}</ul>'


def _begin(lang: str, text: str = "") -> str:
    traces = "".join(f"<li>{w(lang, f'trace_{one}')}</li>" for one in ("private", "history", "exit", "watched"))
    return (
        f"<h1>{w(lang, 'heading')}</h1><p>{w(lang, 'lead')}</p>"
        f"<details><summary>{w(lang, 'traces')}</summary><ul>{traces}</ul></details>{_form(lang, text)}"
    )


def _over(lang: str) -> Response:
    """It has ended; the same words begin another one."""
    over = f'<h1>{w(lang, "over")}</h1><p class="state" role="status">{w(lang, "over_how")}</p>'
    return _page(lang, over + _form(lang, "", do="new"))


def _form(lang: str, text: str, do: str = "") -> str:
    lost = f'<p id="lost" class="wrong" role="alert" hidden>{w(lang, "lost")}</p>'
    boxes = f'<label for="text">{w(lang, "text")}</label>{_area(escape(text))}{lost}<button>{w(lang, "send")}</button>'
    return f'{_post(lang, do, boxes)}<p class="small">{w(lang, "notice")}</p>'


def _area(text: str) -> str:
    # Without autocomplete a browser keeps no copy of a form's words to bring them back after a restart.
    return f'<textarea id="text" name="text" required maxlength="{MAX_TEXT}" dir="auto" autocomplete="off">\n{text}</textarea>'


def _post(lang: str, do: str, content: str, *, more: bool = False) -> str:
    kind = ' data-more class="short"' if more else ""
    asked_for = f'<input type="hidden" name="do" value="{do}">' if do else ""
    return f'<form method="post" action="{PATH}?lang={lang}" autocomplete="off" novalidate data-talk{kind}>{asked_for}{content}</form>'


def _line(lang: str, line: dict[str, Any], hour: str) -> str:
    if line["step"] and not line["text"]:
        return f'<li class="house">{hour} {w(lang, "joined")}</li>'
    who = "officer" if line["officer"] else "you"
    return f'<li class="{who}"><b>{w(lang, who)}, {hour}</b><bdi>{escape(line["text"])}</bdi></li>'


def _choices(lang: str, chat: dict[str, Any], form: Form, error: EgideError | None) -> str:
    """What the person decides: what is kept, whether to be called back, and the end."""
    parts = []
    if chat["answered"]:
        if chat["words"]:
            words = w(lang, "kept").format(escape(chat["number"]))
            parts.append(
                f'<p class="note">{words}</p>'
                + _post(lang, "forget", f'<button class="quiet">{w(lang, "forget")}</button>')
            )
        else:
            parts.append(
                f"<details><summary>{w(lang, 'keep')}</summary><p>{w(lang, 'keep_how')}</p>"
                + _post(lang, "keep", f'<button class="quiet">{w(lang, "keep_do")}</button>')
                + "</details>"
            )
        parts.append(f'<p class="note">{w(lang, "called")}</p>' if chat["callback"] else _call(lang, form, error))
    if chat["steps"]:
        parts.append(_post(lang, "end", f'<button class="quiet">{w(lang, "end")}</button>'))
    return "".join(parts)


def _call(lang: str, form: Form, error: EgideError | None) -> str:
    """The service's own questions, once the person wants to be called back."""
    bad = error.wrong if isinstance(error, Invalid) else {}
    fields = [
        one
        for one in asked(definition().fields, {CALLBACK: "yes"})
        if one.id != CALLBACK and one not in definition().questions
    ]
    boxes = "".join(question(lang, one, form, bad.get(one.id)) for one in fields)
    opened = " open" if bad else ""
    return (
        f"<details{opened}><summary>{w(lang, 'call')}</summary>"
        + _post(lang, "call", f'{boxes}<button class="quiet">{w(lang, "call_do")}</button>')
        + "</details>"
    )
