"""OpenID Connect, the relying party's side: pure functions from bytes to structs (OIDC Core 1.0, Discovery 1.0, RFC 7636, 9207).

    found = discovery(document, issuer)                                  # where its endpoints are
    address = authorization(found, preset, client, attempt)              # send the browser there
    code, state = callback(query, found)                                 # it comes back
    body, headers = token_request(found, preset, client, attempt, code)  # POST it to found.token_endpoint
    answer = token_answer(status, reply)
    ring = Keyring(keys(document), client.secret, private)
    who = proved(answer.id_token, answer.access_token, ring, preset, client, attempt, found.issuer, now)
    person = identity(who, userinfo, content_type, ring, preset, client, found.issuer, now)

Nothing here reads a file, a clock or a socket; every refusal is an `OidcError` with one word of `Why`.
"""

from __future__ import annotations

from egide.protocols.oidc.errors import OidcError, Why
from egide.protocols.oidc.person import Identity, Proved, identity, proved
from egide.protocols.oidc.preset import DECLARED, HIGH, LOW, SUBSTANTIAL, Preset, parse_preset
from egide.protocols.oidc.provider import WELL_KNOWN, Discovery, Key, address, discovery, keys, loopback
from egide.protocols.oidc.request import (
    Attempt,
    Client,
    TokenAnswer,
    authorization,
    callback,
    logout,
    state_of,
    token_answer,
    token_request,
)
from egide.protocols.oidc.tokens import Keyring, PrivateKey

__all__ = [
    "DECLARED",
    "HIGH",
    "LOW",
    "SUBSTANTIAL",
    "WELL_KNOWN",
    "Attempt",
    "Client",
    "Discovery",
    "Identity",
    "Key",
    "Keyring",
    "OidcError",
    "Preset",
    "PrivateKey",
    "Proved",
    "TokenAnswer",
    "Why",
    "address",
    "authorization",
    "callback",
    "discovery",
    "identity",
    "keys",
    "logout",
    "loopback",
    "parse_preset",
    "proved",
    "state_of",
    "token_answer",
    "token_request",
]
