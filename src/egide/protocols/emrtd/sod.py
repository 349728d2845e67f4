"""EF.SOD, the document security object (ICAO Doc 9303 part 10 §4.6.2.2 and appendix D): the hash of each group, signed."""

from __future__ import annotations

import msgspec

from egide.protocols.emrtd import cms, tlv
from egide.protocols.emrtd.errors import EmrtdError

MAX_SOD = 32 * 1024  # bytes; seen: 0.8 to 4 kB
SECURITY_OBJECT = "2.23.136.1.1.1"  # id-icao-mrtd-security-ldsSecurityObject
GROUPS = range(1, 17)
# Hash algorithms by the bytes of their OID (RFC 5754 §2). Others are read and named "".
DIGESTS = {
    tlv.oid("2.16.840.1.101.3.4.2.1"): "sha256",
    tlv.oid("2.16.840.1.101.3.4.2.2"): "sha384",
    tlv.oid("2.16.840.1.101.3.4.2.3"): "sha512",
}


class SecurityObject(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed: the hash algorithm ("" where it is not accepted) and the hash of each data group ("DG1"…)."""

    signed: cms.Signed
    digest: str
    hashes: dict[str, bytes]


def read(data: bytes) -> SecurityObject:
    """Reads EF.SOD. Raises `EmrtdError`."""
    if len(data) > MAX_SOD:
        raise EmrtdError("too-large", f"a security object of more than {MAX_SOD} bytes")
    signed = cms.read(tlv.only(data, 0x77), MAX_SOD)
    if signed.content_type != SECURITY_OBJECT:
        raise EmrtdError("malformed", "a signed message that is no security object")
    parts = list(tlv.children(tlv.only(signed.content, tlv.SEQUENCE)))
    if len(parts) not in {3, 4} or [each.tag for each in parts[:3]] != [tlv.INTEGER, tlv.SEQUENCE, tlv.SEQUENCE]:
        raise EmrtdError("malformed", "a security object whose parts are others")
    hashes: dict[str, bytes] = {}
    for each in tlv.children(parts[2].value):
        number = tlv.number(tlv.first(each.value, tlv.INTEGER))
        name = f"DG{number}"
        if each.tag != tlv.SEQUENCE or number not in GROUPS or name in hashes:
            raise EmrtdError("malformed", "the hash of a group that there is not, or twice")
        hashes[name] = tlv.first(each.value, tlv.OCTETS)
    return SecurityObject(signed=signed, digest=DIGESTS.get(tlv.first(parts[1].value, tlv.OID), ""), hashes=hashes)


def content(digest: str, hashes: dict[str, bytes]) -> bytes:
    """The LDS security object (version 0) of these hashes: what an issuer signs."""
    oid = next(each for each, name in DIGESTS.items() if name == digest)
    listed = [
        tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.INTEGER, bytes([int(name[2:])])), tlv.encode(tlv.OCTETS, value))
        for name, value in sorted(hashes.items(), key=lambda each: int(each[0][2:]))
    ]
    how = tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OID, oid))
    return tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.INTEGER, b"\0"), how, tlv.encode(tlv.SEQUENCE, *listed))
