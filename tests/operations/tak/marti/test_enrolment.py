"""The enrolment port: every way a client may ask, and every way in which it must not get a certificate."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as some

from egide.kernel.errors import BadInput, Conflict, NotFound
from egide.operations.tak.authority import MAX_CSR, Authority, read_request
from egide.operations.tak.marti import enrolment
from tests.operations.tak.marti.client import request
from tests.operations.tak.marti.ports import TakWorld

SIGN = "/Marti/api/tls/signClient/v2"


@pytest.mark.anyio
async def test_the_certificate_is_ours_whatever_was_asked(tak: TakWorld) -> None:
    client = await tak.invited("officer", "ANDROID-1")
    client.key = rsa.generate_private_key(65537, 2048)
    wanted = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "localhost"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Prefect")]
    )
    hostile = (
        x509.CertificateSigningRequestBuilder().subject_name(wanted)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(client.key, hashes.SHA256())
    )  # fmt: skip
    async with client.enrolling() as https:
        answer = await https.post(
            SIGN, content=hostile.public_bytes(serialization.Encoding.PEM), headers={"accept": "application/xml"}
        )
    assert answer.headers["content-type"] == "application/xml"
    told = ET.fromstring(answer.content)
    made = x509.load_der_x509_certificate(base64.b64decode(told.findtext("signedCert") or ""))
    made.verify_directly_issued_by(x509.load_der_x509_certificate(base64.b64decode(told.findtext("ca") or "")))
    assert made.subject.rfc4514_string() == f"O=Egide,CN={client.name}"
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    with pytest.raises(x509.ExtensionNotFound):
        made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    client.certificate = made
    client.connect()
    assert (await client.get("/Marti/api/version")).status_code == 200


@pytest.mark.anyio
async def test_the_first_protocol_answers_in_pkcs12(tak: TakWorld) -> None:
    client = await tak.invited("officer", "A")
    async with client.enrolling() as https:
        answer = await https.post("/Marti/api/tls/signClient", content=request(client.key))
    store = pkcs12.load_pkcs12(answer.content, b"atakatak")
    assert any(
        each.certificate.subject.rfc4514_string().endswith(f"CN={client.name}") for each in store.additional_certs
    )


@pytest.mark.anyio
async def test_a_token_signs_once_for_a_quarter_of_an_hour(tak: TakWorld) -> None:
    client = await tak.invited("officer", "A")
    async with client.enrolling("wrong") as https:
        for path in ("/Marti/api/tls/config", "/Marti/api/tls/profile/enrollment"):
            assert (await https.get(path)).status_code == 401
        refused = await https.post(SIGN, content=request(client.key))
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="TAK"')
        assert "expired" in refused.json()["title"]["en"]
    await client.enrol()
    async with client.enrolling() as https:
        again = await https.post(SIGN, content=request(client.key))
    assert again.status_code == 401
    late = await tak.invited("command", "B")
    tak.move(minutes=16)
    async with late.enrolling() as https:
        assert (await https.post(SIGN, content=request(late.key))).status_code == 401
    signed = (await tak.act("administrator", "operations.tak.device.list", everyone=True))["devices"]
    assert [each["person"] for each in signed] == ["officer"]


@pytest.mark.anyio
async def test_one_address_cannot_try_on_and_on(tak: TakWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "TRIES_AT_ONCE", 3)
    client = await tak.invited("officer", "A")
    async with client.enrolling("wrong") as https:
        found = [(await https.get("/Marti/api/tls/config")).status_code for _ in range(5)]
    assert found[:3] == [401] * 3
    assert 429 in found


@pytest.mark.anyio
async def test_only_the_enrolments_own_door_signs(tak: TakWorld) -> None:
    """A person signed in, without the token: not even for a device of their own."""
    told = await tak.act("officer", "operations.tak.enrol", callsign="Nord 1")
    asked = {"device": told["device"], "request": request(ec.generate_private_key(ec.SECP256R1())).decode()}
    for who in ("officer", "command"):
        with pytest.raises(NotFound):
            await tak.act(who, "operations.tak.device.sign", **asked)
    assert await tak.refused("prefect", "operations.tak.enrol", callsign="x")
    for wrong in ("", " ", "x" * 41, "a\x00b"):
        with pytest.raises(BadInput):
            await tak.act("officer", "operations.tak.enrol", callsign=wrong)


@pytest.mark.anyio
async def test_a_platform_without_the_port_says_so(world: TakWorld) -> None:
    with pytest.raises(Conflict, match="switched off"):
        await world.act("officer", "operations.tak.enrol", callsign="Nord 1")
    assert not (await world.act("officer", "operations.tak.device.list"))["ready"]


@pytest.mark.anyio
async def test_a_certificate_ends(tak: TakWorld) -> None:
    client = await tak.device("officer", "A")
    tak.move(days=366)
    assert (await client.get("/Marti/api/version")).status_code == 401


def weak() -> list[bytes]:
    """Requests that no certificate may come of."""
    good = base64.b64decode(request(ec.generate_private_key(ec.SECP256R1())))
    broken = bytearray(good)
    broken[-1] ^= 1
    small = rsa.generate_private_key(65537, 1024)
    keys = (small, ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(3, 2048))
    odd = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(ed25519.Ed25519PrivateKey.generate(), None)
    )
    return [
        b"", b"-----BEGIN CERTIFICATE REQUEST-----", b"AAAA", good, base64.b64encode(bytes(broken)), base64.b64encode(good[:-9]),
        b"A" * (MAX_CSR + 1), *(request(key) for key in keys), base64.b64encode(odd.public_bytes(serialization.Encoding.DER)),
    ]  # fmt: skip


def test_hostile_requests() -> None:
    for each in weak():
        with pytest.raises(BadInput):
            read_request(each)


@pytest.mark.anyio
async def test_a_hostile_request_over_the_wire_leaves_the_token_whole(tak: TakWorld) -> None:
    client = await tak.invited("officer", "A")
    async with client.enrolling() as https:
        for each in (b"\xff\xfe", b"AAAA", b"A" * 100_000):
            assert (await https.post(SIGN, content=each)).status_code in (413, 422)
    await client.enrol()


@given(some.binary(max_size=400))
def test_anything_may_come_as_a_request(raw: bytes) -> None:
    with pytest.raises(BadInput):
        read_request(raw)


def test_the_authority_is_drawn_once_and_private(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    folder = tmp_path / "tak"
    first, again = (Authority.load(folder, "tak.example", now) for _ in range(2))
    assert first.der == again.der
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
    renamed = Authority.load(folder, "other.example", now)
    assert renamed.der == first.der
    server = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )
    assert "other.example" in names
