"""PACE with generic mapping over an elliptic curve (ICAO Doc 9303 part 11 §4.4): a weak password, a strong channel.

Both sides map a nonce, which only the password decrypts, to a generator of their own, agree on a key over it, and show each
other that they have it. Who listens, or guesses, learns nothing to try passwords against.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from egide.protocols.emrtd import keys, tlv
from egide.protocols.emrtd.access import PaceInfo
from egide.protocols.emrtd.curves import Curve, Point, add, decoded, encoded, multiply
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import Password, Suite
from egide.protocols.emrtd.secure import Channel

NONCE = 16  # bytes
# Objects of the exchange (§4.4.4.2): in the order in which terminal and chip say them.
ENCRYPTED_NONCE, MAP_TERMINAL, MAP_CHIP, KEY_TERMINAL, KEY_CHIP, TOKEN_TERMINAL, TOKEN_CHIP = range(0x80, 0x87)
DYNAMIC = 0x7C

Random = Callable[[int], bytes]


class Side:
    """One side of the exchange. Each step takes what the other said; wrong bytes raise `EmrtdError`."""

    def __init__(self, info: PaceInfo, password: Password, random: Random) -> None:
        suite, curve = info.suite, info.curve
        if suite is None or curve is None:
            raise EmrtdError("unsupported", "a way to do PACE that we do not speak")
        self._info, self._suite, self._curve, self._random = info, suite, curve, random
        self._password_key = keys.derived(password.secret, keys.PASSWORD, suite)
        self._generator: Point = curve.g
        self._private = 0
        self._own: Point = curve.g
        self._other: Point = curve.g
        self._secret = b""

    def encrypted(self, nonce: bytes) -> bytes:
        """The chip's nonce as it is said."""
        return keys.encrypt(self._suite, self._password_key, nonce)

    def decrypted(self, data: bytes) -> bytes:
        """The nonce, if the password is right; other bytes if not."""
        if len(data) != NONCE:
            raise EmrtdError("malformed", "a nonce of another length")
        return keys.decrypt(self._suite, self._password_key, data)

    def drawn(self) -> bytes:
        """A fresh key over the generator as it is now; its public part."""
        self._private = _scalar(self._curve, self._random)
        self._own = _finite(multiply(self._curve, self._private, self._generator))
        return encoded(self._curve, self._own)

    def mapped(self, nonce: bytes, other: bytes) -> None:
        """Moves the generator: the nonce times it, plus the point both agreed on (§4.4.3.3.1)."""
        curve, point = self._curve, self._read(other)
        agreed = multiply(curve, self._private, point)
        moved = add(curve, multiply(curve, int.from_bytes(nonce, "big"), curve.g), agreed)
        self._generator = _finite(moved)

    def agreed(self, other: bytes) -> None:
        """The shared secret over the generator that only the two know."""
        self._other = self._read(other)
        shared = _finite(multiply(self._curve, self._private, self._other))
        self._secret = shared[0].to_bytes(self._curve.size, "big")

    def token(self) -> bytes:
        """What shows that this side has the key: a checksum over the other's public key (§4.4.3.4)."""
        return _token(self._suite, self._key(keys.MAC), self._info.oid, encoded(self._curve, self._other))

    def check(self, token: bytes) -> None:
        """Raises `EmrtdError` where the other side has not the key: its password is another."""
        right = _token(self._suite, self._key(keys.MAC), self._info.oid, encoded(self._curve, self._own))
        if not hmac.compare_digest(token, right):
            raise EmrtdError("access", "the other side has another password")

    def channel(self) -> Channel:
        """The secured exchange that begins now; its counter at zero (§9.8.6.2)."""
        return Channel(self._suite, self._key(keys.ENCRYPTION), self._key(keys.MAC), bytes(16))

    def _key(self, counter: int) -> bytes:
        return keys.derived(self._secret, counter, self._suite)

    def _read(self, other: bytes) -> Point:
        """The other's point: on the curve (whose cofactor is 1), and not our own played back (§4.4.3.3)."""
        point = decoded(self._curve, other)
        if point == self._own:
            raise EmrtdError("access", "the other side plays our own key back")
        return point


def _token(suite: Suite, key: bytes, oid: bytes, point: bytes) -> bytes:
    return keys.checksum(suite, key, tlv.encode(0x7F49, tlv.encode(tlv.OID, oid), tlv.encode(0x86, point)))


def _scalar(curve: Curve, random: Random) -> int:
    """A number from 1 to n - 1; eight bytes more than n has, so that none is likelier (FIPS 186-4 §B.4.1)."""
    return int.from_bytes(random(curve.size + 8), "big") % (curve.n - 1) + 1


def _finite(point: Point | None) -> Point:
    if point is None:
        raise EmrtdError("access", "a key that leads to infinity")
    return point
