"""What `egide doctor` says of officers' cards, without a card."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from egide.gateways.checks_cards import cards
from egide.kernel.documents import CARD_ROOTS
from egide.kernel.settings import Settings


def said(settings: Settings) -> list[tuple[str, str]]:
    return [(each.mark, each.what.en) for each in cards(settings, lambda *_: None)]


def root(days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Cartes (essai)")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    )
    made = builder.not_valid_before(now - timedelta(days=99)).not_valid_after(now + timedelta(days=days, hours=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    assert said(Settings(data=str(tmp_path))) == []
    module = tmp_path / "module.so"
    settings = Settings(data=str(tmp_path), card_module=str(module))
    assert said(settings) == [("wrong", f"Officers’ cards: {module} does not exist.")]
    module.touch()
    (none,) = said(settings)
    assert none[0] == "wrong"
    assert "no authority is known" in none[1]
    keys = tmp_path / "keys"
    keys.mkdir()
    for days, mark in ((400, "good"), (10, "note"), (-2, "wrong")):
        (keys / CARD_ROOTS).write_bytes(root(days))
        assert [each[0] for each in said(settings)] == [mark], days
