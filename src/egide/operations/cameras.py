"""Cameras in the air: started, stopped, handed from process to process — each an act the law decides."""

from __future__ import annotations

import asyncio

import msgspec
from sqlalchemy import Connection, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, Receipt, act
from egide.kernel.errors import Conflict, Text
from egide.kernel.identity import new_id
from egide.kernel.retention import keep, trigger
from egide.operations import tables
from egide.operations.archive import CATEGORY, recorder_for
from egide.operations.facts import aerial, caps, deployment_row, mission_row, source_row, under
from egide.operations.relay import push_picture, relay
from egide.operations.source import look, spec_of
from egide.operations.telemetry import RECEIVER


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


async def _look(ctx: Ctx, given: Start) -> None:
    if source_row(ctx, given.source).kind == RECEIVER:
        raise Conflict(Text("Ce récepteur n’est pas une caméra.", "This receiver is no camera."))
    await look(ctx, given)


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
        runtime.start(spec, id_, source.name, recorder_for(kernel, recording, source.id), aerial=source.aerial)
        push_picture(kernel)

    return Effect(
        Started(id_),
        rows=[
            (tables.deployment, deployment),
            (tables.recording, row),
            (kernel_tables.retained, keep(CATEGORY, recording)),
        ],
        order=mission.order_id,
        after=start,
        events=[("camera.started", {"deployment": id_})],
    )


def end_deployment(ctx: Ctx, connection: Connection, deployment: str) -> None:
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
        Nothing(), apply=lambda connection: end_deployment(ctx, connection, row.id), order=row.order_id, after=stop, rights_changed=True,
        events=[("camera.stopped", {"deployment": row.id})],
    )  # fmt: skip


@act(
    "operations.camera.interrupted", verb="alter", activity="operations-means", roles=["system"], system=True, duty=True, input=DeploymentRef,
    fr="Noter qu’une caméra s’est arrêtée avec la plateforme", en="Note that a camera stopped with the platform",
)  # fmt: skip
def interrupted(ctx: Ctx, given: DeploymentRef) -> Effect:
    row = deployment_row(ctx, given.deployment)
    return Effect(
        Nothing(),
        apply=lambda connection: end_deployment(ctx, connection, row.id),
        order=row.order_id,
        rights_changed=True,
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


ACTS: tuple[Act, ...] = (start_camera, stop_camera, interrupted, release, adopt, home_seen)
