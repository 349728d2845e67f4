"""The video registry: the cameras in service that the one who asks may watch now, with an address their player understands.

The list decides nothing: it previews, as the console's does, and leaves out what the law would refuse. Playing asks again, by the
output's own act.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.operations import tables
from egide.operations.relay import relay
from egide.operations.tak.picture import Feed as Shown
from egide.operations.tak.ports import video_out
from egide.operations.watching import Watch

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


class Feed(msgspec.Struct):
    """A camera in service."""

    id: str
    alias: str
    url: str


class Feeds(msgspec.Struct):
    """What may be watched and can be played."""

    feeds: list[Feed]


@act(
    "operations.tak.feeds", verb="view", activity="tak-data", roles=("officer", "command", "pilot"), duty=True, output=Feeds,
    fr="Voir les vidéos offertes sur TAK", en="See the videos offered on TAK",
)  # fmt: skip
def list_feeds(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Feeds([Feed(row.id, row.name, url) for row, url in _offered(ctx)]))


def offered(kernel: Kernel, person: str) -> list[Shown]:
    """The same, for the map of a device of theirs: with the place of the camera."""
    principal = kernel.identity.person(person, kernel.store.reader(), strong=True)
    if principal is None:
        return []
    ctx = Ctx(kernel, principal, kernel.acts["operations.tak.feeds"], kernel.clock.now_us(), kernel.store.reader())
    found = []
    for row, url in _offered(ctx):
        place = relay(kernel).position(row.source) or ((row.lat, row.lon) if row.lat is not None else None)
        if place is not None:
            found.append(Shown(f"egide-video-{row.id}", row.name, url, *place))
    return found


def _offered(ctx: Ctx) -> Iterator[tuple[Any, str]]:
    out = video_out(ctx.kernel)
    if out is None:
        return
    source, flying = tables.source, tables.deployment
    query = (
        select(flying.c.id, flying.c.source, source.c.name, source.c.lat, source.c.lon)
        .join(source, source.c.id == flying.c.source)
        .where(flying.c.ended.is_(None))
        .order_by(flying.c.started)
    )
    for row in ctx.db.execute(query).all():
        if _may_watch(ctx, row.id):
            yield row, out.address(row.id, ctx.principal.id)


def _may_watch(ctx: Ctx, deployment: str) -> bool:
    watch = ctx.kernel.acts["operations.watch.open"]
    preview = Ctx(ctx.kernel, ctx.principal, watch, ctx.now_us, ctx.db)
    preview.purpose = ctx.kernel.activities[watch.activity].purposes[0].id
    facts = ctx.kernel.facts(preview, Watch(deployment=deployment))
    return ctx.kernel.guard.decide(watch.name, facts).allowed


ACTS: tuple[Act, ...] = (list_feeds,)
