"""How authorities agree on the next block: Tendermint's rounds (Buchman, Kwon, Milosevic, “The latest gossip on BFT consensus”,
arXiv:1807.04938, algorithm 1), for 3f+1 members of whom f may lie, and messages that may be lost.

A round has a proposer, prevotes and precommits; a quorum of precommits decides. Who precommitted a block is locked on it, so two
blocks are never decided at one height; a round that leads nowhere ends by time-out and the next member proposes. Ours: nothing
happens while no call waits (no empty blocks), and what is said goes out through `say`, which is where
a member that was restarted holds its tongue (authority.py). Time is passed in, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import cast

from egide.border.ledger.chain import BadBlock, Chain
from egide.border.ledger.evidence import Fault, Kind
from egide.border.ledger.messages import (
    NIL,
    PRECOMMIT,
    PREVOTE,
    Block,
    Certified,
    Message,
    Proposal,
    Signed,
    Vote,
)
from egide.border.ledger.tally import Tally

PROPOSE_S, VOTE_S = 1.0, 0.5  # s a proposal, or the last votes, are waited for in round 0; measured round trip: 5 ms
GROWS = 0.5  # of that, with each round: some round is long enough for any network that delivers
FORGOTTEN = -1  # no round


class Step(IntEnum):
    """Where a round stands."""

    IDLE = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3


class Consensus:
    """The height after the chain's last. `waiting` gives the calls that wait; `decided` is called after each block."""

    def __init__(
        self,
        chain: Chain,
        me: bytes,
        say: Callable[[Message], None],
        waiting: Callable[[], Iterable[Signed]],
        blame: Callable[[Fault], None],
        decided: Callable[[], None],
    ) -> None:
        self.chain, self.me = chain, me
        self._say, self._waiting, self._blame, self._decided = say, waiting, blame, decided
        self.silent = True  # until the authority has joined: votes are counted, none is cast
        self._now = 0.0
        self.reset()

    def reset(self) -> None:
        """Forgets the height in the making; the next one begins."""
        self.tally = Tally(len(self.chain.members))
        self.turn, self.step = FORGOTTEN, Step.IDLE
        self._locked, self._locked_round = NIL, FORGOTTEN
        self._valid: Block | None = None
        self._valid_round = FORGOTTEN
        self._judged: dict[bytes, bool] = {}
        self._due = self._round_over = float("inf")
        self._seen_quorum = False

    def lock(self, vote: Vote) -> None:
        """Takes up a lock of before a restart."""
        if vote.height == self.chain.height + 1 and vote.round > self._locked_round:
            self._locked, self._locked_round = vote.block, vote.round

    def join(self, now: float) -> None:
        """From now on votes are cast, beginning with the latest round that others are in."""
        self._now, self.silent = now, False
        turns = [proposal.round for proposal, _, _ in self.tally.proposals()]
        if turns:
            self._start(max(turns), now)
        self._advance(now)

    def wake(self, now: float) -> None:
        """A call waits: the round begins where none is going on."""
        self._now = now
        if self.step == Step.IDLE and not self.silent:
            self._start(self.turn + 1, now)
            self._advance(now)

    def on_proposal(self, signed: Signed, proposal: Proposal, now: float) -> None:
        """A proposal for this height, whose signature is good."""
        self._now = now
        if signed.by != self.chain.proposer(proposal.round):
            return
        before = self.tally.add_proposal(signed, proposal)
        if before is not None:
            self._blame(Fault("equivocation", signed.by, proposal.height, (before, signed)))
        if self.step == Step.IDLE and proposal.round > self.turn and not self.silent:
            self._start(proposal.round, now)
        self._advance(now)

    def on_vote(self, signed: Signed, vote: Vote, now: float) -> None:
        """A vote for this height, whose signature is good."""
        self._now = now
        before = self.tally.add_vote(signed, vote)
        if before is not None:
            self._blame(Fault("equivocation", signed.by, vote.height, (before, signed)))
        self._advance(now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._now = now
        if self.step == Step.PROPOSE and now >= self._due:
            self.step, self._due = Step.PREVOTE, float("inf")
            self._vote(PREVOTE, NIL)
        elif self.step == Step.PREVOTE and now >= self._due:
            self.step, self._due = Step.PRECOMMIT, float("inf")
            self._vote(PRECOMMIT, NIL)
        if now >= self._round_over:
            if self._valid is None and self._locked_round == FORGOTTEN and not any(True for _ in self._waiting()):
                self.step, self._due, self._round_over = Step.IDLE, float("inf"), float("inf")
            else:
                self._start(self.turn + 1, now)
        self._advance(now)

    def _start(self, turn: int, now: float) -> None:
        self.turn, self.step, self._seen_quorum = turn, Step.PROPOSE, False
        self._due, self._round_over = now + _wait(PROPOSE_S, turn), float("inf")
        if self.chain.proposer(turn) != self.me:
            return
        block = self._valid or self.chain.build(self._waiting(), int(now))
        if block is not None:
            self._say(Proposal(self.chain.height + 1, turn, self._valid_round, block))

    def _advance(self, now: float) -> None:
        """Applies the rules until none applies."""
        while self._decide() or (not self.silent and (self._catch_up(now) or self._prevote() or self._precommit())):
            continue
        if self.step == Step.PREVOTE and self._due == float("inf") and self.tally.has(self.turn, PREVOTE):
            self._due = now + _wait(VOTE_S, self.turn)
        if self.step != Step.IDLE and self._round_over == float("inf") and self.tally.has(self.turn, PRECOMMIT):
            self._round_over = now + _wait(VOTE_S, self.turn)

    def _decide(self) -> bool:
        for proposal, _, name in self.tally.proposals():
            found = self.tally.certificate(name)
            if found is not None:
                certified = Certified(proposal.block, *found)
                self.chain.take(certified)
                self.reset()
                self._decided()
                return True
        return False

    def _catch_up(self, now: float) -> bool:
        ahead = self.tally.ahead()
        if ahead <= self.turn:
            return False
        self._start(ahead, now)
        return True

    def _prevote(self) -> bool:
        found = self.tally.proposal(self.turn)
        if self.step != Step.PROPOSE or found is None:
            return False
        proposal, _, name = found
        if proposal.prevoted == FORGOTTEN:
            free = self._locked_round == FORGOTTEN or self._locked == name
        elif proposal.prevoted < self.turn and self.tally.has(proposal.prevoted, PREVOTE, name):
            free = self._locked_round <= proposal.prevoted or self._locked == name
        else:
            return False
        self.step, self._due = Step.PREVOTE, float("inf")
        self._vote(PREVOTE, name if self._good(self.turn) and free else NIL)
        return True

    def _precommit(self) -> bool:
        if self.step not in {Step.PREVOTE, Step.PRECOMMIT}:
            return False
        found = self.tally.proposal(self.turn)
        if (
            not self._seen_quorum
            and found is not None
            and self.tally.has(self.turn, PREVOTE, found[2])
            and self._good(self.turn)
        ):
            self._seen_quorum = True
            self._valid, self._valid_round = found[0].block, self.turn
            if self.step == Step.PREVOTE:
                self._locked, self._locked_round = found[2], self.turn
                self.step, self._due = Step.PRECOMMIT, float("inf")
                self._vote(PRECOMMIT, found[2])
            return True
        if self.step == Step.PREVOTE and self.tally.has(self.turn, PREVOTE, NIL):
            self.step, self._due = Step.PRECOMMIT, float("inf")
            self._vote(PRECOMMIT, NIL)
            return True
        return False

    def _vote(self, kind: int, block: bytes) -> None:
        self._say(Vote(self.chain.height + 1, self.turn, kind, block))

    def _good(self, turn: int) -> bool:
        """Whether the block of this round's proposal is one to vote for; who proposed another kind is named, once."""
        found = self.tally.proposal(turn)
        if found is None:
            return False
        proposal, signed, name = found
        if name not in self._judged:
            try:
                self.chain.check(proposal.block, int(self._now))
                self._judged[name] = True
            except BadBlock as error:
                self._judged[name] = False
                self._blame(Fault(_kind(error), signed.by, proposal.height, (signed,)))
        return self._judged[name]


def _wait(seconds: float, turn: int) -> float:
    return seconds * (1 + GROWS * turn)


def _kind(error: BadBlock) -> Kind:
    return cast("Kind", str(error))
