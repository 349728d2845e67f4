"""Aircraft that signal themselves by radio: on the shared picture without a name, identified by an act with its motive.

The pilot's place, the operator's number and the serial number are personal data of people nobody suspects of anything: they are
shown to one officer, for a purpose and a written motive, while the aircraft signals itself, and are kept nowhere.

That an aircraft says it is one of ours may be told: nothing of it is about a stranger. Anyone can send such a signal, so its
place is compared with the one that ours tells by itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.errors import NotFound, Text
from egide.operations import tables
from egide.operations.relay import relay
from egide.operations.signals import CURRENT_S, Drone
from egide.protocols.geodesy import distance

MIN_MOTIVE = 10  # characters: a motive that says something
MIN_MARK = 4  # letters and digits below which a registration proves nothing
NEAR_M = 300.0  # m between what an aircraft signals and what ours tells by itself: seconds of flight, errors of both


class DroneList(msgspec.Struct):
    """Who signals itself now, without saying who flies: `status` 1 ground, 2 airborne, 3 emergency, 4 fault.

    `own` is the source whose registration it signals: its id, name, and whether it is where ours is (None: not known).
    """

    drones: list[dict[str, Any]]
    refused: dict[str, int]


class Identify(Input):
    """Who flies this aircraft; `motive` says why it must be known."""

    drone: str
    motive: str
    purpose: str | None = None


class Identified(msgspec.Struct):
    """What the aircraft says of itself and of its pilot, unverified: anyone can send such signals."""

    drone: str
    serial: str
    registration: str
    operator: str
    words: str
    pilot: dict[str, Any] | None
    takeoff: dict[str, Any] | None
    heard: str


def _drone(ctx: Ctx, id_: str) -> Drone:
    found = relay(ctx.kernel).telemetry.signals.find(id_)
    if found is None:
        raise NotFound(Text("Cet aéronef ne se signale plus.", "This aircraft signals itself no more."))
    return found


def _heard(ctx: Ctx, drone: Drone) -> str:
    at = datetime.fromtimestamp(ctx.now_us / 1e6, UTC) - timedelta(seconds=drone.age_s)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


@act(
    "operations.drone.list", verb="view", activity="drone-identification", roles=["officer", "command", "pilot"], duty=True,
    output=DroneList, fr="Voir les aéronefs qui se signalent", en="See the aircraft that signal themselves",
)  # fmt: skip
def list_drones(ctx: Ctx, _given: Nothing) -> Effect:
    signals, own = relay(ctx.kernel).telemetry.signals, _own(ctx)
    shown = [
        {
            "id": drone.id, "name": drone.name, "heard": _heard(ctx, drone), "current": drone.age_s < CURRENT_S,
            "status": drone.location.status if drone.location else 0,
            "height": drone.location.height if drone.location else drone.french.height if drone.french else None,
            "own": _claimed(ctx, drone, own),
        }
        for drone in signals.drones()
    ]  # fmt: skip
    return Effect(DroneList(shown, dict(signals.refused)))


def _own(ctx: Ctx) -> dict[str, Any]:
    """Our declared aircraft by registration."""
    rows = ctx.db.execute(select(tables.source).where(tables.source.c.removed.is_(None))).all()
    return {mark: row for row in rows if len(mark := _mark(row.aircraft)) >= MIN_MARK}


def _mark(registration: str) -> str:
    """A registration or serial number as it is compared: F-ZEG1 and fzeg1 are the same."""
    return "".join(filter(str.isalnum, registration)).upper()


def _claimed(ctx: Ctx, drone: Drone, own: dict[str, Any]) -> dict[str, Any] | None:
    french, said = drone.french, drone.location
    signalled = [each.uas_id for each in drone.basic.values()] + ([french.uas_id, french.serial] if french else [])
    row = next((own[mark] for each in signalled if (mark := _mark(each)) in own), None)
    if row is None:
        return None
    place = said if said is not None and said.lat is not None else french
    there, here = relay(ctx.kernel).position(row.id), (place.lat, place.lon) if place is not None else (None, None)
    near = None
    if there is not None and here[0] is not None and here[1] is not None:
        near = distance(there, (here[0], here[1])) <= NEAR_M
    return {"source": row.id, "name": row.name, "near": near}


def _identify_facts(ctx: Ctx, given: Identify) -> Facts:
    found = relay(ctx.kernel).telemetry.signals.find(given.drone)
    return {
        "identification_motive": len(given.motive.strip()) >= MIN_MOTIVE,
        "signal_current": found is not None and found.age_s < CURRENT_S,
    }


@act(
    "operations.drone.identify", verb="consult", activity="drone-identification", roles=["officer", "command"], duty=True,
    groups=["drone-identification"], gather=_identify_facts, input=Identify, output=Identified,
    fr="Identifier le télépilote d’un aéronef qui se signale", en="Identify the pilot of an aircraft that signals itself",
)  # fmt: skip
def identify(ctx: Ctx, given: Identify) -> Effect:
    drone = _drone(ctx, given.drone)
    french, system = drone.french, drone.system
    serial = drone.basic[1].uas_id if 1 in drone.basic else (french.serial or french.uas_id) if french else ""
    pilot = _at(system.lat, system.lon) if system and system.place_type else None
    takeoff = _at(system.lat, system.lon) if system and not system.place_type else None
    if french is not None and takeoff is None:
        takeoff = _at(french.home_lat, french.home_lon)
    return Effect(
        Identified(
            drone.id, serial, drone.basic[2].uas_id if 2 in drone.basic else "", drone.operator.operator_id if drone.operator else "",
            drone.words.text if drone.words else "", pilot, takeoff, _heard(ctx, drone),
        )
    )  # fmt: skip


def _at(lat: float | None, lon: float | None) -> dict[str, Any] | None:
    return None if lat is None or lon is None else {"lat": lat, "lon": lon}


ACTS: tuple[Act, ...] = (list_drones, identify)
