"""What an officer sees of a service at the counter or outside: the resident's own pages, and at their end who stands before them.

The same questions, the same checks; only who sends, and how it is known who the person is, differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import segno

from egide.gateways.service_words import PATH, w
from egide.kernel.errors import Text
from egide.kernel.identity import Principal
from egide.services.definition import Definition
from egide.services.filing import OFFICERS
from egide.services.questions import say

CHANNELS = ("counter", "mobile")
DOCUMENTS = (
    Text("Carte nationale d’identité", "National identity card"),
    Text("Passeport", "Passport"),
    Text("Titre de séjour", "Residence permit"),
    Text("Permis de conduire", "Driving licence"),
    Text("Aucune : sur ses dires", "None: by their own word"),
)
SAYS = {
    "as_officer": Text(
        "Vous recueillez cette demande comme agent : {}.", "You take down this request as an officer: {}."
    ),
    "person": Text("La personne devant vous", "The person before you"),
    "given": Text("Prénom", "Given name"),
    "family": Text("Nom", "Family name"),
    "born": Text("Né(e) le (jj/mm/aaaa)", "Born on (dd/mm/yyyy)"),
    "seen": Text("Pièce vue", "Document seen"),
    "where": Text("Où", "Where"),
    "take": Text("Enregistrer", "Record"),
    "done": Text("C’est enregistré", "It is recorded"),
    "hand": Text(
        "Remettez ce numéro et ce code à la personne : ils ouvrent son dossier, sans compte. Le code ne sera plus montré.",
        "Give this number and this code to the person: they open the file, without an account. The code will not be shown again.",
    ),
    "desk": Text("Ouvrir le dossier", "Open the file"),
    "next": Text("Recueillir une autre demande", "Take down another request"),
}


def officer(principal: Principal) -> bool:
    """Whether somebody may take down a request for another person."""
    return principal.kind == "person" and not principal.roles.isdisjoint(OFFICERS)


def ways(definition: Definition) -> list[str]:
    """The channels on which an officer takes this service down."""
    return [one for one in CHANNELS if one in definition.channels and "form" in definition.channels[one].modes]


def banner(lang: str, who: Principal) -> str:
    """Says at the top of every page as whom one asks."""
    return f'<p class="note">{say(lang, SAYS["as_officer"]).format(f"<bdi>{escape(who.name)}</bdi>")}</p>'


def person_fields(lang: str, typed: Mapping[str, str]) -> str:
    """The boxes that say who the person is, and which document was seen; the browser remembers none of it."""
    boxes = "".join(
        f'<label for="{name}">{say(lang, SAYS[words])}</label><input id="{name}" name="{name}" maxlength="120" autocomplete="off" dir="auto" value="{escape(typed.get(name, ""))}">'
        for name, words in (("given_name", "given"), ("family_name", "family"), ("birthdate", "born"))
    )
    seen = "".join(f"<option>{say(lang, one)}</option>" for one in DOCUMENTS)
    return f'{boxes}<label for="document">{say(lang, SAYS["seen"])}</label><select id="document" name="document">{seen}</select>'


def person_box(lang: str, definition: Definition, typed: Mapping[str, str], *, ready: bool) -> str:
    """Who the person is, and the button that records."""
    if not ready:
        return ""
    where = "".join(
        f'<label class="pick"><input type="radio" name="channel" value="{one}"{" checked" if at == 0 else ""}> <span>{w(lang, one)}</span></label>'
        for at, one in enumerate(ways(definition))
    )
    return (
        f'<form method="post" action="{PATH}/{definition.id}/take?lang={lang}"><h2>{say(lang, SAYS["person"])}</h2>{person_fields(lang, typed)}'
        f"<fieldset><legend>{say(lang, SAYS['where'])}</legend>{where}</fieldset><button>{say(lang, SAYS['take'])}</button></form>"
    )


def recorded(lang: str, definition: Definition, done: Mapping[str, Any], proof: str) -> str:
    """The number, the code and the proof, to be handed to the person."""
    picture = segno.make(proof, error="m", micro=False).svg_inline(scale=3, border=4, light="#fff") if proof else ""
    return (
        f"<h1>{say(lang, SAYS['done'])}</h1><p>{say(lang, definition.title)}</p><p>{say(lang, SAYS['hand'])}</p>"
        f'<p class="note">{w(lang, "number")}<br><span class="code" data-number>{escape(done["number"])}</span><br>{w(lang, "code")}<br>'
        f'<span class="code" data-code>{escape(done["code"])}</span></p><div class="qr">{picture}</div>'
        f'<p><a class="button" href="/files#file={escape(done["file"])}">{say(lang, SAYS["desk"])}</a></p>'
        f'<p><a href="{PATH}?lang={lang}">{say(lang, SAYS["next"])}</a></p>'
    )
