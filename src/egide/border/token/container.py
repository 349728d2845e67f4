"""The travel document in the wallet: what the chip gave, as it was signed, in the manner of an ICAO digital travel credential.

ICAO's DTC-VC (Guiding Core Principles, type 1) keeps DG1, DG2 and the EF.SOD of the document under the State's own signature. So
does this container, in CBOR: {1: 1, 2: DG1, 3: DG2, 4: EF.SOD}. It never leaves the wallet; a token holds a digest of it that
only who is given the token's secret can compare, so that two tokens of one document have nothing in common, and nobody finds the
document by trying numbers. Whether the State's signature holds is passive authentication's to say, at enrolment and again at
the border, on the chip.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

import msgspec

from egide.border.token.claims import SECRET_BYTES
from egide.kernel.errors import BadInput, Text
from egide.protocols import cose

VERSION = 1
FOR_DOCUMENT = b"EGIDE-BT-1 document"
MAX_DG1 = 256  # bytes; a TD1 has 95
MAX_DG2 = 128 * 1024  # bytes; a portrait has 15 to 40 kB
MAX_SOD = 16 * 1024  # bytes; 2 kB are usual
MAX_CONTAINER = MAX_DG1 + MAX_DG2 + MAX_SOD + 64


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a travel document as its chip gave them."""

    dg1: bytes
    dg2: bytes
    sod: bytes

    def __repr__(self) -> str:
        """Nothing of the document."""
        return "Container(…)"


def pack(container: Container) -> bytes:
    """The container as the wallet keeps it. Raises `BadInput` for files larger than any chip's."""
    _bounded(container)
    return cose.encode({1: VERSION, 2: container.dg1, 3: container.dg2, 4: container.sod})


def unpack(data: bytes) -> Container:
    """Raises `BadInput`."""
    try:
        match cose.decode(data, limit=MAX_CONTAINER):
            case {1: 1, 2: bytes(dg1), 3: bytes(dg2), 4: bytes(sod), **rest} if not rest:
                found = Container(dg1=dg1, dg2=dg2, sod=sod)
            case _:
                raise _refused()
    except cose.CoseError as error:
        raise _refused() from error
    _bounded(found)
    return found


def document_hash(sod: bytes, secret: bytes) -> bytes:
    """`doc_hash`: HMAC-SHA-256 under the token's secret (16 bytes) of the EF.SOD's digest, 32 bytes. Raises `BadInput`."""
    if len(secret) != SECRET_BYTES:
        raise _refused()
    return hmac.digest(secret, FOR_DOCUMENT + sha256(sod).digest(), "sha256")


def same_document(doc_hash: bytes, sod: bytes, secret: bytes) -> bool:
    """Whether the token was made for the document whose EF.SOD was just read."""
    return hmac.compare_digest(doc_hash, document_hash(sod, secret))


def _bounded(container: Container) -> None:
    sizes = ((container.dg1, MAX_DG1), (container.dg2, MAX_DG2), (container.sod, MAX_SOD))
    if not all(0 < len(data) <= limit for data, limit in sizes):
        raise _refused()


def _refused() -> BadInput:
    return BadInput(Text("Ce document de voyage ne peut pas être lu.", "This travel document cannot be read."))
