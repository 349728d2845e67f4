"""Residents show a wallet: `/identity/wallet/start` asks, the wallet fetches and answers, the browser that asked collects.

    browser   GET  /identity/wallet/start?level=4&return=…   a request is drawn; its page shows code, link and picture
    wallet    GET  /identity/wallet/requests/<id>/<way>      the signed request object; `way`: here or there
    wallet    POST /identity/wallet/requests/<id>/<way>      its answer, once
    browser   POST /identity/wallet                          “I have presented it”: the identity, or why not
    browser   GET  /identity/wallet/back?code=…              the same, where the wallet was on this device

The request stands in the store (services/wallets.py), so that any process takes the wallet's answer. The browser holds one
`__Host-` cookie, sealed by a key of the vault; it is SameSite=Lax, for a wallet brings people back from another site. What a
wallet sent is judged in threads of their own, and what is logged is one word of `Why`; no claim, no address.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import msgspec
from joserfc.jwk import ECKey
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from egide.gateways.oidc import local_path
from egide.gateways.oidc_page import Trouble
from egide.gateways.oidc_provider import Fetch
from egide.gateways.resident import lang_of, own
from egide.gateways.wallet_page import PAGES, PATH, STATE, Shown, show, trouble
from egide.gateways.wallet_setup import Verifier
from egide.kernel import outward
from egide.kernel.errors import EgideError
from egide.kernel.kernel import Kernel
from egide.kernel.limits import Buckets
from egide.kernel.outward import Unreachable
from egide.protocols.oidc import OidcError, address, loopback
from egide.protocols.wallet import openid4vp, statuslist
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import Asked, Credential, Reference, verified
from egide.protocols.wallet.tokens import MAX_LIST
from egide.services.wallets import ASKED, LIFE_US, PROVED, Secrets
from egide.services.wallets import Request as Standing

log = logging.getLogger("egide.identity")

COOKIE = "__Host-egide-wallet"
COOKIE_S = 2 * LIFE_US // 1_000_000  # s: to answer, then to come back
OWNER, PURPOSE = "system:identity", "sign-in"
PER_SECOND, AT_ONCE = 2.0, 40.0  # starts and answers from one address: a town hall's public terminals share one
THREADS, WAITING = 4, 64  # answers judged at once, and those that wait for it
MIN_LEVEL, MAX_LEVEL = 2, 4
NO_STORE = {"cache-control": "no-store"}

Opened = Callable[[Any, Request], Awaitable[Response]]


class Kept(msgspec.Struct, frozen=True):
    """What the cookie holds: the request, the secret that collects, and where to go on."""

    request: str
    secret: str
    level: int
    return_to: str
    lang: str


class WalletFlow:
    """The endpoints, over one verifier. `opened` gets the identity that was collected and answers."""

    def __init__(self, kernel: Kernel, verifier: Verifier, opened: Opened, *, fetch: Fetch = outward.get) -> None:
        self._kernel, self._verifier, self._opened, self._fetch = kernel, verifier, opened, fetch
        self._origin = kernel.settings.origin
        self._buckets = Buckets(PER_SECOND, AT_ONCE)
        self._pool = ThreadPoolExecutor(THREADS, "egide-wallet")
        self._waiting = 0

    @property
    def highest(self) -> int:
        """The highest level that a wallet proves here."""
        return self._verifier.highest

    def routes(self) -> list[BaseRoute]:
        """What to mount."""
        at = f"{PATH}/requests/{{request}}/{{way}}"
        return [
            Route(f"{PATH}/start", self.start),
            Route(PATH, self.page),
            Route(PATH, self.collect, methods=["POST"]),
            Route(f"{PATH}/back", self.back),
            Route(STATE, self.state),
            Route(at, self.request_object),
            Route(at, self.answer, methods=["POST"]),
        ]

    def close(self) -> None:
        """Ends the threads in which answers are judged."""
        self._pool.shutdown(cancel_futures=True)

    # -- the browser ----------------------------------------------------------------------------------------------------

    async def start(self, request: Request) -> Response:
        """`?level=N&return=/services/…`: draws a request and shows its page."""
        lang, asked = lang_of(request), request.query_params.get("level", "")
        return_to = local_path(request.query_params.get("return", "/services/"))
        if return_to is None or not (len(asked) == 1 and asked.isdecimal() and MIN_LEVEL <= int(asked) <= MAX_LEVEL):
            return trouble("address", lang, again="", level=0)
        level = int(asked)
        if level > self.highest:
            return trouble("beyond", lang, again="", level=level, back=return_to)
        if not self._buckets.take(request.client.host if request.client else ""):
            return trouble("many", lang, again=_again(level, return_to), level=level, back=return_to)
        key = openid4vp.encryption_key()
        try:
            made = await self._act("begin", level=level, key=key.as_dict(private=True))
        except EgideError as error:
            return self._told(error, Kept("", "", level, return_to, lang))
        answer = RedirectResponse(f"{PATH}?lang={lang}", 303, headers=NO_STORE)
        sealed = self._kernel.vault.seal(
            OWNER, PURPOSE, msgspec.json.encode(Kept(made.id, made.secret, level, return_to, lang)), COOKIE.encode()
        )
        value = urlsafe_b64encode(sealed).decode()
        answer.set_cookie(COOKIE, value, max_age=COOKIE_S, secure=True, httponly=True, samesite="lax")
        return answer

    async def page(self, request: Request) -> Response:
        """The request's page, while it waits for its answer."""
        return await self._page(request, nothing=False)

    async def _page(self, request: Request, *, nothing: bool) -> Response:
        lang, kept = lang_of(request), self._kept(request)
        standing = await self._standing(kept)
        if kept is None or standing is None:
            return self._failed("lost", kept, lang)
        if standing.secrets is None:
            return await self._outcome(request, kept, standing, "")
        here, there = (self._invitation(standing.id, way) for way in ("here", "there"))
        return show(lang, Shown(standing.secrets.code, here, there, kept.return_to), nothing=nothing)

    async def collect(self, request: Request) -> Response:
        """The button was pressed."""
        try:
            own(request, self._origin)
        except EgideError as error:
            return self._told(error, self._kept(request) or _nowhere(lang_of(request)))
        return await self._page(request, nothing=True)

    async def back(self, request: Request) -> Response:
        """A wallet on this device has brought the person back."""
        kept = self._kept(request)
        standing = await self._standing(kept)
        if kept is None or standing is None:
            return self._failed("lost", kept, lang_of(request))
        if standing.state == ASKED:
            return RedirectResponse(f"{PATH}?lang={kept.lang}", 303, headers=NO_STORE)
        return await self._outcome(request, kept, standing, request.query_params.get("code", ""))

    async def state(self, request: Request) -> Response:
        """For the page's script: 200 once something has come, 204 before."""
        standing = await self._standing(self._kept(request))
        waiting = standing is not None and standing.state == ASKED
        return Response(status_code=204 if waiting else 200, headers=NO_STORE)

    async def _outcome(self, request: Request, kept: Kept, standing: Standing, code: str) -> Response:
        """The identity, for the browser that asked; or why there is none."""
        if standing.state != PROVED:
            return self._gone(self._failed(PAGES.get(standing.state, "unproved"), kept, kept.lang))
        try:
            identity = await self._act("collect", request=kept.request, secret=kept.secret, back=code)
        except EgideError as error:
            if error.status == 422:  # proved for who comes back with another word
                return self._failed("elsewhere", kept, kept.lang)
            return self._told(error, kept)
        request.state.return_to, request.state.lang = kept.return_to, kept.lang
        return self._gone(await self._opened(identity, request))

    # -- the wallet -------------------------------------------------------------------------------------------------------

    async def request_object(self, request: Request) -> Response:
        """What is asked, signed."""
        standing = await self._of_wallet(request)
        if standing is None or standing.secrets is None:
            return _no("this request has expired, or was answered", 404)
        asked = self._request(standing, standing.secrets, request.path_params["way"])
        verifier = self._verifier
        token = openid4vp.request_object(asked, verifier.key, verifier.certificates, self._now())
        return Response(token, media_type=openid4vp.MEDIA_TYPE, headers=NO_STORE)

    async def answer(self, request: Request) -> Response:
        """A wallet's answer, right or wrong: there is no second."""
        if not self._buckets.take(request.client.host if request.client else ""):
            return _no("too many answers at once", 429)
        body = await _read(request)
        standing, way = await self._of_wallet(request), request.path_params["way"]
        if body is None or standing is None or standing.secrets is None:
            return _no("this request has expired, was answered, or the answer is too long", 400)
        given: dict[str, Any] = {"request": standing.id, "way": way}
        wrong: WalletError | None = None
        try:
            given |= await self._judge(standing, standing.secrets, way, body)
        except WalletError as error:
            if error.why == "unavailable":  # too many at once: this one is not judged, and may come again
                return _no(str(error), 503)
            log.info("presentation refused: %s", error.why)
            given["failed"], wrong = error.why, error
        try:
            told = await self._act("answer", **given)
        except EgideError as error:
            return _no(error.what.en, error.status)
        if wrong is not None and wrong.why != "denied":
            return _no(str(wrong), 400)
        onward = {"redirect_uri": f"{self._origin}{PATH}/back?code={told.back}"} if way == "here" else {}
        return JSONResponse(onward, headers=NO_STORE)

    async def _judge(self, standing: Standing, secrets: Secrets, way: str, body: bytes) -> dict[str, Any]:
        """Level and names of who is proved. Raises `WalletError`."""
        if self._waiting >= WAITING:
            raise WalletError("unavailable", "too many answers at once")
        self._waiting += 1
        asked, now = self._request(standing, secrets, way), self._now()
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._pool, self._proved, asked, secrets.key, body, now)
        finally:
            self._waiting -= 1
        if found.issuer.level < standing.level:
            raise WalletError("level", "a credential that is worth less than was asked for")
        return {"level": found.issuer.level, **{name: _words(found.claims[name], name) for name in openid4vp.CLAIMS}}

    def _proved(self, asked: openid4vp.Request, key: dict[str, Any], body: bytes, now: int) -> Credential:
        """In a thread: the answer opened, the presentation verified, its status looked up."""
        text = openid4vp.answer(body, asked, ECKey.import_key(key))
        expected = Asked(nonce=asked.nonce, audience=asked.client, claims=openid4vp.CLAIMS)
        found = verified(text, self._verifier.issuers, expected, now)
        if found.status is not None:
            statuslist.check(self._list(found.status), found.status, found.issuer, now)
        return found

    def _list(self, reference: Reference) -> str:
        """The status list that a trusted issuer's credential names. Raises `WalletError`."""
        try:
            address(reference.uri)
            if loopback(reference.uri) and not self._verifier.development:
                raise WalletError("status", "a status list on this very machine")
            reply = self._fetch(reference.uri, MAX_LIST, {"accept": statuslist.MEDIA_TYPE})
            if reply.status != 200 or not reply.whole:
                raise WalletError("status", f"the issuer answers {reply.status}")
            return reply.body.decode("ascii").strip()
        except (OidcError, Unreachable, UnicodeDecodeError) as error:
            raise WalletError("status", "the issuer’s status list cannot be had") from error

    def _request(self, standing: Standing, secrets: Secrets, way: Any) -> openid4vp.Request:
        """The request as the wallet gets it, by this way."""
        verifier = self._verifier
        encrypted = verifier.mode == "direct_post.jwt"
        return openid4vp.Request(
            client=verifier.client, name=f"{verifier.name} — {secrets.code}", response_uri=self._address(standing.id, way),
            nonce=secrets.nonces[way], state=secrets.states[way], vct=verifier.vct, mode=verifier.mode,
            encryption=openid4vp.public_jwk(ECKey.import_key(secrets.key)) if encrypted else None,
        )  # fmt: skip

    def _address(self, request: str, way: str) -> str:
        return f"{self._origin}{PATH}/requests/{request}/{way}"

    def _invitation(self, request: str, way: str) -> str:
        return openid4vp.invitation(self._verifier.address, self._verifier.client, self._address(request, way))

    # -- what they have in common -----------------------------------------------------------------------------------------

    async def _act(self, name: str, **given: Any) -> Any:
        system = self._kernel.system("resident-identity")
        return (await self._kernel.perform(f"services.wallet.{name}", msgspec.json.encode(given), system)).result

    async def _standing(self, kept: Kept | None) -> Standing | None:
        """The request of this browser; None where it has expired."""
        return await self._look(kept.request) if kept is not None else None

    async def _of_wallet(self, request: Request) -> Standing | None:
        if request.path_params["way"] not in ("here", "there"):
            return None
        return await self._look(request.path_params["request"])

    async def _look(self, id_: str) -> Standing | None:
        try:
            found: Standing = await self._act("look", request=id_)
        except EgideError:
            return None
        return found

    def _kept(self, request: Request) -> Kept | None:
        value = request.cookies.get(COOKIE, "")
        try:
            sealed = urlsafe_b64decode(value.encode("ascii"))
            return msgspec.json.decode(
                self._kernel.vault.open_(OWNER, PURPOSE, sealed, COOKIE.encode()) if sealed else b"", type=Kept
            )
        except (EgideError, ValueError):
            return None

    def _now(self) -> int:
        """Seconds since 1970."""
        return self._kernel.clock.latest_us() // 1_000_000

    def _failed(self, name: str, kept: Kept | None, lang: str, told: Trouble | None = None) -> Response:
        kept = kept or _nowhere(lang)
        again = _again(kept.level, kept.return_to) if kept.return_to else ""
        return trouble(name, lang, again=again, level=kept.level, back=kept.return_to, told=told)

    def _told(self, error: EgideError, kept: Kept) -> Response:
        log.info("wallet not taken up: %s", error.code)
        told = Trouble(error.status, error.what, error.do or error.what, again=True)
        return self._failed("", kept, kept.lang, told)

    def _gone(self, answer: Response) -> Response:
        answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
        return answer


def _nowhere(lang: str) -> Kept:
    return Kept("", "", 0, "", lang)


def _again(level: int, return_to: str) -> str:
    return f"{PATH}/start?level={level}&return={quote(return_to)}"


def _words(value: Any, name: str) -> str:
    """A claim as text that can be kept. Raises `WalletError`."""
    if not isinstance(value, str) or len(value) > 256 or not value.replace("\u00a0", " ").isprintable():
        raise WalletError("malformed", f"the claim {name} is not a text that can be kept")
    return value.strip()


def _no(why: str, status: int) -> Response:
    """What a wallet is told (OpenID4VP 1.0 §8.2): what is wrong, and nothing of a person."""
    return JSONResponse({"error": "invalid_request", "error_description": why}, status, headers=NO_STORE)


async def _read(request: Request) -> bytes | None:
    """The body; None where it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > openid4vp.MAX_ANSWER:
            return None
    return body
