"""`/verify-document`: whether a PDF is, byte for byte, what this service sealed; for anybody, without JavaScript.

What is sent is looked at in memory and forgotten: nothing is stored, counted or written to a log. One at a time, so that nobody
keeps a core busy with strangers' files. Source: ETSI EN 319 142-1 (what a seal covers); docs/documents.md (what it does not).
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from html import escape

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from egide.gateways.receipt_page import LOOK
from egide.gateways.resident import lang_of, page, said, wrong
from egide.kernel.documents import SealReport
from egide.kernel.errors import BadInput, EgideError, Text, TooLarge, TooMany
from egide.kernel.kernel import Kernel
from egide.protocols.multipart import Data, FileBegins, FileEnds, MultipartError, events
from egide.services.receipts import PATH as RECEIPTS

PATH = "/verify-document"
MAX_PDF = 16 * 1024 * 1024  # bytes; a document of 500 pages has 3 MiB
PATIENCE_S = 60.0  # s for the file to come
WORDS = {
    "title": Text("Vérifier un document", "Verify a document"),
    "what": Text(
        "Cette page dit si un PDF est, à l’octet près, celui que ce service a scellé.",
        "This page says whether a PDF is, to the byte, the one this service sealed.",
    ),
    "file": Text("Le document PDF", "The PDF document"),
    "hint": Text(
        "Tel que vous l’avez reçu : un document imprimé puis numérisé ne se vérifie pas. 16 Mio au plus.",
        "As you were given it: a document printed and scanned cannot be verified. 16 MiB at most.",
    ),
    "verify": Text("Vérifier", "Verify"),
    "notice": Text(
        "Rien n’est conservé : le document est examiné en mémoire, puis oublié.",
        "Nothing is kept: the document is looked at in memory, then forgotten.",
    ),
    "holds": Text("Document intact", "The document is intact"),
    "fails": Text("Ce n’est pas un document intact de ce service", "This is not an intact document of this service"),
    "by": Text("Scellé par {}", "Sealed by {}"),
    "receipt": Text("Vérifier un récépissé", "Verify a receipt"),
}


class DocumentPage:
    """The form, and the answer to a file."""

    def __init__(self, kernel: Kernel) -> None:
        self._press = kernel.things["press"]
        self._turn = asyncio.Semaphore(1)

    async def show(self, request: Request) -> Response:
        """The form."""
        return _page(lang_of(request), "")

    async def check(self, request: Request) -> Response:
        """The answer. Any site may send a file here: it changes nothing."""
        lang = lang_of(request)
        try:
            if self._turn.locked():
                raise TooMany(
                    Text("Un autre document est examiné.", "Another document is being looked at."),
                    Text("Réessayez dans une minute.", "Try again in a minute."),
                )
            async with self._turn:
                content = await _content(request)
                report = await asyncio.to_thread(self._press.verify, content)
        except EgideError as error:
            return _page(lang, wrong(lang, error), error.status)
        return _page(lang, _answer(lang, report))


def routes(kernel: Kernel) -> list[Route]:
    """Its addresses."""
    here = DocumentPage(kernel)
    return [Route(PATH, here.show), Route(PATH, here.check, methods=["POST"])]


async def _content(request: Request) -> bytes:
    """The one file of the form. Raises `BadInput`, `TooLarge`."""
    found, taking = bytearray(), False
    kind = request.headers.get("content-type", "")
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(events(kind, request.stream())) as coming:
            async for event in coming:
                if isinstance(event, FileBegins):
                    taking = bool(event.filename)
                elif isinstance(event, Data) and taking:
                    found += event.content
                    if len(found) > MAX_PDF:
                        raise TooLarge(Text("Ce document est trop grand.", "This document is too large."))
                elif isinstance(event, FileEnds):
                    taking = False
    except (MultipartError, ClientDisconnect, TimeoutError) as error:
        raise BadInput(Text("Envoi illisible ou interrompu.", "The upload is unreadable or broke off.")) from error
    if not found:
        raise BadInput(Text("Choisissez un document PDF.", "Choose a PDF document."))
    return bytes(found)


def _answer(lang: str, report: SealReport) -> str:
    findings = "".join(
        f"<li>{'✓' if one.good else '✗' if one.good is False else '·'} {said(lang, one.text)}</li>"
        for one in report.findings
    )
    mark = "" if report.holds else " wrong"
    role = "status" if report.holds else "alert"
    head = said(lang, WORDS["holds" if report.holds else "fails"])
    by = f"<p>{said(lang, WORDS['by']).format(escape(report.signer))}</p>" if report.holds else ""
    return (
        f'<div class="said{mark}" role="{role}" data-{"valid" if report.holds else "invalid"}>'
        f"<h2>{'✓' if report.holds else '✗'} {head}</h2>{by}<ol>{findings}</ol></div>"
    )


def _page(lang: str, answer: str, status: int = 200) -> Response:
    words = {name: said(lang, text) for name, text in WORDS.items()}
    form = (
        f'<form method="post" enctype="multipart/form-data" action="{PATH}?lang={lang}"><label for="document">{words["file"]}</label>'
        f'<p class="small" id="hint">{words["hint"]}</p><input type="file" id="document" name="document" accept="application/pdf" required aria-describedby="hint">'
        f"<button>{words['verify']}</button></form>"
    )
    title = WORDS["title"].en if lang == "en" else WORDS["title"].fr
    content = (
        f'<h1>{words["title"]}</h1>{answer}<p>{words["what"]}</p>{form}<p class="small">{words["notice"]}</p>'
        f'<p><a href="{RECEIPTS}?lang={lang}">{words["receipt"]}</a></p>'
    )
    return page(lang, title, PATH, content, style=LOOK, status=status)
