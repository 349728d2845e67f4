"""The bytes of a seal that no signature covers, held to one form: so that there too a changed byte is found.

A PDF signature covers the file except its own place (`/Contents`), and there only the signed attributes are covered: version
numbers, lists of algorithms, the padding and even the case of a hexadecimal digit could change unseen. A seal of this service
has exactly one way to be written, given what is signed; anything else was changed, or was made by another program. Source:
RFC 5652 §5.

What stays outside: the unsigned parts of a time-stamping authority's token, whose form is the authority's own. For those the
SHA-256 of the whole file, kept in the ledger, is the answer.
"""

from __future__ import annotations

from asn1crypto import cms
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

STAMP = "signature_time_stamp_token"
SEAL, OFFICER = "Seal", "Officer"  # the fields: the platform's seal, the signature of an officer's card


def is_exact(pdf: bytes, seal: EmbeddedPdfSignature) -> bool:
    """Whether the seal covers the whole file but for its own place, and that is written as this service writes it."""
    ranges = [int(each) for each in seal.byte_range]
    if len(ranges) != 4:
        return False
    start, before, after, length = ranges
    place = pdf[before:after]
    if start != 0 or after + length != len(pdf) or place[:1] != b"<" or place[-1:] != b">":
        return False
    try:
        raw = bytes.fromhex(place[1:-1].decode("ascii"))
        found = cms.ContentInfo.load(raw)
        expected = rebuilt(found["content"]).dump()
    except (ValueError, TypeError, KeyError):
        return False
    padded: bytes = expected + bytes(len(raw) - len(expected))
    return padded == raw and padded.hex().upper().encode() == place[1:-1]


def rebuilt(signed: cms.SignedData) -> cms.ContentInfo:
    """The CMS object as this service writes it around what is signed. Raises `ValueError` for more than one signer."""
    (signer,) = signed["signer_infos"]
    (choice,) = signed["certificates"]
    certificate = choice.chosen
    info = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            {
                "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                    {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                )
            }
        ),
        "digest_algorithm": {"algorithm": "sha256"},
        "signed_attrs": signer["signed_attrs"],
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": signer["signature"].native,
    }
    stamps = [each for each in signer["unsigned_attrs"] if each["type"].native == STAMP]
    if stamps:
        info["unsigned_attrs"] = cms.CMSAttributes(
            [{"type": STAMP, "values": [token for each in stamps for token in each["values"]]}]
        )
    return cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": cms.SignedData(
                {
                    "version": "v1",
                    "digest_algorithms": [{"algorithm": "sha256"}],
                    "encap_content_info": {"content_type": "data"},
                    "certificates": [certificate],
                    "signer_infos": [info],
                }
            ),
        }
    )
