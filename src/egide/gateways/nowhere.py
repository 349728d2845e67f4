"""Addresses that lead nowhere, or no longer: a page for people, with the numbers to call first, and a line for programs."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from egide.gateways.resident import lang_of, page, said
from egide.gateways.service_words import FORMS, PATH, danger, w
from egide.kernel.errors import Text

TITLE = Text("Cette page n’existe pas", "There is no such page")
HOW = Text(
    "Si vous avez tapé l’adresse, vérifiez-la. Sinon, partez de la liste : vous y trouverez aussi vos dossiers.",
    "If you typed the address, check it. Otherwise begin with the list: you will find your files there too.",
)
USED = Text("Ce lien a déjà servi ou a expiré", "This link was used or has expired")
USED_HOW = Text(
    "Un lien vers un document sert une fois. Revenez à votre dossier et ouvrez le document de nouveau.",
    "A link to a document works once. Go back to your file and open the document again.",
)


async def nowhere(request: Request, error: Exception) -> Response:
    """No page has this address, or not in this way."""
    assert isinstance(error, HTTPException)  # noqa: S101 — it is mounted for these alone
    if not _for_people(request):
        return PlainTextResponse(error.detail, error.status_code, headers=error.headers)
    answer = _page(request, TITLE, HOW, error.status_code, PATH, "services")
    answer.headers.update(error.headers or {})
    return answer


def used(request: Request) -> Response:
    """A download that was taken, is somebody else's, or has waited too long."""
    if not _for_people(request):
        return PlainTextResponse(f"{USED.fr}.\n{USED.en}.\n", 404)
    return _page(request, USED, USED_HOW, 404, f"{PATH}/file", "follow")


def _for_people(request: Request) -> bool:
    return request.method in ("GET", "POST") and "text/html" in request.headers.get("accept", "")


def _page(request: Request, title: Text, how: Text, status: int, on: str, words: str) -> Response:
    lang = lang_of(request)
    content = (
        f'{danger(lang)}<h1>{said(lang, title)}</h1><p>{said(lang, how)}</p><p><a class="button" href="{on}?lang={lang}">{w(lang, words)}</a></p>'
    )  # fmt: skip
    return page(lang, title.en if lang == "en" else title.fr, "", content, style=FORMS, status=status)
