"""Drawings on the map: a point, a line, an area, a circle or words, bound to one mission or incident, with their author and end.

Bounded in vertices and bytes. Places are GeoJSON order, [longitude, latitude], degrees WGS84; a circle has one place and a radius
in metres. The colour is said by role (danger, own, route…), so that each theme shows its own and none speaks by colour alone.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel.act import Act, Ctx, Effect, Facts, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import new_id
from egide.operations import incident_tables as tables
from egide.operations.facts import one, open_mission_row
from egide.operations.incident_desk import DRAWING_CHANGED, DRAWINGS, circle
from egide.operations.incident_log import incident_row
from egide.operations.incident_model import MAX_TITLE, OVER, FromClient, incident_owner, mission_owner, moment, sentence
from egide.operations.tasks import NEED, kept
from egide.protocols.positions import on_earth

ACTIVITY = "mission-work"
CREW = ("officer", "command", "pilot")
MAX_VERTICES = 500
MAX_BYTES = 48 * 1024  # of the whole act
MAX_DRAWINGS = 500  # in force for one mission or incident
MAX_RADIUS_M = 50_000.0
SHAPES = {"point": (1, 1), "line": (2, MAX_VERTICES), "polygon": (3, MAX_VERTICES), "circle": (1, 1), "text": (1, 1)}
ROLES = ("danger", "own", "route", "sector", "meeting", "information")


class NewDrawing(FromClient):
    """A drawing for a mission or for an incident (one of them)."""

    shape: Literal["point", "line", "polygon", "circle", "text"]
    places: list[tuple[float, float]]
    mission: str = ""
    incident: str = ""
    role: str = "information"
    symbol: str = ""
    label: str = ""
    radius: float = 0.0
    expires: str = ""


class ChangedDrawing(FromClient):
    """The same drawing with other places, words, role or end."""

    drawing: str
    places: list[tuple[float, float]]
    role: str = "information"
    symbol: str = ""
    label: str = ""
    radius: float = 0.0
    expires: str = ""


class DrawingRef(FromClient):
    """One drawing."""

    drawing: str


class DrawingId(msgspec.Struct):
    """The drawing's id."""

    id: str


def _scope(given: NewDrawing) -> str:
    if bool(given.mission) == bool(given.incident):
        raise BadInput(
            Text(
                "Un dessin appartient à une mission ou à un incident.",
                "A drawing belongs to a mission or to an incident.",
            )
        )
    return mission_owner(given.mission) if given.mission else incident_owner(given.incident)


def _around(ctx: Ctx, scope: str) -> bool:
    kind, _, id_ = scope.partition(":")
    return circle(ctx.db, id_ if kind == "mission" else incident_row(ctx, id_).mission).holds(ctx.principal)


def _adding(ctx: Ctx, given: NewDrawing) -> Facts:
    return {"concerned": _around(ctx, _scope(given))}


def _changing(ctx: Ctx, given: ChangedDrawing | DrawingRef) -> Facts:
    return {"concerned": _around(ctx, _row(ctx, given.drawing).scope)}


def _row(ctx: Ctx, id_: str) -> Any:
    return one(ctx, tables.drawing, id_, "Ce dessin n’existe pas.", "This drawing does not exist.")


def _body(shape: str, given: NewDrawing | ChangedDrawing) -> dict[str, Any]:
    """What is kept of a drawing. Raises `BadInput`, saying what is wrong."""
    least, most = SHAPES[shape]
    places = [(lon, lat) for lon, lat in given.places]
    if not least <= len(places) <= most:
        raise BadInput(Text(f"Cette forme a de {least} à {most} points.", f"This shape has {least} to {most} points."))
    if any(not on_earth(lat, lon) for lon, lat in places):
        raise BadInput(Text("Un point est hors de la Terre.", "A point is off the Earth."))
    if shape == "circle" and not 0 < given.radius <= MAX_RADIUS_M:
        raise BadInput(
            Text(f"Rayon de 1 m à {MAX_RADIUS_M / 1000:.0f} km.", f"Radius of 1 m to {MAX_RADIUS_M / 1000:.0f} km.")
        )
    if given.role not in ROLES or len(given.symbol) > 40:
        raise BadInput(Text(f"Rôle inconnu : {', '.join(ROLES)}.", f"Unknown role: {', '.join(ROLES)}."))
    label = sentence(given.label, MAX_TITLE, needed=shape == "text")
    radius = given.radius if shape == "circle" else 0.0
    return {
        "shape": shape,
        "places": places,
        "role": given.role,
        "symbol": given.symbol,
        "label": label,
        "radius": radius,
        "made_at": given.made_at,
    }


def _expires(ctx: Ctx, given: str) -> int | None:
    if not given:
        return None
    end = moment(given)
    if end is None or end <= ctx.now_us:
        raise BadInput(
            Text("La fin du dessin est illisible ou passée.", "The drawing’s end cannot be read, or is past.")
        )
    return end


def _sealed(ctx: Ctx, scope: str, id_: str, body: dict[str, Any]) -> bytes:
    return ctx.kernel.vault.seal(scope, DRAWINGS, msgspec.json.encode(body), id_.encode())


def _event(id_: str, scope: str) -> list[tuple[str, dict[str, Any]]]:
    return [(DRAWING_CHANGED, {"drawing": id_, "scope": scope})]


@act(
    "operations.drawing.add", verb="collect", activity=ACTIVITY, roles=CREW, duty=True, groups=NEED, gather=_adding, input=NewDrawing,
    output=DrawingId, max_bytes=MAX_BYTES, fr="Dessiner sur la carte", en="Draw on the map",
)  # fmt: skip
def add(ctx: Ctx, given: NewDrawing) -> Effect:
    scope = _scope(given)
    if given.mission:
        open_mission_row(ctx, given.mission)
    elif incident_row(ctx, given.incident).state in OVER:
        raise Conflict(Text("Cet incident est terminé.", "This incident is over."))
    table = tables.drawing
    there = ctx.db.execute(
        select(table.c.id).where(table.c.scope == scope, table.c.removed.is_(False)).limit(MAX_DRAWINGS)
    ).all()
    if len(there) >= MAX_DRAWINGS:
        raise Conflict(
            Text("Il y a trop de dessins ici.", "There are too many drawings here."), Text("Retirez ceux qui ne servent plus.", "Remove those of no more use.")
        )  # fmt: skip
    id_ = new_id()
    row = {
        "id": id_, "scope": scope, "at": ctx.now_us, "expires": _expires(ctx, given.expires), "removed": False, "person": ctx.principal.id,
        "body": _sealed(ctx, scope, id_, _body(given.shape, given)),
    }  # fmt: skip

    def change(connection: Connection) -> None:
        if given.mission:
            kept(connection, given.mission)
        connection.execute(insert(table), row)

    return Effect(DrawingId(id_), apply=change, events=_event(id_, scope), concerns=(scope,))


@act(
    "operations.drawing.change", verb="alter", activity=ACTIVITY, roles=CREW, duty=True, groups=NEED, gather=_changing, input=ChangedDrawing,
    output=DrawingId, max_bytes=MAX_BYTES, fr="Modifier un dessin", en="Change a drawing",
)  # fmt: skip
def change(ctx: Ctx, given: ChangedDrawing) -> Effect:
    row = _standing(ctx, given.drawing)
    sealed = ctx.kernel.vault.open_(row.scope, DRAWINGS, bytes(row.body), row.id.encode())
    body = _body(msgspec.json.decode(sealed)["shape"], given)
    values = {"body": _sealed(ctx, row.scope, row.id, body), "expires": _expires(ctx, given.expires)}
    return _altered(row, values)


@act(
    "operations.drawing.remove", verb="alter", activity=ACTIVITY, roles=CREW, duty=True, groups=NEED, gather=_changing, input=DrawingRef,
    output=DrawingId, fr="Retirer un dessin", en="Remove a drawing",
)  # fmt: skip
def remove(ctx: Ctx, given: DrawingRef) -> Effect:
    return _altered(_standing(ctx, given.drawing), {"removed": True})


def _standing(ctx: Ctx, id_: str) -> Any:
    row = _row(ctx, id_)
    if row.removed:
        raise Conflict(Text("Ce dessin a été retiré.", "This drawing was removed."))
    return row


def _altered(row: Any, values: dict[str, Any]) -> Effect:
    def apply(connection: Connection) -> None:
        connection.execute(update(tables.drawing).where(tables.drawing.c.id == row.id).values(**values))

    return Effect(DrawingId(row.id), apply=apply, events=_event(row.id, row.scope), concerns=(row.scope,))


ACTS: tuple[Act, ...] = (add, change, remove)
