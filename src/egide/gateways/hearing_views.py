"""What the page of a hearing by video shows, state by state; whole without JavaScript, which adds picture and sound."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from egide.gateways import recording_views
from egide.gateways.chat_page import EXIT, NUMBERS
from egide.gateways.dates import appointment
from egide.gateways.hearing_words import PATH, SCRIPTED, WORDS, w
from egide.gateways.service_words import day
from egide.services.definition import Definition
from egide.services.hearing import MAX_LINE
from egide.services.hearing_sheet import sheets
from egide.services.holding import MAX_WORDS
from egide.services.questions import say

# The person's steps that have a place of their own on this page; any other is a button on the file's.
STEPS = frozenset({"choose", "decline", "acknowledge", "ready", "confirm", "correct"})
SHORT = ' class="short"'  # of a form with a small box
INSTEAD = ("come", "in_person")  # how services call the step to a station
Shown = Mapping[str, Any]
Typed = tuple[str, str]


def exit_bar(lang: str) -> str:
    """The way out, always in view."""
    return (
        f'<p class="exit"><a class="button" href="{EXIT}" data-exit rel="nofollow">{w(lang, "exit")} '
        f'<span class="small">({w(lang, "exit_how")})</span></a></p>'
    )


def content(
    lang: str, definition: Definition, shown: Shown, held: tuple[str, str], zone: ZoneInfo, typed: Typed = ("", "")
) -> str:  # fmt: skip
    """The page of one hearing, as it stands; `typed`: what was written for a step (which, words) that was not taken."""
    state, hearing = str(shown["state"]), shown["hearing"]
    said = say(lang, definition.state(state).say)
    kept = "" if hearing["room"] else recording_views.part(lang, hearing["recording"], zone, over=True)
    return (
        f'{exit_bar(lang)}<h1>{w(lang, "title")}</h1><p class="state" id="state" role="status" data-state="{state}">{said}</p>'
        f"{_when(lang, hearing, zone)}{_part(lang, definition, shown, held, zone, typed)}{kept}{_instead(lang, definition, state)}"
        f'<p><a href="/services/file?lang={lang}">{w(lang, "file")}</a></p>'
    )


def _when(lang: str, hearing: Shown, zone: ZoneInfo) -> str:
    slot, there, found = hearing["slot"], hearing["in_person"], ""
    if slot:
        found = f"<p><strong>{w(lang, 'booked').format(appointment(lang, slot, zone))}</strong></p>"
    if there is not None:
        day_ = appointment(lang, there["at"], zone)
        return f"{found}<p>{w(lang, 'in_person').format(day_, escape(there['place']))}</p>"
    return found + (f"<p>{w(lang, 'in_person_due')}</p>" if hearing["due"] else "")


def _part(
    lang: str, definition: Definition, shown: Shown, held: tuple[str, str], zone: ZoneInfo, typed: Typed
) -> str:  # fmt: skip
    state, hearing = str(shown["state"]), shown["hearing"]
    if hearing["room"]:
        return _room(lang, definition, shown, held, zone, typed)
    match state:
        case "asked" | "allowed":
            return f"<p>{w(lang, 'asked')}</p>"
        case "proposed":
            return _slots(lang, hearing, zone, typed)
        case "booked":
            return _rights(lang, definition)
        case "informed":
            return _alone(lang)
        case _:
            return _statement(lang, shown) if hearing["statement"] else ""


def post(lang: str, do: str, inner: str, *, kind: str = "") -> str:
    """A form of this page."""
    return (
        f'<form method="post" action="{PATH}?lang={lang}" autocomplete="off"{kind}><input type="hidden" name="do" value="{do}">{inner}</form>'
    )  # fmt: skip


def _words(id_: str, label: str, was: str, hint: str = "", most: int = MAX_WORDS) -> str:
    told = f'<p class="hint" id="{id_}-hint">{hint}</p>' if hint else ""
    by = f' aria-describedby="{id_}-hint"' if hint else ""
    return (
        f'<label for="{id_}">{label}</label>{told}<textarea id="{id_}" name="text" required maxlength="{most}" dir="auto" '
        f'autocomplete="off"{by}>\n{escape(was)}</textarea>'
    )


def _was(typed: Typed, do: str) -> str:
    """What was written for this step."""
    return typed[1] if typed[0] == do else ""


def _slots(lang: str, hearing: Shown, zone: ZoneInfo, typed: Typed) -> str:
    picks = "".join(
        f'<label class="pick"><input type="radio" name="slot" value="{escape(one)}" required> <span>{appointment(lang, one, zone)}</span></label>'
        for one in hearing["slots"]
    )
    choose = f'<fieldset><legend>{w(lang, "slots")}</legend><p class="hint">{w(lang, "slots_how")}</p>{picks}</fieldset><button>{w(lang, "choose")}</button>'
    decline = (
        f'{_words("when", w(lang, "when"), _was(typed, "decline"))}<button class="quiet">{w(lang, "send")}</button>'
    )
    opened = " open" * bool(_was(typed, "decline"))
    other = (
        f"<details{opened}><summary>{w(lang, 'none')}</summary>{post(lang, 'decline', decline, kind=SHORT)}</details>"
    )
    return post(lang, "choose", choose) + other


def _rights(lang: str, definition: Definition) -> str:
    assert definition.hearing is not None  # noqa: S101 — a page of hearings alone
    sheet = sheets()[definition.hearing.rights]
    lines = "".join(
        f"<div><dt>{say(lang, one.label)}</dt><dd>{escape(one.en if lang == 'en' else one.fr)}</dd></div>"
        for one in sheet.lines
    )
    sign = w(lang, "sheet").format(sheet.version, f"<code>{sheet.digest[:16]}</code>")
    button = f'<input type="hidden" name="sheet" value="{sheet.digest}"><button>{w(lang, "read_rights")}</button>'
    return (
        f'<h2>{w(lang, "rights")}</h2><dl>{lines}</dl><p class="small">{escape(sheet.article)}<br>{sign}</p>'
        f"{post(lang, 'acknowledge', button)}"
    )


def _alone(lang: str) -> str:
    yes = post(lang, "ready", f"<button>{w(lang, 'alone_yes')}</button>")
    no = post(lang, "alone", f'<button class="quiet">{w(lang, "alone_no")}</button>')
    return f"<h2>{w(lang, 'alone')}</h2><p>{w(lang, 'alone_how')}</p>{yes}{no}"


def not_alone(lang: str, *, told: bool = False) -> str:
    """After a “no”: the numbers, the way out, another way to be reached. Shown once, and found again nowhere."""
    numbers = "".join(
        f'<li><a href="{address}"><strong>{number}</strong>{w(lang, words)}</a></li>'
        for address, number, words in NUMBERS
    )
    call = (
        f'<p class="note" role="status">{w(lang, "told")}</p>'
        if told
        else post(
            lang, "call",
            f'<label for="call">{w(lang, "call")}</label><p class="hint" id="call-hint">{w(lang, "call_how")}</p>'
            f'<input id="call" name="call" maxlength="200" required autocomplete="off" aria-describedby="call-hint"><button class="quiet">{w(lang, "call_do")}</button>',
        )
    )  # fmt: skip
    return (
        f"{exit_bar(lang)}<h1>{w(lang, 'other')}</h1><p>{w(lang, 'other_how')}</p>"
        f'<ul class="numbers" aria-label="{w(lang, "numbers")}">{numbers}</ul>{call}'
    )


def _instead(lang: str, definition: Definition, state: str) -> str:
    """A station instead, on every page for as long as it can be chosen."""
    for one in definition.transitions:
        if one.id in INSTEAD and state in one.origins and "holder" in one.roles:
            button = f'<button class="quiet">{say(lang, one.say)}</button>'
            return f'<section class="instead"><h2>{w(lang, "instead")}</h2><p>{w(lang, "instead_how")}</p>{post(lang, one.id, button)}</section>'
    return ""


# -- the room ------------------------------------------------------------------------------------------------------------------


def _room(
    lang: str, definition: Definition, shown: Shown, held: tuple[str, str], zone: ZoneInfo, typed: Typed
) -> str:  # fmt: skip
    recording = shown["hearing"]["recording"]
    told = recording_views.sign(lang, recording, zone) + recording_views.part(lang, recording, zone, over=False)
    return (
        f'<div class="room"><div>{_call(lang, definition, held)}{told}{_chat(lang, shown, zone, typed)}</div>'
        f"<div>{_statement(lang, shown)}{_correct(lang, shown, typed)}</div></div>"
    )


def _call(lang: str, definition: Definition, held: tuple[str, str]) -> str:
    """Where picture and sound are, once the script has found this place."""
    words = {name: WORDS[name].en if lang == "en" else WORDS[name].fr for name in SCRIPTED}
    told = escape(msgspec.json.encode(words).decode())
    name = definition.id.replace("-", "_")
    return (
        f'<section aria-labelledby="room"><h2 id="room">{w(lang, "room")}</h2>'
        f'<noscript><p class="note">{w(lang, "no_script")}</p></noscript>'
        f'<div id="call" hidden data-act="services.{name}.my_join" data-number="{escape(held[0])}" data-code="{escape(held[1])}" data-words="{told}">'
        f'<p class="state" id="link" role="status"></p><div class="picture" hidden><video id="officer" autoplay playsinline aria-label="{w(lang, "officer_picture")}"></video>'
        f'<video id="own" class="own" autoplay playsinline muted aria-label="{w(lang, "own_picture")}"></video></div><p class="captions" id="captions" aria-live="polite"></p>'
        f'<div class="buttons"><button type="button" id="join">{w(lang, "join")}</button><button type="button" class="quiet" id="mute" hidden>{w(lang, "mute")}</button>'
        f'<button type="button" class="quiet" id="camera" hidden>{w(lang, "camera")}</button><button type="button" class="quiet" id="hang" hidden>{w(lang, "hang")}</button></div></div></section>'
    )


def _chat(lang: str, shown: Shown, zone: ZoneInfo, typed: Typed) -> str:
    lines = "".join(
        f'<li class="{"officer" if one["officer"] else "you"}" data-line="{one["id"]}"><b>{w(lang, "officer" if one["officer"] else "you")}, '
        f"{day(one['at'], zone)[-5:]}</b><bdi>{escape(one['text'])}</bdi></li>"
        for one in shown["hearing"]["lines"]
    )
    box = f'{_words("say", w(lang, "write"), _was(typed, "say"), most=MAX_LINE)}<button class="quiet">{w(lang, "send")}</button>'
    return f'<div id="said" role="log" aria-label="{w(lang, "said")}"><ol>{lines}</ol></div>{post(lang, "say", box, kind=SHORT)}'


def _statement(lang: str, shown: Shown) -> str:
    hearing, state = shown["hearing"], shown["state"]
    text = f"<bdi>{escape(hearing['statement'])}</bdi>" if hearing["statement"] else w(lang, "text_none")
    after = ""
    if state == "read":
        button = (
            f'<input type="hidden" name="statement" value="{hearing["digest"]}"><button>{w(lang, "confirm")}</button>'
        )
        after = f"<p>{w(lang, 'reread')}</p>{post(lang, 'confirm', button)}"
    elif state == "confirmed":
        after = f'<p class="note">{w(lang, "confirmed")}</p>'
    return (
        f'<section aria-labelledby="text"><h2 id="text">{w(lang, "text")}</h2><div id="statement"><div class="text" data-digest="{hearing["digest"]}" dir="auto">'
        f"{text}</div>{after}{_corrections(lang, shown)}</div></section>"
    )


def _corrections(lang: str, shown: Shown) -> str:
    lines = "".join(
        f'<li class="{"you" if one["mine"] else "officer"}"><b>{w(lang, "you" if one["mine"] else "officer")}</b><bdi>{escape(one["text"])}</bdi></li>'
        for one in shown["events"]
        if one["step"] in ("correct", "amend")
    )
    return f"<h3>{w(lang, 'corrections')}</h3><ol>{lines}</ol>" if lines else ""


def _correct(lang: str, shown: Shown, typed: Typed) -> str:
    if shown["state"] not in ("heard", "read", "confirmed"):
        return '<div id="correcting"></div>'
    box = f'{_words("correct", w(lang, "correct"), _was(typed, "correct"), w(lang, "correct_how"))}<button class="quiet">{w(lang, "send")}</button>'
    return f'<div id="correcting">{post(lang, "correct", box, kind=SHORT)}</div>'
