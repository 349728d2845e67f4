"""Erasing a person, asked for with a motive; what would go, what stays and why, and which procedure holds it."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from egide.kernel import erasure, tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.links import count


class ErasureOf(Input):
    """A person, and why. `needed_as_proof`: their data must be kept as evidence (directive 2016/680 art. 16(3)(b))."""

    person: str
    motive: str
    needed_as_proof: bool = False


class PersonLinks(Input):
    """A person whose links are looked at, and why."""

    person: str
    motive: str


class Found(msgspec.Struct):
    """What erasing would do: rows by place, contents of ledger entries, what stays and why, what stands in the way."""

    rows: dict[str, int]
    bodies: int
    kept: list[dict[str, Any]]
    holds: list[dict[str, Any]]
    orders: list[dict[str, str]]


class Begun(msgspec.Struct):
    """An erasure: its drawn reference, what stays and why, and that a new backup of the keys is due once it is done."""

    erasure: str
    kept: list[dict[str, Any]]
    key_backup_due: bool = True


class ErasureList(msgspec.Struct):
    """Erasures and how far each has come; they name nobody."""

    erasures: list[dict[str, Any]]


def _standing(ctx: Ctx, person: str) -> list[dict[str, str]]:
    """The orders the person signed that are in force, or will be."""
    return [
        {"id": order.body.id, "ends": iso(order.body.ends)}
        for order in ctx.kernel.orders.all(ctx.db)
        if order.body.issuer == person and order.state(ctx.now_us) in ("signed", "in_force")
    ]


def _facts(ctx: Ctx, given: ErasureOf) -> Facts:
    return {
        "person_held": bool(erasure.holds(ctx.kernel, ctx.db, given.person, ctx.now_us)),
        "order_standing": bool(_standing(ctx, given.person)),
        "needed_as_proof": given.needed_as_proof,
    }


def _kept(ctx: Ctx, kept: dict[str, int]) -> list[dict[str, Any]]:
    words = {link.place: link.why for link in erasure.known(ctx.kernel)}
    return [{"place": p, "rows": n, "fr": words[p][0], "en": words[p][1]} for p, n in sorted(kept.items())]


def _present(ctx: Ctx, person: str) -> None:
    if ctx.db.execute(select(tables.person.c.id).where(tables.person.c.id == person)).first() is None:
        raise _nobody()


@act(
    "administration.person.links", verb="consult", activity="access", roles=["dpo"], input=PersonLinks, output=Found,
    fr="Voir ce qu’effacer une personne ferait", en="See what erasing a person would do",
)  # fmt: skip
def show_links(ctx: Ctx, given: PersonLinks) -> Effect:
    _present(ctx, given.person)
    found = count(ctx.db, erasure.known(ctx.kernel), given.person)
    held = [
        {"id": row.id, "since": iso(row.since), "until": iso(row.until) if row.until else None}
        for row in erasure.holds(ctx.kernel, ctx.db, given.person, ctx.now_us)
    ]
    shown = Found(found.rows, found.bodies, _kept(ctx, found.kept), held, _standing(ctx, given.person))
    return Effect(shown, concerns=(given.person,))


@act(
    "administration.person.erase", verb="erase", activity="access", roles=["dpo"], groups=["person-erasure"], gather=_facts, recheck=_facts,
    input=ErasureOf, output=Begun, fr="Effacer une personne", en="Erase a person",
)  # fmt: skip
def erase(ctx: Ctx, given: ErasureOf) -> Effect:
    if not given.motive.strip():
        raise BadInput(Text("Le motif manque.", "The motive is missing."), Text("Écrivez-le.", "Write it."))
    _present(ctx, given.person)
    row = erasure.begin(ctx.kernel, given.person)
    kept = _kept(ctx, count(ctx.db, erasure.known(ctx.kernel), given.person).kept)

    def apply(connection: Connection) -> None:
        if not erasure.take(ctx.kernel, connection, given.person, row).rows.get("person.id"):
            raise Conflict(Text("Cette personne vient d’être effacée.", "This person has just been erased."))

    # This act's own content names the person: as any other that concerns them, it goes with the task's first step.
    return Effect(
        Begun(str(row["id"]), kept), apply=apply, rights_changed=True, concerns=(given.person,),
        events=[("person.erased", {"erasure": row["id"]}), ("right.changed", {"person": ""})],
    )  # fmt: skip


@act(
    "administration.erasure.list", verb="view", activity="access", roles=["dpo"], duty=True, output=ErasureList,
    fr="Voir où en sont les effacements", en="See how far erasures have come",
)  # fmt: skip
def list_erasures(ctx: Ctx, _given: Nothing) -> Effect:
    table = tables.erasure
    rows = ctx.db.execute(select(table.c.id, table.c.at, table.c.state, table.c.kept).order_by(table.c.at)).all()
    return Effect(
        ErasureList(
            [
                {"id": r.id, "at": iso(r.at), "state": r.state, "kept": _kept(ctx, msgspec.json.decode(r.kept))}
                for r in rows
            ]
        )
    )


def _nobody() -> NotFound:
    return NotFound(Text("Cette personne n’existe pas.", "This person does not exist."))


ACTS: tuple[Act, ...] = (show_links, erase, list_erasures)
