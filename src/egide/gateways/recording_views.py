"""What a person sees of the recording of their hearing: words to agree to or not, the sign while it runs, the way to stop it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from egide.gateways.hearing_words import PATH, w
from egide.gateways.service_words import day

Shown = Mapping[str, Any]


def sign(lang: str, recording: Shown | None, zone: ZoneInfo) -> str:
    """Whether this is being recorded, in view and said aloud; the clock beside it is for the eyes."""
    running = recording is not None and recording["running"]
    said = (
        w(lang, "recording_on").format(_hour(recording["since"], zone))
        if recording and running
        else w(lang, "not_recorded")
    )
    on = f' data-on data-since="{escape(recording["since"])}"' if recording and running else ' data-since=""'
    return (
        f'<p id="recorded" class="recorded" role="status"{on}>{said}</p><p id="elapsed" class="elapsed small" aria-hidden="true"></p>'
    )  # fmt: skip


def part(lang: str, recording: Shown | None, zone: ZoneInfo, *, over: bool) -> str:
    """What may be said and done about it now; `over`: the hearing is."""
    if recording is None:
        return '<div id="recording"></div>'
    inner = "" if over else _asked(lang, recording)
    pieces = "".join(_piece(lang, one, zone, over=over) for one in recording["pieces"] if one["kept"])
    level = "h2" if over else "h3"
    inner += f'<{level}>{w(lang, "recordings")}</{level}><ul class="list">{pieces}</ul>' if pieces else ""
    if recording["may_stop"] and (recording["running"] or recording["answer"].startswith("yes") or pieces):
        word = "record_stop" if recording["running"] else "record_back"
        inner += _post(lang, "record_stop", f'<button class="quiet">{w(lang, word)}</button>')
    return f'<div id="recording">{inner}</div>'


def _asked(lang: str, recording: Shown) -> str:
    if recording["answer"] == "no":
        return f"<p>{w(lang, 'record_no')}</p>"
    if recording["answer"]:
        kept = w(lang, "if_kept" if recording["answer"] == "yes, kept" else "if_erased")
        return f"<p>{kept}</p>" if recording["running"] else f"<p>{w(lang, 'record_yes')}</p>"
    return _sheet(lang, recording) if recording["asked"] else ""


def _sheet(lang: str, recording: Shown) -> str:
    """The words, and both answers, neither of them easier to give than the other."""
    lines = "".join(
        f"<div><dt>{escape(one['label'][lang])}</dt><dd>{escape(one[lang])}</dd></div>" for one in recording["lines"]
    )
    words = f'<input type="hidden" name="words" value="{recording["words"]}">'
    picks = "".join(
        f'<label class="pick"><input type="radio" name="keep" value="{value}"{" checked" if not value else ""}> <span>{w(lang, word)}</span></label>'
        for value, word in (("", "pick_erased"), ("yes", "pick_kept"))
    )
    yes = (
        f'<fieldset><legend>{w(lang, "picks")}</legend>{picks}</fieldset>{words}<input type="hidden" name="agree" value="yes">'
        f'<button class="quiet">{w(lang, "record_agree")}</button>'
    )
    hash_ = f"<code>{recording['words'][:16]}</code>"
    no = f'{words}<button class="quiet">{w(lang, "record_refuse")}</button>'
    return (
        f'<section class="asked" aria-labelledby="record-asked"><h3 id="record-asked">{escape(recording["title"][lang])}</h3><dl>{lines}</dl>'
        f'<p class="small">{escape(recording["article"])}<br>{w(lang, "words_hash").format(hash_)}</p>'
        f"{_post(lang, 'record_answer', yes)}{_post(lang, 'record_answer', no)}</section>"
    )


def _piece(lang: str, one: Shown, zone: ZoneInfo, *, over: bool) -> str:
    said = f"{day(one['began'], zone)} – {_hour(one['ended'], zone)}"
    if not over:
        return f"<li>{said}</li>"
    return f'<li>{said} <a href="{PATH}/recordings/{one["id"]}?lang={lang}">{w(lang, "record_copy")}</a></li>'


def _post(lang: str, do: str, inner: str) -> str:
    return (
        f'<form method="post" action="{PATH}?lang={lang}" autocomplete="off"><input type="hidden" name="do" value="{do}">{inner}</form>'
    )  # fmt: skip


def _hour(at: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(at).astimezone(zone):%H:%M:%S}"
