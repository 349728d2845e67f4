"""TAK's own certificate authority: what enrolled devices carry, and what our TAK ports show.

Why one of its own: whoever trusts a device's certificate must not thereby trust anything else of this house, and the other way
round. Path length 0 (RFC 5280 §4.2.1.9). A device's subject is ours whatever it asked for; its certificate is good for
`clientAuth` only, so that no device can pose as a server (RFC 5280 §4.2.1.12). P-256 throughout; devices may bring RSA, which
ATAK draws. Names and serial numbers say nothing of anybody.

    tak/ca.pem      the authority      tak/ca.key      its key, 0600
    tak/server.pem  our ports          tak/server.key  its key, 0600; good for federation both ways
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from egide.kernel.errors import BadInput, StartupError, Text
from egide.kernel.keyfile import read_private, unusable, write_private

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)  # CA/Browser Forum Baseline Requirements §6.3.2, which telephones enforce
RENEW = timedelta(days=30)  # before its end a server certificate is made anew, at a start
DEVICE_LIFE = timedelta(days=365)  # ours: a device enrols once a year
SKEW = timedelta(minutes=5)  # clocks that are behind
MAX_CSR = 16 * 1024  # bytes; one with RSA 8192 has 3 KiB
RSA_SIZES = range(2048, 8193)  # bits; more is only work for us
MIN_EXPONENT = 65_537  # FIPS 186-5 §A.1.1
# TAK clients open trust stores with this word unless told another. What it protects is a public certificate.
STORE_WORD = b"atakatak"


class Authority:
    """The authority of one data folder."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.folder = folder
        self.certificate = certificate
        self._key = key

    @classmethod
    def of(cls, kernel: Kernel) -> Authority:
        """The installation's authority, drawn at first use. Raises `StartupError` when its files are unusable."""
        found: Authority | None = kernel.things.get("tak-authority")
        if found is None:
            found = cls.load(kernel.settings.folder / "tak", kernel.settings.public_name, kernel.clock.now())
            kernel.things["tak-authority"] = found
        return found

    @classmethod
    def load(cls, folder: Path, public_name: str, now: datetime) -> Authority:
        """Reads authority and server certificate, making what is missing or nearly over."""
        with _alone(folder):
            key_file, file = folder / "ca.key", folder / "ca.pem"
            if not key_file.exists():
                write_private(key_file, _pem(ec.generate_private_key(ec.SECP256R1())))
            key = _key(key_file)
            if not file.exists():
                write_private(file, _authority(key, now).public_bytes(serialization.Encoding.PEM))
            authority = cls(folder, _certificate(file), key)
            if authority.certificate.public_key() != key.public_key():
                raise unusable(file)
            authority._ensure_server(public_name, now)
        return authority

    @property
    def pem(self) -> bytes:
        """The authority's certificate, as files hold it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def server_context(self, *, clients: bool) -> ssl.SSLContext:
        """TLS for our ports; with `clients`, only holders of a certificate of ours get through the handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.pem.decode())
        return context

    def sign(self, request: x509.CertificateSigningRequest, device: str, now: datetime) -> x509.Certificate:
        """A device's certificate: the request's key, our subject, nothing else of what it asked for."""
        return (
            self._builder(device, request.public_key(), now, DEVICE_LIFE)  # type: ignore[arg-type]  # read_request admits RSA and P-256 only
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def trust_store(self) -> bytes:
        """The authority as PKCS #12 under `STORE_WORD`, in the algorithms that every client's Java reads."""
        return pkcs12.serialize_key_and_certificates(None, None, None, [self.certificate], _oldest_known())

    def key_store(self, certificate: x509.Certificate) -> bytes:
        """A device's certificate and the authority as PKCS #12, for clients of the first enrolment protocol."""
        return pkcs12.serialize_key_and_certificates(b"egide", None, certificate, [self.certificate], _oldest_known())

    def _ensure_server(self, public_name: str, now: datetime) -> None:
        file, key_file = self.folder / "server.pem", self.folder / "server.key"
        if file.exists() and key_file.exists() and _good(_certificate(file), public_name, now):
            return
        if not key_file.exists():
            write_private(key_file, _pem(ec.generate_private_key(ec.SECP256R1())))
        made = (
            self._builder(public_name, _key(key_file).public_key(), now, SERVER_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True
            )
            .add_extension(x509.SubjectAlternativeName(list(_names(public_name))), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file.unlink(missing_ok=True)
        write_private(file, made.public_bytes(serialization.Encoding.PEM) + self.pem)

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, now: datetime, life: timedelta
    ) -> x509.CertificateBuilder:
        return _builder(name, self.certificate.subject, key, now, life).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )


def read_request(raw: bytes) -> x509.CertificateSigningRequest:
    """A PKCS #10 request, PEM or bare base64 as TAK clients send it. Raises `BadInput` for what is none, or has a weak key."""
    if len(raw) > MAX_CSR:
        raise _bad(f"{len(raw)} octets, {MAX_CSR} au plus", f"{len(raw)} bytes, {MAX_CSR} at most")
    try:
        lines = [line for line in raw.decode("ascii").split() if line and not line.startswith("-----")]
        inner = "".join(line for line in lines if line not in ("BEGIN", "NEW", "CERTIFICATE", "REQUEST-----", "END"))
        request = x509.load_der_x509_csr(base64.b64decode(inner, validate=True))
        key = request.public_key()
        whole = request.is_signature_valid
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        raise _bad("ce n’est pas du PKCS #10", "it is not PKCS #10") from None
    if not whole:
        raise _bad("sa signature est fausse", "its signature is wrong")
    strong = (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)) or (
        isinstance(key, rsa.RSAPublicKey)
        and key.key_size in RSA_SIZES
        and key.public_numbers().e >= MIN_EXPONENT
        and not isinstance(request.signature_hash_algorithm, hashes.MD5)
    )
    if not strong:
        raise _bad("il faut RSA 2048 au moins, ou P-256", "RSA of 2048 bits at least, or P-256, is needed")
    return request


def _bad(fr: str, en: str) -> BadInput:
    return BadInput(
        Text(f"Demande de certificat inutilisable : {fr}.", f"Unusable certificate request: {en}."),
        Text("Recommencez l’enrôlement sur l’appareil.", "Start enrolment again on the device."),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of several processes that start together, one draws the authority."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = f"Egide TAK {now:%Y-%m-%d} {x509.random_serial_number() & 0xFFFFFFFF:08x}"
    return (
        _builder(name, _name(name), key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    begins = (now.astimezone(UTC) - SKEW).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name)).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
        .not_valid_before(begins).not_valid_after(begins + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )  # fmt: skip


def _name(name: str) -> x509.Name:
    # 64: upper bound of RFC 5280 appendix A
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name[:64]), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Egide")]
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _names(public_name: str) -> Iterator[x509.GeneralName]:
    """What our ports are called: the public name, the machine's own, and the loopback."""
    try:
        yield x509.IPAddress(ip_address(public_name))
    except ValueError:
        yield x509.DNSName(public_name)
    for name in {"localhost", socket.gethostname().lower()} - {public_name}:
        if name.isascii() and name:
            yield x509.DNSName(name)
    for address in ("127.0.0.1", "::1"):
        if address != public_name:
            yield x509.IPAddress(ip_address(address))


def _good(certificate: x509.Certificate, public_name: str, now: datetime) -> bool:
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = [*held.get_values_for_type(x509.DNSName), *map(str, held.get_values_for_type(x509.IPAddress))]
    return public_name in names and certificate.not_valid_after_utc - RENEW > now


def _oldest_known() -> serialization.KeySerializationEncryption:
    return (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048).key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())  # noqa: S303 — see `trust_store`: nothing secret is in it
        .build(STORE_WORD)
    )  # fmt: skip


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(read_private(path), None)
    except (ValueError, TypeError):
        raise unusable(path) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise unusable(path)
    return key


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise StartupError(
            Text("Certificat TAK illisible.", "Unreadable TAK certificate."),
            Text(f"Remettez {path} depuis la sauvegarde.", f"Restore {path} from its backup."),
            file=str(path),
        ) from error


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
