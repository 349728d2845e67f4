"""The token: opened, verified, its status looked up. What it disclosed stays in the room.

The checks are those of protocols/wallet (signature, kind, time, key binding over this nonce and this gate, digests); the status
is read in lists that the parent was given, whose age counts from their signature.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from egide.border.room.messages import Admit, Admitted, IssuerKey
from egide.protocols.sdjwt.freshness import StatusLists
from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import Request, answered
from egide.protocols.wallet.sdjwt import Asked, Credential, Issuer, verified
from egide.protocols.wallet.tokens import Jwk, key_of

VCT = "urn:egide:border-token:1"  # profile EGIDE-BT-1
QUERY = "border"  # the name of the one question
LEVEL = 4  # an issuer on the trust list read the chip
SECRET_BYTES = 16


class Held(msgspec.Struct):
    """What an admitted token gave: its claims, and the secret that turns its template."""

    claims: dict[str, Any]
    secret: bytearray

    def __repr__(self) -> str:
        """Nothing: it is a person's."""
        return "Held(…)"


def admit(message: Admit, private: ECKey, nonce: str, state: str) -> tuple[Admitted, Held | None]:
    """The word, and what the token gave where it counts."""
    request = Request(
        client=message.client, name="", response_uri=message.response_uri, nonce=nonce, state=state, vct=(VCT,),
        claims=message.claims, query=QUERY,
    )  # fmt: skip
    try:
        answer = answered(message.answer, request, private)
        issuers = tuple(_issuer(each) for each in message.issuers)
        asked = Asked(nonce=nonce, audience=message.client, claims=message.claims)
        credential = verified(answer.presentation, issuers, asked, message.now)
        _status(message, credential, issuers)
        secret = _secret(answer.secret)
    except WalletError as error:
        return Admitted(error.why), None
    body = answer.presentation.partition("~")[0]
    mark = sha256(b"\0".join((b"egide border", message.realm.encode(), body.encode()))).hexdigest()
    return Admitted("", mark, int(credential.until)), Held(credential.claims, secret)


def _issuer(given: IssuerKey) -> Issuer:
    key = key_of(Jwk("EC", "P-256", given.x, given.y, given.kid))
    return Issuer(name=given.kid, vct=(VCT,), level=LEVEL, keys=(key,))


def _status(message: Admit, credential: Credential, issuers: tuple[Issuer, ...]) -> None:
    """Raises `WalletError` (status, stale, revoked): a token without a status that can be learnt does not count."""
    if credential.status is None:
        raise WalletError("status", "a token without a place in a status list")
    lists = StatusLists(message.grace_s)
    for each in message.lists:
        if each.uri == credential.status.uri and each.issuer == credential.issuer.name:
            signer = next(issuer for issuer in issuers if issuer.name == each.issuer)
            lists.put(each.token, each.uri, signer, message.now)
    lists.check(credential.status, message.now)


def _secret(text: str) -> bytearray:
    """The secret of the token; empty where a wallet gave none, because no face is asked for."""
    try:
        secret = bytearray(decoded(text))
    except ValueError as error:
        raise WalletError("malformed", "a secret that is none") from error
    if len(secret) not in (0, SECRET_BYTES):
        raise WalletError("malformed", "a secret that is none")
    return secret
