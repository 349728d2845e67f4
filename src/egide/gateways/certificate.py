"""A certificate for phones: a small local authority, and the server's certificate signed by it.

Why an authority of our own: a service's network often has no public name, and passkeys and WebCodecs need HTTPS on anything
but localhost. Whoever trusts it should risk little: its name constraints (RFC 5280 §4.2.1.10) let it speak for this
machine's names and for private addresses only, and the path length is 0. Server certificates live 397 days at most
(CA/Browser Forum Baseline Requirements §6.3.2, which telephones enforce); P-256 is what all of them accept.

    ca.pem      the authority, to be trusted on each phone      ca.key      its key, 0600; needed to renew only
    server.pem  the server's certificate                        server.key  its key, 0600
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from egide.kernel.errors import StartupError, Text
from egide.kernel.keyfile import read_private

SERVER_LIFE = timedelta(days=397)  # CA/Browser Forum Baseline Requirements §6.3.2
AUTHORITY_LIFE = timedelta(days=3650)
RENEW = timedelta(days=30)  # with less left, the certificate is made again
SKEW = timedelta(hours=1)  # clocks of telephones are not ours
PRIVATE = tuple(
    ip_network(net) for net in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
# Never sent to (a datagram socket's connect sends nothing): asks the routing table which of our addresses would be used.
PROBES = ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254", "2001:db8::1", "fd00::1")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Names:
    """What the server is called: DNS names and addresses, localhost always among them."""

    dns: tuple[str, ...]
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What `ensure` found or did. `missing` are today's names that a kept certificate does not hold."""

    state: Literal["made", "renewed", "kept"]
    new_authority: bool
    until: datetime
    missing: tuple[str, ...]
    fingerprint: str


def own_names(public_name: str) -> Names:
    """This machine's names and addresses, as far as it can tell without asking the network."""
    host = socket.gethostname().lower()
    wanted = ["localhost", public_name.lower(), host, *([f"{host}.local"] if "." not in host else [])]
    dns = tuple(name for name in dict.fromkeys(wanted) if _NAME.fullmatch(name) and not _is_address(name))
    found: list[Address] = [ip_address("127.0.0.1"), ip_address("::1")]
    if _is_address(public_name):
        found.append(ip_address(public_name))
    for probe in PROBES:
        family = socket.AF_INET6 if ":" in probe else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asking:
                asking.connect((probe, 9))
                address = ip_address(asking.getsockname()[0].partition("%")[0])
        except OSError:  # no such network here
            continue
        if not (address.is_loopback or address.is_link_local or address.is_unspecified):
            found.append(address)
    return Names(dns, tuple(dict.fromkeys(found)))


def ensure(folder: Path, names: Names, now: datetime, *, new_authority: bool = True) -> Made:
    """Makes what is missing, renews what has less than `RENEW` left, keeps the rest. Raises `StartupError` for a bad file.

    A certificate of another authority (Let's Encrypt, the service's own) is kept whatever is left of it. `new_authority`
    False: nothing is made that telephones would have to trust first.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority, server = read(folder / "ca.pem"), read(folder / "server.pem")
    keyed = server is not None and (folder / "server.key").exists()
    if server and keyed and not is_own(folder):
        return Made(
            "kept", False, server.not_valid_after_utc, _missing(server, names), fingerprint(authority or server)
        )
    if authority and server and keyed and server.not_valid_after_utc - now >= RENEW:
        return Made("kept", False, server.not_valid_after_utc, _missing(server, names), fingerprint(authority))
    signer = _signer(folder)
    may_replace = new_authority
    new_authority = (
        authority is None or signer is None or authority.not_valid_after_utc - now < SERVER_LIFE or not _permits(authority, names)
        or authority.public_key() != signer.public_key()
    )  # fmt: skip
    if new_authority and not may_replace and server and authority:
        return Made("kept", False, server.not_valid_after_utc, _missing(server, names), fingerprint(authority))
    if authority is None or signer is None or new_authority:
        signer = ec.generate_private_key(ec.SECP256R1())
        authority = _authority(signer, names, now)
        _place(folder / "ca.key", _pem(signer))
        _place(folder / "ca.pem", authority.public_bytes(serialization.Encoding.PEM))
    made = _server(_server_key(folder), authority, signer, names, now)
    _place(folder / "server.pem", made.public_bytes(serialization.Encoding.PEM))
    return Made("renewed" if server else "made", new_authority, made.not_valid_after_utc, (), fingerprint(authority))


def read(path: Path) -> x509.Certificate | None:
    """The certificate in a PEM file, None if there is no file. Raises `StartupError` when it is unreadable."""
    if not path.exists():
        return None
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise _unusable(path) from error


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 as telephones show it: pairs of hex digits."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def is_own(folder: Path) -> bool:
    """Whether the server's certificate was signed by the authority that lies beside it; `StartupError` for an unusable file."""
    server, authority = read(folder / "server.pem"), read(folder / "ca.pem")
    if server is None or authority is None:
        return False
    try:
        server.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 — cryptography lets the backend's own errors out; whichever it is, it is not ours
        return False
    return True


def fits(folder: Path) -> bool:
    """Whether server.key is the key of server.pem; and, where its name says so, ca.pem signed it. May raise `StartupError`."""
    server, authority = read(folder / "server.pem"), read(folder / "ca.pem")
    file = folder / "server.key"
    if server is None or not file.exists():
        return False
    try:
        key = serialization.load_pem_private_key(read_private(file), None)  # an operator's own may be RSA
    except (ValueError, TypeError) as error:
        raise _unusable(file) from error
    if key.public_key() != server.public_key():
        return False
    return authority is None or server.issuer != authority.subject or is_own(folder)


def _authority(key: ec.EllipticCurvePrivateKey, names: Names, now: datetime) -> x509.Certificate:
    subject = _subject(f"Egide {names.dns[-1]} {now:%Y-%m-%d}")
    outside = [ip_network(address) for address in names.addresses if not any(address in network for network in PRIVATE)]
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in names.dns]
    permitted += [x509.IPAddress(network) for network in (*PRIVATE, *outside)]
    return (
        _builder(subject, subject, key.public_key(), key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    names: Names,
    now: datetime,
) -> x509.Certificate:
    alternative: list[x509.GeneralName] = [*map(x509.DNSName, names.dns), *map(x509.IPAddress, names.addresses)]
    return (
        _builder(_subject(names.dns[-1]), authority.subject, key.public_key(), signer.public_key(), now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    begins = (now.astimezone(UTC) - SKEW).replace(microsecond=0)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
        .not_valid_before(begins).not_valid_after(begins + life - timedelta(seconds=1))  # both ends count (RFC 5280 §4.1.2.5)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )  # fmt: skip


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # 64: upper bound of RFC 5280 appendix A


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _missing(server: x509.Certificate, names: Names) -> tuple[str, ...]:
    held = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns, addresses = held.get_values_for_type(x509.DNSName), held.get_values_for_type(x509.IPAddress)
    return (
        *(name for name in names.dns if name not in dns),
        *(str(each) for each in names.addresses if each not in addresses),
    )


def _permits(authority: x509.Certificate, names: Names) -> bool:
    """Whether the authority may speak for all of these names."""
    permitted: Sequence[x509.GeneralName] = (
        authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    )
    dns = [each.value for each in permitted if isinstance(each, x509.DNSName)]
    nets = [each.value for each in permitted if isinstance(each, x509.IPAddress)]
    networks = [each for each in nets if isinstance(each, IPv4Network | IPv6Network)]
    return all(any(name == top or name.endswith(f".{top}") for top in dns) for name in names.dns) and all(
        any(address in network for network in networks) for address in names.addresses
    )


def _signer(folder: Path) -> ec.EllipticCurvePrivateKey | None:
    return _load_key(folder / "ca.key")


def _server_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The server's key, kept at renewal: then one file is replaced, and no moment has a key beside another's certificate."""
    key = _load_key(folder / "server.key")
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1())
        _place(folder / "server.key", _pem(key))
    return key


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    if not path.exists():
        return None
    try:
        key = serialization.load_pem_private_key(read_private(path), None)
    except (ValueError, TypeError) as error:
        raise _unusable(path) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(path)
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _place(path: Path, content: bytes) -> None:
    """Puts a 0600 file in its place whole, over the one that was there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _unusable(path: Path) -> StartupError:
    return StartupError(
        Text("Certificat ou clé TLS illisible.", "Unreadable TLS certificate or key."),
        Text(
            f"Écartez le dossier {path.parent}, puis relancez « egide init ».",
            f"Move the folder {path.parent} away, then run “egide init” again.",
        ),
        file=str(path),
    )
