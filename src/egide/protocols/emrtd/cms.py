"""A signed message (CMS SignedData, RFC 5652 §5) as EF.SOD and master lists are: one signer, whose certificate comes along."""

from __future__ import annotations

import msgspec
from asn1crypto import cms

from egide.protocols.emrtd import pki
from egide.protocols.emrtd.errors import EmrtdError

MAX_CERTIFICATES = 16
MAX_ATTRIBUTES = 4096  # bytes


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed, and by whom it says it is. Nothing is believed yet."""

    content_type: str  # OID
    content: bytes
    digest: str  # hash over the content; "" where it is not accepted
    algorithm: pki.Algorithm | None  # None: not accepted
    attributes: bytes  # DER of the signed attributes, as they are signed
    attribute_type: str  # OID that they state
    attribute_digest: bytes
    signature: bytes
    signer: pki.Certificate | None  # None: not among the certificates that came
    certificates: tuple[pki.Certificate, ...]

    def coherent(self) -> bool:
        """Whether the signed attributes speak of this content (§5.4)."""
        return (
            bool(self.digest)
            and self.attribute_type == self.content_type
            and self.attribute_digest == pki.digest(self.digest, self.content)
        )

    def verified(self) -> bool:
        """Whether the signer's key signed the attributes. Whose key that is, is another question."""
        return self.signer is not None and pki.verifies(
            self.signer.key, self.algorithm, self.signature, self.attributes
        )


def read(data: bytes, most: int) -> Signed:
    """Reads a signed message of at most so many bytes. Raises `EmrtdError`."""
    if len(data) > most:
        raise EmrtdError("too-large", f"a signed message of more than {most} bytes")
    with pki.reading("a signed message"):
        outer = cms.ContentInfo.load(data, strict=True)
        if outer["content_type"].native != "signed_data":
            raise EmrtdError("malformed", "a message that is not signed")
        body = outer["content"]
        if len(body["signer_infos"]) != 1 or len(body["certificates"]) > MAX_CERTIFICATES:
            raise EmrtdError("malformed", "not one signer, or too many certificates")
        told = body["signer_infos"][0]
        certificates = tuple(pki.certificate(each.chosen.dump()) for each in body["certificates"])
        attributes = told["signed_attrs"]
        raw = attributes.dump()
        if len(raw) > MAX_ATTRIBUTES or not len(attributes):
            raise EmrtdError("malformed", "no signed attributes, or too many")
        kind, digest = _attributes(attributes)
        return Signed(
            content_type=body["encap_content_info"]["content_type"].dotted,
            content=bytes(body["encap_content_info"]["content"]),
            digest=pki.digest_name(told["digest_algorithm"]),
            algorithm=_algorithm(told),
            attributes=b"\x31" + raw[1:],  # signed as a SET, whatever tag they are sent with (§5.4)
            attribute_type=kind,
            attribute_digest=digest,
            signature=told["signature"].native,
            signer=_signer(told["sid"], certificates),
            certificates=certificates,
        )


def _attributes(attributes: cms.CMSAttributes) -> tuple[str, bytes]:
    """(content type, message digest): each once."""
    kinds: list[str] = []
    digests: list[bytes] = []
    for each in attributes:
        if each["type"].native == "content_type":
            kinds.extend(value.dotted for value in each["values"])
        elif each["type"].native == "message_digest":
            digests.extend(value.native for value in each["values"])
    if len(kinds) != 1 or len(digests) != 1:
        raise EmrtdError("malformed", "signed attributes without the two that there must be, or with them twice")
    return kinds[0], digests[0]


def _algorithm(told: cms.SignerInfo) -> pki.Algorithm | None:
    """A signature algorithm that names no hash (plain RSA) goes with the digest's (RFC 3370 §3.2)."""
    if told["signature_algorithm"]["algorithm"].native != "rsassa_pkcs1v15":
        return pki.algorithm(told["signature_algorithm"])
    name = pki.digest_name(told["digest_algorithm"])
    return pki.Algorithm("rsa-pkcs1", name) if name else None


def _signer(said: cms.SignerIdentifier, certificates: tuple[pki.Certificate, ...]) -> pki.Certificate | None:
    if said.name == "subject_key_identifier":
        key = said.chosen.native
        return next((each for each in certificates if each.subject_key == key), None)
    serial, issuer = said.chosen["serial_number"].native, pki.name(said.chosen["issuer"])
    return next((each for each in certificates if (each.serial, each.issuer) == (serial, issuer)), None)
