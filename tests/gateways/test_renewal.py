"""HTTPS: a renewed certificate is used without a restart; ours is renewed in time; the operator's own is never touched."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from egide.gateways import certificate, checks_machine, standing
from egide.gateways.renewal import Renewal
from egide.kernel.settings import Settings
from tests.ports import free_port

NOW = datetime.now(UTC)


def shown(port: int) -> tuple[bytes, ssl.SSLSocket]:
    """The certificate that a new connection is shown, and the connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    made = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname="localhost")
    found = made.getpeercert(binary_form=True)
    assert found is not None
    return found, made


def answers(connection: ssl.SSLSocket) -> bool:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return connection.recv(4096).startswith(b"HTTP/1.1 ")


def der(folder: Path) -> bytes:
    found = certificate.read(folder / "server.pem")
    assert found is not None
    return found.public_bytes(serialization.Encoding.DER)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A running `egide serve --tls`."""
    folder, port = tmp_path / "data", free_port()
    folder.mkdir(mode=0o700)
    certificate.ensure(folder / "tls", certificate.own_names("localhost"), NOW)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EGIDE_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    with (tmp_path / "stderr").open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "egide", "serve", "--demo", "--tls", "--data", str(folder), "--port", str(port)],
            stdout=subprocess.PIPE, stderr=errors, env=environment,
        )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline(), (tmp_path / "stderr").read_text()
        yield folder / "tls", port
    finally:
        child.terminate()
        child.wait(timeout=30)
        child.stdout.close()  # type: ignore[union-attr]  # a pipe was asked for


def test_new_connections_get_the_new_certificate(served: tuple[Path, int], tmp_path: Path) -> None:
    place, port = served
    first, kept = shown(port)
    assert first == der(place)
    own(tmp_path / "other", days=90)
    for name in ("server.key", "server.pem"):  # what certbot's hook would do
        shutil.copy(tmp_path / "other" / name, place / f".{name}")
        (place / f".{name}").rename(place / name)
    wanted = der(place)
    assert wanted != first
    for _ in range(100):
        found, fresh = shown(port)
        if found == wanted:
            break
        fresh.close()
        time.sleep(0.2)
    assert found == wanted
    assert answers(kept), "an open connection goes on"
    assert answers(fresh)
    kept.close()
    fresh.close()
    settings = Settings(data=str(place.parent), port=port, tls=True)
    said = standing.health(settings)
    assert said is not None, "our own commands trust the operator's certificate"
    assert [f.mark for f in checks_machine.transport(settings, lambda *_: None)] == ["good"]


def own(folder: Path, days: int) -> None:
    """A certificate that is not of our authority, RSA as many are."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "egide.example")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=days)).add_extension(x509.SubjectAlternativeName([x509.DNSName("egide.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "server.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.key").write_bytes(private)
    (folder / "server.key").chmod(0o600)


def watched(folder: Path) -> tuple[Renewal, ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return Renewal(Settings(data=str(folder)), context), context


def test_ours_is_renewed_thirty_days_before_its_end(tmp_path: Path) -> None:
    place = tmp_path / "tls"
    made = certificate.ensure(place, certificate.own_names("localhost"), NOW)
    renewal, _context = watched(tmp_path)
    assert not renewal.look()
    assert not renewal.renew(made.until - timedelta(days=31))
    before, authority = der(place), (place / "ca.pem").read_bytes()
    assert renewal.renew(made.until - timedelta(days=29))
    assert der(place) != before
    assert (place / "ca.pem").read_bytes() == authority, "telephones trust it already"
    assert renewal.look()
    assert not renewal.look()


def test_the_operators_own_is_never_replaced(tmp_path: Path) -> None:
    place = tmp_path / "tls"
    certificate.ensure(place, certificate.own_names("localhost"), NOW)
    own(place, days=5)
    before = der(place)
    renewal, _context = watched(tmp_path)
    assert not renewal.renew(NOW)
    assert certificate.ensure(place, certificate.own_names("localhost"), NOW).state == "kept"
    assert der(place) == before
    assert certificate.fits(place)


def test_half_a_renewal_changes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "tls"
    certificate.ensure(place, certificate.own_names("localhost"), NOW)
    renewal, _context = watched(tmp_path)
    own(tmp_path / "other", days=90)
    shutil.copy(tmp_path / "other" / "server.pem", place / "server.pem")
    assert not renewal.look(), "the key is still the old one"
    shutil.copy(tmp_path / "other" / "server.key", place / "server.key")
    assert renewal.look()
    (place / "server.pem").unlink()
    assert not renewal.look()
    assert renewal.renewed == 1
