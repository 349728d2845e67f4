"""The chain: decided blocks one after the other, and the contract in the state that they lead to.

A block is taken once a quorum of the members of its height signed it and it does, call by call, what it says. Members change by
the contract itself, from the next block on. The store keeps blocks; opening it makes every call again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from egide.border.ledger.ballots import Ballots
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.evidence import vote_body
from egide.border.ledger.machine import Machine
from egide.border.ledger.messages import (
    MAX_CALLS,
    Block,
    Call,
    Certified,
    Genesis,
    Header,
    Signed,
    WireError,
    block_hash,
    calls_root,
    decode_certified,
    decode_message,
    encode,
    verify,
)
from egide.border.ledger.model import Member, quorum
from egide.border.ledger.reading import Reading
from egide.kernel.errors import StartupError, Text

DRIFT_S = 10  # s that a proposer's clock may be ahead of ours
RECENT = 1000  # calls that a caller can still ask after
KNOWN = 4 * MAX_CALLS  # calls whose signature is known to be good, so that it is checked once


class ChainStore(Protocol):
    """Where a chain lies: blocks in order, faults, and last words. Each write is on the disk when it returns."""

    def blocks(self, start: int) -> Iterator[bytes]:
        """The blocks from this height (1 is the first) on."""

    def append(self, height: int, block: bytes) -> None:
        """Adds a block."""

    def add_fault(self, fault: bytes) -> None:
        """Keeps a fault and its proof."""

    def faults(self) -> Iterator[bytes]:
        """All faults, the oldest first."""

    def remember(self, words: Mapping[str, bytes]) -> None:
        """Keeps the last word of each kind, all or none."""

    def words(self) -> Iterator[bytes]:
        """The last word of each kind."""


class BadBlock(ValueError):
    """Not the next block; the text is the kind of fault (evidence.py)."""


class Chain:
    """A chain from its genesis and its store. Raises `StartupError` for a store that is not of this genesis, or was altered."""

    def __init__(self, genesis: Genesis, store: ChainStore) -> None:
        self.name = genesis.name()
        self.store = store
        self.machine = Machine(genesis.members, genesis.at)
        self.reading = Reading(self.machine.read)
        self.height = 0
        self.head = self.name
        self.at = genesis.at
        self.ballots = Ballots(len(genesis.members))
        self.nonces: dict[bytes, int] = {}
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self.members: tuple[Member, ...] = ()
        self._keys: dict[bytes, bytes] = {}
        self._known: dict[Signed, Call] = {}
        self._epoch = -1
        self._look()
        for data in store.blocks(1):
            try:
                certified = decode_certified(data)
                self.check_certificate(certified)
                self._make(certified.block)
            except (WireError, BadBlock, LedgerRefused) as error:
                raise StartupError(
                    Text(
                        f"Le bloc {self.height + 1} de la chaîne est altéré ou d’une autre chaîne.",
                        f"Block {self.height + 1} of the chain was altered or is of another chain.",
                    ),
                    Text(
                        "Mettez ce fichier de côté : l’autorité redemandera les blocs aux autres.",
                        "Put this file aside: the authority will ask the others for the blocks.",
                    ),
                ) from error

    def key(self, member: bytes) -> bytes | None:
        """The Ed25519 key of a member, or None for who is none."""
        return self._keys.get(member)

    def proposer(self, turn: int) -> bytes:
        """Who proposes in this round of the next height: one after the other."""
        return self.members[(self.height + 1 + turn) % len(self.members)].address

    def made(self, signed: Signed) -> bool:
        """Whether this very call is in one of the last blocks."""
        return signed.signature in self._recent

    def call_of(self, signed: Signed) -> Call:
        """The call in an envelope, once its member's signature is found good. Raises `LedgerRefused`."""
        known = self._known.get(signed)
        if known is not None:
            return known
        key = self._keys.get(signed.by)
        if key is None or not verify(signed, self.name, key):
            raise LedgerRefused("signature")
        try:
            call = decode_message(signed.body)
        except WireError:
            raise LedgerRefused("shape") from None
        if not isinstance(call, Call):
            raise LedgerRefused("shape")
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[signed] = call
        return call

    def would_take(self, calls: Iterable[Signed], at: int) -> tuple[Signed, ...]:
        """Those of the calls, at most a block's, that the contract takes one after the other at this time (s since 1970)."""
        return self._sift(calls, at)[0]

    def try_call(self, signed: Signed, at: int) -> None:
        """Raises `LedgerRefused`, in the contract's word, unless it takes this call now."""
        call = self.call_of(signed)
        with self.machine.trial():
            self.machine.begin(at)
            self.machine.apply(signed.by, call.data)

    def build(self, waiting: Iterable[Signed], now: int) -> Block | None:
        """The next block of what waits, or None where nothing of it can be done."""
        at = max(now, self.at)
        calls, state = self._sift(waiting, at)
        if not calls:
            return None
        return Block(Header(self.height + 1, self.head, at, calls_root(calls), state), calls)

    def check(self, block: Block, now: int) -> None:
        """Raises `BadBlock` unless it follows the last block, its time is not ahead of `now`, and it does what it says."""
        if block.header.at > now + DRIFT_S:
            raise BadBlock("bad-block")
        self._check_form(block)
        try:
            with self.machine.trial():
                self._run(block.calls, block.header.at)
                state = self.reading.state()
        except LedgerRefused as error:
            raise BadBlock("replayed-call" if error.why == "nonce" else "invalid-call") from None
        if state != block.header.state:
            raise BadBlock("wrong-state")

    def check_certificate(self, certified: Certified) -> None:
        """Raises `BadBlock` unless a quorum of the present members signed this block."""
        body, good = vote_body(certified), set()
        for who, signature in certified.votes:
            key = self._keys.get(who)
            if who not in good and key is not None and verify(Signed(who, body, signature), self.name, key):
                good.add(who)
        if len(good) < quorum(len(self.members)):
            raise BadBlock("bad-signature")

    def take(self, certified: Certified) -> None:
        """Adds a decided block, on the disk and in the machine: both, or neither where it raises.

        Raises `BadBlock` for one that is not the next, not decided, or does not do what it says; what the store raises.
        """
        self.check_certificate(certified)
        try:
            self._make(certified.block, lambda: self.store.append(certified.block.header.height, encode(certified)))
        except LedgerRefused:
            raise BadBlock("invalid-call") from None

    def decided(self, start: int, most: int) -> tuple[Certified, ...]:
        """At most so many blocks from this height on."""
        found = self.store.blocks(max(1, start))
        return tuple(decode_certified(data) for data, _ in zip(found, range(most), strict=False))

    def _make(self, block: Block, keep: Callable[[], None] | None = None) -> None:
        self._check_form(block)
        with self.machine.whole():
            made = self._run(block.calls, block.header.at)
            if self.reading.state() != block.header.state:
                raise BadBlock("wrong-state")
            if keep is not None:  # inside: where it is not kept, it was not made, and is decided again
                keep()
        self.nonces = made
        for signed in block.calls:
            self.ballots.hear(signed.by, self.call_of(signed).data, block.header.at)
        self._recent.extend(each.signature for each in block.calls)
        self.height, self.at, self.head = block.header.height, block.header.at, block_hash(block.header)
        self._look()

    def _check_form(self, block: Block) -> None:
        header = block.header
        follows = (header.height, header.parent) == (self.height + 1, self.head) and header.at >= self.at
        if not follows or header.root != calls_root(block.calls):
            raise BadBlock("bad-block")

    def _sift(self, calls: Iterable[Signed], at: int) -> tuple[tuple[Signed, ...], bytes]:
        """What can be done of it, and the state after that; a member's later calls fall with an earlier one."""
        taken: list[Signed] = []
        nonces = dict(self.nonces)
        with self.machine.trial():
            self.machine.begin(at)
            for signed in calls:
                with suppress(LedgerRefused):
                    call = self.call_of(signed)
                    if call.nonce != nonces.get(signed.by, 0) + 1:
                        continue
                    self.machine.apply(signed.by, call.data)
                    nonces[signed.by] = call.nonce
                    taken.append(signed)
                if len(taken) == MAX_CALLS:
                    break
            return tuple(taken), self.reading.state()

    def _run(self, calls: Sequence[Signed], at: int) -> dict[bytes, int]:
        """Makes the calls; gives the numbers that the members have reached. Raises `LedgerRefused` at the first that fails."""
        nonces = dict(self.nonces)
        self.machine.begin(at)
        for signed in calls:
            call = self.call_of(signed)
            if call.nonce != nonces.get(signed.by, 0) + 1:
                raise LedgerRefused("nonce")
            self.machine.apply(signed.by, call.data)
            nonces[signed.by] = call.nonce
        return nonces

    def _look(self) -> None:
        """Reads the members again where the contract says that they changed."""
        epoch = self.reading.epoch()
        if epoch == self._epoch:
            return
        self._epoch, self.members = epoch, self.reading.members()
        self._keys = {each.address: each.key for each in self.members}
        self._known.clear()  # who left signs no more
