"""Erasing what is due, holding what a procedure needs: the two acts behind the retention clock."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, update

from egide.kernel import tables
from egide.kernel.act import Act, Change, Ctx, Effect, Input, Nothing, Receipt, act
from egide.kernel.errors import Conflict, NotFound, Text
from egide.kernel.identity import new_id
from egide.kernel.retention import Erasing, finish, hold_row, left_outside
from egide.kernel.times import parse

# Built once: a statement costs more to build than to run.
_TABLE = tables.retained
_ERASE = update(_TABLE).where(_TABLE.c.id == bindparam("of"), _TABLE.c.state != "erasing", _TABLE.c.state != "erased")
_ERASE = _ERASE.values(state=bindparam("now"))


class Due(Input):
    """Objects of one category whose time has come. `object`: one alone, as older entries of the ledger say it."""

    category: str
    objects: list[str] = []
    object: str = ""

    @property
    def every(self) -> list[str]:
        """All of them."""
        return [*self.objects, self.object] if self.object else self.objects


class NewHold(Input):
    """A procedure for which an object must outlive its time."""

    category: str
    object: str
    reference: str
    motive: str
    until: str | None = None


class HoldId(Input):
    """The id of a hold."""

    id: str


@act(
    "retention.erase", verb="erase", activity="retention", roles=["system"], system=True, duty=True, input=Due,
    fr="Effacer ce dont la durée est échue", en="Erase what is due",
)  # fmt: skip
def erase(ctx: Ctx, given: Due) -> Effect:
    """All of these or none: who asks for several asks for one after the other where that fails."""
    kernel, category = ctx.kernel, given.category
    eraser = next((c.erasers[category] for c in kernel.capabilities if category in c.erasers), None)
    if eraser is None:
        raise NotFound(Text(f"Personne ne sait effacer « {category} ».", f"Nobody can erase “{category}”."))
    outside = left_outside(kernel, category)
    now = "erasing" if outside else "erased"
    effect = Effect(Nothing())
    applied: list[Callable[[Connection], None]] = []
    for object_ in given.every:
        destroying = eraser(kernel, object_)
        erasing = destroying if isinstance(destroying, Erasing) else Erasing(apply=destroying)
        named = {"of": f"{category}/{object_}", "now": now}
        effect.changes += (Change(_ERASE, named, _already), *erasing.changes)
        effect.shreds += erasing.keys
        effect.events.append(("object.erased", {"category": category, "object": object_}))
        if erasing.apply is not None:
            applied.append(erasing.apply)

    def apply(connection: Connection) -> None:
        for each in applied:
            each(connection)

    async def after(_receipt: Receipt) -> None:
        for object_ in given.every:
            await finish(kernel, category, object_)

    effect.apply, effect.after = apply if applied else None, after if outside else None
    return effect


def _already() -> Conflict:
    """Another process was quicker: one erasure, one entry."""
    return Conflict(Text("C’est déjà effacé.", "This is erased already."))


@act(
    "retention.hold", verb="alter", activity="retention", roles=["magistrate", "dpo"], input=NewHold, output=HoldId,
    fr="Conserver pour une procédure", en="Hold for a procedure",
)  # fmt: skip
def hold(ctx: Ctx, given: NewHold) -> Effect:
    id_ = new_id()
    retained = f"{given.category}/{given.object}"
    sealed = ctx.kernel.vault.seal(f"hold:{id_}", "retention", given.reference.encode(), id_.encode())
    row = hold_row(id_, retained, sealed, ctx.now_us, parse(given.until) if given.until else None)
    concerns = (given.object,) if f"{given.category}/" == tables.HELD else ()
    return Effect(
        HoldId(id=id_), rows=[(tables.hold, row)], events=[("hold.set", {"object": given.object})], concerns=concerns
    )


ACTS: tuple[Act, ...] = (erase, hold)
