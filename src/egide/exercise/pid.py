"""Person identification data (PID) for exercises: an issuer, its certificates, credentials of invented people, and their
showing.

SD-JWT VC, written here once more and apart from `egide.protocols`, so that the two check one another.

The issuer is drawn at the first start and kept in a folder: `anchor.pem` is what the platform of the exercise trusts. Nobody
else may.
"""

from __future__ import annotations

import os
import zlib
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from time import time
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey

from egide.exercise.idp_people import Resident

VCT = "urn:eudi:pid:1"  # PID rulebook of the Commission's architecture and reference framework
ANCHOR, KEYS = "anchor.pem", "issuer.pem"
YEARS = 10  # of the certificates
LIFE_S = 14 * 86_400  # s a credential lives
REVOKED, VALID = 1, 0  # places in the status list
DISCLOSABLE = ("family_name", "given_name", "birthdate", "nationalities", "place_of_birth")


class Issuer:
    """Signs credentials: a root, a certificate under it, and a list of what it revoked."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, chain: list[x509.Certificate]) -> None:
        """`chain`: its certificate, then the root's."""
        self.key, self.chain = ECKey.import_key(key), chain
        self._x5c = [b64encode(chain[0].public_bytes(serialization.Encoding.DER)).decode()]

    @classmethod
    def kept(cls, folder: Path) -> Issuer:
        """The issuer of this folder, drawn where there is none."""
        place = folder / KEYS
        if not place.exists():
            drawn = cls.drawn()
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / ANCHOR).write_bytes(drawn.chain[1].public_bytes(serialization.Encoding.PEM))
            content = drawn.key.as_pem(private=True) + b"".join(
                each.public_bytes(serialization.Encoding.PEM) for each in drawn.chain
            )
            with os.fdopen(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        content = place.read_bytes()
        key = serialization.load_pem_private_key(content, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{place}: not a key of this exercise")
        return cls(key, x509.load_pem_x509_certificates(content))

    @classmethod
    def drawn(cls) -> Issuer:
        """A new one."""
        root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        names = [_name("Egide exercise: root of identity"), _name("Egide exercise: issuer of identity")]
        anchor = _certificate(names[0], names[0], root.public_key(), root, root.public_key(), authority=True)
        leaf = _certificate(names[1], names[0], own.public_key(), root, root.public_key(), authority=False)
        return cls(own, [leaf, anchor])

    def credential(
        self,
        resident: Resident,
        holder: ECKey,
        *,
        status: tuple[str, int] | None = None,
        vct: str = VCT,
        issued: int | None = None,
    ) -> tuple[str, dict[str, str]]:
        """(the signed part, its disclosures by claim) for the holder's key; `status`: address and place in the list."""
        claims: dict[str, Any] = {name: value for name, value in resident.claims().items() if name in DISCLOSABLE}
        claims |= {"nationalities": ["FR"], "place_of_birth": {"country": "FR", "locality": "Helsinki-sur-Seine"}}
        made = {
            name: encoded(msgspec.json.encode([encoded(token_bytes(16)), name, value]))
            for name, value in claims.items()
        }
        at = int(time()) if issued is None else issued
        decoy = encoded(token_bytes(32))  # so that nobody counts what there is (RFC 9901 §4.2.5)
        body: dict[str, Any] = {
            "iss": "https://pid.exercise.example", "vct": vct, "iat": at, "exp": at + LIFE_S, "_sd_alg": "sha-256",
            "_sd": sorted([*map(hashed, made.values()), decoy]), "cnf": {"jwk": holder.as_dict(private=False)},
        }  # fmt: skip
        if status is not None:
            body["status"] = {"status_list": {"uri": status[0], "idx": status[1]}}
        return self._signed("dc+sd-jwt", body), made

    def status_list(self, address: str) -> str:
        """The list at this address: one credential revoked, all others valid (Token Status List)."""
        packed = encoded(zlib.compress(bytes([1 << REVOKED]) + bytes(127), 9))
        at = int(time())
        body = {
            "sub": address, "iat": at, "exp": at + 3600, "ttl": 300, "status_list": {"bits": 1, "lst": packed},
        }  # fmt: skip
        return self._signed("statuslist+jwt", body)

    def _signed(self, typ: str, body: dict[str, Any]) -> str:
        head = {"alg": "ES256", "typ": typ, "x5c": self._x5c}
        return jws.serialize_compact(head, msgspec.json.encode(body), self.key)


def presentation(
    signed: str, disclosures: list[str], holder: ECKey, *, nonce: str, audience: str, at: int | None = None
) -> str:
    """A credential as its holder shows it: the claims chosen, and the key binding over them (RFC 9901 §4.3)."""
    shown = "~".join([signed, *disclosures, ""])
    bound = {
        "iat": int(time()) if at is None else at, "aud": audience, "nonce": nonce, "sd_hash": hashed(shown),
    }  # fmt: skip
    return shown + jws.serialize_compact({"alg": "ES256", "typ": "kb+jwt"}, msgspec.json.encode(bound), holder)


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def hashed(text: str) -> str:
    """The digest of a disclosure, or of a presentation."""
    return encoded(sha256(text.encode()).digest())


def _name(words: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePublicKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not authority, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=authority, crl_sign=authority, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
