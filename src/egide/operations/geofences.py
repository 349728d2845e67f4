"""Geofences: drawn by command for a mission, until a time; a crossing is an act of the system, acknowledged by a human.

What is kept of a crossing is that it happened: who, which fence, in or out, when. Never the way there, and no longer than an
officer's own track (law pack fr/agent-location).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import shapely
from sqlalchemy import Connection, delete, func, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.errors import BadInput, Conflict, NotFound, Text, TooMany
from egide.kernel.identity import new_id
from egide.kernel.retention import erase_at, keep
from egide.operations import tables
from egide.operations.duty import FIELD, location, running
from egide.operations.facts import mission_row
from egide.operations.fences import Shape, crossing_shown, fences, polygon
from egide.operations.tracks import forget
from egide.protocols.positions import on_earth

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

ACTIVITY = "geofences"
CATEGORY = "geofence-crossing"
STANDING = 500  # fences at once: each tick looks at all of them
POINTS = 500  # of a ring
LONGEST_HOURS = 72.0  # h; an operation that lasts longer draws it again
NEAREST_M, FARTHEST_M = 20.0, 50_000.0  # m of a circle's radius


class NewGeofence(Input):
    """A fence for a mission: what crossing it means, the shape, and for how many hours it stands."""

    mission: str
    name: str
    kind: Literal["enter", "leave", "no-go"]
    shape: Shape
    hours: float = 8.0


class GeofenceRef(Input):
    """A fence."""

    geofence: str


class Crossed(Input):
    """Somebody or something went in or out of a fence."""

    geofence: str
    way: Literal["in", "out"]
    person: str | None = None
    thing: str | None = None


class CrossingRef(Input):
    """A crossing."""

    crossing: str


class GeofenceId(msgspec.Struct):
    """The id of a fence."""

    id: str


class GeofenceList(msgspec.Struct):
    """The fences of one's missions, and the crossings nobody has acknowledged yet, newest first."""

    geofences: list[dict[str, Any]]
    crossings: list[dict[str, Any]]


def owner(crossing: str) -> str:
    """What the ledger's bodies about a crossing are found by."""
    return f"crossing:{crossing}"


@act(
    "operations.geofence.draw", verb="collect", activity=ACTIVITY, roles=["command"], duty=True, groups=["agent-location"],
    gather=lambda ctx, _given: location(ctx), input=NewGeofence, output=GeofenceId, fr="Tracer une zone d’alerte", en="Draw a geofence",
)  # fmt: skip
def draw(ctx: Ctx, given: NewGeofence) -> Effect:
    mission, name = mission_row(ctx, given.mission), given.name.strip()
    if mission.closed is not None:
        raise Conflict(Text("Cette mission est close.", "This mission is closed."))
    if not 0 < len(name) <= 80 or not 0 < given.hours <= LONGEST_HOURS:
        raise BadInput(
            Text(
                f"Une zone a un nom, et {LONGEST_HOURS:.0f} heures au plus.",
                f"A geofence has a name, and {LONGEST_HOURS:.0f} hours at most.",
            )
        )
    _checked(given.shape)
    table = tables.geofence
    standing = select(func.count()).select_from(table).where(table.c.removed.is_(None), table.c.until > ctx.now_us)
    if ctx.db.execute(standing).scalar_one() >= STANDING:
        raise TooMany(
            Text("Trop de zones sont en place.", "Too many geofences stand."),
            Text("Retirez celles qui ne servent plus.", "Remove those that serve no more."),
        )
    id_ = new_id()
    row = {
        "id": id_, "mission": mission.id, "name": name, "kind": given.kind, "shape": msgspec.json.encode(given.shape),
        "drawn": ctx.now_us, "until": ctx.now_us + round(given.hours * 3_600_000_000), "removed": None,
    }  # fmt: skip
    event = ("geofence.changed", {"geofence": id_, "mission": mission.id})
    return Effect(GeofenceId(id_), rows=[(table, row)], events=[event], order=mission.order_id)


def _checked(shape: Shape) -> None:
    """Raises `BadInput` for what is no shape on the Earth."""
    circle, ring = shape.circle, shape.ring
    if (circle is None) == (ring is None):
        raise BadInput(Text("Donnez un contour ou un cercle.", "Give a ring or a circle."))
    if circle is not None:
        if not on_earth(circle.lat, circle.lon) or not NEAREST_M <= circle.radius <= FARTHEST_M:
            raise BadInput(
                Text(
                    f"Un cercle a un centre sur la Terre et un rayon de {NEAREST_M:.0f} m à {FARTHEST_M / 1000:.0f} km.",
                    f"A circle has a centre on the Earth and a radius from {NEAREST_M:.0f} m to {FARTHEST_M / 1000:.0f} km.",
                )
            )
        return
    points = ring or []
    fits = 3 <= len(points) <= POINTS and all(on_earth(lat, lon) for lon, lat in points)
    if not fits or max(lon for lon, _ in points) - min(lon for lon, _ in points) > 10:
        raise BadInput(
            Text(
                f"Un contour a de 3 à {POINTS} points sur la Terre, et 10 degrés de large au plus.",
                f"A ring has from 3 to {POINTS} points on the Earth, and is 10 degrees wide at most.",
            )
        )
    if not shapely.is_valid(polygon(shape)) or polygon(shape).area <= 0:
        raise BadInput(
            Text("Ce contour se croise lui-même, ou n’enferme rien.", "This ring crosses itself, or encloses nothing.")
        )


@act(
    "operations.geofence.remove", verb="alter", activity=ACTIVITY, roles=["command"], duty=True, groups=["agent-location"],
    gather=lambda ctx, _given: location(ctx), input=GeofenceRef, fr="Retirer une zone d’alerte", en="Remove a geofence",
)  # fmt: skip
def remove(ctx: Ctx, given: GeofenceRef) -> Effect:
    row = _fence(ctx.db, given.geofence)
    if row is None or row.removed is not None:
        raise _none()

    def apply(connection: Connection) -> None:
        this = update(tables.geofence).where(tables.geofence.c.id == row.id)
        connection.execute(this.values(removed=ctx.now_us))

    return Effect(
        Nothing(), apply=apply, events=[("geofence.changed", {"geofence": row.id, "mission": row.mission})]
    )  # fmt: skip


@act(
    "operations.geofence.list", verb="view", activity=ACTIVITY, roles=FIELD, duty=True, groups=["agent-location"],
    gather=lambda ctx, _given: location(ctx), output=GeofenceList, fr="Voir les zones d’alerte", en="See the geofences",
)  # fmt: skip
def list_geofences(ctx: Ctx, _given: Nothing) -> Effect:
    held, channel = fences(ctx.kernel), ctx.channel
    if channel is None:
        return Effect(_standing(ctx))
    return Effect(_standing(ctx), started=lambda: held.join(channel), latest=lambda: _standing(ctx))


def _standing(ctx: Ctx) -> GeofenceList:
    held = fences(ctx.kernel)
    shown = [fence.shown() for fence in held.standing() if held.may_see(ctx.principal, fence.mission)]
    crossing, fence = tables.crossing, tables.geofence
    query = select(crossing).where(crossing.c.acknowledged.is_(None)).order_by(crossing.c.at.desc()).limit(100)
    rows = ctx.db.execute(query).all()
    known = {row.id: row for row in ctx.db.execute(select(fence).where(fence.c.id.in_({row.geofence for row in rows})))}
    crossings = [
        crossing_shown(ctx.kernel, row, known[row.geofence])
        for row in rows
        if row.geofence in known and held.may_see(ctx.principal, known[row.geofence].mission)
    ]
    return GeofenceList(shown, crossings)


def _crossing_facts(ctx: Ctx, given: Crossed) -> Facts:
    here = {"on_duty": True, "shift_running": True} if given.person is None else running(ctx, given.person)
    return location(ctx) | here


@act(
    "operations.geofence.cross", verb="collect", activity=ACTIVITY, roles=["system"], system=True, duty=True,
    groups=["agent-location", "agent-position"], gather=_crossing_facts, input=Crossed,
    fr="Noter le franchissement d’une zone d’alerte", en="Note the crossing of a geofence",
)  # fmt: skip
def cross(ctx: Ctx, given: Crossed) -> Effect:
    id_ = new_id()
    row = {
        "id": id_, "geofence": given.geofence, "person": given.person, "thing": given.thing, "way": given.way, "at": ctx.now_us,
        "acknowledged": None, "acknowledged_by": None,
    }  # fmt: skip
    term = {"trigger": ctx.now_us, "erase_at": erase_at(ctx.kernel, CATEGORY, ctx.now_us), "state": "sealed"}
    people = (given.person,) if given.person is not None else ()
    return Effect(
        Nothing(),
        rows=[(tables.crossing, row), (kernel_tables.retained, keep(CATEGORY, id_) | term)],
        events=[("geofence.crossed", {"crossing": id_})],
        concerns=(owner(id_), *people),
    )


@act(
    "operations.geofence.acknowledge", verb="alter", activity=ACTIVITY, roles=FIELD, duty=True, groups=["agent-location"],
    gather=lambda ctx, _given: location(ctx), input=CrossingRef, fr="Prendre acte d’une alerte de zone", en="Acknowledge a geofence alert",
)  # fmt: skip
def acknowledge(ctx: Ctx, given: CrossingRef) -> Effect:
    table = tables.crossing
    row = ctx.db.execute(select(table).where(table.c.id == given.crossing)).first()
    fence = _fence(ctx.db, row.geofence) if row is not None else None
    if fence is None or not fences(ctx.kernel).may_see(ctx.principal, fence.mission):
        raise _none()

    def apply(connection: Connection) -> None:
        this = update(table).where(table.c.id == given.crossing, table.c.acknowledged.is_(None))
        if not connection.execute(this.values(acknowledged=ctx.now_us, acknowledged_by=ctx.principal.id)).rowcount:
            raise Conflict(Text("Quelqu’un en a déjà pris acte.", "Somebody has acknowledged it already."))

    return Effect(
        Nothing(), apply=apply, events=[("geofence.acknowledged", {"crossing": given.crossing})],
        concerns=(owner(given.crossing),),
    )  # fmt: skip


def _fence(db: Connection, id_: str) -> Any:
    return db.execute(select(tables.geofence).where(tables.geofence.c.id == id_)).first()


def _none() -> NotFound:
    return NotFound(Text("Cette zone ou cette alerte n’existe pas ici.", "There is no such geofence or alert here."))


def erase(kernel: Kernel, crossing: str) -> Callable[[Connection], None]:
    """What destroys a crossing: its row, and the bodies of the acts about it."""

    def destroy(connection: Connection) -> None:
        connection.execute(delete(tables.crossing).where(tables.crossing.c.id == crossing))
        forget(kernel, connection, owner(crossing))

    return destroy


ACTS: tuple[Act, ...] = (draw, remove, list_geofences, cross, acknowledge)
