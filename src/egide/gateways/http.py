"""HTTP: `POST /api/acts/<name>` for every act, the pages, the map, OpenAPI, health. Generated from the acts, nothing else.

The acts' endpoint is plain ASGI: it is the hot path, and needs of a framework only what it does here itself.
"""

from __future__ import annotations

import hmac
import logging
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from egide.gateways import (
    alert_page,
    chat_page,
    chat_words,
    document_page,
    field_views,
    hearing_words,
    pass_pages,
    receipt_page,
    recordings,
    roots,
    uploads,
)
from egide.gateways.alert_page import AlertPage
from egide.gateways.counter_pages import CounterPages
from egide.gateways.field_pages import FieldPages
from egide.gateways.file_pages import FilePages
from egide.gateways.gate_answers import GateAnswers
from egide.gateways.headers import (
    CAMERAS,
    PAGES,
    WORKERS,
    common,
    csp,
    for_alerts,
    for_cameras,
    for_forms,
    for_hearings,
    for_the_field,
    worker_csp,
)
from egide.gateways.hearing_pages import HearingPages
from egide.gateways.kiosk_reader import Reader
from egide.gateways.live import Live
from egide.gateways.metrics import Page
from egide.gateways.neighbours import Answered, Neighbours
from egide.gateways.notice_page import NoticePages
from egide.gateways.nowhere import nowhere, used
from egide.gateways.openapi import document
from egide.gateways.phones import AUTHORITY_PATH, AUTHORITY_TYPE
from egide.gateways.resident_identity import sign_in, wallet
from egide.gateways.rights_page import RightsPages
from egide.gateways.routing import Routes
from egide.gateways.service_pages import ServicePages
from egide.gateways.step_pages import StepPages
from egide.kernel.act import Act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, EgideError, NotFound, Text, TooLarge
from egide.kernel.identity import ANONYMOUS, OPERATOR, Principal
from egide.kernel.kernel import Kernel
from egide.kernel.told import problem

log = logging.getLogger("egide.http")

COOKIE = "__Host-egide"
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
MAX_BODY = 64 * 1024 * 1024  # bytes; each act sets its own, much lower
# Of the security headers, those that mean something on data; the others speak of documents, and each costs 2 µs an answer.
DATA_HEADERS = frozenset({b"x-content-type-options", b"cross-origin-resource-policy", b"strict-transport-security"})
MAX_REPORT = 16 * 1024  # bytes of a CSP report
mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("text/javascript", ".mjs")  # Debian's table lacks it and workers refuse anything else

_encode = msgspec.json.Encoder().encode


@cache
def _names(field: str) -> msgspec.json.Decoder[Any]:
    """Reads this one field of a body, and nothing else of it."""
    return msgspec.json.Decoder(msgspec.defstruct("Named", [(field, str)]))


class Doorkeeper:
    """Tells who asks: session cookie from our own origin, or the operator's token from this machine."""

    def __init__(self, kernel: Kernel, operator_token: str) -> None:
        self._kernel = kernel
        self._token = operator_token.encode()
        self._origin = kernel.settings.origin.encode()

    def principal(self, scope: Scope, *, changing: bool) -> Principal:
        """The principal of a request. A cookie counts only when the browser says that our own page asks."""
        cookie = origin = authorization = site = b""
        for name, value in scope["headers"]:
            if name == b"cookie":
                cookie = value
            elif name == b"origin":
                origin = value
            elif name == b"authorization":
                authorization = value
            elif name == b"sec-fetch-site":
                site = value
        if authorization.startswith(b"Bearer "):
            client = scope.get("client")
            local = client is not None and client[0] in ("127.0.0.1", "::1")
            return (
                OPERATOR if local and self._token and hmac.compare_digest(authorization[7:], self._token) else ANONYMOUS
            )
        if changing and origin != self._origin and not (origin == b"" and site == b"same-origin"):
            if cookie:
                raise BadInput(
                    Text(
                        "Cette demande ne vient pas d’une page d’Égide.",
                        "This request does not come from a page of Égide.",
                    ),
                    Text(f"Ouvrez {self._kernel.settings.origin}.", f"Open {self._kernel.settings.origin}."),
                )
            return ANONYMOUS
        secret = session_secret(cookie)
        return self._kernel.identity.by_cookie(secret) if secret else ANONYMOUS


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def session_secret(cookie: bytes) -> str:
    """The session cookie's value in a Cookie header, "" if absent."""
    for part in cookie.split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE.encode():
            return value.decode("ascii", "ignore")
    return ""


class Acts:
    """The ASGI endpoint of every act."""

    def __init__(self, kernel: Kernel, doorkeeper: Doorkeeper) -> None:
        self._kernel = kernel
        self._doorkeeper = doorkeeper
        self._headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            *(header for header in common(tls=kernel.settings.tls) if header[0] in DATA_HEADERS),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        name = scope["path"].removeprefix("/api/acts/")
        extra: list[tuple[bytes, bytes]] = []
        try:
            if scope["method"] != "POST":
                raise NotFound(Text("Un acte se demande par POST.", "An act is asked for by POST."))
            act = self._kernel.act_of(name)
            body = await _read(receive, act.max_bytes if act is not None else 0)
            passed = await self._elsewhere(act, scope, body)
            if passed is not None:
                await self._send(send, passed.status, passed.body, [])
                return
            principal = self._doorkeeper.principal(scope, changing=True)
            address = "" if principal.id else _address(scope)
            outcome = await self._kernel.perform(name, body, principal, address=address)
            receipt = outcome.receipt
            answer = {
                "result": outcome.result,
                "receipt": {"realm": receipt.realm, "index": receipt.index} if receipt else None,
            }
            status = 200
            if outcome.journal is not None:
                answer["journal"] = {"at": iso(outcome.journal.at), "durable": outcome.journal.durable}
            if outcome.effect.set_cookie is not None:
                extra = _cookie(outcome.effect.set_cookie)
        except EgideError as error:
            status, answer = error.status, dict(problem(error, name))
        await self._send(send, status, _encode(answer), extra)

    async def _send(self, send: Send, status: int, payload: bytes, extra: list[tuple[bytes, bytes]]) -> None:
        await send({
            "type": "http.response.start", "status": status,
            "headers": [*self._headers, (b"content-length", str(len(payload)).encode()), *extra],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": payload})

    async def _elsewhere(self, act: Act | None, scope: Scope, body: bytes) -> Answered | None:
        """The answer of another process, where that one alone has in memory what the act is about."""
        neighbours: Neighbours | None = self._kernel.things.get("neighbours")
        field = getattr(act.input, "held", "") if act is not None else ""
        if neighbours is None or not field:
            return None
        try:
            id_: str = getattr(_names(field).decode(body), field)
        except msgspec.DecodeError:
            return None  # what it is will be said here
        return await neighbours.pass_on(id_, scope, body)


def _cookie(given: tuple[str, int]) -> list[tuple[bytes, bytes]]:
    secret, life = given
    value = f"{COOKIE}={secret}; Path=/; Max-Age={life}; Secure; HttpOnly; SameSite=Strict".encode()
    found = [(b"set-cookie", value)]
    if not secret:
        found.append((b"clear-site-data", b'"cache", "storage"'))
    return found


async def _read(receive: Receive, limit: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":  # half a request is none, even where its beginning makes sense
            raise BadInput(Text("La demande s’est interrompue.", "The request broke off."))
        part = message.get("body", b"")
        size += len(part)
        if size > max(limit, 1024):
            raise TooLarge(Text(f"Trop volumineux : {limit} octets au plus.", f"Too large: {limit} bytes at most."))
        parts.append(part)
    return b"".join(parts)


class Headed:
    """Acts go straight to their endpoint; to what the framework answers (pages, files) the security headers are added."""

    def __init__(self, kernel: Kernel, app: Callable[[Scope, Receive, Send], Awaitable[None]], acts: Acts) -> None:
        self._kernel = kernel
        self._app = app
        self._acts = acts
        self._common = common(tls=kernel.settings.tls)
        # Pages that may ask a device where it is: the one that calls for help, and those of an officer on duty; that may see
        # and hear: the two of a hearing by video.
        self._field = field = for_the_field(self._common)
        self._of_path = {
            alert_page.PATH: for_alerts(self._common), chat_words.PATH: for_forms(self._common), "/terminal": field, "/operations": field,
            **dict.fromkeys(CAMERAS, for_cameras(self._common)), hearing_words.PATH: for_forms(for_hearings(self._common)), "/files": for_hearings(self._common), field_views.PATH: field,
        }  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if self._kernel.leaving and scope["type"] == "http":
            send = _last(send)
        if scope["type"] == "http" and scope["path"].startswith("/api/acts/"):
            await self._acts(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        path = scope["path"]
        added = self._field if path.startswith(f"{field_views.PATH}/") else self._of_path.get(path, self._common)

        async def headed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        await self._app(scope, receive, headed)


def _last(send: Send) -> Send:
    """The answer ends its connection: the process is being replaced, and the client’s next request goes to another."""

    async def last(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
        await send(message)

    return last


class Pages:
    """Built pages and their files, from the package; the map's archive from the data folder."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._static = Path(str(files("egide") / "static"))
        self.csp_reports = 0

    async def page(self, request: Request) -> Response:
        """One of the pages, under its own policy."""
        name = PAGES[request.url.path]
        file = self._static / name
        if not file.exists():
            return Response(
                "Les pages ne sont pas construites : lancez « make setup ».\nThe pages are not built: run “make setup”.\n",
                503, media_type="text/plain; charset=utf-8",
            )  # fmt: skip
        return FileResponse(
            file,
            headers={"content-security-policy": csp(request.url.path), "cache-control": "no-cache"},
            media_type="text/html",
        )

    async def asset(self, request: Request) -> Response:
        """A built file, named by its content."""
        file = (self._static / "assets" / request.path_params["name"]).resolve()
        if not file.is_relative_to(self._static) or not file.is_file():
            return Response("Not found", 404)
        return FileResponse(file, headers={"cache-control": "public, max-age=31536000, immutable"})

    async def worker(self, request: Request) -> Response:
        """A service worker: asked for anew each time, so that a device learns of a new build."""
        file = self._static / request.url.path[1:]
        if not file.exists():
            return Response("Not found", 404)
        headers = {"content-security-policy": worker_csp(), "cache-control": "no-cache"}
        return FileResponse(file, headers=headers, media_type="text/javascript")

    async def icon(self, _request: Request) -> Response:
        """The icon."""
        file = self._static / "favicon.svg"
        return FileResponse(file, media_type="image/svg+xml") if file.exists() else Response(status_code=204)

    async def csp(self, request: Request) -> Response:
        """Counts what a page was stopped from doing; the browser's words go to the log, shortened."""
        body = b""
        with suppress(ClientDisconnect):
            async for part in request.stream():
                body += part
                if len(body) > MAX_REPORT:
                    break
        self.csp_reports += 1
        log.warning("CSP report: %r", body[:MAX_REPORT].decode("utf-8", "replace")[:500])
        return Response(status_code=204)


def _attachment(filename: str, media_type: str, content: Iterator[bytes] | AsyncIterator[bytes]) -> Response:
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="{filename}"',
        "content-security-policy": "sandbox; default-src 'none'",  # where a browser shows it all the same, it acts on nothing
    }
    return StreamingResponse(content, headers=headers, media_type=media_type)


def build(kernel: Kernel, operator_token: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application over a started kernel."""
    doorkeeper = Doorkeeper(kernel, operator_token)
    pages = Pages(kernel)
    alerts = AlertPage(kernel)
    flow, purse = sign_in(kernel), wallet(kernel)
    metrics = Page(kernel, operator_token).__call__
    live = Live(kernel, doorkeeper)
    services = ServicePages(kernel, lambda request: doorkeeper.principal(request.scope, changing=False))
    kernel.things["live"] = live
    kernel.things["pages"] = pages
    spec = cache(lambda: msgspec.json.encode(document(kernel)))  # a tenth of a second that nobody may ask for

    async def health(_request: Request) -> Response:
        state = kernel.things["health"]() if "health" in kernel.things else {"ok": True}
        return JSONResponse(state, 200 if state["ok"] else 503, headers={"cache-control": "no-store"})

    async def public(request: Request) -> Response:
        found = kernel.public.get(request.path_params["name"])
        if found is None:
            return Response("Not found", 404)
        if isinstance(found, Path):
            return FileResponse(
                found, headers={"cache-control": "public, max-age=3600"}, media_type="application/octet-stream"
            )
        return Response(
            found(dict(request.query_params)), media_type="application/json", headers={"cache-control": "no-cache"}
        )

    async def download(request: Request) -> Response:
        try:
            principal = doorkeeper.principal(request.scope, changing=False)
        except EgideError as error:
            return JSONResponse(dict(problem(error)), error.status)
        ticket = request.path_params["ticket"]
        neighbours: Neighbours | None = kernel.things.get("neighbours")
        if neighbours is not None and kernel.downloads.elsewhere(ticket):
            try:
                told, content = await neighbours.fetch(ticket, principal.id)
            except EgideError:
                return used(request)
            return _attachment(told["filename"], told["media_type"], content)
        offer = kernel.downloads.take(ticket, principal.id, kernel.clock.now_us())
        return used(request) if offer is None else _attachment(offer.filename, offer.media_type, offer.content())

    async def authority(_request: Request) -> Response:
        """The installation's own certificate authority, for phones to trust; public by nature."""
        file = kernel.settings.folder / "tls" / "ca.pem"
        return FileResponse(file, media_type=AUTHORITY_TYPE) if file.exists() else Response("Not found", 404)

    async def openapi(_request: Request) -> Response:
        return Response(spec(), media_type="application/json")

    routes: list[BaseRoute] = [
        Route("/api/openapi.json", openapi),
        Route("/api/csp", pages.csp, methods=["POST"]),
        Route("/api/downloads/{ticket}", download),
        *uploads.routes(kernel),
        *recordings.routes(kernel, lambda request: doorkeeper.principal(request.scope, changing=False)),
        *receipt_page.routes(kernel),
        *document_page.routes(kernel),
        Route("/map/{name}", public),
        Route(AUTHORITY_PATH, authority),
        Route("/healthz", health),
        Route(alert_page.PATH, alerts.show),
        Route(alert_page.PATH, alerts.send, methods=["POST"]),
        *(flow.routes() if flow is not None else ()),
        *(purse.routes() if purse is not None else ()),
        *chat_page.ChatPage(kernel).routes(),
        *HearingPages(kernel).routes(),
        *NoticePages(kernel).routes(),
        *StepPages(kernel).routes(),
        *RightsPages(kernel).routes(),
        *FilePages(kernel).routes(),
        *CounterPages(kernel, services).routes(),
        *FieldPages(kernel).routes(),
        *pass_pages.routes(kernel),
        *Reader(kernel).routes(),
        *GateAnswers(kernel).routes(),
        *services.routes(),
        Route("/metrics", metrics),
        WebSocketRoute("/live", live.endpoint),
        Route("/assets/{name:path}", pages.asset),
        Route("/favicon.svg", pages.icon),
        *(Route(one, pages.worker) for one in WORKERS),
        *roots.routes(kernel),
        *(Route(path, pages.page) for path in PAGES),
    ]
    return Headed(
        kernel,
        Starlette(routes=[Routes(routes)], exception_handlers={404: nowhere, 405: nowhere}),
        Acts(kernel, doorkeeper),
    )
