"""What an officer's offline pages show: a service's questions on one page, by the same renderer as everywhere; who stands there.

Nothing in them is about anybody: they lie in the device's cache as they are. What is typed into them goes to the page's script,
which seals it; the browser is told to remember nothing (`autocomplete="off"` on the form keeps it out of the session's file too).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import msgspec

from egide.gateways.counter_views import SAYS as COUNTER
from egide.gateways.counter_views import person_fields
from egide.gateways.service_words import FORMS, notice
from egide.kernel.capability import Words
from egide.kernel.errors import Text
from egide.kernel.law import LawBook
from egide.services.answers import sentences
from egide.services.definition import Definition, Field, catalogue
from egide.services.holding import MAX_WORDS
from egide.services.questions import question, say

PATH = "/field"
SCRIPT = "field-page"
MAX_WORD = 500  # characters of a word about a round
STYLE = (
    FORMS
    + """
:root[data-theme=day]{color-scheme:light;--ink:#17211d;--paper:#fff;--soft:#eef3f0;--line:#5c6b64;--go:#0b5d3b;--on:#fff;--warn:#8a1c12}
:root[data-theme=night]{color-scheme:dark;--ink:#eef3f0;--paper:#121815;--soft:#1f2924;--line:#93a39b;--go:#8fe0b8;--on:#06281a;--warn:#ffb4a8}
:root[data-theme=red]{color-scheme:dark;--ink:#ff7d6b;--paper:#140303;--soft:#220606;--line:#b04236;--go:#ff9482;--on:#1a0302;--warn:#ffb0a2}
:root[data-theme=red] body{font-size:20px}
.state{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:center}.entry{border-inline-start:6px solid var(--line)}.entry[data-entry=done]{border-color:var(--go)}.entry[data-entry=refused],.entry[data-entry=review]{border-color:var(--warn)}
.entry p{margin:4px 0}.entry button,.inline{width:auto;min-height:44px;margin:4px 8px 4px 0;padding:4px 14px}h3{font-size:18px;margin:0}.place{display:flex;flex-wrap:wrap;gap:0 12px;align-items:center}.home p{margin:4px 0}.home .button{width:auto;display:inline-block;margin:8px 0 4px}
button[aria-pressed=true]{background:var(--go);color:var(--on)}.pick small{display:block;font-size:15px}.sketch{border:2px solid var(--line);border-radius:6px;padding:8px;margin:8px 0}.sketch canvas{display:block;width:100%;height:auto;background:#fff;touch-action:none;border:1px solid var(--line);cursor:crosshair}"""
)
SAYS = {
    "title": Text("Sans réseau", "Without network"),
    "lead": Text(
        "Recueillez ici ce que vous recueillez au poste : tout est gardé chiffré sur cet appareil et part seul au retour du réseau.",
        "Take down here what you take down at the station: all of it is kept encrypted on this device and leaves by itself when the network is back.",
    ),
    "forms": Text("Recueillir", "Take down"),
    "queue": Text("Vos envois", "Your entries"),
    "script": Text(
        "Cette page a besoin de JavaScript : sans réseau, c’est l’appareil qui garde ce que vous écrivez.",
        "This page needs JavaScript: without network, it is the device that keeps what you write.",
    ),
    "keep": Text("Garder : partira seul", "Keep: it leaves by itself"),
    "back": Text("Vos envois et les autres formulaires", "Your entries and the other forms"),
    "photos": Text(
        "Chiffrées aussitôt sur cet appareil ; 20 au plus.", "Encrypted at once on this device; 20 at most."
    ),
    "files": Text("Vos dossiers", "Your files"),
    "stops": Text("Logements à surveiller", "Homes to pass by"),
    "stops_lead": Text(
        "Celui que personne n’a vu depuis le plus longtemps vient d’abord.",
        "The one that nobody has seen for longest comes first.",
    ),
    "add": Text("Compléter un dossier", "Add to a file"),
    "add_lead": Text(
        "Des mots, des photos, des documents pour un dossier que vous avez. Si le dossier a changé entre-temps, votre complément est à revoir au bureau : rien n’est perdu.",
        "Words, photos, documents for a file that you have. Where the file has changed meanwhile, what you add is looked at at the desk: nothing is lost.",
    ),
    "which": Text("Quel dossier ?", "Which file?"),
    "text": Text("Ce que vous ajoutez", "What you add"),
    "report_only": Text(
        "Ce dossier ne prend pas de complément écrit maintenant : joignez des fichiers.",
        "This file takes no further words now: add files.",
    ),
    "attached": Text("Photos, documents", "Photos, documents"),
    "pass": Text("Noter un passage", "Note a round"),
    "pass_lead": Text(
        "La personne voit qu’une patrouille est passée, et quand. Elle ne voit rien d’autre.",
        "The person sees that a patrol passed by, and when. They see nothing else.",
    ),
    "home": Text("Devant quel logement ?", "Past which home?"),
    "word": Text("Un mot pour l’unité", "A word for the unit"),
    "spot": Text("Votre position", "Your position"),
    "spot_hint": Text(
        "Seulement si vous le voulez : elle reste à l’unité.", "Only if you want to: it stays with the unit."
    ),
    "keep_pass": Text("Garder le passage", "Keep the round"),
    "choose": Text("Choisissez-en un.", "Choose one."),
    "nothing_added": Text("Écrivez quelque chose, ou joignez un fichier.", "Write something, or add a file."),
    "optional": Text("Si quelqu’un dépose cette demande auprès de vous.", "Where somebody makes this request to you."),
}


def offline() -> list[Definition]:
    """The services that are given without network."""
    return [one for one in catalogue().current() if "mobile" in one.channels and one.channels["mobile"].offline]


def home(lang: str) -> str:
    """The device's own page: its state, the forms, what waits. The script fills what only the device knows."""
    links = "".join(
        f'<li><a href="{PATH}/{one.id}?lang={lang}">{say(lang, one.title)}</a>{say(lang, one.lead)}</li>'
        for one in offline()
    )
    return (
        f'<h1>{say(lang, SAYS["title"])}</h1><p>{say(lang, SAYS["lead"])}</p><noscript><p class="wrong">{say(lang, SAYS["script"])}</p></noscript>'
        f'<div data-field="home"><p class="note" role="status" data-state></p><div data-pack></div>'
        f"<h2>{say(lang, SAYS['queue'])}</h2><p data-count></p><ol data-queue></ol><div data-ways></div><div data-forms hidden>"
        f'<div data-stops hidden><h2>{say(lang, SAYS["stops"])}</h2><p class="small">{say(lang, SAYS["stops_lead"])}</p><ol></ol></div>'
        f"<div data-mine hidden><h2>{say(lang, SAYS['files'])}</h2><ol></ol></div>"
        f'<h2>{say(lang, SAYS["forms"])}</h2><ul class="list">{links}</ul></div></div>'
    )


# What is added to what is there already, by the same renderer: which one the device fills in, and nobody else can.
WHICH = Field("target", "choice", Words(SAYS["which"].fr, SAYS["which"].en))
HOME = Field("target", "choice", Words(SAYS["home"].fr, SAYS["home"].en))
ADDED = Field("text", "long", Words(SAYS["text"].fr, SAYS["text"].en), required=False, max=MAX_WORDS)
WORD = Field("text", "long", Words(SAYS["word"].fr, SAYS["word"].en), required=False, max=MAX_WORD)
ATTACHED = Field("evidence", "files", Words(SAYS["attached"].fr, SAYS["attached"].en), required=False)
ADDING: Mapping[str, tuple[Text, str]] = {"add": (SAYS["add"], "add_lead"), "pass": (SAYS["pass"], "pass_lead")}


def adding(lang: str, kind: str) -> str:
    """A form by which something is added to a file in the officer's pack: words and files, or a round."""
    title, lead = ADDING[kind]
    fields = (WHICH, ADDED, ATTACHED) if kind == "add" else (HOME, WORD)
    asked = "".join(_asked(lang, one) for one in fields)
    if kind == "pass":
        asked += f'<div data-q="where" data-kind="spot" data-when="[]"><div class="q"><h2>{say(lang, SAYS["spot"])}</h2><p class="hint">{say(lang, SAYS["spot_hint"])}</p></div></div>'
    sentences_ = {name: say(lang, SAYS[name]) for name in ("choose", "nothing_added", "report_only")}
    told = "".join(f' data-{name.replace("_", "-")}="{words}"' for name, words in sentences_.items())
    return (
        f'<h1>{say(lang, title)}</h1><p>{say(lang, SAYS[lead])}</p><noscript><p class="wrong">{say(lang, SAYS["script"])}</p></noscript>'
        f'<p class="note" role="status" data-state></p>'
        f'<form autocomplete="off" novalidate hidden data-field="{kind}" data-service="{kind}" data-title-fr="{escape(title.fr)}" data-title-en="{escape(title.en)}" data-ways="[]"{told}>'
        f"<div data-mistakes></div>{asked}<button>{say(lang, SAYS['keep' if kind == 'add' else 'keep_pass'])}</button></form>"
        f'<p><a href="{PATH}?lang={lang}">{say(lang, SAYS["back"])}</a></p>'
    )


def form(lang: str, definition: Definition, book: LawBook) -> str:
    """A service's questions, all on one page, and who stands before the officer."""
    ways = [
        {"when": _conditions(way.when), "say": way.say.en if lang == "en" else way.say.fr} for way in definition.ways
    ]
    first = "".join(_asked(lang, one) for one in definition.questions)
    steps = "".join(
        f"<h2>{say(lang, step.title)}</h2>{''.join(_asked(lang, one) for one in step.fields)}"
        for step in definition.steps
    )
    return (
        f'<h1>{say(lang, definition.title)}</h1><p>{say(lang, definition.lead)}</p><noscript><p class="wrong">{say(lang, SAYS["script"])}</p></noscript>'
        f'<p class="note" role="status" data-state></p>'
        f'<form autocomplete="off" novalidate hidden data-field="form" data-service="{definition.id}" data-version="{definition.version}" '
        f'data-digest="{definition.digest}" data-title-fr="{escape(definition.title.fr)}" data-title-en="{escape(definition.title.en)}" data-ways="{_json(ways)}">'
        f'<div data-mistakes></div>{first}{steps}<div data-who><h2>{say(lang, COUNTER["person"])}</h2><p class="hint">{say(lang, SAYS["optional"])}</p>'
        f"{person_fields(lang, {})}</div><button>{say(lang, SAYS['keep'])}</button></form>"
        f'<p><a href="{PATH}?lang={lang}">{say(lang, SAYS["back"])}</a></p>{notice(lang, definition, book)}'
    )


def _asked(lang: str, field: Field) -> str:
    """A question, with what the page's script must know to ask it only where it is asked, and to say what is wrong."""
    missing, wrong = sentences(field)
    told = {
        "q": field.id, "kind": field.kind, "when": _json(_conditions(field.when)), "missing": say(lang, missing), "wrong": say(lang, wrong),
    }  # fmt: skip
    more = " data-required" * field.required + " data-past" * field.past
    marks = "".join(f' data-{name}="{value}"' for name, value in told.items())
    shown = msgspec.structs.replace(field, autocomplete="")  # what is typed here is never the officer's own
    inner = _files(lang, field) if field.kind == "files" else question(lang, shown, {}, None)
    return f"<div{marks}{more}>{inner}</div>"


def _files(lang: str, field: Field) -> str:
    return (
        f'<div class="q"><label for="{field.id}">{say(lang, field.label)}</label><p class="hint" id="{field.id}-hint">{say(lang, SAYS["photos"])}</p>'
        f'<input type="file" id="{field.id}" multiple aria-describedby="{field.id}-hint"><ul class="files" data-files></ul><p role="status" data-files-state></p><div data-sketch></div></div>'
    )


def _conditions(conditions: tuple[object, ...]) -> list[dict[str, object]]:
    return [msgspec.to_builtins(one) for one in conditions]


def _json(value: object) -> str:
    return escape(msgspec.json.encode(value).decode())
