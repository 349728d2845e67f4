"""Who a resident is, as far as a service needs to know: what an identity provider vouched for, for an hour.

The gateway that spoke with the provider (gateways/oidc.py) performs `services.identity.open` as the platform's own activity, with
what it verified; nobody else can. The browser holds a secret, the row its SHA-256. Nothing is remembered of a person from one
visit to the next: no account, and nothing to join visits by (GDPR 5(1)(c)).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, delete, insert, select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.door import Kernel
from egide.kernel.forget import forget_acts
from egide.kernel.identity import digest
from egide.kernel.randomness import draw
from egide.kernel.retention import keep, trigger
from egide.services import tables
from egide.services.model import Who

ACTIVITY = "resident-identity"
CATEGORY = "resident-identity"
LIFE_US = 3_600_000_000  # µs; the pack's parameter erases what is left of it


class Vouched(Input):
    """What an identity provider vouched for: eIDAS level (2 low, 3 substantial, 4 high) and names."""

    unkept: ClassVar[frozenset[str]] = frozenset({"given_name", "family_name", "birthdate"})

    level: int
    given_name: str = ""
    family_name: str = ""
    birthdate: str = ""


class IdentityRef(Input):
    """An identity that this browser holds."""

    unkept: ClassVar[frozenset[str]] = frozenset({"secret"})

    identity: str
    secret: str


class IdentityId(msgspec.Struct):
    """Its id, its secret, and how long it counts (s)."""

    id: str
    secret: str
    life_s: int


class IdentityShown(msgspec.Struct):
    """Who this browser's person is known as."""

    level: int
    who: Who


def owner(identity: str) -> str:
    """Whose key seals it: its own."""
    return f"identity:{identity}"


def known(ctx: Ctx, identity: str, secret: str) -> tuple[int, Who]:
    """(level, who) of an identity that is held and still counts; (0, nobody) otherwise."""
    row = ctx.db.execute(select(tables.identity).where(tables.identity.c.id == identity)).first() if identity else None
    if row is None or row.until <= ctx.now_us or not hmac.compare_digest(row.secret, digest(secret)):
        return 0, Who()
    opened = ctx.kernel.vault.open_(owner(row.id), ACTIVITY, row.body, row.id.encode())
    return int(row.level), msgspec.json.decode(opened, type=Who)


@act(
    "services.identity.open", verb="collect", activity=ACTIVITY, roles=["system"], system=True, duty=True, groups=["collection"],
    gather=lambda _ctx, _given: {"notice_shown": True}, input=Vouched, output=IdentityId,
    fr="Retenir qui s’est identifié, pour une heure", en="Remember who was identified, for an hour",
)  # fmt: skip
def open_(ctx: Ctx, given: Vouched) -> Effect:
    kernel = ctx.kernel
    id_, secret = draw(16).hex(), draw(24).hex()
    who = Who(given.given_name, given.family_name, given.birthdate)

    def apply(connection: Connection) -> None:
        row: dict[str, Any] = {
            "id": id_, "secret": digest(secret), "level": given.level, "until": ctx.now_us + LIFE_US,
            "body": kernel.vault.seal(owner(id_), ACTIVITY, msgspec.json.encode(who), id_.encode()),
        }  # fmt: skip
        connection.execute(insert(tables.identity), row)
        connection.execute(insert(kernel_tables.retained), keep(CATEGORY, id_))
        trigger(kernel, connection, CATEGORY, id_, ctx.now_us)

    return Effect(IdentityId(id_, secret, LIFE_US // 1_000_000), apply=apply, concerns=(owner(id_),))


@act(
    "services.identity.read", verb="view", activity=ACTIVITY, roles=["anyone"], duty=True, input=IdentityRef,
    output=IdentityShown, fr="Voir sous quelle identité on est", en="See as whom one is identified",
)  # fmt: skip
def read(ctx: Ctx, given: IdentityRef) -> Effect:
    level, who = known(ctx, given.identity, given.secret)
    return Effect(IdentityShown(level, who), actor=owner(given.identity) if level else None)


@act(
    "services.identity.close", verb="erase", activity=ACTIVITY, roles=["anyone"], duty=True, input=IdentityRef,
    output=IdentityShown, fr="Oublier qui s’est identifié", en="Forget who was identified",
)  # fmt: skip
def close(ctx: Ctx, given: IdentityRef) -> Effect:
    level, _who = known(ctx, given.identity, given.secret)
    return Effect(IdentityShown(0, Who()), apply=erase(ctx.kernel, given.identity) if level else None)


def erase(kernel: Kernel, identity: str) -> Callable[[Connection], None]:
    """What destroys it: its key, its row, and what the ledger said of it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(identity), ACTIVITY)
        connection.execute(delete(tables.identity).where(tables.identity.c.id == identity))
        retained = kernel_tables.retained
        connection.execute(delete(retained).where(retained.c.id == f"{CATEGORY}/{identity}"))
        forget_acts(connection, owner(identity))

    return destroy


ACTS: tuple[Act, ...] = (open_, read, close)
