"""A legacy transaction, signed: RLP (Yellow Paper, appendix B), Keccak-256 (Keccak reference 3.0, §1.1 to 1.3, before FIPS 202
changed its padding), secp256k1 with the chain's number in it (EIP-155), and the small half of `s` (EIP-2).

Why our own 100 lines: the client libraries bring thirty packages for what one write a minute needs. The private key is only ever
used by `cryptography`; what is computed here is public. Pure functions.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

# secp256k1 (SEC 2 §2.4.1): y² = x³ + 7 over GF(P), of prime order N
P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
RATE = 136  # bytes that Keccak-256 takes at once
LANE = 2**64 - 1

Point = tuple[int, int] | None  # None: the point at infinity
Item = bytes | int | list["Item"]


def rlp(item: Item) -> bytes:
    """Bytes, an integer ≥ 0 (without leading zeros), or a list of such."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8)
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _length(len(item), 0x80) + item
    body = b"".join(map(rlp, item))
    return _length(len(body), 0xC0) + body


def keccak256(data: bytes) -> bytes:
    """32 bytes."""
    data += b"\x01" + bytes(-(len(data) + 1) % RATE)
    data = data[:-1] + bytes([data[-1] | 0x80])
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(data), RATE):
        for place in range(RATE // 8):
            at = start + 8 * place
            lanes[place % 5][place // 5] ^= int.from_bytes(data[at : at + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lanes[place % 5][place // 5].to_bytes(8, "little") for place in range(4))


def address_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 20 bytes that name the account of a secp256k1 key."""
    numbers = key.public_numbers()
    return keccak256(numbers.x.to_bytes(32) + numbers.y.to_bytes(32))[-20:]


def signed_transaction(
    key: ec.EllipticCurvePrivateKey, chain: int, nonce: int, price: int, gas: int, to: bytes, data: bytes
) -> bytes:
    """The raw bytes of a transaction without value; `to` empty creates a contract. `price` is in wei for each unit of `gas`."""
    fields: list[Item] = [nonce, price, gas, to, 0, data]
    digest = keccak256(rlp([*fields, chain, 0, 0]))
    r, s, odd = _sign(key, digest)
    return rlp([*fields, chain * 2 + 35 + odd, r, s])


def _length(length: int, offset: int) -> bytes:
    if length <= 55:
        return bytes([offset + length])
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([offset + 55 + len(size)]) + size


def _sign(key: ec.EllipticCurvePrivateKey, digest: bytes) -> tuple[int, int, int]:
    """r, the smaller s, and whether the signature's point has an odd y: with it a node finds the signer."""
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
    s = min(s, N - s)
    numbers = key.public_key().public_numbers()
    inverse = pow(s, -1, N)
    one = _times(int.from_bytes(digest) * inverse % N, G)
    other = _times(r * inverse % N, (numbers.x, numbers.y))
    point = _plus(one, other)
    if point is None or point[0] != r:  # x ≥ N: one in 2^128
        return _sign(key, digest)
    return r, s, point[1] & 1


def _plus(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % P == 0:
            return None
        slope = 3 * one[0] ** 2 * pow(2 * one[1], -1, P)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, P)
    x = (slope**2 - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def _times(factor: int, point: Point) -> Point:
    """Of public numbers only: it takes as long as the factor has ones."""
    found: Point = None
    while factor:
        if factor & 1:
            found = _plus(found, point)
        point = _plus(point, point)
        factor >>= 1
    return found


def _permute(lanes: list[list[int]]) -> list[list[int]]:
    """Keccak-f[1600], 24 rounds; the constants come from the reference's shift register."""
    register = 1
    for _ in range(24):
        parity = [column[0] ^ column[1] ^ column[2] ^ column[3] ^ column[4] for column in lanes]
        for x in range(5):  # theta
            change = parity[x - 1] ^ _turn(parity[(x + 1) % 5], 1)
            lanes[x] = [lane ^ change for lane in lanes[x]]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):  # rho and pi
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], _turn(current, (step + 1) * (step + 2) // 2)
        for y in range(5):  # chi
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5] & LANE)
        for bit in range(7):  # iota
            register = (register << 1 ^ (register >> 7) * 0x171) & 0x1FF
            if register & 2:
                lanes[0][0] ^= 1 << ((1 << bit) - 1)
    return lanes


def _turn(lane: int, by: int) -> int:
    by %= 64
    return (lane << by | lane >> (64 - by)) & LANE
