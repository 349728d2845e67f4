"""A traveller's wallet, and what else stands outside: tokens, answers to gates, frames, all sealed as the real ones are."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_bytes
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from egide.border.room.messages import IssuerKey, StatusToken
from egide.border.room.sealed import opened, sealed
from egide.border.token.claims import Claims
from egide.border.token.container import document_hash
from egide.border.token.profile import QUERY, Issued, Slot, Terms, issue_batch
from egide.protocols.sdjwt.present import present
from egide.protocols.sdjwt.signing import Signer, jwk_of, kid_of, local
from egide.protocols.sdjwt.statuslist import StatusList
from egide.protocols.vapid import encoded

URI = "https://issuer.example/status/1"
FLIGHT, NAME, NATIONALITY = "EG 271", "ERIKSSON CANARY", "UTO"
SOD = b"CANARY-SOD-8675309"


class Token(msgspec.Struct):
    """A token as a wallet holds it."""

    issued: Issued
    sign: Any
    secret: bytes

    def answer(
        self, key: dict[str, str], nonce: str, state: str, client: str, claims: tuple[str, ...], now: int
    ) -> bytes:
        """What the wallet posts, sealed to the room's key."""
        shown = present(self.issued.credential, claims, nonce, client, self.sign, now)
        told = {"vp_token": {QUERY: [shown]}, "state": state, "egide_secret": encoded(self.secret)}
        return urlencode({"response": sealed(msgspec.json.encode(told), key)}).encode()


class Authority:
    """An issuer with its key and its status list."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.sign: Signer = local(key)
        self.kid = kid_of(key.public_key())
        jwk = jwk_of(key.public_key())
        self.key = IssuerKey(self.kid, jwk.x, jwk.y)
        self.statuses = StatusList(1, 1024)

    def list_at(self, now: int) -> StatusToken:
        return StatusToken(URI, self.kid, self.statuses.token(URI, self.sign, now, ttl=60, life=86_400, kid=self.kid))

    def token(
        self, now: int, claims: tuple[str, ...] = ("flight",), place: int = 7, control: str = "security"
    ) -> Token:
        """A token for a new key of a wallet."""
        holder, secret = ec.generate_private_key(ec.SECP256R1()), token_bytes(16)
        slot = Slot(
            control=control, claims=claims, holder=jwk_of(holder.public_key()), place=place, face_t=token_bytes(128),
            doc_hash=document_hash(SOD, secret),
        )  # fmt: skip
        terms = Terms(issuer="https://issuer.example", kid=self.kid, status=URI, until=now + 86_400)
        who = Claims(flight=FLIGHT, doc_ok=True, nationality=NATIONALITY, name=NAME)
        return Token(issue_batch(terms, who, (slot,), self.sign, token_bytes(32))[0], local(holder), secret)


class Tablet:
    """An officer's tablet: a key of its own."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256")
        self.jwk = {name: str(value) for name, value in self._key.as_dict(private=False).items()}

    def open(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(opened(text, self._key))
        return found

    def open_list(self, text: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = msgspec.json.decode(opened(text, self._key))
        return found


def frame(data: bytes, key: dict[str, str], at_ms: int = 0) -> str:
    """A gate's frame, sealed to the room."""
    return sealed(at_ms.to_bytes(4, "big") + data, key)


def values(told: Any) -> Iterator[str | bytes]:
    """Every value in what is said, whatever it stands in."""
    if isinstance(told, dict):
        for each in told.values():
            yield from values(each)
    elif isinstance(told, list):
        for each in told:
            yield from values(each)
    else:
        yield told if isinstance(told, bytes) else str(told)
