"""The record of processing *is* the running guard: each activity with its acts, counted as they were allowed and refused."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import func, select

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.kernel.clock import from_us
from egide.kernel.guard import Guard
from egide.kernel.law_model import legal_day


class Record(msgspec.Struct):
    """Every processing activity of the realm (GDPR 30, directive 2016/680 article 24)."""

    activities: list[dict[str, Any]]
    law: dict[str, Any]


@act(
    "oversight.record", verb="view", activity="oversight", roles=["*"], duty=True, output=Record,
    fr="Lire le registre des traitements", en="Read the record of processing",
)  # fmt: skip
def record(ctx: Ctx, _given: Nothing) -> Effect:
    kernel = ctx.kernel
    table = tables.entry
    counts: dict[tuple[str, str], int] = {}
    rows = ctx.db.execute(
        select(table.c.act, table.c.outcome, func.count())
        .where(table.c.realm == kernel.settings.realm)
        .group_by(table.c.act, table.c.outcome)
    )
    for name, outcome, number in rows:
        counts[(name, outcome)] = number
    today = legal_day(from_us(ctx.now_us), kernel.book.zone).isoformat()
    found = []
    for activity in kernel.activities.values():
        own = [a for a in kernel.acts.values() if a.activity == activity.id and not a.open]
        found.append(
            {
                "id": activity.id, "title": {"fr": activity.title.fr, "en": activity.title.en}, "regime": activity.regime,
                "controller": kernel.settings.controller,
                "purposes": [{"fr": p.fr, "en": p.en} for p in activity.purposes],
                "bases": [
                    {
                        "text": b.text, "text_title": _title(kernel.book.texts, b.text), "article": b.article,
                        "in_force": b.text in kernel.book.texts and kernel.book.texts[b.text].in_force(today) and (b.until is None or today <= b.until),
                        "until": b.until,
                    }
                    for b in activity.bases
                ],
                "subjects": [{"fr": w.fr, "en": w.en} for w in activity.subjects], "data": [{"fr": w.fr, "en": w.en} for w in activity.data],
                "recipients": [{"fr": w.fr, "en": w.en} for w in activity.recipients],
                "retention": [{"category": r.category, "rule": {"fr": r.fr, "en": r.en}} for r in activity.retention],
                "security": [{"fr": w.fr, "en": w.en} for w in activity.security],
                "dpia": activity.dpia, "engagement": activity.engagement,
                "acts": [
                    {
                        "name": a.name, "verb": a.verb, "summary": {"fr": a.summary.fr, "en": a.summary.en},
                        "rules": _rules(kernel.guard, a.name), "allowed": counts.get((a.name, "allowed"), 0), "refused": counts.get((a.name, "refused"), 0),
                    }
                    for a in own
                ],
            }
        )  # fmt: skip
    law = {
        "hash": kernel.book.hash,
        "rules": len(kernel.book.rules),
        "texts": [
            {"id": t.id, "title": {"fr": t.title.fr, "en": t.title.en}, "version": t.version}
            for t in kernel.book.texts.values()
        ],
    }
    return Effect(Record(found, law))


def _rules(guard: Guard, name: str) -> list[str]:
    return [rule.id for rule in guard.rules_of(name)]


def _title(texts: Any, text: str) -> dict[str, str]:
    return {"fr": texts[text].title.fr, "en": texts[text].title.en} if text in texts else {"fr": text, "en": text}


ACTS: tuple[Act, ...] = (record,)
