"""What goes through a room's socket: one struct a message, MessagePack, its length before it (4 bytes, big-endian).

What the parent sends is public (keys, lists, thresholds) or ciphertext; what comes back is a word, or ciphertext again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

MAX_MESSAGE = 24 * 1024 * 1024  # bytes; five frames of 3 MB and a chip's files, sealed
LENGTH = 4  # bytes

Kind = Literal["token", "face", "kiosk"]  # models are loaded where they are needed: faces, and at the kiosk zones


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The room is warm: the public key (JWK) that everything must be sealed to, and what the answer must carry."""

    pid: int
    key: dict[str, str]
    nonce: str
    state: str
    challenge: tuple[tuple[str, int], ...] = ()  # movements and when they are asked for (ms), face/liveness.py


class IssuerKey(msgspec.Struct, frozen=True):
    """An issuer or a gate on the trust list: its `kid` and the coordinates of its P-256 key (base64url)."""

    kid: str
    x: str
    y: str


class StatusToken(msgspec.Struct, frozen=True):
    """A signed status list as its issuer serves it at `uri`, and what the consortium's ledger says of it (published.py)."""

    uri: str
    issuer: str  # kid
    token: str
    digest: bytes = b""  # where the ledger says nothing
    sequence: int = 0


class Admit(msgspec.Struct, frozen=True, tag="admit"):
    """Opens the wallet's answer: a token that counts, shown by its holder, to this gate, now (s since 1970), or not."""

    answer: bytes  # as the wallet posted it, or as its picture holds it
    realm: str  # a mark is of one realm alone: the same token leaves another one in the other
    client: str  # who asks
    gate: IssuerKey  # its key
    response_uri: str
    question: bytes  # what the gate's picture asked; b"" where the answer came over the network
    control: str  # the point at which it is shown: a token for another one does not count
    claims: tuple[str, ...]
    issuers: tuple[IssuerKey, ...]
    lists: tuple[StatusToken, ...]
    grace_s: int
    now: int


class Admitted(msgspec.Struct, frozen=True, tag="admitted"):
    """Empty `why`: it counts. `mark` names a single-use token and nobody; `until` is its end (s since 1970)."""

    why: str
    mark: str = ""
    until: int = 0


class Receive(msgspec.Struct, frozen=True, tag="receive"):
    """Looks whether what was posted for this control is an answer to it: sealed to the room, with its state. Keeps nothing."""

    answer: bytes


class Received(msgspec.Struct, frozen=True, tag="received"):
    """Empty `why`: it is one. Whether the token in it counts, nobody asked yet."""

    why: str


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """Looks at more frames of the challenge, each sealed to the room, in the order in which they were taken."""

    frames: tuple[str, ...]


class Watched(msgspec.Struct, frozen=True, tag="watched"):
    """The movement that is asked for and from when on (ms since the challenge was shown); `over`: no more needs to be seen."""

    move: str
    at_ms: int
    over: bool


class Compare(msgspec.Struct, frozen=True, tag="compare"):
    """Compares the one reference with these frames, each sealed to the room; with none, with those that were watched."""

    frames: tuple[str, ...]
    threshold: float
    count: int  # frames whose mean is compared
    challenge: bool  # whether the movements must be seen in them


class Compared(msgspec.Struct, frozen=True, tag="compared"):
    """A band, and in one word why it is not a match; what the person can do about it.

    `challenge`: the movements of the next attempt, drawn anew, as `Ready` has them; none where none is left.
    """

    band: Literal["match", "unsure", "no-match"]
    why: str = ""
    guidance: tuple[str, ...] = ()
    challenge: tuple[tuple[str, int], ...] = ()


class ReadChip(msgspec.Struct, frozen=True, tag="chip"):
    """Checks the files of a travel document's chip, sealed to the room, against the countries' certificates (DER)."""

    sealed: str
    csca: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    now: int


class ChipRead(msgspec.Struct, frozen=True, tag="chip-read"):
    """The outcome of each check: (what, ok | failed | not-checkable). Nothing of what the chip says."""

    findings: tuple[tuple[str, str], ...]
    verdict: Literal["proved", "open", "refuted", "unreadable"]


class ReadZone(msgspec.Struct, frozen=True, tag="zone"):
    """Reads the machine-readable zone in a picture that is sealed to the room; seals it to the page that asks (a JWK)."""

    sealed: str
    reply: dict[str, str]
    now: int


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Seals for one tablet (its P-256 public key, a JWK) what the officer must see."""

    tablet: dict[str, str]


class Looked(msgspec.Struct, frozen=True, tag="looked"):
    """Ciphertext that only the tablet, or the page that asked, opens."""

    sealed: str


class Issue(msgspec.Struct, frozen=True, tag="issue"):
    """Makes the tokens; the wallet's keys, proofs and secrets and the frames are sealed to the room."""

    sealed: str
    controls: tuple[tuple[str, tuple[str, ...]], ...]  # one token for each: its control, its claims
    issuer: str  # `iss`
    kid: str
    uri: str  # of the status list
    places: tuple[int, ...]  # in it, one for each token
    until: int  # s since 1970
    now: int


class Sign(msgspec.Struct, frozen=True, tag="sign"):
    """The room asks for a signature under the issuer's key, which stays with the parent; it is told a digest and no claim."""

    digest: bytes  # SHA-256, 32 bytes


class Signed(msgspec.Struct, frozen=True, tag="signed"):
    """r ‖ s, 64 bytes."""

    signature: bytes


class Issued(msgspec.Struct, frozen=True, tag="issued"):
    """The tokens, sealed to the wallet; or in one word why there are none."""

    sealed: str
    why: str = ""


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """The room could not do it, for a fault of its own or a message out of order."""

    why: str


Asked = Admit | Receive | Watch | Compare | ReadChip | ReadZone | Look | Issue | Signed
Told = Ready | Admitted | Received | Watched | Compared | ChipRead | Looked | Issued | Sign | Broken

_asked: msgspec.msgpack.Decoder[Asked] = msgspec.msgpack.Decoder(Asked)
_told: msgspec.msgpack.Decoder[Told] = msgspec.msgpack.Decoder(Told)


def packed(message: Asked | Told) -> bytes:
    """A message with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH, "big") + body


def asked(body: bytes) -> Asked:
    """What the parent asks. Raises `ValueError`."""
    return _asked.decode(body)


def told(body: bytes) -> Told:
    """What the room says. Raises `ValueError`."""
    return _told.decode(body)
