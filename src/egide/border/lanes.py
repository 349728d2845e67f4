"""The two lanes of a point: the token's, and the equal one without biometrics. Times only; nobody is known in either.

A ticket is a drawn number handed out at a lane's entry and taken back at its end; only the wait remains, in a band. When the
equal lane's wait (95th percentile of the last hour) becomes worse than the token's, `lane.slower` says so: consent is free only
while refusing costs nothing (GDPR 7(4); EDPB Opinion 11/2024).
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from egide.border.basis import BasisTold, identifier, in_words
from egide.border.control_points import points
from egide.border.realm import BOTH, Of, lanes
from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.capability import Words
from egide.kernel.errors import NotFound, Text
from egide.kernel.randomness import draw

if TYPE_CHECKING:
    from collections.abc import Mapping


Lane = Literal["token", "equal"]
# s; upper ends of the bands in which waits are kept: as fine as people feel them, and as coarse as nobody is found by them.
BANDS_S = (30, 60, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 7200)
SLOT_US = 900_000_000  # µs: a quarter of an hour
SLOTS = 4  # an hour is looked at
LEAST = 10  # waits in each lane before they are compared or shown: fewer could be somebody’s
LOST_US = 4 * 3_600_000_000  # µs after which a ticket that nobody took back is forgotten
KEPT_SLOTS = 96  # a day (law pack: edpb-11-2024.waiting)
SHARE = 0.95


class Setting(Input):
    """How a point stands: its equal lane open or not, an officer there or not."""

    point: str
    equal_open: bool
    staffed: bool


class Entering(Input):
    """Into which lane of which point."""

    point: str
    lane: Lane


class TicketRef(Input):
    """A ticket."""

    ticket: str


class Ticket(msgspec.Struct):
    """A drawn number; it names nobody."""

    ticket: str


class PointRef(Input):
    """A control point."""

    point: str


class Standing(msgspec.Struct):
    """How a point stands, and the 95th percentile of the last hour's waits (s, a band's upper end; None: too few to say)."""

    point: str
    equal_open: bool
    staffed: bool
    token_p95_s: int | None
    equal_p95_s: int | None


class PointShown(msgspec.Struct):
    """A control point as its file says: what it asks, on which basis, and the two lanes in words."""

    id: str
    title: Words
    purpose: Words
    realm: str
    claims: list[str]
    legal_basis: str
    basis: BasisTold | None
    external_only: bool
    face: bool
    document: bool
    token: Words
    equal: Words


class Points(msgspec.Struct):
    """The control points of this realm."""

    points: list[PointShown]


class NoInput(Input):
    """Nothing to say."""


def _set(of: Of, ctx: Ctx, given: Setting) -> Effect:
    of.point(ctx.kernel, given.point)
    table = of.tables.lane
    values = {"equal_open": given.equal_open, "staffed": given.staffed}

    def apply(connection: Connection) -> None:
        if connection.execute(update(table).where(table.c.point == given.point).values(**values)).rowcount == 0:
            connection.execute(insert(table), {"point": given.point, **values})

    return Effect(NoInput(), apply=apply, events=[("lane.changed", {"point": given.point})])


def _enter(of: Of, ctx: Ctx, given: Entering) -> Effect:
    of.point(ctx.kernel, given.point)
    ticket, table = draw(8).hex(), of.tables.ticket

    def apply(connection: Connection) -> None:
        connection.execute(delete(table).where(table.c.at <= ctx.now_us - LOST_US))

    row = {"id": ticket, "point": given.point, "lane": given.lane, "at": ctx.now_us}
    return Effect(Ticket(ticket), rows=[(table, row)], apply=apply)


def _leave(of: Of, ctx: Ctx, given: TicketRef) -> Effect:
    table = of.tables.ticket
    row = ctx.db.execute(select(table).where(table.c.id == given.ticket)).first()
    if row is None:
        raise NotFound(Text("Ce ticket n’existe plus.", "There is no such ticket any more."))
    slot, band = ctx.now_us // SLOT_US, band_of((ctx.now_us - row.at) / 1_000_000)
    before = waits(of, ctx.db, row.point, slot)
    after = {lane: dict(counted) for lane, counted in before.items()}
    after[row.lane][band] = after[row.lane].get(band, 0) + 1

    def apply(connection: Connection) -> None:
        if connection.execute(delete(table).where(table.c.id == given.ticket)).rowcount:
            _add(of, connection, {"point": row.point, "lane": row.lane, "slot": slot, "band": band})

    worse = slower(after) and not slower(before)
    events = [("lane.slower", {"point": row.point, "realm": of.realm})] if worse else []
    return Effect(NoInput(), apply=apply, events=events)


def _add(of: Of, connection: Connection, key: dict[str, Any]) -> None:
    table = of.tables.wait
    connection.execute(delete(table).where(table.c.slot <= key["slot"] - KEPT_SLOTS))
    more = update(table).where(*(table.c[name] == value for name, value in key.items())).values(n=table.c.n + 1)
    if connection.execute(more).rowcount == 0:
        connection.execute(insert(table), key | {"n": 1})


def band_of(seconds: float) -> int:
    """The band of a wait: which of `BANDS_S` it does not exceed; beyond them all, the last."""
    return min(bisect_left(BANDS_S, max(0.0, seconds)), len(BANDS_S) - 1)


def waits(of: Of, db: Connection, point: str, slot: int) -> dict[str, dict[int, int]]:
    """How many waits of each band each lane had in the last hour."""
    table = of.tables.wait
    asked = (
        select(table.c.lane, table.c.band, func.sum(table.c.n).label("n"))
        .where(table.c.point == bindparam("of"), table.c.slot > bindparam("after"))
        .group_by(table.c.lane, table.c.band)
    )
    found: dict[str, dict[int, int]] = {"token": {}, "equal": {}}
    for row in db.execute(asked, {"of": point, "after": slot - SLOTS}):
        found[row.lane][row.band] = int(row.n)
    return found


def p95(counted: Mapping[int, int]) -> int | None:
    """The 95th percentile of waits (s, a band's upper end); None where there are fewer than `LEAST`."""
    total = sum(counted.values())
    if total < LEAST:
        return None
    seen = 0
    for band in sorted(counted):
        seen += counted[band]
        if seen >= SHARE * total:
            return BANDS_S[band]
    return BANDS_S[-1]


def slower(counted: Mapping[str, Mapping[int, int]]) -> bool:
    """Whether who refuses the token waits longer than who takes it."""
    token, equal = p95(counted["token"]), p95(counted["equal"])
    return token is not None and equal is not None and equal > token


def _show(of: Of, ctx: Ctx, given: PointRef) -> Effect:
    of.point(ctx.kernel, given.point)
    now, counted = lanes(of, ctx.db, given.point), waits(of, ctx.db, given.point, ctx.now_us // SLOT_US)
    shown = Standing(given.point, now.equal_open, now.staffed, p95(counted["token"]), p95(counted["equal"]))
    return Effect(shown)


def _points(of: Of, ctx: Ctx, _given: NoInput) -> Effect:
    shown = [
        PointShown(
            id=point.id, title=point.title, purpose=point.purpose, realm=point.realm, claims=list(point.claims),
            legal_basis=identifier(point.legal_basis), basis=in_words(ctx.kernel.book, point.legal_basis),
            external_only=point.legal_basis is not None and point.legal_basis.external_only, face=point.face is not None,
            document=point.document, token=point.lanes.token, equal=point.lanes.equal,
        )
        for point in points().values() if point.realm == of.realm
    ]  # fmt: skip
    return Effect(Points(shown))


def acts(of: Of) -> tuple[Act, ...]:
    """The acts of this realm's lanes."""
    common: dict[str, Any] = {"activity": of.activity, "roles": ("gate", "officer", "command"), "duty": True}
    return (
        act(
            of.name("lane.set"), verb="administer", input=Setting, output=NoInput, activity=of.activity,
            roles=("officer", "command"), duty=True, fr="Ouvrir ou fermer la voie égale, prendre ou quitter son poste",
            en="Open or close the equal lane, take or leave one’s post",
        )(partial(_set, of)),
        act(
            of.name("lane.enter"), verb="administer", input=Entering, output=Ticket, **common,
            fr="Entrer dans une voie", en="Enter a lane",
        )(partial(_enter, of)),
        act(
            of.name("lane.leave"), verb="administer", input=TicketRef, output=NoInput, **common,
            fr="Sortir d’une voie", en="Leave a lane",
        )(partial(_leave, of)),
        act(
            of.name("lane.show"), verb="view", input=PointRef, output=Standing, **common,
            fr="Voir les deux voies d’un point", en="See the two lanes of a point",
        )(partial(_show, of)),
        act(
            of.name("point.list"), verb="view", activity=of.activity, roles=["anyone"], open=True, input=NoInput, output=Points,
            fr="Lire ce que demande chaque point de contrôle", en="Read what each control point asks for",
        )(partial(_points, of)),
    )  # fmt: skip


ACTS: tuple[Act, ...] = tuple(each for of in BOTH for each in acts(of))
