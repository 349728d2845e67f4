"""Which wallets prove who a resident is: the settings `wallet*`, read into a verifier ready to work, or a start that stops.

wallet = "wallet.toml"          the operator's file, in the data folder; "development": the exercise's, in demonstrations only
wallet_address = "haip-vp://"   what opens a wallet, where it is not the file's
<data>/keys/wallet-access.pem   our access certificate and its key: PEM, mode 0600, the key, our certificate, those above it

    address = "openid4vp://"            # what a wallet answers to
    prefix = "x509_san_dns"             # how it knows us: or x509_hash
    mode = "direct_post.jwt"            # its answer is encrypted; direct_post: it is not

    [[issuers]]                         # whom we believe, for which credentials, and what it is worth
    name = "Provider of identification data"
    vct = ["urn:eudi:pid:1"]
    level = 4                           # eIDAS: 2 low, 3 substantial, 4 high
    issuer = "https://pid.example"      # what `iss` must say; may be left out where anchors stand
    anchors = "wallet-anchors.pem"      # its trust anchors, or
    keys = "wallet-keys.json"           # its public keys (JWK set)
    status = true                       # look up in its status list whether a credential was revoked
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from egide.kernel.errors import StartupError, Text
from egide.kernel.keyfile import read_private, write_private
from egide.kernel.settings import FILE, Settings
from egide.protocols.oidc.provider import loopback
from egide.protocols.wallet.chain import CURVES
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import Mode, client_id
from egide.protocols.wallet.sdjwt import Issuer
from egide.protocols.wallet.tokens import Key
from egide.protocols.wallet.tokens import keys as keys_of

DEVELOPMENT = "development"
ACCESS = "wallet-access.pem"
EXERCISE = Path("exercise") / "wallet"  # where the exercise's issuer lies, in the data folder
MAX_FILE = 256 * 1024  # bytes of a file of the operator's
YEARS = 10  # of the certificate that a demonstration draws for itself

Level = Annotated[int, msgspec.Meta(ge=2, le=4)]


class _Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str
    vct: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    level: Level
    issuer: str = ""
    anchors: str = ""
    keys: str = ""
    status: bool = True


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    issuers: Annotated[tuple[_Issuer, ...], msgspec.Meta(min_length=1)]
    address: str = "openid4vp://"
    prefix: Literal["x509_san_dns", "x509_hash"] = "x509_san_dns"
    mode: Mode = "direct_post.jwt"


class Verifier(msgspec.Struct, frozen=True, kw_only=True):
    """A verifier: who we are to wallets, whom we believe, and how one is opened."""

    address: str
    client: str
    name: str
    key: ECKey
    certificates: tuple[x509.Certificate, ...]
    issuers: tuple[Issuer, ...]
    mode: Mode = "direct_post.jwt"
    development: bool = False

    def __repr__(self) -> str:
        return f"Verifier({self.client})"  # the key stays out of logs

    @property
    def highest(self) -> int:
        """The highest level that can be proved."""
        return max(each.level for each in self.issuers)

    @property
    def vct(self) -> tuple[str, ...]:
        """Every kind of credential that is believed, each once."""
        return tuple(dict.fromkeys(kind for each in self.issuers for kind in each.vct))


def verifier(settings: Settings, *, may_draw: bool = True) -> Verifier | None:
    """The verifier of the settings; None where no wallet is taken. Raises `StartupError`.

    `may_draw`: whether a demonstration that has no access certificate draws one; otherwise it has none and stops.
    """
    if not settings.wallet:
        return None
    development = settings.wallet == DEVELOPMENT
    own = settings.folder / settings.wallet  # an absolute path stays one
    file = _exercise(settings) if development else _parsed(_content(own), str(own))
    folder = settings.folder / EXERCISE if development else own.parent
    place = settings.folder / "keys" / ACCESS
    if development and may_draw and not place.exists():
        write_private(place, _drawn(settings.public_name))
    key, certificates = _access(place)
    try:
        client = client_id(file.prefix, certificates[0], settings.public_name)
    except WalletError as error:
        raise StartupError(
            Text("Le certificat d’accès aux portefeuilles n’est pas au nom de ce service.", "The access certificate for wallets does not bear this service’s name."),
            Text(f'Demandez-en un pour « {settings.public_name} », ou mettez prefix = "x509_hash".', f'Ask for one for “{settings.public_name}”, or set prefix = "x509_hash".'),
            file=str(place),
        ) from error  # fmt: skip
    return Verifier(
        address=settings.wallet_address or file.address, client=client, name=settings.controller, key=key, certificates=certificates,
        issuers=tuple(_issuer(folder, each) for each in file.issuers), mode=file.mode, development=development,
    )  # fmt: skip


def _exercise(settings: Settings) -> _File:
    """The exercise's wallet and its issuer: believed in a demonstration on this machine, and nowhere else."""
    file = _parsed((files("egide.protocols.wallet") / "development.toml").read_bytes(), "development.toml")
    if not settings.demo or not loopback(settings.wallet_address or file.address):
        raise _wrong(
            Text("Le portefeuille d’exercice ne sert qu’aux démonstrations, sur cette machine : tout y est inventé.", "The exercise’s wallet is for demonstrations on this machine: all in it is invented."),
            Text("Mettez dans « wallet » votre propre fichier, ou rien.", "Put your own file into “wallet”, or nothing."),
        )  # fmt: skip
    return file


def _parsed(content: bytes, place: str) -> _File:
    try:
        return msgspec.convert(tomllib.loads(content.decode()), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise StartupError(
            Text(f"Réglage des portefeuilles incorrect : {error}", f"Wrong wallet settings: {error}"), file=place
        ) from error


def _issuer(folder: Path, given: _Issuer) -> Issuer:
    """An issuer with its anchors or its keys. A key set alone does not say whose it is: `issuer` must."""
    if bool(given.anchors) == bool(given.keys) or (given.keys and not given.issuer):
        raise _wrong(
            Text(f"« {given.name} » : donnez « anchors », ou « keys » et « issuer ».", f"“{given.name}”: give “anchors”, or “keys” and “issuer”."),
            Text("Voir docs/identity.md.", "See docs/identity.md."),
        )  # fmt: skip
    place = folder / (given.anchors or given.keys)
    content = _content(place)
    anchors: tuple[x509.Certificate, ...] = ()
    keys: tuple[Key, ...] = ()
    with suppress(ValueError):  # `WalletError` is one
        if given.anchors:
            anchors = tuple(x509.load_pem_x509_certificates(content))
        else:
            keys = keys_of(content)
    if not anchors and not keys:
        raise StartupError(
            Text(f"« {given.name} » : ni certificat ni clé dans ce fichier.", f"“{given.name}”: neither certificate nor key in this file."),
            file=str(place),
        )  # fmt: skip
    return Issuer(
        name=given.name, vct=given.vct, level=given.level, issuer=given.issuer, anchors=anchors, keys=keys, status=given.status
    )  # fmt: skip


def _content(place: Path) -> bytes:
    try:
        with place.open("rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        raise StartupError(
            Text("Un fichier du réglage des portefeuilles manque.", "A file of the wallet settings is missing."),
            Text("Dans une démonstration, lancez d’abord : python -m egide.exercise wallet", "In a demonstration, start first: python -m egide.exercise wallet"),
            file=str(place),
        ) from error  # fmt: skip


def _access(place: Path) -> tuple[ECKey, tuple[x509.Certificate, ...]]:
    """Our key and our certificate, with those above it."""
    try:
        content = read_private(place)
        native: Any = serialization.load_pem_private_key(content, None)
        certificates = tuple(x509.load_pem_x509_certificates(content))
    except (OSError, ValueError, TypeError) as error:
        raise _access_wrong(place) from error
    fits = isinstance(native, ec.EllipticCurvePrivateKey) and native.curve.name in CURVES
    if not fits or certificates[0].public_key() != native.public_key():
        raise _access_wrong(place)
    # The trust anchor itself is not sent (OpenID4VC HAIP 1.0): wallets have it.
    sent = tuple(each for n, each in enumerate(certificates) if n == 0 or each.subject != each.issuer)
    return ECKey.import_key(native), sent


def _access_wrong(place: Path) -> StartupError:
    return StartupError(
        Text("Le certificat d’accès aux portefeuilles manque, ou n’en est pas un.", "The access certificate for wallets is missing, or is none."),
        Text(f"Mettez la clé (P-256, P-384 ou P-521) et le certificat, en PEM, dans {place}, puis : chmod 600 {place}", f"Put the key (P-256, P-384 or P-521) and the certificate, in PEM, into {place}, then: chmod 600 {place}"),
        file=str(place),
    )  # fmt: skip


def _drawn(host: str) -> bytes:
    """A key and a certificate that it signed itself, for demonstrations."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Egide exercise: access")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem + certificate.public_bytes(serialization.Encoding.PEM)


def _wrong(what: Text, do: Text) -> StartupError:
    return StartupError(what, do, file=FILE)
