"""How residents sign in here: the settings `identity*`, read into a relying party that is ready to work, or a start that stops.

identity = "franceconnect"             a preset of ours, or the path of one of the operator's (.toml)
identity_issuer = "https://…"          where it is not the preset's (integration environments)
identity_client = "…"                  the client id that the provider gave
<data>/keys/identity-client.key        the client secret that the provider gave, mode 0600
<data>/keys/identity-decryption.key    ours, drawn at the first start, where the provider encrypts to us (PKCS #8 PEM)
"""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from egide.kernel.errors import StartupError, Text
from egide.kernel.keyfile import read_private, unusable, write_private
from egide.kernel.settings import FILE, Settings
from egide.protocols.oidc import Client, OidcError, Preset, PrivateKey, address, loopback, parse_preset

CALLBACK = "/identity/callback"
SECRET = "identity-client.key"  # noqa: S105 — a file name; the secret is in the file
DECRYPTION = "identity-decryption.key"
MAX_SECRET = 4096  # bytes
LEAST_BITS = 2048  # of an RSA key, NIST SP 800-131A
WRAPPING = {"EC": "ECDH-ES", "RSA": "RSA-OAEP"}  # by kind of key, as FranceConnect+ names them


class Relying(msgspec.Struct, frozen=True, kw_only=True):
    """A relying party: the provider, its preset, who we are there, and the keys that open what is encrypted to us."""

    preset: Preset
    issuer: str
    client: Client
    private: tuple[PrivateKey, ...] = ()

    def jwks(self) -> bytes:
        """Our public encryption keys (RFC 7517), for providers that encrypt."""
        told: list[dict[str, Any]] = [
            {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "enc", "alg": WRAPPING[key.key_type]}
            for key in self.private
        ]
        return msgspec.json.encode({"keys": told})


def relying(settings: Settings, *, may_draw: bool = True) -> Relying | None:
    """The relying party of the settings; None where residents do not sign in. Raises `StartupError`.

    `may_draw`: whether a missing decryption key is made; otherwise there is none.
    """
    if not settings.identity:
        return None
    preset = read_preset(settings)
    issuer = _issuer(settings, preset)
    client = settings.identity_client or preset.client
    if not client:
        raise _wrong(
            Text(f"{preset.title} : il manque l’identifiant de client.", f"{preset.title}: the client id is missing."),
            Text("Mettez dans « identity_client » celui que le fournisseur vous a donné.", "Put the one that the provider gave you into “identity_client”."),
        )  # fmt: skip
    secret = _secret(settings, preset)
    place = settings.folder / "keys" / DECRYPTION
    private = (_decryption(place),) if preset.encrypted and (may_draw or place.exists()) else ()
    return Relying(
        preset=preset,
        issuer=issuer,
        client=Client(client, secret, settings.origin + CALLBACK),
        private=private,
    )


def presets() -> list[str]:
    """The names of ours."""
    folder = files("egide.protocols.oidc") / "presets"
    return sorted(each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml"))


def read_preset(settings: Settings) -> Preset:
    """The preset that the settings name. Raises `StartupError`."""
    name = settings.identity
    if name in presets():
        text, place = (files("egide.protocols.oidc") / "presets" / f"{name}.toml").read_text("utf-8"), f"{name}.toml"
    elif name.endswith(".toml"):
        place = str(settings.folder / name)  # an absolute path stays one
        try:
            text = Path(place).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StartupError(
                Text("Ce préréglage d’identité manque ou est illisible.", "This identity preset is missing or unreadable."),
                Text("Copiez-en un de src/egide/protocols/oidc/presets/.", "Copy one from src/egide/protocols/oidc/presets/."),
                file=place,
            ) from error  # fmt: skip
    else:
        near = difflib.get_close_matches(name, presets(), 1)
        known = ", ".join(presets())
        raise StartupError(
            Text(f"Fournisseur d’identité inconnu : {name}", f"Unknown identity provider: {name}"),
            Text(f"Donnez {known}, ou le chemin d’un fichier .toml.", f"Give {known}, or the path of a .toml file."),
            file=FILE,
            suggestion=near[0] if near else None,
        )
    try:
        return parse_preset(text)
    except OidcError as error:
        raise StartupError(
            Text(f"Préréglage d’identité incorrect : {error}", f"Wrong identity preset: {error}"), file=place
        ) from error


def _issuer(settings: Settings, preset: Preset) -> str:
    issuer = settings.identity_issuer or preset.issuer
    try:
        address(issuer)
    except OidcError as error:
        raise _wrong(
            Text(f"L’adresse du fournisseur d’identité n’en est pas une : « {issuer} »", f"The identity provider’s address is none: “{issuer}”"),
            Text("Mettez son « issuer », en https://, dans « identity_issuer ».", "Put its “issuer”, in https://, into “identity_issuer”."),
        ) from error  # fmt: skip
    if preset.loopback and not loopback(issuer):
        raise _wrong(
            Text("Le fournisseur d’identité d’exercice ne sert que sur cette machine : tout y est inventé, son secret est public.", "The exercise’s identity provider serves this machine only: all in it is invented, its secret is public."),
            Text("Ôtez « identity_issuer », ou choisissez un autre « identity ».", "Remove “identity_issuer”, or choose another “identity”."),
        )  # fmt: skip
    return issuer


def _secret(settings: Settings, preset: Preset) -> str:
    place = settings.folder / "keys" / SECRET
    if preset.shared and not place.exists():
        return preset.shared
    try:
        secret = read_private(place)[: MAX_SECRET + 1].decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        secret = ""
    if not 0 < len(secret) <= MAX_SECRET or not secret.isprintable():
        raise StartupError(
            Text(f"{preset.title} : le secret de client manque, ou n’en est pas un.", f"{preset.title}: the client secret is missing, or is none."),
            Text(f"Écrivez-le seul dans {place}, puis : chmod 600 {place}", f"Write it alone into {place}, then: chmod 600 {place}"),
            file=str(place),
        )  # fmt: skip
    return secret


def _decryption(place: Path) -> PrivateKey:
    if not place.exists():
        drawn = generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(place, drawn)
    pem = read_private(place)
    try:
        native = serialization.load_pem_private_key(pem, None)
        kind = getattr(native, "curve", None) or native
        if isinstance(kind, SECP256R1):
            return ECKey.import_key(pem)
        if getattr(native, "key_size", 0) >= LEAST_BITS:
            return RSAKey.import_key(pem)
    except (ValueError, TypeError, JoseError):
        raise unusable(place) from None
    raise unusable(place)


def _wrong(what: Text, do: Text) -> StartupError:
    return StartupError(what, do, file=FILE)
