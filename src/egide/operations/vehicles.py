"""Vehicles: a device bound to one reports in its name. No track is kept of a vehicle, and none of who drives it.

The driver is on duty all the same: where a vehicle is, its crew is, and off duty it stops like an officer's own position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.identity import new_id
from egide.operations import tables
from egide.operations.relay import relay

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CHANGED = "vehicle.changed"
KINDS = ("car", "van", "motorcycle", "bicycle", "boat", "other")


class NewVehicle(Input):
    """A vehicle of a unit: its call sign and what it is."""

    name: str
    kind: str = "car"
    unit: str = ""


class VehicleRef(Input):
    """A vehicle."""

    vehicle: str


class VehicleId(msgspec.Struct):
    """The id of a vehicle."""

    id: str


class VehicleList(msgspec.Struct):
    """The vehicles a device may be bound to."""

    vehicles: list[dict[str, str]]


def load(kernel: Kernel) -> None:
    """Reads the names of all vehicles into memory, at the start and when one changes."""
    table = tables.vehicle
    rows = kernel.store.reader().execute(select(table.c.id, table.c.name).where(table.c.removed.is_(None)))
    kernel.things["vehicles"] = {row.id: row.name for row in rows}


def changed(kernel: Kernel, name: str, payload: dict[str, Any]) -> None:
    """A vehicle was declared or removed, here or in another process."""
    if name == CHANGED:
        load(kernel)
        if payload["vehicle"] not in kernel.things["vehicles"]:
            relay(kernel).positions.drop(payload["vehicle"])


@act(
    "operations.vehicle.declare", verb="collect", activity="operations-means", roles=["command"], duty=True, input=NewVehicle,
    output=VehicleId, fr="Déclarer un véhicule", en="Declare a vehicle",
)  # fmt: skip
def declare(_ctx: Ctx, given: NewVehicle) -> Effect:
    name = given.name.strip()
    if not 0 < len(name) <= 80 or given.kind not in KINDS or len(given.unit) > 40:
        raise BadInput(
            Text(
                f"Un véhicule a un indicatif de 80 signes au plus, et une sorte : {', '.join(KINDS)}.",
                f"A vehicle has a call sign of at most 80 characters, and a kind: {', '.join(KINDS)}.",
            )
        )
    id_ = new_id()
    row = {"id": id_, "name": name, "kind": given.kind, "unit": given.unit, "removed": None}
    return Effect(VehicleId(id_), rows=[(tables.vehicle, row)], events=[(CHANGED, {"vehicle": id_})])


@act(
    "operations.vehicle.remove", verb="alter", activity="operations-means", roles=["command"], duty=True, input=VehicleRef,
    fr="Retirer un véhicule", en="Remove a vehicle",
)  # fmt: skip
def remove(ctx: Ctx, given: VehicleRef) -> Effect:
    if given.vehicle not in ctx.kernel.things["vehicles"]:
        raise NotFound(Text("Ce véhicule n’est pas déclaré.", "This vehicle is not declared."))

    def apply(connection: Connection) -> None:
        connection.execute(
            update(tables.vehicle).where(tables.vehicle.c.id == given.vehicle).values(removed=ctx.now_us)
        )

    return Effect(Nothing(), apply=apply, events=[(CHANGED, {"vehicle": given.vehicle})])


@act(
    "operations.vehicle.list", verb="view", activity="operations-means", roles=["officer", "command", "pilot"], duty=True,
    output=VehicleList, fr="Voir les véhicules", en="See the vehicles",
)  # fmt: skip
def list_vehicles(ctx: Ctx, _given: Nothing) -> Effect:
    table = tables.vehicle
    rows = ctx.db.execute(select(table).where(table.c.removed.is_(None)).order_by(table.c.name)).all()
    return Effect(VehicleList([{"id": row.id, "name": row.name, "kind": row.kind, "unit": row.unit} for row in rows]))


ACTS: tuple[Act, ...] = (declare, remove, list_vehicles)
