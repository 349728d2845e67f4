"""Cameras in the air: sources, missions and their rosters, starting and stopping — each an act the law decides."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, Receipt, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import new_id
from egide.kernel.retention import keep, trigger
from egide.operations import tables
from egide.operations.archive import CATEGORY, recorder_for
from egide.operations.facts import aerial, caps, deployment_row, mission_row, source_row, under
from egide.operations.incident_model import FromClient, incident_owner
from egide.operations.incidents import assigning, changed, insert_all
from egide.operations.media.errors import SourceError
from egide.operations.relay import push_picture, relay, words
from egide.operations.source import spec_of
from egide.operations.tasks import CATEGORY as WORK
from egide.operations.tasks import ending
from egide.operations.telemetry import RECEIVER, mavlink_of, receiver_address

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


class NewMission(FromClient):
    """A mission, who conducts it, the order its cameras fly under (none: no camera), the incident it is for."""

    title: str
    order: str = ""
    roster: list[str] = []
    incident: str = ""


class MissionRef(Input):
    """A mission."""

    mission: str


class RosterChange(Input):
    """Who joins and who leaves."""

    mission: str
    add: list[str] = []
    remove: list[str] = []


class Start(Input):
    """Start this source for this mission."""

    source: str
    mission: str
    purpose: str | None = None
    emergency: bool = False


class Started(msgspec.Struct):
    """The camera in service."""

    deployment: str


class Stop(Input):
    """Stop a camera, and why."""

    deployment: str
    reason: str


class DeploymentRef(Input):
    """A camera in service."""

    deployment: str


class Adoption(Input):
    """A camera, and the process that filmed it ("" when it let go of it)."""

    deployment: str
    left_by: str


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


async def _look(ctx: Ctx, given: Any) -> None:
    """Probes the source before the law is asked: sound, telemetry, what it is."""
    row = source_row(ctx, given.source)
    if row.kind != RECEIVER:
        await relay(ctx.kernel).look(spec_of(ctx.kernel, row))
    elif isinstance(given, Start):
        raise Conflict(Text("Ce récepteur n’est pas une caméra.", "This receiver is no camera."))


@act(
    "operations.source.check", verb="view", activity="operations-means", roles=["command", "administrator"], duty=True, prepare=_look,
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


@act(
    "operations.mission.open", verb="collect", activity="operations-means", roles=["command"], duty=True, input=NewMission, output=Id,
    fr="Ouvrir une mission", en="Open a mission",
)  # fmt: skip
def open_mission(ctx: Ctx, given: NewMission) -> Effect:
    order = ctx.kernel.orders.get(given.order, ctx.db).body.id if given.order else ""
    id_ = new_id()
    assigned = assigning(ctx, given.incident, id_, given.made_at) if given.incident else None
    rows: list[tuple[Any, dict[str, Any]]] = [
        (
            tables.mission,
            {
                "id": id_,
                "title": given.title.strip()[:200],
                "order_id": order,
                "opened": ctx.now_us,
                "closed": None,
            },
        )
    ]
    rows += [
        (tables.roster, {"mission": id_, "person": p, "since": ctx.now_us, "gone": None})
        for p in dict.fromkeys(given.roster)
    ]

    def change(connection: Connection) -> None:
        insert_all(connection, rows)
        if assigned is not None:
            assigned(connection)

    return Effect(
        Id(id_),
        apply=change,
        order=order or None,
        events=[("roster.changed", {"mission": id_}), *(changed(given.incident) if given.incident else [])],
        concerns=(*given.roster, *((incident_owner(given.incident),) if given.incident else ())),
        after=lambda _r: push_picture(ctx.kernel),
    )


@act(
    "operations.mission.close", verb="alter", activity="operations-means", roles=["command"], duty=True, input=MissionRef,
    fr="Clore une mission", en="Close a mission",
)  # fmt: skip
def close_mission(ctx: Ctx, given: MissionRef) -> Effect:
    row = mission_row(ctx, given.mission)
    flying = ctx.db.execute(
        select(tables.deployment).where(tables.deployment.c.mission == row.id, tables.deployment.c.ended.is_(None))
    ).all()

    end_work, told = ending(ctx, row.id)

    def apply(connection: Connection) -> None:
        connection.execute(update(tables.mission).where(tables.mission.c.id == row.id).values(closed=ctx.now_us))
        end_work(connection)
        trigger(ctx.kernel, connection, WORK, row.id, ctx.now_us)
        for deployment in flying:
            _end(ctx, connection, deployment.id)

    async def stop(_receipt: Receipt) -> None:
        for deployment in flying:
            await relay(ctx.kernel).stop(deployment.source, "La mission est close.", "The mission is closed.")
        push_picture(ctx.kernel)

    return Effect(
        Nothing(), apply=apply, after=stop, order=row.order_id or None, rights_changed=True,
        events=[("mission.closed", {"mission": row.id}), ("roster.changed", {"mission": row.id}), *told],
    )  # fmt: skip


@act(
    "operations.roster.change", verb="alter", activity="operations-means", roles=["command"], duty=True, input=RosterChange,
    fr="Modifier l’équipe d’une mission", en="Change a mission’s roster",
)  # fmt: skip
def change_roster(ctx: Ctx, given: RosterChange) -> Effect:
    row = mission_row(ctx, given.mission)

    def apply(connection: Connection) -> None:
        table = tables.roster
        for person in given.remove:
            connection.execute(
                update(table).where(table.c.mission == row.id, table.c.person == person).values(gone=ctx.now_us)
            )
        for person in given.add:
            again = connection.execute(
                update(table).where(table.c.mission == row.id, table.c.person == person).values(gone=None)
            )
            if again.rowcount == 0:
                connection.execute(insert(table).values(mission=row.id, person=person, since=ctx.now_us, gone=None))

    return Effect(
        Nothing(),
        apply=apply,
        rights_changed=True,
        events=[("roster.changed", {"mission": row.id})],
        concerns=(*given.add, *given.remove),
        after=lambda _r: push_picture(ctx.kernel),
    )


def _start_facts(ctx: Ctx, given: Start) -> Facts:
    source, mission = source_row(ctx, given.source), mission_row(ctx, given.mission)
    order = under(ctx, mission)
    return aerial(
        ctx, source, mission, order, since=None, starting=True, purpose=given.purpose, emergency=given.emergency
    )


def _start_counters(ctx: Ctx, given: Start) -> Facts:
    return caps(ctx, under(ctx, mission_row(ctx, given.mission)), starting=True)


@act(
    "operations.camera.start", verb="collect", activity="aerial-surveillance", roles=["command", "pilot"], duty=True,
    groups=["aerial-camera"], prepare=_look, gather=_start_facts, recheck=_start_counters, input=Start, output=Started,
    fr="Mettre une caméra aéroportée en service", en="Put an airborne camera into service",
)  # fmt: skip
def start_camera(ctx: Ctx, given: Start) -> Effect:
    kernel, runtime = ctx.kernel, relay(ctx.kernel)
    source, mission = source_row(ctx, given.source), mission_row(ctx, given.mission)
    state = runtime.state(source.id)
    if state.deployment is not None:
        raise Conflict(Text("Cette caméra est déjà en service.", "This camera is in service already."))
    if state.facts is None:
        fr, en = state.detail or ("Cette source ne montre rien.", "This source shows nothing.")
        raise Conflict(Text(fr, en))
    id_, recording = new_id(), new_id()
    spec, facts = spec_of(ctx.kernel, source), state.facts
    state.home_interior = False
    deployment = {
        "id": id_, "source": source.id, "mission": mission.id, "order_id": mission.order_id, "started": ctx.now_us, "ended": None,
        "home_interior": None, "process": kernel.process,
    }  # fmt: skip
    row = {
        "id": recording, "deployment": id_, "source": source.id, "started": ctx.now_us, "ended": None, "codec": facts.codec,
        "chain": "", "segments": 0, "bytes": 0, "erased": None,
    }  # fmt: skip

    def start(_receipt: Receipt) -> None:
        if runtime.state(source.id).deployment is not None:
            return
        runtime.start(spec, id_, source.name, recorder_for(kernel, recording, source.id))
        push_picture(kernel)

    return Effect(
        Started(id_),
        rows=[(tables.deployment, deployment), (tables.recording, row)],
        apply=lambda connection: _keep_recording(connection, recording),
        order=mission.order_id,
        after=start,
        events=[("camera.started", {"deployment": id_})],
    )


def _keep_recording(connection: Connection, recording: str) -> None:
    from egide.kernel.tables import retained  # noqa: PLC0415 — the kernel's table, written here only

    connection.execute(insert(retained).values(**keep(CATEGORY, recording)))


def _end(ctx: Ctx, connection: Connection, deployment: str) -> None:
    """Ends a deployment in the store: from now its recording is sealed (L242-4, R242-11)."""
    table = tables.deployment
    connection.execute(update(table).where(table.c.id == deployment, table.c.ended.is_(None)).values(ended=ctx.now_us))
    for row in connection.execute(
        select(tables.recording.c.id).where(tables.recording.c.deployment == deployment)
    ).all():
        connection.execute(
            update(tables.recording)
            .where(tables.recording.c.id == row.id, tables.recording.c.ended.is_(None))
            .values(ended=ctx.now_us)
        )
        trigger(ctx.kernel, connection, CATEGORY, row.id, ctx.now_us)


@act(
    "operations.camera.stop", verb="alter", activity="operations-means", roles=["command", "pilot"], input=Stop,
    fr="Arrêter une caméra aéroportée", en="Stop an airborne camera",
)  # fmt: skip
def stop_camera(ctx: Ctx, given: Stop) -> Effect:
    row = deployment_row(ctx, given.deployment)
    if row.ended is not None:
        raise Conflict(Text("Cette caméra est déjà arrêtée.", "This camera is stopped already."))

    async def stop(_receipt: Receipt) -> None:
        await relay(ctx.kernel).stop(row.source, "La caméra a été arrêtée.", "The camera was stopped.")
        push_picture(ctx.kernel)

    return Effect(
        Nothing(), apply=lambda connection: _end(ctx, connection, row.id), order=row.order_id, after=stop, rights_changed=True,
        events=[("camera.stopped", {"deployment": row.id})],
    )  # fmt: skip


@act(
    "operations.camera.interrupted", verb="alter", activity="operations-means", roles=["system"], system=True, duty=True, input=DeploymentRef,
    fr="Noter qu’une caméra s’est arrêtée avec la plateforme", en="Note that a camera stopped with the platform",
)  # fmt: skip
def interrupted(ctx: Ctx, given: DeploymentRef) -> Effect:
    row = deployment_row(ctx, given.deployment)
    return Effect(
        Nothing(), apply=lambda connection: _end(ctx, connection, row.id), order=row.order_id, rights_changed=True
    )


@act(
    "operations.camera.release", verb="alter", activity="operations-means", roles=["system"], system=True, duty=True, input=DeploymentRef,
    fr="Remettre une caméra à un autre processus", en="Hand a camera over to another process",
)  # fmt: skip
def release(ctx: Ctx, given: DeploymentRef) -> Effect:
    row = deployment_row(ctx, given.deployment)
    return Effect(
        Nothing(),
        apply=lambda connection: _hand(connection, row.id, ctx.kernel.process, ""),
        order=row.order_id,
        events=[("camera.released", {"deployment": row.id})],
    )


@act(
    "operations.camera.adopt", verb="alter", activity="operations-means", roles=["system"], system=True, duty=True, input=Adoption,
    fr="Reprendre la caméra d’un processus parti", en="Go on with the camera of a process that left",
)  # fmt: skip
def adopt(ctx: Ctx, given: Adoption) -> Effect:
    row = deployment_row(ctx, given.deployment)
    return Effect(
        Nothing(),
        apply=lambda connection: _hand(connection, row.id, given.left_by, ctx.kernel.process),
        order=row.order_id,
        events=[("camera.adopted", {"deployment": row.id})],
    )


def _hand(connection: Connection, deployment: str, giver: str, taker: str) -> None:
    table = tables.deployment
    moved = connection.execute(
        update(table)
        .where(table.c.id == deployment, table.c.process == giver, table.c.ended.is_(None))
        .values(process=taker)
    )
    if moved.rowcount != 1:
        raise Conflict(Text("Un autre processus l’a déjà reprise.", "Another process has taken it already."))


@act(
    "operations.camera.home_seen", verb="alter", activity="operations-means", roles=["command", "pilot", "officer"], duty=True,
    input=DeploymentRef, fr="Signaler l’intérieur d’un domicile : l’enregistrement s’arrête", en="Report the inside of a home: recording stops",
)  # fmt: skip
def home_seen(ctx: Ctx, given: DeploymentRef) -> Effect:
    row = deployment_row(ctx, given.deployment)

    def apply(connection: Connection) -> None:
        connection.execute(
            update(tables.deployment).where(tables.deployment.c.id == row.id).values(home_interior=ctx.now_us)
        )

    async def stop(_receipt: Receipt) -> None:
        recorder = relay(ctx.kernel).stop_recording(row.source)
        if recorder is not None:
            await asyncio.to_thread(recorder.close)
        ctx.kernel.leases.renew()

    return Effect(
        Nothing(), apply=apply, after=stop, rights_changed=True, events=[("recording.stopped", {"deployment": row.id})]
    )


ACTS: tuple[Act, ...] = (
    add_source, remove_source, check_source, open_mission, close_mission, change_roster, start_camera, stop_camera, interrupted, release, adopt,
    home_seen,
)  # fmt: skip
