"""Watching: a picture opens by an act, lives on a lease, and is replaced by the article when the law closes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Connection, select, update

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, Receipt, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.guard import Decision
from egide.kernel.identity import new_id
from egide.kernel.leases import TTL_S, Lease
from egide.kernel.told import reasons
from egide.operations import tables
from egide.operations.facts import aerial, caps, deployment_row, mission_row, on_roster, order_of, source_row
from egide.operations.media.hub import Mode
from egide.operations.relay import relay
from egide.operations.viewing import Transport, View, view_of

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


class Watch(Input):
    """Watch this camera; `purpose` defaults to the order's."""

    deployment: str
    purpose: str | None = None
    emergency: bool = False
    form: Literal["units", "fmp4"] = "units"  # for a browser that decodes access units, or one that plays fMP4
    mode: Mode = "normal"


class Watching(msgspec.Struct):
    """An open picture: its stream number on the socket, the order above it."""

    watch: str
    stream: int
    source: str
    source_name: str
    order: dict[str, Any]
    articles: list[str]
    lease_s: float
    obligations: list[dict[str, str]]


class WatchRef(Input):
    """An open picture."""

    watch: str


def watch_facts(ctx: Ctx, given: Any) -> Facts:
    """The facts of looking through a camera: its own, and whether the one who looks conducts the mission."""
    key = ("watch", given.deployment, given.purpose, given.emergency)
    known: tuple[str, Facts] = ctx.once(key, lambda: _camera_facts(ctx, given))
    mission, found = known
    return found | {"on_roster": on_roster(ctx, mission)}


def _camera_facts(ctx: Ctx, given: Any) -> tuple[str, Facts]:
    """(mission, the facts that are the same for everyone who looks through this camera)."""
    deployment = deployment_row(ctx, given.deployment)
    source, mission = source_row(ctx, deployment.source), mission_row(ctx, deployment.mission)
    order = order_of(ctx, deployment.order_id)
    found = aerial(
        ctx,
        source,
        mission,
        order,
        since=deployment.started,
        starting=False,
        purpose=given.purpose,
        emergency=given.emergency,
    )
    found["mission_open"] = mission.closed is None and deployment.ended is None
    return mission.id, found


def counters(ctx: Ctx, given: Any) -> Facts:
    """Those of the facts that another act may change meanwhile."""
    deployment = deployment_row(ctx, given.deployment)
    return caps(ctx, order_of(ctx, deployment.order_id), starting=False)


@act(
    "operations.watch.open", verb="view", activity="aerial-surveillance", roles=["officer", "command", "pilot"], duty=True, live=True,
    groups=["aerial-camera", "aerial-view"], gather=watch_facts, recheck=counters, input=Watch, output=Watching,
    fr="Regarder une caméra aéroportée en direct", en="Watch an airborne camera live",
)  # fmt: skip
def open_watch(ctx: Ctx, given: Watch) -> Effect:
    kernel, channel, runtime = ctx.kernel, ctx.channel, relay(ctx.kernel)
    deployment = deployment_row(ctx, given.deployment)
    source = source_row(ctx, deployment.source)
    order = order_of(ctx, deployment.order_id)
    watch, stream = new_id(), runtime.hub.stream(source.id)
    told: dict[str, Any] = {}

    def ended(decision: Decision) -> None:
        told.update({
            "code": "refused", "title": {"fr": "L’image a été coupée : la loi ne la permet plus.", "en": "The picture was closed: the law no longer allows it."},
            "act": "operations.watch.open", "receipt": None, "reasons": reasons(decision),
        })  # fmt: skip
        channel.push({"push": "watch.ended", "watch": watch, "stream": stream, "refusal": told})
        view.close("refused")

    def written(receipt: Receipt) -> None:
        refusal = {**told, "receipt": {"realm": receipt.realm, "index": receipt.index}}
        channel.push({"push": "watch.receipt", "watch": watch, "refusal": refusal})

    lease = Lease(watch, ctx.act, given, ctx.principal, ctx.purpose, ended)
    lease.on_written = written
    lease.about = {
        "source": source.id, "source_name": source.name, "order": order.body.id, "articles": ["L242-2", "L242-5"], "since": iso(ctx.now_us),
    }  # fmt: skip

    def started() -> None:
        if view.over or channel.closed:
            view.close("gone")
            return
        kernel.leases.open(lease)
        kernel.bus.tell("watch.changed", {"watch": watch})  # only now would oversight find it among what runs
        view.start()

    view = View(runtime.hub, lease, channel, source.id, closing(kernel, watch), given.form, given.mode)
    channel.on_close(lambda: view.close("gone"))
    channel.watches = {**getattr(channel, "watches", {}), watch: view}
    row = {
        "id": watch, "deployment": deployment.id, "person": ctx.principal.id, "order_id": order.body.id, "opened": ctx.now_us, "closed": None,
        "process": kernel.process,
    }  # fmt: skip
    decision = kernel.guard.decide(ctx.act.name, kernel.facts(ctx, given))
    return Effect(
        Watching(
            watch, stream, source.id, source.name, kernel.orders.show(order, ctx.now_us),
            ["L242-2", "L242-5"], TTL_S, [{"kind": o.kind, "detail": o.detail, "rule": o.rule} for o in decision.obligations],
        ),
        rows=[(tables.watch, row)],
        order=order.body.id,
        started=started,
        events=[("watch.changed", {"watch": watch})],
    )  # fmt: skip


class Closed(Input):
    """A picture that closed, and why (gone, ended, refused, closed)."""

    watch: str
    why: str


@act(
    "operations.watch.end", verb="view", activity="aerial-surveillance-log", roles=["system"], system=True, duty=True, input=Closed,
    fr="Noter la fin d’une image en direct", en="Note the end of a live picture",
)  # fmt: skip
def end_watch(ctx: Ctx, given: Closed) -> Effect:
    order = ctx.db.execute(select(tables.watch.c.order_id).where(tables.watch.c.id == given.watch)).scalar()

    def apply(connection: Connection) -> None:
        connection.execute(
            update(tables.watch)
            .where(tables.watch.c.id == given.watch, tables.watch.c.closed.is_(None))
            .values(closed=ctx.now_us)
        )

    return Effect(Nothing(), apply=apply, order=order, events=[("watch.changed", {"watch": given.watch})])


@act(
    "operations.watch.close", verb="view", activity="operations-means", roles=["officer", "command", "pilot"], duty=True, live=True, input=WatchRef,
    fr="Fermer une image", en="Close a picture",
)  # fmt: skip
def close_watch(ctx: Ctx, given: WatchRef) -> Effect:
    view = _open_here(ctx, given.watch)
    return Effect(Nothing(), after=lambda _receipt: view.close("closed"))


class Delivery(Input):
    """How an open picture is to come: over which way, and how much of it. `offer` (SDP) opens a way over WebRTC."""

    watch: str
    transport: Transport
    mode: Mode = "normal"
    offer: str | None = None


class Delivered(msgspec.Struct):
    """The answer to an offer (SDP), where there was one."""

    answer: str | None = None


@act(
    "operations.watch.deliver", verb="view", activity="operations-means", roles=["officer", "command", "pilot"], duty=True, live=True,
    input=Delivery, output=Delivered, fr="Changer la façon dont une image arrive", en="Change how a picture arrives",
)  # fmt: skip
async def deliver_watch(ctx: Ctx, given: Delivery) -> Effect:
    view = _open_here(ctx, given.watch)
    if given.offer is None:
        return Effect(Delivered(), after=lambda _receipt: view.become(given.transport, given.mode))
    if given.transport != "webrtc":
        raise BadInput(Text("Une proposition n’a de sens qu’en WebRTC.", "An offer makes sense for WebRTC only."))
    peer, answer = await view.negotiate(given.offer)

    def apart(_receipt: Receipt) -> None:
        view.pass_to(peer)
        view.become("webrtc", given.mode)

    return Effect(Delivered(answer), after=apart)


def _open_here(ctx: Ctx, watch: str) -> View:
    """The picture, which must be open on the terminal that asks."""
    view = view_of(ctx.channel, watch)
    if view is None or view.over:
        raise NotFound(Text("Cette image n’est pas ouverte ici.", "This picture is not open here."))
    return view


def closing(kernel: Kernel, watch: str) -> Callable[[str], None]:
    """What ends a watch's lease and notes in the ledger why it ended."""
    loop = asyncio.get_running_loop()

    def close(why: str) -> None:
        kernel.leases.close(watch)
        task = loop.create_task(_close(kernel, watch, why))
        kernel.things.setdefault("closing", set()).add(task)
        task.add_done_callback(kernel.things["closing"].discard)

    return close


async def _close(kernel: Kernel, watch: str, why: str) -> None:
    given = msgspec.json.encode({"watch": watch, "why": why})
    await kernel.perform("operations.watch.end", given, kernel.system("aerial-surveillance-log"), cause=watch)


ACTS: tuple[Act, ...] = (open_watch, end_watch, close_watch, deliver_watch)
