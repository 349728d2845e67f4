"""`/field`: what an officer's device needs to work without network. Its pages are the same for everybody, named by their hashes.

`/field/pack.json` lists them: the device keeps each in its cache once it has the bytes that are named here, all of them or none.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from egide.gateways.field_views import ADDING, PATH, SAYS, SCRIPT, STYLE, adding, form, home, offline
from egide.gateways.resident import built, lang_of, page
from egide.kernel.errors import Text
from egide.services.definition import Definition

LANGS = ("fr", "en")


class FieldPages:
    """The offline forms, and the list of them. `zone`: the platform's (IANA), in which their script tells every time."""

    def __init__(self, zone: str) -> None:
        self._zone = zone

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route(PATH, self.home),
            Route(f"{PATH}/pack.json", self.pack),
            Route(f"{PATH}/{{service}}", self.form),
        ]

    async def home(self, request: Request) -> Response:
        """The device's own page."""
        return _home(lang_of(request), self._zone)

    async def form(self, request: Request) -> Response:
        """One service's form."""
        if request.path_params["service"] in ADDING:
            return _adding(lang_of(request), self._zone, request.path_params["service"])
        found = next((one for one in offline() if one.id == request.path_params["service"]), None)
        if found is None:
            return Response("Not found", 404)
        return _form(lang_of(request), self._zone, found)

    async def pack(self, _request: Request) -> Response:
        """Every page and its SHA-256; the fingerprint says whether anything has changed."""
        return JSONResponse(_pack(built(SCRIPT), self._zone), headers={"cache-control": "no-store"})


def _page(lang: str, zone: str, title: Text, here: str, content: str) -> Response:
    said, head = title.en if lang == "en" else title.fr, f'<meta name="egide-zone" content="{escape(zone)}">'
    return page(lang, said, here, content, style=STYLE, module=built(SCRIPT), head=head)


def _home(lang: str, zone: str) -> Response:
    return _page(lang, zone, SAYS["title"], PATH, home(lang))


def _form(lang: str, zone: str, definition: Definition) -> Response:
    title = Text(definition.title.fr, definition.title.en)
    return _page(lang, zone, title, f"{PATH}/{definition.id}", form(lang, definition))


def _adding(lang: str, zone: str, kind: str) -> Response:
    return _page(lang, zone, ADDING[kind][0], f"{PATH}/{kind}", adding(lang, kind))


@cache
def _pack(_script: str, zone: str) -> dict[str, object]:
    """Made once for each build of the script and zone."""
    pages = [[f"{PATH}?lang={lang}", _digest(_home(lang, zone))] for lang in LANGS]
    pages += [[f"{PATH}/{kind}?lang={lang}", _digest(_adding(lang, zone, kind))] for kind in ADDING for lang in LANGS]
    pages += [[f"{PATH}/{one.id}?lang={lang}", _digest(_form(lang, zone, one))] for one in offline() for lang in LANGS]
    return {"fingerprint": sha256(msgspec.json.encode(pages)).hexdigest(), "pages": pages}


def _digest(answer: Response) -> str:
    return b64encode(sha256(bytes(answer.body)).digest()).decode()
