"""The seal's key and certificate: P-256, from a file or a token, under an authority of the installation's own.

Why an authority of our own: a seal must work on the first day and without a contract. It proves that this installation
sealed, to whoever has its root (`seal-ca.pem`, to be handed out); it is no qualified certificate (Regulation 910/2014,
article 38), and the certificate's own subject says so. An operator with a real one puts it in `seal.pem` and its root in
`seal-roots.pem`. Sources: RFC 5280 (certificates, revocation lists), FIPS 186-5 (ECDSA over P-256), ETSI EN 319 412-5
(statements of qualification).

    <data>/keys/seal-ca.key, seal-ca.pem    the authority, ten years
    <data>/keys/seal.key, seal.pem          the seal, three years; renewed under the same key 90 days before its end
    <data>/keys/seal-roots.pem              further roots, by the operator
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from egide.kernel.errors import StartupError, Text
from egide.kernel.keyfile import read_private, unusable, write_private

AUTHORITY_YEARS, SEAL_YEARS = 10, 3
RENEW = timedelta(days=90)
LIST_LIFE = timedelta(days=30)  # of a revocation list
SKEW = timedelta(minutes=5)  # clocks of those who verify may be behind
YEAR = timedelta(days=365)
# For whoever reads the certificate in another program; at most 64 characters (RFC 5280, ub-organizational-unit-name).
NOT_QUALIFIED = "Cachet non qualifié - seal not qualified (eIDAS)"
MAX_NAME = 64  # characters, RFC 5280 ub-common-name
CURVE = ec.SECP256R1()


class SealKey(Protocol):
    """What signs seals: a key in a file, or in a security module (pkcs11.py)."""

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The P-256 public key."""

    def sign(self, message: bytes, /) -> bytes:
        """ECDSA with SHA-256, in DER. Raises `Unavailable`."""


class FileSealKey:
    """A P-256 key in a file (PKCS #8 PEM, mode 0600)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = key.public_key()

    @classmethod
    def load_or_create(cls, path: Path) -> FileSealKey:
        """Reads the key, or draws one at the first start. `StartupError` when the file is unusable or open to others."""
        return cls(_private_key(path))

    def sign(self, message: bytes) -> bytes:
        """About 60 µs."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


class SealAuthority:
    """The installation's own authority, and the certificate of its seal. Raises `StartupError` for files that do not fit."""

    def __init__(self, folder: Path, name: str, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._name = name
        self._now = now
        self._key = _private_key(folder / "seal-ca.key")
        self.certificate = self._root()
        self._list: x509.CertificateRevocationList | None = None

    @property
    def roots(self) -> list[x509.Certificate]:
        """Whom this installation believes: itself, and whom the operator names."""
        more = self._folder / "seal-roots.pem"
        return [self.certificate, *(_read(more) if more.exists() else ())]

    def certificate_for(self, key: SealKey) -> x509.Certificate:
        """The seal's certificate, issued or renewed where need be; one by another authority is left as it is."""
        file = self._folder / "seal.pem"
        if file.exists():
            (found, *_) = _read(file)
            ours = found.issuer == self.certificate.subject
            if _same(found.public_key(), key.public):
                if not ours or found.not_valid_after_utc - self._now() > RENEW:
                    return found
            elif not ours:
                raise StartupError(
                    Text(
                        "Ce certificat n’est pas celui de la clé du cachet.", "This certificate is not the seal key’s."
                    ),
                    Text(
                        "Mettez le certificat de seal.key ou du jeton.",
                        "Put the certificate of seal.key or of the token.",
                    ),
                    file=str(file),
                )
            file.unlink(missing_ok=True)  # another process may have done it
        made = self._issue(key.public, f"{self._name} seal", SEAL_YEARS * YEAR, authority=False)
        write_private(file, made.public_bytes(serialization.Encoding.PEM))
        return _read(file)[0]

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether it is ours to say that a certificate is still good."""
        return certificate.issuer == self.certificate.subject

    def revocations(self) -> x509.CertificateRevocationList:
        """A list of revoked certificates, empty and fresh: it lets a seal be verified after its certificate's end (B-LT)."""
        now = self._now().replace(microsecond=0)
        kept = self._list
        if kept is None or not kept.last_update_utc <= now < kept.last_update_utc + timedelta(days=1):
            builder = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(self.certificate.subject)
                .last_update(now - SKEW)
                .next_update(now + LIST_LIFE)
                .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
                )
            )
            self._list = kept = builder.sign(self._key, hashes.SHA256())
        return kept

    def _root(self) -> x509.Certificate:
        file = self._folder / "seal-ca.pem"
        if not file.exists():
            made = self._issue(self._key.public_key(), f"{self._name} root", AUTHORITY_YEARS * YEAR, authority=True)
            write_private(file, made.public_bytes(serialization.Encoding.PEM))
        found = _read(file)[0]
        if not _same(found.public_key(), self._key.public_key()):
            raise unusable(file)
        return found

    def _issue(
        self, public: ec.EllipticCurvePublicKey, name: str, life: timedelta, *, authority: bool
    ) -> x509.Certificate:
        now = self._now().replace(microsecond=0)
        subject = _subject(name)
        ours = self._key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if authority else self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not authority, content_commitment=not authority, key_cert_sign=authority,
                    crl_sign=authority, key_encipherment=False, data_encipherment=False, key_agreement=False,
                    encipher_only=False, decipher_only=False,
                ),
                critical=True,
            )
        )  # fmt: skip
        return builder.sign(self._key, hashes.SHA256())


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, NOT_QUALIFIED),
            x509.NameAttribute(NameOID.COMMON_NAME, name[:MAX_NAME]),
        ]
    )


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        write_private(
            path,
            ec.generate_private_key(CURVE).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
    try:
        key = serialization.load_pem_private_key(read_private(path), None)
    except (ValueError, TypeError):
        raise unusable(path) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE.name:
        raise unusable(path)
    return key


def _read(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise unusable(file) from error


def _same(one: object, other: ec.EllipticCurvePublicKey) -> bool:
    return isinstance(one, ec.EllipticCurvePublicKey) and one.public_numbers() == other.public_numbers()
