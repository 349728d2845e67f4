"""The way by network: a gate's signed request, and the wallet's encrypted answer (OpenID4VP 1.0, `direct_post.jwt`).

A gate is known by its key on the consortium's trust list, and by nothing else: its client id is its kid without a prefix, a
client registered beforehand (§5.9.2), and the trust list is the register. There are no certificates to run out at the gate, and
taking a key off the list closes it everywhere. The request asks by DCQL for exactly the claims of the control point, of a token
that is for that point or spare: so any wallet knows which of its tokens to show.

The wallet's side is here too, as the page of the wallet has it in JavaScript; what the gate reads of an answer is
`protocols.wallet.openid4vp.answered`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from egide.border.token.claims import NAMES, controls
from egide.border.token.profile import QUERY, VCT
from egide.border.token.question import Verifiers
from egide.protocols.sdjwt.signing import Signer, compact, kid_of, verifying
from egide.protocols.vapid import encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import FORMAT, REQUEST_TYPE, SELF_ISSUED, WRAPPING, Request, request_claims
from egide.protocols.wallet.sdjwt import MAX_AGE_S, SKEW_S
from egide.protocols.wallet.tokens import Jwk, Second, header, key_of, parsed, payload

CONTENT = "A256GCM"  # HAIP 1.0 §5: every verifier takes it


class _Kinds(msgspec.Struct, frozen=True):
    vct_values: tuple[str, ...]


class _Path(msgspec.Struct, frozen=True):
    path: tuple[str]
    values: tuple[str, ...] = ()


class _Credential(msgspec.Struct, frozen=True):
    id: str
    format: str
    meta: _Kinds
    claims: tuple[_Path, ...]


class _Query(msgspec.Struct, frozen=True):
    credentials: tuple[_Credential]


class _Keys(msgspec.Struct, frozen=True):
    keys: tuple[Jwk]


class _Metadata(msgspec.Struct, frozen=True):
    client_name: str
    jwks: _Keys


class _Told(msgspec.Struct, frozen=True):
    client_id: str
    aud: str
    exp: Second
    response_type: str
    response_mode: str
    response_uri: str
    nonce: str
    state: str
    dcql_query: _Query
    client_metadata: _Metadata


def asking(
    claims: Sequence[str],
    gate: EllipticCurvePublicKey,
    *,
    control: str,
    name: str,
    response_uri: str,
    nonce: str,
    state: str,
    encryption: dict[str, Any],
) -> Request:
    """A request for these claims of a token for this control; `encryption`: the key for its answer (`openid4vp.public_jwk`)."""
    return Request(
        client=kid_of(gate), name=name, response_uri=response_uri, nonce=nonce, state=state, vct=(VCT,), claims=tuple(claims),
        control=controls(control), query=QUERY, encryption=encryption,
    )  # fmt: skip


def sign(request: Request, signer: Signer, now: int) -> str:
    """What the wallet fetches, signed by the gate's key; `now` in s since 1970."""
    return compact({"typ": REQUEST_TYPE, "kid": request.client}, request_claims(request, now), signer)


def read(token: str, verifiers: Verifiers, now: int) -> Request:
    """The request of a gate on the trust list, for a wallet.

    Raises `WalletError` (verifier, signature, expired, encryption, vct, claim, control, type, malformed, too-large).
    """
    said = header(token, REQUEST_TYPE)
    key = verifiers(said.kid) if said.kid else None
    if key is None:
        raise WalletError("verifier", "nobody who may ask here")
    told: _Told = parsed(payload(token, said, verifying(key)), _Told, "the request")
    if told.client_id != said.kid or told.aud != SELF_ISSUED or told.response_type != "vp_token":
        raise WalletError("malformed", "a request that is not the gate’s own")
    if told.exp + SKEW_S <= now or told.exp > now + MAX_AGE_S + SKEW_S:
        raise WalletError("expired", "a request that has ended, or that never would")
    if told.response_mode != "direct_post.jwt":
        raise WalletError("encryption", "a request whose answer would not be encrypted")
    asked = told.dcql_query.credentials[0]
    if asked.format != FORMAT or asked.meta.vct_values != (VCT,):
        raise WalletError("vct", "a request for another kind of credential")
    claims = tuple(each.path[0] for each in asked.claims if each.path != ("control",))
    control = next((each.values for each in asked.claims if each.path == ("control",)), ())
    if not control:
        raise WalletError("control", "a request that does not say for which control")
    if not set(claims) <= set(NAMES) or not claims:
        raise WalletError("claim", "a request for what no border token says")
    jwk = told.client_metadata.jwks.keys[0]
    return Request(
        client=told.client_id, name=told.client_metadata.client_name, response_uri=told.response_uri, nonce=told.nonce,
        state=told.state, vct=(VCT,), claims=claims, control=control, query=asked.id, encryption=msgspec.to_builtins(jwk),
    )  # fmt: skip


def respond(request: Request, presentation: str, secret: bytes) -> bytes:
    """What the wallet posts; `secret`: b"" where no claim needs it. Raises `WalletError` (encryption)."""
    said: dict[str, Any] = {"vp_token": {request.query: [presentation]}, "state": request.state}
    if secret:
        said["egide_secret"] = encoded(secret)
    try:
        jwk = msgspec.convert(request.encryption, Jwk, strict=True)
        key = ECKey.import_key(key_of(msgspec.structs.replace(jwk, use="")).public)
        head = {"alg": WRAPPING, "enc": CONTENT} | ({"kid": jwk.kid} if jwk.kid else {})
        token = jwe.encrypt_compact(head, msgspec.json.encode(said), key, algorithms=[WRAPPING, CONTENT])
    except (msgspec.ValidationError, WalletError, JoseError) as error:
        raise WalletError("encryption", "a request without a key to encrypt to") from error
    return urlencode({"response": token}).encode()
