"""The video registry: the cameras in service that the one who asks may watch now, with an address their player understands.

The list decides nothing: it previews, as the console's does, and leaves out what the law would refuse. Playing asks again, by the
output's own act.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.operations import tables
from egide.operations.tak.ports import video_out
from egide.operations.watching import Watch


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
    out = video_out(ctx.kernel)
    if out is None:
        return Effect(Feeds([]))
    flying = (
        select(tables.deployment.c.id, tables.source.c.name)
        .join(tables.source, tables.source.c.id == tables.deployment.c.source)
        .where(tables.deployment.c.ended.is_(None))
        .order_by(tables.deployment.c.started)
    )
    found = []
    for row in ctx.db.execute(flying).all():
        address = out.address(row.id, ctx.principal.id) if _may_watch(ctx, row.id) else None
        if address is not None:
            found.append(Feed(row.id, row.name, address))
    return Effect(Feeds(found))


def _may_watch(ctx: Ctx, deployment: str) -> bool:
    watch = ctx.kernel.acts["operations.watch.open"]
    preview = Ctx(ctx.kernel, ctx.principal, watch, ctx.now_us, ctx.db)
    preview.purpose = ctx.kernel.activities[watch.activity].purposes[0].id
    facts = ctx.kernel.facts(preview, Watch(deployment=deployment))
    return ctx.kernel.guard.decide(watch.name, facts).allowed


ACTS: tuple[Act, ...] = (list_feeds,)
