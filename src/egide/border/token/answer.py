"""A wallet's answer to a gate without a network: token, fresh proof and secret, sealed to the key in that gate's question.

    0x01 ‖ the wallet's point, compressed (33) ‖ AES-128-GCM of CBOR [token, proof, secret]

The key and nonce of the cipher are HKDF-SHA-256 of the ECDH secret (P-256, a key drawn for this answer): salt is the question's
nonce, info `EGIDE-BT-1 answer` ‖ the wallet's point ‖ the gate's point; 16 bytes of key, 12 of nonce, used once. What is
authenticated beside is the digest of the question. So a photograph of the picture is worth nothing to anybody, to another gate
or tomorrow. The proof is a detached COSE_Sign1 by the token's key over nonce ‖ gate's kid ‖ SHA-256 of the token, signed for
`EGIDE-BT-1 proof` ‖ the question's digest.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from egide.border.token.question import Question
from egide.protocols import cose
from egide.protocols.sdjwt.signing import Signer
from egide.protocols.wallet.errors import WalletError

VERSION = b"\x01"
FOR_PROOF, FOR_ANSWER = b"EGIDE-BT-1 proof", b"EGIDE-BT-1 answer"
KEY_BYTES, IV_BYTES = 16, 12  # A128GCM, RFC 9053 §4.1
POINT_BYTES = 33
MAX_ANSWER = 1024  # bytes; 600 are usual


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer holds, believed by nobody yet."""

    token: bytes
    proof: bytes
    secret: bytes

    def __repr__(self) -> str:
        """Nothing of it: it is the traveller's."""
        return "Given(…)"


def prove(question: Question, token: bytes, signer: Signer) -> bytes:
    """The holder's proof for one question, by the token's key."""
    return cose.sign1(_proved(question, token), signer, FOR_PROOF + question.digest, detached=True)


def check_proof(given: Given, question: Question, holder: EllipticCurvePublicKey) -> None:
    """Raises `WalletError` (holder) unless the holder of this key answers this question with this token."""
    try:
        cose.read1(given.proof).verify(holder, FOR_PROOF + question.digest, _proved(question, given.token))
    except cose.CoseError as error:
        raise WalletError("holder", "the proof of possession does not hold") from error


def seal(question: Question, token: bytes, secret: bytes, signer: Signer) -> bytes:
    """The answer; `secret`: what only the wallet holds, b"" where no claim needs it. Raises `WalletError` (malformed)."""
    own = generate_private_key(SECP256R1())
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    plain = cose.encode([token, prove(question, token, signer), secret])
    return VERSION + point + _cipher(own, _point(question.point), point, question, plain)


def unseal(data: bytes, question: Question, private: EllipticCurvePrivateKey) -> Given:
    """What was sealed to the private key of this question. Raises `WalletError` (too-large, encryption, malformed)."""
    if len(data) > MAX_ANSWER:
        raise WalletError("too-large", f"an answer of more than {MAX_ANSWER} bytes")
    point, cipher = data[1 : 1 + POINT_BYTES], data[1 + POINT_BYTES :]
    if data[:1] != VERSION or len(point) != POINT_BYTES:
        raise WalletError("malformed", "not an answer to a gate")
    plain = _cipher(private, _point(point), point, question, cipher, opening=True)
    try:
        match cose.decode(plain):
            case [bytes(token), bytes(proof), bytes(secret)]:
                return Given(token=token, proof=proof, secret=secret)
            case _:
                raise WalletError("malformed", "an answer without its three parts")
    except cose.CoseError as error:
        raise WalletError(error.why, "an answer that cannot be read") from error


def _proved(question: Question, token: bytes) -> bytes:
    return question.nonce + question.gate + sha256(token).digest()


def _point(encoded: bytes) -> EllipticCurvePublicKey:
    try:
        return cose.point(encoded)
    except cose.CoseError as error:
        raise WalletError("malformed", "a point that is not on the curve") from error


def _cipher(
    own: EllipticCurvePrivateKey,
    other: EllipticCurvePublicKey,
    point: bytes,
    question: Question,
    data: bytes,
    *,
    opening: bool = False,
) -> bytes:
    shared = own.exchange(ECDH(), other)
    info = FOR_ANSWER + point + question.point
    derived = HKDF(SHA256(), KEY_BYTES + IV_BYTES, question.nonce, info).derive(shared)
    cipher, iv = AESGCM(derived[:KEY_BYTES]), derived[KEY_BYTES:]
    try:
        return (cipher.decrypt if opening else cipher.encrypt)(iv, data, question.digest)
    except InvalidTag as error:
        raise WalletError("encryption", "not sealed to the key of this question") from error
