"""The facts L242 asks of a camera in the air and of whoever looks through it; gathered fresh, decided by the law packs.

Only booleans and bands leave this file: the law sees `in_perimeter`, never a position (design, “Memo”).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, func, select

from egide.kernel.act import Ctx, Facts
from egide.kernel.clock import from_us, to_us
from egide.kernel.errors import Conflict, NotFound, Text
from egide.kernel.law import add_duration
from egide.kernel.orders import Order
from egide.operations import tables
from egide.operations.relay import Relay, relay

PERMANENT_US = (
    24 * 3600 * 1_000_000
)  # µs: a camera up for a day on end is a permanent one (our reading of L242-4 al. 1)
MISSIONS_HELD = 10_000  # missions whose order is remembered
_ON_ROSTER = select(tables.roster.c.since).where(
    tables.roster.c.mission == bindparam("mission"),
    tables.roster.c.person == bindparam("person"),
    tables.roster.c.gone.is_(None),
)
AERIAL_PURPOSES = ("places", "gathering", "terrorism", "transport", "border", "rescue")


def purpose_lawful(purpose: str, service: str) -> bool:
    """L242-5 I names six aims for police, gendarmerie and army; II gives customs its own."""
    if service == "customs":
        return purpose in ("customs", "border")
    return service in ("police", "gendarmerie", "army") and purpose in AERIAL_PURPOSES


def one(ctx: Ctx, table: Any, id_: str, fr: str, en: str) -> Any:
    """The row with this id; raises `NotFound` with the given words."""
    row = ctx.db.execute(_by_id(table), {"id": id_}).first()
    if row is None:
        raise NotFound(Text(fr, en))
    return row


@lru_cache(maxsize=64)
def _by_id(table: Table) -> Select[Any]:
    """The statement is built once: building it costs three times what running it does."""
    return select(table).where(table.c.id == bindparam("id"))


def source_row(ctx: Ctx, id_: str) -> Any:
    """A source; raises `NotFound`."""
    return one(ctx, tables.source, id_, "Cette source n’existe pas.", "This source does not exist.")


def mission_row(ctx: Ctx, id_: str) -> Any:
    """A mission; raises `NotFound`."""
    return one(ctx, tables.mission, id_, "Cette mission n’existe pas.", "This mission does not exist.")


def open_mission_row(ctx: Ctx, mission: str) -> Any:
    """A mission that goes on; raises `NotFound`, `Conflict`."""
    row = mission_row(ctx, mission)
    if row.closed is not None:
        raise Conflict(
            Text("Cette mission est close.", "This mission is closed."),
            Text("Ouvrez-en une autre.", "Open another one."),
        )
    return row


def order_of_mission(ctx: Ctx, mission: str) -> str:
    """The order a mission was opened under; raises `NotFound`. It never changes, so it is read once."""
    known: dict[str, str] = ctx.kernel.things.setdefault("mission-orders", {})
    if mission not in known:
        if len(known) >= MISSIONS_HELD:
            known.clear()
        known[mission] = str(mission_row(ctx, mission).order_id)
    return known[mission]


def deployment_row(ctx: Ctx, id_: str) -> Any:
    """A camera in service; raises `NotFound`."""
    return one(ctx, tables.deployment, id_, "Cette caméra n’est pas en service.", "This camera is not in service.")


def active(db: Connection, family: set[str] | None = None) -> int:
    """Cameras in the air now, under one order and its renewals, or in all."""
    query = select(func.count()).select_from(tables.deployment).where(tables.deployment.c.ended.is_(None))
    if family is not None:
        query = query.where(tables.deployment.c.order_id.in_(family))
    return int(db.execute(query).scalar_one())


def order_of(ctx: Ctx, order: str) -> Order:
    """The order under which something runs now: its own, or the renewal that took its place."""
    return ctx.kernel.orders.current(order, ctx.db, ctx.now_us)


def under(ctx: Ctx, mission: Any) -> Order | None:
    """The order a mission's cameras fly under now; None for a mission that was opened without one: it has no camera."""
    return order_of(ctx, mission.order_id) if mission.order_id else None


def caps(ctx: Ctx, order: Order | None, *, starting: bool) -> Facts:
    """Counters that another act may change meanwhile; the writer asks them again in its own transaction (L242-5 IV, VII)."""
    more = 1 if starting else 0
    if order is None:  # no order, no cap: nothing fits within it
        return {
            "within_cap_order": False,
            "within_cap_department": active(ctx.db) + more <= ctx.kernel.settings.department_cap,
        }
    held = ctx.kernel.orders
    family = held.lineage(order.body.id, held.all(ctx.db))
    return {
        "within_cap_order": active(ctx.db, family) + more <= order.body.cap,
        "within_cap_department": active(ctx.db) + more <= ctx.kernel.settings.department_cap,
    }


def on_roster(ctx: Ctx, mission: str) -> bool:
    """Whether the one who asks conducts this mission now (L242-2)."""
    return ctx.db.execute(_ON_ROSTER, {"mission": mission, "person": ctx.principal.id}).first() is not None


def in_perimeter(runtime: Relay, order: Order, source: Any) -> bool:
    """Last known place of the aircraft, else its declared take-off point; unknown counts as outside."""
    place = runtime.position(source.id) or ((source.lat, source.lon) if source.lat is not None else None)
    return place is not None and order.contains(*place)


def has_pilot(ctx: Ctx, source: Any) -> bool:
    """Whether the flight log names a remote pilot (R242-9)."""
    return bool(
        ctx.kernel.vault.open_(f"source:{source.id}", "sources", bytes(source.pilot), source.id.encode()).strip()
    )


def register_current(ctx: Ctx) -> bool:
    """R242-12: the register goes to the prefect every week; true while no finished intervention waits for longer."""
    sent = ctx.db.execute(select(func.max(tables.register.c.sent))).scalar() or 0
    oldest = ctx.db.execute(
        select(func.min(tables.deployment.c.ended)).where(
            tables.deployment.c.ended.is_not(None), tables.deployment.c.ended > sent
        )
    ).scalar()
    if oldest is None:
        return True
    interval = ctx.kernel.book.duration("csi-l242.register_interval", from_us(ctx.now_us))
    return ctx.now_us <= to_us(add_duration(from_us(oldest), interval))


def aerial(
    ctx: Ctx,
    source: Any,
    mission: Any,
    order: Order | None,
    *,
    since: int | None,
    starting: bool,
    purpose: str | None,
    emergency: bool,
) -> Facts:
    """Every fact of the group `aerial-camera` for one source under one order; without an order, the facts of its absence."""
    runtime = relay(ctx.kernel)
    state = runtime.state(source.id)
    tags = set(source.tags.split())
    body = None if order is None else order.body
    aim = purpose or ("" if body is None else body.purpose)
    found: Facts = {
        "order_in_force": order is not None and order.in_force(ctx.now_us),
        "order_signed": order is not None and order.signed is not None and order.authentic,
        "purpose_lawful": purpose_lawful(aim, source.service),
        "purpose_in_order": body is not None and aim == body.purpose,
        "aerial_purpose": aim if aim in (*AERIAL_PURPOSES, "customs") else "other",
        "in_perimeter": order is not None and in_perimeter(runtime, order, source),
        "mission_open": mission.closed is None,
        "service": source.service,
        "public_information": "none" if body is None else body.public_information,
        "emergency_claim": emergency,
        "audio_track": state.has_audio,
        "face_recognition": "face-recognition" in tags,
        "live_remote_identification": "face-recognition" in tags,
        "off_board_face_recognition": "off-board-face-recognition" in tags,
        "interconnection": "interconnection" in tags,
        "permanent": "permanent" in tags or (since is not None and ctx.now_us - since > PERMANENT_US),
        "home_interior": state.home_interior,
        "sensitive_selection": "sensitive-selection" in tags,
        "flight_log_complete": bool(source.aircraft.strip())
        and has_pilot(ctx, source)
        and body is not None
        and bool(body.place.strip()),
        "register_sent_this_week": register_current(ctx),
    }
    found.update(caps(ctx, order, starting=starting))
    return found
