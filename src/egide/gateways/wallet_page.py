"""The page on which one shows a wallet: a picture for another device, a link for this one, a code to compare, one button.

Nothing personal is on it, in the picture or in an address. It works without JavaScript: the button asks whether anything has
come. Where scripts run, a small one asks every few seconds and presses it.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import segno
from starlette.responses import Response

from egide.gateways.oidc_page import TROUBLES as OF_SIGN_IN
from egide.gateways.oidc_page import WAYS, Trouble, failed
from egide.gateways.resident import page, said
from egide.gateways.service_words import FORMS, danger
from egide.kernel.errors import Text

PATH = "/identity/wallet"
STATE = f"{PATH}/state"
SCRIPT = f"setInterval(async()=>{{try{{if((await fetch('{STATE}')).status===200)document.forms[0].submit()}}catch{{}}}},3000)"
WORDS = {
    "title": Text("Présentez votre identité", "Present your identity"),
    "lead": Text(
        "Avec votre portefeuille d’identité numérique. Seuls vos nom, prénoms et date de naissance sont demandés. La demande vaut cinq minutes, une fois.",
        "With your digital identity wallet. Only your family name, given names and date of birth are asked for. The request is good for five minutes, once.",
    ),
    "code": Text("Votre code", "Your code"),
    "compare": Text(
        "Le portefeuille doit montrer ce code. S’il en montre un autre, refusez : quelqu’un essaie peut-être de se faire passer pour vous.",
        "The wallet must show this code. If it shows another, say no: somebody may be trying to pass for you.",
    ),
    "here": Text("Le portefeuille est sur cet appareil", "The wallet is on this device"),
    "open": Text("Ouvrir mon portefeuille", "Open my wallet"),
    "there": Text("Le portefeuille est sur un autre appareil", "The wallet is on another device"),
    "scan": Text("Lisez cette image avec lui, puis revenez à cet écran.", "Scan this picture with it, then come back to this screen."),
    "picture": Text("Code à lire avec le portefeuille", "Code to scan with the wallet"),
    "presented": Text("J’ai présenté mon identité", "I have presented my identity"),
    "nothing": Text(
        "Rien n’est encore arrivé. Terminez dans le portefeuille, puis appuyez de nouveau.",
        "Nothing has come yet. Finish in the wallet, then press again.",
    ),
    "cancel": Text("Revenir à ma démarche sans présenter", "Go back to my request without presenting"),
    "wallet": Text("Montrer mon portefeuille d’identité", "Show my identity wallet"),
    "by": Text("par portefeuille d’identité", "by identity wallet"),
}  # fmt: skip
STYLE = FORMS + ".proof{font:700 40px/1.2 ui-monospace,monospace;letter-spacing:.08em;margin:4px 0}.qr svg{width:17rem}"
_NOT_YOU = Text("Vous n’êtes pas identifié", "You are not identified")
_ATTESTATION = Text("Cette attestation n’est pas acceptée", "This credential is not accepted")
TROUBLES: dict[str, Trouble] = {
    "address": OF_SIGN_IN["address"],
    "many": OF_SIGN_IN["many"],
    "denied": Trouble(
        403, _NOT_YOU,
        Text("Vous avez refusé de présenter votre identité. C’est votre droit.", "You chose not to present your identity. That is your right."), True,
    ),
    "refused": Trouble(
        502, _NOT_YOU,
        Text("Le portefeuille n’a pas pu répondre. Cela ne vient pas de vous.", "The wallet could not answer. It is not your doing."), True,
    ),
    "expired": Trouble(
        403, _ATTESTATION,
        Text("Elle a expiré, ou l’horloge d’un appareil est fausse. Renouvelez-la dans le portefeuille.", "It has expired, or a device’s clock is wrong. Renew it in the wallet."), True,
    ),
    "revoked": Trouble(
        403, _ATTESTATION,
        Text("Son émetteur l’a révoquée ou suspendue. Lui seul peut dire pourquoi.", "Its issuer has revoked or suspended it. Only they can say why."), True,
    ),
    "unknown": Trouble(
        403, _ATTESTATION,
        Text("Ce service ne reconnaît pas cette sorte d’attestation, ou qui l’a délivrée.", "This service does not recognise this kind of credential, or who issued it."), True,
    ),
    "claim": Trouble(
        403, _ATTESTATION,
        Text("Il y manque le nom, le prénom ou la date de naissance, que la démarche demande.", "The family name, given name or date of birth is not in it, which the service asks for."), True,
    ),
    "level": Trouble(
        403, Text("Cette identité ne suffit pas", "This identity is not enough"),
        Text("Cette démarche demande {level}, et l’attestation présentée ne la prouve pas.", "This service asks for {level}, which the credential presented does not prove."), True,
    ),
    "beyond": Trouble(
        403, Text("Cette démarche ne se fait pas avec un portefeuille", "This service cannot be had by wallet"),
        Text("Elle demande {level}, qu’aucun portefeuille accepté ici ne prouve.", "It asks for {level}, which no wallet that is accepted here proves."), False,
    ),
    "status": Trouble(
        503, Text("La vérification n’a pas abouti", "The check did not work"),
        Text("L’émetteur n’a pas répondu : on ne sait pas si l’attestation est toujours valable. Cela ne vient pas de vous.", "The issuer did not answer: nobody knows whether the credential is still valid. It is not your doing."), True,
    ),
    "elsewhere": Trouble(
        403, Text("Continuez dans l’autre navigateur", "Go on in the other browser"),
        Text("Le portefeuille s’est ouvert depuis cet appareil et vous a ramené dans un autre navigateur ; l’identité ne sert que dans celui qui l’a demandée. Recommencez dans un seul, ou lisez l’image avec un autre appareil.", "The wallet was opened from this device and took you back to another browser; the identity serves only the one that asked. Start again in one of them, or scan the picture with another device."), True,
    ),
    "lost": Trouble(
        400, Text("Cette demande n’est plus valable", "This request is no longer valid"),
        Text("Elle vaut cinq minutes, une fois, dans le navigateur où elle a commencé.", "It is good for five minutes, once, in the browser where it began."), True,
    ),
    "unproved": Trouble(
        502, Text("L’identité n’a pas pu être vérifiée", "The identity could not be verified"),
        Text("La réponse du portefeuille n’est pas celle attendue : par sécurité, elle est écartée.", "The wallet’s answer is not the one expected: to be safe, it was set aside."), True,
    ),
}  # fmt: skip
# What of `Why` has a sentence of its own; everything else could not be verified, and why is for the log.
PAGES = {
    "denied": "denied", "refused": "refused", "expired": "expired", "revoked": "revoked", "issuer": "unknown", "certificate": "unknown",
    "vct": "unknown", "claim": "claim", "level": "level", "status": "status", "unavailable": "status",
}  # fmt: skip


class Shown(NamedTuple):
    """A request as its page shows it: the code, the link for this device, what the picture says, where to go back to."""

    code: str
    here: str
    there: str
    return_to: str


def show(lang: str, request: Shown, *, nothing: bool = False) -> Response:
    """The page; `nothing`: the button was pressed before anything came."""
    picture = segno.make(request.there, error="l", micro=False).svg_inline(
        border=4, light="#fff", omitsize=True
    )  # fmt: skip
    alert = f'<div class="wrong" role="alert" tabindex="-1" autofocus>{w(lang, "nothing")}</div>' if nothing else ""
    content = (
        f"{alert}{danger(lang)}<h1>{w(lang, 'title')}</h1><p>{w(lang, 'lead')}</p>"
        f'<div class="note"><p>{w(lang, "code")}</p><p class="proof" data-code>{escape(request.code)}</p><p>{w(lang, "compare")}</p></div>'
        f'<h2>{w(lang, "here")}</h2><a class="button" data-here href="{escape(request.here, quote=True)}">{w(lang, "open")}</a>'
        f'<h2>{w(lang, "there")}</h2><p>{w(lang, "scan")}</p><div class="qr" role="img" aria-label="{w(lang, "picture")}">{picture}</div>'
        f'<form method="post" action="{PATH}?lang={lang}"><button>{w(lang, "presented")}</button></form>'
        f'<p><a href="{escape(request.return_to, quote=True)}">{w(lang, "cancel")}</a></p>'
    )
    title = WORDS["title"].en if lang == "en" else WORDS["title"].fr
    return page(lang, title, PATH, content, style=STYLE, script=SCRIPT, asks=True)


def trouble(name: str, lang: str, *, again: str, level: int, back: str = "", told: Trouble | None = None) -> Response:
    """Why nobody is identified, and what else one can do; `back`: the service they come from."""
    return failed("", lang, again=again, level=level, ways=WAYS, back=back, told=told or TROUBLES[name])


def w(lang: str, word: str) -> str:
    """One of these words, escaped."""
    return said(lang, WORDS[word])
