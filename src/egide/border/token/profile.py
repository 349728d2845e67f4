"""EGIDE-BT-1: one single-use token for each control, and nothing in two of them by which they could be told to be one person's.

Each token has a key, salts, a place in the status list, a template, a document digest and a journey pseudonym of its own; what
all travellers of a flight share (issuer, kind, end, address of the list) is the same for all. It holds the claims that its
control asks, and says which control that is, for a gate must refuse a token that was meant for another; the spares say `spare`.
Decoys fill up to one number, so that a spare does not tell by its size what its traveller agreed to. There is no date of issue:
the batch would be known by its second.

The form for the network is an SD-JWT VC; the form for a picture is a CWT (RFC 8392) in a COSE_Sign1 over the same claims:

    {1: iss, 4: exp, 8: {1: key}, 11: vct, 65535: {"status_list": {"idx", "uri"}}, -65537: {label: claim}, -65538: control}

1, 4, 8: RFC 8392 and 8747; 65535: Token Status List; -65537 and -65538: private use; 11 for `vct` is by this profile.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from secrets import token_bytes
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from egide.border.token.claims import CONTROL, JOURNEY_BYTES, NAMES, Claims, checked, from_cbor, to_cbor, to_json
from egide.kernel.errors import BadInput, Text
from egide.protocols import cose
from egide.protocols.sdjwt.issue import issue
from egide.protocols.sdjwt.signing import Signer, public_of, verifying
from egide.protocols.vapid import decoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import Issuer
from egide.protocols.wallet.tokens import Jwk

VCT = "urn:egide:border-token:1"
CONFIGURATION = "egide-border-token"  # as OpenID4VCI offers it
QUERY = "border"  # as OpenID4VP asks for it
FOR_TOKEN = b"EGIDE-BT-1 token"  # what a COSE_Sign1 is signed for: a proof is never taken for a token
DIGESTS = 8  # in every SD-JWT, decoys included; there are seven claims
MAX_BATCH = 16  # tokens: four controls and two spares are six
AFTER_S = 86_400  # s that a token outlives the departure: a delay, a night
HOUR_S = 3600
ISS, EXP, CNF, CLAIM_VCT, STATUS, PRIVATE, FOR = 1, 4, 8, 11, 65_535, -65_537, -65_538  # labels of the CWT
COSE_KEY = 1  # RFC 8747 §3.2
LEVEL = 4  # of `protocols/wallet`: the document was read and the face compared


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What all tokens of a flight share: who issues, under which key, the address of the status list, the end (s since 1970)."""

    issuer: str
    kid: str
    status: str
    until: int


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One token to be made: for which control, of which claims, for which key; what is of this token alone."""

    control: str  # the point's name, or claims.SPARE
    claims: tuple[str, ...]
    holder: Jwk
    place: int  # in the status list
    face_t: bytes | None = None
    doc_hash: bytes | None = None


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """One token, in both forms."""

    control: str
    credential: str
    cwt: bytes
    place: int

    def __repr__(self) -> str:
        """Nothing of the token: it is the traveller's."""
        return f"Issued({self.control!r})"


class Cwt(NamedTuple):
    """What a CWT says, once its issuer is known to have signed it; `claims` by name."""

    issuer: str
    until: int
    holder: EllipticCurvePublicKey
    vct: str
    place: int
    status: str
    claims: dict[str, Any]
    control: str


def end(departure: int) -> int:
    """When the tokens of a flight end, at the full hour before a day after departure (s since 1970)."""
    return (departure + AFTER_S) // HOUR_S * HOUR_S


def trusted(name: str, issuer: str, key: EllipticCurvePublicKey) -> Issuer:
    """An issuer of border tokens, as the verifiers take it; `issuer`: what `iss` must say."""
    return Issuer(name=name, vct=(VCT,), level=LEVEL, issuer=issuer, keys=(verifying(key),))


def journey_pseudonym(journey_key: bytes, number: int) -> bytes:
    """The journey's name in its token of this number: 12 bytes, which only who holds the journey's key can tell to be related."""
    return hmac.digest(journey_key, b"EGIDE-BT-1 journey" + number.to_bytes(2, "big"), "sha256")[:JOURNEY_BYTES]


def issue_batch(
    terms: Terms,
    traveller: Claims,
    slots: Sequence[Slot],
    signer: Signer,
    journey_key: bytes,
    draw: Callable[[int], bytes] = token_bytes,
) -> list[Issued]:
    """One token for each slot, in their order; two of a batch have nothing in common that is the traveller's alone.

    `traveller`: flight, doc_ok, nationality and name as enrolment found them; `journey_key`: 32 random bytes, kept sealed by the
    issuer as long as it must know the journey again. Raises `BadInput` where two slots share a key, a place, a template or a
    digest, or a claim is missing or of another form.
    """
    if not 0 < len(slots) <= MAX_BATCH:
        raise _refused("un lot compte de 1 à 16 jetons", "a batch is of 1 to 16 tokens")
    own: tuple[list[Any], ...] = (
        [(each.holder.x, each.holder.y) for each in slots],
        [each.place for each in slots],
        [each.face_t for each in slots if each.face_t is not None],
        [each.doc_hash for each in slots if each.doc_hash is not None],
    )
    if any(len(set(values)) != len(values) for values in own):
        raise _refused(
            "deux jetons ont en commun ce qui doit leur être propre", "two tokens share what each must have alone"
        )
    try:
        return [
            _issued(terms, _of_slot(traveller, slot, journey_pseudonym(journey_key, number)), slot, signer, draw)
            for number, slot in enumerate(slots)
        ]
    except WalletError as error:
        raise _refused(
            "une donnée manque ou n’a pas la forme voulue", f"a value is missing or of another form ({error.why})"
        ) from error


def read_cwt(data: bytes, issuers: Sequence[Issuer]) -> tuple[Cwt, Issuer]:
    """(what it says, who signed it): the issuer's signature holds; end, holder and status are the caller's to check.

    Raises `WalletError` (malformed, too-large, algorithm, issuer, vct, signature, claim).
    """
    try:
        signed = cose.read1(data)
        told = _told(cose.decode(signed.payload or b""))
        if told.vct != VCT:
            raise WalletError("vct", "a credential of a kind that was not asked for")
        for issuer in issuers:
            for key in issuer.keys if issuer.issuer in ("", told.issuer) and VCT in issuer.vct else ():
                if signed.kid and decoded(key.kid) == signed.kid:
                    signed.verify(key.public, FOR_TOKEN)
                    return told, issuer
    except cose.CoseError as error:
        raise WalletError(error.why, "the token does not hold") from error
    raise WalletError("issuer", "nobody who is trusted here issued this")


def _of_slot(traveller: Claims, slot: Slot, journey: bytes) -> Claims:
    known = {name: getattr(traveller, name) for name in ("flight", "doc_ok", "nationality", "name")}
    own = {"journey_id": journey, "face_t": slot.face_t, "doc_hash": slot.doc_hash}
    return checked(
        {name: value for name, value in {**known, **own}.items() if name in slot.claims and value is not None}
    )


def _issued(terms: Terms, claims: Claims, slot: Slot, signer: Signer, draw: Callable[[int], bytes]) -> Issued:
    if unknown := set(slot.claims) - set(NAMES):
        raise WalletError("claim", f"no claims of a border token: {len(unknown)}")
    if not CONTROL.fullmatch(slot.control):
        raise WalletError("claim", "no name of a control")
    reference = {"status_list": {"idx": slot.place, "uri": terms.status}}
    visible = {"iss": terms.issuer, "vct": VCT, "exp": terms.until, "status": reference, "control": slot.control}
    shown = to_json(claims, slot.claims)
    credential = issue(visible, shown, slot.holder, signer, kid=terms.kid, decoys=DIGESTS - len(shown), draw=draw)
    body = {
        ISS: terms.issuer,
        EXP: terms.until,
        CNF: {COSE_KEY: cose.cose_key(public_of(slot.holder))},
        CLAIM_VCT: VCT,
        STATUS: reference,
        PRIVATE: to_cbor(claims, slot.claims),
        FOR: slot.control,
    }
    cwt = cose.sign1(cose.encode(body), signer, FOR_TOKEN, kid=decoded(terms.kid))
    return Issued(control=slot.control, credential=credential, cwt=cwt, place=slot.place)


def _told(body: Any) -> Cwt:
    match body:
        case {
            1: str(iss), 4: int(exp), 8: {1: key}, 11: str(vct), 65_535: {"status_list": {"idx": int(place), "uri": str(uri)}},
            -65_537: dict(said), -65_538: str(control),
        } if len(body) == 7 and not isinstance(exp, bool) and not isinstance(place, bool):  # fmt: skip
            return Cwt(iss, exp, cose.key_of(key), vct, place, uri, from_cbor(said), control)
        case _:
            raise WalletError("malformed", "not the claims of a border token")


def _refused(fr: str, en: str) -> BadInput:
    return BadInput(Text(f"Les jetons n’ont pas été émis : {fr}.", f"The tokens were not issued: {en}."))
