"""What has been agreed about recording a hearing, as the file's chain tells it, and what each side and the report see of it.

Every word of it is an event of the chain: who asked, who agreed to which words, when it began and stopped, the hash of what was
recorded. An agreement ends with the hearing, with either's stop, and with the words it was given to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from egide.kernel.act import Ctx
from egide.kernel.capability import Words
from egide.kernel.clock import iso
from egide.services import recording_sheet, recording_store
from egide.services.definition import Definition
from egide.services.hearing_sheet import Right
from egide.services.model import EventBody

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

ASK, AGREE, AGREE_KEPT, REFUSE = "record_ask", "record_agree", "record_agree_kept", "record_refuse"
BEGIN, STOP, CUT, OVER = "record_begin", "record_stop", "record_cut", "record_over"
WITHDRAW, WITHDRAW_ERASE = "record_withdraw", "record_withdraw_erase"
ENDS = (STOP, WITHDRAW, WITHDRAW_ERASE, CUT, OVER)
# After these, whoever wants to record asks anew; a cut is nobody's word, and the agreement outlives it.
UNDONE = (REFUSE, STOP, WITHDRAW, WITHDRAW_ERASE, OVER)
# What is said and done about it: events of the file that take no step.
SAID: dict[str, Words] = {
    ASK: Words("Enregistrement proposé", "Recording proposed"),
    AGREE: Words("Enregistrement accepté ; effacé si arrêté", "Recording agreed to; erased if stopped"),
    AGREE_KEPT: Words("Enregistrement accepté ; gardé si arrêté", "Recording agreed to; kept if stopped"),
    REFUSE: Words("Enregistrement refusé", "Recording refused"),
    BEGIN: Words("Enregistrement accepté par l’agent et commencé", "Recording agreed to by the officer and begun"),
    STOP: Words("Enregistrement arrêté", "Recording stopped"),
    WITHDRAW: Words("Accord retiré : enregistrement arrêté", "Agreement taken back: recording stopped"),
    WITHDRAW_ERASE: Words(
        "Accord retiré : enregistrement arrêté et effacé", "Agreement taken back: recording stopped and erased"
    ),
}
# What happens to it by itself: incidents, as those of the link are.
HAPPENED: dict[str, Words] = {
    CUT: Words("Enregistrement interrompu", "Recording interrupted"),
    OVER: Words("Enregistrement terminé avec l’audition", "Recording ended with the hearing"),
}
Done = Sequence[tuple[str, EventBody]]


class Piece(msgspec.Struct):
    """One recording: from when to when, how it ended, its hash. `kept`: it can still be watched."""

    id: str
    began: str
    ended: str
    how: str
    bytes: int
    chain: str
    kept: bool


class RecordingShown(msgspec.Struct):
    """How recording stands. `lines`: what is agreed to, `words`: its hash; `answer`: "", "yes", "yes, kept", "no".

    `running`: its id; `may_stop`: the person may take their agreement back.
    """

    allowed: bool
    title: Words
    article: str
    lines: tuple[Right, ...]
    words: str
    asked: bool
    answer: str
    running: str
    since: str
    may_stop: bool
    pieces: list[Piece]


def standing(done: Done) -> tuple[bool, str, str]:
    """(somebody asked, the person's last answer, the hash of the words it was given to), of what was not undone since."""
    asked, answer, words = False, "", ""
    for step, body in done:
        if step == ASK:
            asked, answer, words = True, "", ""
        elif step in (AGREE, AGREE_KEPT):
            answer, words = step, body.digest
        elif step in UNDONE:
            asked, answer, words = False, REFUSE if step == REFUSE else "", ""
    return asked, answer, words


def agreement(steps: Iterable[str]) -> str:
    """What the person agreed to and has not taken back, by its step; "" where there is nothing to take back.

    It outlives the officer's stop and the appointment: what was recorded under it is still there.
    """
    given = ""
    for step in steps:
        if step in (AGREE, AGREE_KEPT):
            given = step
        elif step in (REFUSE, WITHDRAW, WITHDRAW_ERASE):
            given = ""
    return given


def shown(ctx: Ctx, row: Any, definition: Definition, steps: Iterable[str], done: Done) -> RecordingShown | None:
    """How it stands, for either side, by the file's steps and by what was `done` since an appointment was asked for.

    None where nothing may be recorded and nothing was.
    """
    kernel, pieces = ctx.kernel, recording_store.of_file(ctx.db, row.id)
    allowed = recording_sheet.allowed(kernel, definition)
    if not allowed and not pieces:
        return None
    asked, answer, words = standing(done)
    sheet = recording_sheet.sheet(kernel, definition)
    now = sheet.digest
    under_way = next((one for one in pieces if one.ended is None), None)
    may_stop = row.closed is None and agreement(steps) != "" and (answer in (AGREE, AGREE_KEPT) or bool(pieces))
    said = {AGREE: "yes", AGREE_KEPT: "yes, kept", REFUSE: "no"}.get(answer, "")
    return RecordingShown(
        allowed, sheet.title, sheet.article, sheet.lines, now, asked, said if words in ("", now) else "", under_way.id if under_way else "",
        iso(under_way.began) if under_way else "", may_stop, [_piece(kernel, ctx, one) for one in pieces if one.ended is not None],
    )  # fmt: skip


def _piece(kernel: Kernel, ctx: Ctx, row: Any) -> Piece:
    kept = recording_store.kept(kernel, ctx.db, row)
    return Piece(row.id, iso(row.began), iso(row.ended), row.how, int(row.bytes), row.chain, kept)


def told(events: Iterable[tuple[Any, EventBody]]) -> list[tuple[Any, Any, str, str]]:
    """(beginning, end, how it ended, the hash of what was recorded) of each recording, from the chain alone; `end` is None of the
    one that is under way, and of what was taken back and erased the moment of that.
    """  # fmt: skip
    found: list[tuple[Any, Any, str, str]] = []
    for event, body in events:
        if event.step == BEGIN:
            found.append((event, None, "", ""))
        elif event.step in ENDS and found and found[-1][1] is None:
            found[-1] = (found[-1][0], event, event.step, body.digest)
        if event.step == WITHDRAW_ERASE:  # what was recorded before a cut goes with it
            found = [(began, event, event.step, chain) for began, _ended, _how, chain in found]
    return found
