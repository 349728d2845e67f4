"""A gate's own copy of whom to trust: it goes on when the network is cut, for a bounded time, and never back to an older one.

The copy is signed by the gate's own authority, so that it may lie on a disk or be handed on by anybody. It holds keys and
digests of lists; a status list itself has its own, much shorter time (Token Status List, `ttl`).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from egide.border.ledger.model import Key, Ledger, Role, StatusDigest
from egide.kernel.errors import BadInput, Conflict, Text

MAX_AGE_S = (
    4 * 3600
)  # s a gate goes on with its copy: half a shift; a removed key is then unknown to it for that long at most
DRIFT_S = 10  # s that the clock of who signed may be ahead of the gate's
MAX_BYTES = 1 << 20  # bytes of a copy: some 4,000 keys
MAX_KEYS = 4096
SIGNATURE_BYTES = 64  # Ed25519
TRIES = 3  # readings until one is of one moment: keys change some times a day
DOMAIN = b"egide-trust-view-1\0"


class TrustView(msgspec.Struct, frozen=True):
    """The trust list as it was at `at` (s since 1970), at this revision and state of the ledger."""

    at: int
    revision: int
    state: bytes
    keys: Annotated[tuple[Key, ...], msgspec.Meta(max_length=MAX_KEYS)]
    statuses: Annotated[dict[str, StatusDigest], msgspec.Meta(max_length=MAX_KEYS)]

    def stale(self, at: int) -> bool:
        """Whether it is too old to go by, or from a time to come."""
        return not -DRIFT_S <= at - self.at <= MAX_AGE_S

    def trusted(self, kid: str, role: Role, at: int) -> Key | None:
        """The key of this name, if it is trusted for this role at this time; never from a stale copy."""
        if self.stale(at):
            return None
        return next((each for each in self.keys if each.kid == kid and each.role == role and each.holds(at)), None)

    def status_digest(self, kid: str) -> StatusDigest | None:
        """The last digest of this issuer's status list that this copy knows."""
        return self.statuses.get(kid)


def look(ledger: Ledger, at: int) -> TrustView:
    """A copy of now. Raises `Unavailable` where the ledger cannot be read, `Conflict` where it changes at every look."""
    for _ in range(TRIES):
        state = ledger.state()
        keys, revision = ledger.keys(), ledger.revision()
        found = {each.kid: ledger.status_digest(each.kid) for each in keys if each.role == Role.ISSUER}
        if ledger.state() == state:
            statuses = {kid: digest for kid, digest in found.items() if digest is not None}
            return TrustView(at, revision, state, keys, statuses)
    raise Conflict(Text("Le registre change sans cesse : réessayez.", "The ledger keeps changing: try again."))


def sealed(view: TrustView, key: Ed25519PrivateKey) -> bytes:
    """The copy with its authority's signature: 64 bytes, then MessagePack."""
    body = msgspec.msgpack.encode(view)
    return key.sign(DOMAIN + body) + body


def opened(data: bytes, key: bytes, before: TrustView | None = None) -> TrustView:
    """A copy that the authority with this Ed25519 key (32 bytes) signed.

    Raises `BadInput` for anything else, `Conflict` for one older than `before`: an old list would bring a removed key back.
    """
    if len(data) > MAX_BYTES:
        raise _not_theirs()
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(data[:SIGNATURE_BYTES], DOMAIN + data[SIGNATURE_BYTES:])
        view = msgspec.msgpack.decode(data[SIGNATURE_BYTES:], type=TrustView)
    except (InvalidSignature, ValueError, RecursionError):
        raise _not_theirs() from None
    if before is not None and (view.at < before.at or view.revision < before.revision):
        raise Conflict(
            Text("Cette liste de confiance est plus ancienne que la vôtre.", "This trust list is older than yours.")
        )
    return view


def _not_theirs() -> BadInput:
    return BadInput(
        Text("Ce n’est pas une liste de confiance de cette autorité.", "This is no trust list of this authority.")
    )
