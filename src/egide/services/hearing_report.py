"""What a report says of a hearing by video: the statement, how it was heard, and every incident of the link.

Printed because the law wants it there: that rights were told and confirmed (CPP R2-27, R2-29), and every technical incident that
disturbed the transmission (R53-39 of hearings by video in general). Nothing of it is typed: it is the file's chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from egide.kernel.act import Ctx
from egide.kernel.capability import Words
from egide.kernel.clock import from_us
from egide.kernel.documents import Lang
from egide.services import recording_model
from egide.services.definition import Definition
from egide.services.hearing_model import digest_of, kept, since_asked
from egide.services.hearing_sheet import sheets
from egide.services.model import EventBody, events_of

# What happens to the link by itself: events of the file that take no step.
INCIDENTS: dict[str, Words] = {
    "began": Words("Liaison vidéo établie", "Video link established"),
    "cut": Words("Image et son coupés", "Picture and sound cut off"),
    "resumed": Words("Image et son rétablis", "Picture and sound back"),
    "ended": Words("Liaison vidéo terminée", "Video link ended"),
} | recording_model.HAPPENED
NOTED = INCIDENTS | recording_model.SAID  # every event that takes no step
NOT_RECORDED = Words(
    "Audition par vidéo. L’image et le son n’ont pas été enregistrés.",
    "Hearing by video. Picture and sound were not recorded.",
)
RECORDED = Words(
    "Image et son enregistrés avec l’accord écrit de la personne et de l’agent, du {} au {} ; empreinte {}.",
    "Picture and sound recorded with the written agreement of the person and of the officer, from {} to {}; hash {}.",
)
TAKEN_BACK = Words(
    "Un enregistrement, commencé d’un commun accord le {}, a été arrêté et effacé le {} : la personne a retiré son accord.",
    "A recording, begun with the agreement of both on {}, was stopped and erased on {}: the person took their agreement back.",
)
UNDER_WAY = Words(
    "Image et son sont enregistrés avec l’accord écrit des deux, depuis le {}.",
    "Picture and sound are being recorded with the written agreement of both, since {}.",
)
TOLD = Words(
    "Droits lus par la personne avant l’audition : fiche version {}, empreinte {}.",
    "Rights read by the person before the hearing: sheet version {}, hash {}.",
)
CHECKED = Words("Identité vérifiée par l’agent : {}.", "Identity checked by the officer: {}.")
CONFIRMED = Words(
    "La personne a confirmé que ce texte rapporte fidèlement ses déclarations (empreinte {}). Sa signature n’est pas requise (CPP R2-29).",
    "The person confirmed that this text faithfully reports what they said (hash {}). Their signature is not required (CPP R2-29).",
)
CONFIRMED_STATEMENT = Words(
    "La personne a confirmé que ce texte rapporte fidèlement ce qu’elle a dit (empreinte {}). Aucune signature ne lui est demandée.",
    "The person confirmed that this text faithfully reports what they said (hash {}). No signature is asked of them.",
)
SHORT = 16  # characters of a hash that people compare


def part(ctx: Ctx, row: Any, definition: Definition, lang: Lang) -> dict[str, Any]:
    """What a report of this file says besides; nothing where nobody was heard by video."""
    if definition.hearing is None:
        return {}
    kernel = ctx.kernel
    events, bodies = events_of(kernel, ctx.db, row.id)
    body, done = kept(kernel, ctx.db, row.id), dict(since_asked(definition, events, bodies))
    found: dict[str, Any] = {"statement": body.statement} if body.statement else {}
    if "hear" in done:
        sheet = sheets()[definition.hearing.rights]
        found["notice"] = [
            *_recorded(ctx, events, bodies, lang),
            _say(lang, TOLD).format(sheet.version, done["acknowledge"].digest[:SHORT]),
            _say(lang, CHECKED).format(done["identify"].text),
        ]
        if "confirm" in done:
            words = CONFIRMED_STATEMENT if definition.hearing.rights == "statement" else CONFIRMED
            found["notice"].append(_say(lang, words).format(digest_of(body.statement)[:SHORT]))
    incidents = [
        {"at": _moment(ctx, event.at, msgspec.json.decode(words, type=EventBody).made), "text": _say(lang, INCIDENTS[event.step])}
        for event, words in zip(events, bodies, strict=True)
        if event.step in INCIDENTS
    ]  # fmt: skip
    return found | ({"incidents": incidents} if incidents else {})


def _recorded(ctx: Ctx, events: Sequence[Any], bodies: Sequence[bytes], lang: Lang) -> list[str]:
    """Whether it was recorded, from when to when, and the hash by which the recording is known; from the chain alone."""
    said = [(event, msgspec.json.decode(words, type=EventBody)) for event, words in zip(events, bodies, strict=True)]
    lines = []
    for began, ended, how, chain in recording_model.told(said):
        since, until = _moment(ctx, began.at, ""), _moment(ctx, ended.at, "") if ended is not None else ""
        if ended is None:
            lines.append(_say(lang, UNDER_WAY).format(since))
        elif how == recording_model.WITHDRAW_ERASE:
            lines.append(_say(lang, TAKEN_BACK).format(since, until))
        else:
            lines.append(_say(lang, RECORDED).format(since, until, chain))
    return lines or [_say(lang, NOT_RECORDED)]


def _say(lang: Lang, words: Words) -> str:
    return words.en if lang == "en" else words.fr


def _moment(ctx: Ctx, at: int, truly: str) -> str:
    """Day and time to the second, as the clock on the wall says it."""
    moment = datetime.fromisoformat(truly) if truly else from_us(at)
    return f"{moment.astimezone(ctx.kernel.book.zone):%d/%m/%Y, %H:%M:%S}"
