"""Recordings: listed with their seal, opened only where L242-4 allows, gone when their time has come."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import from_us, iso, to_us
from egide.kernel.errors import NotFound, Text
from egide.kernel.law import add_duration
from egide.kernel.retention import erase_at, seal_state
from egide.operations import tables
from egide.operations.archive import CATEGORY, TYPES, form_of, segments
from egide.operations.facts import one, source_row


class RecordingList(msgspec.Struct):
    """Every recording there is, and those that are gone."""

    recordings: list[dict[str, Any]]


class OpenRecording(Input):
    """Open a recording: why, and the reference of the judicial request where there is one."""

    recording: str
    motive: str = ""
    judicial_reference: str | None = None


class Opened(msgspec.Struct):
    """Where the clear recording can be fetched once, within a minute, by the same person."""

    url: str


def _row(ctx: Ctx, id_: str) -> Any:
    return one(ctx, tables.recording, id_, "Cet enregistrement n’existe pas.", "This recording does not exist.")


@act(
    "operations.recordings.list", verb="view", activity="operations-means", roles=["officer", "command", "pilot", "magistrate", "dpo"], duty=True,
    output=RecordingList, fr="Voir la liste des enregistrements", en="See the list of recordings",
)  # fmt: skip
def list_recordings(ctx: Ctx, _given: Nothing) -> Effect:
    shown = []
    for row in ctx.db.execute(select(tables.recording).order_by(tables.recording.c.started.desc()).limit(200)):
        seal, held = seal_state(ctx.kernel, ctx.db, CATEGORY, row.id)
        state = "erased" if row.erased or seal == "expired" else "sealed" if row.ended else "recording"
        gone = erase_at(ctx.kernel, CATEGORY, row.ended) if row.ended else None
        shown.append(
            {
                "id": row.id, "source": row.source, "source_name": source_row(ctx, row.source).name, "started": iso(row.started),
                "ended": iso(row.ended) if row.ended else None, "bytes": row.bytes, "state": state, "held": held,
                "sealed_until": iso(gone) if gone else None, "erase_at": iso(gone) if gone else None, "codec": row.codec, "chain": row.chain,
            }
        )  # fmt: skip
    return Effect(RecordingList(shown))


def _facts(ctx: Ctx, given: OpenRecording) -> Facts:
    row = _row(ctx, given.recording)
    deployment = one(ctx, tables.deployment, row.deployment, "Vol inconnu.", "Unknown flight.")
    seal, held = seal_state(ctx.kernel, ctx.db, CATEGORY, row.id)
    tags = set(source_row(ctx, row.source).tags.split())
    expired = False
    if deployment.home_interior is not None and row.ended is not None:
        limit = ctx.kernel.book.duration("csi-l242.home_interior", from_us(row.ended))
        expired = ctx.now_us > to_us(add_duration(from_us(row.ended), limit))
    return {
        "seal_state": seal,
        # Only a magistrate may bring a judicial request, and it must have a reference (code de procédure pénale, article 40).
        "judicial_request": bool((given.judicial_reference or "").strip()) and "magistrate" in ctx.principal.roles,
        "procedure_hold": held,
        "home_interior_expired": expired,
        "off_board_face_recognition": "off-board-face-recognition" in tags,
        "interconnection": "interconnection" in tags,
    }


@act(
    "operations.recording.open", verb="disclose", activity="aerial-surveillance", roles=["officer", "command", "pilot", "magistrate", "dpo"],
    groups=["aerial-recording"], gather=_facts, recheck=_facts, input=OpenRecording, output=Opened,
    fr="Ouvrir un enregistrement", en="Open a recording",
)  # fmt: skip
def open_recording(ctx: Ctx, given: OpenRecording) -> Effect:
    row = _row(ctx, given.recording)
    if row.erased is not None:
        raise NotFound(Text("Cet enregistrement a été effacé.", "This recording was erased."))
    kernel, form = ctx.kernel, form_of(ctx.kernel, row.id)
    url = kernel.downloads.offer(
        ctx.principal.id, ctx.now_us, f"{row.id}.{form}", TYPES[form], lambda: segments(kernel, row.id)
    )
    deployment = one(ctx, tables.deployment, row.deployment, "Vol inconnu.", "Unknown flight.")
    return Effect(Opened(url), order=deployment.order_id, events=[("recording.opened", {"recording": row.id})])


ACTS: tuple[Act, ...] = (list_recordings, open_recording)
