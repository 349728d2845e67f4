"""What a border token can say, in its two forms: names in JSON (SD-JWT VC), numbers in CBOR (CWT).

Every token says in the clear which control it is for: the name of the point, or that it is a spare, for any control whose claims
it holds. All travellers’ tokens for a control say the same there.

A gate gets the claims it asked for and no other. What comes from a token was signed by a trusted issuer and is checked all the
same: these values go into pages, comparisons and an officer's screen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.errors import WalletError

TEMPLATE_BYTES = 128  # int8, one for each number of the embedding (face/template.py)
DIGEST_BYTES = 32
JOURNEY_BYTES = 12
SECRET_BYTES = 16
# In the order of their labels in the CWT, from 1.
NAMES = ("journey_id", "flight", "doc_ok", "nationality", "name", "face_t", "doc_hash")
LABELS = {name: label for label, name in enumerate(NAMES, 1)}
BYTES = {"journey_id": JOURNEY_BYTES, "face_t": TEMPLATE_BYTES, "doc_hash": DIGEST_BYTES}  # base64url in JSON
NEEDS_SECRET = frozenset({"face_t", "doc_hash"})  # worth nothing without what only the wallet holds
FLIGHT = re.compile(r"[A-Z0-9]{2}[A-Z]? ?[0-9]{1,4}[A-Z]?")  # IATA Resolution 762: designator, number, suffix
NATIONALITY = re.compile(r"[A-Z]{1,3}")  # ICAO 9303-3 §5; Germany is D
CONTROL = re.compile(r"[a-z][a-z0-9-]{0,31}")  # a control point's name, as in border/points
SPARE = "spare"  # in place of one: a token for a control that must be made again
MAX_NAME = 80  # characters; an MRZ has 39 at most (ICAO 9303-4)


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What was disclosed; None: not asked for."""

    journey_id: bytes | None = None  # another in each token of a journey; no gate asks for it
    flight: str | None = None
    doc_ok: bool | None = None  # the travel document's chip was read and its signature held, at enrolment
    nationality: str | None = None
    name: str | None = None
    face_t: bytes | None = None  # 128 × int8, turned by the secret
    doc_hash: bytes | None = None  # container.document_hash

    def __repr__(self) -> str:
        """Nothing of the traveller: it ends in logs."""
        return "Claims(…)"


def checked(values: Mapping[str, Any]) -> Claims:
    """Claims of the right kinds. Raises `WalletError` (claim) with the name of the first that is not."""
    for name, value in values.items():
        if not _holds(name, value):
            raise WalletError(
                "claim", f"not a claim of a border token, or of another form: {name if name in LABELS else '?'}"
            )
    return Claims(**values)


def _holds(name: str, value: Any) -> bool:
    match name:
        case "journey_id" | "face_t" | "doc_hash":
            return isinstance(value, bytes) and len(value) == BYTES[name]
        case "flight":
            return isinstance(value, str) and FLIGHT.fullmatch(value) is not None
        case "nationality":
            return isinstance(value, str) and NATIONALITY.fullmatch(value) is not None
        case "name":
            return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable()
        case "doc_ok":
            return isinstance(value, bool)
        case _:
            return False


def controls(control: str) -> tuple[str, str]:
    """What a token may say where this control asks for it: the control's name, or that it is a spare."""
    return control, SPARE


def to_json(claims: Claims, names: Collection[str]) -> dict[str, Any]:
    """These claims as an SD-JWT VC discloses them."""
    return {name: encoded(value) if isinstance(value, bytes) else value for name, value in _chosen(claims, names)}


def to_cbor(claims: Claims, names: Collection[str]) -> dict[int, Any]:
    """These claims as a CWT holds them."""
    return {LABELS[name]: value for name, value in _chosen(claims, names)}


def from_json(values: Mapping[str, Any]) -> Claims:
    """The claims of an SD-JWT VC. Raises `WalletError` (claim)."""
    found = dict(values)
    for name in BYTES.keys() & found.keys():
        try:
            found[name] = decoded(found[name])
        except (ValueError, AttributeError) as error:
            raise WalletError("claim", f"a claim of another form: {name}") from error
    return checked(found)


def from_cbor(values: Any) -> dict[str, Any]:
    """The claims of a CWT by name, of the right kinds. Raises `WalletError` (claim)."""
    if not isinstance(values, dict) or not values.keys() <= set(LABELS.values()):
        raise WalletError("claim", "claims that are none of a border token")
    found = {NAMES[label - 1]: value for label, value in values.items()}
    checked(found)
    return found


def need_secret(claims: Claims, secret: bytes) -> None:
    """Raises `WalletError` (claim) unless the secret came with the claims that are worth nothing without it."""
    needed = any(getattr(claims, name) is not None for name in NEEDS_SECRET)
    if len(secret) not in ((SECRET_BYTES,) if needed else (0, SECRET_BYTES)):
        raise WalletError("claim", "what only the wallet holds did not come with the claims that need it")


def _chosen(claims: Claims, names: Collection[str]) -> list[tuple[str, Any]]:
    chosen = [(name, getattr(claims, name)) for name in NAMES if name in names]
    if missing := [name for name, value in chosen if value is None]:
        raise WalletError("claim", f"nothing is known for: {', '.join(missing)}")
    return chosen
