"""What the page of help by chat says, in French and English, and its look and script."""

from __future__ import annotations

from egide.gateways.resident import said
from egide.gateways.service_words import FORMS
from egide.kernel.errors import Text

# In a browser's history neither the address nor the title may tell what this is: "infos" in both languages.
PATH = "/infos"

STYLE = (
    FORMS
    + """
html{scroll-padding-block-start:96px}.exit{position:sticky;inset-block-start:0;z-index:1;margin:0 -16px;padding:8px 16px;background:var(--paper);border-block-end:2px solid var(--line)}
.exit .button{margin:0;background:var(--warn);border-color:var(--warn);color:var(--paper)}main{padding-block-start:0}@media(max-width:480px) and (pointer:coarse){.exit .small{display:none}}
.numbers{list-style:none;margin:16px 0;padding:0;display:grid;grid-template-columns:1fr 1fr;gap:8px}.numbers.few{grid-template-columns:repeat(4,1fr)}.numbers li{margin:0;padding:0;background:none;white-space:normal}
.numbers a{display:block;height:100%;min-height:44px;padding:8px 12px;border:2px solid var(--line);border-radius:6px;text-decoration:none;color:var(--ink);font-size:15px;line-height:1.35}.few a{padding:8px 4px;text-align:center}.numbers strong{display:block;font-size:22px;line-height:1.2;color:var(--go)}.few strong{font-size:18px}
details ul{margin:0 0 12px;padding-inline-start:20px}details li{background:none;padding:2px 0;margin:0;white-space:normal}
.state{border-inline-start:6px solid var(--go);padding:8px 12px;background:var(--soft);font-weight:600}li.house{background:none;text-align:center;font-size:15px;padding:0}"""
)

WORDS: dict[str, Text] = {
    "title": Text("Informations pratiques", "Practical information"),
    "begin": Text("Écrire à un agent", "Write to an officer"),
    "exit": Text("Quitter vite", "Leave quickly"),
    "exit_how": Text("ou trois fois la touche Échap", "or press Escape three times"),
    "police": Text("Police, gendarmerie", "Police"),
    "europe": Text("Urgences en Europe", "Emergencies in Europe"),
    "deaf": Text("Par SMS, sans parler", "By text, without a word"),
    "women": Text("Écoute, violences faites aux femmes", "To be heard: violence against women"),
    "numbers": Text("Numéros à appeler", "Numbers to call"),
    "heading": Text("Parler à quelqu’un, par messages", "Talk to somebody, by messages"),
    "lead": Text(
        "Vous êtes victime ou témoin de violences. Vous écrivez, un agent formé vous répond, le même du début à la fin. On ne vous demande pas votre nom.",
        "You are a victim or a witness of violence. You write, a trained officer answers, the same from beginning to end. You are not asked your name.",
    ),
    "traces": Text("Ne pas laisser de trace sur cet appareil", "Leave no trace on this device"),
    "trace_private": Text(
        "Ouvrez plutôt cette page dans une fenêtre de navigation privée (menu du navigateur), et fermez-la ensuite.",
        "Better open this page in a private window (the browser’s menu), and close it afterwards.",
    ),
    "trace_history": Text(
        "Sinon, effacez de l’historique la dernière heure. N’effacez pas tout : un historique vide se remarque.",
        "Otherwise erase the last hour from the history. Do not erase everything: an empty history is noticed.",
    ),
    "trace_exit": Text(
        "« Quitter vite » ferme cette page, montre un calendrier et efface ce que ce site avait posé dans le navigateur. La conversation reste chez l’agent, pour qu’une aide puisse venir ; vous ne pourrez plus la rouvrir.",
        "“Leave quickly” closes this page, shows a calendar and erases what this site had put into the browser. The conversation stays with the officer, so that help can come; you will not be able to open it again.",
    ),
    "trace_watched": Text(
        "Un logiciel espion peut tout voir. Si vous en craignez un, écrivez depuis l’appareil d’une personne de confiance.",
        "A spying program can see everything. If you fear one, write from the device of somebody you trust.",
    ),
    "text": Text("Écrivez ici, avec vos mots", "Write here, in your own words"),
    "send": Text("Envoyer", "Send"),
    "more": Text("Votre message", "Your message"),
    "refresh": Text("Voir s’il y a une réponse", "Look for an answer"),
    "within": Text(
        "Un agent vous répond dans les 2 minutes. Gardez cette page ouverte.",
        "An officer answers you within 2 minutes. Keep this page open.",
    ),
    "journal": Text(
        "Une panne touche notre registre : l’agent lit déjà vos messages, et ils sont gardés. Vous n’avez rien à faire.",
        "A failure affects our ledger: the officer reads your messages already, and they are kept. There is nothing you need to do.",
    ),
    "talk": Text("Conversation", "Conversation"),
    "you": Text("Vous", "You"),
    "officer": Text("L’agent", "The officer"),
    "joined": Text("Un agent vous répond", "An officer answers you"),
    "keep": Text("Garder cette conversation", "Keep this conversation"),
    "keep_how": Text(
        "Sans cela, tout est effacé à la fin. Si vous la gardez, vous recevez un numéro et un code : notez-les ailleurs que sur cet appareil.",
        "Otherwise everything is erased at the end. If you keep it you get a number and a code: note them elsewhere than on this device.",
    ),
    "keep_do": Text("La garder", "Keep it"),
    "kept": Text(
        "Cette conversation sera gardée sous le numéro {}.", "This conversation will be kept under number {}."
    ),
    "forget": Text("Ne plus la garder", "Keep it no longer"),
    "call": Text("Être rappelé par une unité près de chez vous", "Be called back by a unit near you"),
    "call_do": Text("Demander à être rappelé", "Ask to be called back"),
    "called": Text(
        "Vous avez demandé à être rappelé : l’agent le voit.", "You asked to be called back: the officer sees it."
    ),
    "code_title": Text("Numéro et code", "Number and code"),
    "code_how": Text(
        "Notez-les ailleurs que sur cet appareil : ils ouvrent votre dossier quand la conversation est terminée. Le code ne sera plus montré.",
        "Note them elsewhere than on this device: they open your file once the conversation has ended. The code will not be shown again.",
    ),
    "number": Text("Numéro", "Number"),
    "code": Text("Code", "Code"),
    "back": Text("Revenir à la conversation", "Back to the conversation"),
    "end": Text("Terminer la conversation", "End the conversation"),
    "over": Text("La conversation est terminée", "The conversation has ended"),
    "over_how": Text(
        "Ce qui a été écrit est effacé, sauf ce que vous avez choisi de garder. Vous pouvez écrire de nouveau quand vous voulez.",
        "What was written is erased, except what you chose to keep. You can write again whenever you want.",
    ),
    "lost": Text(
        "Le message n’est pas parti : pas de réseau. Il est encore là, recommencez.",
        "The message was not sent: no network. It is still there, try again.",
    ),
    "notice": Text(
        "Lu par l’agent qui vous répond, pour vous aider (RGPD 6(1)(d), 9(2)(c) ; décret n° 2022-337). Effacé à la fin de la conversation, ou un jour après le dernier message, sauf si vous choisissez de le garder. Vos droits : le délégué à la protection des données du service, puis la CNIL.",
        "Read by the officer who answers you, to help you (GDPR 6(1)(d), 9(2)(c); decree no 2022-337). Erased when the conversation ends, or a day after the last message, unless you choose to keep it. Your rights: the service’s data protection officer, then the CNIL.",
    ),
}

# Without it the page does the same by reloading. Nothing is stored, nothing asked of anybody else.
SCRIPT = """(()=>{const way=document.querySelector('[data-exit]'),main=document.querySelector('main');let escapes=[],busy=false;
const leave=()=>{document.title='…';document.body.replaceChildren();location.replace(way.href)};
document.addEventListener('click',(e)=>{if(e.target.closest('[data-exit]')){e.preventDefault();leave()}});
document.addEventListener('keydown',(e)=>{if(e.key!=='Escape'){escapes=[];return}const now=Date.now();escapes=[...escapes,now].filter((at)=>now-at<2000);if(escapes.length>2)leave()});
addEventListener('pageshow',(e)=>{if(e.persisted){document.body.replaceChildren();location.reload()}});
const read=async(answer)=>new DOMParser().parseFromString(await answer.text(),'text/html').querySelector('main');
const put=(next)=>{main.replaceChildren(...next.childNodes);calm();
const at=main.querySelector('[role=alert]:not([hidden])')??main.querySelector('h1');if(at){at.tabIndex=-1;at.focus()}};
const calm=()=>{const button=document.querySelector('#refresh');if(button)button.hidden=true};
const renew=(next)=>{const said=document.querySelector('#said'),news=next.querySelector('#said');if(!said||!news)return put(next);
const list=said.querySelector('ol');[...news.querySelectorAll('li')].slice(list.children.length).forEach((line)=>list.append(line));
said.dataset.stamp=news.dataset.stamp;for(const id of ['state','choices']){const old=document.getElementById(id),fresh=next.querySelector('#'+id);
if(old&&fresh&&!old.contains(document.activeElement)&&old.textContent!==fresh.textContent)old.replaceChildren(...fresh.childNodes)}
list.lastElementChild?.scrollIntoView({block:'nearest'})};
const look=async()=>{const said=document.querySelector('#said');if(!said||busy||document.hidden)return;try{
const news=await fetch('PATH/news?seen='+encodeURIComponent(said.dataset.stamp),{cache:'no-store'});if(news.status===204||busy)return;
renew(await read(await fetch(location.href,{cache:'no-store'})))}catch{}};
document.addEventListener('submit',async(e)=>{const form=e.target;if(!form.matches('[data-talk]'))return;e.preventDefault();if(busy)return;busy=true;
const body=new URLSearchParams(new FormData(form)),words=form.querySelector('textarea');try{
const answer=await fetch(form.action,{method:'POST',body,cache:'no-store'}),next=await read(answer);
if(answer.ok&&form.matches('[data-more]')){renew(next);if(words){words.value='';words.focus()}}else put(next)}
catch{const lost=document.querySelector('#lost');if(lost){lost.hidden=false}}finally{busy=false}});
calm();setInterval(look,3000)})()""".replace("PATH", PATH)


def w(lang: str, word: str) -> str:
    """One of these words, escaped."""
    return said(lang, WORDS[word])
