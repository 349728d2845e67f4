"""The page that says why a sign-in did not happen, and what else one can do; and the page that leads on after one that did.

One language first and the other below: whoever comes back from a provider has no page of ours to choose on. No script, no form,
nothing personal, and always a way without an account.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from starlette.responses import Response

from egide.gateways import alert_page, resident
from egide.gateways.resident import said
from egide.kernel.errors import Text


class Way(NamedTuple):
    """A way that needs no account: its address, and what the link says."""

    href: str
    name: Text


class Trouble(NamedTuple):
    """What happened, and what to do about it."""

    status: int
    title: Text
    what: Text
    again: bool  # whether trying again may help


WAYS: tuple[Way, ...] = (
    Way("/services/", Text("Continuer autrement : au guichet, ou en étant rappelé", "Another way: at the counter, or be called back")),
)  # fmt: skip
LEVELS = {
    1: Text("une identité déclarée", "a declared identity"),
    2: Text("une identité vérifiée, niveau faible", "a checked identity, level low"),
    3: Text("une identité vérifiée, niveau substantiel", "a checked identity, level substantial"),
    4: Text("une identité vérifiée, niveau élevé", "a checked identity, level high"),
}
NOTHING = Text("De cet essai, rien n’est gardé.", "Nothing is kept of this try.")
_NOT_YOU = Text("Vous n’êtes pas connecté", "You are not signed in")
TROUBLES: dict[str, Trouble] = {
    "denied": Trouble(
        403, _NOT_YOU,
        Text("Vous avez arrêté la connexion, ou refusé de transmettre votre identité. C’est votre droit.", "You stopped the sign-in, or chose not to pass your identity on. That is your right."), True,
    ),
    "unavailable": Trouble(
        503, Text("La connexion ne répond pas", "Sign-in does not answer"),
        Text("Le service d’identité ne répond pas pour le moment. Cela ne vient pas de vous.", "The identity service does not answer at the moment. It is not your doing."), True,
    ),
    "level": Trouble(
        403, Text("Cette connexion ne suffit pas", "This sign-in is not enough"),
        Text("Cette démarche demande {level}, et le compte choisi ne la prouve pas. Un autre compte le peut peut-être.", "This service asks for {level}, which the chosen account does not prove. Another account may."), True,
    ),
    "beyond": Trouble(
        403, Text("Cette démarche ne se fait pas avec cette connexion", "This service cannot be had by this sign-in"),
        Text("Elle demande {level}, que ce service d’identité ne prouve pas. Elle se fait autrement.", "It asks for {level}, which this identity service does not prove. There is another way."), False,
    ),
    "lost": Trouble(
        400, Text("La connexion a pris trop de temps", "The sign-in took too long"),
        Text("Elle est valable dix minutes, dans le navigateur où elle a commencé, une fois. Un autre onglet a pu la remplacer.", "It is good for ten minutes, in the browser where it began, once. Another tab may have replaced it."), True,
    ),
    "used": Trouble(
        400, Text("Cette connexion a déjà servi", "This sign-in was already used"),
        Text("Elle ne sert qu’une fois. Si vous venez de recharger la page, revenez à votre démarche.", "It serves once only. If you have just reloaded the page, go back to your service."), True,
    ),
    "address": Trouble(
        400, Text("Cette adresse n’est pas complète", "This address is not complete"),
        Text("La connexion se commence depuis la page de votre démarche.", "Sign-in begins on the page of your service."), False,
    ),
    "many": Trouble(
        429, Text("Trop d’essais à la fois", "Too many tries at once"),
        Text("Beaucoup de connexions viennent du même endroit. Attendez une minute.", "Many sign-ins come from the same place. Wait a minute."), True,
    ),
    "refused": Trouble(
        502, Text("La connexion n’a pas abouti", "The sign-in did not work"),
        Text("Le service d’identité a mis fin à la connexion. Cela ne vient pas de vous.", "The identity service ended the sign-in. It is not your doing."), True,
    ),
    "unproved": Trouble(
        502, Text("La connexion n’a pas pu être vérifiée", "The sign-in could not be verified"),
        Text("La réponse du service d’identité n’est pas celle attendue : par sécurité, elle est écartée.", "The identity service’s answer is not the one expected: to be safe, it was set aside."), True,
    ),
}  # fmt: skip
AGAIN = Text("Réessayer", "Try again")
ON = Text("Continuer", "Continue")
RETURN = Text("Revenir à ma démarche, réponses gardées", "Back to my request, answers kept")
SIGNED = Text("Vous êtes connecté", "You are signed in")

STYLE = resident.STYLE + "section{border-top:2px solid var(--line);margin-top:32px;padding-top:8px}"


def failed(
    name: str, lang: str, *, again: str, level: int, ways: Sequence[Way], back: str = "", told: Trouble | None = None
) -> Response:
    """Why nobody is signed in. `again`: where to try again, `back`: the service they come from, "" where that is not known."""
    trouble = told or TROUBLES[name]
    other = "fr" if lang == "en" else "en"
    ways = (Way(back, RETURN), *ways) if back else ways
    first, second = (_part(trouble, each, again, level, ways, tag) for each, tag in ((lang, "h1"), (other, "h2")))
    content = f'{first}<section lang="{other}">{second}</section>'
    return _page(lang, trouble.title, content, trouble.status)


def arrived(return_to: str, lang: str) -> Response:
    """Leads on to `return_to` from a page of ours.

    A redirect would not do: browsers hold it to be the provider's, and keep cookies that are SameSite=Strict back.
    """
    where = escape(return_to, quote=True)
    content = f'<h1>{said(lang, SIGNED)}</h1><p><a class="button" href="{where}">{said(lang, ON)}</a></p>'
    return _page(lang, SIGNED, content, 200, f'<meta http-equiv="refresh" content="0;url={where}">')


def _page(lang: str, title: Text, content: str, status: int, head: str = "") -> Response:
    words = title.en if lang == "en" else title.fr
    return resident.page(lang, words, "", content, style=STYLE, status=status, head=head)


def _part(trouble: Trouble, lang: str, again: str, level: int, ways: Sequence[Way], tag: str) -> str:
    what = said(lang, trouble.what).replace("{level}", said(lang, LEVELS[level]) if level in LEVELS else "")
    retry = ""
    if trouble.again and again:
        joint = "&" if "?" in again else "?"
        retry = f'<a class="button" href="{escape(f"{again}{joint}lang={lang}", quote=True)}">{said(lang, AGAIN)}</a>'
    others = "".join(
        f'<a class="button quiet" href="{escape(way.href, quote=True)}">{said(lang, way.name)}</a>' for way in ways
    )
    danger = escape(alert_page.WORDS["danger"][lang == "en"])
    for number in ("17", "112"):
        danger = danger.replace(number, f'<a href="tel:{number}">{number}</a>', 1)
    return f'<{tag}>{said(lang, trouble.title)}</{tag}><p>{what}</p><p>{said(lang, NOTHING)}</p>{retry}{others}<p class="danger">{danger}</p>'
