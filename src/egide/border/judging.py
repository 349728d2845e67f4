"""The judging of one attempt: what the room says of token, document and face becomes a word.

The token and the document come first. Where they end it no face is looked at, and none is where no text asks for one. Who is
alike is let pass where the gate's device, if it has one, says that somebody is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from egide.border import presence
from egide.border.control_points import Point
from egide.border.holding import Held
from egide.border.realm import Of
from egide.border.room.messages import Admitted, Compare, Compared
from egide.kernel.act import Ctx
from egide.protocols.wallet.sdjwt import SKEW_S

if TYPE_CHECKING:
    from sqlalchemy import Connection

OFFICER_AT_ONCE = frozenset({"stale", "status", "document"})  # nothing is known against the traveller

Result = Literal["pass", "unsure", "refused", "officer"]


class Word(msgspec.Struct, frozen=True):
    """The word, in one more why, what would help."""

    result: Result
    why: str = ""
    guidance: tuple[str, ...] = ()


def point_of(held: Held) -> Point:
    """Where the control is."""
    assert held.point is not None  # noqa: S101 — opened with one (controls.py), for the type checker
    return held.point


def moving(held: Held) -> bool:
    """Whether movements are asked for at this control."""
    point = point_of(held)
    return point.looks(external=held.external) and point.face is not None and point.face.challenge


async def judged(of: Of, ctx: Ctx, held: Held, frames: tuple[str, ...]) -> Word:
    """The word on what lies in the room; `frames` count where no movements are asked for, else they were watched."""
    point, stopped = point_of(held), before_faces(of, ctx, held)
    if stopped is not None:
        return stopped
    if not point.looks(external=held.external) or point.face is None:
        return Word("pass")
    face = point.face
    answer = await held.room.ask(Compare(() if face.challenge else frames, face.threshold, face.frames, face.challenge))
    if not isinstance(answer, Compared):
        return Word("officer", "unreadable")
    held.challenge = answer.challenge
    if answer.band != "match":
        return Word("unsure", answer.why or answer.band, answer.guidance)
    there = await presence.somebody(ctx.kernel, point, held.kid, external=held.external)
    if there is None:
        return Word("officer", "no-device")
    return Word("pass") if there else Word("unsure", "device")


def before_faces(of: Of, ctx: Ctx, held: Held) -> Word | None:
    """The word where it ends with the token or the document: no face is looked at."""
    admitted, spent = held.admitted, of.tables.spent
    if admitted is None or admitted.why:
        why = admitted.why if admitted is not None else "unreadable"
        return Word("officer" if why in OFFICER_AT_ONCE else "refused", why)
    if held.chip is not None and held.chip.verdict != "proved":
        return Word("officer", "chip")
    if ctx.db.execute(select(spent.c.mark).where(spent.c.mark == admitted.mark)).first() is not None:
        return Word("refused", "replayed")
    return None


def spend(of: Of, connection: Connection, admitted: Admitted, now_us: int) -> bool:
    """Remembers that a token was used, as long as a gate would take it (verify.py); False where that was known already."""
    spent = of.tables.spent
    connection.execute(delete(spent).where(spent.c.until <= now_us))
    try:
        with connection.begin_nested():
            connection.execute(insert(spent), {"mark": admitted.mark, "until": (admitted.until + SKEW_S) * 1_000_000})
    except IntegrityError:
        return False
    return True
