"""What a gate learns of who stands before it: the claims it asked for, proved — or one word why not.

Online it is an SD-JWT VC with key binding (`protocols/wallet`), offline a CWT sealed to the gate's question; both end in the same
`Holder`. The order of the checks is the same: who issued it, its time, who holds it and for whom, the control it is for, the
claims, the status. Whether the token was used before is asked last, by its mark (`single_use`), for that writes.

More than was asked for is dropped and named (`beyond`): the traveller is not sent away for a wallet's mistake, and the gate has
nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from egide.border.token.answer import check_proof, unseal
from egide.border.token.claims import Claims, checked, controls, from_json, need_secret
from egide.border.token.profile import read_cwt
from egide.border.token.question import Question
from egide.protocols.sdjwt.freshness import Freshness
from egide.protocols.sdjwt.signing import key_digest, public_of
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import SKEW_S, Asked, Issuer, Reference, verified


class Status(Protocol):
    """Whether a token was revoked: `protocols.sdjwt.freshness.StatusLists`."""

    def check(self, reference: Reference, issuer: Issuer, now: int) -> Freshness:
        """Raises `WalletError` (revoked, stale, status); `now` in s since 1970."""
        ...


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the token, as far as this control may know."""

    claims: Claims
    key: bytes  # SHA-256 of the token's key, 32 bytes: names the token in both its forms
    issuer: str
    until: int  # s since 1970
    status: Freshness
    secret: bytes = b""  # turns the template; never leaves the room
    beyond: tuple[str, ...] = ()  # what was shown and not asked for; dropped

    def __repr__(self) -> str:
        """Nothing of the traveller: it ends in logs."""
        return "Holder(…)"


def verify_online(
    text: str, asked: Asked, issuers: Sequence[Issuer], status: Status, now: int, secret: bytes = b""
) -> Holder:
    """A presentation; `secret`: what came beside it in the encrypted answer, `now` in s since 1970. Raises `WalletError`."""
    if not asked.control:
        raise WalletError("control", "a gate that does not say which control it is")
    found = verified(text, issuers, asked, now)
    if found.status is None:
        raise WalletError("status", "a token that cannot be revoked is none of a border")
    claims = from_json(found.claims)
    need_secret(claims, secret)
    return Holder(
        claims=claims, key=key_digest(public_of(found.holder)), issuer=found.issuer.name, until=int(found.until),
        status=status.check(found.status, found.issuer, now), secret=secret, beyond=found.beyond,
    )  # fmt: skip


def verify_offline(
    data: bytes,
    question: Question,
    private: EllipticCurvePrivateKey,
    issuers: Sequence[Issuer],
    status: Status,
    now: int,
) -> Holder:
    """A sealed answer to this question; `private`: the key drawn for it. Raises `WalletError`."""
    question.alive(now)
    given = unseal(data, question, private)
    told, issuer = read_cwt(given.token, issuers)
    if told.until + SKEW_S <= now:
        raise WalletError("expired", "a credential that has expired")
    check_proof(given, question, told.holder)
    if told.control not in controls(question.control):
        raise WalletError("control", "a token for another control")
    if missing := [name for name in question.claims if name not in told.claims]:
        raise WalletError("claim", f"not disclosed: {', '.join(missing)}")
    claims = checked({name: told.claims[name] for name in question.claims})
    need_secret(claims, given.secret)
    return Holder(
        claims=claims, key=key_digest(told.holder), issuer=issuer.name, until=told.until,
        status=status.check(Reference(told.place, told.status), issuer, now), secret=given.secret, beyond=_beyond(told.claims, question),
    )  # fmt: skip


def _beyond(claims: dict[str, Any], question: Question) -> tuple[str, ...]:
    return tuple(sorted(claims.keys() - set(question.claims)))
