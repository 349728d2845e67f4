"""Officers' cards in SoftHSM, and the authority that issues them: keys are made in the token and never seen here."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pkcs11
from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from pkcs11 import Attribute, CertificateType, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_ec_public_key
from pkcs11.util.rsa import encode_rsa_public_key

from egide.engines.pkcs11 import P256
from egide.kernel.documents import CARD_ROOTS
from tests.engines.softhsm import SoftHsm

CODE = "kestrel-246810"
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
_numbers = count()


@dataclass
class Issuer:
    """An authority of cards: a root, and what stands under it."""

    name: str = "Autorité des cartes d’agent (essai)"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> x509.Certificate:
        return self._built(self.name, self.key.public_key(), NOW - DAY, NOW + 3650 * DAY, authority=True)

    def trusted(self, keys: Path) -> None:
        """Writes the root to where the operator puts it."""
        keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        (keys / CARD_ROOTS).write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issued(self, name: str, public: Any, begins: datetime, ends: datetime) -> x509.Certificate:
        return self._built(name, public, begins, ends, authority=False)

    def _built(self, name: str, public: Any, begins: datetime, ends: datetime, *, authority: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=False, content_commitment=not authority, key_cert_sign=authority, crl_sign=authority,
                    key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
                ),
                critical=True,
            )
        )  # fmt: skip
        return builder.sign(self.key, hashes.SHA256())


def card(
    hsm: SoftHsm, issuer: Issuer, name: str, *, begins: datetime = NOW - DAY, ends: datetime = NOW + 365 * DAY, kind: str = "ec"
) -> Path:  # fmt: skip
    """A card in the reader: a token with a key made in it and a certificate in this name; the folder that is the card."""
    before = set(hsm.tokens.iterdir())
    label = f"card{next(_numbers)}"
    done = subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", CODE, "--so-pin", "0815-test"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    library = pkcs11.lib(hsm.library)
    library.reinitialize()
    with library.get_token(token_label=label).open(rw=True, user_pin=CODE) as session:
        public = _key(session, kind)
        certificate = issuer.issued(name, public, begins, ends).public_bytes(serialization.Encoding.DER)
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509, Attribute.TOKEN: True,
                Attribute.PRIVATE: False, Attribute.ID: b"\x01", Attribute.LABEL: "signature", Attribute.VALUE: certificate,
                Attribute.SUBJECT: asn1_x509.Certificate.load(certificate).subject.dump(),
            }
        )  # fmt: skip
    (made,) = set(hsm.tokens.iterdir()) - before
    return made


def _key(session: Any, kind: str) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
    if kind == "rsa":
        public, _ = session.generate_keypair(
            KeyType.RSA, 2048, id=b"\x01", label="signature", store=True, private_template=private
        )
        encoded = encode_rsa_public_key(public)
        numbers = core.Sequence.load(encoded).native
        return rsa.RSAPublicNumbers(numbers["1"], numbers["0"]).public_key()
    parameters = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: P256}, local=True)
    public, _ = parameters.generate_keypair(
        mechanism=Mechanism.EC_KEY_PAIR_GEN, id=b"\x01", label="signature", store=True, private_template=private
    )
    found = serialization.load_der_public_key(encode_ec_public_key(public))
    assert isinstance(found, ec.EllipticCurvePublicKey)
    return found
