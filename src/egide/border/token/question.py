"""What a gate without a network asks, in a picture the wallet reads first: which control, which claims, and a key for the answer.

    COSE_Sign1 of {1: nonce, 2: the gate's key for this answer, 3: control, 4: claims, 5: end}, named by the gate's kid

The wallet answers only gates whose key is on its copy of the consortium's trust list, and shows the traveller who asks for what
before it does. A question lives for two minutes and is answered once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import sha256
from secrets import token_bytes

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from egide.border.token.claims import LABELS, NAMES
from egide.protocols import cose
from egide.protocols.sdjwt.signing import Signer, kid_bytes
from egide.protocols.vapid import encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import SKEW_S

FOR_QUESTION = b"EGIDE-BT-1 question"
NONCE_BYTES = 16
POINT_BYTES = 65  # uncompressed: browsers import no other form
MAX_CONTROL = 32  # characters
MAX_QUESTION = 512  # bytes
LIFE_S = 120  # s: to read it, to agree, to show the answer

Verifiers = Callable[[str], EllipticCurvePublicKey | None]
"""The key of a verifier on the trust list by its kid; None where there is none."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `gate`: the kid of who asks, 12 bytes; `until` in s since 1970."""

    gate: bytes
    nonce: bytes
    point: bytes
    control: str
    claims: tuple[str, ...]
    until: int
    digest: bytes  # SHA-256 of the question as it was read; every answer is bound to it

    @property
    def kid(self) -> str:
        """Who asks."""
        return encoded(self.gate)

    def alive(self, now: int) -> None:
        """Raises `WalletError` (expired) once it is too old to be answered."""
        if now > self.until + SKEW_S:
            raise WalletError("expired", "a question that nobody answers any more")


def ask(
    control: str,
    claims: Collection[str],
    key: EllipticCurvePublicKey,
    signer: Signer,
    answer: EllipticCurvePublicKey,
    now: int,
    nonce: bytes = b"",
) -> bytes:
    """A question by the gate of this key; `answer`: a key drawn for it, `now` in s since 1970.

    `nonce`: that of the request by network for the same control, by which a wallet knows both to be one; else it is drawn.
    """
    body = {
        1: nonce or token_bytes(NONCE_BYTES),
        2: answer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        3: control,
        4: [LABELS[name] for name in NAMES if name in claims],
        5: now + LIFE_S,
    }
    return cose.sign1(cose.encode(body), signer, FOR_QUESTION, kid=kid_bytes(key))


def name_of(data: bytes) -> str:
    """How a wallet that read a question calls it, where it asks for the same by network: its digest, in base64url."""
    return encoded(sha256(data).digest())


def read(data: bytes, verifiers: Verifiers, now: int) -> Question:
    """The question of a gate on the trust list. Raises `WalletError` (verifier, signature, expired, malformed, too-large)."""
    try:
        signed = cose.read1(data, limit=MAX_QUESTION)
        key = verifiers(encoded(signed.kid))
        if key is None:
            raise WalletError("verifier", "nobody who may ask here")
        body = cose.decode(signed.verify(key, FOR_QUESTION))
    except cose.CoseError as error:
        raise WalletError(error.why, "the question does not hold") from error
    match body:
        case {1: bytes(nonce), 2: bytes(point), 3: str(control), 4: list(labels), 5: int(until)} if (
            len(body) == 5 and len(nonce) == NONCE_BYTES and len(point) == POINT_BYTES and 0 < len(control) <= MAX_CONTROL
            and all(label in LABELS.values() for label in labels) and labels == sorted(set(labels))
        ):  # fmt: skip
            found = Question(
                gate=signed.kid, nonce=nonce, point=point, control=control, until=until,
                claims=tuple(NAMES[label - 1] for label in labels), digest=sha256(data).digest(),
            )  # fmt: skip
        case _:
            raise WalletError("malformed", "not a gate’s question")
    found.alive(now)
    if found.until > now + LIFE_S + SKEW_S:
        raise WalletError("malformed", "a question that would live too long")
    return found
