"""`/services/file/rights`: one's rights on one's own file — copy, correction, erasure, objection — whole without JavaScript.

Each button asks the door, and the law answers: what it allows is done, what it does not is said with its article and the way that
remains. The copy is a page to read and the same as JSON to take along (GDPR 15(3), 20). Nothing of it stays in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.gateways import wallet_page
from egide.gateways.file_pages import FILE, opened, opening_page
from egide.gateways.file_pages import HERE as FILES
from egide.gateways.resident import Asker, form_of, held, lang_of, once_more, page, said, wrong
from egide.gateways.service_words import FORMS, PATH, WORDS, day, w
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, EgideError, NotSignedIn, Text
from egide.kernel.kernel import Kernel
from egide.kernel.law import LawBook
from egide.services.questions import say
from egide.services.right_words import RIGHTS

HERE = f"{FILES}/rights"
MAX_FORM = 64 * 1024  # bytes; 4,000 signs of three bytes each come as nine letters (WHATWG URL §5.2)
TEXT = {
    "what": Text(
        "Une copie et un effacement se font tout de suite, quand la loi le permet. Un agent répond à une correction ou à une opposition sous un mois.",
        "A copy and an erasure are done at once, where the law allows it. An officer answers a rectification or an objection within a month.",
    ),
    "copy": Text("Obtenir une copie", "Obtain a copy"),
    "copy_what": Text(
        "Tout ce que ce dossier contient, et qui l’a utilisé, quand, pour quoi.",
        "All that this file holds, and who used it, when, what for.",
    ),
    "read": Text("Lire la copie", "Read the copy"),
    "take": Text("Télécharger la copie (JSON)", "Download the copy (JSON)"),
    "rectification": Text("Faire corriger ou compléter", "Have it corrected or completed"),
    "rectification_what": Text("Ce qui est inexact ou manque, et ce qui est juste", "What is inaccurate or missing, and what is right"),
    "objection": Text("S’opposer", "Object"),
    "objection_what": Text("Pourquoi votre situation demande d’arrêter ce traitement", "Why your situation asks for this processing to stop"),
    "ask": Text("Envoyer la demande", "Send the request"),
    "erasure": Text("Faire effacer", "Have it erased"),
    "erasure_what": Text(
        "Le dossier, ses fichiers et ses documents sont détruits, leurs clés d’abord. Personne ne peut revenir en arrière.",
        "The file, what was sent with it and its documents are destroyed, their keys first. Nobody can go back.",
    ),
    "erase": Text("Effacer ce dossier", "Erase this file"),
    "sure": Text("Oui, effacer définitivement", "Yes, erase it for good"),
    "keep": Text("Ne rien effacer", "Erase nothing"),
    "erased": Text("Le dossier est effacé", "The file is erased"),
    "erased_what": Text(
        "Sa clé est détruite dans la minute. Le numéro et le code n’ouvrent plus rien.",
        "Its key is destroyed within the minute. Number and code open nothing any more.",
    ),
    "pending": Text("{} : réponse au plus tard le {}.", "{}: answer by {} at the latest."),
    "late": Text(
        "{} : la réponse était due le {}. Le service le voit. Vous pouvez saisir la CNIL.",
        "{}: the answer was due by {}. The service sees it. You may turn to the CNIL.",
    ),
    "remedies": Text(
        "Si la réponse ne vous convient pas : le délégué à la protection des données du service, puis la CNIL ou le juge (RGPD 77 à 79 ; loi 78-17, 108).",
        "If the answer does not suit you: the service’s data protection officer, then the CNIL or the courts (GDPR 77 to 79; law 78-17, 108).",
    ),
    "back": Text("Revenir au dossier", "Back to the file"),
    "made": Text("Copie du {}", "Copy of {}"),
    "held": Text("Ce qui est tenu", "What is held"),
    "controller": Text("Responsable du traitement", "Controller"),
    "activity": Text("Traitement", "Processing"),
    "purposes": Text("Finalités", "Purposes"),
    "bases": Text("Fondement", "Legal basis"),
    "recipients": Text("Destinataires", "Recipients"),
    "retention": Text("Conservation", "Retention"),
    "erased_at": Text("Effacé au plus tard le", "Erased by"),
    "person": Text("Personne", "Person"),
    "history": Text("Ce qui s’est passé", "What happened"),
    "uses": Text("Qui l’a utilisé", "Who used it"),
    "uses_what": Text(
        "Chaque accès inscrit au registre. Un agent est désigné par sa fonction et son unité (CJUE, C-579/21).",
        "Every access that the ledger has. An officer is named by function and unit (CJEU, C-579/21).",
    ),
    "purpose": Text("pour : {}", "for: {}"),
    "size": Text("{} octets", "{} bytes"),
}  # fmt: skip


def t(lang: str, word: str) -> str:
    """One of these words, escaped."""
    return said(lang, TEXT[word])


class RightsPages:
    """The page, what its buttons do, and the copy."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._origin = kernel.settings.origin
        self._ask = Asker(kernel)

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [Route(HERE, self.show), Route(HERE, self.done, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """What one may ask for."""
        return await self._page(request)

    async def done(self, request: Request) -> Response:
        """One of the buttons."""
        form: dict[str, list[str]] = {}
        try:
            form = await form_of(request, self._origin, MAX_FORM)
            return await self._do(request, _mine(request), _first(form, "do"), form)
        except EgideError as error:
            return await self._page(request, error, form)

    async def _do(self, request: Request, mine: tuple[str, str], do: str, form: Mapping[str, list[str]]) -> Response:
        lang, given = lang_of(request), {"number": mine[0], "code": mine[1]}
        match do:
            case "copy" | "take":
                found = await self._ask("services.rights.copy", given, request)
                if do == "copy":
                    return self._readable(lang, found)
                words = {"bases_in_words": _bases(lang, found, self._kernel.book)}
                return _machine({**found, **words}, mine[0])
            case "erase":
                if form.get("sure") != ["yes"]:
                    return _certain(lang)
                await self._ask("services.rights.erase", given, request)
                return _gone(lang)
            case "rectification" | "objection":
                asked = given | {"right": do, "text": _first(form, "text")}
                await self._ask("services.rights.ask", asked, request)
                return RedirectResponse(f"{HERE}?lang={lang}", 303)
            case _:
                raise BadInput(Text("Ce bouton n’existe pas.", "There is no such button."))

    async def _page(
        self, request: Request, trouble: EgideError | None = None, form: Mapping[str, list[str]] | None = None
    ) -> Response:
        lang, typed = lang_of(request), form or {}
        words = {_first(typed, "do"): _first(typed, "text")}
        try:
            file, definition = await opened(self._ask, request, _mine(request))
        except EgideError as error:
            return opening_page(lang, error, once_more(request, lang, error, typed))
        content = (
            f"{wrong(lang, trouble) if trouble is not None else ''}<h1>{w(lang, 'rights')}</h1><p>{escape(file['number'])} · {say(lang, definition.title)}</p>"
            f"<p>{t(lang, 'what')}</p>{_pending(lang, file, self._kernel)}"
            f"<h2>{t(lang, 'copy')}</h2><p>{t(lang, 'copy_what')}</p>{_button(lang, 'copy', 'read')}{_button(lang, 'take', 'take')}"
            f"{'' if file['right'] else ''.join(_words(lang, kind, words.get(kind, '')) for kind in RIGHTS)}"
            f"<h2>{t(lang, 'erasure')}</h2><p>{t(lang, 'erasure_what')}</p>{_button(lang, 'erase', 'erase')}"
            f'<p class="small">{t(lang, "remedies")}</p><p><a href="{FILES}?lang={lang}">{t(lang, "back")}</a></p>'
        )
        return _whole(lang, w_title(lang), content, status=trouble.status if trouble is not None else 200)

    def _readable(self, lang: str, found: Mapping[str, Any]) -> Response:
        zone, file = self._kernel.book.zone, found["file"]
        rows = [
            ("controller", found["controller"]), ("activity", _one(lang, found["activity"])),
            ("purposes", _several(lang, found["purposes"])), ("bases", "\n".join(_bases(lang, found, self._kernel.book))),
            ("recipients", _several(lang, found["recipients"])), ("retention", _several(lang, found["retention"])),
            ("erased_at", day(found["erased_at"], zone) if found["erased_at"] else ""),
            ("person", _person(lang, file["who"])),
        ]  # fmt: skip
        facts = "".join(_row(t(lang, word), value) for word, value in rows if value)
        answers = "".join(_row(said(lang, Text(**one["label"])), one[lang]) for one in found["lines"] if one[lang])
        pieces = "".join(
            f"<li><bdi>{escape(one['name'])}</bdi><br><span class='small'>{_size(lang, one['bytes'])} · SHA-256 {one['sha256']}</span></li>" for one in found["uploads"]
        )  # fmt: skip
        content = (
            f"<h1>{t(lang, 'made').format(day(found['made'], zone))}</h1><p>{escape(file['number'])} · {_safe(lang, found['title'])} · {_safe(lang, found['state'])}</p>"
            f"{_button(lang, 'take', 'take')}<h2>{t(lang, 'held')}</h2><dl>{facts}{answers}</dl>{f'<ul>{pieces}</ul>' if pieces else ''}"
            f"<h2>{t(lang, 'history')}</h2><ol>{''.join(_event(lang, one, zone) for one in file['events'])}</ol>"
            f"<h2>{t(lang, 'uses')}</h2><p class='small'>{t(lang, 'uses_what')}</p><ol>{''.join(_use(lang, one, zone) for one in found['uses'])}</ol>"
            f'<p><a href="{HERE}?lang={lang}">{w(lang, "rights")}</a></p>'
        )
        return _whole(lang, w_title(lang), content)


def _size(lang: str, octets: int) -> str:
    """All its figures: with the hash they say which file it is. Grouped by three as the language does."""
    return t(lang, "size").format(f"{octets:,}" if lang == "en" else f"{octets:,}".replace(",", "\u202f"))


def w_title(lang: str) -> str:
    """The page's name, as plain text."""
    words = WORDS["rights"]
    return words.en if lang == "en" else words.fr


def _mine(request: Request) -> tuple[str, str]:
    mine = held(request, FILE)
    if mine is None:
        raise NotSignedIn(Text("Ouvrez d’abord votre dossier.", "Open your file first."))
    return mine


def _whole(lang: str, title: str, content: str, *, status: int = 200) -> Response:
    return page(lang, title, HERE, content, style=FORMS, status=status)


def _button(lang: str, do: str, words: str) -> str:
    return (
        f'<form method="post" action="{HERE}?lang={lang}"><input type="hidden" name="do" value="{do}">'
        f'<button class="quiet">{t(lang, words)}</button></form>'
    )


def _first(form: Mapping[str, list[str]], name: str) -> str:
    return (form.get(name) or [""])[0]


def _words(lang: str, kind: str, typed: str) -> str:
    return (
        f'<h2>{t(lang, kind)}</h2><form method="post" class="short" action="{HERE}?lang={lang}"><input type="hidden" name="do" value="{kind}">'
        f'<label for="r-{kind}">{t(lang, f"{kind}_what")}</label><textarea id="r-{kind}" name="text" required maxlength="4000" dir="auto" autocomplete="off">\n{escape(typed)}</textarea>'
        f'<button class="quiet">{t(lang, "ask")}</button></form>'
    )


def _pending(lang: str, file: Mapping[str, Any], kernel: Kernel) -> str:
    if not file["right"]:
        return ""
    over = file["right_due"] < iso(kernel.clock.now_us())
    words = say(lang, RIGHTS[file["right"]])
    told = t(lang, "late" if over else "pending").format(words, day(file["right_due"], kernel.book.zone))
    return f'<p class="{"late" if over else "note"}" data-right="{file["right"]}">{told}</p>'


def _certain(lang: str) -> Response:
    content = (
        f'<h1>{t(lang, "erasure")}</h1><p>{t(lang, "erasure_what")}</p><form method="post" action="{HERE}?lang={lang}">'
        f'<input type="hidden" name="do" value="erase"><input type="hidden" name="sure" value="yes"><button>{t(lang, "sure")}</button></form>'
        f'<p><a class="button quiet" href="{HERE}?lang={lang}">{t(lang, "keep")}</a></p>'
    )
    return _whole(lang, w_title(lang), content)


def _gone(lang: str) -> Response:
    content = f'<h1>{t(lang, "erased")}</h1><p role="status">{t(lang, "erased_what")}</p><p><a href="{PATH}?lang={lang}">{w(lang, "services")}</a></p>'
    answer = _whole(lang, w_title(lang), content)
    answer.delete_cookie(FILE, secure=True, httponly=True, samesite="strict")
    return answer


def _bases(lang: str, found: Mapping[str, Any], book: LawBook) -> list[str]:
    """The copy's legal bases in words: it holds them as the record does, a text's id and its articles (“fr/cpp, 15-3, 40”)."""
    told = [book.in_words(*one.split(", ", 1)) for one in found["bases"]]
    return [one.en if lang == "en" else one.fr for one in told]


def _machine(found: Mapping[str, Any], number: str) -> Response:
    content = msgspec.json.format(msgspec.json.encode(found))
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{_plain(number)}.json"'}
    return Response(content, headers=headers, media_type="application/json")


def _plain(number: str) -> str:
    return "".join(one for one in number if one.isascii() and (one.isalnum() or one == "-"))[:40]


def _row(label: str, value: str) -> str:
    return f"<div><dt>{label}</dt><dd><bdi>{escape(value)}</bdi></dd></div>"


def _person(lang: str, who: Mapping[str, str]) -> str:
    """Who it is, as people read it: day before month, and how they were known in words."""
    parts = who.get("birthdate", "").split("-")
    names = [who.get("given_name", ""), who.get("family_name", ""), "/".join(reversed(parts)), who.get("document", "")]
    by = wallet_page.WORDS["by"] if who.get("method") == "wallet" else Text("", "")
    return " ".join(one for one in (*names, by.en if lang == "en" else by.fr) if one)


def _one(lang: str, words: Mapping[str, str]) -> str:
    return words["en" if lang == "en" else "fr"]


def _safe(lang: str, words: Mapping[str, str]) -> str:
    return escape(_one(lang, words))


def _several(lang: str, words: list[Mapping[str, str]]) -> str:
    return "\n".join(_one(lang, one) for one in words)


def _event(lang: str, event: Mapping[str, Any], zone: ZoneInfo) -> str:
    answered = "".join(
        f"<br>{_safe(lang, one['label'])} <bdi>{escape(one[lang])}</bdi>" for one in event["lines"] if one[lang]
    )
    words = say(lang, Words(**event["said"]))
    return f"<li><b>{day(event['at'], zone)} — {words}</b><bdi>{escape(event['text'])}</bdi>{answered}</li>"


def _use(lang: str, use: Mapping[str, Any], zone: ZoneInfo) -> str:
    who = ", ".join(one for one in (_one(lang, use["by"]), use["unit"]) if one)
    why = t(lang, "purpose").format(escape(_several(lang, use["why"]).replace("\n", " ; "))) if use["why"] else ""
    return f"<li><b>{day(use['at'], zone)} — {escape(who)}</b>{_safe(lang, use['what'])} <span class='small'>{why}</span></li>"
