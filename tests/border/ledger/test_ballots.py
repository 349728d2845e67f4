"""Open votes are listed as the contract counts them: from the calls in the blocks, the same at every member."""

from __future__ import annotations

from egide.border.ledger.ballots import Ballot
from tests.border.ledger.consortium import Consortium
from tests.border.ledger.parties import MINUTE, member


def opened(four: Consortium, number: int) -> tuple[Ballot, ...]:
    return four.authorities[number].chain.ballots.open()


def vote(four: Consortium, number: int, address: bytes, key: bytes | None) -> None:
    four.ledger(number).vote(address, key)
    assert four.settle(four.agreed)


def test_a_vote_is_open_until_a_quorum_said_the_same_and_every_member_lists_it(four: Consortium) -> None:
    new = member(7)
    vote(four, 0, new.address, new.key)
    (found,) = opened(four, 3)
    assert (found.address, found.key, found.by) == (new.address, new.key, (member(0).address,))
    vote(four, 1, new.address, new.key)
    (again,) = opened(four, 3)
    assert (again.id, again.at, again.by) == (found.id, found.at, (member(0).address, member(1).address))
    vote(four, 2, new.address, new.key)
    assert opened(four, 3) == ()
    assert len(four.authorities[3].chain.members) == 5


def test_a_change_of_members_ends_the_other_votes_as_it_does_in_the_contract(four: Consortium) -> None:
    new, other = member(7), member(8)
    vote(four, 3, other.address, other.key)
    for number in range(3):
        vote(four, number, new.address, new.key)
    assert opened(four, 0) == ()
    four.wait(MINUTE + 1)
    vote(four, 3, other.address, other.key)  # a control: the contract takes it again, for it counts anew
    assert [each.by for each in opened(four, 0)] == [(member(3).address,)]


def test_in_and_out_are_two_votes_and_a_restart_knows_them(four: Consortium) -> None:
    liar = member(2)
    vote(four, 0, liar.address, None)
    vote(four, 1, liar.address, member(9).key)
    before = opened(four, 0)
    assert [each.key for each in before] == [None, member(9).key]
    assert len({each.id for each in before}) == 2
    four.start(0)
    assert opened(four, 0) == before


def test_after_one_left_three_are_still_needed_of_three(four: Consortium) -> None:
    for number in range(3):
        vote(four, number, member(3).address, None)
    four.stop(3)
    four.wait(MINUTE + 1)
    new = member(7)
    for number in range(2):
        vote(four, number, new.address, new.key)
    assert [len(each.by) for each in opened(four, 0)] == [2]
