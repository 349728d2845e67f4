"""Who signed in, and how well that is proved: the ID token's checks (OIDC Core §3.1.3.7) and the userinfo's (§5.3.2).

The level is what the provider *returned*, never what was asked: providers answer a request for a level with a token of a lower
one, or with none at all, and say nothing (seen with the npm package oidc-provider). Absent, unknown or lower is refused.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256, sha512
from typing import Annotated

import msgspec

from egide.protocols.oidc.errors import OidcError
from egide.protocols.oidc.preset import Preset
from egide.protocols.oidc.request import Attempt, Client
from egide.protocols.oidc.tokens import MAX_TOKEN, Keyring, opened
from egide.protocols.vapid import encoded

SKEW_S = 60  # s that two clocks may differ
MAX_NAME = 256  # characters
MAX_EMAIL = 254  # characters, RFC 5321 §4.5.3.1.3
BIRTHDATE = re.compile(r"(\d{4})(-\d{2}-\d{2})?")  # OIDC Core §5.1; 00 where day or month is not known (FranceConnect)

Second = Annotated[float, msgspec.Meta(ge=0, le=1 << 40)]  # RFC 7519 §2, NumericDate: may have a fraction


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A resident who signed in. `subject` is the provider's word for them, of this service alone."""

    issuer: str
    subject: str
    level: int  # of `acr`, by the preset: 1 declared, 2 low, 3 substantial, 4 high
    given_name: str = ""
    family_name: str = ""
    birthdate: str = ""  # YYYY-MM-DD or YYYY, as far as known
    email: str = ""
    acr: str = ""
    at: int = 0  # s since 1970; when they signed in here


class _IdToken(msgspec.Struct, frozen=True):
    iss: str
    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]  # Core §2
    aud: str | list[str]
    exp: Second
    iat: Second
    nonce: str | None = None
    nbf: Second | None = None
    acr: str | None = None
    azp: str | None = None
    at_hash: str | None = None


class _Origin(msgspec.Struct, frozen=True):
    """What a signed userinfo says of itself (Core §5.3.2)."""

    sub: str
    iss: str | None = None
    aud: str | list[str] | None = None
    exp: Second | None = None


class Proved(msgspec.Struct, frozen=True):
    """A verified ID token: its subject, level and acr, and the signed token itself, which a logout shows again."""

    subject: str
    level: int
    acr: str
    token: str


def proved(
    token: str,
    access_token: str,
    ring: Keyring,
    preset: Preset,
    client: Client,
    attempt: Attempt,
    issuer: str,
    now: int,
) -> Proved:
    """Verifies an ID token; `now` in s since 1970. Raises `OidcError`."""
    payload, algorithm, signed = opened(token, ring, preset.signing, encrypted=preset.encrypted)
    try:
        told = msgspec.json.decode(payload, type=_IdToken)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OidcError("malformed", "the ID token lacks what it must have") from error
    if told.iss != issuer:
        raise OidcError("issuer", "an ID token of another issuer")
    if told.aud not in (client.id, [client.id]) or told.azp not in (None, client.id):
        raise OidcError("audience", "an ID token for another client, or for others too")
    if told.exp + SKEW_S <= now:
        raise OidcError("expired", "an ID token that has expired")
    if max(told.iat, told.nbf or 0) > now + SKEW_S:
        raise OidcError("too-early", "an ID token of the future: a clock is wrong")
    if told.iat < attempt.at - SKEW_S:
        raise OidcError("too-early", "an ID token of before we asked")
    if told.nonce is None or not hmac.compare_digest(told.nonce.encode(), attempt.nonce.encode()):
        raise OidcError("nonce", "an ID token that does not answer this request")
    if told.at_hash is not None and not hmac.compare_digest(
        told.at_hash.encode(), half_hash(access_token, algorithm).encode()
    ):
        raise OidcError("hash", "the access token is not the one of this ID token")
    level = preset.levels.get(told.acr or "")
    if level is None or level < attempt.level:
        raise OidcError("level", "the provider proves less than was asked, or says nothing of it")
    return Proved(told.sub, level, told.acr or "", signed)


def half_hash(access_token: str, algorithm: str) -> str:
    """`at_hash` (Core §3.1.3.6): the left half of the hash that belongs to the algorithm; Ed25519 hashes with SHA-512."""
    digest = (sha512 if algorithm == "EdDSA" else sha256)(access_token.encode()).digest()
    return encoded(digest[: len(digest) // 2])


def identity(
    who: Proved, body: bytes, content_type: str, ring: Keyring, preset: Preset, client: Client, issuer: str, now: int
) -> Identity:
    """The person, from the userinfo endpoint's answer, JSON or signed (or encrypted, as the preset says). Raises `OidcError`."""
    signed = content_type.partition(";")[0].strip().lower() == "application/jwt"
    if preset.encrypted and not signed:
        raise OidcError("encryption", "the userinfo should be encrypted and is not")
    if len(body) > MAX_TOKEN:
        raise OidcError("too-large", f"a userinfo of more than {MAX_TOKEN} bytes")
    try:
        if signed:
            text = body.decode("ascii").strip()
            body, _algorithm, _token = opened(text, ring, preset.signing, encrypted=preset.encrypted)
        origin = msgspec.json.decode(body, type=_Origin)
        claims = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OidcError("malformed", "the userinfo cannot be read") from error
    if origin.sub != who.subject:
        raise OidcError("subject", "the userinfo is of somebody else")
    if signed:
        _check_origin(origin, client, issuer, now)
    names = preset.names
    return Identity(
        issuer=issuer,
        subject=who.subject,
        level=who.level,
        given_name=_words(claims, names.given_name, MAX_NAME),
        family_name=_words(claims, names.family_name, MAX_NAME),
        birthdate=_birthdate(claims, names.birthdate),
        email=_words(claims, names.email, MAX_EMAIL),
        acr=who.acr,
        at=now,
    )


def _check_origin(origin: _Origin, client: Client, issuer: str, now: int) -> None:
    if origin.iss not in (None, issuer):
        raise OidcError("issuer", "a userinfo of another issuer")
    if origin.aud not in (None, client.id, [client.id]):
        raise OidcError("audience", "a userinfo for another client")
    if origin.exp is not None and origin.exp + SKEW_S <= now:
        raise OidcError("expired", "a userinfo that has expired")


def _words(claims: dict[str, object], name: str, longest: int) -> str:
    """A claim as text; "" where it is absent. A name that is too long or has control characters is nobody's: refused."""
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest or not value.replace("\u00a0", " ").isprintable():
        raise OidcError("malformed", f"the claim {name} is not a text that can be kept")
    return value.strip()


def _birthdate(claims: dict[str, object], name: str) -> str:
    text = _words(claims, name, 10)
    if text and not BIRTHDATE.fullmatch(text):
        raise OidcError("malformed", f"the claim {name} is not a date")
    return text
