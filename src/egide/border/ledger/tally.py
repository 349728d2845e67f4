"""The votes and proposals of one height: counted, and the first of each kept, so that who says two things is found out."""

from __future__ import annotations

from egide.border.ledger.evidence import clash
from egide.border.ledger.messages import PRECOMMIT, Proposal, Signed, Vote, block_hash
from egide.border.ledger.model import quorum

KEPT = 32  # votes kept of one member, the latest rounds': who floods pushes out its own only
Place = tuple[int, int]  # round, kind


class Tally:
    """Of so many members."""

    def __init__(self, members: int) -> None:
        self.quorum = quorum(members)
        self._some = members - self.quorum + 1  # f+1: one of them is honest
        self._votes: dict[bytes, dict[Place, tuple[bytes, Signed]]] = {}
        self._proposals: dict[int, tuple[Proposal, Signed, bytes]] = {}

    def add_vote(self, signed: Signed, vote: Vote) -> Signed | None:
        """Counts a vote whose signature is good; gives the earlier one where the member said something else before."""
        of_member = self._votes.setdefault(signed.by, {})
        place = (vote.round, vote.kind)
        before = of_member.get(place)
        if before is not None:
            return before[1] if clash(before[1], signed) else None
        of_member[place] = (vote.block, signed)
        if len(of_member) > KEPT:
            del of_member[min(of_member)]
        return None

    def add_proposal(self, signed: Signed, proposal: Proposal) -> Signed | None:
        """Keeps a round's proposal, signed by its proposer; gives the earlier one where there was another."""
        before = self._proposals.get(proposal.round)
        if before is not None:
            return before[1] if clash(before[1], signed) else None
        self._proposals[proposal.round] = (proposal, signed, block_hash(proposal.block.header))
        if len(self._proposals) > KEPT:
            del self._proposals[min(self._proposals)]
        return None

    def proposal(self, turn: int) -> tuple[Proposal, Signed, bytes] | None:
        """The proposal of a round, its envelope, its block's hash."""
        return self._proposals.get(turn)

    def proposals(self) -> list[tuple[Proposal, Signed, bytes]]:
        """All of them."""
        return list(self._proposals.values())

    def has(self, turn: int, kind: int, block: bytes | None = None) -> bool:
        """Whether a quorum voted so in this round; None: for whatever."""
        voted = (of_member.get((turn, kind)) for of_member in self._votes.values())
        return sum(each is not None and block in {None, each[0]} for each in voted) >= self.quorum

    def certificate(self, block: bytes) -> tuple[int, tuple[tuple[bytes, bytes], ...]] | None:
        """A round in which a quorum precommitted this block, and their signatures."""
        rounds: dict[int, list[tuple[bytes, bytes]]] = {}
        for by, of_member in self._votes.items():
            for (turn, kind), (voted, signed) in of_member.items():
                if kind == PRECOMMIT and voted == block:
                    rounds.setdefault(turn, []).append((by, signed.signature))
        for turn, votes in rounds.items():
            if len(votes) >= self.quorum:
                return turn, tuple(sorted(votes))
        return None

    def ahead(self) -> int:
        """The latest round that f+1 members have reached, so that an honest one has; -1 for none."""
        latest = sorted((max(of_member)[0] for of_member in self._votes.values()), reverse=True)
        return latest[self._some - 1] if len(latest) >= self._some else -1

    def votes_of(self, member: bytes) -> tuple[Signed, ...]:
        """A member's last votes: of its latest round, and its latest precommit for a block."""
        of_member = self._votes.get(member, {})
        if not of_member:
            return ()
        newest = max(of_member)[0]
        wanted = {place for place in of_member if place[0] == newest}
        locked = [place for place, (block, _) in of_member.items() if place[1] == PRECOMMIT and any(block)]
        wanted |= {max(locked)} if locked else set()
        return tuple(of_member[place][1] for place in sorted(wanted))
