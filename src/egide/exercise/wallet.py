"""A wallet for exercises and tests: it holds the identification data of invented people, and shows them well or badly.

    with Wallet(folder) as wallet:
        …  # wallet.address is its address on loopback; a QR code or a link of the platform leads there

It speaks OpenID4VP 1.0 (signed request by `request_uri`, DCQL, `direct_post.jwt`) with the platform of this machine and nobody
else. On its page one sees who asks, for what, and the code to compare; one chooses, without JavaScript, who presents and what
goes wrong. It asks for no PIN and keeps no key: everybody here is invented.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import urllib.error
import urllib.request
from base64 import b64decode
from collections import OrderedDict
from hashlib import sha256
from html import escape
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from egide.exercise.idp_people import LOCAL, RESIDENTS, Resident
from egide.exercise.pid import REVOKED, VALID, Issuer, encoded, presentation
from egide.exercise.wallet_words import FAILURES, STYLE, WORDS

KEPT = 100  # requests in memory
MAX_REPLY = 64 * 1024  # bytes
PATIENCE_S = 10.0  # s for the platform's answer
NAMES = {
    "family_name": ("nom", "family name"), "given_name": ("prénoms", "given names"), "birthdate": ("date de naissance", "date of birth"),
}  # fmt: skip


class _Registry(jws.JWSRegistry):
    max_header_length = 16 * 1024  # the certificate is in it


class Asked(NamedTuple):
    """A request that was fetched: who asks, and all that it says."""

    client: str
    said: dict[str, Any]


class Purse:
    """What the wallet holds and how it answers, without a network: tests use it alone."""

    def __init__(self, issuer: Issuer, *, status: str = "") -> None:
        """`status`: the address of the issuer's status list, "" where credentials name none."""
        self._issuer, self._other, self._status = issuer, Issuer.drawn(), status
        self._holder, self._thief = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
        self._last = ""  # the presentation that was shown before

    def read(self, token: str, client: str) -> Asked:
        """A request object, once its signature is that of the certificate that it brings. Raises `ValueError`."""
        head = msgspec.json.decode(b64decode(token.partition(".")[0] + "==", altchars=b"-_"))
        certificate = x509.load_der_x509_certificate(b64decode(head["x5c"][0]))
        public = certificate.public_key()
        if not isinstance(public, EllipticCurvePublicKey):
            raise ValueError("a certificate of another kind")  # noqa: TRY004 — of the request, which is no argument
        key = ECKey.import_key(public)
        registry = _Registry(algorithms=["ES256", "ES384", "ES512"], strict_check_header=False)
        try:
            said = msgspec.json.decode(jws.deserialize_compact(token.encode(), key, registry=registry).payload)
        except JoseError as error:
            raise ValueError("the request is not signed by its certificate") from error
        if head.get("typ") != "oauth-authz-req+jwt" or said["client_id"] != client or said["exp"] < time():
            raise ValueError("a request of another type, of somebody else, or too old")
        prefix, _, name = client.partition(":")
        if prefix == "x509_san_dns":
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if name not in names.get_values_for_type(x509.DNSName) or urlsplit(said["response_uri"]).hostname != name:
                raise ValueError("the certificate is not that of who asks")
        elif prefix != "x509_hash" or name != encoded(sha256(b64decode(head["x5c"][0])).digest()):
            raise ValueError("nobody whom the certificate knows")
        return Asked(client, said)

    def answer(self, asked: Asked, resident: Resident, failure: str = "") -> bytes:
        """What is posted to `response_uri`."""
        said = asked.said
        if failure == "access_denied":
            return urlencode({"error": failure, "state": said["state"]}).encode()
        shown = self._shown(asked, resident, failure)
        inner = msgspec.json.encode({
            "vp_token": {said["dcql_query"]["credentials"][0]["id"]: [shown]},
            "state": "s" * 43 if failure == "wrong-state" else said["state"],
        })  # fmt: skip
        if said["response_mode"] == "direct_post" or failure == "plain":
            told = msgspec.json.decode(inner)
            return urlencode(
                {"vp_token": msgspec.json.encode(told["vp_token"]).decode(), "state": told["state"]}
            ).encode()
        jwk = said["client_metadata"]["jwks"]["keys"][0]
        key = JWKRegistry.import_key(jwk) if failure != "wrong-encryption" else ECKey.generate_key("P-256")
        head = {"alg": jwk["alg"], "enc": "A256GCM", "kid": jwk["kid"]}
        token = jwe.encrypt_compact(head, inner, key, algorithms=["ECDH-ES", "A256GCM"])
        return urlencode({"response": token}).encode()

    def _shown(self, asked: Asked, resident: Resident, failure: str) -> str:
        """The presentation, right or wrong in the way that was chosen."""
        said, issuer = asked.said, self._other if failure == "untrusted" else self._issuer
        signed, made = issuer.credential(
            resident, self._holder, vct="urn:other:1" if failure == "other-kind" else "urn:eudi:pid:1",
            issued=int(time()) - 86_400 * 30 if failure == "expired" else None,
            status=(self._status, REVOKED if failure == "revoked" else VALID) if self._status else None,
        )  # fmt: skip
        names = [claim["path"][0] for claim in said["dcql_query"]["credentials"][0]["claims"]]
        if failure == "less":
            names = names[:1]
        disclosures = [made[name] for name in (made if failure == "more" else names) if name in made]
        if failure == "altered":
            salt = encoded(secrets.token_bytes(16))
            disclosures[0] = encoded(msgspec.json.encode([salt, "family_name", "Quelqu’un d’autre"]))
        shown = presentation(
            signed, disclosures, self._thief if failure == "other-key" else self._holder,
            nonce="n" * 43 if failure == "wrong-nonce" else said["nonce"],
            audience="x509_san_dns:another.example" if failure == "wrong-audience" else asked.client,
            at=int(time()) - 3600 if failure == "old" else None,
        )  # fmt: skip
        if failure == "unbound":
            return shown[: shown.rindex("~") + 1]
        if failure == "replayed":
            other = asked._replace(said=said | {"nonce": secrets.token_urlsafe(32)})
            return self._last or self._shown(other, resident, "")
        self._last = self._last if failure else shown
        return shown


class Wallet:
    """Serves from `with` to its end; `folder` keeps the issuer."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.issuer = Issuer.kept(folder)
        self.purse = Purse(self.issuer, status=f"{self.address}status")
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        routes = [
            Route("/", self._page),
            Route("/", self._answer, methods=["POST"]),
            Route("/status", self._status),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="warning", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="wallet", daemon=True)

    async def _page(self, request: Request) -> Response:
        """Who asks and for what; without a request, where to put its link."""
        given = dict(request.query_params)
        if "link" in given:
            given |= dict(parse_qsl(urlsplit(given["link"]).query))
        lang = _lang(request)
        if "request_uri" not in given:
            return _html(lang, _paste(lang))
        try:
            token = await asyncio.to_thread(_fetched, given["request_uri"], None)
            asked = self.purse.read(token.decode("ascii"), given.get("client_id", ""))
        except (ValueError, KeyError, OSError, x509.ExtensionNotFound) as error:
            return _html(lang, f"<h1>{_say(lang, 'lost')}</h1><p>{escape(str(error))}</p>", 400)
        name = secrets.token_urlsafe(16)
        self._asked[name] = asked
        while len(self._asked) > KEPT:
            self._asked.popitem(last=False)
        return _html(lang, _form(lang, name, asked))

    async def _answer(self, request: Request) -> Response:
        """Presents, and goes back where the platform says; or stays, where the request came from another screen."""
        lang = _lang(request)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._asked.pop(form.get("asked", ""), None)
        if asked is None:
            return _html(lang, f"<h1>{_say(lang, 'lost')}</h1>", 400)
        resident = next((each for each in RESIDENTS if each.id == form.get("persona")), RESIDENTS[0])
        failure = "access_denied" if "deny" in form else form.get("failure", "")
        body = self.purse.answer(asked, resident, failure)
        try:
            told = msgspec.json.decode(await asyncio.to_thread(_fetched, asked.said["response_uri"], body))
        except (ValueError, OSError) as error:
            return _html(lang, f"<h1>{_say(lang, 'not_taken')}</h1><p>{escape(str(error))}</p>", 502)
        where = str(told.get("redirect_uri", ""))
        if where and urlsplit(where).hostname in LOCAL:
            return RedirectResponse(where, 303)
        return _html(lang, f"<h1>{_say(lang, 'done')}</h1><p>{_say(lang, 'elsewhere')}</p>")

    async def _status(self, _request: Request) -> Response:
        token = self.issuer.status_list(f"{self.address}status")
        return Response(token, media_type="application/statuslist+jwt")

    def __enter__(self) -> Self:
        self._thread.start()
        until = monotonic() + 10
        while not self._server.started:
            if monotonic() > until or not self._thread.is_alive():
                raise OSError("the wallet did not start")
            sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()


def _fetched(address: str, body: bytes | None) -> bytes:
    """What the platform of this machine answers. Raises `OSError`, `ValueError`."""
    if urlsplit(address).hostname not in LOCAL or urlsplit(address).scheme not in ("http", "https"):
        raise ValueError("an address that is not on this machine")
    try:
        with urllib.request.urlopen(address, body, PATIENCE_S) as answer:  # noqa: S310 — loopback, looked at above
            return bytes(answer.read(MAX_REPLY))
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(f"{error.code}: {error.read(2000).decode('utf-8', 'replace')}") from error


def _lang(request: Request) -> str:
    told = request.query_params.get("lang") or request.headers.get("accept-language", "fr")
    return "fr" if told.lower().startswith("fr") else "en"


def _say(lang: str, word: str) -> str:
    return escape(WORDS[word][lang == "en"])


def _paste(lang: str) -> str:
    return (
        f'<h1>{_say(lang, "title")}</h1><form><label>{_say(lang, "link")}<input name="link" autocomplete="off"></label>'
        f"<button>{_say(lang, 'open')}</button></form>"
    )


def _form(lang: str, name: str, asked: Asked) -> str:
    """Who asks, for what, who presents, and what goes wrong."""
    english = lang == "en"
    claims = [claim["path"][0] for claim in asked.said["dcql_query"]["credentials"][0]["claims"]]
    what = ", ".join(NAMES.get(claim, (claim, claim))[english] for claim in claims)
    who = "".join(
        f'<label><input type="radio" name="persona" value="{each.id}"{" checked" if not n else ""}> '
        f"<bdi>{escape(each.given_name)} {escape(each.family_name)}</bdi> ({each.birthdate})</label>"
        for n, each in enumerate(RESIDENTS)
    )
    wrong = "".join(f'<option value="{each}">{escape(words[english])}</option>' for each, words in FAILURES.items())
    return (
        f"<h1>{_say(lang, 'asks')}</h1><p><b data-client>{escape(str(asked.said['client_metadata']['client_name']))}</b><br>"
        f'<span class="quiet">{escape(asked.client)}</span></p><p>{_say(lang, "compare")}</p><p>{_say(lang, "what")} {escape(what)}.</p>'
        f'<form method="post" action="/?lang={lang}"><input type="hidden" name="asked" value="{name}">'
        f"<fieldset><legend>{_say(lang, 'who')}</legend>{who}</fieldset>"
        f'<p><label>{_say(lang, "wrong")} <select name="failure">{wrong}</select></label></p>'
        f'<button>{_say(lang, "present")}</button> <button class="quiet" name="deny" value="1">{_say(lang, "deny")}</button></form>'
    )


def _html(lang: str, content: str, status: int = 200) -> Response:
    html = f"""<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_say(lang, "title")}</title><style>{STYLE}</style></head><body><main><strong class="loud">{_say(lang, "loud")}</strong>{content}</main></body></html>"""
    return Response(html, status, media_type="text/html; charset=utf-8", headers={"cache-control": "no-store"})
