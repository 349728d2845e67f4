"""Seals: any changed byte is found and named; by file and by token; with and without an authority's time."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pypdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

import egide
from egide.engines.pades import MAX_PDF, Pades
from egide.engines.pkcs11 import TokenKeys, p256_key
from egide.engines.seal_keys import FileSealKey
from egide.engines.typst_documents import TypstRenderer
from egide.kernel.documents import Level, SealReport, Unsealable, sealed_document
from egide.kernel.errors import StartupError, TooLarge, Unavailable
from tests.conftest import missing
from tests.engines.softhsm import SoftHsm
from tests.kernel.authority import Authority, answering

FLIPS = int(os.environ.get("EGIDE_FUZZ", "60"))
TEMPLATES = Path(egide.__file__).parent / "services" / "templates"
AT = datetime.now(UTC).replace(microsecond=0)
NAME = "egide.example/police"
DATA = {"title": "Attestation", "number": "7K3M", "unit": "Commissariat", "paragraphs": ["Nous attestons."]}


class Clock:
    """A clock one can move."""

    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture(scope="module")
def pdf() -> bytes:
    renderer = TypstRenderer(TEMPLATES)
    try:
        return renderer.render("attestation", DATA, "fr", at=AT)
    finally:
        renderer.close()


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Pades:
    return Pades(tmp_path_factory.mktemp("keys"), NAME, now=lambda: AT)


@pytest.fixture(scope="module")
def sealed(sealer: Pades, pdf: bytes) -> bytes:
    return sealer.seal(pdf, reason="Attestation", at=AT)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Authority]]:
    if shutil.which("openssl") is None:
        missing("stamps are tested with openssl as the authority: install it")
    made = Authority(tmp_path_factory.mktemp("stamps") / "tsa", days=3650)
    with answering(made) as address:
        yield address, made


def stamping(folder: Path, authority: tuple[str, Authority], now: Clock) -> Pades:
    address, made = authority
    certificates = load_pem_x509_certificates((made.place / "tsa.pem").read_bytes())
    return Pades(folder, NAME, now=now, stamps=address, stampers=certificates)


def codes(report: SealReport) -> list[str]:
    return [each.code for each in report.findings if each.good is False]


def test_a_sealed_document_says_what_it_is(sealer: Pades) -> None:
    renderer = TypstRenderer(TEMPLATES)
    try:
        made = sealed_document(renderer, sealer, "attestation", DATA, "fr", at=AT, reason="Attestation de dépôt")
    finally:
        renderer.close()
    report = sealer.verify(made.pdf, expected=made.sha256)
    assert report.holds
    assert codes(report) == []
    assert (report.level, report.qualified, report.revisions, report.claimed) == (Level.B, False, 0, AT)
    assert report.signer == f"{NAME} seal"
    assert report.reason == "Attestation de dépôt"
    said = " ".join(each.text.fr for each in report.findings)
    assert "Rien n’a été changé" in said
    assert "non qualifié" in said
    assert not sealer.verify(made.pdf, expected=bytes(32)).holds
    assert codes(sealer.verify(made.pdf, expected=bytes(32))) == ["file"]


def test_conformity_is_not_touched(pdf: bytes, sealed: bytes) -> None:
    before, after = (pypdf.PdfReader(io.BytesIO(each)).trailer["/Root"] for each in (pdf, sealed))
    assert before["/Metadata"].get_data() == after["/Metadata"].get_data()
    assert b"<pdfaid:conformance>A<" in after["/Metadata"].get_data()
    assert after["/StructTreeRoot"]
    assert after["/Lang"] == before["/Lang"]
    assert sealed.startswith(pdf)
    (field,) = after["/AcroForm"]["/Fields"]
    widget = field.get_object()
    assert widget["/F"] & 4  # printed (ISO 19005-2 §6.3.2)
    assert all(edge < 0 for edge in widget["/Rect"])  # outside the page (ISO 14289-1 §7.18.1)


def test_every_flipped_byte_is_found_and_named(sealer: Pades, sealed: bytes) -> None:
    """Every byte of the seal's own place that is no padding by steps, and any others."""
    place = sealed.rindex(b"/Contents <")
    dice = random.Random(5)
    places = [
        *range(place, place + 2300, max(1, 2300 // FLIPS)),
        *(dice.randrange(len(sealed)) for _ in range(FLIPS)),
        0,
        len(sealed) - 1,
    ]
    for where in places:
        changed = bytearray(sealed)
        changed[where] ^= 1 << dice.randrange(8)
        report = sealer.verify(bytes(changed))
        assert not report.holds, where
        assert not report.intact
        assert report.findings[0].good is False
        assert report.findings[0].text.fr


def test_case_and_padding_of_the_seal_s_own_place_are_found(sealer: Pades, sealed: bytes) -> None:
    start = sealed.rindex(b"/Contents <") + len(b"/Contents <")
    end = sealed.index(b">", start)
    letter = next(at for at in range(start, end) if sealed[at : at + 1].isalpha())
    for changed in (
        sealed[:letter] + sealed[letter : letter + 1].lower() + sealed[letter + 1 :],
        sealed[: end - 1] + b"1" + sealed[end:],
    ):
        report = sealer.verify(changed)
        assert not report.holds
        assert codes(report) == ["form"]


@pytest.mark.parametrize("more", [b"\n", b"%%EOF\n", b"\n1 0 obj\n<<>>\nendobj\n"])
def test_what_is_added_is_found(sealer: Pades, sealed: bytes, more: bytes) -> None:
    assert not sealer.verify(sealed + more).holds


def test_a_later_revision_is_told(sealer: Pades, sealed: bytes) -> None:
    writer = pypdf.PdfWriter(io.BytesIO(sealed), incremental=True)
    writer.pages[0].rotate(90)
    out = io.BytesIO()
    writer.write(out)
    report = sealer.verify(out.getvalue())
    assert report.sealed
    assert not report.holds
    assert not report.whole
    assert report.revisions == 1
    assert codes(report)[0] == "added"


@settings(max_examples=FLIPS, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_no_seal(sealer: Pades, noise: bytes) -> None:
    for file in (noise, b"%PDF-1.7\n" + noise + b"\n%%EOF"):
        report = sealer.verify(file)
        assert not report.holds
        assert not report.sealed
        assert report.findings
        with pytest.raises(Unsealable):
            sealer.seal(file, reason="", at=AT)


def test_no_seal_and_another_s_seal(sealer: Pades, pdf: bytes, tmp_path: Path) -> None:
    assert codes(sealer.verify(pdf)) == ["unsealed"]
    stranger = Pades(tmp_path, NAME, now=lambda: AT).seal(pdf, reason="", at=AT)
    report = sealer.verify(stranger)
    assert report.intact
    assert not report.holds
    assert codes(report) == ["signer"]


def test_what_cannot_be_sealed(sealer: Pades, sealed: bytes, pdf: bytes) -> None:
    with pytest.raises(Unsealable, match="sealed already"):
        sealer.seal(sealed, reason="", at=AT)
    with pytest.raises(Unsealable, match="time-stamping authority"):
        sealer.seal(pdf, reason="", at=AT, level=Level.T)
    with pytest.raises(TooLarge):
        sealer.seal(bytes(MAX_PDF + 1), reason="", at=AT)
    assert codes(sealer.verify(bytes(MAX_PDF + 1))) == ["unreadable"]


def test_keys_stay_and_the_certificate_is_renewed(pdf: bytes, tmp_path: Path) -> None:
    now = Clock()
    old = Pades(tmp_path, NAME, now=now).seal(pdf, reason="", at=AT)
    first = (tmp_path / "seal.pem").read_bytes()
    again = Pades(tmp_path, NAME, now=now)
    assert again.verify(old).holds
    assert (tmp_path / "seal.pem").read_bytes() == first
    assert (tmp_path / "seal.key").stat().st_mode & 0o777 == 0o600
    now.at += timedelta(days=3 * 365 - 30)
    new = again.seal(pdf, reason="", at=now.at)
    assert (tmp_path / "seal.pem").read_bytes() != first
    assert again.verify(new).holds
    now.at += timedelta(days=60)  # without an authority's time, nobody knows whether the old one was made in its life
    assert codes(again.verify(old)) == ["signer"]
    assert again.verify(new).holds


def test_an_operator_s_own_certificate(pdf: bytes, tmp_path: Path) -> None:
    """One that says of itself that it is qualified, by an authority that the operator names."""
    key = FileSealKey.load_or_create(tmp_path / "seal.key")
    root = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "seal-roots.pem").write_bytes(_issued("Root", root.public_key(), "Root", root, ca=True))
    (tmp_path / "seal.pem").write_bytes(_issued("Ministry seal", key.public, "Root", root, ca=False))
    sealer = Pades(tmp_path, NAME, now=lambda: AT)
    report = sealer.verify(sealer.seal(pdf, reason="", at=AT))
    assert report.holds
    assert report.signer == "Ministry seal"
    assert report.qualified
    assert "European trusted list" in " ".join(each.text.en for each in report.findings)
    (tmp_path / "seal.key").unlink()
    with pytest.raises(StartupError, match="not the seal key’s"):
        Pades(tmp_path, NAME, now=lambda: AT).seal(pdf, reason="", at=AT)


def _issued(
    name: str, public: ec.EllipticCurvePublicKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, ca: bool
) -> bytes:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(public)
        .serial_number(x509.random_serial_number()).not_valid_before(AT - timedelta(days=1)).not_valid_after(AT + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(not ca, not ca, False, False, False, ca, ca, False, False), critical=True)
    )  # fmt: skip
    if not ca:  # QcCompliance and QcSSCD
        statements = bytes.fromhex("30143008060604008e4601013008060604008e460104")
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"), statements), critical=False
        )
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_files_that_do_not_fit_stop_the_start(pdf: bytes, tmp_path: Path) -> None:
    Pades(tmp_path / "a", NAME, now=lambda: AT).seal(pdf, reason="", at=AT)
    Pades(tmp_path / "b", NAME, now=lambda: AT).seal(pdf, reason="", at=AT)
    shutil.copy(tmp_path / "b" / "seal.pem", tmp_path / "a" / "seal.pem")
    shutil.copy(tmp_path / "b" / "seal-ca.pem", tmp_path / "a" / "seal-ca.pem")
    with pytest.raises(StartupError):
        Pades(tmp_path / "a", NAME, now=lambda: AT)
    (tmp_path / "b" / "seal.key").write_bytes(b"no key")
    with pytest.raises(StartupError):
        Pades(tmp_path / "b", NAME, now=lambda: AT)


def test_openssl_reads_the_seal_without_us(sealed: bytes, sealer: Pades, tmp_path: Path) -> None:
    """Another program's word: the CMS verifies over the covered bytes, under the root that is handed out."""
    start = sealed.rindex(b"/Contents <") + len(b"/Contents ")
    end = sealed.index(b">", start) + 1
    (tmp_path / "covered").write_bytes(sealed[:start] + sealed[end:])
    (tmp_path / "seal.der").write_bytes(bytes.fromhex(sealed[start + 1 : end - 1].decode()))
    root = tmp_path / "root.pem"
    root.write_bytes(sealer._authority.certificate.public_bytes(Encoding.PEM))
    command = [
        "openssl",
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        "seal.der",
        "-content",
        "covered",
        "-CAfile",
        "root.pem",
        "-purpose",
        "any",
        "-out",
        "out",
    ]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "covered").write_bytes(sealed[:start] + sealed[end:] + b" ")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("level", [Level.T, Level.LT])
def test_with_an_authority_s_time(pdf: bytes, tmp_path: Path, authority: tuple[str, Authority], level: Level) -> None:
    now = Clock()
    sealer = stamping(tmp_path, authority, now)
    assert sealer.levels == (Level.B, Level.T, Level.LT)
    made = sealer.seal(pdf, reason="Procès-verbal", at=AT, level=level)
    report = sealer.verify(made)
    assert report.holds
    assert report.level is level
    assert report.whole
    assert report.revisions == 0
    assert report.stamped is not None
    assert abs(report.stamped - datetime.now(UTC)) < timedelta(minutes=2)
    assert Pades(tmp_path, NAME, now=now).verify(made).stamped is None  # one who does not know the authority
    dice = random.Random(7)
    place = made.rindex(b"/Contents <")
    stamp = made.index(
        b"060B2A864886F70D010910020E", place
    )  # the time stamp's attribute; beyond it, form is the authority's
    for _ in range(FLIPS // 3):
        where = dice.choice(
            (
                dice.randrange(place),
                dice.randrange(place + 10, stamp),
                dice.randrange(made.index(b">", place), len(made)),
            )
        )
        changed = bytearray(made)
        changed[where] ^= 1 << dice.randrange(8)
        assert not sealer.verify(bytes(changed)).holds, where
    kept = sha256(made).digest()
    for where in range(
        stamp, made.index(b"0" * 64, stamp), 401
    ):  # there the file's SHA-256 in the ledger is the answer
        changed = bytearray(made)
        changed[where] ^= 1
        assert not sealer.verify(bytes(changed), expected=kept).holds
    assert sealer.verify(made, expected=kept).holds
    now.at += timedelta(days=4 * 365)  # beyond the certificate's life
    late = sealer.verify(made)
    assert late.holds  # it was made in its certificate's life, says the authority
    assert late.stamped == report.stamped


def test_no_authority_no_stamp_and_a_retry_works(pdf: bytes, tmp_path: Path, authority: tuple[str, Authority]) -> None:
    sealer = stamping(tmp_path, ("http://127.0.0.1:9", authority[1]), Clock())
    with pytest.raises(Unavailable, match="time-stamping authority"):
        sealer.seal(pdf, reason="", at=AT, level=Level.LT)
    assert sealer.verify(sealer.seal(pdf, reason="", at=AT)).holds
    stranger = Authority(tmp_path / "other")
    with answering(stranger) as address, pytest.raises(Unavailable):
        stamping(tmp_path, (address, authority[1]), Clock()).seal(pdf, reason="", at=AT, level=Level.T)


def test_a_token_seals_and_its_key_stays_there(pdf: bytes, tmp_path: Path, hsm: SoftHsm) -> None:
    data = tmp_path / "data"
    setting = hsm.setting(data)
    with pytest.raises(StartupError):
        TokenKeys(setting, "police", data / "keys").seal_key(may_create=False)
    key = TokenKeys(setting, "police", data / "keys").seal_key(may_create=True)
    sealer = Pades(data / "keys", NAME, now=lambda: AT, key=key)
    made = sealer.seal(pdf, reason="", at=AT)
    assert sealer.verify(made).holds
    assert not (data / "keys" / "seal.key").exists()
    again = Pades(
        data / "keys",
        NAME,
        now=lambda: AT,
        key=TokenKeys(setting, "police", data / "keys").seal_key(may_create=False),
    )
    assert again.verify(again.seal(pdf, reason="", at=AT)).holds
    with pytest.raises(ValueError, match=r".+"):
        p256_key(b"no point")


def test_several_at_once(sealer: Pades, pdf: bytes) -> None:
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(sealer.seal(pdf, reason="", at=AT))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all(sealer.verify(each).holds for each in made)
    assert len(made) == 4


def test_a_process_that_read_another_signature_before_can_seal() -> None:
    """asn1crypto had turned its names of attributes round by then, and a seal's own were not among them."""
    said = (
        "from asn1crypto import cms\ncms.CMSAttributeType('content_type')\nimport egide.engines.pades\n"
        "print(cms.CMSAttributeType('signing_certificate_v2').dotted)"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1.2.840.113549.1.9.16.2.47"
