"""A presented credential: SD-JWT with key binding (RFC 9901), of type SD-JWT VC (`dc+sd-jwt`). Pure: bytes in, claims out.

    <issuer's JWT>~<disclosure>~…~<key binding JWT>

It is believed only where everything holds: an issuer whom the operator trusts signed it, each disclosure's digest stands once
in what was signed, it is of a kind that was asked for and in its time, and whoever presents it holds the key it was issued to
and answers this very request (nonce, audience, hash, minute). What was disclosed beyond the claims asked for is left where it
came.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256, sha384, sha512
from typing import Any

import msgspec
from cryptography import x509

from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet import chain
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.tokens import MAX_TOKEN, Header, Jwk, Key, Second, header, key_of, parsed, payload

TYPE, BINDING = "dc+sd-jwt", "kb+jwt"
SKEW_S = 60  # s that two clocks may differ
MAX_AGE_S = 300  # s since the wallet signed the key binding: as long as a request lives
MAX_DISCLOSURES = 64
MAX_DEPTH = 16  # objects in objects
# In this order, so that the digest of a presentation names its hash (RFC 9901 §4.1.1; IANA “Named Information Hash”).
HASHES: dict[str, Callable[[bytes], Any]] = {"sha-256": sha256, "sha-384": sha384, "sha-512": sha512}
# What a wallet must not be able to leave out or put in (SD-JWT VC, “Registered JWT Claims”).
FIXED = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status", "aud"})
RESERVED = ("_sd", "...")


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the operator trusts, for which kinds of credential, and what identity proved by them is worth (2 to 4)."""

    name: str
    vct: tuple[str, ...]
    level: int
    issuer: str = ""  # what `iss` must say; "": whatever the key or the certificate stands for
    anchors: tuple[x509.Certificate, ...] = ()
    keys: tuple[Key, ...] = ()
    status: bool = True  # whether a credential that names a status list is looked up there


class Reference(msgspec.Struct, frozen=True):
    """Where a credential's status stands: which bit field of which list (Token Status List)."""

    idx: int
    uri: str


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What was presented, proved: who issued it, and the claims that were asked for."""

    issuer: Issuer
    vct: str
    claims: dict[str, Any]
    holder: Jwk  # the key it was issued to
    until: float  # `exp`, s since 1970
    beyond: tuple[str, ...] = ()  # names of what was disclosed and not asked for; the values are dropped
    status: Reference | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the presentation must answer."""

    nonce: str
    audience: str  # our client id
    claims: tuple[str, ...]
    control: tuple[str, ...] = ()  # what `control` must say, one of these, in the clear; none: it is not looked at


class _Confirmation(msgspec.Struct, frozen=True):
    jwk: Jwk


class _Status(msgspec.Struct, frozen=True):
    status_list: Reference | None = None


class _Payload(msgspec.Struct, frozen=True, rename={"algorithm": "_sd_alg"}):
    vct: str
    cnf: _Confirmation
    exp: Second
    iss: str = ""
    nbf: Second = 0
    iat: Second = 0
    status: _Status | None = None
    algorithm: str = "sha-256"


class _Bound(msgspec.Struct, frozen=True):
    iat: Second
    aud: str
    nonce: str
    sd_hash: str


def verified(text: str, issuers: Sequence[Issuer], asked: Asked, now: int) -> Credential:
    """Verifies a presentation; `now` in s since 1970. Raises `WalletError`."""
    if len(text) > MAX_TOKEN or not text.isascii():
        raise WalletError("too-large", f"a presentation of more than {MAX_TOKEN} characters, or of odd ones")
    token, *rest = text.split("~")
    if not rest:
        raise WalletError("malformed", "not an SD-JWT")
    *disclosures, binding = rest
    if not binding:
        raise WalletError("holder", "nobody who holds the key presents it: the key binding is missing")
    body, issuer, told = _issued(token, issuers, now)
    hashed = HASHES.get(told.algorithm)
    if hashed is None:
        raise WalletError("algorithm", "disclosures hashed in a way that is not accepted")
    claims = Opening(disclosures, hashed).claims(body)
    _check_binding(binding, told.cnf.jwk, asked, _digest(hashed, text[: len(text) - len(binding)]), now)
    # As it was signed: what a wallet could leave out, or choose among, would say nothing.
    if asked.control and body.get("control") not in asked.control:
        raise WalletError("control", "a credential for another control")
    missing = [name for name in asked.claims if claims.get(name) in (None, "")]
    if missing:
        raise WalletError("claim", f"not disclosed: {', '.join(missing)}")
    reference = told.status.status_list if told.status is not None and issuer.status else None
    if told.status is not None and reference is None and issuer.status:
        raise WalletError("status", "a credential whose status is told in a way that we do not have")
    return Credential(
        issuer=issuer, vct=told.vct, claims={name: claims[name] for name in asked.claims}, holder=told.cnf.jwk, until=told.exp,
        beyond=tuple(sorted(claims.keys() - body.keys() - set(asked.claims))), status=reference,
    )  # fmt: skip


def _issued(token: str, issuers: Sequence[Issuer], now: int) -> tuple[dict[str, Any], Issuer, _Payload]:
    """(everything signed, by whom, what of it is checked here)."""
    said = header(token, TYPE)
    # Read before it is believed, only to know whose key it must be: one authority may issue several kinds, of several levels.
    told: _Payload = parsed(_middle(token), _Payload, "the credential")
    kinds = [each for each in issuers if told.vct in each.vct]
    if not kinds:
        raise WalletError("vct", "a credential of a kind that was not asked for")
    body, issuer = signed(token, said, [each for each in kinds if each.issuer in ("", told.iss)], now)
    if told.exp + SKEW_S <= now:
        raise WalletError("expired", "a credential that has expired")
    if max(told.nbf, told.iat) > now + SKEW_S:
        raise WalletError("too-early", "a credential of the future: a clock is wrong")
    return parsed(body, dict[str, Any], "the credential"), issuer, told


def signed(token: str, said: Header, issuers: Sequence[Issuer], now: int) -> tuple[bytes, Issuer]:
    """(what was signed, by which of the issuers). A chain is believed by its anchor, a bare key by its place in the key set."""
    why = WalletError("issuer", "nobody who is trusted here issued this")
    for issuer in issuers:
        if said.x5c and issuer.anchors:
            try:
                key, _certificate = chain.leaf(said.x5c, issuer.anchors, now)
            except WalletError as error:
                why = error
                continue
            return payload(token, said, key), issuer
        for key in issuer.keys if not said.x5c else ():
            if said.kid and key.kid and said.kid != key.kid:
                continue
            try:
                return payload(token, said, key), issuer
            except WalletError as error:
                why = error
    raise why


def _middle(token: str) -> bytes:
    try:
        return decoded(token.split(".")[1])
    except ValueError as error:
        raise WalletError("malformed", "a token that cannot be read") from error


class Opening:
    """The disclosures of a presentation, put back where the issuer left their digests (RFC 9901 §7.1)."""

    def __init__(self, disclosures: Sequence[str], hashed: Callable[[bytes], Any]) -> None:
        """Raises `WalletError` for what is no disclosure."""
        if len(disclosures) > MAX_DISCLOSURES:
            raise WalletError("too-large", f"more than {MAX_DISCLOSURES} disclosures")
        self._given: dict[str, list[Any]] = {}
        self._seen: set[str] = set()
        for each in disclosures:
            digest = _digest(hashed, each)
            if digest in self._given:
                raise WalletError("disclosure", "a disclosure that comes twice")
            self._given[digest] = _read(each)

    def claims(self, body: dict[str, Any]) -> dict[str, Any]:
        """What was signed, with what was disclosed of it. Raises `WalletError`."""
        body = {name: value for name, value in body.items() if name != "_sd_alg"}
        top = body.get("_sd")
        for digest in top if isinstance(top, list) else ():
            found = self._given.get(digest) if isinstance(digest, str) else None
            if found is not None and found[1] in FIXED:
                raise WalletError("disclosure", "a disclosure of what may not be left out")
        opened: dict[str, Any] = self._open(body, 0)
        if not self._given.keys() <= self._seen:
            raise WalletError("disclosure", "a disclosure that the issuer did not sign")
        return opened

    def _open(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise WalletError("too-large", f"a credential nested more than {MAX_DEPTH} deep")
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return self._array(value, depth)
        return value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        opened = {name: self._open(inner, depth + 1) for name, inner in value.items() if name != "_sd"}
        if "..." in opened:
            raise WalletError("disclosure", "a digest where none may stand")
        digests = value.get("_sd", [])
        if not isinstance(digests, list):
            raise WalletError("malformed", "digests that are no list")
        for digest in digests:
            found = self._take(digest)
            if found is None:
                continue
            if len(found) != 3 or found[1] in opened:
                raise WalletError("disclosure", "a disclosure that does not fit its place, or overwrites a claim")
            opened[found[1]] = self._open(found[2], depth + 1)
        return opened

    def _array(self, value: list[Any], depth: int) -> list[Any]:
        opened: list[Any] = []
        for each in value:
            if not (isinstance(each, dict) and each.keys() == {"..."}):
                opened.append(self._open(each, depth + 1))
                continue
            found = self._take(each["..."])
            if found is None:
                continue
            if len(found) != 2:
                raise WalletError("disclosure", "a disclosure that does not fit its place")
            opened.append(self._open(found[1], depth + 1))
        return opened

    def _take(self, digest: Any) -> list[Any] | None:
        """The disclosure of a digest; None where it was not disclosed."""
        if not isinstance(digest, str) or digest in self._seen:
            raise WalletError("disclosure", "a digest that is none, or stands twice")
        self._seen.add(digest)
        return self._given.get(digest)


def _read(disclosure: str) -> list[Any]:
    """[salt, name, value] of a claim, [salt, value] of an array's element."""
    try:
        found = msgspec.json.decode(decoded(disclosure))
    except (ValueError, RecursionError) as error:
        raise WalletError("disclosure", "a disclosure that cannot be read") from error
    if not isinstance(found, list) or len(found) not in (2, 3) or not isinstance(found[0], str):
        raise WalletError("disclosure", "a disclosure that is none")
    if len(found) == 3 and (not isinstance(found[1], str) or found[1] in RESERVED):
        raise WalletError("disclosure", "a disclosure of a claim without a name")
    return found


def _check_binding(token: str, holder: Jwk, asked: Asked, digest: str, now: int) -> None:
    try:
        said = header(token, BINDING)
        bound: _Bound = parsed(payload(token, said, key_of(holder)), _Bound, "the key binding")
    except WalletError as error:
        raise WalletError("holder", f"the key binding does not hold: {error}") from error
    if not hmac.compare_digest(bound.nonce.encode(), asked.nonce.encode()):
        raise WalletError("nonce", "a presentation that answers another request")
    if not hmac.compare_digest(bound.aud.encode(), asked.audience.encode()):
        raise WalletError("audience", "a presentation for somebody else")
    if not hmac.compare_digest(bound.sd_hash.encode(), digest.encode()):
        raise WalletError("hash", "a key binding over another presentation")
    if bound.iat > now + SKEW_S:
        raise WalletError("too-early", "a key binding of the future: a clock is wrong")
    if bound.iat < now - MAX_AGE_S - SKEW_S:
        raise WalletError("expired", f"a key binding older than {MAX_AGE_S} s")


def _digest(hashed: Callable[[bytes], Any], text: str) -> str:
    return encoded(hashed(text.encode("ascii")).digest())
