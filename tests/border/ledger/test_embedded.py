"""Four authorities agree, go on without one, take it back, and name who lies."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egide.border.ledger.authority import Authority
from egide.border.ledger.chain import BadBlock, Chain
from egide.border.ledger.contract import calldata
from egide.border.ledger.embedded import EmbeddedLedger
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.evidence import Fault, decode_fault, proves
from egide.border.ledger.messages import (
    NIL,
    PRECOMMIT,
    PREVOTE,
    Block,
    Blocks,
    Call,
    Certified,
    Genesis,
    Header,
    Proposal,
    Signed,
    Vote,
    Welcome,
    block_hash,
    calls_root,
    decode_message,
    encode,
    sign,
    verify,
)
from egide.border.ledger.model import Role
from egide.border.ledger.pool import PER_MEMBER
from egide.engines.chain_store import SqliteChainStore
from egide.kernel.errors import StartupError, Unavailable
from tests.border.ledger.consortium import Consortium
from tests.border.ledger.parties import DAY, HOUR, MINUTE, START, member, members, point, signing_key

ROOT = b"r" * 32


def signed_call(four: Consortium, who: int, nonce: int, name: str, *arguments: int | bytes) -> Signed:
    call = Call(nonce, calldata(name, *arguments))
    return sign(call, four.genesis.name(), member(who).address, signing_key(who))


def made_block(four: Consortium, *calls: Signed, state: bytes | None = None, at: int | None = None) -> Block:
    """The next block with these calls, as a proposer who may lie makes it."""
    chain = four.authorities[0].chain
    honest = chain.build(calls, int(four.now))
    right = honest.header.state if honest is not None else NIL
    header = Header(
        chain.height + 1, chain.head, int(four.now) if at is None else at, calls_root(calls), state or right
    )
    return Block(header, calls)


def proposer(four: Consortium) -> int:
    """Whose turn it is in round 0."""
    address = four.authorities[0].chain.proposer(0)
    return next(number for number in range(4) if member(number).address == address)


def others(who: int) -> list[int]:
    return [number for number in range(4) if number != who]


def decide(four: Consortium, block: Block, turn: int = 0) -> Certified:
    """A block with three signatures."""
    vote = Vote(block.header.height, turn, PRECOMMIT, block_hash(block.header))
    votes = [sign(vote, four.genesis.name(), member(who).address, signing_key(who)) for who in range(3)]
    return Certified(block, turn, tuple((each.by, each.signature) for each in votes))


def test_what_one_writes_all_read(four: Consortium) -> None:
    kid = four.ledger(0).add_key(*point(1), Role.ISSUER, START, START + DAY)
    four.ledger(0).put_status(kid, ROOT, 7)
    four.ledger(1).checkpoint(ROOT, 3)
    four.ledger(2).erasure_root(ROOT, 4)
    assert four.settle(four.agreed)
    for number in range(4):
        ledger = four.ledger(number)
        key = ledger.trusted(kid, Role.ISSUER, START)
        assert key is not None
        assert (key.x, key.y) == point(1)
        assert ledger.trusted(kid, Role.VERIFIER, START) is None
        assert ledger.trusted(kid, Role.ISSUER, START + DAY) is None
        digest, checkpoint = ledger.status_digest(kid), ledger.last_checkpoint(member(1).address)
        assert digest is not None
        assert digest.sequence == 7
        assert checkpoint is not None
        assert checkpoint.size == 3
        assert ledger.erasure_at(member(2).address, 4) == ROOT
        assert four.authorities[number].faults == []


def test_an_empty_disk_that_replays_the_blocks_has_the_same_state(four: Consortium, tmp_path: Path) -> None:
    for number in range(4):
        four.ledger(number).checkpoint(ROOT, 2)
    assert four.settle(four.agreed)
    source = four.authorities[0].chain
    fresh = Chain(four.genesis, SqliteChainStore(tmp_path / "fresh"))
    for certified in source.decided(1, 100):
        fresh.take(certified)
    again = Chain(four.genesis, fresh.store)
    assert (
        again.reading.state()
        == fresh.reading.state()
        == source.reading.state()
        == source.decided(4, 1)[0].block.header.state
    )
    assert again.nonces == source.nonces
    fresh.store.close()  # type: ignore[attr-defined]


def test_an_altered_store_does_not_open(four: Consortium) -> None:
    four.ledger(0).checkpoint(ROOT, 2)
    assert four.settle(four.agreed)
    store = four.authorities[0].chain.store
    (body,) = store.blocks(1)
    assert isinstance(store, SqliteChainStore)
    store._connection.execute("UPDATE block SET body = ?", (body.replace(ROOT, b"s" * 32),))
    with pytest.raises(StartupError, match="Block 1"):
        Chain(four.genesis, store)
    with pytest.raises(StartupError, match="Block 1"):
        Chain(Genesis(members(), START + 1), store)


def test_a_refused_write_says_the_contracts_word(four: Consortium) -> None:
    ledger = four.ledger(0)
    ledger.checkpoint(ROOT, 5)
    with pytest.raises(LedgerRefused) as found:
        ledger.checkpoint(ROOT, 6)
    assert found.value.why == "early"
    four.wait(HOUR)
    with pytest.raises(LedgerRefused) as found:
        ledger.checkpoint(ROOT, 5)
    assert found.value.why == "rollback"


def test_without_one_the_others_go_on_and_it_catches_up(four: Consortium) -> None:
    four.wire.cut.add(member(3).address)
    for number in range(12):  # more than one answer holds, and with each member's turn to propose
        four.ledger(number % 3).checkpoint(ROOT, number + 2)
        four.wait(HOUR)
    assert four.authorities[3].chain.height == 0
    four.wire.cut.clear()
    assert four.settle(four.agreed)
    assert four.authorities[3].chain.height == 12


def test_two_of_four_decide_nothing_until_a_third_is_back(four: Consortium) -> None:
    four.ledger(0).checkpoint(ROOT, 2)
    four.wire.cut |= {member(2).address, member(3).address}
    with pytest.raises(Unavailable):
        four.ledger(0).erasure_root(ROOT, 2)
    assert four.authorities[0].chain.height == four.authorities[1].chain.height == 1
    four.wire.cut.clear()
    assert four.settle(lambda: four.agreed() and four.authorities[2].chain.height == 2)


def test_a_restart_goes_on_where_the_disk_ends(four: Consortium) -> None:
    four.ledger(0).checkpoint(ROOT, 2)
    assert four.settle(four.agreed)
    for number in range(4):
        four.start(number)
    four.ledger(1).checkpoint(ROOT, 2)
    assert four.settle(lambda: four.agreed() and four.authorities[0].chain.height == 2)


def test_a_member_of_an_older_backup_is_brought_forward_and_unsays_nothing(four: Consortium, tmp_path: Path) -> None:
    four.ledger(0).checkpoint(ROOT, 2)
    assert four.settle(four.agreed)
    four.stop(2)
    four.backup(2, tmp_path / "backup")
    four.start(2)
    for number in (0, 1, 3):
        four.ledger(number).erasure_root(ROOT, 2)
    assert four.settle(four.agreed)
    four.stop(2)
    four.restore(2, tmp_path / "backup")
    restored = four.start(2)
    assert restored.chain.height == 1
    assert not restored.joined
    assert four.settle(four.agreed)
    four.ledger(2).erasure_root(ROOT, 2)
    assert four.settle(four.agreed)
    assert restored.chain.height == 5
    assert all(four.faults(number) == set() for number in range(4))


def test_a_restored_member_learns_its_last_votes_from_the_others(four: Consortium, tmp_path: Path) -> None:
    """Its precommit is not on its disk any more: it neither votes again at or below its place, nor against its lock."""
    who, chain = proposer(four), four.authorities[0].chain
    block = made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, 2))
    lost = Vote(1, 3, PRECOMMIT, block_hash(block.header))
    sent = sign(lost, chain.name, member(who).address, signing_key(who))
    restored = four.start(who)
    for number in others(who):
        four.forge(number, Welcome(0, (sent,)), who)
    assert restored.joined
    assert restored._floor == (1, 3)
    restored.call("put_erasure", ROOT, 2, now=four.now)
    assert restored._said == [sent]
    assert restored.consensus._locked == block_hash(block.header)


def test_a_claim_to_be_ahead_that_shows_nothing_is_dropped_and_named(four: Consortium) -> None:
    four.start(0)
    four.forge(3, Welcome(1000, ()), 0)
    assert not four.authorities[0].joined
    assert four.settle(lambda: four.faults(0) == {("no-blocks", 3)})
    assert four.authorities[0].joined


LIES = {
    "wrong-state": lambda four: made_block(four, signed_call(four, 0, 2, "put_erasure", ROOT, 2), state=b"x" * 32),
    "invalid-call": lambda four: made_block(four, signed_call(four, 0, 2, "put_checkpoint", ROOT, 2)),
    "replayed-call": lambda four: made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, 2)),
    "bad-block": lambda four: made_block(four, signed_call(four, 0, 2, "put_erasure", ROOT, 2), at=START + 10 * DAY),
}


@pytest.mark.parametrize("kind", LIES)
def test_a_proposer_who_lies_is_named_with_proof_and_the_next_one_proposes(four: Consortium, kind: str) -> None:
    four.ledger(0).checkpoint(ROOT, 2)
    assert four.settle(four.agreed)
    liar = proposer(four)
    lie = Proposal(2, 0, -1, LIES[kind](four))
    four.stop(liar)
    for number in others(liar):
        four.forge(liar, lie, number)
    assert four.settle(lambda: all(each.consensus.step == 0 for each in four.authorities.values()))
    for number in others(liar):
        assert four.faults(number) == {(kind, liar)}
        (fault,) = four.authorities[number].faults
        assert decode_fault(next(four.authorities[number].chain.store.faults())) == fault
        judge = four.authorities[number].chain  # as anybody who has the chain up to there
        assert verify(fault.proof[0], judge.name, member(liar).key)
        assert decode_message(fault.proof[0].body) == lie
        with pytest.raises(BadBlock, match=kind):
            judge.check(lie.block, int(four.now))
    four.ledger(others(liar)[0]).vote(member(9).address, member(9).key)
    assert four.settle(four.agreed)
    assert four.authorities[others(liar)[0]].chain.height == 2


def test_a_call_that_its_member_did_not_sign_is_not_decided(four: Consortium) -> None:
    liar = proposer(four)
    call = signed_call(four, 0, 1, "put_checkpoint", ROOT, 2)
    forged = Signed(member(1).address, call.body, call.signature)
    four.forge(liar, Proposal(1, 0, -1, made_block(four, forged, state=ROOT)), others(liar)[0])
    assert four.faults(others(liar)[0]) == {("invalid-call", liar)}


def test_two_words_at_one_place_are_an_equivocation_that_anybody_can_check(four: Consortium) -> None:
    chain = four.authorities[0].chain
    for block in (ROOT, NIL):
        four.forge(3, Vote(1, 0, PREVOTE, block), 0)
    liar = proposer(four)
    hearer = others(liar)[0]
    for size in (2, 3):
        block = made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, size))
        four.forge(liar, Proposal(1, 0, -1, block), hearer)
    assert ("equivocation", 3) in four.faults(0)
    assert ("equivocation", liar) in four.faults(hearer)
    for fault in four.authorities[0].faults + four.authorities[hearer].faults:
        key = chain.key(fault.by)
        assert key is not None
        assert proves(fault, chain.name, key)
        assert not proves(fault, chain.name, member(8).key)
        assert not proves(Fault("equivocation", fault.by, 1, fault.proof[:1] * 2), chain.name, key)


def test_the_same_word_twice_is_no_equivocation(four: Consortium) -> None:
    for _ in range(2):
        four.forge(3, Vote(1, 0, PREVOTE, NIL), 0)
    assert four.faults(0) == set()


def test_a_fork_names_who_signed_both_blocks(four: Consortium) -> None:
    """Three of four lied: nothing can be decided rightly any more, but it is seen, and by whom."""
    one, other = (
        decide(four, made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, size))) for size in (2, 3)
    )
    four.forge(1, Blocks((one,)), 0)
    four.forge(1, Blocks((other,)), 0)
    assert four.faults(0) == {("fork", 0), ("fork", 1), ("fork", 2)}
    chain = four.authorities[0].chain
    assert chain.decided(1, 1) == (one,)
    assert all(proves(each, chain.name, chain.key(each.by) or b"") for each in four.authorities[0].faults)


def test_a_block_with_too_few_signatures_is_not_taken(four: Consortium) -> None:
    decided = decide(four, made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, 2)))
    twice = (decided.votes[0], decided.votes[0], decided.votes[1])
    for votes in ((), decided.votes[:2], twice, (*decided.votes[:2], (member(3).address, decided.votes[0][1]))):
        with pytest.raises(BadBlock):
            four.authorities[0].chain.take(Certified(decided.block, decided.round, votes))
    four.authorities[0].chain.take(decided)


def test_what_is_signed_by_nobody_known_or_for_another_chain_counts_for_nothing(four: Consortium) -> None:
    hearer = four.authorities[0]
    vote = Vote(1, 0, PREVOTE, ROOT)
    stranger = sign(vote, four.genesis.name(), member(9).address, signing_key(9))
    elsewhere = sign(vote, b"c" * 32, member(1).address, signing_key(1))
    for signed in (stranger, elsewhere):
        hearer.receive(encode(signed), member(2).address, four.now)
    assert four.faults(0) == {("bad-signature", 2)}
    assert hearer.consensus.tally.votes_of(member(1).address) == ()


def test_a_call_made_once_is_not_made_again(four: Consortium) -> None:
    four.ledger(0).checkpoint(ROOT, 2)
    assert four.settle(four.agreed)
    again = four.authorities[0].chain.decided(1, 1)[0].block.calls[0]
    with pytest.raises(LedgerRefused) as found:
        four.authorities[1].pool.add(again, int(four.now))
    assert found.value.why == "nonce"


def test_a_header_that_counts_other_calls_is_no_block(four: Consortium) -> None:
    block = made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, 2))
    wrong = Block(msgspec.structs.replace(block.header, root=calls_root(block.calls * 2)), block.calls)
    four.authorities[0].chain.check(block, int(four.now))
    with pytest.raises(BadBlock, match="bad-block"):
        four.authorities[0].chain.check(wrong, int(four.now))


def test_who_has_not_joined_says_nothing(four: Consortium) -> None:
    who = proposer(four)
    hearer = others(who)[0]
    proposal = Proposal(1, 0, -1, made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, 2)))
    restarted = four.start(hearer)
    four.forge(who, proposal, hearer)
    assert restarted._said == []
    for number in others(hearer):
        four.forge(number, Welcome(0, ()), hearer)
    assert [decode_message(each.body) for each in restarted._said] == [
        Vote(1, 0, PREVOTE, block_hash(proposal.block.header))
    ]


def test_who_proposes_out_of_turn_is_not_heard(four: Consortium) -> None:
    hearer, other = others(proposer(four))[:2]
    block = made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, 2))
    four.forge(other, Proposal(1, 0, -1, block), hearer)
    assert four.authorities[hearer]._said == []


def test_who_is_locked_on_a_block_prevotes_no_other(four: Consortium) -> None:
    """Round 0: a quorum prevotes a block, so that it may be decided somewhere. Round 1: another block gets no prevote."""
    chain = four.authorities[0].chain
    turns = [next(at for at in range(4) if member(at).address == chain.proposer(turn)) for turn in (0, 1)]
    hearer, helper = (at for at in range(4) if at not in turns)
    one, other = (made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, size)) for size in (2, 3))
    four.forge(turns[0], Proposal(1, 0, -1, one), hearer)
    for number in (*turns[:1], helper):
        four.forge(number, Vote(1, 0, PREVOTE, block_hash(one.header)), hearer)
    for number in (turns[1], helper):
        four.forge(number, Vote(1, 1, PREVOTE, NIL), hearer)
    four.forge(turns[1], Proposal(1, 1, -1, other), hearer)
    assert [decode_message(each.body) for each in four.authorities[hearer]._said] == [
        Vote(1, 0, PREVOTE, block_hash(one.header)),
        Vote(1, 0, PRECOMMIT, block_hash(one.header)),
        Vote(1, 1, PREVOTE, NIL),
        Vote(1, 1, PRECOMMIT, NIL),
    ]


def test_a_block_beside_itself_is_no_fork(four: Consortium) -> None:
    one = decide(four, made_block(four, signed_call(four, 0, 1, "put_checkpoint", ROOT, 2)))
    name = four.authorities[0].chain.name
    assert not proves(Fault("fork", member(0).address, 1, (), (one, one)), name, member(0).key)


def test_a_waiting_call_that_can_no_longer_be_made_is_given_up(four: Consortium) -> None:
    four.wire.cut.add(member(1).address)
    signed = four.authorities[1].call("add_key", *point(1), Role.ISSUER, START, START + DAY, now=four.now)
    four.ledger(2).add_key(*point(1), Role.ISSUER, START, START + DAY)
    four.wire.cut.clear()
    assert four.settle(four.agreed)
    assert not four.authorities[1].waits(signed)
    assert not four.authorities[1].chain.made(signed)


def test_a_write_that_was_given_up_is_refused_and_not_said_to_wait(four: Consortium) -> None:
    four.wire.cut.add(member(1).address)
    four.ledger(2).add_key(*point(1), Role.ISSUER, START, START + DAY)

    def heal(done: Callable[[], bool]) -> bool:
        four.wire.cut.clear()
        return four.settle(done)

    lonely = EmbeddedLedger(four.authorities[1], lambda: four.now, heal)
    with pytest.raises(LedgerRefused) as found:
        lonely.add_key(*point(1), Role.ISSUER, START, START + DAY)
    assert found.value.why == "nonce"


def test_no_member_fills_the_pool(four: Consortium) -> None:
    pool = four.authorities[0].pool
    four.wire.cut |= {member(at).address for at in range(4)}
    for nonce in range(1, PER_MEMBER + 1):
        assert pool.add(signed_call(four, 1, nonce, "put_checkpoint", ROOT, nonce + 1), int(four.now))
    with pytest.raises(LedgerRefused) as found:
        pool.add(signed_call(four, 1, PER_MEMBER + 1, "put_checkpoint", ROOT, 2), int(four.now))
    assert found.value.why == "full"


def test_a_new_member_signs_from_the_next_block_on(four: Consortium) -> None:
    for number in (0, 1, 2):
        four.ledger(number).vote(member(4).address, member(4).key)
    assert four.settle(four.agreed)
    assert len(four.ledger(0).members()) == 5
    four.start(4)
    assert four.settle(four.agreed)
    four.ledger(4).checkpoint(ROOT, 2)
    assert four.settle(four.agreed)
    assert four.ledger(0).last_checkpoint(member(4).address) is not None


def test_one_authority_alone_is_a_chain_too(tmp_path: Path) -> None:
    alone = Consortium(tmp_path, 1)
    for size in range(1, 5):
        alone.ledger(0).checkpoint(ROOT, size + 1)
        alone.wait(HOUR)
    assert alone.authorities[0].chain.height == 4
    alone.close()


def test_a_fault_is_still_known_after_a_restart_and_noise_hides_none(four: Consortium) -> None:
    for height in range(100):
        four.authorities[0]._blame(Fault("malformed", member(3).address, height))
    for block in (ROOT, NIL):
        four.forge(3, Vote(1, 0, PREVOTE, block), 0)
    assert ("equivocation", 3) in {(each.kind, 3) for each in four.start(0).faults}
    assert len(four.authorities[0].faults) == 21


@given(data=st.binary(max_size=400), link=st.integers(0, 3))
def test_whatever_bytes_come_an_authority_goes_on(data: bytes, link: int) -> None:
    hearer = _hearer()
    hearer.receive(data, member(link).address, float(START))
    assert hearer.chain.height == 0
    assert {each.kind for each in hearer.faults} <= {"malformed"}


@pytest.mark.parametrize("seed", range(6))
def test_words_that_are_lost_or_late_lead_to_no_two_truths(seed: int, tmp_path: Path) -> None:
    """A quarter of all messages is lost, the rest comes in any order, members are restarted: one history, nobody accused."""
    chance = random.Random(seed)
    four = Consortium(tmp_path)
    four.wire.chance = chance
    for size in range(1, 4):
        who = chance.randrange(4)
        assert four.settle(lambda who=who: four.authorities[who].chain.height == four.highest())
        four.authorities[who].call("put_checkpoint", ROOT, size + 1, now=four.now)
        assert four.settle(lambda size=size: four.highest() == size)
        if chance.random() < 0.5:
            four.start(chance.randrange(4))
        four.wait(HOUR + MINUTE)
    assert four.settle(four.agreed)
    assert all(four.faults(number) <= {("no-blocks", each) for each in range(4)} for number in range(4))
    four.close()


_HEARERS: list[Authority] = []


def _hearer() -> Authority:
    """One authority without a disk for all cases of a property."""
    if not _HEARERS:
        chain = Chain(Genesis(members(), START), _Nowhere())
        _HEARERS.append(Authority(chain, member(0).address, signing_key(0), _Nowhere()))
    return _HEARERS[0]


class _Nowhere:
    """A store and a transport that keep nothing."""

    def blocks(self, start: int):
        return iter(())

    def append(self, height: int, block: bytes) -> None: ...

    def add_fault(self, fault: bytes) -> None: ...

    def faults(self):
        return iter(())

    def remember(self, words) -> None: ...

    def words(self):
        return iter(())

    def send(self, to: bytes, data: bytes) -> None: ...
