"""What the pages of a hearing by video say, in French and English, and their look. The title tells nothing to who looks over."""

from __future__ import annotations

from egide.gateways.resident import said
from egide.gateways.service_words import FORMS
from egide.kernel.errors import Text

PATH = "/services/file/hearing"

STYLE = (
    FORMS
    + """
html{scroll-padding-block-start:80px}.exit{position:sticky;inset-block-start:0;z-index:2;margin:0 -16px;padding:8px 16px;background:var(--paper);border-block-end:2px solid var(--line)}
.exit .button{margin:0;background:var(--warn);border-color:var(--warn);color:var(--paper)}main{padding-block-start:0}@media(max-width:480px) and (pointer:coarse){.exit .small{display:none}}
h3{font-size:18px;margin:16px 0 4px}.state{border-inline-start:6px solid var(--go);padding:8px 12px;background:var(--soft);font-weight:600}
.instead{border-block:2px solid var(--line);margin:32px 0 0;padding:8px 0 16px}.instead button{margin-block-start:8px}
.picture{position:relative;background:#101613;border-radius:6px;overflow:hidden;aspect-ratio:4/3;margin:16px 0 0}.picture video{display:block;width:100%;height:100%;object-fit:cover}
.picture .own{position:absolute;inset-block-end:8px;inset-inline-end:8px;width:28%;height:auto;aspect-ratio:4/3;border:2px solid #fff;border-radius:6px;background:#000}
.captions{min-height:3em;margin:0;padding:8px 12px;background:#101613;color:#fff;font-size:20px;line-height:1.4;border-radius:0 0 6px 6px}.captions:empty{display:none}
.buttons{display:flex;flex-wrap:wrap;gap:8px}.buttons button{flex:1 1 9rem;width:auto}
.text{white-space:pre-line;overflow-wrap:anywhere;border:2px solid var(--line);border-radius:6px;padding:12px;min-height:6em}
.recorded{font-size:15px;color:var(--line)}.recorded[data-on]{border:2px solid var(--warn);border-inline-start-width:10px;border-radius:6px;padding:8px 12px;color:var(--ink);font-weight:600;font-size:inherit;margin-block-end:0}
.recorded[data-on]::before{content:"";display:inline-block;width:.8em;height:.8em;margin-inline-end:.5em;border-radius:50%;background:var(--warn)}.elapsed{font-variant-numeric:tabular-nums;margin:4px 0 0}.elapsed:empty{display:none}
.asked{border:2px solid var(--line);border-radius:6px;padding:0 16px 16px;margin:16px 0}
.numbers{list-style:none;margin:16px 0;padding:0;display:grid;grid-template-columns:1fr 1fr;gap:8px}.numbers li{margin:0;padding:0;background:none;white-space:normal}
.numbers a{display:block;height:100%;min-height:44px;padding:8px 12px;border:2px solid var(--line);border-radius:6px;text-decoration:none;color:var(--ink);font-size:15px;line-height:1.35}.numbers strong{display:block;font-size:22px;line-height:1.2;color:var(--go)}
@media(min-width:1000px){.wide main,.wide header{max-width:72rem}.room{display:grid;grid-template-columns:1fr 1fr;gap:0 40px;align-items:start}}"""
)

WORDS: dict[str, Text] = {
    "title": Text("Votre rendez-vous", "Your appointment"),
    "exit": Text("Quitter vite", "Leave quickly"),
    "exit_how": Text("un calendrier s’affiche à la place", "a calendar is shown instead"),
    "file": Text("Revenir au dossier", "Back to the file"),
    "instead": Text("Sur place, si vous préférez", "In person, if you would rather"),
    "instead_how": Text(
        "La vidéo n’est jamais obligatoire. Vous n’y perdez rien : tout ce que vous avez dit est gardé.",
        "Video is never an obligation. You lose nothing: everything you have said is kept.",
    ),
    "asked": Text(
        "Un agent va vous proposer des créneaux. Revenez ici avec votre numéro et votre code.",
        "An officer will propose times to you. Come back here with your number and code.",
    ),
    "slots": Text("Quand pouvez-vous parler ?", "When can you talk?"),
    "slots_how": Text("Une vingtaine de minutes, dans un endroit calme.", "About twenty minutes, in a quiet place."),
    "choose": Text("Choisir ce créneau", "Choose this time"),
    "none": Text("Aucun ne me convient", "None of them suits me"),
    "when": Text("Quand pourriez-vous ?", "When could you?"),
    "send": Text("Envoyer", "Send"),
    "booked": Text("Rendez-vous le {}", "Appointment on {}"),
    "rights": Text("Avant de commencer, lisez vos droits", "Before we begin, read your rights"),
    "read_rights": Text("J’ai lu mes droits", "I have read my rights"),
    "sheet": Text(
        "Fiche version {}, empreinte {}. Vous pourrez l’imprimer depuis votre dossier.",
        "Sheet version {}, hash {}. You can print it from your file.",
    ),
    "alone": Text("Êtes-vous seul(e) et en sécurité ?", "Are you alone and safe?"),
    "alone_how": Text(
        "Personne ne doit vous entendre ni vous dicter vos réponses. Répondez quand vous êtes prêt(e), à l’heure du rendez-vous.",
        "Nobody should hear you or tell you what to answer. Answer when you are ready, at the time of the appointment.",
    ),
    "alone_yes": Text("Oui, je suis seul(e) et en sécurité", "Yes, I am alone and safe"),
    "alone_no": Text("Non", "No"),
    "other": Text("Pas maintenant", "Not now"),
    "other_how": Text(
        "L’agent ne vous appellera pas. Si vous êtes en danger, appelez ou envoyez un SMS.",
        "The officer will not call you. If you are in danger, call or send a text.",
    ),
    "numbers": Text("Numéros à appeler", "Numbers to call"),
    "police": Text("Police, gendarmerie", "Police"),
    "europe": Text("Urgences en Europe", "Emergencies in Europe"),
    "deaf": Text("Par SMS, sans parler", "By text, without a word"),
    "women": Text("Écoute, violences faites aux femmes", "To be heard: violence against women"),
    "call": Text("Être rappelé autrement", "Be reached otherwise"),
    "call_how": Text(
        "Un numéro et un moment sûrs. Votre dossier n’en montre rien.",
        "A safe number and time. Your file shows nothing of it.",
    ),
    "call_do": Text("Le dire à l’agent", "Tell the officer"),
    "told": Text("L’agent le sait.", "The officer knows."),
    "room": Text("L’audition", "The hearing"),
    "not_recorded": Text(
        "Ni l’image ni le son ne sont enregistrés : ils vont de votre appareil à celui de l’agent. Seul le texte fait foi.",
        "Neither picture nor sound is recorded: they go from your device to the officer’s. Only the text counts.",
    ),
    "recording_on": Text(
        "Enregistrement en cours depuis {} : votre image et votre voix, et celles de l’agent.",
        "Recording since {}: your picture and voice, and those of the officer.",
    ),
    "record_yes": Text(
        "Vous avez accepté d’être enregistré(e). Rien ne l’est encore.",
        "You have agreed to be recorded. Nothing is being recorded yet.",
    ),
    "record_no": Text(
        "Vous avez refusé : rien n’est enregistré, et l’audition continue.",
        "You have refused: nothing is recorded, and the hearing goes on.",
    ),
    "record_agree": Text("J’accepte l’enregistrement", "I agree to the recording"),
    "record_refuse": Text("Non, n’enregistrez pas", "No, do not record"),
    "record_stop": Text("Arrêter l’enregistrement", "Stop the recording"),
    "record_back": Text("Retirer mon accord à l’enregistrement", "Take back my agreement to the recording"),
    "picks": Text("Si je l’arrête, ce qui a été enregistré est :", "If I stop it, what was recorded is:"),
    "pick_erased": Text("effacé", "erased"),
    "pick_kept": Text("gardé", "kept"),
    "if_erased": Text(
        "Si vous l’arrêtez, ce qui a été enregistré est effacé.", "If you stop it, what was recorded is erased."
    ),
    "if_kept": Text(
        "Si vous l’arrêtez, ce qui a été enregistré est gardé.", "If you stop it, what was recorded is kept."
    ),
    "words_hash": Text(
        "Votre réponse garde l’empreinte de ces mots : {}.", "Your answer keeps the hash of these words: {}."
    ),
    "recordings": Text("Ce qui a été enregistré", "What was recorded"),
    "record_copy": Text("En recevoir copie", "Get a copy of it"),
    "no_script": Text(
        "Sans JavaScript, l’audition se fait par écrit, ici même. Rechargez la page pour voir la suite.",
        "Without JavaScript the hearing is held in writing, right here. Reload the page to see what is new.",
    ),
    "join": Text("Ouvrir ma caméra et mon micro", "Open my camera and microphone"),
    "hang": Text("Couper l’appel", "End the call"),
    "camera": Text("Couper l’image", "Picture off"),
    "camera_on": Text("Remettre l’image", "Picture on"),
    "mute": Text("Couper le micro", "Microphone off"),
    "mute_on": Text("Remettre le micro", "Microphone on"),
    "s_ready": Text("Quand vous êtes prêt(e), ouvrez votre caméra.", "When you are ready, open your camera."),
    "s_waiting": Text("Vous êtes dans la salle. L’agent vous rejoint.", "You are in the room. The officer joins you."),
    "s_up": Text("Vous êtes en ligne avec l’agent.", "You are connected with the officer."),
    "s_lost": Text(
        "L’image et le son sont coupés. Restez là : la liaison reprend d’elle-même. Vous pouvez écrire ci-dessous.",
        "Picture and sound are cut off. Stay here: the link comes back by itself. You can write below.",
    ),
    "s_denied": Text(
        "Votre appareil n’a pas donné la caméra ni le micro. Autorisez-les dans le navigateur, ou continuez par écrit.",
        "Your device did not give the camera or microphone. Allow them in the browser, or go on in writing.",
    ),
    "s_over": Text("L’appel est terminé.", "The call has ended."),
    "officer_picture": Text("L’agent", "The officer"),
    "own_picture": Text("Vous", "You"),
    "write": Text("Écrire à l’agent", "Write to the officer"),
    "said": Text("Messages", "Messages"),
    "you": Text("Vous", "You"),
    "officer": Text("L’agent", "The officer"),
    "text": Text("Ce que l’agent écrit", "What the officer writes"),
    "text_none": Text(
        "Rien encore : le texte apparaît ici à mesure.", "Nothing yet: the text appears here as it is written."
    ),
    "reread": Text(
        "Relisez ce texte. S’il dit bien ce que vous avez dit, confirmez-le. Vous n’avez rien à signer.",
        "Read this text again. If it says what you said, confirm it. You have nothing to sign.",
    ),
    "confirm": Text("C’est bien ce que j’ai dit", "This is what I said"),
    "confirmed": Text(
        "Vous avez confirmé ce texte. L’agent le signe.", "You have confirmed this text. The officer signs it."
    ),
    "correct": Text("Demander une correction", "Ask for a correction"),
    "correct_how": Text("Dites avec vos mots ce qui n’est pas juste.", "Say in your own words what is not right."),
    "corrections": Text("Corrections demandées, et leurs réponses", "Corrections asked for, and the answers"),
    "in_person": Text("Audition sur place : le {}, {}", "Hearing in person: on {}, {}"),
    "in_person_due": Text(
        "Après l’appel, vous serez aussi entendu(e) sur place : la loi le demande.",
        "After the call you will also be heard in person: the law asks for it.",
    ),
    "refresh": Text("Actualiser", "Refresh"),
}

SCRIPTED = ("s_ready", "s_waiting", "s_up", "s_lost", "s_denied", "s_over", "camera", "camera_on", "mute", "mute_on")


def w(lang: str, word: str) -> str:
    """One of these words, escaped."""
    return said(lang, WORDS[word])
