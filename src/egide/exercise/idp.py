"""An identity provider for exercises and tests: invented residents, a level one chooses, and everything that may go wrong.

    with IdentityProvider() as idp:
        …  # idp.issuer is its address on loopback

It speaks OpenID Connect as FranceConnect does (code flow, PKCE, signed userinfo) and nothing else; it knows nothing of the
platform. On its page one chooses, without JavaScript, who signs in and what goes wrong; a test says the same in the query of
the authorization request: `&persona=alix&acr=eidas2&failure=no-acr`. It looks at no password: everybody here is invented.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
import threading
from base64 import b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from html import escape
from time import monotonic, sleep, time
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import msgspec
import uvicorn
from joserfc import jwe, jwk, jws
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from egide.exercise.idp_people import CLIENT, FAILURES, LEVELS, LOCAL, RESIDENTS, SHARED, Resident

TOKEN_LIFE_S = 60  # s, as FranceConnect's
KEPT = 1000  # requests, codes and access tokens in memory
MAX_FORM = 64 * 1024  # bytes
SLOW_S = 20.0  # s that `slow` waits: longer than anybody should

STYLE = """body{margin:0 auto;max-width:40rem;padding:16px;font:18px/1.5 system-ui,sans-serif;color:#17211d;background:#fff}
strong.loud{display:block;padding:12px;background:#5b2a00;color:#fff}fieldset{border:2px solid #5c6b64;border-radius:6px;margin:16px 0}
label{display:block;padding:8px 0}select,button{font:inherit;min-height:48px;max-width:100%}button{width:100%;font-weight:700;background:#0b5d3b;color:#fff;border:0;border-radius:6px}
:focus-visible{outline:3px solid #0b5d3b;outline-offset:3px}"""
WORDS = {
    "loud": ("EXERCICE : tout ici est inventé, personne n’existe.", "EXERCISE: everything here is invented, nobody exists."),
    "who": ("Qui se connecte ?", "Who signs in?"),
    "level": ("À quel niveau ?", "At which level?"),
    "wrong": ("Qu’est-ce qui ne va pas ?", "What goes wrong?"),
    "go": ("Se connecter", "Sign in"),
    "title": ("Identité d’exercice", "Exercise identity"),
    "other": ("English", "Français"),
}  # fmt: skip


class IdentityProvider:
    """Serves from `with` to its end. `clients`: id → secret. `client_keys` gives the client's key set, for `encrypted`."""

    def __init__(
        self,
        *,
        port: int = 0,
        clients: dict[str, str] | None = None,
        client_keys: Callable[[], bytes] | None = None,
        algorithm: str = "ES256",
        slow_s: float = SLOW_S,
    ) -> None:
        self._clients = clients or {CLIENT: SHARED}
        self.client_keys = client_keys
        self.algorithm = algorithm
        self._slow_s = slow_s
        self._rsa = jwk.RSAKey.generate_key(2048, {"use": "sig", "kid": "exercise-rsa"})
        self._ec = jwk.ECKey.generate_key("P-256", {"use": "sig", "kid": "exercise-ec"})
        self._asked: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._codes: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._access: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.issuer = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self.application(), log_level="warning", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="idp", daemon=True)

    def application(self) -> Starlette:
        """Its endpoints."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/jwks", self._jwks),
                Route("/authorize", self._authorize, methods=["GET", "POST"]),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._userinfo, methods=["GET", "POST"]),
                Route("/session/end", self._end, methods=["GET", "POST"]),
            ]
        )

    def rotate(self) -> None:
        """New signing keys, under new names."""
        self._rsa = jwk.RSAKey.generate_key(2048, {"use": "sig", "kid": secrets.token_hex(4)})
        self._ec = jwk.ECKey.generate_key("P-256", {"use": "sig", "kid": secrets.token_hex(4)})

    # -- documents ----------------------------------------------------------------------------------------------------

    async def _discovery(self, _request: Request) -> Response:
        return JSONResponse({
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/session/end",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "PS256"],
            "userinfo_signing_alg_values_supported": ["ES256", "RS256", "PS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "acr_values_supported": list(LEVELS),
            "authorization_response_iss_parameter_supported": True,
        })  # fmt: skip

    async def _jwks(self, _request: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False) for key in (self._ec, self._rsa)]})

    # -- the person ---------------------------------------------------------------------------------------------------

    async def _authorize(self, request: Request) -> Response:
        """The page, then the way back; at once where the query says who."""
        if request.method == "POST":
            form = await _form(request)
            asked = self._asked.pop(form.get("asked", ""), None)
            if asked is None:
                return _plain(400, "Cette page a servi ou expiré.\nThis page was used or has expired.")
            return self._answer(asked, form)
        asked = dict(request.query_params)
        wrong = self._unfit(asked)
        if wrong:
            return _plain(400, wrong)
        if "persona" in asked:
            return self._answer(asked, asked)
        name = secrets.token_urlsafe(16)
        _keep(self._asked, name, asked)
        return _page(request, name, asked)

    def _unfit(self, asked: dict[str, str]) -> str:
        where = urlsplit(asked.get("redirect_uri", ""))
        if asked.get("client_id") not in self._clients or where.hostname not in LOCAL:
            return "client_id or redirect_uri: unknown, or not on this machine"
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return "response_type=code and scope=openid, nothing else"
        if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
            return "code_challenge: S256, RFC 7636"
        return (
            ""
            if len(asked.get("state", "")) >= 32 and len(asked.get("nonce", "")) >= 32
            else "state or nonce: too short"
        )

    def _answer(self, asked: dict[str, str], chosen: dict[str, str]) -> Response:
        back = {"state": asked["state"], "iss": self.issuer}
        failure = chosen.get("failure", "")
        if failure in ("access_denied", "temporarily_unavailable"):
            back |= {"error": failure, "error_description": "Said on the page of the exercise."}
        else:
            code = secrets.token_urlsafe(32)
            _keep(self._codes, code, asked | {
                "persona": chosen.get("persona", ""), "acr": chosen.get("acr", LEVELS[0]), "failure": failure,
            })  # fmt: skip
            back["code"] = code
        joint = "&" if "?" in asked["redirect_uri"] else "?"
        return RedirectResponse(asked["redirect_uri"] + joint + urlencode(back), 303)

    # -- the client ---------------------------------------------------------------------------------------------------

    async def _token(self, request: Request) -> Response:
        form = await _form(request)
        client = self._client(request, form)
        if client is None:
            return JSONResponse({"error": "invalid_client"}, 401)
        given = self._codes.pop(form.get("code", ""), None)  # once
        challenge = _encoded(sha256(form.get("code_verifier", "").encode()).digest())
        if (
            given is None or form.get("grant_type") != "authorization_code" or given["client_id"] != client
            or form.get("redirect_uri") != given["redirect_uri"] or challenge != given["code_challenge"]
        ):  # fmt: skip
            return JSONResponse({"error": "invalid_grant"}, 400)
        if given["failure"] == "slow":
            await asyncio.sleep(self._slow_s)
        if given["failure"] == "huge":
            return JSONResponse({"id_token": "x" * 1_000_000})
        if given["failure"] == "garbage":
            return Response(b"\xff<html>", media_type="application/json")
        access = secrets.token_urlsafe(32)
        _keep(self._access, access, given)
        answer = {"token_type": "Bearer", "expires_in": TOKEN_LIFE_S, "id_token": await self._id_token(given, access)}
        told = _encoded(b"another") if given["failure"] == "other-token" else access
        return JSONResponse(answer | {"access_token": told}, headers={"cache-control": "no-store"})

    async def _id_token(self, given: dict[str, str], access: str) -> str:
        now, failure = int(time()), given["failure"]
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": _resident(given).claims()["sub"], "aud": given["client_id"], "iat": now,
            "exp": now + TOKEN_LIFE_S, "nonce": given["nonce"], "acr": given["acr"],
            "at_hash": _encoded(sha256(access.encode()).digest()[:16]),
        }  # fmt: skip
        if failure in ("no-acr", "no-nonce"):
            del claims[failure[3:]]
        changed: dict[str, dict[str, Any]] = {
            "lower-acr": {"acr": _lower(given)}, "unknown-acr": {"acr": "eidas9"}, "wrong-nonce": {"nonce": "n" * 43},
            "expired": {"iat": now - 180, "exp": now - 120}, "future": {"iat": now + 3600, "exp": now + 3660},
            "wrong-audience": {"aud": "another"}, "more-audiences": {"aud": [given["client_id"], "another"]},
            "wrong-issuer": {"iss": "https://another.example"},
        }  # fmt: skip
        return await self._signed(claims | changed.get(failure, {}), failure)

    async def _userinfo(self, request: Request) -> Response:
        given = self._access.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if given is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        claims: dict[str, Any] = dict(_resident(given).claims())
        if given["failure"] == "other-person":
            claims = dict(next(each for each in RESIDENTS if each != _resident(given)).claims())
        if given["failure"] == "plain-userinfo":
            return JSONResponse(claims)
        now = int(time())
        claims |= {"iss": self.issuer, "aud": given["client_id"], "iat": now, "exp": now + TOKEN_LIFE_S}
        failure = "encrypted" if given["failure"] == "encrypted" else ""
        return Response(await self._signed(claims, failure), media_type="application/jwt")

    async def _end(self, request: Request) -> Response:
        given = dict(request.query_params) | (await _form(request) if request.method == "POST" else {})
        where = given.get("post_logout_redirect_uri", "")
        if urlsplit(where).hostname not in LOCAL:
            return _plain(200, "Vous êtes déconnecté.\nYou are signed out.")
        return RedirectResponse(where + ("?" + urlencode({"state": given["state"]}) if "state" in given else ""), 303)

    def _client(self, request: Request, form: dict[str, str]) -> str | None:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        told = request.headers.get("authorization", "")
        if told.startswith("Basic "):
            try:
                pair = b64decode(told[6:], validate=True).decode()
            except ValueError:
                return None
            name, secret = (unquote(part) for part in (pair.partition(":")[0], pair.partition(":")[2]))
        known = self._clients.get(name)
        return name if known is not None and secrets.compare_digest(known.encode(), secret.encode()) else None

    async def _signed(self, claims: dict[str, Any], failure: str) -> str:
        payload = msgspec.json.encode(claims)
        key: jwk.ECKey | jwk.RSAKey = self._ec if self.algorithm == "ES256" else self._rsa
        head = {"alg": self.algorithm, "kid": str(key.kid), "typ": "JWT"}
        if failure == "unsigned":
            return f"{_encoded(msgspec.json.encode(head | {'alg': 'none'}))}.{_encoded(payload)}."
        if failure == "confused":  # CVE-2015-9235: the public key as the secret of an HMAC
            said = f"{_encoded(msgspec.json.encode(head | {'alg': 'HS256'}))}.{_encoded(payload)}"
            return f"{said}.{_encoded(hmac.digest(key.as_pem(private=False), said.encode(), 'sha256'))}"
        if failure == "other-key":
            fresh = jwk.ECKey.generate_key("P-256") if self.algorithm == "ES256" else jwk.RSAKey.generate_key(2048)
            key = fresh
        token = jws.serialize_compact(head, payload, key, algorithms=[self.algorithm])
        return await self._encrypted(token) if failure == "encrypted" else token

    async def _encrypted(self, token: str) -> str:
        if self.client_keys is None:
            return token
        document = msgspec.json.decode(await asyncio.to_thread(self.client_keys))
        key = jwk.JWKRegistry.import_key(document["keys"][0])
        head = {"alg": document["keys"][0]["alg"], "enc": "A256GCM", "cty": "JWT", "kid": document["keys"][0]["kid"]}
        return jwe.encrypt_compact(head, token, key, algorithms=[head["alg"], head["enc"]])

    def __enter__(self) -> Self:
        self._thread.start()
        until = monotonic() + 10
        while not self._server.started:
            if monotonic() > until or not self._thread.is_alive():
                raise OSError("the identity provider did not start")
            sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()


def _resident(given: dict[str, str]) -> Resident:
    return next((each for each in RESIDENTS if each.id == given["persona"]), RESIDENTS[0])


def _lower(given: dict[str, str]) -> str:
    """One level below what was asked."""
    order = ("eidas0", *LEVELS)
    asked = [order.index(acr) for acr in given.get("acr_values", "").split() if acr in order]
    return order[max(0, min(asked, default=1) - 1)]


def _keep(where: OrderedDict[str, dict[str, str]], name: str, what: dict[str, str]) -> None:
    where[name] = what
    while len(where) > KEPT:
        where.popitem(last=False)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _plain(status: int, text: str) -> Response:
    return Response(text + "\n", status, media_type="text/plain; charset=utf-8")


def _page(request: Request, name: str, asked: dict[str, str]) -> Response:
    """Who, at which level, and what goes wrong."""
    told = request.query_params.get("lang") or request.headers.get("accept-language", "fr")
    english = not told.lower().startswith("fr")

    def say(word: str) -> str:
        return escape(WORDS[word][english])

    first = (asked.get("acr_values", "").split() or list(LEVELS))[0]
    who = "".join(
        f'<label><input type="radio" name="persona" value="{each.id}"{" checked" if not n else ""}> '
        f"<bdi>{escape(each.given_name)} {escape(each.family_name)}</bdi> ({each.birthdate})</label>"
        for n, each in enumerate(RESIDENTS)
    )
    levels = "".join(f'<option value="{acr}"{" selected" if acr == first else ""}>{acr}</option>' for acr in LEVELS)
    wrong = "".join(f'<option value="{each}">{escape(text[english])}</option>' for each, text in FAILURES.items())
    lang, other = ("en", "fr") if english else ("fr", "en")
    again = "?" + urlencode({**asked, "lang": other})
    html = f"""<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{say("title")}</title><style>{STYLE}</style></head><body><main><strong class="loud">{say("loud")}</strong>
<p><a href="{escape(again, quote=True)}" lang="{other}">{say("other")}</a></p><h1>{say("title")}</h1>
<form method="post" action="/authorize"><input type="hidden" name="asked" value="{name}">
<fieldset><legend>{say("who")}</legend>{who}</fieldset>
<p><label>{say("level")} <select name="acr">{levels}</select></label></p>
<p><label>{say("wrong")} <select name="failure">{wrong}</select></label></p>
<button>{say("go")}</button></form></main></body></html>"""
    return Response(html, media_type="text/html; charset=utf-8", headers={"cache-control": "no-store"})
