"""Whether a credential was revoked: its bits in its issuer's list (draft-ietf-oauth-status-list, `statuslist+jwt`).

The list holds a bit field for each credential there ever was, compressed; it says nothing of which one is looked at. It is
unpacked no further than a list may be long. `check` looks once; `opened` gives the list unpacked, for who asks it often
(protocols/sdjwt/freshness.py); protocols/sdjwt/statuslist.py makes lists.
"""

from __future__ import annotations

import zlib
from hashlib import sha256

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


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A list whose signature held, unpacked; times in s since 1970, `ttl` in s."""

    uri: str
    bits: int  # of each field: 1, 2, 4 or 8
    fields: bytes  # the first in the lowest bits of the first byte (§4.1)
    issued: float
    until: float | None
    ttl: float | None
    digest: bytes  # SHA-256 of the token as it came: the same again is the same token

    def value(self, index: int) -> int:
        """The field of a credential. Raises `WalletError` (status) where the list does not reach to it."""
        place, offset = divmod(index * self.bits, 8)
        if not 0 <= place < len(self.fields):
            raise WalletError("status", "a status list that does not reach to this credential")
        return self.fields[place] >> offset & ((1 << self.bits) - 1)


def opened(token: str, uri: str, issuer: Issuer, now: int) -> Opened:
    """The list of this issuer at this address. Raises `WalletError` (status)."""
    try:
        said = header(token, TYPE, MAX_LIST)
        body, _issuer = signed(token, said, [issuer], now)
        told: _Token = parsed(body, _Token, "the status list")
    except WalletError as error:
        raise WalletError("status", f"the status list does not hold: {error}") from error
    if told.sub != uri or told.iat > now + SKEW_S:
        raise WalletError("status", "a status list of another address, or of the future")
    if told.exp is not None and told.exp + SKEW_S <= now:
        raise WalletError("status", "a status list that has expired")
    return Opened(
        uri=uri, bits=told.status_list.bits, fields=_unpacked(told.status_list), issued=told.iat, until=told.exp, ttl=told.ttl,
        digest=sha256(token.encode("ascii")).digest(),
    )  # fmt: skip


def check(token: str, reference: Reference, issuer: Issuer, now: int) -> None:
    """Raises `WalletError` unless the list of this issuer says that the credential is valid: revoked, or not to be learnt."""
    if opened(token, reference.uri, issuer, now).value(reference.idx) != VALID:
        raise WalletError("revoked", "a credential that its issuer has revoked or suspended")


def _unpacked(found: _List) -> bytes:
    if found.bits not in (1, 2, 4, 8):
        raise WalletError("status", "a status list that is none")
    try:
        unpacking = zlib.decompressobj()
        unpacked = unpacking.decompress(decoded(found.lst), MAX_UNPACKED)
    except (ValueError, zlib.error) as error:
        raise WalletError("status", "a status list that cannot be unpacked") from error
    if not unpacking.eof:
        raise WalletError("status", "a status list that cannot be unpacked to its end")
    return unpacked
