"""What an authority did wrong, by kind and by name, with the signed words that prove it to whoever was not there.

`equivocation`, `fork`, `wrong-state`, `invalid-call`, `replayed-call`, `bad-block` carry their proof: nobody but the named could
have signed it. `bad-signature`, `malformed` and `no-blocks` have none: they name the link over which it came, for an operator.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from egide.border.ledger.messages import (
    Certified,
    Proposal,
    Signed,
    Vote,
    WireError,
    block_hash,
    decode_message,
    encode,
    verify,
)

Kind = Literal[
    "equivocation",  # two votes, or two proposals, of one round of one height
    "fork",  # two decided blocks at one height; `by` signed both
    "wrong-state",  # proposed a block whose calls do not lead to the state that it says
    "invalid-call",  # proposed a call that the contract refuses, or that its member did not sign
    "replayed-call",  # proposed a call that was made before
    "bad-block",  # proposed a block that does not follow the last one, or at a time that is not now
    "bad-signature",
    "malformed",
    "no-blocks",  # said to be ahead, and did not show it
]


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """One of them; the proof is the envelopes as they came, or for a fork the two decided blocks."""

    kind: Kind
    by: bytes
    height: int
    proof: tuple[Signed, ...] = ()
    blocks: Annotated[tuple[Certified, ...], msgspec.Meta(max_length=2)] = ()


_faults = msgspec.msgpack.Decoder(Fault)


def decode_fault(data: bytes) -> Fault:
    """A fault from a store or from another authority. Raises `WireError`."""
    try:
        return _faults.decode(data)
    except (ValueError, RecursionError):  # also UnicodeDecodeError, which msgspec lets through
        raise WireError("malformed") from None


def clash(one: Signed, other: Signed) -> bool:
    """Whether the two say different things where their author may say one."""
    if one.by != other.by or one.body == other.body:
        return False
    try:
        first, second = decode_message(one.body), decode_message(other.body)
    except WireError:
        return False
    if isinstance(first, Vote) and isinstance(second, Vote):
        place = (first.height, first.round, first.kind) == (second.height, second.round, second.kind)
        return place and first.block != second.block
    if isinstance(first, Proposal) and isinstance(second, Proposal):
        place = (first.height, first.round) == (second.height, second.round)
        return place and first.block.header != second.block.header
    return False


def proves(fault: Fault, chain: bytes, key: bytes) -> bool:
    """Whether the fault's own words prove an equivocation or a fork of who has this Ed25519 key, to anybody.

    What a wrong state or an invalid call is, only the chain up to there can say: `Chain.check` on the proposal that is the proof.
    """
    if fault.kind == "equivocation" and len(fault.proof) == 2:
        return clash(*fault.proof) and all(each.by == fault.by and verify(each, chain, key) for each in fault.proof)
    if fault.kind == "fork" and len(fault.blocks) == 2:
        one, other = fault.blocks
        apart = block_hash(one.block.header) != block_hash(other.block.header)
        same = one.block.header.height == other.block.header.height
        return apart and same and all(signed_by(each, fault.by, chain, key) for each in fault.blocks)
    return False


def signed_by(certified: Certified, by: bytes, chain: bytes, key: bytes) -> bool:
    """Whether this member's precommit is among those that decided the block."""
    body = vote_body(certified)
    return any(verify(Signed(by, body, each), chain, key) for who, each in certified.votes if who == by)


def vote_body(certified: Certified) -> bytes:
    """The bytes that each precommit for this block signed."""
    header = certified.block.header
    return encode(Vote(header.height, certified.round, 2, block_hash(header)))
