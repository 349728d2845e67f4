"""The ASGI door of a TAK port: who asks (certificate or token), which route, one answer; errors in two languages.

No framework: forty routes, each a method, a pattern and a function. The gateways open the port itself (gateways/tak.py) and put
the peer's certificate into the scope. Bodies are read under a limit; whoever is refused while still sending is told first and
then listened to a little longer, else the closing connection would swallow the answer (RFC 9112 §9.6).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import msgspec
from sqlalchemy.exc import DatabaseError

from egide.kernel.errors import BadInput, EgideError, NotFound, NotSignedIn, Text, TooLarge
from egide.kernel.identity import ANONYMOUS, Principal
from egide.kernel.store import unavailable
from egide.kernel.told import problem
from egide.operations.tak.identity import TakDevice, device_of, principal_of

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.tak")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PEER = "egide.peer"  # our ASGI extension: the peer's certificate, DER
MAX_BODY = 64 * 1024  # bytes of anything but a file
MAX_QUERY = 8 * 1024  # bytes
LINGER_BYTES, LINGER_S = 128 * 1024 * 1024, 10.0  # how long a refused sender is listened to
JSON, XML, PLAIN, ZIP = "application/json", "application/xml", "text/plain; charset=utf-8", "application/zip"


@dataclass(slots=True)
class Answer:
    """What goes back."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """What was asked, by whom."""

    kernel: Kernel
    scope: Scope
    query: dict[str, list[str]]
    headers: dict[str, str]
    device: TakDevice
    who: Principal
    receive: Receive
    cause: str = ""  # the act that gave the token, on the enrolment port
    ended: bool = False  # whether the body was read to its end

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.scope["method"])

    def one(self, *names: str) -> str:
        """The first value of one of these parameters, "" where there is none."""
        return next((self.query[name][0] for name in names if self.query.get(name)), "")

    def all(self, name: str) -> list[str]:
        """Every value of a parameter; clients also write several in one, with commas."""
        return [word for value in self.query.get(name, []) for word in value.split(",") if word]

    @property
    def announced(self) -> int | None:
        """The body's length as announced."""
        told = self.headers.get("content-length", "")
        return int(told) if told.isascii() and told.isdigit() and len(told) < 20 else None

    @property
    def host(self) -> str:
        """Under which name and port the client reached us."""
        return self.headers.get("host", "") or self.kernel.settings.public_name

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while not self.ended:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise BadInput(Text("L’envoi s’est interrompu.", "The upload broke off."))
            self.ended = not message.get("more_body")
            yield message.get("body", b"")

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """The whole body. Raises `TooLarge`."""
        if (self.announced or 0) > limit:
            raise _too_large(limit)
        found = bytearray()
        async for chunk in self.chunks():
            found += chunk
            if len(found) > limit:
                raise _too_large(limit)
        return bytes(found)

    async def json(self, kind: Any) -> Any:
        """The body as JSON of this form. Raises `BadInput`."""
        try:
            return msgspec.json.decode(await self.body() or b"null", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadInput(Text(f"JSON inattendu : {error}", f"Unexpected JSON: {error}")) from error

    async def act(self, name: str, /, **given: Any) -> Any:
        """Performs an act as the device's person."""
        act = self.kernel.acts[f"operations.tak.{name}"]
        outcome = await self.kernel.perform(act.name, act.input(**given), self.who, cause=self.cause)
        return outcome.result


Handler = Callable[..., Awaitable[Answer]]
Identify = Callable[["Kernel", Scope, dict[str, str]], tuple[TakDevice, Principal, str]]


@dataclass(frozen=True, slots=True)
class Route:
    """Methods, a pattern whose groups are the handler's arguments, what answers."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    answer: Handler


def route(methods: str, path: str, handler: Handler) -> Route:
    """`/missions/{name}`: what stands in braces is one part of the path, unquoted."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(frozenset(methods.split()), re.compile(pattern + "/?"), handler)


class Door:
    """One port's application."""

    def __init__(self, kernel: Kernel, routes: Iterable[Route], identify: Identify) -> None:
        self._kernel = kernel
        self._routes = tuple(routes)
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        request: Request | None = None
        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            device, who, cause = self._identify(self._kernel, scope, headers)
            request = Request(self._kernel, scope, _query(scope), headers, device, who, receive, cause)
            answer = await self._answer(request)
        except EgideError as error:
            answer = refused(error)
        except DatabaseError as error:
            answer = refused(unavailable(error))
        reader = request or Request(self._kernel, scope, {}, {}, _NOBODY, ANONYMOUS, receive)
        await _send(scope, reader, answer, send)

    async def _answer(self, request: Request) -> Answer:
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw.decode("ascii", "replace")
        known = False
        for each in self._routes:
            found = each.pattern.fullmatch(path)
            if found is None:
                continue
            known = True
            if request.method in each.methods:
                parts = {name: _part(value) for name, value in found.groupdict().items()}
                return await each.answer(request, **parts)
        if known:
            return Answer(405)
        raise NotFound(Text("Cette adresse n’existe pas ici.", "There is no such address here."))


def by_certificate(kernel: Kernel, scope: Scope, _headers: dict[str, str]) -> tuple[TakDevice, Principal, str]:
    """The device of the peer's certificate, asked anew at each request. Raises `NotSignedIn`."""
    der = scope.get("extensions", {}).get(PEER)
    device = device_of(kernel, der) if isinstance(der, bytes) else None
    who = principal_of(kernel, device) if device is not None else None
    if device is None or who is None:
        raise NotSignedIn(
            Text("Cet appareil n’est pas enrôlé, ou a été révoqué.", "This device is not enrolled, or was revoked."),
            Text("Enrôlez-le sur la page « Appareils TAK ».", "Enrol it on the page “TAK devices”."),
        )
    return device, who, ""


def still(request: Request) -> bool:
    """Whether the device may go on receiving."""
    return device_of(request.kernel, request.scope["extensions"][PEER]) is not None


def told(data: Any, status: int = 200) -> Answer:
    """JSON as it stands."""
    return Answer(status, msgspec.json.encode(data))


def wrapped(kind: str, data: Any, status: int = 200) -> Answer:
    """JSON in Marti's envelope."""
    return told({"version": "3", "type": kind, "data": data, "messages": [], "nodeId": "egide"}, status)


def refused(error: EgideError) -> Answer:
    """An error as every door tells it."""
    headers = {"www-authenticate": 'Basic realm="TAK"'} if error.status == 401 else {}
    return Answer(error.status, msgspec.json.encode(problem(error)), JSON, headers)


async def _send(scope: Scope, request: Request, answer: Answer, send: Send) -> None:
    headers = {
        "content-type": answer.media_type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **answer.headers,
    }
    late = answer.status >= 400 and _sending(request)
    if late:
        headers["connection"] = "close"
    if isinstance(answer.body, bytes):
        headers["content-length"] = str(len(answer.body))
    pairs = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": answer.body, "more_body": late})
    else:
        async for part in answer.body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        late = True
    if answer.status >= 400 and late:
        await _linger(request)
    if late:
        await send({"type": "http.response.body", "body": b""})


def _sending(request: Request) -> bool:
    headers = {name.decode("latin-1"): value for name, value in request.scope["headers"]}
    length = headers.get("content-length", b"0")
    return not request.ended and (length != b"0" or "transfer-encoding" in headers) and "expect" not in headers


async def _linger(request: Request) -> None:
    """Reads and forgets what is still sent, so that the sender gets to read the answer."""
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_S):
            while left > 0 and not request.ended:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    return
                left -= len(message.get("body", b""))
                request.ended = not message.get("more_body")
    except TimeoutError:
        return


def _query(scope: Scope) -> dict[str, list[str]]:
    raw = scope["query_string"]
    if len(raw) > MAX_QUERY:
        raise _too_large(MAX_QUERY)
    try:
        return parse_qs(raw.decode("ascii"), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise BadInput(Text("Paramètres illisibles.", "Unreadable parameters.")) from error


def _part(value: str) -> str:
    found = unquote(value)
    if not found.isprintable():
        raise BadInput(Text("Adresse illisible.", "Unreadable address."))
    return found


def _too_large(limit: int) -> TooLarge:
    return TooLarge(Text(f"Trop volumineux : {limit} octets au plus.", f"Too large: {limit} bytes at most."))


_NOBODY = TakDevice("", "", "", "")
