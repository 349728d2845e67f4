"""Consent and its end: given by the traveller, for points named one by one; withdrawn in one step, and everything goes with it.

What is kept is the consent itself, sealed under a key of its own; nobody's name stands in it. At departure
(`border.journey.close`), at withdrawal (`border.consent.withdraw`) or a day after the flight (the retention clock) its tokens are
revoked, its row, its key and every link are erased, and whoever asked gets a receipt that can be verified (erasure.py).

Sources: GDPR 4(11), 7, 9(2)(a), 17(1)(b); French data protection act, 45; EDPB Opinion 11/2024.
"""

from __future__ import annotations

import hmac
import logging
from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec
from sqlalchemy import bindparam, delete, select
from sqlalchemy.exc import DatabaseError

from egide.border import erasure, statuses, tables
from egide.border.control_points import points
from egide.border.holding import holding
from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Change, Ctx, Effect, Facts, Input, Rows, act
from egide.kernel.clock import iso, to_us
from egide.kernel.errors import BadInput, EgideError, NotFound, Text
from egide.kernel.forget import forgetting
from egide.kernel.identity import digest, new_id, new_secret
from egide.kernel.kernel import Kernel
from egide.kernel.retention import Erasing, keep, unkept

log = logging.getLogger("egide.border")

ACTIVITY = tables.FACILITATION
CATEGORY = "border-consent"
DUE = "object.erased"  # the event by which every process hears what the retention clock erased
AFTER_US = 86_400_000_000  # µs past the departure: a delay, a night
AHEAD_US = 29 * 86_400_000_000  # µs before the departure at most; with the day after, the law pack’s `token_life`
NOTICE = 1  # version of what the traveller is told before agreeing

_DELETE = delete(tables.consent).where(tables.consent.c.id == bindparam("of"))
_CONSENT = select(tables.consent).where(tables.consent.c.id == bindparam("of"))


class Agreement(Input):
    """What the traveller agrees to: the points, one by one, knowing the notice of this version, until a day after this departure.

    `age`: whether one may agree alone (fifteen, or a parent agrees too); no date of birth is asked.
    """

    points: list[str]
    notice: int
    agreed: bool
    age: Literal["fifteen", "with-parent", "younger"]
    departure: str


class Consent(msgspec.Struct):
    """The consent's id, the secret that only the wallet has, and its end (ISO 8601)."""

    id: str
    secret: str
    until: str


class ConsentRef(Input):
    """A consent that this wallet holds."""

    unkept: ClassVar[frozenset[str]] = frozenset({"secret"})

    consent: str
    secret: str


class Body(msgspec.Struct):
    """What is sealed."""

    points: list[str]
    notice: int
    given: int  # µs


class Ended(msgspec.Struct):
    """The receipt: keep it, nobody else does. With its hash the wallet asks for the proof within the hour."""

    receipt: str


def owner(consent: str) -> str:
    """Whose key seals it: its own."""
    return f"consent:{consent}"


def held(ctx: Ctx, given: ConsentRef | Any) -> Any:
    """The consent's row where the wallet holds it and it still counts, else None."""
    row = ctx.first(("consent", given.consent), lambda: ctx.db.execute(_CONSENT, {"of": given.consent}).first())
    if row is None or row.until <= ctx.now_us or not hmac.compare_digest(row.secret, digest(given.secret)):
        return None
    return row


def agreed_points(ctx: Ctx, row: Any) -> list[str]:
    """The points that were agreed to."""
    opened = ctx.kernel.vault.open_(owner(row.id), ACTIVITY, row.body, row.id.encode())
    found: list[str] = msgspec.json.decode(opened, type=Body).points
    return found


def _facts(_ctx: Ctx, given: Agreement) -> Facts:
    return {
        "notice_shown": given.notice == NOTICE,
        "consent_state": "given" if given.agreed else "none",
        "consent_explicit": given.agreed and bool(given.points),
        "equal_way_open": True,  # no file of a control point is read without an equal lane; whether it is open, each control asks
        "may_consent": given.age != "younger",
    }


def _aware(text: str) -> datetime:
    """A moment with its time zone. Raises `ValueError`."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found


def _until(ctx: Ctx, departure: str) -> int:
    try:
        leaves = to_us(_aware(departure))
    except ValueError as error:
        raise BadInput(
            Text("Cette heure de départ n’est pas lisible.", "This time of departure cannot be read.")
        ) from error
    if not ctx.now_us <= leaves <= ctx.now_us + AHEAD_US:
        raise BadInput(
            Text("Le départ doit être dans les 29 jours qui viennent.", "The departure must be within the next 29 days."),
            Text("Revenez plus près du départ.", "Come back nearer to the departure."),
        )  # fmt: skip
    return leaves + AFTER_US


@act(
    "border.consent.give", verb="collect", activity=ACTIVITY, roles=["anyone"], duty=True, input=Agreement, output=Consent,
    groups=["collection", "explicit-consent", "consent-age"], gather=_facts,
    fr="Accepter le passage avec un jeton", en="Agree to pass with a token",
)  # fmt: skip
def give(ctx: Ctx, given: Agreement) -> Effect:
    if unknown := [name for name in given.points if name not in points()]:
        raise BadInput(Text(f"Point inconnu : {len(unknown)}.", f"Unknown points: {len(unknown)}."))
    kernel, id_, secret, until = ctx.kernel, new_id(), new_secret(), _until(ctx, given.departure)

    def sealed() -> Rows:
        body = msgspec.json.encode(Body(sorted(set(given.points)), given.notice, ctx.now_us))
        row: dict[str, Any] = {
            "id": id_, "secret": digest(secret), "until": until,
            "body": kernel.vault.seal(owner(id_), ACTIVITY, body, id_.encode()),
        }  # fmt: skip
        clock = keep(CATEGORY, id_) | {"trigger": ctx.now_us, "erase_at": until, "state": "sealed"}
        return [(tables.consent, row), (kernel_tables.retained, clock)]

    result = Consent(id_, secret, iso(until))
    return Effect(result, sealed=sealed, keys=((owner(id_), ACTIVITY),), concerns=(owner(id_),))


def _ended(ctx: Ctx, given: ConsentRef, reason: erasure.Reason) -> Effect:
    """Revoked and erased in one transaction; the receipt goes to who asked, and stays nowhere."""
    row = held(ctx, given)
    if row is None:
        raise NotFound(
            Text("Ce consentement n’existe plus : rien n’est gardé.", "This consent is there no more: nothing is kept."),
            Text("Vous n’avez rien à faire.", "There is nothing for you to do."),
        )  # fmt: skip
    receipt = erasure.receipt(ctx, reason, statuses.places_of(ctx.db, row.id))
    erasing = erase(ctx.kernel, row.id)
    return Effect(
        Ended(receipt), rows=[erasure.leaf_row(receipt, ctx.now_us)], changes=erasing.changes, shreds=erasing.keys,
        events=[(statuses.REVOKED, {})],
    )  # fmt: skip


def heard(kernel: Kernel, event: str, told: dict[str, Any]) -> None:
    """A consent ended, by its traveller or by its time, here or at another process: the list is signed anew, and the enrolments
    of this process end with it.

    `border.revoked` says of nobody that it was theirs, for it outlives the consent: the enrolments that end are those whose
    consent is gone.
    """  # fmt: skip
    over = event == DUE and told["category"] == CATEGORY
    if event != statuses.REVOKED and not over:
        return
    statuses.statuses(kernel).forget()
    try:
        for going in holding(kernel).enrolments():
            if kernel.store.reader().execute(_CONSENT, {"of": going.consent}).first() is None:
                holding(kernel).end(going)
    except (
        DatabaseError,
        EgideError,
    ) as error:  # who else is told must not miss it; what such a room asks for is refused
        log.warning("the enrolments of a consent that ended are not looked for: %s", error)


@act(
    "border.consent.withdraw", verb="erase", activity=ACTIVITY, roles=["anyone"], duty=True, input=ConsentRef, output=Ended,
    fr="Retirer son accord : tout s’arrête et s’efface", en="Withdraw one’s agreement: everything stops and is erased",
)  # fmt: skip
def withdraw(ctx: Ctx, given: ConsentRef) -> Effect:
    """As easy as giving it (GDPR 7(3)): no reason, no delay."""
    return _ended(ctx, given, "withdrawn")


@act(
    "border.journey.close", verb="erase", activity=ACTIVITY, roles=["anyone"], duty=True, input=ConsentRef, output=Ended,
    fr="Clore le voyage : jetons révoqués, tout lien effacé", en="Close the journey: tokens revoked, every link erased",
)  # fmt: skip
def close(ctx: Ctx, given: ConsentRef) -> Effect:
    """At departure, by the wallet itself."""
    return _ended(ctx, given, "departure")


def erase(_kernel: Kernel, consent: str) -> Erasing:
    """What destroys it: its tokens' status, its links, its row, its key, and what the ledger said of it."""
    of = owner(consent)
    changes = (
        *statuses.revoking(consent), Change(_DELETE, {"of": consent}), unkept(CATEGORY, consent), *forgetting(of)
    )  # fmt: skip
    return Erasing(((of, ACTIVITY),), changes)


ACTS: tuple[Act, ...] = (give, withdraw, close)
