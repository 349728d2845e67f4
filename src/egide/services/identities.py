"""Who a resident is, as far as a service needs to know: what an identity provider or a wallet vouched for, for an hour.

The gateway that spoke with the provider (gateways/oidc.py) performs `services.identity.open` as the platform's own activity,
with what it verified; nobody else can. What a wallet proved comes by `services.wallet.collect` (wallets.py) to the same record.
The browser holds a secret, the row its SHA-256. Nothing is remembered of a person from one visit to the next: no account, and
nothing to join visits by (GDPR 5(1)(c)).
"""

from __future__ import annotations

import hmac
from typing import Any, ClassVar, Literal

import msgspec
from sqlalchemy import bindparam, delete, select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Change, Ctx, Effect, Input, Rows, act
from egide.kernel.forget import forgetting
from egide.kernel.identity import digest
from egide.kernel.kernel import Kernel
from egide.kernel.randomness import draw
from egide.kernel.retention import Erasing, begun, unkept
from egide.services import tables
from egide.services.model import Who

ACTIVITY = "resident-identity"
CATEGORY = "resident-identity"
_DELETE = delete(tables.identity).where(tables.identity.c.id == bindparam("of"))
LIFE_US = 3_600_000_000  # µs; the pack's parameter erases what is left of it


class Vouched(Input):
    """What an identity provider vouched for: eIDAS level (2 low, 3 substantial, 4 high) and names."""

    unkept: ClassVar[frozenset[str]] = frozenset({"given_name", "family_name", "birthdate"})

    level: int
    given_name: str = ""
    family_name: str = ""
    birthdate: str = ""
    method: Literal["", "wallet"] = ""  # "": an account at an identity provider


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


_IDENTITY = select(tables.identity).where(tables.identity.c.id == bindparam("id"))


def owner(identity: str) -> str:
    """Whose key seals it: its own."""
    return f"identity:{identity}"


def known(ctx: Ctx, identity: str, secret: str) -> tuple[int, Who]:
    """(level, who) of an identity that is held and still counts; (0, nobody) otherwise."""
    found: tuple[int, Who] = ctx.first((known, identity, secret), lambda: _known(ctx, identity, secret))
    return found


def _known(ctx: Ctx, identity: str, secret: str) -> tuple[int, Who]:
    row = ctx.kernel.store.first(ctx.db, _IDENTITY, {"id": identity}) if identity else None
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
    return opened(ctx, given)


def opened(ctx: Ctx, given: Vouched) -> Effect:
    """The effect of remembering who was identified, whichever way."""
    kernel = ctx.kernel
    id_, secret = draw(16).hex(), draw(24).hex()
    who = Who(given.given_name, given.family_name, given.birthdate, method=given.method)

    def sealed() -> Rows:
        row: dict[str, Any] = {
            "id": id_, "secret": digest(secret), "level": given.level, "until": ctx.now_us + LIFE_US,
            "body": kernel.vault.seal(owner(id_), ACTIVITY, msgspec.json.encode(who), id_.encode()),
        }  # fmt: skip
        return [(tables.identity, row), (kernel_tables.retained, begun(kernel, CATEGORY, id_, ctx.now_us))]

    result = IdentityId(id_, secret, LIFE_US // 1_000_000)
    return Effect(result, sealed=sealed, keys=((owner(id_), ACTIVITY),), concerns=(owner(id_),))


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
    if not level:
        return Effect(IdentityShown(0, Who()))
    erasing = erase(ctx.kernel, given.identity)
    return Effect(IdentityShown(0, Who()), changes=erasing.changes, shreds=erasing.keys)


def erase(_kernel: Kernel, identity: str) -> Erasing:
    """What destroys it: its key, its row, and what the ledger said of it."""
    of = owner(identity)
    return Erasing(((of, ACTIVITY),), (Change(_DELETE, {"of": identity}), unkept(CATEGORY, identity), *forgetting(of)))


ACTS: tuple[Act, ...] = (open_, read, close)
