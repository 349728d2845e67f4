"""What differs from one identity provider to the next, as data: scopes, how a level is asked for, what each `acr` is worth.

Levels are those of the services' definitions: 0 anonymous, 1 declared, 2 low, 3 substantial, 4 high (eIDAS, Regulation
910/2014 article 8). The mapping stands in the preset, because the same word is not worth the same everywhere.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Literal

import msgspec

from egide.protocols.oidc.errors import OidcError

DECLARED, LOW, SUBSTANTIAL, HIGH = 1, 2, 3, 4
MAX_TEXT = 16 * 1024  # characters of a preset; ours have less than 2,000
_ACR = re.compile(r"[!-~]{1,200}")  # printable and without space: `acr_values` separates by spaces

Level = Annotated[int, msgspec.Meta(ge=DECLARED, le=HIGH)]


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Under which claims the provider tells a person's data."""

    given_name: str = "given_name"
    family_name: str = "family_name"
    birthdate: str = "birthdate"
    email: str = "email"


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to speak with one provider, or with one kind of provider."""

    title: str
    levels: dict[str, Level]  # acr → level; what is not in it is worth nothing
    issuer: str = ""  # "": the operator's
    client: str = ""  # a client that everybody knows, of exercises
    shared: str = ""  # and its secret, which is none
    loopback: bool = False  # only ever on this machine
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    signing: tuple[Literal["RS256", "PS256", "ES256", "EdDSA", "HS256"], ...] = ("ES256", "RS256", "PS256", "EdDSA")
    encrypted: bool = False  # ID token and userinfo come encrypted to us, and not otherwise
    authenticate: Literal["post", "basic"] = "post"  # how the client shows its secret, OIDC Core §9
    pkce: Literal["always", "offered"] = "always"  # `offered`: where the discovery document says S256
    ask: tuple[Literal["acr_values", "claims"], ...] = (
        "acr_values",
        "claims",
    )  # how a level is asked for, Core §5.5.1.1
    ask_all: bool = True  # every level that suffices, or the lowest alone
    names: Names = Names()

    def enough(self, level: int) -> list[str]:
        """The `acr` values worth at least `level`, the lowest first. Empty: this provider cannot prove it."""
        worth = sorted((value, acr) for acr, value in self.levels.items() if value >= level)
        return [acr for _value, acr in worth]

    @property
    def highest(self) -> int:
        """The highest level it can prove."""
        return max(self.levels.values(), default=0)


def parse_preset(text: str) -> Preset:
    """Reads a preset in TOML. Raises `OidcError` saying what is wrong in it."""
    if len(text) > MAX_TEXT:
        raise OidcError("too-large", f"a preset of more than {MAX_TEXT} characters")
    try:
        found = msgspec.convert(tomllib.loads(text), Preset)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise OidcError("malformed", str(error)) from error
    if not found.levels or not all(_ACR.fullmatch(acr) for acr in found.levels):
        raise OidcError("malformed", "levels: at least one `acr`, printable and without spaces")
    if "openid" not in found.scopes or not all(_ACR.fullmatch(scope) for scope in found.scopes):
        raise OidcError("malformed", "scopes: “openid” is missing, or one of them has a space")
    if not found.signing or not found.ask:
        raise OidcError("malformed", "signing and ask: at least one")
    return found
