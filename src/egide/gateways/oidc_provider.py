"""The identity provider as the platform reaches it: documents kept for an hour, questions asked in threads of their own.

Whatever it answers is judged by `protocols/oidc`. A provider that is slow keeps its own threads busy and nothing else; more
people than it can serve are told so at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Protocol, TypeVar

from egide.gateways.oidc_setup import Relying
from egide.kernel import outward
from egide.kernel.outward import Reply, Unreachable
from egide.protocols.oidc import (
    WELL_KNOWN,
    Attempt,
    Discovery,
    Identity,
    Key,
    Keyring,
    OidcError,
    Proved,
    discovery,
    identity,
    keys,
    proved,
    token_answer,
    token_request,
)
from egide.protocols.oidc.provider import MAX_DOCUMENT
from egide.protocols.oidc.request import MAX_ANSWER
from egide.protocols.oidc.tokens import MAX_TOKEN

FRESH_S = 3600.0  # s that documents are kept; keys that changed before that are seen by their name
AGAIN_S = 30.0  # s between two looks for newer keys, so that nobody makes us ask all the time
THREADS = 8  # questions to the provider at once
WAITING = 64  # beyond which people are told to come back

T = TypeVar("T")


class Send(Protocol):
    """`outward.post`."""

    def __call__(
        self, address: str, body: bytes, content_type: str, limit: int, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Raises `Unreachable`."""


class Fetch(Protocol):
    """`outward.get`."""

    def __call__(self, address: str, limit: int, headers: Mapping[str, str] | None = None) -> Reply:
        """Raises `Unreachable`."""


class Provider:
    """One provider. Every method raises `OidcError`: `unavailable` where it does not answer."""

    def __init__(self, relying: Relying, *, send: Send = outward.post, fetch: Fetch = outward.get) -> None:
        self._relying = relying
        self._send, self._fetch = send, fetch
        self._pool = ThreadPoolExecutor(THREADS, "egide-identity")
        self._waiting = 0
        self._found: tuple[float, Discovery] | None = None
        self._keys: tuple[float, tuple[Key, ...]] | None = None

    def close(self) -> None:
        """Waits for the last questions."""
        self._pool.shutdown(cancel_futures=True)

    async def about(self) -> Discovery:
        """Its discovery document."""
        if self._found is None or monotonic() - self._found[0] > FRESH_S:
            issuer = self._relying.issuer
            document = await self._document(issuer.rstrip("/") + WELL_KNOWN)
            self._found = (monotonic(), discovery(document, issuer))
        return self._found[1]

    async def enter(self, attempt: Attempt, code: str, now: int) -> tuple[Identity, Proved]:
        """Who signed in, once code, tokens and userinfo hold together; `now` in s since 1970."""
        about, relying = await self.about(), self._relying
        body, headers = token_request(about, relying.preset, relying.client, attempt, code)
        kind = "application/x-www-form-urlencoded"
        reply = await self._ask(lambda: self._send(about.token_endpoint, body, kind, MAX_ANSWER, headers))
        answer = token_answer(reply.status, _whole(reply))

        def proof(ring: Keyring) -> Proved:
            return proved(
                answer.id_token, answer.access_token, ring, relying.preset, relying.client, attempt, about.issuer, now
            )

        who, ring = await self._with_keys(proof)
        if not about.userinfo_endpoint:
            return Identity(issuer=about.issuer, subject=who.subject, level=who.level, acr=who.acr, at=now), who
        bearer = {"authorization": f"Bearer {answer.access_token}", "accept": "application/jwt, application/json"}
        told = await self._ask(lambda: self._fetch(about.userinfo_endpoint, MAX_TOKEN, bearer))
        if told.status != 200:
            raise OidcError("unavailable", f"the userinfo endpoint answers {told.status}")
        person = identity(who, _whole(told), told.content_type, ring, relying.preset, relying.client, about.issuer, now)
        return person, who

    async def _with_keys(self, proof: Callable[[Keyring], T]) -> tuple[T, Keyring]:
        """Tries with the keys we have; where none has the name or fits, once more with the provider's newest."""
        for newest in (False, True):
            ring = Keyring(await self._public(newest=newest), self._relying.client.secret, self._relying.private)
            try:
                return proof(ring), ring
            except OidcError as error:
                if newest or error.why not in ("key", "signature"):
                    raise
        raise OidcError("key", "no key fits")

    async def _public(self, *, newest: bool) -> tuple[Key, ...]:
        age = float("inf") if self._keys is None else monotonic() - self._keys[0]
        if self._keys is None or age > (AGAIN_S if newest else FRESH_S):
            self._keys = (monotonic(), keys(await self._document((await self.about()).jwks_uri)))
        return self._keys[1]

    async def _document(self, address: str) -> bytes:
        reply = await self._ask(lambda: self._fetch(address, MAX_DOCUMENT, {"accept": "application/json"}))
        if reply.status != 200:
            raise OidcError("unavailable", f"the provider answers {reply.status}")
        return _whole(reply)

    async def _ask(self, question: Callable[[], Reply]) -> Reply:
        if self._waiting >= WAITING:
            raise OidcError("unavailable", "too many people are signing in at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, question)
        except Unreachable as error:
            raise OidcError("unavailable", "the provider does not answer") from error
        finally:
            self._waiting -= 1


def _whole(reply: Reply) -> bytes:
    if not reply.whole:
        raise OidcError("too-large", "the provider answers more than it may")
    return reply.body
