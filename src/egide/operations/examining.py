"""Checking an address before it becomes a source: what `egide source check` says, by an act and within bounds.

Who may ask is who may add a source, and the answer tells no more than the card of a source added there would: the sentences of
media/remarks.py, the address without its secrets, nothing of what was received. Files are left out, as no camera is one; a look
lasts `PATIENCE_S` at most and `AT_ONCE` run, so that the door is a poor scanner, and each look is in the ledger under a name.
"""

from __future__ import annotations

import asyncio

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Input, Receipt, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.operations.media.errors import source_error
from egide.operations.media.examine import Measured, kind_of, measure, shown
from egide.operations.media.remarks import judge, verdict

KINDS = ("udp", "tcp", "rtsp", "srt", "rtmp", "onvif")
SECONDS = 3.0  # s of pictures looked at
PATIENCE_S = 30.0  # s a look may take in all: an ONVIF camera is asked four things before its stream is opened
AT_ONCE = 2  # looks of one process: each is a thread, and for SRT and RTMP a program
MAX_ADDRESS = 2_000  # characters
VERDICTS = ("fine", "remarks", "unusable")


class Examine(Input):
    """An address as it would be written in a new source."""

    url: str


class Examined(msgspec.Struct):
    """What is to be said of it: `verdict` is fine, remarks or unusable; each remark what it is and what to do."""

    address: str
    verdict: str
    remarks: list[dict[str, str]]


@act(
    "operations.source.examine", verb="view", activity="operations-means", roles=["command", "administrator"], duty=True,
    input=Examine, output=Examined, fr="Vérifier une adresse vidéo avant de l’ajouter", en="Check a video address before adding it",
)  # fmt: skip
def examine_address(ctx: Ctx, given: Examine) -> Effect:
    kind = kind_of(given.url)
    if kind not in KINDS or len(given.url) > MAX_ADDRESS:
        raise BadInput(
            Text("Ce n’est pas l’adresse d’une caméra.", "This is not the address of a camera."),
            Text(f"Elle commence par {_schemes('ou')}.", f"It begins with {_schemes('or')}."),
        )
    running: set[asyncio.Task[Measured]] = ctx.kernel.things.setdefault("examining", set())
    told = Examined(shown(given.url), "", [])

    async def look(_receipt: Receipt) -> None:
        if len(running) >= AT_ONCE:
            raise Conflict(
                Text("D’autres adresses sont en cours de vérification.", "Other addresses are being checked."),
                Text("Recommencez dans une demi-minute.", "Try again in half a minute."),
            )
        task = asyncio.create_task(asyncio.to_thread(measure, given.url, SECONDS))
        running.add(task)
        task.add_done_callback(running.discard)  # a thread cannot be ended: it keeps its place until it ends by itself
        await asyncio.wait({task}, timeout=PATIENCE_S)
        found = task.result() if task.done() else Measured(told.address, kind, error=source_error("silent"))
        said = judge(found)
        told.verdict = VERDICTS[verdict(said)]
        told.remarks = [
            {
                "code": each.code,
                "mark": each.mark,
                "fr": each.fr,
                "en": each.en,
                "do_fr": each.do_fr,
                "do_en": each.do_en,
            }
            for each in said
        ]

    return Effect(told, after=look)


def _schemes(last: str) -> str:
    *first, end = (f"{kind}://" for kind in KINDS)
    return f"{', '.join(first)} {last} {end}"


ACTS: tuple[Act, ...] = (examine_address,)
