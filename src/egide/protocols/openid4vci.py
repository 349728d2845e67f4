"""OpenID for Verifiable Credential Issuance 1.0, the pre-authorised code flow: each message as a struct, each check a function.

    link = invitation(Offer(…))                     the issuer's picture, after it has seen the person             §4.1
    ask  = token_request(body)                      the wallet redeems the code (and the figures it was told)       §6.1
    made = TokenGiven(…), Nonce(…)                  what it gets: an access token; a nonce for its proofs           §6.2, §7.2
    want = credential_request(body, limit)          one proof of possession for each credential it wants            §8.2
    keys = proved(want, issuer, nonce, now)         distinct keys, each proved for this issuer and this nonce       §8.2.1, F.1
    body = given(credentials)                       one credential for each key, in the order of the proofs         §8.3

No HTTP, no store, no clock: who serves this compares codes and tokens in constant time, once each, and lets them end.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from egide.protocols.sdjwt.signing import Signer, compact, jwk_of, public_members
from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import FORMAT
from egide.protocols.wallet.sdjwt import MAX_AGE_S, SKEW_S
from egide.protocols.wallet.tokens import ALGORITHMS, MAX_TOKEN, Jwk, Second, header, key_of, parsed, payload

GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
PROOF_TYPE = "openid4vci-proof+jwt"  # F.1
SCHEME = "openid-credential-offer://"  # §4.1
MAX_BODY = 64 * 1024  # bytes of any message; six proofs have 3,000
MAX_FIELDS = 8  # of a form
MAX_PROOFS = 16  # in one request; §3.3.2, a smaller batch is the issuer's to say
MAX_CODE = 256  # characters

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CODE)]


class TxCode(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the person types that a picture taken of the offer does not hold (§4.1.1)."""

    length: int
    input_mode: str = "numeric"
    description: str = ""


class PreAuthorized(msgspec.Struct, frozen=True, rename={"code": "pre-authorized_code"}, omit_defaults=True):
    """The code that stands for who was seen already."""

    code: Word
    tx_code: TxCode | None = None


class Grants(msgspec.Struct, frozen=True, rename={"pre_authorized": GRANT}):
    """How the wallet may come: by this one grant."""

    pre_authorized: PreAuthorized


class Offer(msgspec.Struct, frozen=True):
    """What an issuer holds ready for whoever brings the code."""

    credential_issuer: Word
    credential_configuration_ids: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=MAX_PROOFS)]
    grants: Grants


class TokenAsked(msgspec.Struct, frozen=True):
    """A code that is redeemed, and what the person typed, "" where nothing was asked."""

    code: str
    tx_code: str = ""


class TokenGiven(msgspec.Struct, frozen=True):
    """The answer to it; `expires_in` in s."""

    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 — the name of a kind of token, RFC 6750


class Nonce(msgspec.Struct, frozen=True):
    """What proofs must answer."""

    c_nonce: Word


class Proofs(msgspec.Struct, frozen=True):
    """Proofs of possession, each a signed token."""

    jwt: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_PROOFS)]


class Wanted(msgspec.Struct, frozen=True, rename={"companions": "egide_companions"}, omit_defaults=True):
    """A request for one credential for each proof.

    `companions` is ours: what the wallet computed for each credential, in the order of the proofs, as base64url; where a kiosk
    computes it, there is none.
    """

    credential_configuration_id: Word
    proofs: Proofs
    companions: Annotated[
        tuple[dict[Word, Annotated[str, msgspec.Meta(max_length=1024)]], ...], msgspec.Meta(max_length=MAX_PROOFS)
    ] = ()


class One(msgspec.Struct, frozen=True):
    """One credential."""

    credential: str


class Given(msgspec.Struct, frozen=True):
    """The credentials, in the order of the proofs."""

    credentials: Annotated[tuple[One, ...], msgspec.Meta(min_length=1, max_length=MAX_PROOFS)]


class _ProofHeader(msgspec.Struct, frozen=True):
    jwk: dict[str, Any]


class _Proof(msgspec.Struct, frozen=True):
    aud: str
    iat: Second
    nonce: str


def metadata(issuer: str, configuration: str, vct: str, batch: int) -> dict[str, Any]:
    """What the issuer says of itself at `/.well-known/openid-credential-issuer` (§12.2)."""
    supported = {
        "format": FORMAT,
        "vct": vct,
        "cryptographic_binding_methods_supported": ["jwk"],
        "credential_signing_alg_values_supported": [ALGORITHMS["P-256"]],
        "proof_types_supported": {"jwt": {"proof_signing_alg_values_supported": [ALGORITHMS["P-256"]]}},
    }
    return {
        "credential_issuer": issuer,
        "credential_endpoint": f"{issuer}/credential",
        "nonce_endpoint": f"{issuer}/nonce",
        "batch_credential_issuance": {"batch_size": batch},
        "credential_configurations_supported": {configuration: supported},
    }


# -- the offer -------------------------------------------------------------------------------------------------------------


def invitation(offer: Offer, base: str = SCHEME) -> str:
    """The link that opens a wallet, and stands in the picture."""
    return f"{base}?{urlencode({'credential_offer': msgspec.json.encode(offer).decode()})}"


def read_offer(link: str) -> Offer:
    """The offer in a link. Raises `WalletError`."""
    if len(link) > MAX_BODY:
        raise WalletError("too-large", f"an offer of more than {MAX_BODY} characters")
    try:
        told = dict(parse_qsl(urlsplit(link).query, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise WalletError("malformed", "an offer that is no link") from error
    found: Offer = parsed(told.get("credential_offer", "").encode(errors="replace"), Offer, "the offer")
    return found


# -- the token -------------------------------------------------------------------------------------------------------------


def token_request(body: bytes) -> TokenAsked:
    """What a wallet posted to the token endpoint. Raises `WalletError`."""
    if len(body) > MAX_BODY:
        raise WalletError("too-large", f"a request of more than {MAX_BODY} bytes")
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise WalletError("malformed", "a request that is no form") from error
    told = {name: values[0] for name, values in form.items() if len(values) == 1}
    code, typed = told.get("pre-authorized_code", ""), told.get("tx_code", "")
    if told.get("grant_type") != GRANT or not 0 < len(code) <= MAX_CODE or len(typed) > MAX_CODE:
        raise WalletError("malformed", "a request without the one grant there is")
    return TokenAsked(code, typed)


def redeem(code: str, tx_code: str = "") -> bytes:
    """What a wallet posts."""
    form = {"grant_type": GRANT, "pre-authorized_code": code}
    return urlencode({**form, "tx_code": tx_code} if tx_code else form).encode()


# -- the credentials -------------------------------------------------------------------------------------------------------


def key_proof(issuer: str, nonce: str, key: EllipticCurvePublicKey, signer: Signer, now: int) -> str:
    """A wallet's proof that it holds a key; `now` in s since 1970."""
    head = {"typ": PROOF_TYPE, "jwk": public_members(jwk_of(key))}
    return compact(head, {"aud": issuer, "iat": now, "nonce": nonce}, signer)


def credential_request(body: bytes, limit: int) -> Wanted:
    """What a wallet posted to the credential endpoint, of at most `limit` credentials. Raises `WalletError`."""
    if len(body) > MAX_BODY:
        raise WalletError("too-large", f"a request of more than {MAX_BODY} bytes")
    found: Wanted = parsed(body, Wanted, "the request for credentials")
    if len(found.proofs.jwt) > limit:
        raise WalletError("too-large", "more credentials than are held ready")
    if found.companions and len(found.companions) != len(found.proofs.jwt):
        raise WalletError("malformed", "not one companion for each proof")
    return found


def proved(wanted: Wanted, issuer: str, nonce: str, now: int) -> tuple[Jwk, ...]:
    """The keys of the proofs, in their order; one that fails, or comes twice, fails all.

    `issuer`: our identifier, `nonce`: the one we gave, `now` in s since 1970. Raises `WalletError` (holder, nonce, audience,
    expired, too-early, algorithm, type, too-large, malformed).
    """
    found = tuple(_proved(each, issuer, nonce, now) for each in wanted.proofs.jwt)
    if len({(each.x, each.y) for each in found}) != len(found):
        raise WalletError("holder", "one key for two credentials")
    return found


def _proved(proof: str, issuer: str, nonce: str, now: int) -> Jwk:
    said = header(proof, PROOF_TYPE)
    jwk = _key(proof)
    try:
        told: _Proof = parsed(payload(proof, said, key_of(jwk)), _Proof, "the proof")
    except WalletError as error:
        if error.why == "signature":
            raise WalletError("holder", "a proof that is not signed by the key it names") from error
        raise
    if not hmac.compare_digest(told.nonce.encode(), nonce.encode()):
        raise WalletError("nonce", "a proof that answers another nonce")
    if told.aud != issuer:
        raise WalletError("audience", "a proof for another issuer")
    if told.iat > now + SKEW_S:
        raise WalletError("too-early", "a proof of the future: a clock is wrong")
    if told.iat < now - MAX_AGE_S - SKEW_S:
        raise WalletError("expired", f"a proof older than {MAX_AGE_S} s")
    return jwk


def _key(proof: str) -> Jwk:
    """The key in a proof's header, which has been read before. Raises `WalletError`."""
    members = parsed(decoded(proof.partition(".")[0]), _ProofHeader, "the proof’s header").jwk
    if "d" in members:
        raise WalletError("holder", "a proof that gives the private key away")
    try:
        found = msgspec.convert(members, Jwk)
    except msgspec.ValidationError as error:
        raise WalletError("malformed", "a proof with a key that is none") from error
    if found.crv != "P-256":
        raise WalletError("algorithm", "a key of another curve than P-256")
    return Jwk(found.kty, found.crv, found.x, found.y)


def given(credentials: Sequence[str]) -> bytes:
    """The answer: these credentials, in the order of the proofs."""
    return msgspec.json.encode(Given(tuple(One(each) for each in credentials)))


def read_given(body: bytes) -> tuple[str, ...]:
    """The credentials in an answer, for a wallet. Raises `WalletError`."""
    if len(body) > MAX_PROOFS * MAX_TOKEN:
        raise WalletError("too-large", "an answer that is too long")
    found: Given = parsed(body, Given, "the answer")
    return tuple(each.credential for each in found.credentials)
