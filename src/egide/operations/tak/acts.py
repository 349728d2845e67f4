"""The acts of the TAK exchange: a connection opens as its device's person, ends, and each minute of what passed is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection as Db
from sqlalchemy import bindparam, select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.leases import TTL_S, Lease
from egide.operations import tables

if TYPE_CHECKING:
    from egide.kernel.guard import Decision
    from egide.kernel.kernel import Kernel

_MISSIONS = (
    select(tables.roster.c.mission)
    .join(tables.mission, tables.mission.c.id == tables.roster.c.mission)
    .where(
        tables.roster.c.person == bindparam("person"), tables.roster.c.gone.is_(None), tables.mission.c.closed.is_(None)
    )
)
_UNIT = select(kernel_tables.person.c.unit).where(kernel_tables.person.c.id == bindparam("person"))


class Connect(Input):
    """A device connects; its certificate said which."""

    device: str
    connection: str


class Connected(msgspec.Struct):
    """The compiled filter: the groups it sends to and hears, and how long it stands undecided."""

    groups: list[str]
    lease_s: float


class Ended(Input):
    """A connection ended: why, and what passed on it."""

    connection: str
    why: str
    received: int
    delivered: int
    refused: int


class Minute(Input):
    """What passed in a minute: counts, and the root over the ticks' events."""

    events: int
    deliveries: int
    connections: int
    refused: int
    root: str


def groups_now(_kernel: Kernel, db: Db, person: str) -> frozenset[str]:
    """Whom a person's device speaks to and hears: the own unit, and the missions on whose roster they are now."""
    unit = db.execute(_UNIT, {"person": person}).scalar()
    found = {f"mission:{mission}" for (mission,) in db.execute(_MISSIONS, {"person": person})}
    return frozenset(found | ({f"unit:{unit}"} if unit else set()))


@act(
    "operations.tak.connect", verb="view", activity="tak-exchange", roles=["officer", "command", "pilot"], duty=True, live=True,
    input=Connect, output=Connected, fr="Connecter un appareil TAK", en="Connect a TAK device",
)  # fmt: skip
def connect(ctx: Ctx, given: Connect) -> Effect:
    kernel, connection = ctx.kernel, ctx.channel
    groups = groups_now(kernel, ctx.db, ctx.principal.id)

    def ended(decision: Decision) -> None:
        connection.cut("refused", "; ".join(reason.en for reason in decision.reasons))

    lease = Lease(given.connection, ctx.act, given, ctx.principal, ctx.purpose, ended)

    def started() -> None:
        connection.lease = lease
        kernel.leases.open(lease)
        connection.opened(groups_now(kernel, kernel.store.reader(), ctx.principal.id))

    return Effect(Connected(sorted(groups), TTL_S), started=started)


@act(
    "operations.tak.end", verb="view", activity="tak-exchange", roles=["system"], system=True, duty=True, input=Ended,
    fr="Noter la fin d’une connexion TAK", en="Note the end of a TAK connection",
)  # fmt: skip
def end(_ctx: Ctx, _given: Ended) -> Effect:
    return Effect(Nothing())


@act(
    "operations.tak.seal", verb="view", activity="tak-exchange", roles=["system"], system=True, duty=True, input=Minute,
    fr="Sceller la minute écoulée des échanges TAK", en="Seal the past minute of TAK exchange",
)  # fmt: skip
def seal(_ctx: Ctx, given: Minute) -> Effect:
    return Effect(Nothing(), bulk=(given.events, bytes.fromhex(given.root)))


ACTS: tuple[Act, ...] = (connect, end, seal)
