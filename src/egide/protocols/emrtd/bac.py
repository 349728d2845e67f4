"""Basic access control (ICAO Doc 9303 part 11 §4.3): who has seen the zone may talk to the chip. Both sides."""

from __future__ import annotations

import hmac

from egide.protocols.emrtd import keys
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import Password
from egide.protocols.emrtd.secure import Channel

NONCE, SECRET = 8, 16  # bytes of a side's random number and key material


def said(password: Password, own: bytes, other: bytes, secret: bytes) -> bytes:
    """A side's 40 bytes of the mutual authentication: own nonce, the other's, own key material, encrypted and summed."""
    encryption, mac = _access(password)
    sealed = keys.encrypt("3des", encryption, own + other + secret)
    return sealed + keys.checksum("3des", mac, keys.padded(sealed, 8))


def heard(password: Password, data: bytes, own: bytes) -> tuple[bytes, bytes]:
    """(nonce, key material) of the other side, whose bytes answer our nonce. Raises `EmrtdError`."""
    encryption, mac = _access(password)
    sealed, given = data[:32], data[32:]
    if len(data) != 40 or not hmac.compare_digest(given, keys.checksum("3des", mac, keys.padded(sealed, 8))):
        raise EmrtdError("access", "the other side does not know the zone")
    plain = keys.decrypt("3des", encryption, sealed)
    if not hmac.compare_digest(plain[8:16], own):
        raise EmrtdError("access", "the other side answers another exchange")
    return plain[:8], plain[16:]


def channel(terminal: tuple[bytes, bytes], chip: tuple[bytes, bytes]) -> Channel:
    """The secured exchange after both sides' (nonce, key material) (§4.3.3.2, §9.8.6.3)."""
    seed = bytes(one ^ two for one, two in zip(terminal[1], chip[1], strict=True))
    counter = chip[0][-4:] + terminal[0][-4:]
    return Channel("3des", keys.derived(seed, keys.ENCRYPTION, "3des"), keys.derived(seed, keys.MAC, "3des"), counter)


def _access(password: Password) -> tuple[bytes, bytes]:
    if password.kind != "zone":
        raise EmrtdError("access", "basic access asks for the zone")
    seed = password.secret[:16]
    return keys.derived(seed, keys.ENCRYPTION, "3des"), keys.derived(seed, keys.MAC, "3des")
