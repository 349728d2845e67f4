"""Video sources, and receivers of what aircraft signal: added, removed, looked at, and how each is reached.

An address may hold a pass word: it is sealed in the row, and opened where a source is started or looked at.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, update

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import new_id
from egide.operations import tables
from egide.operations.facts import source_row
from egide.operations.media.errors import SourceError
from egide.operations.media.source import SourceSpec
from egide.operations.relay import relay, words
from egide.operations.telemetry import RECEIVER, mavlink_of, receiver_address

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

KINDS = ("file", "udp", "rtsp", "tcp", "srt", "rtmp", "onvif", RECEIVER)
SERVICES = ("police", "gendarmerie", "army", "customs", "municipal", "fire", "other")
TAGS = ("face-recognition", "off-board-face-recognition", "interconnection", "permanent", "sensitive-selection", "loop")


class NewSource(Input):
    """A source: one line of configuration. `url` is a path, or udp, tcp, rtsp, srt, rtmp, onvif://…; lat, lon the take-off place.

    The tag `mavlink:PORT` or `mavlink:PORT:SYSTEM` tells where its autopilot speaks; the kind `remoteid` is no camera but a
    receiver of what aircraft signal of themselves (`udp://host:port`).
    """

    name: str
    kind: str
    url: str
    aerial: bool = True
    aircraft: str = ""
    pilot: str = ""
    service: str = "police"
    tags: list[str] = []
    lat: float | None = None
    lon: float | None = None


class Id(msgspec.Struct):
    """The id of what was made."""

    id: str


class SourceRef(Input):
    """A source."""

    source: str


class Checked(msgspec.Struct):
    """What a source showed when looked at."""

    state: str
    detail: dict[str, str] | None
    has_audio: bool
    has_klv: bool
    codec: str
    refused: dict[str, int] = {}
    """Positions refused, by fault: off-earth, future, jump, damaged, too-fast, unreadable."""


def spec_of(kernel: Kernel, row: Any) -> SourceSpec:
    """How to reach a source; its address is sealed, because it may hold a password."""
    url = kernel.vault.open_(f"source:{row.id}", "sources", bytes(row.url), row.id.encode()).decode()
    tags = row.tags.split()
    return SourceSpec(row.id, row.kind, url, "loop" in tags, _secret(kernel), mavlink_of(tags))


def _secret(kernel: Kernel) -> bytes:
    """What the processes of this installation on this machine know, and nobody else: they share UDP ports by it."""
    with suppress(OSError):
        return hashlib.sha256(b"egide udp\0" + (kernel.settings.folder / "operator.token").read_bytes()).digest()
    return b""


async def look(ctx: Ctx, given: Any) -> None:
    """Probes the source before the law is asked: sound, telemetry, what it is."""
    row = source_row(ctx, given.source)
    if row.kind != RECEIVER:
        await relay(ctx.kernel).look(spec_of(ctx.kernel, row))


@act(
    "operations.source.add", verb="administer", activity="operations-means", roles=["command", "administrator"], duty=True,
    input=NewSource, output=Id, fr="Ajouter une source vidéo", en="Add a video source",
)  # fmt: skip
def add_source(ctx: Ctx, given: NewSource) -> Effect:
    unknown = [tag for tag in given.tags if tag not in TAGS and not _autopilot(tag)]
    if given.kind not in KINDS or given.service not in SERVICES or unknown:
        raise BadInput(
            Text("Type, service ou étiquette de source inconnu.", "Unknown kind, service or tag of source."),
            Text(
                f"Types : {', '.join(KINDS)} ; étiquettes : {', '.join(TAGS)}, mavlink:PORT[:SYSTÈME].",
                f"Kinds: {', '.join(KINDS)}; tags: {', '.join(TAGS)}, mavlink:PORT[:SYSTEM].",
            ),
        )
    if not given.aerial:
        raise BadInput(
            Text(
                "Aucun texte n’est encore encodé pour une caméra au sol : elle reste fermée.",
                "No text is encoded yet for a camera on the ground: it stays closed.",
            ),
            Text("Déclarez une caméra aéroportée.", "Declare an airborne camera."),
        )
    id_ = new_id()
    vault = ctx.kernel.vault
    row = {
        "id": id_, "name": given.name.strip()[:200] or given.kind, "kind": given.kind, "aerial": given.aerial,
        "url": vault.seal(f"source:{id_}", "sources", given.url.encode(), id_.encode()), "aircraft": given.aircraft[:120],
        "pilot": vault.seal(f"source:{id_}", "sources", given.pilot.encode(), id_.encode()), "service": given.service,
        "tags": " ".join(given.tags), "lat": given.lat, "lon": given.lon, "removed": None,
    }  # fmt: skip
    if given.kind == RECEIVER:
        _receiver_or_refuse(given.url)

    return Effect(Id(id_), rows=[(tables.source, row)], events=[("source.changed", {"source": id_})])


def _autopilot(tag: str) -> bool:
    try:
        return mavlink_of([tag]) is not None
    except ValueError:
        return False


def _receiver_or_refuse(url: str) -> None:
    try:
        receiver_address(url)
    except SourceError as error:
        raise BadInput(
            Text("Ce n’est pas l’adresse d’un récepteur.", "This is not the address of a receiver."),
            Text("Écrivez udp://hôte:port.", "Write udp://host:port."),
        ) from error


@act(
    "operations.source.remove", verb="administer", activity="operations-means", roles=["command", "administrator"], duty=True,
    input=SourceRef, fr="Retirer une source vidéo", en="Remove a video source",
)  # fmt: skip
def remove_source(ctx: Ctx, given: SourceRef) -> Effect:
    row = source_row(ctx, given.source)
    if relay(ctx.kernel).state(row.id).deployment is not None:
        raise Conflict(
            Text("Cette source est en service.", "This source is in service."),
            Text("Arrêtez-la d’abord.", "Stop it first."),
        )

    def apply(connection: Connection) -> None:
        connection.execute(update(tables.source).where(tables.source.c.id == row.id).values(removed=ctx.now_us))

    return Effect(Nothing(), apply=apply, events=[("source.changed", {"source": row.id})])


@act(
    "operations.source.check", verb="view", activity="operations-means", roles=["command", "administrator"], duty=True, prepare=look,
    input=SourceRef, output=Checked, fr="Vérifier une source vidéo", en="Check a video source",
)  # fmt: skip
def check_source(ctx: Ctx, given: SourceRef) -> Effect:
    runtime = relay(ctx.kernel)
    state, telemetry = runtime.state(given.source), runtime.telemetry
    facts = state.facts
    receives = source_row(ctx, given.source).kind == RECEIVER
    detail = state.detail or telemetry.problem(given.source)
    word = ("failed" if detail else "receiving") if receives else state.state
    refused = telemetry.refused(given.source) if receives or given.source in telemetry.autopilots else {}
    for fault, count in state.track.refused.items():
        refused[fault] = refused.get(fault, 0) + count
    return Effect(
        Checked(
            word,
            words(detail),
            state.has_audio,
            facts.has_klv if facts else False,
            facts.codec if facts else "",
            refused,
        )
    )


ACTS: tuple[Act, ...] = (add_source, remove_source, check_source)
