"""The tokens: made in the room from the chip's data and the face that stands there, sealed to the wallet.

The wallet's keys (with their proofs) and its secrets come sealed; each token's template is turned by its own secret and no
other. The issuer's key stays with the parent, which signs SHA-256 digests and sees no claim. The journey's pseudonyms are made
with a key that is forgotten here, so that nobody can tell two tokens of one journey, not even the issuer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import token_bytes

import msgspec
from joserfc.jwk import ECKey

from egide.border.face.compare import Comparison, OperatingPoint, Reference, compare, enrol_each
from egide.border.face.engine import Engine, Image
from egide.border.face.quality import Demands
from egide.border.room.messages import Issue
from egide.border.room.reading import Document
from egide.border.room.sealed import opened, sealed
from egide.border.token.claims import SECRET_BYTES, Claims
from egide.border.token.container import document_hash
from egide.border.token.profile import CONFIGURATION, Slot, Terms, issue_batch
from egide.protocols.openid4vci import Proofs, Wanted, proved
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.errors import WalletError

JOURNEY_KEY_BYTES = 32


class Asking(msgspec.Struct, forbid_unknown_fields=True):
    """What the wallet sealed: the key to seal the tokens to (a JWK), a proof and a secret for each token, the flight.

    `templates`: the wallet's own, computed on the device, base64url, "" for a token without a face; none: the room makes them.
    """

    wallet: dict[str, str]
    proofs: tuple[str, ...]
    secrets: tuple[str, ...]
    flight: str
    templates: tuple[str, ...] = ()


class Made(msgspec.Struct):
    """One token as the wallet gets it: both forms, and for which control."""

    control: str
    credential: str
    cwt: str


def issue(
    message: Issue,
    private: ECKey,
    nonce: str,
    document: Document,
    pictures: Sequence[Image],
    made: Engine,
    sign: Callable[[bytes], bytes],
) -> str:
    """The tokens, sealed to the wallet. Raises `WalletError`, `SealError`, `ValueError`, `BadInput`."""  # fmt: skip
    asking = msgspec.json.decode(opened(message.sealed, private), type=Asking)
    if not len(asking.proofs) == len(asking.secrets) == len(message.controls) == len(message.places):
        raise WalletError("malformed", "not one proof, secret and place for each token")
    holders = proved(Wanted(CONFIGURATION, Proofs(asking.proofs)), message.issuer, nonce, message.now)
    secrets = [decoded(text) for text in asking.secrets]
    if any(len(secret) != SECRET_BYTES for secret in secrets) or len(set(secrets)) != len(secrets):
        raise WalletError("malformed", "secrets that are none, or one for two tokens")
    templates = asking.templates or ("",) * len(secrets)
    wanted = [
        (secret, given)
        for (_control, claims), secret, given in zip(message.controls, secrets, templates, strict=True)
        if "face_t" in claims
    ]
    faces = _templates(pictures, made, wanted)
    slots = [
        Slot(
            control=control, claims=claims, holder=holder, place=place,
            face_t=faces[secret] if "face_t" in claims else None,
            doc_hash=document_hash(document.sod, secret) if "doc_hash" in claims else None,
        )
        for (control, claims), holder, place, secret in zip(
            message.controls, holders, message.places, secrets, strict=True
        )
    ]  # fmt: skip
    zone = document.zone
    who = Claims(
        flight=asking.flight, doc_ok=document.verdict == "proved", nationality=zone.nationality,
        name=f"{zone.surname} {zone.given}".strip(),
    )  # fmt: skip
    terms = Terms(issuer=message.issuer, kid=message.kid, status=message.uri, until=message.until)
    issued = issue_batch(terms, who, slots, sign, token_bytes(JOURNEY_KEY_BYTES))
    told = [Made(each.control, each.credential, encoded(each.cwt)) for each in issued]
    return sealed(msgspec.json.encode(told), asking.wallet)


def _templates(pictures: Sequence[Image], made: Engine, wanted: Sequence[tuple[bytes, str]]) -> dict[bytes, bytes]:
    """A template under each secret: the wallet's own, where it is of who stands here; else made here, of one measure."""
    found: dict[bytes, bytes] = {secret: _own(pictures, made, secret, given) for secret, given in wanted if given}
    missing = [secret for secret, given in wanted if not given]
    if missing:
        measured = enrol_each(pictures, made, missing, Demands())
        if isinstance(measured, Comparison):
            raise WalletError("claim", "no face that could be measured")
        found |= {bytes(each.secret): bytes(each.template) for each in measured}
    return found


def _own(pictures: Sequence[Image], made: Engine, secret: bytes, given: str) -> bytes:
    template = decoded(given)
    point = OperatingPoint(frames=len(pictures))
    if compare(Reference(template, secret, made.model), pictures, made, point).band != "match":
        raise WalletError("claim", "a template of somebody else")
    return template
