"""What the browser and we send to the provider, and what comes back: the code flow with PKCE (Core §3.1, RFC 7636, RFC 9207).

Pure: whoever calls draws the random words and keeps them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from egide.protocols.oidc.errors import OidcError, Why
from egide.protocols.oidc.preset import Preset
from egide.protocols.oidc.provider import Discovery
from egide.protocols.oidc.tokens import MAX_TOKEN
from egide.protocols.vapid import encoded

MAX_QUERY = 8 * 1024  # characters of what comes back by the browser
MAX_FIELDS = 32
MAX_CODE = 2048  # characters; FranceConnect's have 64
MAX_ANSWER = 96 * 1024  # bytes of a token endpoint's answer
LONGEST_WORD = 200  # characters of an error code
# What the person, or nobody, can do about it: RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6, OIDC unmet_authentication_requirements.
ERRORS: Mapping[str, Why] = {
    "access_denied": "denied",
    "consent_required": "denied",
    "interaction_required": "denied",
    "login_required": "denied",
    "account_selection_required": "denied",
    "temporarily_unavailable": "unavailable",
    "server_error": "unavailable",
    "unmet_authentication_requirements": "level",
}


class Client(msgspec.Struct, frozen=True):
    """Who we are at the provider, and where the browser comes back to."""

    id: str
    secret: str
    redirect: str

    def __repr__(self) -> str:
        return f"Client({self.id!r})"  # the secret stays out of logs


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in that was begun: what must come back unchanged."""

    state: str
    nonce: str
    verifier: str  # RFC 7636 §4.1: 43 to 128 characters
    level: int
    at: int  # s since 1970


class TokenAnswer(msgspec.Struct, frozen=True):
    """What the token endpoint gives (OIDC Core §3.1.3.3)."""

    access_token: str
    id_token: str
    token_type: str


class _TokenError(msgspec.Struct, frozen=True):
    error: str


def authorization(provider: Discovery, preset: Preset, client: Client, attempt: Attempt) -> str:
    """The address to send the browser to. Raises `OidcError` where this provider cannot prove the level."""
    enough = preset.enough(attempt.level)
    if not enough:
        raise OidcError("level", "this provider cannot prove that level")
    asked = enough if preset.ask_all else enough[:1]
    fields = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.redirect,
        "scope": " ".join(preset.scopes),
        "state": attempt.state,
        "nonce": attempt.nonce,
    }
    if "acr_values" in preset.ask:
        fields["acr_values"] = " ".join(asked)
    if "claims" in preset.ask:
        claims = {"id_token": {"acr": {"essential": True, "values": asked}}}
        fields["claims"] = msgspec.json.encode(claims).decode()
    if with_pkce(provider, preset):
        fields |= {"code_challenge": challenge(attempt.verifier), "code_challenge_method": "S256"}
    joint = "&" if "?" in provider.authorization_endpoint else "?"
    return provider.authorization_endpoint + joint + urlencode(fields, quote_via=quote)


def with_pkce(provider: Discovery, preset: Preset) -> bool:
    """Whether the request carries a challenge, and so the token request its verifier."""
    return preset.pkce == "always" or provider.pkce


def challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return encoded(sha256(verifier.encode("ascii")).digest())


def callback(query: str, provider: Discovery) -> tuple[str, str]:
    """(code, state) of the query the browser came back with. Raises `OidcError` for an error, a doubled field, another issuer.

    The state is the caller's to compare; it does so before it believes an error, too: `state_of`.
    """
    fields = _fields(query)
    issuer = fields.get("iss", "")
    if (issuer or provider.authorization_response_iss_parameter_supported) and issuer != provider.issuer:
        raise OidcError("issuer", "the browser came back from another provider")
    if "error" in fields:
        word = fields["error"][:LONGEST_WORD]
        raise OidcError(ERRORS.get(word, "refused"), "the provider ended it")
    code, state = fields.get("code", ""), fields.get("state", "")
    if not 0 < len(code) <= MAX_CODE or not state:
        raise OidcError("malformed", "a code or the state is missing")
    return code, state


def state_of(query: str) -> str:
    """The state in the query, "" if there is none. Raises `OidcError`."""
    return _fields(query).get("state", "")


def _fields(query: str) -> dict[str, str]:
    if len(query) > MAX_QUERY:
        raise OidcError("too-large", f"more than {MAX_QUERY} characters came back")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise OidcError("malformed", "what came back cannot be read") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):  # RFC 6749 §3.1
        raise OidcError("malformed", "a field came back twice")
    return fields


def token_request(
    provider: Discovery, preset: Preset, client: Client, attempt: Attempt, code: str
) -> tuple[bytes, dict[str, str]]:
    """(body, headers) of the POST to the token endpoint (OIDC Core §3.1.3.1)."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect}
    headers = {"accept": "application/json"}
    if with_pkce(provider, preset):
        fields["code_verifier"] = attempt.verifier
    if preset.authenticate == "basic":  # RFC 6749 §2.3.1: each part form-encoded first
        pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
        headers["authorization"] = "Basic " + b64encode(pair.encode()).decode()
    else:
        fields |= {"client_id": client.id, "client_secret": client.secret}
    return urlencode(fields).encode(), headers


def token_answer(status: int, body: bytes) -> TokenAnswer:
    """Reads the token endpoint's answer. Raises `OidcError`."""
    if len(body) > MAX_ANSWER:
        raise OidcError("too-large", f"an answer of more than {MAX_ANSWER} bytes")
    try:
        if status != 200:
            word = msgspec.json.decode(body, type=_TokenError).error if status in (400, 401) else "server_error"
            raise OidcError(ERRORS.get(word, "refused"), f"the token endpoint answers {status}")
        found = msgspec.json.decode(body, type=TokenAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OidcError("malformed", f"the token endpoint’s answer ({status}) cannot be read") from error
    if found.token_type.lower() != "bearer":
        raise OidcError("malformed", "an access token of another kind than Bearer")
    if not 0 < len(found.access_token) <= MAX_TOKEN or not all("!" <= each <= "~" for each in found.access_token):
        raise OidcError("malformed", "an access token that cannot be one")
    return found


def logout(provider: Discovery, client: Client, after: str, state: str, hint: str = "") -> str:
    """Where to send the browser so that the provider ends its session too (RP-Initiated Logout 1.0 §2); "" where it cannot.

    `hint` is the ID token. It then stands in the address, as the providers we know require: it holds no name, only `sub`.
    """
    if not provider.end_session_endpoint:
        return ""
    fields = {"client_id": client.id, "post_logout_redirect_uri": after, "state": state}
    if hint:
        fields["id_token_hint"] = hint
        del fields["client_id"]  # ProConnect refuses what it does not list, and the hint names the client
    joint = "&" if "?" in provider.end_session_endpoint else "?"
    return provider.end_session_endpoint + joint + urlencode(fields, quote_via=quote)
