"""An issuer, a gate, a thief and travellers with six tokens each; what they make when all is right."""

from __future__ import annotations

from secrets import token_bytes
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)

from egide.border.token.answer import seal
from egide.border.token.claims import SPARE, Claims, controls
from egide.border.token.container import document_hash
from egide.border.token.profile import Issued, Slot, Terms, end, issue_batch, trusted
from egide.border.token.question import Question, ask, read
from egide.protocols.sdjwt.freshness import StatusLists
from egide.protocols.sdjwt.present import present
from egide.protocols.sdjwt.signing import jwk_of, kid_of, local
from egide.protocols.sdjwt.statuslist import StatusList, draw_places
from egide.protocols.wallet.sdjwt import Asked

ISSUER, OTHER, GATE, THIEF = (generate_private_key(SECP256R1()) for _ in range(4))
ISS, URI = "https://airport.example", "https://airport.example/status/1"
NOW = 1_800_000_000
UNTIL = end(NOW + 7200)
SIZE = 1_000_000  # tokens in the list
PLAN = {
    "bag-drop": ("flight",), "security": ("flight",), "border": ("doc_ok", "nationality", "name", "face_t", "doc_hash"),
    "boarding": ("flight", "doc_ok", "face_t"), "spare-1": ("journey_id", "flight", "doc_ok", "face_t"),
    "spare-2": ("flight", "doc_ok", "face_t"),
}  # fmt: skip
TRUSTED = trusted("airport", ISS, ISSUER.public_key())
TERMS = Terms(issuer=ISS, kid=kid_of(ISSUER.public_key()), status=URI, until=UNTIL)
CLIENT, NONCE = "x509_hash:gate", "n" * 43


def named(control: str) -> str:
    """What the token says: both spares say the same."""
    return SPARE if control.startswith(SPARE) else control


class Traveller:
    """Somebody with a document, six keys and six secrets, and the tokens made for them."""

    def __init__(self, name: str = "MARCHAND<<ALIX", flight: str = "AF 1234", nationality: str = "FRA") -> None:
        self.keys = {control: generate_private_key(SECP256R1()) for control in PLAN}
        self.secrets = {control: token_bytes(16) for control in PLAN}
        self.sod = token_bytes(900)
        self.said = Claims(flight=flight, doc_ok=True, nationality=nationality, name=name)
        self.tokens = dict(zip(PLAN, self.issued(), strict=True))

    def slots(self) -> list[Slot]:
        places = draw_places(len(PLAN), SIZE, lambda _place: False)
        return [
            Slot(
                control=named(control), claims=claims, holder=jwk_of(self.keys[control].public_key()), place=place, face_t=token_bytes(128),
                doc_hash=document_hash(self.sod, self.secrets[control]),
            )
            for place, (control, claims) in zip(places, PLAN.items(), strict=True)
        ]  # fmt: skip

    def issued(self, terms: Terms = TERMS, signer: EllipticCurvePrivateKey = ISSUER) -> list[Issued]:
        return issue_batch(terms, self.said, self.slots(), local(signer), token_bytes(32))

    def shown(self, control: str, **how: Any) -> str:
        """A presentation of all that the control asks, right unless told otherwise."""
        credential = how.pop("credential", self.tokens[control].credential)
        said = {
            "shown": PLAN[control], "nonce": NONCE, "audience": CLIENT, "signer": local(self.keys[control]), "now": NOW,
        } | how  # fmt: skip
        return present(credential, **said)

    def sealed(self, control: str, question: Question, **how: Any) -> bytes:
        said = {
            "token": self.tokens[control].cwt, "secret": self.secrets[control], "signer": local(self.keys[control]),
        } | how  # fmt: skip
        return seal(question, **said)


def asked(control: str = "boarding", at: str = "") -> Asked:
    """What this control asks; `at`: the point where it is asked, its own unless told otherwise."""
    return Asked(nonce=NONCE, audience=CLIENT, claims=PLAN[control], control=controls(at or named(control)))


def verifiers(kid: str) -> EllipticCurvePublicKey | None:
    """The wallet's copy of the trust list: one gate."""
    return GATE.public_key() if kid == kid_of(GATE.public_key()) else None


def questioned(
    control: str = "boarding", claims: tuple[str, ...] | None = None, at: int = NOW
) -> tuple[Question, EllipticCurvePrivateKey]:
    """(a question as the wallet read it, the gate's key for the answer)."""
    private = generate_private_key(SECP256R1())
    asked_for = PLAN[control] if claims is None else claims
    data = ask(control, asked_for, GATE.public_key(), local(GATE), private.public_key(), at)
    return read(data, verifiers, at), private


def lists(revoked: tuple[int, ...] = (), at: int = NOW) -> StatusLists:
    """The gate's lists: these places revoked."""
    made = StatusList(1, SIZE)
    for each in revoked:
        made.set(each)
    held = StatusLists()
    held.put(made.token(URI, local(ISSUER), at, ttl=60, life=7200, kid=TERMS.kid), URI, TRUSTED, at)
    return held
