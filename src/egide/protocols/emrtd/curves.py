"""The six elliptic curves that travel documents are accepted with, and the arithmetic that PACE asks for.

Parameters: FIPS 186-4 appendix D.1.2 (P-256, P-384, P-521), RFC 5639 §3 (brainpoolP256r1, P384r1, P512r1). The library
`cryptography` does everything but one thing: the generic mapping of PACE (Doc 9303 part 11 §4.4.3.3.1) adds points and goes on
with a generator of its own, which no library call takes. That is done here with plain numbers, in a time that depends on them:
the keys live for one exchange, over a field of some centimetres. Nothing long-lived is multiplied here.
"""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from egide.protocols.emrtd.errors import EmrtdError

Point = tuple[int, int]


class Curve(msgspec.Struct, frozen=True):
    """y² = x³ + ax + b over the field of p elements, its generator of order n; cofactor 1."""

    name: str
    oid: str
    kind: type[ec.EllipticCurve]
    parameter: int  # its number among PACE's standardized domain parameters (part 11 table 6)
    p: int
    a: int
    b: int
    g: Point
    n: int

    @property
    def size(self) -> int:
        """Bytes of one coordinate."""
        return (self.p.bit_length() + 7) // 8


def _curve(
    name: str, oid: str, kind: type[ec.EllipticCurve], parameter: int, p: str, a: str | None, b: str, g: str, n: str
) -> Curve:
    prime = int(p, 16)
    half = len(g) // 2
    generator = (int(g[:half], 16), int(g[half:], 16))
    return Curve(
        name, oid, kind, parameter, prime, prime - 3 if a is None else int(a, 16), int(b, 16), generator, int(n, 16)
    )


P256 = _curve(
    "P-256", "1.2.840.10045.3.1.7", ec.SECP256R1, 12,
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    None,
    "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
)  # fmt: skip
P384 = _curve(
    "P-384", "1.3.132.0.34", ec.SECP384R1, 15,
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    None,
    "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7"
    "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
)  # fmt: skip
P521 = _curve(
    "P-521", "1.3.132.0.35", ec.SECP521R1, 18,
    "01ff" + "ff" * 64,
    None,
    "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1"
    "bf073573df883d2c34f1ef451fd46b503f00",
    "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ff"
    "a8de3348b3c1856a429bf97e7e31c2e5bd66"
    "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad"
    "0761353c7086a272c24088be94769fd16650",
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709"
    "a5d03bb5c9b8899c47aebb6fb71e91386409",
)  # fmt: skip
BRAINPOOL_256 = _curve(
    "brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", ec.BrainpoolP256R1, 13,
    "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
    "7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
    "26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6",
    "8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262"
    "547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997",
    "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
)  # fmt: skip
BRAINPOOL_384 = _curve(
    "brainpoolP384r1", "1.3.36.3.3.2.8.1.1.11", ec.BrainpoolP384R1, 16,
    "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
    "7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
    "04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11",
    "1d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e"
    "8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864e19c054ff99129280e4646217791811142820341263c5315",
    "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
)  # fmt: skip
BRAINPOOL_512 = _curve(
    "brainpoolP512r1", "1.3.36.3.3.2.8.1.1.13", ec.BrainpoolP512R1, 17,
    "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e6"
    "2881ff2f2d82c68528aa6056583a48f3",
    "7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b5"
    "7f1117a72bf2c7b9e7c1ac4d77fc94ca",
    "3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67"
    "984050b75ebae5dd2809bd638016f723",
    "81aee4bdd82ed9645a21322e9c4c6a9385ed9f70b5d916c1b43b62eef4d0098eff3b1f78e2d0d48d50d1687b93b97d5f"
    "7c6d5047406a5e688b352209bcb9f822"
    "7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111b2dcde494a5f485e5bca4bd88a2763ae"
    "d1ca2b2fa8f0540678cd1e0f3ad80892",
    "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac1047"
    "1db1d381085ddaddb58796829ca90069",
)  # fmt: skip
CURVES = (P256, P384, P521, BRAINPOOL_256, BRAINPOOL_384, BRAINPOOL_512)
BY_OID = {each.oid: each for each in CURVES}
BY_PARAMETER = {each.parameter: each for each in CURVES}


def add(curve: Curve, one: Point | None, two: Point | None) -> Point | None:
    """The sum of two points; None is the point at infinity."""
    if one is None or two is None:
        return one or two
    p = curve.p
    (x1, y1), (x2, y2) = one, two
    if x1 == x2:
        if (y1 + y2) % p == 0:
            return None
        slope = (3 * x1 * x1 + curve.a) * pow(2 * y1, -1, p) % p
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, p) % p
    x = (slope * slope - x1 - x2) % p
    return x, (slope * (x1 - x) - y1) % p


def multiply(curve: Curve, scalar: int, point: Point | None) -> Point | None:
    """The point times a number of 0 or more."""
    found: Point | None = None
    while scalar:
        if scalar & 1:
            found = add(curve, found, point)
        point = add(curve, point, point)
        scalar >>= 1
    return found


def encoded(curve: Curve, point: Point) -> bytes:
    """The uncompressed form (BSI TR-03111 §3.2.1)."""
    return b"\x04" + point[0].to_bytes(curve.size, "big") + point[1].to_bytes(curve.size, "big")


def decoded(curve: Curve, data: bytes) -> Point:
    """A point of the other side's: on the curve, in its uncompressed form. Raises `EmrtdError`."""
    if len(data) != 1 + 2 * curve.size or data[0] != 4:
        raise EmrtdError("malformed", "not an uncompressed point of this curve")
    x, y = int.from_bytes(data[1 : 1 + curve.size], "big"), int.from_bytes(data[1 + curve.size :], "big")
    if x >= curve.p or y >= curve.p or (y * y - x * x * x - curve.a * x - curve.b) % curve.p:
        raise EmrtdError("malformed", "a point that is not on its curve")
    return x, y
