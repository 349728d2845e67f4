"""CBOR as signatures need it, and COSE_Sign1 over it: what a border token is when there is no network, only a picture.

    encode, decode      CBOR in the one deterministic form of RFC 8949 §4.2.1
    sign1, read1        COSE_Sign1 (RFC 9052 §4.2) with ES256 (RFC 9053 §2.1), by a key that stays where it is
    cose_key, key_of    a key on P-256 with a compressed point (RFC 9053 §7.1.1)

One value has one encoding here, and every other is refused before the library builds anything of it: lengths that are open,
numbers written longer than they need, keys out of order or twice, floats, and every tag that was not asked for (cbor2 would make
dates, fractions and shared references of them). Depth, items and bytes are bounded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import cbor2
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from egide.protocols.sdjwt.signing import HALF, Signer

MAX_BYTES = 4096  # of one message; a QR code holds 2,953
MAX_DEPTH = 8
MAX_ITEMS = 256  # values in all, keys counted
ALG, CRIT, KID = 1, 2, 4  # header parameters, RFC 9052 §3.1
ES256 = -7  # RFC 9053 §2.1
KTY, EC2, CRV, P256, X, Y = 1, 2, -1, 1, -2, -3  # RFC 9053 §7.1
UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)  # major types, RFC 8949 §3.1
CONSTANTS = (20, 21, 22)  # false, true, null

CoseWhy = Literal["malformed", "too-large", "algorithm", "signature"]


class CoseError(ValueError):
    """A refusal; `why` is what callers look at."""

    def __init__(self, why: CoseWhy, message: str) -> None:
        super().__init__(message)
        self.why = why


class Sign1(msgspec.Struct, frozen=True, kw_only=True):
    """A COSE_Sign1 as it was read, believed by nobody yet."""

    protected: bytes
    header: dict[int, Any]
    payload: bytes | None  # None: detached, the verifier knows it
    signature: bytes

    @property
    def kid(self) -> bytes:
        """Whose key it says it is; b"" where it says nothing."""
        found = self.header.get(KID, b"")
        return found if isinstance(found, bytes) else b""

    def verify(self, key: EllipticCurvePublicKey, external: bytes, payload: bytes | None = None) -> bytes:
        """What was signed; `external`: what it was signed for, `payload`: only where detached. Raises `CoseError` (signature)."""
        signed = self.payload if payload is None else payload
        if signed is None or (payload is not None and self.payload is not None):
            raise CoseError("malformed", "a payload that is missing, or comes twice")
        r, s = (int.from_bytes(self.signature[at : at + HALF], "big") for at in (0, HALF))
        try:
            key.verify(encode_dss_signature(r, s), _to_sign(self.protected, external, signed), ECDSA(SHA256()))
        except InvalidSignature as error:
            raise CoseError("signature", "the signature is not the key’s") from error
        return signed


def encode(value: Any) -> bytes:
    """The one encoding of a value made of int, bytes, str, bool, None, list, tuple, dict."""
    return cbor2.dumps(_ordered(value))


def decode(data: bytes, *, limit: int = MAX_BYTES, tags: Collection[int] = ()) -> Any:
    """The value of an encoding; tags come as `cbor2.CBORTag`. Raises `CoseError` for any but the one encoding of a value."""
    if len(data) > limit:
        raise CoseError("too-large", f"more than {limit} bytes")
    end = _Walk(data, tags).value(0, 0)
    if end != len(data):
        raise CoseError("malformed", "something stands behind the value")
    try:
        return cbor2.loads(data, semantic_decoders={}, allow_indefinite=False, allow_duplicate_keys=False)
    except (cbor2.CBORDecodeError, ValueError, TypeError) as error:
        raise CoseError("malformed", "not CBOR that can be read") from error


def sign1(payload: bytes, signer: Signer, external: bytes, *, kid: bytes = b"", detached: bool = False) -> bytes:
    """An untagged COSE_Sign1. `external`: what it is signed for (it does not travel); `detached`: nor does the payload."""
    protected = encode({ALG: ES256, KID: kid} if kid else {ALG: ES256})
    signature = signer(_to_sign(protected, external, payload))
    return encode([protected, {}, None if detached else payload, signature])


def read1(data: bytes, *, limit: int = MAX_BYTES) -> Sign1:
    """Reads an untagged COSE_Sign1; nothing is verified. Raises `CoseError`."""
    match decode(data, limit=limit):
        case [bytes(protected), dict(open_), bytes() | None as payload, bytes(signature)] if not open_:
            header = decode(protected)
        case _:
            raise CoseError("malformed", "not a COSE_Sign1")
    if not isinstance(header, dict) or CRIT in header or not all(isinstance(label, int) for label in header):
        raise CoseError("malformed", "a header that is none, or asks for what we do not have")
    if header.get(ALG) != ES256 or len(signature) != 2 * HALF:
        raise CoseError("algorithm", "signed by another algorithm than ES256")
    return Sign1(protected=protected, header=header, payload=payload, signature=signature)


def cose_key(key: EllipticCurvePublicKey) -> dict[int, Any]:
    """A public key, its point compressed: 32 bytes less than with both coordinates."""
    numbers = key.public_numbers()
    return {KTY: EC2, CRV: P256, X: numbers.x.to_bytes(HALF, "big"), Y: bool(numbers.y & 1)}


def key_of(value: Any) -> EllipticCurvePublicKey:
    """The key of a COSE_Key as `cose_key` writes it. Raises `CoseError`."""
    match value:
        case {1: 2, -1: 1, -2: bytes(x), -3: bool(odd)} if len(value) == 4 and len(x) == HALF:
            return point(bytes([2 + odd]) + x)
        case _:
            raise CoseError("algorithm", "a key of a kind that is not accepted")


def point(encoded: bytes) -> EllipticCurvePublicKey:
    """The key of an encoded point of P-256 (SEC 1 §2.3.4), 33 or 65 bytes. Raises `CoseError`."""
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), encoded)
    except ValueError as error:
        raise CoseError("malformed", "a point that is not on the curve") from error


def _to_sign(protected: bytes, external: bytes, payload: bytes) -> bytes:
    return encode(["Signature1", protected, external, payload])  # RFC 9052 §4.4


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(inner) for key, inner in sorted(value.items(), key=lambda pair: cbor2.dumps(pair[0]))}
    if isinstance(value, list | tuple):
        return [_ordered(inner) for inner in value]
    return value


class _Walk:
    """Goes over an encoding without building anything of it, and looks whether it is the one that it may be."""

    def __init__(self, data: bytes, tags: Collection[int]) -> None:
        self._data, self._tags, self._items = data, tags, 0

    def value(self, at: int, depth: int) -> int:
        """Where the value that begins at `at` ends. Raises `CoseError`."""
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise CoseError("too-large", "nested too deep, or of too many values")
        major, number, at = self._head(at)
        if major in (BYTES, TEXT):
            if number > len(self._data) - at:
                raise CoseError("malformed", "cut off")
            return at + number
        if major == ARRAY:
            for _ in range(min(number, MAX_ITEMS + 1)):
                at = self.value(at, depth + 1)
        elif major == MAP:
            at = self._map(at, number, depth)
        elif major == TAG:
            if number not in self._tags:
                raise CoseError("malformed", "a tag that was not asked for")
            at = self.value(at, depth + 1)
        elif major == SIMPLE and number not in CONSTANTS:
            raise CoseError("malformed", "a value of a kind that is not used here")
        return at

    def _map(self, at: int, pairs: int, depth: int) -> int:
        before = b""
        for _ in range(min(pairs, MAX_ITEMS + 1)):
            if self._data[at : at + 1] and self._data[at] >> 5 not in (UNSIGNED, NEGATIVE, BYTES, TEXT):
                raise CoseError("malformed", "a key that is neither number nor string")
            end = self.value(at, depth + 1)
            if (key := self._data[at:end]) <= before:
                raise CoseError("malformed", "keys out of order, or twice")
            before = key
            at = self.value(end, depth + 1)
        return at

    def _head(self, at: int) -> tuple[int, int, int]:
        """(major type, its number, where what follows begins) of a head in its shortest form."""
        if at >= len(self._data):
            raise CoseError("malformed", "cut off")
        major, info = self._data[at] >> 5, self._data[at] & 31
        at += 1
        if info < 24:
            return major, info, at
        if info > 27 or major == SIMPLE:
            raise CoseError("malformed", "a length that is open, or a value of a kind that is not used here")
        size = 1 << (info - 24)
        number = int.from_bytes(self._data[at : at + size], "big")
        if at + size > len(self._data) or number < (24 if size == 1 else 1 << (4 * size)):
            raise CoseError("malformed", "cut off, or a number written longer than it is")
        return major, number, at + size
