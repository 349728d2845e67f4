"""Whether a credential was revoked: its bits in its issuer's list (draft-ietf-oauth-status-list, `statuslist+jwt`).

The list holds a bit field for each credential there ever was, compressed; it says nothing of which one is looked at. It is
unpacked no further than a list may be long.
"""

from __future__ import annotations

import zlib

import msgspec

from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import SKEW_S, Issuer, Reference, signed
from egide.protocols.wallet.tokens import MAX_LIST, Second, header, parsed

TYPE = "statuslist+jwt"
MEDIA_TYPE = f"application/{TYPE}"
MAX_UNPACKED = 16 * 1024 * 1024  # bytes: 128 million credentials at one bit
VALID = 0  # §7.1: every other value is revoked, suspended, or what only its issuer knows


class _List(msgspec.Struct, frozen=True):
    bits: int
    lst: str


class _Token(msgspec.Struct, frozen=True):
    sub: str
    iat: Second
    status_list: _List
    exp: Second | None = None
    ttl: Second | None = None


def check(token: str, reference: Reference, issuer: Issuer, now: int) -> None:
    """Raises `WalletError` unless the list of this issuer says that the credential is valid: revoked, or not to be learnt."""
    try:
        said = header(token, TYPE, MAX_LIST)
        body, _issuer = signed(token, said, [issuer], now)
        told: _Token = parsed(body, _Token, "the status list")
    except WalletError as error:
        raise WalletError("status", f"the status list does not hold: {error}") from error
    if told.sub != reference.uri or told.iat > now + SKEW_S:
        raise WalletError("status", "a status list of another address, or of the future")
    if told.exp is not None and told.exp + SKEW_S <= now:
        raise WalletError("status", "a status list that has expired")
    if _value(told.status_list, reference.idx) != VALID:
        raise WalletError("revoked", "a credential that its issuer has revoked or suspended")


def _value(found: _List, index: int) -> int:
    if found.bits not in (1, 2, 4, 8) or index < 0:
        raise WalletError("status", "a status list that is none")
    try:
        unpacking = zlib.decompressobj()
        unpacked = unpacking.decompress(decoded(found.lst), MAX_UNPACKED)
    except (ValueError, zlib.error) as error:
        raise WalletError("status", "a status list that cannot be unpacked") from error
    place, offset = divmod(index * found.bits, 8)
    if place >= len(unpacked) or not unpacking.eof:
        raise WalletError("status", "a status list that does not reach to this credential")
    return unpacked[place] >> offset & ((1 << found.bits) - 1)
