"""What the pages of services say, in French and English, and the pieces they are put together from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from egide.gateways.resident import STYLE, said
from egide.kernel.errors import Text
from egide.kernel.law import LawBook
from egide.services.definition import CHANNELS, Definition, Field
from egide.services.questions import say, told

PATH = "/services"
AGAIN = "&amp;check=1"  # in the address of a page that is changed once more: it leads back to the last look

FORMS = (
    STYLE
    + """
main{padding-block-end:64px}.q{margin:24px 0}fieldset{border:0;padding:0;margin:0;min-width:0}.q.bad{border-inline-start:6px solid var(--warn);padding-inline-start:12px}legend{font-weight:600;padding:0}
.hint,.quiet{color:var(--line);font-weight:400}.hint{margin:0 0 8px}.mistake{color:var(--warn);font-weight:600;margin:0 0 8px}
.pick{display:flex;gap:12px;align-items:center;min-height:48px;font-weight:400;margin:4px 0}.pick input,.part input{flex:none}.pick input{width:24px;height:24px;margin:0}
.parts{display:flex;gap:8px 12px;flex-wrap:wrap}.part{margin:0;font-weight:400}.part input{display:block;width:auto;padding-inline:8px}.narrow{width:12rem;max-width:100%}
.wrong h2{margin:0 0 8px}.wrong ul{margin:0;padding-inline-start:20px}.wrong li,.list li{background:none;padding:2px 0;margin:0}.list{list-style:none;padding:0}.list a{display:block;font-weight:600;padding:8px 0 0}
dl{margin:0}dl div{border-block-end:1px solid var(--line);padding:10px 0}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}dd a{display:inline-block;padding:11px 0}
.files{list-style:none;padding:0;margin:8px 0}.files li{display:flex;flex-wrap:wrap;gap:8px 12px;align-items:center}.files progress{width:100%}.files button{width:auto;min-height:44px;margin:0;padding:4px 14px}
input[type=file]{padding:12px;min-height:52px}.qr svg{display:block;max-width:100%;height:auto;border:2px solid var(--line)}
summary{min-height:44px;padding:10px 0;font-weight:600;cursor:pointer}details{border-block-end:1px solid var(--line)}details[open]{padding-block-end:16px}
.back{text-decoration-thickness:1px}.back::before{content:"";display:inline-block;width:8px;height:8px;margin-inline-end:8px;border:solid;border-width:0 0 2px 2px;transform:rotate(45deg)}
.panel{background:var(--go);color:var(--on);padding:24px 16px;border-radius:6px;text-align:center}.panel h1{font-size:32px;margin:0 0 16px}.panel p{margin:8px 0}
@media(min-width:40em){.change{display:grid;grid-template-columns:2fr 3fr auto;gap:4px 16px}.change dd:last-child a{padding:0}}
.first{position:absolute;inset-inline-start:-99rem;width:1px;min-height:0;height:1px}
.note{border-inline-start:6px solid var(--go);background:var(--soft);padding:8px 12px}.code{font:600 20px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}.late{color:var(--warn);font-weight:600}"""
)

WORDS: dict[str, Text] = {
    "services": Text("Vos démarches", "Services"),
    "follow": Text("Suivre un dossier", "Follow a file"),
    "danger": Text(
        "En danger immédiat, appelez le 17 ou le 112. Sourd ou malentendant : SMS au 114.",
        "In immediate danger, call 17 or 112. Deaf or hard of hearing: text 114.",
    ),
    "next": Text("Continuer", "Continue"),
    "back": Text("Retour", "Back"),
    "step": Text("Page {} sur {}", "Page {} of {}"),
    "check": Text("Relire avant d’envoyer", "Check before you send"),
    "change": Text("Modifier", "Change"),
    "send": Text("Envoyer", "Send"),
    "identify": Text("S’identifier", "Identify yourself"),
    "as": Text("Identifié : {}", "Identified as {}"),
    "why_identity": Text(
        "Cette démarche demande de savoir qui vous êtes. Vos réponses sont gardées.",
        "This request needs to know who you are. Your answers are kept.",
    ),
    "no_account": Text(
        "Sans compte : venez au guichet avec une pièce d’identité. Un agent y reprendra votre demande.",
        "Without an account: come to the counter with an identity document. An officer will take down your request.",
    ),
    "too_low": Text(
        "Vous êtes identifié, mais cela ne suffit pas ici : c’est {}, et cette démarche demande {}.",
        "You are identified, but that is not enough here: it is {}, and this request asks for {}.",
    ),
    "provider_off": Text(
        "L’identification en ligne n’est pas en service ici.", "Identification online is not in service here."
    ),
    "received": Text("C’est envoyé", "It is sent"),
    "number": Text("Numéro", "Number"),
    "number_hint": Text("Par exemple PL-2026-000123.", "For example PL-2026-000123."),
    "code": Text("Code", "Code"),
    "keep": Text(
        "Gardez ce numéro et ce code : ils ouvrent votre dossier, sans compte. Le code ne sera plus montré.",
        "Keep this number and this code: they open your file, without an account. The code will not be shown again.",
    ),
    "open": Text("Ouvrir le dossier", "Open the file"),
    "where": Text("Où en est-on", "Where it stands"),
    "due": Text("Prochaine étape au plus tard le {}", "Next step by {} at the latest"),
    "late": Text(
        "C’est en retard : la prochaine étape était due le {}. Le service le voit aussi.",
        "This is late: the next step was due by {}. The service sees it too.",
    ),
    "events": Text("Ce qui s’est passé", "What happened"),
    "you": Text("Vous", "You"),
    "officer": Text("Un agent", "An officer"),
    "answers": Text("Ce que vous avez déclaré", "What you declared"),
    "words": Text("Vos mots", "Your words"),
    "files": Text("Vos fichiers", "Your files"),
    "choose": Text("Choisir des fichiers", "Choose files"),
    "add_files": Text("Ajouter des fichiers", "Add files"),
    "send_files": Text("Envoyer ces fichiers", "Send these files"),
    "drop": Text("Retirer {}", "Take back {}"),
    "files_hint": Text(
        "Photos, vidéos, sons, PDF, textes : 512 Mio par fichier, 20 fichiers.",
        "Photos, videos, sounds, PDF, texts: 512 MiB a file, 20 files.",
    ),
    "open_file": Text("Ouvrir", "Open"),
    "documents": Text("Vos documents", "Your documents"),
    "document": Text("{} (PDF, cachet {})", "{} (PDF, seal {})"),
    "proof": Text(
        "À montrer à qui demande une preuve : ce code dit que le récépissé est authentique, sans dire à qui il est.",
        "To show to whoever asks for proof: this code says that the receipt is genuine, not whose it is.",
    ),
    "verify": Text("Vérifier le récépissé", "Verify the receipt"),
    "rights": Text("Vos droits sur ce dossier", "Your rights on this file"),
    "final": Text(
        "Après cela, plus rien ne se fait dans ce dossier. On peut toujours en ouvrir un autre.",
        "After this nothing more is done in this file. You can always open another one.",
    ),
    "leave": Text("Fermer ce dossier sur cet appareil", "Close this file on this device"),
    "who_reads": Text("Qui décide : {}", "Who decides: {}"),
    "lead_time": Text("Délai : {}", "Time it takes: {}"),
    "elsewhere": Text("Par quelle voie", "Which ways there are"),
    "remote": Text("En ligne", "Online"),
    "counter": Text("Au guichet", "At the counter"),
    "mobile": Text("Auprès d’un agent, sur place", "With an officer, on the spot"),
    "not_here": Text("Ce service ne se rend pas en ligne.", "This service is not given online."),
    "go_on": Text("Continuer dans « {} », réponses gardées", "Go on in “{}”, answers kept"),
    "start_over": Text("Revoir mes réponses", "Look at my answers again"),
    "notice": Text(
        "Lu par les agents du service pour cette démarche ({}). Un brouillon est effacé après 30 jours. Vos droits : le délégué à la protection des données du service, puis la CNIL.",
        "Read by the service’s officers for this request ({}). A draft is erased after 30 days. Your rights: the service’s data protection officer, then the CNIL.",
    ),
    "yes": Text("Oui", "Yes"),
    "model": Text("Modèle à valider par l’exploitant.", "A model, to be validated by its operator."),
}


def w(lang: str, word: str) -> str:
    """One of these words, escaped."""
    return said(lang, WORDS[word])


def danger(lang: str) -> str:
    """The numbers to call first."""
    words = w(lang, "danger").replace("17", '<a href="tel:17">17</a>', 1).replace("112", '<a href="tel:112">112</a>', 1)
    return f'<p class="danger">{words.replace("114", "<a href=sms:114>114</a>", 1)}</p>'


def back(lang: str, to: str) -> str:
    """The way back, on top of the page as people look for it."""
    return f'<p><a class="back" href="{to}?lang={lang}">{w(lang, "back")}</a></p>'


def notice(lang: str, definition: Definition, book: LawBook) -> str:
    """Who reads it, under which text, how long (GDPR 13)."""
    basis = said(lang, book.in_words(definition.text, definition.article))
    return f'<p class="small">{w(lang, "notice").format(basis)} {w(lang, "model")}</p>'


def channels(lang: str, definition: Definition) -> str:
    """Every way to the service; where there is none, which article says so."""
    lines = ""
    for channel in CHANNELS:
        absence = definition.absence(channel)
        how = w(lang, "yes") if absence is None else f"{say(lang, absence.say)} ({escape(absence.article)})"
        lines += f"<div><dt>{w(lang, channel)}</dt><dd>{how}</dd></div>"
    return f"<h2>{w(lang, 'elsewhere')}</h2><dl>{lines}</dl>"


def row(
    lang: str, definition: Definition, field: Field, answers: Mapping[str, Any], bad: Mapping[str, Text] | None
) -> str:
    """One answer in a list; with `bad`, a link that changes it and what is wrong with it."""
    change = mark = ""
    if bad is not None:
        where = next((f"/{step.id}" for step in definition.steps if field in step.fields), "")
        label = say(lang, field.label)
        change = f'<dd><a href="{PATH}/{definition.id}{where}?lang={lang}{AGAIN}#{field.id}" aria-label="{w(lang, "change")} : {label}">{w(lang, "change")}</a></dd>'
        mark = f'<p class="mistake" id="{field.id}">{said(lang, bad[field.id])}</p>' if field.id in bad else ""
    kind = ' class="change"' if change else ""
    return f"<div{kind}><dt>{say(lang, field.label)}</dt><dd>{told(lang, field, answers.get(field.id))}{mark}</dd>{change}</div>"


def day(at: str, zone: ZoneInfo) -> str:
    """Day and hour as the calendar and the clock on the wall say them."""
    return datetime.fromisoformat(at).astimezone(zone).strftime("%d/%m/%Y %H:%M")
