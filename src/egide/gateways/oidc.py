"""Residents sign in with an identity provider: `/identity/start` sends them there, `/identity/callback` takes them back.

    relying = relying(kernel.settings)                        # None: residents do not sign in here
    flow = SignInFlow(relying, Seal.of(kernel), kernel.clock, opened)
    routes = [*flow.routes(), …]                              # and `flow.close()` when the platform stops

    async def opened(identity: Identity, request: Request) -> Response:
        …                                                     # an act: opens the resident's session
        answer = arrived(request.state.return_to, request.state.lang)
        answer.set_cookie(…)
        return answer

What must come back unchanged (state, nonce, PKCE verifier, the level asked, where to go on) travels in the browser, in one
`__Host-` cookie sealed by a key of the vault: several processes share that key and nothing else, a restart loses nobody, and
people who never come back fill no memory. It lives ten minutes. It is SameSite=Lax, for a provider's redirect is cross-site.

Once only: a process remembers the states it has taken; in another process the same state meets a code that the provider has
already cashed (RFC 6749 §4.1.2 MUST). What is logged is one word of `Why`; no address, no claim, no code.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from egide.gateways.oidc_page import WAYS, Trouble, Way, arrived, failed
from egide.gateways.oidc_provider import Fetch, Provider, Send
from egide.gateways.oidc_setup import CALLBACK, Relying, relying
from egide.gateways.resident import lang_of
from egide.kernel import outward
from egide.kernel.clock import Clock
from egide.kernel.errors import EgideError
from egide.kernel.kernel import Kernel
from egide.kernel.limits import Buckets
from egide.protocols.oidc import DECLARED, HIGH, Attempt, Identity, OidcError, authorization, callback, logout, state_of

__all__ = ["COOKIE", "HINT", "Identity", "Opened", "Seal", "SignInFlow", "arrived", "local_path", "relying"]

log = logging.getLogger("egide.identity")

START, KEYS = "/identity/start", "/identity/keys"
COOKIE = "__Host-egide-identity"  # the attempt
HINT = "__Host-egide-identity-hint"  # the ID token, for signing out at the provider too
LIFE_S = 600  # s from start to callback
HINT_LIFE_S = 12 * 3600  # s; ProConnect's own session lasts as long
MAX_HINT = 2800  # characters of an ID token that fits a cookie of 4 KB once sealed and in base64
REMEMBERED = 8192  # states taken, in memory
PER_SECOND, AT_ONCE = 2.0, 40.0  # starts from one address: a town hall's public terminals share one
MAX_RETURN = 512  # characters
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # printable ASCII without backslash, and no second slash: it stays here
# What of `Why` has a page of its own; everything else could not be verified, and why is for the log.
_PAGES = {"denied": "denied", "unavailable": "unavailable", "level": "level", "refused": "refused", "state": "lost"}

Opened = Callable[[Identity, Request], Awaitable[Response]]


class Seal(msgspec.Struct, frozen=True):
    """Seals what the browser keeps for us. `of(kernel)`: by a key of the vault that every process has."""

    shut: Callable[[bytes], bytes]
    open: Callable[[bytes], bytes]  # raises `EgideError` for what it did not seal

    @classmethod
    def of(cls, kernel: Kernel) -> Seal:
        """The vault's key of the platform itself for this purpose; it belongs to no person."""
        owner, purpose, bound = "system:identity", "sign-in", COOKIE.encode()
        return cls(
            lambda plain: kernel.vault.seal(owner, purpose, plain, bound),
            lambda sealed: kernel.vault.open_(owner, purpose, sealed, bound),
        )


class _Kept(msgspec.Struct, frozen=True):
    """What the cookie holds."""

    attempt: Attempt
    return_to: str
    lang: str


class SignInFlow:
    """The endpoints, over one relying party. `opened` gets who signed in and answers; `ways` lead on without an account."""

    def __init__(
        self,
        relying: Relying,
        seal: Seal,
        clock: Clock,
        opened: Opened,
        *,
        ways: Sequence[Way] = WAYS,
        send: Send = outward.post,
        fetch: Fetch = outward.get,
    ) -> None:
        self._relying, self._seal, self._clock, self._opened, self._ways = relying, seal, clock, opened, ways
        self._provider = Provider(relying, send=send, fetch=fetch)
        self._buckets = Buckets(PER_SECOND, AT_ONCE)
        self._taken: OrderedDict[str, int] = OrderedDict()  # state → s when it ends

    def routes(self) -> list[BaseRoute]:
        """What to mount. `/identity/keys` is there for providers that encrypt."""
        return [Route(START, self.start), Route(CALLBACK, self.callback), Route(KEYS, self.keys)]

    @property
    def highest(self) -> int:
        """The highest level that the provider proves."""
        return self._relying.preset.highest

    def close(self) -> None:
        """Ends the threads that speak with the provider."""
        self._provider.close()

    async def start(self, request: Request) -> Response:
        """`?level=N&return=/services/…`: sends the browser to the provider."""
        lang = lang_of(request)
        asked, given = request.query_params.get("level", ""), request.query_params.get("return", "/services/")
        return_to = local_path(given)
        if not (len(asked) == 1 and asked.isdecimal() and DECLARED <= int(asked) <= HIGH) or return_to is None:
            return failed("address", lang, again="", level=0, ways=self._ways)
        attempt = Attempt(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            level=int(asked),
            at=self._now(),
        )
        kept = _Kept(attempt, return_to, lang)
        if not self._buckets.take(request.client.host if request.client else ""):
            return self._failed("many", kept)
        try:
            where = authorization(await self._provider.about(), self._relying.preset, self._relying.client, attempt)
            sealed = self._shut(msgspec.json.encode(kept))
        except (OidcError, EgideError) as error:
            if isinstance(error, OidcError) and error.why == "level":  # no account there would do
                return self._failed("beyond", kept)
            return self._refused(error, kept)
        answer = RedirectResponse(where, 303, headers={"cache-control": "no-store"})
        answer.set_cookie(COOKIE, sealed, max_age=LIFE_S, secure=True, httponly=True, samesite="lax")
        return answer

    async def callback(self, request: Request) -> Response:
        """The browser is back from the provider."""
        kept = self._kept(request)
        try:
            back = state_of(request.url.query)
        except OidcError as error:
            return self._refused(error, kept or _Kept(_NONE, "", lang_of(request)))
        if kept is None or not hmac.compare_digest(back.encode(), kept.attempt.state.encode()):
            # The cookie stays: whoever sends a browser here with a made-up state must not end the sign-in it is in.
            return self._failed("lost", kept or _Kept(_NONE, "", lang_of(request)))
        if not self._first(kept.attempt):
            return self._failed("used", kept)
        try:
            code, _state = callback(request.url.query, await self._provider.about())
            person, who = await self._provider.enter(kept.attempt, code, self._now())
            request.state.return_to, request.state.lang = kept.return_to, kept.lang
            answer = await self._opened(person, request)
            if len(who.token) <= MAX_HINT:
                hint = self._shut(who.token.encode())
                answer.set_cookie(HINT, hint, max_age=HINT_LIFE_S, secure=True, httponly=True, samesite="strict")
        except (OidcError, EgideError) as error:
            answer = self._refused(error, kept)
        answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
        return answer

    async def keys(self, _request: Request) -> Response:
        """Our public keys, for a provider that encrypts to us."""
        return Response(
            self._relying.jwks(), media_type="application/json", headers={"cache-control": "public, max-age=3600"}
        )

    async def leave(self, request: Request, after: str = "/") -> Response:
        """After the resident's session here has ended: ends the provider's too (RP-initiated), or goes straight to `after`.

        `after` is a local path; with its origin it must be registered at the provider as a post-logout address.
        """
        where, token = "", self._opened_cookie(request.cookies.get(HINT, ""))
        after = local_path(after) or "/"
        origin = self._relying.client.redirect.removesuffix(CALLBACK)
        try:
            about = await self._provider.about()
            state = secrets.token_urlsafe(32)  # ProConnect wants one; nothing hangs on it
            where = logout(about, self._relying.client, origin + after, state, (token or b"").decode("ascii"))
        except OidcError as error:
            log.info("sign-out stays here: %s", error.why)
        answer = RedirectResponse(where or after, 303, headers={"cache-control": "no-store"})
        answer.delete_cookie(HINT, secure=True, httponly=True, samesite="strict")
        return answer

    # -- what is kept in the browser ----------------------------------------------------------------------------------

    def _shut(self, plain: bytes) -> str:
        return urlsafe_b64encode(self._seal.shut(plain)).decode()

    def _opened_cookie(self, value: str) -> bytes | None:
        """What we sealed, or None."""
        try:
            return self._seal.open(urlsafe_b64decode(value.encode("ascii"))) if value else None
        except (EgideError, ValueError):
            return None

    def _kept(self, request: Request) -> _Kept | None:
        """The attempt this browser is in, while it lives."""
        plain = self._opened_cookie(request.cookies.get(COOKIE, ""))
        try:
            kept = msgspec.json.decode(plain or b"", type=_Kept)
        except msgspec.DecodeError:
            return None
        return kept if 0 <= self._now() - kept.attempt.at <= LIFE_S else None

    def _first(self, attempt: Attempt) -> bool:
        """Whether this state has not been taken yet; from now on it is."""
        now = self._now()
        while self._taken and (len(self._taken) >= REMEMBERED or next(iter(self._taken.values())) < now):
            self._taken.popitem(last=False)
        if attempt.state in self._taken:
            return False
        self._taken[attempt.state] = attempt.at + LIFE_S
        return True

    def _now(self) -> int:
        """Seconds since 1970."""
        return self._clock.latest_us() // 1_000_000

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def _refused(self, error: OidcError | EgideError, kept: _Kept) -> Response:
        if isinstance(error, OidcError):
            log.info("sign-in refused: %s", error.why)
            return self._failed(_PAGES.get(error.why, "unproved"), kept)
        log.info("sign-in not taken up: %s", error.code)
        return self._failed(
            "", kept, Trouble(error.status, error.what, error.do or error.what, again=error.status >= 500)
        )

    def _failed(self, name: str, kept: _Kept, told: Trouble | None = None) -> Response:
        level, again = kept.attempt.level, ""
        if kept.return_to:
            again = f"{START}?level={level}&return={quote(kept.return_to)}"
        return failed(name, kept.lang, again=again, level=level, ways=self._ways, back=kept.return_to, told=told)


_NONE = Attempt(state="", nonce="", verifier="", level=0, at=0)


def local_path(text: str) -> str | None:
    """The path, when it leads to a page of ours and nowhere else; None otherwise."""
    if len(text) > MAX_RETURN or not _LOCAL.fullmatch(text) or text.startswith("/identity/"):
        return None
    return text
