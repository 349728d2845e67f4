"""Where authorities come from: master lists (ICAO Doc 9303 part 12 §9) and the LDIF files of the ICAO directory (PKD).

A master list is a state's signed list of the authorities it has met. Its signature is checked against an anchor that the
operator got by another way: an unsigned list, or one whose signer only the list itself vouches for, is a list of strangers.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from egide.protocols.emrtd import cms, pki, tlv
from egide.protocols.emrtd.errors import EmrtdError

MAX_LIST = 8 << 20  # bytes; the largest seen have about one
MAX_LDIF = 256 << 20  # bytes; the directory's dump of all master lists has about 100
MAX_ENTRY = 12 << 20  # bytes of one attribute
MAX_LISTED = 5000
CONTENT = "2.23.136.1.1.2"  # id-icao-mrtd-security-cscaMasterList
SIGNS_LISTS = "2.23.136.1.1.3"  # id-icao-mrtd-security-masterListSigningKey, an extended key usage
SKEW_S = 300  # s that two clocks may differ

Kind = Literal["master-list", "signer", "revocations"]
# Attributes of the directory's entries (part 12 §8.3, as its dumps name them).
KINDS: dict[str, Kind] = {
    "pkdmasterlistcontent": "master-list",
    "cscamasterlistdata": "master-list",
    "usercertificate": "signer",
    "certificaterevocationlist": "revocations",
}


class Entry(msgspec.Struct, frozen=True):
    """One thing of the directory: a master list, a document signer, a revocation list."""

    kind: Kind
    data: bytes


def authorities(data: bytes, anchors: Sequence[pki.Certificate], at: int) -> tuple[bytes, ...]:
    """The certificates (DER) in a master list that one of the anchors stands for, at a time (s). Raises `EmrtdError`."""
    signed = cms.read(data, MAX_LIST)
    if signed.content_type != CONTENT:
        raise EmrtdError("malformed", "a signed message that is no master list")
    if not signed.coherent() or not signed.verified() or signed.signer is None:
        raise EmrtdError("signature", "a master list whose signature does not hold")
    _check_signer(signed.signer, anchors, at)
    parts = list(tlv.children(tlv.only(signed.content, tlv.SEQUENCE)))
    if [each.tag for each in parts] != [tlv.INTEGER, tlv.SET]:
        raise EmrtdError("malformed", "a master list whose parts are others")
    return tuple(_listed(parts[1].value))


def entries(data: bytes) -> Iterator[Entry]:
    """The entries of an LDIF file (RFC 2849), in their order. Raises `EmrtdError`."""
    if len(data) > MAX_LDIF:
        raise EmrtdError("too-large", f"a directory of more than {MAX_LDIF} bytes")
    for line in _unfolded(data):
        name, colon, value = line.partition(b"::")
        kind = KINDS.get(name.split(b";")[0].strip().lower().decode("latin-1")) if colon else None
        if kind is None:
            continue
        try:
            yield Entry(kind, b64decode(value.strip(), validate=True))
        except ValueError as error:
            raise EmrtdError("malformed", "an attribute of the directory that is not base64") from error


def _check_signer(signer: pki.Certificate, anchors: Sequence[pki.Certificate], at: int) -> None:
    """The signer of lists is made by an anchor of the same state, for this purpose, and in its time."""
    if SIGNS_LISTS not in signer.purposes:
        raise EmrtdError("untrusted", "a signer that may not sign master lists")
    for anchor in anchors:
        made = pki.verifies(anchor.key, signer.algorithm, signer.signature, signer.signed)
        if made and anchor.country == signer.country and anchor.authority:
            break
    else:
        raise EmrtdError("untrusted", "a master list whose signer no anchor stands for")
    for each in (signer, anchor):
        if not each.not_before - SKEW_S <= at <= each.not_after + SKEW_S:
            raise EmrtdError("expired", "a master list whose signer or anchor has expired")


def _listed(value: bytes) -> Iterator[bytes]:
    at = 0
    for _ in range(MAX_LISTED):
        if at == len(value):
            return
        found = tlv.read(value, at)
        if found.tag != tlv.SEQUENCE:
            raise EmrtdError("malformed", "a master list with what is no certificate")
        yield value[at : at + found.size]
        at += found.size
    raise EmrtdError("too-large", f"a master list of more than {MAX_LISTED} certificates")


def _unfolded(data: bytes) -> Iterator[bytes]:
    """Lines whose continuations (a blank first) are joined; comments left out."""
    parts: list[bytes] = []
    size = 0
    for line in data.split(b"\n"):
        line = line.removesuffix(b"\r")  # noqa: PLW2901 (the line without its end is the line)
        if line.startswith(b" ") and parts:
            parts.append(line[1:])
            size += len(line)
            if size > MAX_ENTRY:
                raise EmrtdError("too-large", f"an attribute of more than {MAX_ENTRY} bytes")
            continue
        if parts:
            yield b"".join(parts)
        parts, size = ([] if line.startswith(b"#") else [line]), len(line)
    if parts:
        yield b"".join(parts)
