"""`/alert`: the resident's page. HTML from the server, whole without JavaScript, at 320 px, in plain words, French and English.

Whoever is in distress has an old phone, a poor network, one hand. So: one field, one button. What the page does it asks of the
door (`perform`), like any other; the alert's secret lives in a cookie that only this page reads. With JavaScript there is one
button more, for the place, and the page looks again by itself.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from egide.kernel.door import Kernel
from egide.kernel.errors import BadInput, EgideError, Text, TooLarge
from egide.kernel.identity import ANONYMOUS

PATH = "/alert"
COOKIE = "__Host-egide-alert"
LIFE_S = 30 * 86_400  # s, as long as the alert may be kept
MAX_FORM = 48 * 1024  # bytes

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Appeler à l’aide", "Call for help"),
    "danger": ("En danger immédiat, appelez le 17 ou le 112.", "In immediate danger, call 17 or 112."),
    # The French emergency number for people who cannot hear or speak: by text message.
    "deaf": ("Sourd ou malentendant : SMS au 114.", "Deaf or hard of hearing: text 114."),
    "text": ("Que se passe-t-il ? Où êtes-vous ?", "What is happening? Where are you?"),
    "place": ("Joindre ma position", "Attach my position"),
    "reach": ("Comment vous joindre (facultatif)", "How to reach you (optional)"),
    "send": ("Envoyer l’alerte", "Send the alert"),
    "notice": (
        (
            "Lu par les agents du service pour vous porter secours (RGPD 6(1)(d) et (e)). Rien d’autre n’est recueilli. Effacé 30 jours "
            "après la fin de l’alerte. Vos droits : le délégué à la protection des données du service, puis la CNIL."
        ),
        (
            "Read by the service’s officers to help you (GDPR 6(1)(d) and (e)). Nothing else is collected. Erased 30 days after the alert "
            "ends. Your rights: the service’s data protection officer, then the CNIL."
        ),
    ),
    "received": ("Alerte reçue à {}", "Alert received at {}"),
    "wait": ("Un agent vous répondra ici. Gardez cette page.", "An officer will answer here. Keep this page."),
    "answered": ("Un agent vous a répondu.", "An officer has answered you."),
    "taken": ("Un agent s’occupe de vous.", "An officer is taking care of you."),
    "seen": ("Votre alerte est prise en compte.", "Your alert is being dealt with."),
    "on_way": ("Une équipe est en route.", "A team is on its way."),
    "there": ("Une équipe est sur place.", "A team is on scene."),
    "over": ("L’intervention est terminée.", "The intervention is over."),
    "journal": (
        "Une panne touche notre registre : les agents voient déjà votre alerte, et elle est gardée. Vous n’avez rien à faire.",
        "Our ledger has a fault: officers see your alert already, and it is kept. You need do nothing.",
    ),
    "you": ("Vous", "You"),
    "officer": ("Un agent", "An officer"),
    "more": ("Ajouter quelque chose", "Add something"),
    "say": ("Envoyer", "Send"),
    "refresh": ("Voir s’il y a une réponse", "Look for an answer"),
    "new": ("Envoyer une autre alerte", "Send another alert"),
    "other": ("English", "Français"),
    "located": ("Position jointe", "Position attached"),
    "unlocated": ("Position introuvable : décrivez le lieu.", "No position found: describe the place."),
}

STYLE = """:root{color-scheme:light dark;--ink:#17211d;--paper:#fff;--soft:#eef3f0;--line:#5c6b64;--go:#0b5d3b;--on:#fff;--warn:#8a1c12}
@media(prefers-color-scheme:dark){:root{--ink:#eef3f0;--paper:#121815;--soft:#1f2924;--line:#93a39b;--go:#8fe0b8;--on:#06281a;--warn:#ffb4a8}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:18px/1.5 system-ui,sans-serif}
header,main{max-width:36rem;margin:0 auto;padding:16px}header{display:flex;justify-content:space-between;align-items:center;gap:16px;padding-block:8px}
header strong{font-size:18px}h1{font-size:28px;line-height:1.2;margin:8px 0}p{margin:12px 0}a{color:var(--go)}header a,p>a{display:inline-block;padding:11px 0}
.danger{border-inline-start:6px solid var(--warn);padding:8px 12px;background:var(--soft);font-weight:600}.danger a{color:inherit;padding:0}
label{display:block;font-weight:600;margin:16px 0 4px}textarea,input{width:100%;font:inherit;color:inherit;background:var(--paper);border:2px solid var(--line);border-radius:6px;padding:10px}
textarea{min-height:9em;resize:vertical}.short textarea{min-height:4em}button{font:inherit;font-weight:700;width:100%;min-height:52px;margin:16px 0 0;border:2px solid var(--go);border-radius:6px;background:var(--go);color:var(--on);cursor:pointer}
button.quiet{background:transparent;color:var(--go)}:focus-visible{outline:3px solid var(--go);outline-offset:3px}.small{font-size:15px}
.wrong{border:2px solid var(--warn);border-radius:6px;padding:12px}ol{list-style:none;margin:16px 0;padding:0}li{border-radius:6px;background:var(--soft);padding:10px 14px;margin:8px 0;overflow-wrap:anywhere;white-space:pre-line}
li.officer{border-inline-start:6px solid var(--go)}li b{display:block;font-size:15px}[hidden]{display:none}"""

SCRIPT = """const place=document.querySelector('#place');if(place&&navigator.geolocation){place.hidden=false;place.onclick=()=>{
navigator.geolocation.getCurrentPosition((at)=>{document.querySelector('#lat').value=at.coords.latitude;document.querySelector('#lon').value=at.coords.longitude;
document.querySelector('#said').textContent=place.dataset.yes},()=>{document.querySelector('#said').textContent=place.dataset.no},{enableHighAccuracy:true,timeout:15000})}}
if(document.querySelector('#again'))setInterval(()=>{const more=document.querySelector('textarea');if(!more||(!more.value&&document.activeElement!==more))location.reload()},20000)"""


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


# The page's own style and script, by their hashes: nothing else runs, nothing comes from elsewhere.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_hash(STYLE)}'; script-src 'sha256-{_hash(SCRIPT)}'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; report-uri /api/csp"
)


class AlertPage:
    """The page's three addresses: the form or the conversation, what is sent, and a fresh start."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._origin = kernel.settings.origin

    async def show(self, request: Request) -> Response:
        """The conversation where this browser has one, else the form."""
        lang, held = _lang(request), _held(request)
        if held is None:
            return _page(lang, _form(lang))
        try:
            done = await self._ask("operations.alert.follow", {"alert": held[0], "secret": held[1]}, request)
        except EgideError as error:
            return _page(lang, _wrong(lang, error) + _form(lang), status=error.status)
        return _page(lang, _talk(lang, done["alert"], self._kernel.book.zone))

    async def send(self, request: Request) -> Response:
        """An alert, or something more about it; then the page is shown afresh, so that reloading sends nothing twice."""
        lang = _lang(request)
        form: dict[str, str] = {}
        try:
            form = await self._form(request)
            held = _held(request)
            if form.get("do") == "new":
                answer = RedirectResponse(f"{PATH}?lang={lang}", 303)
                answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
                return answer
            if form.get("do") == "say" and held is not None:
                given = {"alert": held[0], "secret": held[1], "text": form.get("text", "")}
                await self._ask("operations.alert.say", given, request)
                return RedirectResponse(f"{PATH}?lang={lang}", 303)
            new = {"text": form.get("text", ""), "reach": form.get("reach", ""), "lang": lang, **_place(form)}
            sent = await self._ask("operations.alert.send", new, request)
        except EgideError as error:
            return _page(lang, _wrong(lang, error) + _form(lang, form), status=error.status)
        answer = RedirectResponse(f"{PATH}?lang={lang}", 303)
        answer.set_cookie(
            COOKIE, f"{sent['id']}.{sent['secret']}", max_age=LIFE_S, secure=True, httponly=True, samesite="strict"
        )
        return answer

    async def _ask(self, name: str, given: dict[str, Any], request: Request) -> Any:
        address = request.client.host if request.client else ""
        outcome = await self._kernel.perform(name, msgspec.json.encode(given), ANONYMOUS, address=address)
        return msgspec.to_builtins(outcome.result)

    async def _form(self, request: Request) -> dict[str, str]:
        origin, site = request.headers.get("origin", ""), request.headers.get("sec-fetch-site", "")
        if origin != self._origin and not (origin in ("", "null") and site == "same-origin"):
            raise BadInput(
                Text("Cette demande ne vient pas de cette page.", "This request does not come from this page."),
                Text(f"Ouvrez {self._origin}{PATH}.", f"Open {self._origin}{PATH}."),
            )
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_FORM:
                raise TooLarge(Text("Message trop long.", "The message is too long."))
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16)
        except ValueError as error:
            raise BadInput(Text("Formulaire illisible.", "Unreadable form.")) from error
        return {name: values[0].replace("\r\n", "\n") for name, values in fields.items()}


def _lang(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    if asked in ("fr", "en"):
        return asked
    first = request.headers.get("accept-language", "fr").strip().lower()
    return "fr" if first.startswith("fr") or not first else "en"


def _held(request: Request) -> tuple[str, str] | None:
    alert, _, secret = request.cookies.get(COOKIE, "").partition(".")
    return (alert, secret) if alert and secret else None


def _place(form: dict[str, str]) -> dict[str, float]:
    """Degrees; a place that cannot be read is left out: it must not keep the alert back."""
    try:
        lat, lon = float(form.get("lat", "")), float(form.get("lon", ""))
    except ValueError:
        return {}
    return {"lat": lat, "lon": lon} if -90 <= lat <= 90 and -180 <= lon <= 180 else {}


def _say(lang: str, word: str) -> str:
    return escape(WORDS[word][lang == "en"])


def _form(lang: str, form: dict[str, str] | None = None) -> str:
    was = form or {}
    return f"""<h1>{_say(lang, "title")}</h1>
<form method="post" action="{PATH}?lang={lang}"><label for="text">{_say(lang, "text")}</label>
<textarea id="text" name="text" required maxlength="4000">{escape(was.get("text", ""))}</textarea>
<label for="reach">{_say(lang, "reach")}</label><input id="reach" name="reach" maxlength="200" autocomplete="tel" value="{escape(was.get("reach", ""))}">
<input type="hidden" id="lat" name="lat"><input type="hidden" id="lon" name="lon">
<button type="button" class="quiet" id="place" hidden data-yes="{_say(lang, "located")}" data-no="{_say(lang, "unlocated")}">{_say(lang, "place")}</button>
<p id="said" role="status" class="small"></p><button>{_say(lang, "send")}</button></form><p class="small">{_say(lang, "notice")}</p>"""


def _hour(at: str, zone: ZoneInfo) -> str:
    """As the clock on the wall says it."""
    return datetime.fromisoformat(at).astimezone(zone).strftime("%H:%M")


def _talk(lang: str, alert: dict[str, Any], zone: ZoneInfo) -> str:
    state = _say(lang, "received").format(_hour(alert["at"], zone))
    answered = any(word["officer"] for word in alert["words"])
    said = [{"at": alert["at"], "officer": False, "text": alert["text"]}, *alert["words"]]
    lines = "".join(
        f'<li class="{"officer" if word["officer"] else "you"}"><b>{_say(lang, "officer" if word["officer"] else "you")}, '
        f"{_hour(word['at'], zone)}</b>{escape(word['text'])}</li>"
        for word in said
    )
    honest = f"<p data-journal>{_say(lang, 'journal')}</p>" if alert["journal"] else ""
    taken = f"<p><strong>{_say(lang, 'taken')}</strong></p>" if alert["taken"] else ""
    progress = f"<p data-progress><strong>{_say(lang, alert['progress'])}</strong></p>" if alert["progress"] else ""
    next_ = f"<p>{_say(lang, 'answered' if answered else 'wait')}</p>"
    return f"""<h1>{state}</h1>{progress or taken}{next_}{honest}<ol>{lines}</ol>
<form method="get" action="{PATH}"><input type="hidden" name="lang" value="{lang}"><button id="again">{_say(lang, "refresh")}</button></form>
<form method="post" action="{PATH}?lang={lang}" class="short"><input type="hidden" name="do" value="say">
<label for="text">{_say(lang, "more")}</label><textarea id="text" name="text" required maxlength="4000"></textarea><button class="quiet">{_say(lang, "say")}</button></form>
<form method="post" action="{PATH}?lang={lang}"><input type="hidden" name="do" value="new"><button class="quiet">{_say(lang, "new")}</button></form>
<p class="small">{_say(lang, "notice")}</p>"""


def _wrong(lang: str, error: EgideError) -> str:
    what = error.what.en if lang == "en" else error.what.fr
    do = "" if error.do is None else error.do.en if lang == "en" else error.do.fr
    return f'<div class="wrong" role="alert"><strong>{escape(what)}</strong> {escape(do)}</div>'


def _page(lang: str, content: str, *, status: int = 200) -> Response:
    other = "fr" if lang == "en" else "en"
    called = (
        _say(lang, "danger").replace("17", '<a href="tel:17">17</a>', 1).replace("112", '<a href="tel:112">112</a>', 1)
    )
    texted = _say(lang, "deaf").replace("114", '<a href="sms:114">114</a>', 1)
    html = f"""<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_say(lang, "title")} — Égide</title><link rel="icon" href="/favicon.svg"><style>{STYLE}</style></head><body>
<header><strong>Égide</strong><a href="{PATH}?lang={other}" lang="{other}" hreflang="{other}">{_say(lang, "other")}</a></header>
<main><p class="danger">{called}<br>{texted}</p>{content}</main><script>{SCRIPT}</script></body></html>"""
    headers = {"content-security-policy": POLICY, "cache-control": "no-store"}
    return Response(html, status, headers=headers, media_type="text/html; charset=utf-8")
