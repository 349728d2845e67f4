"""What every page for residents has in common: plain HTML that works without JavaScript, at 320 px, in French and English.

Whoever opens one has an old phone, a poor network, little time. The pages are made by the server, each with its own style and
script in it, named by their hashes in the policy: nothing else runs, nothing comes from elsewhere, nothing is kept.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from egide.kernel.errors import (
    BadInput,
    EgideError,
    Failed,
    Refused,
    Text,
    TooLarge,
    TooMany,
    Unavailable,
    Uncertain,
)
from egide.kernel.identity import ANONYMOUS
from egide.kernel.kernel import Kernel

STYLE = """:root{color-scheme:light dark;--ink:#17211d;--paper:#fff;--soft:#eef3f0;--line:#5c6b64;--go:#0b5d3b;--on:#fff;--warn:#8a1c12}
@media(prefers-color-scheme:dark){:root{--ink:#eef3f0;--paper:#121815;--soft:#1f2924;--line:#93a39b;--go:#8fe0b8;--on:#06281a;--warn:#ffb4a8}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:18px/1.5 system-ui,sans-serif;overflow-wrap:break-word}
header,main{max-width:36rem;margin:0 auto;padding:16px}header{display:flex;justify-content:space-between;align-items:center;gap:16px;padding-block:8px}
header strong{font-size:18px}h1{font-size:28px;line-height:1.2;margin:8px 0}h2{font-size:20px;line-height:1.3;margin:24px 0 8px}p{margin:12px 0}a{color:var(--go)}header a,p>a{display:inline-block;padding:11px 0}
.danger{border-inline-start:6px solid var(--warn);padding:8px 12px;background:var(--soft);font-weight:600}.danger a{color:inherit;padding:0}
label{display:block;font-weight:600;margin:16px 0 4px}textarea,input,select{width:100%;font:inherit;color:inherit;background:var(--paper);border:2px solid var(--line);border-radius:6px;padding:10px}
textarea{min-height:9em;resize:vertical}.short textarea{min-height:4em}button,.button{font:inherit;font-weight:700;width:100%;min-height:52px;margin:16px 0 0;border:2px solid var(--go);border-radius:6px;background:var(--go);color:var(--on);cursor:pointer}
.button{display:block;text-align:center;text-decoration:none;padding:11px 16px}button.quiet,.button.quiet{background:transparent;color:var(--go)}:focus-visible{outline:3px solid var(--go);outline-offset:3px}.small{font-size:15px}
.wrong{border:2px solid var(--warn);border-radius:6px;padding:12px;margin:16px 0}main>p:first-child{margin-top:0}ol{list-style:none;margin:16px 0;padding:0}li{border-radius:6px;background:var(--soft);padding:10px 14px;margin:8px 0;overflow-wrap:anywhere;white-space:pre-line}
input{accent-color:var(--go)}::file-selector-button{font:inherit;color:var(--go);background:transparent;border:2px solid var(--line);border-radius:6px;padding:6px 12px;margin-inline-end:12px}
li.officer{border-inline-start:6px solid var(--go)}li b{display:block;font-size:15px}[hidden]{display:none}"""

# An address in what is said to do: without the full stop that ends the sentence.
ADDRESS = re.compile(r"https?://[\w./:-]*[\w/]")

# Without network a browser puts a page of its own in the place of the one that sends a form, and what was typed is gone. So a
# form is sent once this site has answered something small. Where scripts do not run, or are too old for it, it is sent at once.
# The same form is not sent again for 20 s: of two the browser shows the second answer, and number and code stand in the first.
LOST = """;(()=>{const lost=document.querySelector('#lost');let state='',sent;addEventListener('pageshow',()=>{state='';sent=null});
document.addEventListener('submit',async(e)=>{const form=e.target,by=e.submitter;if(state==='sure'||e.defaultPrevented||form.method!=='post'||!form.requestSubmit)return;
e.preventDefault();if(state||form===sent)return;state='asking';try{await fetch('/favicon.svg',{method:'HEAD',cache:'no-store'})}catch{state='';
(by??form.lastElementChild).before(lost);lost.hidden=false;lost.scrollIntoView({block:'nearest'});return}
lost.hidden=true;state='sure';form.requestSubmit(by);state='';sent=form;setTimeout(()=>sent=null,20000)})})()"""
NOT_SENT = Text(
    "Pas de réseau : rien n’est parti, et ce que vous avez écrit est encore là. Recommencez quand le réseau revient.",
    "No network: nothing was sent, and what you wrote is still there. Try again when the network is back.",
)

STILL_THERE = Text(
    "Rien n’est enregistré. Ce que vous avez écrit est encore sur cette page : laissez-la ouverte, et renvoyez-la dans une minute.",
    "Nothing is recorded. What you wrote is still on this page: leave it open, and send it again in a minute.",
)
SEND_AGAIN = Text("Renvoyer", "Send again")
LATER = (TooMany, Unavailable, Uncertain, Failed)  # it may go through later, as it is


def hashed(text: str) -> str:
    """A style's or script's hash, as a policy names it."""
    return b64encode(sha256(text.encode()).digest()).decode()


@lru_cache(maxsize=64)  # the same few dozen pages' styles and scripts
def policy(style: str, script: str = "", module: str = "", *, asks: bool = False) -> str:
    """The content security policy of a page with this style and script; a module, or one that asks, may ask this site alone."""
    sources = " ".join(["'self'"] * bool(module) + [f"'sha256-{hashed(script)}'"] * bool(script))
    scripts = f"script-src {sources}; " if sources else ""
    if asks or module:
        scripts += "connect-src 'self'; "
    return (
        f"default-src 'none'; style-src 'sha256-{hashed(style)}'; {scripts}img-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'; report-uri /api/csp"
    )


def lang_of(request: Request) -> str:
    """The language asked for, else the browser's first."""
    asked = request.query_params.get("lang", "")
    if asked in ("fr", "en"):
        return asked
    first = request.headers.get("accept-language", "fr").strip().lower()
    return "fr" if first.startswith("fr") or not first else "en"


def held(request: Request, cookie: str) -> tuple[str, str] | None:
    """(id, secret) of a cookie of ours; None where there is none."""
    id_, _, secret = request.cookies.get(cookie, "").partition(".")
    return (id_, secret) if id_ and secret else None


def own(request: Request, origin: str) -> None:
    """Raises `BadInput` unless this site's own page sent the form."""
    came, site = request.headers.get("origin", ""), request.headers.get("sec-fetch-site", "")
    if came != origin and not (came in ("", "null") and site == "same-origin"):
        here = f"{origin}{request.url.path}"
        raise BadInput(
            Text("Cette demande ne vient pas de cette page.", "This request does not come from this page."),
            Text(f"Ouvrez {here}.", f"Open {here}."),
        )


async def form_of(request: Request, origin: str, limit: int, fields: int = 16) -> dict[str, list[str]]:
    """A form that this site's own page sent, every value of each name. Raises `BadInput`, `TooLarge`."""
    own(request, origin)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise TooLarge(Text("Message trop long.", "The message is too long."))
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=fields)
    except ValueError as error:
        raise BadInput(Text("Formulaire illisible.", "Unreadable form.")) from error
    return {name: [value.replace("\r\n", "\n") for value in values] for name, values in found.items()}


def keep(answer: Response, cookie: str, value: str, life_s: int) -> None:
    """A cookie of ours, for these pages alone."""
    answer.set_cookie(cookie, value, max_age=life_s, secure=True, httponly=True, samesite="strict")


@cache
def built(name: str) -> str:
    """The address of a script that the build made of web/services/<name>.ts; "" where the pages were not built."""
    found = next(iter(Path(str(files("egide") / "static" / "assets")).glob(f"{name}-*.js")), None)
    return f"/assets/{found.name}" if found is not None else ""


class Asker:
    """Asks the door as somebody without an account."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def __call__(self, name: str, given: dict[str, Any], request: Request) -> Any:
        """The act's result as plain data; raises what the door raises."""
        address = request.client.host if request.client else ""
        outcome = await self._kernel.perform(name, msgspec.json.encode(given), ANONYMOUS, address=address)
        return msgspec.to_builtins(outcome.result)


def said(lang: str, words: Text) -> str:
    """Words in the page's language, escaped."""
    return escape(words.en if lang == "en" else words.fr)


def wrong(lang: str, error: EgideError) -> str:
    """What went wrong, and what to do; of a refusal each article, in plain words."""
    do = said(lang, error.do) if error.do is not None else ""
    do = ADDRESS.sub(r'<a href="\g<0>">\g<0></a>', do)
    if not isinstance(error, Refused):
        return f'<div class="wrong" role="alert" tabindex="-1" autofocus><strong>{said(lang, error.what)}</strong> {do}</div>'
    lines = "".join(
        f"<p><strong>{said(lang, Text(one.fr, one.en))}</strong> {said(lang, Text(one.remedy_fr, one.remedy_en))} "
        f'<span class="small">({said(lang, one.text_title)}, {escape(one.article)})</span></p>'
        for one in error.decision.reasons
    )
    return f'<div class="wrong" role="alert" tabindex="-1" autofocus>{lines}</div>'


def once_more(request: Request, lang: str, error: EgideError, form: Mapping[str, list[str]]) -> str:
    """What was typed, to be sent once more, where nothing could be done with it just now; "" for any other trouble.

    A browser brings nothing of it back: these pages are kept nowhere.
    """
    if not isinstance(error, LATER) or not form:
        return ""
    address = escape(f"{request.url.path}?{request.url.query}")
    typed = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, values in form.items()
        for value in values
    )
    return (
        f'<p>{said(lang, STILL_THERE)}</p><form method="post" action="{address}">{typed}'
        f"<button>{said(lang, SEND_AGAIN)}</button></form>"
    )


def page(
    lang: str,
    title: str,
    here: str,
    content: str,
    *,
    style: str = STYLE,
    script: str = "",
    module: str = "",
    status: int = 200,
    head: str = "",
    asks: bool = False,
    wide: bool = False,
) -> Response:
    """A whole page. `title`: plain text; `here`: its address, for the other language, "" where it has both.

    `module`: the address of a built script, without which the page does the same. `asks`: its script asks this site. `wide`: its
    style has more than one column for a large screen.
    """
    other, words = ("fr", "Français") if lang == "en" else ("en", "English")
    if '<form method="post"' in content and 'id="lost"' not in content:  # a page that has the words says them itself
        content += f'<p id="lost" class="wrong" role="alert" hidden>{said(lang, NOT_SENT)}</p>'
        script, asks = script + LOST, True
    scripts = f"<script>{script}</script>" if script else ""
    if module:
        scripts += f'<script type="module" src="{module}"></script>'
    switch = f'<a href="{escape(here)}?lang={other}" lang="{other}" hreflang="{other}">{words}</a>' if here else ""
    html = f"""<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{head}
<title>{escape(title)} — Égide</title><link rel="icon" href="/favicon.svg"><style>{style}</style></head><body{' class="wide"' if wide else ""}>
<header><strong>Égide</strong>{switch}</header>
<main>{content}</main>{scripts}</body></html>"""
    headers = {"content-security-policy": policy(style, script, module, asks=asks), "cache-control": "no-store"}
    return Response(html, status, headers=headers, media_type="text/html; charset=utf-8")
