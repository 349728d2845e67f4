"""The token: opened, verified, its status looked up. What it disclosed stays in the room.

The checks are those of token/verify.py; the answer comes over the network (OpenID4VP, sealed to the room's key) or in a picture
(sealed to the same key, named in the gate's question). The status is read in lists that the parent was given, whose age counts
from their signature.

A picture holds the whole token, for a CWT cannot leave a claim out: what the point did not ask for is dropped as soon as the
token was verified, and nothing after this file has it.
"""

from __future__ import annotations

import msgspec
from joserfc.jwk import ECKey

from egide.border.room.messages import Admit, Admitted, IssuerKey, Receive, Received, StatusToken
from egide.border.room.published import superseded
from egide.border.token import question
from egide.border.token.claims import controls
from egide.border.token.profile import QUERY, VCT, trusted
from egide.border.token.single_use import mark
from egide.border.token.verify import Holder, verify_offline, verify_online
from egide.protocols.sdjwt.freshness import StatusLists
from egide.protocols.sdjwt.signing import public_of
from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import Request, answered
from egide.protocols.wallet.sdjwt import Asked, Issuer
from egide.protocols.wallet.statuslist import opened
from egide.protocols.wallet.tokens import Jwk


def receive(message: Receive, private: ECKey, state: str) -> Received:
    """Whether a wallet that read this control's request posted it. Nothing of it is kept."""
    request = Request(client="", name="", response_uri="", nonce="", state=state, vct=(VCT,), query=QUERY)
    try:
        answered(message.answer, request, private)
    except WalletError as error:
        return Received(error.why)
    return Received("")


def admit(message: Admit, private: ECKey, nonce: str, state: str) -> tuple[Admitted, Holder | None]:
    """The word, and who holds the token where it counts."""
    try:
        issuers = tuple(_issuer(each) for each in message.issuers)
        lists = _lists(message, issuers)
        if message.question:
            holder = _from_picture(message, private, issuers, lists)
        else:
            holder = _from_network(message, private, nonce, state, issuers, lists)
    except WalletError as error:
        return Admitted(error.why), None
    return Admitted("", mark(holder.key, message.realm).hex(), holder.until), holder


def _from_network(
    message: Admit, private: ECKey, nonce: str, state: str, issuers: tuple[Issuer, ...], lists: StatusLists
) -> Holder:
    request = Request(
        client=message.client, name="", response_uri=message.response_uri, nonce=nonce, state=state, vct=(VCT,),
        claims=message.claims, query=QUERY,
    )  # fmt: skip
    answer = answered(message.answer, request, private)
    asked = Asked(nonce=nonce, audience=message.client, claims=message.claims, control=controls(message.control))
    return verify_online(answer.presentation, asked, issuers, lists, message.now, _bytes(answer.secret))


def _from_picture(message: Admit, private: ECKey, issuers: tuple[Issuer, ...], lists: StatusLists) -> Holder:
    gate = public_of(Jwk("EC", "P-256", message.gate.x, message.gate.y))
    asked = question.read(message.question, lambda kid: gate if kid == message.gate.kid else None, message.now)
    # As by network: what this point asks is what is read of the token, whatever else is in it or was in the picture.
    asked = msgspec.structs.replace(asked, control=message.control, claims=message.claims)
    key = private.private_key
    if key is None:
        raise WalletError("encryption", "a room without its key")
    return verify_offline(message.answer, asked, key, issuers, lists, message.now)


def _issuer(given: IssuerKey) -> Issuer:
    return trusted(given.kid, "", public_of(Jwk("EC", "P-256", given.x, given.y)))


def _lists(message: Admit, issuers: tuple[Issuer, ...]) -> StatusLists:
    """The lists that hold; one that does not, or that the ledger knows a later one of, is as if nobody had it (stale)."""
    found = StatusLists(message.grace_s)
    known = {issuer.name: issuer for issuer in issuers}
    for each in message.lists:
        if each.issuer in known:
            try:
                if not _superseded(each, known[each.issuer], message.now):
                    found.put(each.token, each.uri, known[each.issuer], message.now)
            except WalletError:
                continue
    return found


def _superseded(given: StatusToken, issuer: Issuer, now: int) -> bool:
    return bool(given.digest) and superseded(opened(given.token, given.uri, issuer, now), given.digest, given.sequence)


def _bytes(text: str) -> bytes:
    try:
        return decoded(text)
    except ValueError as error:
        raise WalletError("malformed", "a secret that is none") from error
