"""The river of acts, live: who did what under which order and article, and each refusal with all its reasons.

Reading the log is an act of its own, for the purposes of directive 2016/680 article 25(2) only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.emergency import called_at
from egide.kernel.errors import NotFound
from egide.kernel.leases import Lease
from egide.kernel.told import reasons
from egide.kernel.work import Leaf

if TYPE_CHECKING:
    from egide.kernel.events import Recorded
    from egide.kernel.kernel import Kernel
    from egide.kernel.work import Work

MAX_ENTRIES = 200  # of one look
READERS = ("dpo", "inspector")
_leaf = msgspec.json.Decoder(Leaf).decode


class Look(Input):
    """Which entries: before an index, by act, outcome, order or actor. `log_purpose` as article 25(2) lists them."""

    before: int | None = None
    limit: int = 50
    act: str | None = None
    outcome: str | None = None
    order: str | None = None
    actor: str | None = None
    log_purpose: str = "lawfulness"
    motive: str = "Contrôle de la licéité"


class River(msgspec.Struct):
    """Entries, newest first."""

    entries: list[dict[str, Any]]
    size: int


class Watches(msgspec.Struct):
    """Who watches what now."""

    watches: list[dict[str, Any]]


LOG_PURPOSES = ("lawfulness", "self-monitoring", "security", "criminal")


def log_facts(_ctx: Ctx, given: Any) -> Facts:
    """Why the log is read (LED 25(2)); anything that is not on the list counts as another purpose."""
    purpose = getattr(given, "log_purpose", "lawfulness")
    return {"log_purpose": purpose if purpose in LOG_PURPOSES else "other"}


@act(
    "oversight.river", verb="consult", activity="oversight", roles=READERS, groups=["log-access"], gather=log_facts, input=Look, output=River,
    fr="Consulter le journal des actes", en="Consult the log of acts",
)  # fmt: skip
def river(ctx: Ctx, given: Look) -> Effect:
    table = tables.entry
    query = (
        select(table)
        .where(table.c.realm == ctx.kernel.settings.realm)
        .order_by(table.c.idx.desc())
        .limit(max(1, min(given.limit, MAX_ENTRIES)))
    )
    if given.before is not None:
        query = query.where(table.c.idx < given.before)
    for column, wanted in (
        (table.c.outcome, given.outcome),
        (table.c.order_id, given.order),
        (table.c.actor, given.actor),
    ):
        if wanted:
            query = query.where(column == wanted)
    if given.act:
        query = (
            query.where(table.c.act == given.act)
            if given.act in ctx.kernel.acts
            else query.where(table.c.act.startswith(given.act, autoescape=True))
        )
    entries = [shown(ctx.kernel, row.idx, bytes(row.leaf), row.actor, row.order_id) for row in ctx.db.execute(query)]
    return Effect(River(entries, ctx.kernel.log.size))


def shown(kernel: Kernel, index: int, leaf: bytes, actor: str | None, order: str | None) -> dict[str, Any]:
    """One entry as the river shows it."""
    entry = _leaf(leaf)
    cited = [kernel.book.cite(rule) for rule in entry.rules if rule in kernel.book.all_rules]
    act_ = kernel.acts.get(entry.act)
    return {
        "index": index, "at": iso(entry.at), "act": entry.act, "verb": entry.verb, "activity": entry.activity, "outcome": entry.outcome,
        "summary": {"fr": act_.summary.fr, "en": act_.summary.en} if act_ else None,
        "actor": {"id": actor, "name": kernel.identity.name(actor)} if actor else None,
        "order": order, "order_title": _order_title(kernel, order), "articles": _articles(kernel, entry),
        "reasons": [_reason(c) for c in cited], "rows": entry.rows, "cause": entry.cause or None,
        "called": called_at(entry.cause),
    }  # fmt: skip


def _reason(cited: Any) -> dict[str, Any]:
    return {
        "rule": cited.rule, "text": cited.text, "text_title": {"fr": cited.text_title.fr, "en": cited.text_title.en}, "article": cited.article,
        "fr": cited.fr, "en": cited.en, "remedy": {"fr": cited.remedy_fr, "en": cited.remedy_en}, "ask": cited.ask,
    }  # fmt: skip


def _articles(kernel: Kernel, entry: Leaf) -> list[str]:
    """The articles the act rests on: its activity's bases."""
    activity = kernel.activities.get(entry.activity)
    return [f"{basis.article}" for basis in activity.bases] if activity else []


def _order_title(kernel: Kernel, order: str | None) -> str | None:
    if order is None:
        return None
    try:
        return kernel.orders.get(order, kernel.store.reader()).body.title
    except NotFound:
        return None


@act(
    "oversight.watches", verb="consult", activity="oversight", roles=READERS, groups=["log-access"], gather=log_facts, duty=True, output=Watches,
    fr="Voir qui regarde quoi en ce moment", en="See who watches what now",
)  # fmt: skip
def watches(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Watches(open_watches(ctx.kernel)))


def open_watches(kernel: Kernel) -> list[dict[str, Any]]:
    """The running views, from the leases that keep them alive."""
    found = []
    for lease in kernel.leases.held():
        if lease.act.name not in ("operations.watch.open", "operations.watch.rtsp"):
            continue
        about = lease.about
        order = str(about.get("order", ""))
        found.append(
            {
                "id": lease.id, "actor": {"id": lease.principal.id, "name": lease.principal.name}, "source": about.get("source"),
                "source_name": about.get("source_name"), "order": order, "order_title": _order_title(kernel, order),
                "articles": about.get("articles", []), "since": about.get("since"),
            }
        )  # fmt: skip
    return found


@act(
    "oversight.follow", verb="consult", activity="oversight", roles=READERS, groups=["log-access"], gather=log_facts, duty=True, live=True,
    fr="Suivre les actes en direct", en="Follow acts live",
)  # fmt: skip
def follow(ctx: Ctx, given: Nothing) -> Effect:
    kernel, channel = ctx.kernel, ctx.channel

    def tell(work: Work) -> None:
        if work.receipt is None or channel.closed or not lease.alive():
            return
        effect = work.effect
        actor = (effect.actor if effect is not None else None) or work.ctx.principal.id
        order = effect.order if effect is not None else None
        channel.push({"push": "act", "entry": live_entry(kernel, work, actor, order)})

    def tell_other(recorded: Recorded) -> None:
        if not channel.closed and lease.alive():
            entry = shown(kernel, recorded.index, recorded.leaf, recorded.actor, recorded.order)
            channel.push({"push": "act", "entry": entry})

    def tell_watches(name: str, _payload: dict[str, Any]) -> None:
        if name in ("watch.changed", "order.ended", "order.signed"):
            channel.push({"push": "watches"})

    lease = Lease(
        f"follow-{id(channel)}",
        ctx.act,
        given,
        ctx.principal,
        ctx.purpose,
        lambda _decision: channel.push({"push": "follow.ended"}),
    )
    stops: list[Any] = []

    def stop() -> None:
        kernel.leases.close(lease.id)
        for each in stops:
            each()

    def started() -> None:
        kernel.leases.open(lease)
        stops.extend((kernel.bus.watch_acts(tell, tell_other), kernel.bus.watch(tell_watches)))
        channel.push({"push": "watches"})  # what opened between the page's first look and now

    channel.on_close(stop)
    return Effect(Nothing(), started=started)


def live_entry(kernel: Kernel, work: Work, actor: str, order: str | None) -> dict[str, Any]:
    """The entry of an act that has just been recorded."""
    act_ = work.act
    activity = kernel.activities.get(act_.activity)
    return {
        "index": work.receipt.index if work.receipt else -1, "at": iso(kernel.clock.now_us()), "act": act_.name, "verb": act_.verb, "activity": act_.activity,
        "outcome": work.outcome, "summary": {"fr": act_.summary.fr, "en": act_.summary.en},
        "actor": {"id": actor, "name": kernel.identity.name(actor)} if actor else None, "order": order,
        "order_title": _order_title(kernel, order), "articles": [basis.article for basis in activity.bases] if activity else [],
        "reasons": reasons(work.decision), "rows": 0, "cause": work.ctx.cause or None,
        "called": called_at(work.ctx.cause),
    }  # fmt: skip


ACTS: tuple[Act, ...] = (river, watches, follow)
