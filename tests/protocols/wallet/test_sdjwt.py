"""Presented credentials: those of an issuer and holder written by others are accepted, and what does not hold is refused.

The peer is sd-jwt, the reference implementation of the specification's authors (over jwcrypto): issuer and holder are theirs
here, in their words; only the header's type and chain are given to it.
"""

from __future__ import annotations

import os
from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey
from jwcrypto.jwk import JWK
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

from egide.exercise import pid
from egide.exercise.idp_people import RESIDENTS
from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.openid4vp import CLAIMS
from egide.protocols.wallet.sdjwt import MAX_AGE_S, MAX_DISCLOSURES, SKEW_S, Asked, Issuer, Opening, verified
from egide.protocols.wallet.statuslist import check
from egide.protocols.wallet.tokens import keys

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
AUTHORITY, OTHER = pid.Issuer.drawn(), pid.Issuer.drawn()
HOLDER, THIEF = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
NOW = int(AUTHORITY.chain[0].not_valid_before_utc.timestamp()) + 3600  # now
ASKED = Asked(nonce="n" * 43, audience="x509_san_dns:egide.example", claims=CLAIMS)
TRUSTED = Issuer(name="T", vct=(pid.VCT,), level=4, anchors=(AUTHORITY.chain[1],))
STATUS = "https://issuer.example/status"
ALIX = RESIDENTS[0]


def made(*, issuer: pid.Issuer = AUTHORITY, names: tuple[str, ...] = CLAIMS, **how: Any) -> str:
    """A presentation by our own exercise, right unless told otherwise."""
    binding = {name: how.pop(name) for name in ("nonce", "audience", "at", "holder") if name in how}
    signed, disclosures = issuer.credential(ALIX, HOLDER, issued=how.pop("issued", NOW - 60), **how)
    bound = {"holder": HOLDER, "nonce": ASKED.nonce, "audience": ASKED.audience, "at": NOW} | binding
    holder = bound.pop("holder")
    return pid.presentation(signed, [disclosures[name] for name in names], holder, **bound)


def peers(claims: dict[str, Any], shown: dict[str, Any], **head: Any) -> str:
    """A presentation by the peer's issuer and holder."""
    issuer_key = JWK.from_pem(AUTHORITY.key.as_pem(private=True))
    holder_key = JWK.from_pem(HOLDER.as_pem(private=True))
    x5c = [b64encode(AUTHORITY.chain[0].public_bytes(Encoding.DER)).decode()]
    issued = SDJWTIssuer(
        claims, issuer_key, holder_key, add_decoy_claims=True,
        extra_header_parameters={"typ": "dc+sd-jwt", "x5c": x5c} | head,
    ).sd_jwt_issuance  # fmt: skip
    holder = SDJWTHolder(issued)
    holder.create_presentation(shown, ASKED.nonce, ASKED.audience, holder_key)
    return str(holder.sd_jwt_presentation)


def claimed(**more: Any) -> dict[str, Any]:
    return {
        "iss": "https://pid.exercise.example", "vct": pid.VCT, "iat": NOW - 60, "exp": NOW + 3600, SDObj("family_name"): "Ben Salah",
        SDObj("given_name"): "Nour", SDObj("birthdate"): "2001-02-09",
    } | more  # fmt: skip


def now_of(text: str) -> int:
    """The peer's key binding says the machine's own time: the time of judging is taken from it."""
    body = text.rpartition("~")[2].split(".")[1]
    return int(msgspec.json.decode(decoded(body))["iat"])


def why(text: str, issuers: tuple[Issuer, ...] = (TRUSTED,), now: int = NOW) -> str:
    with pytest.raises(WalletError) as caught:
        verified(text, issuers, ASKED, now)
    assert "Marchand" not in str(caught.value)
    return caught.value.why


# -- by others -------------------------------------------------------------------------------------------------------------


def test_the_peers_credential_is_accepted_with_what_was_asked_alone() -> None:
    address = {SDObj("locality"): "Rennes", "country": "FR"}
    text = peers(
        claimed(nationalities=[SDObj("FR"), SDObj("TN")], address=address),
        {"family_name": True, "given_name": True, "birthdate": True, "nationalities": [True, False], "address": {"locality": True}},
    )  # fmt: skip
    found = verified(text, (TRUSTED,), ASKED, now_of(text))
    assert found.claims == {"family_name": "Ben Salah", "given_name": "Nour", "birthdate": "2001-02-09"}
    assert (found.issuer.level, found.vct, found.status) == (4, pid.VCT, None)


def test_what_the_peer_leaves_undisclosed_is_missing() -> None:
    text = peers(claimed(), {"family_name": True})
    assert why(text, now=now_of(text)) == "claim"


def test_ours_is_accepted_by_the_peer() -> None:
    text = made()
    verifier = SDJWTVerifier(
        text, lambda _issuer, _head: JWK.from_pem(AUTHORITY.key.as_pem(private=False)), ASKED.audience, ASKED.nonce
    )
    told = verifier.get_verified_payload()
    assert {name: told[name] for name in CLAIMS} == verified(text, (TRUSTED,), ASKED, NOW).claims


def test_where_the_peer_says_nothing_of_time_or_type_we_refuse() -> None:
    """Why it is a peer and not our verifier: it looks at no `exp`, `nbf`, `iat` or `typ`."""
    for change, expected in (
        ({"exp": NOW - 3600}, "expired"), ({"nbf": NOW + 90_000_000}, "too-early"), ({"vct": "urn:other:1"}, "vct"),
    ):  # fmt: skip
        text = peers(claimed(**change), dict.fromkeys(CLAIMS, True))
        SDJWTVerifier(text, lambda *_: JWK.from_pem(AUTHORITY.key.as_pem()), ASKED.audience, ASKED.nonce)
        assert why(text, now=now_of(text)) == expected
    text = peers(claimed(), dict.fromkeys(CLAIMS, True), typ="JWT")
    SDJWTVerifier(text, lambda *_: JWK.from_pem(AUTHORITY.key.as_pem()), ASKED.audience, ASKED.nonce)
    assert why(text, now=now_of(text)) == "type"


# -- whose, when, to whom ----------------------------------------------------------------------------------------------------


def test_each_thing_that_does_not_hold() -> None:
    assert verified(made(), (TRUSTED,), ASKED, NOW).claims["family_name"] == "Marchand"
    assert why(made(issuer=OTHER)) == "certificate"
    assert why(made(), (msgspec.structs.replace(TRUSTED, issuer="https://another.example"),)) == "issuer"
    assert why(made(), ()) == "vct"
    assert why(made(vct="urn:other:1")) == "vct"
    assert why(made(nonce="m" * 43)) == "nonce"
    assert why(made(audience="x509_san_dns:another.example")) == "audience"
    assert why(made(holder=THIEF)) == "holder"
    assert why(made(at=NOW - MAX_AGE_S - SKEW_S - 1)) == "expired"
    assert why(made(at=NOW + SKEW_S + 1)) == "too-early"
    assert why(made(issued=NOW - pid.LIFE_S - SKEW_S)) == "expired"
    assert why(made(issued=NOW + SKEW_S + 1)) == "too-early"
    assert why(made(names=("family_name",))) == "claim"
    after = int(AUTHORITY.chain[0].not_valid_after_utc.timestamp()) + 1
    assert why(made(issued=after - 60, at=after), now=after) == "certificate"


def test_disclosures_are_only_what_the_issuer_signed_once() -> None:
    signed, given = AUTHORITY.credential(ALIX, HOLDER, issued=NOW - 60)
    _other, others = AUTHORITY.credential(RESIDENTS[1], HOLDER, issued=NOW - 60)

    def show(disclosures: list[str]) -> str:
        return pid.presentation(signed, disclosures, HOLDER, nonce=ASKED.nonce, audience=ASKED.audience, at=NOW)

    right = [given[name] for name in CLAIMS]
    altered = pid.encoded(msgspec.json.encode(["salt", "family_name", "Autre"]))
    for wrong in (
        [altered, *right[1:]], [*right, altered], [*right, right[0]], [*right, others["family_name"]], [*right, "!!"],
        [*right, pid.encoded(b"[]")], [*right, pid.encoded(b'["s", "...", 1]')], [*right, pid.encoded(b'["s", "_sd", 1]')],
        [*right, pid.encoded(b"[" * 5000)],
    ):  # fmt: skip
        assert why(show(wrong)) == "disclosure", wrong
    assert why(show(["x"] * (MAX_DISCLOSURES + 1))) == "too-large"
    assert verified(show(right[::-1]), (TRUSTED,), ASKED, NOW).claims["birthdate"] == ALIX.birthdate


def test_a_binding_is_over_this_presentation() -> None:
    more, less = made(names=(*CLAIMS, "nationalities")), made()
    assert why(more.rpartition("~")[0] + "~" + less.rpartition("~")[2]) == "hash"
    assert why(less.rpartition("~")[0] + "~") == "holder"
    assert why(less.partition("~")[0]) == "malformed"


def body_of(text: str) -> dict[str, Any]:
    return dict(msgspec.json.decode(decoded(text.split(".")[1])))


def resigned(change: dict[str, Any], head: dict[str, Any] | None = None) -> str:
    """A credential whose signed part says something else, right in all the rest."""
    signed, given = AUTHORITY.credential(ALIX, HOLDER, issued=NOW - 60)
    body = {name: value for name, value in (body_of(signed) | change).items() if value is not None}
    said = msgspec.json.decode(decoded(signed.split(".")[0])) | (head or {})
    again = jws.serialize_compact(said, msgspec.json.encode(body), AUTHORITY.key, registry=_Wide())
    shown = [given[name] for name in CLAIMS]
    return pid.presentation(again, shown, HOLDER, nonce=ASKED.nonce, audience=ASKED.audience, at=NOW)


class _Wide(jws.JWSRegistry):
    max_header_length = 16 * 1024

    def __init__(self) -> None:
        super().__init__(algorithms=["ES256"], strict_check_header=False)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"exp": None}, "malformed"), ({"exp": "soon"}, "malformed"), ({"cnf": None}, "malformed"), ({"cnf": {"jwk": {"kty": "oct", "k": "x"}}}, "malformed"),
        ({"_sd_alg": "md5"}, "algorithm"), ({"_sd": "x"}, "malformed"), ({"_sd": [1]}, "disclosure"), ({"_sd": ["x", "x"]}, "disclosure"),
        ({"...": "x"}, "disclosure"), ({"family_name": "Autre"}, "disclosure"), ({"nbf": NOW + 3600}, "too-early"), ({"vct": 5}, "malformed"),
        ({"status": {"other": 1}}, "status"), ({"nationalities": [{"...": 1}]}, "disclosure"),
    ],
)  # fmt: skip
def test_what_an_issuer_may_not_sign(change: dict[str, Any], expected: str) -> None:
    assert why(resigned(change)) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ({"typ": "vc+sd-jwt"}, "type"), ({"x5c": []}, "issuer"), ({"x5c": ["AAAA"]}, "certificate"), ({"x5c": ["!"]}, "certificate"),
        ({"x5c": ["AAAA"] * 9}, "certificate"),
    ],
)  # fmt: skip
def test_what_a_header_may_not_say(head: dict[str, Any], expected: str) -> None:
    assert why(resigned({}, head)) == expected


def test_fixed_claims_are_never_disclosures() -> None:
    """A wallet that could leave `exp` or `status` out, or add another key, would decide itself how long and whose it is."""
    for name in ("exp", "vct", "cnf", "status", "iss", "nbf"):
        disclosure = pid.encoded(msgspec.json.encode(["salt", name, 1]))
        with pytest.raises(WalletError, match="may not be left out"):
            Opening([disclosure], sha256).claims({"_sd": [pid.hashed(disclosure)]})


def test_none_and_hmac_are_no_algorithms() -> None:
    """CVE-2015-9235: the public key as the secret of an HMAC; and no signature at all."""
    text = made()
    token, _, rest = text.partition("~")
    _head, body, _signature = token.split(".")
    x5c = [b64encode(AUTHORITY.chain[0].public_bytes(Encoding.DER)).decode()]
    for algorithm in ("none", "HS256", "ES384"):
        head = pid.encoded(msgspec.json.encode({"alg": algorithm, "typ": "dc+sd-jwt", "x5c": x5c}))
        assert why(f"{head}.{body}.{pid.encoded(b'x' * 32)}~{rest}") == "algorithm"


def test_a_key_set_instead_of_a_chain() -> None:
    jwk = {**AUTHORITY.key.as_dict(private=False), "kid": "one"}
    found = keys(
        msgspec.json.encode(
            {"keys": [{"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, jwk]}
        )
    )
    assert [key.kid for key in found] == ["one"]
    trusted = Issuer(name="K", vct=(pid.VCT,), level=3, issuer="https://pid.exercise.example", keys=found)
    text = resigned({}, {"x5c": [], "kid": "one"})
    assert verified(text, (TRUSTED, trusted), ASKED, NOW).issuer.level == 3
    assert why(resigned({}, {"x5c": [], "kid": "two"}), (trusted,)) == "issuer"
    assert why(made(), (trusted,)) == "issuer"  # a chain, where no anchor stands
    for junk in (b"", b"[]", b"{" * 9000, b'{"keys": 1}', b"x" * 70_000):
        with pytest.raises(WalletError):
            keys(junk)


def test_two_issuers_under_one_anchor_have_each_their_own_level() -> None:
    low = msgspec.structs.replace(TRUSTED, vct=("urn:low:1",), level=2)
    assert verified(made(), (low, TRUSTED), ASKED, NOW).issuer.level == 4
    assert verified(made(vct="urn:low:1"), (TRUSTED, low), ASKED, NOW).issuer.level == 2


# -- revoked ----------------------------------------------------------------------------------------------------------------


def test_the_status_list_decides() -> None:
    now = now_of(made(at=None))
    for place, expected in ((pid.VALID, ""), (pid.REVOKED, "revoked"), (100_000, "status"), (-1, "status")):
        found = verified(made(status=(STATUS, place)), (TRUSTED,), ASKED, NOW)
        assert found.status is not None
        token = AUTHORITY.status_list(STATUS)
        if expected:
            with pytest.raises(WalletError) as caught:
                check(token, found.status, TRUSTED, now)
            assert caught.value.why == expected
        else:
            check(token, found.status, TRUSTED, now)
    found = verified(made(status=(STATUS, 0)), (TRUSTED,), ASKED, NOW)
    assert found.status is not None
    for token, at in (
        (OTHER.status_list(STATUS), now), (AUTHORITY.status_list("https://another.example"), now),
        (AUTHORITY.status_list(STATUS), now + 9000), (made(), now), ("", now), ("x" * 3_000_000, now),
    ):  # fmt: skip
        with pytest.raises(WalletError) as caught:
            check(token, found.status, TRUSTED, at)
        assert caught.value.why == "status"
    unasked = msgspec.structs.replace(TRUSTED, status=False)
    assert verified(made(status=(STATUS, 0)), (unasked,), ASKED, NOW).status is None


# -- anything at all ----------------------------------------------------------------------------------------------------------

RIGHT = made()


@CASES
@given(st.text(max_size=400) | st.binary(max_size=400).map(lambda data: data.decode("latin-1")))
def test_anything_is_refused_in_one_word(text: str) -> None:
    with pytest.raises(WalletError):
        verified(text, (TRUSTED,), ASKED, NOW)


@CASES
@given(st.integers(0, len(RIGHT) - 1), st.characters(codec="ascii"), st.booleans())
def test_one_changed_letter_is_refused_or_changes_nothing(place: int, letter: str, cut: bool) -> None:
    """A letter at the end of a base64url text may hold bits that say nothing; everything else is seen."""
    text = RIGHT[:place] + letter + RIGHT[place + (not cut) :]
    try:
        found = verified(text, (TRUSTED,), ASKED, NOW)
    except WalletError:
        return
    assert found.claims == verified(RIGHT, (TRUSTED,), ASKED, NOW).claims


@CASES
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["_sd", "...", "a", "vct"]), inner, max_size=4),
        max_leaves=20,
    ),
    st.lists(st.text(alphabet="abcdefgh", max_size=12), max_size=4),
)  # fmt: skip
def test_any_body_and_any_disclosures_end_in_claims_or_a_word(value: Any, disclosures: list[str]) -> None:
    try:
        Opening(disclosures, sha256).claims({"x": value})
    except WalletError:
        return
