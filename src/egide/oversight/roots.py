"""The page of roots: what anyone may know of the ledger — its signed heads, who cosigned them, who stamped them with the time.

Open class: tree heads hold nothing of anyone (EDPB guidelines 02/2025: only roots and checkpoints leave the house, leaves never).
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from sqlalchemy import func, select

from egide.kernel import cosigned, tables
from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.kernel.checkpoint import parse
from egide.kernel.clock import iso
from egide.kernel.cosignature import parse_vkey

SHOWN = 12  # heads on the page; exports and tiles hold them all


class RootCosigned(msgspec.Struct):
    """A witness saw this head, at its own time."""

    witness: str
    at: str


class SignedHead(msgspec.Struct):
    """A signed tree head: `stamped` is the authority's time, "" where it has no stamp."""

    size: int
    root: str
    at: str
    note: str
    cosignatures: list[RootCosigned]
    stamped: str


class WitnessShown(msgspec.Struct):
    """A witness that this ledger asks: the largest head it cosigned, 0 while there is none."""

    name: str
    vkey: str
    size: int
    at: str


class Roots(msgspec.Struct):
    """What the page of roots shows; newest head first."""

    origin: str
    vkey: str
    now: str
    heads: list[SignedHead]
    witnesses: list[WitnessShown]
    stamps: bool


@act(
    "oversight.roots.show", verb="view", activity="oversight", open=True, roles=["anyone"], output=Roots,
    fr="Voir les racines publiques du registre", en="See the ledger’s public roots",
)  # fmt: skip
def roots(ctx: Ctx, _given: Nothing) -> Effect:
    kernel, realm = ctx.kernel, ctx.kernel.settings.realm
    heads = [
        SignedHead(
            head.size,
            base64.b64encode(parse(head.note).checkpoint.root).decode(),
            iso(head.at),
            head.note,
            [RootCosigned(name, iso(at)) for name, at in head.witnesses],
            iso(head.stamped) if head.stamped is not None else "",
        )
        for head in cosigned.latest(ctx.db, realm, SHOWN)
    ]
    witnesses = [_witness(ctx.db, realm, vkey) for vkey in kernel.settings.witnesses.values()]
    return Effect(
        Roots(kernel.origin, kernel.key.vkey, iso(ctx.now_us), heads, witnesses, bool(kernel.settings.stamps))
    )


def _witness(db: Any, realm: str, vkey: str) -> WitnessShown:
    name, table = parse_vkey(vkey).name, tables.cosignature
    query = select(func.max(table.c.size), func.max(table.c.at))
    size, at = db.execute(query.where(table.c.realm == realm, table.c.witness == name)).one()
    return WitnessShown(name, vkey, int(size or 0), iso(int(at)) if at else "")


ACTS: tuple[Act, ...] = (roots,)
