"""A Token Status List, its issuer's side (draft-ietf-oauth-status-list §4, §5): one bit for each token there ever was.

A place in the list is drawn at random: numbers in a row would tell which tokens were issued together, and to one traveller.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from secrets import randbelow

from egide.protocols.sdjwt.signing import Signer, compact
from egide.protocols.vapid import encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.statuslist import MAX_UNPACKED, TYPE
from egide.protocols.wallet.tokens import MAX_LIST

LEVEL = 9  # of zlib: a list is packed once a minute and fetched by every gate
TRIES = 64  # draws for a free place: a list three quarters full fails once in 10⁸
BITS = (1, 2, 4, 8)  # §4.1


class StatusList:
    """`size` fields of `bits` bits, all valid (0) at first; kept by its issuer as `fields`."""

    def __init__(self, bits: int, size: int, fields: bytes = b"") -> None:
        """`fields`: a list kept earlier. Raises `WalletError` (status) for a list that none can be."""
        length = -(-size * bits // 8)
        if bits not in BITS or not 0 < length <= MAX_UNPACKED or len(fields) not in (0, length):
            raise WalletError("status", "a status list of a size that none has")
        self.bits, self.size = bits, size
        self._fields = bytearray(fields or length)

    def __getitem__(self, index: int) -> int:
        place, offset = self._place(index)
        return self._fields[place] >> offset & ((1 << self.bits) - 1)

    def set(self, index: int, value: int = 1) -> None:
        """What is so of this token from now on; 1: revoked (§7.1). Raises `WalletError` (status) outside the list."""
        place, offset = self._place(index)
        if not 0 <= value < 1 << self.bits:
            raise WalletError("status", "a status that its field cannot hold")
        self._fields[place] = self._fields[place] & ~(((1 << self.bits) - 1) << offset) & 0xFF | value << offset

    def __bytes__(self) -> bytes:
        return bytes(self._fields)

    def token(self, uri: str, signer: Signer, now: int, *, ttl: int, life: int, kid: str = "") -> str:
        """The list, signed, as it is served at `uri`. `now` in s since 1970; `ttl`, `life` in s: to ask again, to believe it."""
        packed = encoded(zlib.compress(bytes(self._fields), LEVEL))
        head = {"typ": TYPE, "kid": kid} if kid else {"typ": TYPE}
        body = {
            "sub": uri,
            "iat": now,
            "exp": now + life,
            "ttl": ttl,
            "status_list": {"bits": self.bits, "lst": packed},
        }
        text = compact(head, body, signer)
        if len(text) > MAX_LIST:
            raise WalletError("too-large", f"a status list of more than {MAX_LIST} characters: open another")
        return text

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self.size:
            raise WalletError("status", "a place that is not in the list")
        return divmod(index * self.bits, 8)


def draw_places(
    count: int, size: int, taken: Callable[[int], bool], below: Callable[[int], int] = randbelow
) -> tuple[int, ...]:
    """So many free places, drawn at random, in the order drawn; `taken` says whether one is given already.

    Raises `WalletError` (status) where the list is so full that drawing no longer finds any: the issuer opens another list.
    """
    drawn: dict[int, None] = {}
    for _ in range(count):
        for _try in range(TRIES):
            place = below(size)
            if place not in drawn and not taken(place):
                drawn[place] = None
                break
        else:
            raise WalletError("status", "a status list without free places")
    return tuple(drawn)
