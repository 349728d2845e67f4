"""`/alert`: the resident's page. HTML from the server, whole without JavaScript, at 320 px, in plain words, French and English.

Whoever is in distress has an old phone, a poor network, one hand. So: one field, one button. What the page does it asks of the
door (`perform`), like any other; the alert's secret lives in a cookie that only this page reads. With JavaScript there is one
button more, for the place, and the page looks again by itself.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from egide.gateways.resident import Asker, form_of, held, lang_of, page, wrong
from egide.kernel.errors import EgideError
from egide.kernel.kernel import Kernel

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
    "located": ("Position jointe", "Position attached"),
    "unlocated": ("Position introuvable : décrivez le lieu.", "No position found: describe the place."),
}

SCRIPT = """const place=document.querySelector('#place');if(place&&navigator.geolocation){place.hidden=false;place.onclick=()=>{
navigator.geolocation.getCurrentPosition((at)=>{document.querySelector('#lat').value=at.coords.latitude;document.querySelector('#lon').value=at.coords.longitude;
document.querySelector('#said').textContent=place.dataset.yes},()=>{document.querySelector('#said').textContent=place.dataset.no},{enableHighAccuracy:true,timeout:15000})}}
if(document.querySelector('#again'))setInterval(()=>{const more=document.querySelector('textarea');if(!more||(!more.value&&document.activeElement!==more))
fetch('/favicon.svg',{method:'HEAD',cache:'no-store'}).then(()=>location.reload(),()=>{})},20000)"""  # without network the page stays


class AlertPage:
    """The page's three addresses: the form or the conversation, what is sent, and a fresh start."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._origin = kernel.settings.origin
        self._ask = Asker(kernel)

    async def show(self, request: Request) -> Response:
        """The conversation where this browser has one, else the form."""
        lang, mine = lang_of(request), held(request, COOKIE)
        if mine is None:
            return _page(lang, _form(lang))
        try:
            done = await self._ask("operations.alert.follow", {"alert": mine[0], "secret": mine[1]}, request)
        except EgideError as error:
            return _page(lang, wrong(lang, error) + _form(lang), status=error.status)
        return _page(lang, _talk(lang, done["alert"], self._kernel.book.zone))

    async def send(self, request: Request) -> Response:
        """An alert, or something more about it; then the page is shown afresh, so that reloading sends nothing twice."""
        lang = lang_of(request)
        form: dict[str, str] = {}
        try:
            form = {name: values[0] for name, values in (await form_of(request, self._origin, MAX_FORM)).items()}
            mine = held(request, COOKIE)
            if form.get("do") == "new":
                answer = RedirectResponse(f"{PATH}?lang={lang}", 303)
                answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
                return answer
            if form.get("do") == "say" and mine is not None:
                given = {"alert": mine[0], "secret": mine[1], "text": form.get("text", "")}
                await self._ask("operations.alert.say", given, request)
                return RedirectResponse(f"{PATH}?lang={lang}", 303)
            new = {"text": form.get("text", ""), "reach": form.get("reach", ""), "lang": lang, **_place(form)}
            sent = await self._ask("operations.alert.send", new, request)
        except EgideError as error:
            return _page(lang, wrong(lang, error) + _form(lang, form), status=error.status)
        answer = RedirectResponse(f"{PATH}?lang={lang}", 303)
        answer.set_cookie(
            COOKIE, f"{sent['id']}.{sent['secret']}", max_age=LIFE_S, secure=True, httponly=True, samesite="strict"
        )
        return answer


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


def _page(lang: str, content: str, *, status: int = 200) -> Response:
    called = (
        _say(lang, "danger").replace("17", '<a href="tel:17">17</a>', 1).replace("112", '<a href="tel:112">112</a>', 1)
    )
    texted = _say(lang, "deaf").replace("114", '<a href="sms:114">114</a>', 1)
    content = f'<p class="danger">{called}<br>{texted}</p>{content}'
    return page(lang, WORDS["title"][lang == "en"], PATH, content, script=SCRIPT, status=status)
