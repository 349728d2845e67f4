"""One authority of the embedded ledger: takes messages and time, says messages. No I/O but its chain's store and a `Transport`.

A start is the dangerous hour: an authority restored from an older backup does not know what it said since, and saying something
else would be an equivocation. So it first asks (`Hello`), and votes only once 2f others told it where they stand and which votes
of its own they hold (`Welcome`, the votes as signed), and it has caught up; never again at or below a place where it has spoken.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from egide.border.ledger.chain import BadBlock, Chain
from egide.border.ledger.consensus import Consensus
from egide.border.ledger.contract import Value, calldata
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.evidence import Fault, decode_fault, signed_by
from egide.border.ledger.messages import (
    MAX_CALLS,
    MAX_SENT,
    PRECOMMIT,
    Ask,
    Blocks,
    Call,
    Certified,
    Hello,
    Message,
    Proposal,
    Signed,
    Vote,
    Welcome,
    WireError,
    block_hash,
    decode_message,
    decode_signed,
    encode,
    sign,
    verify,
)
from egide.border.ledger.model import quorum
from egide.border.ledger.pool import Pool

AGAIN_S = 1.0  # s after which what was said and not yet decided is said again: messages may be lost
PATIENCE_S = 5.0  # s within which who says to be ahead has to show it
ROUNDS = 8  # of a height whose words are kept on the disk, and said again after a start
SAID = 64  # words said again: of the last rounds
MAX_PROVED, MAX_SUSPECTED = 100, 20  # faults kept of one author: a liar fills no disk, and hides nothing behind noise


class Transport(Protocol):
    """Carries bytes to another authority, at most once and in any order; loses them rather than wait."""

    def send(self, to: bytes, data: bytes) -> None:
        """To the member with this address."""


class Authority:
    """The member `me`, whose Ed25519 key this is, on its chain."""

    def __init__(self, chain: Chain, me: bytes, key: Ed25519PrivateKey, transport: Transport) -> None:
        self.chain, self.me = chain, me
        self._key, self._transport = key, transport
        self.pool = Pool(chain)
        self.faults = [decode_fault(each) for each in chain.store.faults()]
        self._inbox: deque[Signed] = deque()
        self._said: list[Signed] = []  # at the height in the making
        self._reminders: set[Signed] = set()  # words of our own of heights to come
        self._floor = (0, -1)  # height and round of the last word of before this start
        self._welcomes: set[bytes] = set()
        self._claims: dict[bytes, tuple[int, float]] = {}  # who says to be ahead: at which height, since when
        self._sent: dict[bytes, float] = {}
        self._again = 0.0
        self._now = 0.0
        self.consensus = Consensus(chain, me, self._say, self.pool.waiting, self._blame, self._after_block)
        for word in chain.store.words():
            self._remind(decode_signed(word))
        if self.joined:  # nobody else is asked where nobody else is
            self.consensus.join(0.0)

    @property
    def joined(self) -> bool:
        """Whether it votes: it knows what it said before, and is as far as the others."""
        others = quorum(len(self.chain.members)) - 1
        return len(self._welcomes) >= others and all(height <= self.chain.height for height, _ in self._claims.values())

    def call(self, name: str, *arguments: Value, now: float) -> Signed:
        """Signs a call of this member's and lets it wait for a block. Raises `LedgerRefused`, `BadInput`."""
        self._now = now
        nonce = self.pool.next_nonce(self.me)
        signed = sign(Call(nonce, calldata(name, *arguments)), self.chain.name, self.me, self._key)
        self.pool.add(signed, max(int(now), self.chain.at))
        self._spread(signed)
        self._work(now)
        return signed

    def waits(self, signed: Signed) -> bool:
        """Whether a call is neither made nor given up."""
        return signed in self.pool.waiting()

    def receive(self, data: bytes, link: bytes, now: float) -> None:
        """Bytes that came over the link to this member. Whatever they are, this returns; what is wrong becomes a fault."""
        self._now = now
        try:
            signed = decode_signed(data)
            key = self.chain.key(signed.by)
            if key is None:
                return  # a member of before, or not yet one: nothing that it says counts
            if not verify(signed, self.chain.name, key):
                self._blame(Fault("bad-signature", link, self.chain.height + 1))
                return
            message = decode_message(signed.body)
        except WireError:
            self._blame(Fault("malformed", link, self.chain.height + 1))
            return
        self._take(signed, message)
        self._work(now)

    def tick(self, now: float) -> None:
        """Time has passed; to be called several times a second."""
        self._now = now
        for member, (height, since) in list(self._claims.items()):
            if height > self.chain.height and now > since + PATIENCE_S:
                del self._claims[member]
                self._blame(Fault("no-blocks", member, height))
        if now >= self._again:
            self._again = now + AGAIN_S
            self._speak_again()
        self.consensus.tick(now)
        self._work(now)

    def _work(self, now: float) -> None:
        """Hears what it said itself, and begins a round where calls wait."""
        while True:
            if self.consensus.silent and self.joined:
                self.consensus.join(now)
            if len(self.pool):
                self.consensus.wake(now)
            if not self._inbox:
                return
            signed = self._inbox.popleft()
            self._take(signed, decode_message(signed.body))

    def _take(self, signed: Signed, message: Message) -> None:
        if isinstance(message, Call):
            self._take_call(signed)
        elif isinstance(message, Proposal | Vote):
            self._take_word(signed, message)
        elif isinstance(message, Hello):
            votes = self.consensus.tally.votes_of(signed.by)
            self._send(signed.by, Welcome(self.chain.height, votes))
            self._hear_height(signed.by, message.height)
        elif isinstance(message, Welcome):
            for each in message.votes:
                self._remind(each)
            self._welcomes.add(signed.by)
            self._hear_height(signed.by, message.height)
        elif isinstance(message, Ask):
            self._send(signed.by, Blocks(self.chain.decided(message.start, MAX_SENT)))
        else:
            self._take_blocks(signed.by, message.blocks)

    def _take_call(self, signed: Signed) -> None:
        try:
            self.pool.add(signed, max(int(self._now), self.chain.at))
        except LedgerRefused:
            return  # too early, done already, or out of order: who made it says it again, or hears no

    def _take_word(self, signed: Signed, message: Proposal | Vote) -> None:
        if message.height > self.chain.height + 1:
            self._hear_height(signed.by, message.height - 1)
        elif message.height <= self.chain.height:
            if self._now >= self._sent.get(signed.by, 0.0):  # it missed how that height ended
                self._sent[signed.by] = self._now + AGAIN_S
                self._send(signed.by, Blocks(self.chain.decided(message.height, MAX_SENT)))
        elif isinstance(message, Vote):
            self.consensus.on_vote(signed, message, self._now)
        else:
            self.consensus.on_proposal(signed, message, self._now)

    def _hear_height(self, member: bytes, height: int) -> None:
        if height > self.chain.height:
            since = self._claims.get(member, (0, self._now))[1]
            self._claims[member] = (height, since)
            self._send(member, Ask(self.chain.height + 1))

    def _take_blocks(self, member: bytes, blocks: tuple[Certified, ...]) -> None:
        moved = False
        for certified in blocks:
            height = certified.block.header.height
            try:
                if height == self.chain.height + 1:
                    self.chain.take(certified)
                    moved = True
                elif height <= self.chain.height:
                    self._compare(certified)
            except BadBlock:
                self._blame(Fault("malformed", member, height))
                break
        if moved:
            self.consensus.reset()
            self._after_block()
        claim = self._claims.get(member)
        if claim is not None and claim[0] <= self.chain.height:
            del self._claims[member]
        elif claim is not None and moved:
            self._claims[member] = (claim[0], self._now)
            self._send(member, Ask(self.chain.height + 1))

    def _compare(self, other: Certified) -> None:
        """A decided block where we have one: where it is another, more than f members lied, and here is who signed both."""
        height = other.block.header.height
        ours = self.chain.decided(height, 1)[0]
        if block_hash(ours.block.header) == block_hash(other.block.header):
            return
        self.chain.check_certificate(other)
        for member in self.chain.members:
            if all(signed_by(each, member.address, self.chain.name, member.key) for each in (ours, other)):
                self._blame(Fault("fork", member.address, height, (), (ours, other)))

    def _remind(self, signed: Signed) -> None:
        """A word of our own of before: nothing is said at or below its place again, and its lock holds."""
        key = self.chain.key(self.me)
        if signed in self._said or signed.by != self.me or key is None or not verify(signed, self.chain.name, key):
            return
        message = decode_message(signed.body)
        if not isinstance(message, Vote | Proposal) or message.height <= self.chain.height:
            return
        self._floor = max(self._floor, (message.height, message.round))
        if message.height > self.chain.height + 1:
            self._reminders.add(signed)
            return
        self._said.append(signed)
        self._inbox.append(signed)
        if isinstance(message, Vote) and message.kind == PRECOMMIT and any(message.block):
            self.consensus.lock(message)

    def _say(self, message: Message) -> None:
        """Signs, keeps, and spreads a proposal or a vote; silent where it spoke before its start."""
        if not isinstance(message, Proposal | Vote) or (message.height, message.round) <= self._floor:
            return
        signed = sign(message, self.chain.name, self.me, self._key)
        kind = message.kind if isinstance(message, Vote) else 0
        words = {f"{kind}.{message.round % ROUNDS}": encode(signed)}
        if isinstance(message, Vote) and message.kind == PRECOMMIT and any(message.block):
            words["lock"] = encode(signed)
        self.chain.store.remember(words)
        self._said.append(signed)
        self._inbox.append(signed)
        self._spread(signed)

    def _speak_again(self) -> None:
        for signed in self._said[-SAID:]:
            self._spread(signed)
        for signed, _ in zip(self.pool.waiting(), range(MAX_CALLS), strict=False):
            self._spread(signed)
        self._spread(sign(Hello(self.chain.height), self.chain.name, self.me, self._key))

    def _after_block(self) -> None:
        self._said.clear()
        waiting, self._reminders = self._reminders, set()
        for signed in waiting:
            self._remind(signed)
        self.pool.sift(max(int(self._now), self.chain.at))

    def _spread(self, signed: Signed) -> None:
        data = encode(signed)
        for member in self.chain.members:
            if member.address != self.me:
                self._transport.send(member.address, data)

    def _send(self, to: bytes, message: Message) -> None:
        if to != self.me:
            self._transport.send(to, encode(sign(message, self.chain.name, self.me, self._key)))

    def _blame(self, fault: Fault) -> None:
        """Keeps a fault once: of its kind, by its author, at its height; of each author so many."""
        proved = bool(fault.proof or fault.blocks)
        same = [each for each in self.faults if each.by == fault.by and bool(each.proof or each.blocks) == proved]
        known = any((each.kind, each.height) == (fault.kind, fault.height) for each in same)
        if not known and len(same) < (MAX_PROVED if proved else MAX_SUSPECTED):
            self.faults.append(fault)
            self.chain.store.add_fault(encode(fault))
