"""What authorities say to one another: structs in MessagePack, each in an envelope that its author signed (Ed25519, RFC 8032).

A signature covers a domain word, the chain (so that no word of one chain counts in another) and the exact bytes that follow. What
comes from outside is bounded before it is read, and every field by its type; what else is wrong with it is a `WireError`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from egide.border.ledger.contract import MAX_MEMBERS
from egide.border.ledger.model import Member
from egide.kernel.merkle import Frontier, leaf_hashes

MAX_CALLS = 100  # calls of a block
MAX_DATA = 4 + 32 * 5  # bytes; the longest call of the contract (add_key)
MAX_BODY = 64 * 1024  # bytes; a proposal of 100 add_key has 29,000
MAX_SENT = 8  # blocks in one answer to who catches up
MAX_MESSAGE = MAX_SENT * MAX_BODY + 4096  # bytes
MAX_ROUND = 1 << 20  # rounds of one height: with growing time-outs, years
NIL = bytes(32)  # a vote for no block
PREVOTE, PRECOMMIT = 1, 2
DOMAIN = b"egide-ledger-1\0"
BLOCK = b"egide-block-1\0"

Address: TypeAlias = Annotated[bytes, Meta(min_length=20, max_length=20)]
Word: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
Number: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]
Round: TypeAlias = Annotated[int, Meta(ge=0, lt=MAX_ROUND)]


class WireError(ValueError):
    """What came is no message of this chain; the text is one word."""


class Signed(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of a message, who says so, and the signature."""

    by: Address
    body: Annotated[bytes, Meta(max_length=MAX_MESSAGE)]
    signature: Signature


class Call(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A member's call of the contract; its numbers are 1, 2, 3 … so that none is made twice."""

    nonce: Number
    data: Annotated[bytes, Meta(max_length=MAX_DATA)]


class Header(msgspec.Struct, frozen=True, array_like=True):
    """A block without its calls: their Merkle root (RFC 9162 §2.1.1), and the contract's `state` once they have been made."""

    height: Number
    parent: Word
    at: Number
    root: Word
    state: Word


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A header and its calls, as their members signed them."""

    header: Header
    calls: Annotated[tuple[Signed, ...], Meta(min_length=1, max_length=MAX_CALLS)]


class Certified(msgspec.Struct, frozen=True, array_like=True):
    """A block, and the precommits of one round that decided it."""

    block: Block
    round: Round
    votes: Annotated[tuple[tuple[Address, Signature], ...], Meta(max_length=MAX_MEMBERS)]


class Proposal(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The proposer's block of a round; `prevoted` is the earlier round in which a quorum prevoted it, or -1."""

    height: Number
    round: Round
    prevoted: Annotated[int, Meta(ge=-1, lt=MAX_ROUND)]
    block: Block


class Vote(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A prevote or a precommit for the block with this hash, or for none (NIL)."""

    height: Number
    round: Round
    kind: Annotated[int, Meta(ge=PREVOTE, le=PRECOMMIT)]
    block: Word


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Who starts says where it stands, and asks what it is known to have voted."""

    height: Number


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The answer: where the other stands, and the votes of the asker's that it holds for the height in the making."""

    height: Number
    votes: Annotated[tuple[Signed, ...], Meta(max_length=4)]


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Send the blocks from this height on."""

    start: Number


class Blocks(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Decided blocks, one after the other."""

    blocks: Annotated[tuple[Certified, ...], Meta(max_length=MAX_SENT)]


Message: TypeAlias = Call | Proposal | Vote | Hello | Welcome | Ask | Blocks

_encoder = msgspec.msgpack.Encoder()
_signed = msgspec.msgpack.Decoder(Signed)
_message = msgspec.msgpack.Decoder(Message)
_certified = msgspec.msgpack.Decoder(Certified)


def encode(value: msgspec.Struct) -> bytes:
    """The bytes of a message, an envelope or a block; the same for the same value."""
    return _encoder.encode(value)


def decode_signed(data: bytes) -> Signed:
    """An envelope; who signed it is not checked here. Raises `WireError`."""
    if len(data) > MAX_MESSAGE:
        raise WireError("long")
    try:
        return _signed.decode(data)
    except (ValueError, RecursionError):  # also UnicodeDecodeError, which msgspec lets through
        raise WireError("malformed") from None


def decode_message(body: bytes) -> Message:
    """What is inside an envelope. Raises `WireError`."""
    try:
        found: Message = _message.decode(body)
    except (ValueError, RecursionError):  # also UnicodeDecodeError, which msgspec lets through
        raise WireError("malformed") from None
    if len(body) > MAX_BODY and not isinstance(found, Blocks):
        raise WireError("long")
    return found


def decode_certified(data: bytes) -> Certified:
    """A block from a store. Raises `WireError`."""
    try:
        return _certified.decode(data)
    except (ValueError, RecursionError):  # also UnicodeDecodeError, which msgspec lets through
        raise WireError("malformed") from None


def sign(message: Message, chain: bytes, by: bytes, key: Ed25519PrivateKey) -> Signed:
    """A message in its author's envelope, for the chain of this name."""
    body = encode(message)
    return Signed(by, body, key.sign(DOMAIN + chain + body))


def verify(signed: Signed, chain: bytes, key: bytes) -> bool:
    """Whether this Ed25519 key (32 bytes) signed it, for this chain."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signed.signature, DOMAIN + chain + signed.body)
    except (InvalidSignature, ValueError):
        return False
    return True


def block_hash(header: Header) -> bytes:
    """The 32 bytes that name a block."""
    return sha256(BLOCK + encode(header)).digest()


def calls_root(calls: tuple[Signed, ...]) -> bytes:
    """Merkle root over the calls' envelopes."""
    tree = Frontier()
    tree.extend(leaf_hashes(encode(each) for each in calls))
    return tree.root()


class Genesis(msgspec.Struct, frozen=True, array_like=True):
    """How a chain begins: its first members and its time (s since 1970). Its digest is the chain's name and the first parent."""

    members: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=MAX_MEMBERS)]
    at: Number

    def name(self) -> bytes:
        """32 bytes."""
        return sha256(DOMAIN + encode(self)).digest()
