"""Members, keys and times that these tests share."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from egide.border.ledger.model import Member, address_of

START = 1_790_000_000  # s since 1970
MINUTE, HOUR, DAY = 60, 3600, 86400  # s


@cache
def signing_key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32))


@cache
def member(number: int) -> Member:
    public = signing_key(number).public_key().public_bytes_raw()
    return Member(address_of(public), public)


def members(count: int = 4) -> tuple[Member, ...]:
    return tuple(member(number) for number in range(count))


@cache
def point(number: int) -> tuple[bytes, bytes]:
    """A P-256 public key, the same for the same number ≥ 1."""
    numbers = ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x.to_bytes(32), numbers.y.to_bytes(32)
