"""The console's picture: missions, sources, what may be watched and, where not, why; notes; the map; positions."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Text
from egide.kernel.identity import new_id
from egide.kernel.leases import Lease
from egide.kernel.times import parse
from egide.kernel.told import reasons
from egide.operations import tables
from egide.operations.facts import order_of, order_of_mission
from egide.operations.incident_model import FromClient
from egide.operations.relay import relay, words
from egide.operations.shifts import shifts
from egide.operations.watching import Watch
from egide.protocols.positions import NAMES, VIEW, WireError, read_names, read_view, view_of


class Picture(msgspec.Struct):
    """All a console needs to draw itself."""

    missions: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    people: list[dict[str, str]]
    purposes: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    map: dict[str, Any]
    rtsp: bool  # whether a picture can be had over RTSP


class TownMap(msgspec.Struct):
    """The offline map: its archive, where it opens, whose data it is."""

    map: dict[str, Any]


class NewNote(FromClient):
    """A field note at a place (WGS84 degrees); `made_at`: the device's own time where it could not be sent at once."""

    mission: str
    text: str
    lat: float
    lon: float


class NoteId(msgspec.Struct):
    """The id of a note."""

    id: str


class TrackMinute(Input):
    """What passed on the positions wire in a minute: a count and the sub-root of its frames."""

    records: int
    terminals: int
    root: str


class Follow(Input):
    """Follow positions; with `view` (south, west, north, east, degrees) those there, until the terminal looks elsewhere."""

    view: tuple[float, float, float, float] | None = None


class RegisterWeek(Input):
    """The register goes to the prefect."""

    motive: str = "R242-12"


@act(
    "operations.picture", verb="view", activity="picture", roles=["officer", "command", "pilot"], duty=True, output=Picture,
    fr="Voir la situation", en="See the picture",
)  # fmt: skip
def picture(ctx: Ctx, _given: Nothing) -> Effect:
    db, kernel, runtime = ctx.db, ctx.kernel, relay(ctx.kernel)
    held = kernel.orders
    shown = {order.body.id: held.show(order, ctx.now_us) for order in held.all(db)}
    flying = {
        row.source: row for row in db.execute(select(tables.deployment).where(tables.deployment.c.ended.is_(None)))
    }
    missions = []
    for row in db.execute(
        select(tables.mission).where(tables.mission.c.closed.is_(None)).order_by(tables.mission.c.opened)
    ):
        team = db.execute(
            select(tables.roster.c.person).where(tables.roster.c.mission == row.id, tables.roster.c.gone.is_(None))
        ).all()
        cameras = [
            {"id": d.id, "source": d.source, "state": runtime.state(d.source).state, "started": iso(d.started), "order": d.order_id}
            for d in flying.values() if d.mission == row.id
        ]  # fmt: skip
        roster = [{"id": person, "name": kernel.identity.name(person)} for (person,) in team]
        missions.append(
            {
                "id": row.id,
                "title": row.title,
                "order": shown.get(order_of(ctx, row.order_id).body.id) if row.order_id else None,
                "state": "open",
                "roster": roster,
                "cameras": cameras,
            }
        )
    sources = []
    for row in db.execute(
        select(tables.source).where(tables.source.c.removed.is_(None)).order_by(tables.source.c.name)
    ):
        state, deployed = runtime.state(row.id), flying.get(row.id)
        sources.append(
            {
                "id": row.id, "name": row.name, "kind": row.kind, "aerial": row.aerial, "aircraft": row.aircraft, "service": row.service,
                "tags": row.tags.split(), "state": state.state, "detail": words(state.detail), "deployment": deployed.id if deployed else None,
                "can_watch": _can_watch(ctx, deployed.id) if deployed else None,
            }
        )  # fmt: skip
    lawful = kernel.book.parameter("csi-l242.purposes")
    purposes = [
        {"code": one["code"], "article": one["article"], "label": {"fr": one["fr"], "en": one["en"]}} for one in lawful
    ]
    command = "command" in ctx.principal.roles
    people = (
        [{"id": p, "name": kernel.identity.name(p)} for (p,) in db.execute(select(kernel_tables.person.c.id)).all()]
        if command
        else []
    )
    signed = [order for order in shown.values() if order["state"] in ("in_force", "signed")] if command else []
    return Effect(
        Picture(
            missions,
            sources,
            people,
            purposes,
            signed,
            kernel.things.get("map", {"pmtiles": None}),
            "rtsp" in kernel.things,
        )
    )


def _can_watch(ctx: Ctx, deployment: str) -> dict[str, Any]:
    """Why-grey: what the law would answer now. A preview is not an act; opening asks again."""
    watch = ctx.kernel.acts["operations.watch.open"]
    given = Watch(deployment=deployment)
    preview = Ctx(ctx.kernel, ctx.principal, watch, ctx.now_us, ctx.db)
    preview.purpose = ctx.kernel.activities[watch.activity].purposes[0].id
    decision = ctx.kernel.guard.decide(watch.name, ctx.kernel.facts(preview, given))
    return {"allowed": decision.allowed, "reasons": reasons(decision)}


@act(
    "operations.map.show", verb="view", activity="picture", open=True, roles=["anyone"], output=TownMap,
    fr="Voir le fond de carte", en="See the base map",
)  # fmt: skip
def show_map(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(TownMap(ctx.kernel.things.get("map", {"pmtiles": None})))


@act(
    "operations.note.add", verb="collect", activity="field-notes", roles=["officer", "command", "pilot"], duty=True, input=NewNote, output=NoteId,
    fr="Ajouter une note de terrain", en="Add a field note",
)  # fmt: skip
def add_note(ctx: Ctx, given: NewNote) -> Effect:
    if not given.text.strip() or len(given.text) > 10_000 or not (-90 <= given.lat <= 90 and -180 <= given.lon <= 180):
        raise BadInput(
            Text(
                "Note vide, trop longue, ou lieu hors de la Terre.", "Empty or too long note, or a place off the Earth."
            )
        )
    id_ = new_id()
    sealed = ctx.kernel.vault.seal(ctx.principal.id, "field-notes", given.text.encode(), id_.encode())
    row = {
        "id": id_, "mission": given.mission, "person": ctx.principal.id, "at": ctx.now_us, "lat": given.lat, "lon": given.lon, "body": sealed,
        "made": parse(given.made_at) if given.made_at else None,
    }  # fmt: skip
    order = order_of_mission(ctx, given.mission)
    return Effect(NoteId(id_), rows=[(tables.note, row)], order=order or None)


@act(
    "operations.track.subscribe", verb="view", activity="picture", roles=["officer", "command", "pilot"], duty=True, live=True, input=Follow,
    fr="Suivre les positions", en="Follow positions",
)  # fmt: skip
def subscribe(ctx: Ctx, given: Follow) -> Effect:
    kernel, positions, channel = ctx.kernel, relay(ctx.kernel).positions, ctx.channel
    try:
        view = view_of(*given.view) if given.view is not None else None
    except WireError as error:
        raise BadInput(Text("Cette vue n’est pas sur la Terre.", "This view is not on the Earth.")) from error
    lease = Lease(new_id(), ctx.act, given, ctx.principal, ctx.purpose, lambda _decision: leave())

    def leave() -> None:
        kernel.leases.close(lease.id)
        positions.leave(channel)
        channel.inlet(VIEW, None)
        channel.inlet(NAMES, None)

    def started() -> None:
        kernel.leases.open(lease)
        positions.join(channel, view, shifts(kernel).may_see(ctx.principal))
        channel.inlet(VIEW, lambda data: positions.look(channel, read_view(data)))
        channel.inlet(NAMES, lambda data: positions.name(channel, read_names(data)))

    channel.on_close(leave)
    return Effect(Nothing(), started=started)


@act(
    "operations.track.seal", verb="view", activity="picture", roles=["system"], system=True, duty=True, input=TrackMinute,
    fr="Sceller la minute écoulée des positions", en="Seal the past minute of positions",
)  # fmt: skip
def seal_minute(_ctx: Ctx, given: TrackMinute) -> Effect:
    return Effect(Nothing(), bulk=(given.records, bytes.fromhex(given.root)))


@act(
    "operations.register.send", verb="disclose", activity="operations-means", roles=["command"], input=RegisterWeek, output=NoteId,
    fr="Transmettre le registre au préfet", en="Send the register to the prefect",
)  # fmt: skip
def send_register(ctx: Ctx, _given: RegisterWeek) -> Effect:
    ended = ctx.db.execute(select(tables.deployment.c.id).where(tables.deployment.c.ended.is_not(None))).all()
    id_ = new_id()
    row = {"id": id_, "sent": ctx.now_us, "interventions": len(ended)}
    return Effect(NoteId(id_), rows=[(tables.register, row)], events=[("register.sent", {"id": id_})])


ACTS: tuple[Act, ...] = (picture, show_map, add_note, subscribe, seal_minute, send_register)
