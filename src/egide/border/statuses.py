"""The issuer's status list: one bit for each token there ever was, signed anew each minute, and at once when one is revoked.

Every process makes its own. Within a period of half a `ttl` all of them say the same: a place ends with a period, not within one.

A place in the list names nobody: what tied it to a consent goes with the consent, and the bit stays a month past the token's own
end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, update

from egide.border import tables
from egide.border.keys import NoInput, current_issuer, signer, standing_issuers
from egide.border.realm import FACILITATION
from egide.border.room.messages import StatusToken
from egide.border.room.published import content_digest
from egide.kernel.act import Act, Change, Ctx, Effect, act
from egide.kernel.errors import Text, Unavailable
from egide.protocols.sdjwt.statuslist import StatusList, draw_places
from egide.protocols.wallet.errors import WalletError

if TYPE_CHECKING:
    from egide.border.ledger.model import StatusDigest
    from egide.kernel.kernel import Kernel

SIZE = 1 << 20  # places: a busy airport's tokens of a month; 131 kB, 3 kB packed while few are revoked
TTL_S = 60  # s after which a gate asks again
PERIOD_S = TTL_S // 2  # s for which a list is made
LIFE_S = 86_400  # s after which nobody believes the list
GRACE_S = 1800  # s past the ttl in which a gate goes on without a newer one; then the officer's lane
# s past its end in which a revoked token stays in the list: gates take one for a minute more (token/verify.py), and who has a
# receipt looks here whether it still counts, for thirty days and the hour of their tree (erasure.KEPT_US).
PROVED_S = 31 * 86_400
THING = "border-statuses"  # among the kernel's things
REVOKED = "border.revoked"  # the event by which every process hears that a consent ended (consents.py)
PATH = "/border/statuses/1"

_table, _link = tables.status, tables.issued
_REVOKED = select(_table.c.idx).where(_table.c.revoked, _table.c.until > bindparam("now"))
_TAKEN = select(_table.c.idx).where(_table.c.idx == bindparam("idx"))
_OF = select(_link.c.idx).where(_link.c.consent == bindparam("of"))
_REVOKE = update(_table).where(_table.c.idx.in_(_OF)).values(revoked=True)
_UNLINK = delete(_link).where(_link.c.consent == bindparam("of"))


class SignedList(msgspec.Struct):
    """The list as everyone may fetch it, and by which key."""

    uri: str
    issuer: str
    token: str


class Statuses:
    """The signed list of this process; a revocation told by any process makes it stale.

    It is signed by each key of the issuer's: a gate looks a token up in a list of its own key, and after a new key was made the
    tokens of the former one are in people's hands for a month.

    `published`: by each issuer's kid, what the consortium's ledger last said of its list; the clerk asks (clerk.py).
    """

    def __init__(self) -> None:
        self._made: dict[str, SignedList] = {}  # by kid
        self._period = 0
        self.published: dict[str, StatusDigest] = {}

    def forget(self) -> None:
        """The next who asks gets a list signed then."""
        self._made = {}

    def current(self, kernel: Kernel, db: Connection, now_us: int) -> SignedList:
        """The list, at most half its `ttl` old. Raises `NotFound` where there is no issuer's key."""
        return self.signed(kernel, db, now_us, current_issuer(db, now_us))

    def signed(self, kernel: Kernel, db: Connection, now_us: int, kid: str) -> SignedList:
        """The same, by this key."""
        period = period_of(now_us)
        if period != self._period:
            self._made, self._period = {}, period
        if kid not in self._made:
            sign = signer(FACILITATION, kernel, db, kid)
            token = _listed(db, period).token(uri(kernel), sign, now_us // 1_000_000, ttl=TTL_S, life=LIFE_S, kid=kid)
            self._made[kid] = SignedList(uri(kernel), kid, token)
        return self._made[kid]

    def hear(self, kid: str, said: StatusDigest) -> None:
        """Takes what the ledger says of this issuer's list; never back to an earlier word."""
        before = self.published.get(kid)
        if before is None or before.sequence < said.sequence:
            self.published[kid] = said


def period_of(now_us: int) -> int:
    """When the period of this time began, s since 1970: the sequence under which its list is published."""
    return now_us // 1_000_000 // PERIOD_S * PERIOD_S


def digest_at(db: Connection, period: int) -> bytes:
    """What is published of the list of this period (published.py), the same in every process."""
    return content_digest(1, bytes(_listed(db, period)), period)


def _listed(db: Connection, period: int) -> StatusList:
    found = StatusList(1, SIZE)
    for (idx,) in db.execute(_REVOKED, {"now": (period - PROVED_S) * 1_000_000}):
        found.set(idx)
    return found


def uri(kernel: Kernel) -> str:
    """Where the list is served, and what tokens say of it."""
    return kernel.settings.origin + PATH


def statuses(kernel: Kernel) -> Statuses:
    """The process's signed list."""
    found: Statuses = kernel.things.setdefault(THING, Statuses())
    return found


def for_rooms(ctx: Ctx) -> tuple[StatusToken, ...]:
    """The lists that a room is given: ours, and those that the operator's gates fetched elsewhere (`border-lists`)."""
    ours = statuses(ctx.kernel)
    found: tuple[StatusToken, ...] = ctx.kernel.things.get("border-lists", ())
    if not found:
        kids = standing_issuers(ctx.db, ctx.now_us)
        made = [ours.signed(ctx.kernel, ctx.db, ctx.now_us, kid) for kid in kids]
        found = tuple(StatusToken(each.uri, each.issuer, each.token) for each in made)
    return tuple(_beside(each, ours.published.get(each.issuer)) for each in found)


def _beside(given: StatusToken, said: StatusDigest | None) -> StatusToken:
    """A list with what the ledger says of it, for the room to compare."""
    return given if said is None else msgspec.structs.replace(given, digest=said.digest, sequence=said.sequence)


def draw(ctx: Ctx, count: int) -> tuple[int, ...]:
    """So many free places. Raises `Unavailable` where the list is full."""
    try:
        return draw_places(count, SIZE, lambda idx: ctx.db.execute(_TAKEN, {"idx": idx}).first() is not None)
    except WalletError as error:
        raise Unavailable(Text("La liste des statuts est pleine.", "The status list is full.")) from error


def given(consent: str, places: tuple[int, ...], until_us: int) -> list[tuple[Any, dict[str, Any]]]:
    """The rows of tokens that were issued."""
    rows: list[tuple[Any, dict[str, Any]]] = []
    for idx in places:
        rows.append((_table, {"idx": idx, "until": until_us, "revoked": False}))
        rows.append((_link, {"idx": idx, "consent": consent}))
    return rows


def places_of(db: Connection, consent: str) -> tuple[int, ...]:
    """The places of a consent's tokens."""
    return tuple(sorted(idx for (idx,) in db.execute(_OF, {"of": consent})))


def revoking(consent: str) -> tuple[Change, ...]:
    """Every token of a consent revoked, and the link gone."""
    return Change(_REVOKE, {"of": consent}), Change(_UNLINK, {"of": consent})


@act(
    "border.status.list", verb="view", activity=tables.FACILITATION, roles=["anyone"], open=True, input=NoInput,
    output=SignedList, fr="Lire la liste des statuts", en="Read the status list",
)  # fmt: skip
def list_(ctx: Ctx, _given: NoInput) -> Effect:
    """The same for everyone: who asks after one token tells nobody which."""
    return Effect(statuses(ctx.kernel).current(ctx.kernel, ctx.db, ctx.now_us))


ACTS: tuple[Act, ...] = (list_,)
