"""`/field`: what an officer's device needs to work without network. Its pages are the same for everybody, named by their hashes.

`/field/pack.json` lists them: the device keeps each in its cache once it has the bytes that are named here, all of them or none.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from egide.gateways.field_views import ADDING, PATH, SAYS, SCRIPT, STYLE, adding, form, home, offline
from egide.gateways.resident import built, lang_of, page
from egide.kernel.errors import Text
from egide.kernel.kernel import Kernel
from egide.services.definition import Definition

LANGS = ("fr", "en")


class FieldPages:
    """The offline forms, and the list of them. They bring along the time zone in which their script tells every time."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._packed: tuple[object, dict[str, object]] = (None, {})  # of which script and law, and the list

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route(PATH, self.home),
            Route(f"{PATH}/pack.json", self.pack),
            Route(f"{PATH}/{{service}}", self.form),
        ]

    async def home(self, request: Request) -> Response:
        """The device's own page."""
        return self._home(lang_of(request))

    async def form(self, request: Request) -> Response:
        """One service's form."""
        if request.path_params["service"] in ADDING:
            return self._adding(lang_of(request), request.path_params["service"])
        found = next((one for one in offline() if one.id == request.path_params["service"]), None)
        if found is None:
            return Response("Not found", 404)
        return self._form(lang_of(request), found)

    async def pack(self, _request: Request) -> Response:
        """Every page and its SHA-256; the fingerprint says whether anything has changed."""
        book = self._kernel.book
        of = (built(SCRIPT), book.hash, book.at)  # made once for each
        if self._packed[0] != of:
            self._packed = (of, self._pack())
        return JSONResponse(self._packed[1], headers={"cache-control": "no-store"})

    def _page(self, lang: str, title: Text, here: str, content: str) -> Response:
        said, head = (
            title.en if lang == "en" else title.fr,
            f'<meta name="egide-zone" content="{self._kernel.book.zone}">',
        )
        return page(lang, said, here, content, style=STYLE, module=built(SCRIPT), head=head)

    def _home(self, lang: str) -> Response:
        return self._page(lang, SAYS["title"], PATH, home(lang))

    def _form(self, lang: str, definition: Definition) -> Response:
        title = Text(definition.title.fr, definition.title.en)
        return self._page(lang, title, f"{PATH}/{definition.id}", form(lang, definition, self._kernel.book))

    def _adding(self, lang: str, kind: str) -> Response:
        return self._page(lang, ADDING[kind][0], f"{PATH}/{kind}", adding(lang, kind))

    def _pack(self) -> dict[str, object]:
        pages = [[f"{PATH}?lang={lang}", _digest(self._home(lang))] for lang in LANGS]
        pages += [
            [f"{PATH}/{kind}?lang={lang}", _digest(self._adding(lang, kind))] for kind in ADDING for lang in LANGS
        ]
        pages += [
            [f"{PATH}/{one.id}?lang={lang}", _digest(self._form(lang, one))] for one in offline() for lang in LANGS
        ]
        return {"fingerprint": sha256(msgspec.json.encode(pages)).hexdigest(), "pages": pages}


def _digest(answer: Response) -> str:
    return b64encode(sha256(bytes(answer.body)).digest()).decode()
