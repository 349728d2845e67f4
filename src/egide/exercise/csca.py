"""The passport authority of Utopia, and of other states that do not exist: fresh keys at each start, nothing kept.

It issues what a real one does (ICAO Doc 9303 part 12): its own certificate (CSCA), document signers (DSC), revocation lists,
link certificates and master lists; and, for tests, each of them wrong in one way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from asn1crypto import algos
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from egide.protocols.emrtd import tlv
from egide.protocols.emrtd.curves import BRAINPOOL_256, BRAINPOOL_384, BRAINPOOL_512, P256, P384, P521, encoded
from egide.protocols.emrtd.masterlist import CONTENT, SIGNS_LISTS
from egide.protocols.emrtd.pki import DOCUMENT_TYPES

Kind = Literal[
    "P-256", "P-384", "P-521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "rsa-pkcs1", "rsa-pss"
]
CURVES = {each.name: each for each in (P256, P384, P521, BRAINPOOL_256, BRAINPOOL_384, BRAINPOOL_512)}
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
SIGNED_DATA = "1.2.840.113549.1.7.2"

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Key:
    """A private key of one kind, and how it signs."""

    def __init__(self, kind: Kind, *, bits: int = 2048, sha1: bool = False) -> None:
        self.kind = kind
        self._sha1 = sha1
        self.private: Private
        if kind in CURVES:
            self.private = ec.generate_private_key(CURVES[kind].kind())
        else:
            self.private = rsa.generate_private_key(65537, bits)

    def sign(self, data: bytes) -> bytes:
        """Signs; SHA-256 but where told to be of another age."""
        hashed = hashes.SHA1() if self._sha1 else hashes.SHA256()  # noqa: S303 (a document that must be refused)
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return self.private.sign(data, ec.ECDSA(hashed))
        return self.private.sign(data, PSS if self.kind == "rsa-pss" else padding.PKCS1v15(), hashed)

    def algorithm(self) -> bytes:
        """The AlgorithmIdentifier (DER) of how it signs."""
        if self.kind == "rsa-pss":
            sha256 = {"algorithm": "sha256"}
            how = {
                "hash_algorithm": sha256,
                "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": sha256},
                "salt_length": 32,
            }
            return bytes(algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": how}).dump())
        name = f"{'sha1' if self._sha1 else 'sha256'}_{'rsa' if self.kind == 'rsa-pkcs1' else 'ecdsa'}"
        return bytes(algos.SignedDigestAlgorithm({"algorithm": name}).dump())


class Signer:
    """A key with a certificate: signs documents, or lists."""

    def __init__(self, key: Key, certificate: bytes) -> None:
        self.key = key
        self.certificate = certificate
        found = x509.load_der_x509_certificate(certificate)
        self.serial = found.serial_number
        self._issuer = found.issuer.public_bytes()

    def message(self, content_type: str, content: bytes, at: int, *, along: Sequence[bytes] = ()) -> bytes:
        """A signed message (CMS SignedData, RFC 5652) with this certificate and those that go along."""
        sha256 = tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OID, tlv.oid("2.16.840.1.101.3.4.2.1")))
        kind = tlv.encode(tlv.OID, tlv.oid(content_type))
        hashed = hashes.Hash(hashes.SHA256())
        hashed.update(content)
        time = tlv.encode(0x17, datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M%SZ").encode())
        attributes = b"".join(
            sorted(
                (
                    _attribute("1.2.840.113549.1.9.3", kind),
                    _attribute("1.2.840.113549.1.9.5", time),
                    _attribute("1.2.840.113549.1.9.4", tlv.encode(tlv.OCTETS, hashed.finalize())),
                )
            )
        )
        signature = self.key.sign(tlv.encode(tlv.SET, attributes))
        who = tlv.encode(tlv.SEQUENCE, self._issuer, _integer(self.serial))
        info = tlv.encode(
            tlv.SEQUENCE, _integer(1), who, sha256, tlv.encode(0xA0, attributes), self.key.algorithm(),
            tlv.encode(tlv.OCTETS, signature),
        )  # fmt: skip
        inner = tlv.encode(tlv.SEQUENCE, kind, tlv.encode(0xA0, tlv.encode(tlv.OCTETS, content)))
        body = tlv.encode(
            tlv.SEQUENCE, _integer(3), tlv.encode(tlv.SET, sha256), inner, tlv.encode(0xA0, self.certificate, *along),
            tlv.encode(tlv.SET, info),
        )  # fmt: skip
        return tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OID, tlv.oid(SIGNED_DATA)), tlv.encode(0xA0, body))


class Authority:
    """A state's passport authority."""

    def __init__(self, at: int, kind: Kind = "P-256", country: str = "UT", *, name: str = "CSCA") -> None:
        """Draws a key and signs its own certificate; `at` in s since 1970."""
        self.country = country
        self.key = Key(kind)
        self._at = at
        self._name = _name(country, name)
        self.certificate = self._signed(self._authority(self.key), self.key)

    def signer(
        self,
        *,
        kind: Kind | None = None,
        days: tuple[int, int] = (-30, 3650),
        country: str | None = None,
        types: Sequence[str] = (),
        usage: bool = True,
        unknown: bool = False,
        explicit: bool = False,
        key: Key | None = None,
    ) -> Signer:
        """A document signer (DSC), valid from and to some days away; `usage` False: its key may not sign data.

        `unknown` adds a critical extension that nobody knows; `explicit` spells the curve out.
        """
        key = key or Key(kind or self.key.kind)
        builder = self._certificate(key, _name(country or self.country, "Document Signer"), days)
        builder = builder.add_extension(_usage(digital_signature=usage, crl_sign=not usage), critical=True)
        if types:
            listed = tlv.encode(tlv.SET, *(tlv.encode(0x13, each.encode("ascii")) for each in types))
            value = tlv.encode(tlv.SEQUENCE, _integer(0), listed)
            extension = x509.UnrecognizedExtension(ObjectIdentifier(DOCUMENT_TYPES), value)
            builder = builder.add_extension(extension, critical=False)
        if unknown:
            extension = x509.UnrecognizedExtension(ObjectIdentifier("2.23.136.1.1.6.99"), b"\5\0")
            builder = builder.add_extension(extension, critical=True)
        certificate = self._signed(builder, self.key)
        return Signer(key, self._spelt_out(certificate, key) if explicit else certificate)

    def list_signer(self, *, purpose: bool = True) -> Signer:
        """A signer of master lists; `purpose` False: it lacks the purpose that makes it one."""
        key = Key(self.key.kind)
        builder = self._certificate(key, _name(self.country, "Master List Signer"), (-30, 365))
        builder = builder.add_extension(_usage(digital_signature=True), critical=True)
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ObjectIdentifier(SIGNS_LISTS)]), critical=True)
        return Signer(key, self._signed(builder, self.key))

    def master_list(self, certificates: Sequence[bytes], *, signer: Signer | None = None) -> bytes:
        """A master list of these authorities (part 12 §9)."""
        content = tlv.encode(tlv.SEQUENCE, _integer(0), tlv.encode(tlv.SET, *sorted(certificates)))
        return (signer or self.list_signer()).message(CONTENT, content, self._at, along=[self.certificate])

    def link(self, new: Authority) -> bytes:
        """The certificate by which this authority vouches for the key that comes after its own (part 12 §4.2.2)."""
        return self._signed(self._authority(new.key), self.key)

    def revocations(self, serials: Sequence[int], *, number: int | None = 1, days: tuple[int, int] = (-1, 90)) -> bytes:
        """A list of revoked certificates, from and to some days away."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(self._time(days[0]))
            .next_update(self._time(days[1]))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.private.public_key()), critical=False
            )
        )
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self._time(days[0]))
            builder = builder.add_revoked_certificate(revoked.build())
        pad = PSS if self.key.kind == "rsa-pss" else None
        return builder.sign(self.key.private, hashes.SHA256(), rsa_padding=pad).public_bytes(Encoding.DER)

    def _authority(self, key: Key) -> x509.CertificateBuilder:
        builder = self._certificate(key, self._name, (-60, 5475))
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        return builder.add_extension(constraints, critical=True).add_extension(
            _usage(key_cert_sign=True, crl_sign=True), critical=True
        )

    def _certificate(self, key: Key, subject: x509.Name, days: tuple[int, int]) -> x509.CertificateBuilder:
        public = key.private.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._time(days[0]))
            .not_valid_after(self._time(days[1]))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.private.public_key()), critical=False
            )
        )

    def _signed(self, builder: x509.CertificateBuilder, key: Key) -> bytes:
        pad = PSS if key.kind == "rsa-pss" else None
        return builder.sign(key.private, hashes.SHA256(), rsa_padding=pad).public_bytes(Encoding.DER)

    def _spelt_out(self, certificate: bytes, key: Key) -> bytes:
        """The same certificate, its curve with explicit parameters, signed again."""
        found = asn1_x509.Certificate.load(certificate)
        body = found["tbs_certificate"]
        point = body["subject_public_key_info"]["public_key"].native
        body["subject_public_key_info"] = asn1_keys.PublicKeyInfo.load(spelt_out(key.kind, point))
        found["signature_value"] = self.key.sign(body.dump(force=True))
        return bytes(found.dump(force=True))

    def _time(self, days: int) -> datetime:
        return datetime.fromtimestamp(self._at, UTC) + timedelta(days=days)


def spelt_out(kind: Kind, point: bytes, *, generator: bytes | None = None) -> bytes:
    """A public key (SubjectPublicKeyInfo, DER) with explicit parameters; a `generator` of one's own makes it a trap."""
    curve = CURVES[kind]
    field = tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OID, tlv.oid("1.2.840.10045.1.1")), _integer(curve.p))
    a, b = (tlv.encode(tlv.OCTETS, each.to_bytes(curve.size, "big")) for each in (curve.a, curve.b))
    base = tlv.encode(tlv.OCTETS, generator or encoded(curve, curve.g))
    domain = tlv.encode(
        tlv.SEQUENCE, _integer(1), field, tlv.encode(tlv.SEQUENCE, a, b), base, _integer(curve.n), _integer(1)
    )
    how = tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OID, tlv.oid("1.2.840.10045.2.1")), domain)
    return tlv.encode(tlv.SEQUENCE, how, tlv.encode(0x03, b"\0" + point))


def _name(country: str, name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Passport Office"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=key_cert_sign, crl_sign=crl_sign, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _attribute(oid: str, value: bytes) -> bytes:
    return tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OID, tlv.oid(oid)), tlv.encode(tlv.SET, value))


def _integer(value: int) -> bytes:
    return tlv.encode(tlv.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
