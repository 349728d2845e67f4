"""One contract, two machines: everything here holds for the embedded chain and for an EVM node by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from egide.border.ledger.contract import calldata
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.machine import Machine
from egide.border.ledger.model import Ledger, Member, Role, kid_of
from egide.kernel.errors import BadInput
from tests.border.ledger import anvil
from tests.border.ledger.consortium import Consortium
from tests.border.ledger.parties import DAY, HOUR, MINUTE, START, member, point
from tests.conftest import missing

ROOT = b"r" * 32
NOW = START + HOUR  # some time in the first day, whatever the machine's clock makes of the seconds between


class House:
    """Four members' ledgers, and their time."""

    def __init__(self, ledgers: Sequence[Ledger], addresses: Sequence[bytes], wait: Callable[[int], object]) -> None:
        self.ledgers, self.addresses, self.wait = ledgers, addresses, wait


@pytest.fixture(scope="module")
def node() -> Iterator[anvil.Anvil | None]:
    path = anvil.program()
    if path is None:
        yield None
        return
    with anvil.running(path) as made:
        yield made


@pytest.fixture(params=["embedded", "evm"])
def house(request: pytest.FixtureRequest, node: anvil.Anvil | None, tmp_path: Path) -> Iterator[House]:
    if request.param == "embedded":
        four = Consortium(tmp_path)
        yield House([four.ledger(at) for at in range(4)], [member(at).address for at in range(4)], four.wait)
        four.close()
    elif node is None:
        missing("anvil is not installed: make peers")
    else:
        addresses = [anvil.address_of(anvil.account(at).public_key()) for at in range(4)]
        node.ask("anvil_reset")
        node.ask("evm_setNextBlockTimestamp", START)
        yield House(node.ledgers(), addresses, node.wait)


def why(ledger_call: Callable[[], object]) -> str:
    with pytest.raises(LedgerRefused) as found:
        ledger_call()
    return found.value.why


def test_the_members_are_those_it_began_with(house: House) -> None:
    assert [each.address for each in house.ledgers[0].members()] == house.addresses
    assert [each.key for each in house.ledgers[3].members()] == [member(at).key for at in range(4)]


def test_a_key_is_trusted_for_its_role_and_its_time_until_it_is_removed(house: House) -> None:
    one, other = house.ledgers[:2]
    before = one.revision()
    kid = one.add_key(*point(1), Role.VERIFIER, START, START + DAY)
    assert kid == kid_of(*point(1))
    key = one.trusted(kid, Role.VERIFIER, NOW)
    assert key is not None
    assert (key.x, key.y, key.owner) == (*point(1), house.addresses[0])
    assert one.keys() == (key,)
    assert one.revision() == before + 1
    assert one.trusted(kid, Role.ISSUER, NOW) is None
    assert one.trusted(kid, Role.VERIFIER, START - 1) is None
    assert one.trusted(kid, Role.VERIFIER, START + DAY) is None
    assert why(lambda: other.remove_key(kid, Role.VERIFIER)) == "owner"
    one.remove_key(kid, Role.VERIFIER)
    assert one.trusted(kid, Role.VERIFIER, NOW) is None
    assert one.keys() == ()


def test_no_point_no_key(house: House) -> None:
    x, _ = point(1)
    assert why(lambda: house.ledgers[0].add_key(x, x, Role.ISSUER, START, START + DAY)) == "key"


def test_a_status_list_never_goes_back_and_is_its_issuers(house: House) -> None:
    one, other = house.ledgers[:2]
    kid = one.add_key(*point(1), Role.ISSUER, START, START + DAY)
    assert one.status_digest(kid) is None
    one.put_status(kid, ROOT, 5)
    assert why(lambda: one.put_status(kid, ROOT, 6)) == "early"
    assert why(lambda: other.put_status(kid, ROOT, 6)) == "owner"
    house.wait(2 * MINUTE)
    assert why(lambda: one.put_status(kid, ROOT, 5)) == "rollback"
    one.put_status(kid, b"s" * 32, 9)
    found = one.status_digest(kid)
    assert found is not None
    assert (found.digest, found.sequence) == (b"s" * 32, 9)


def test_checkpoints_and_erasure_roots_grow_once_an_hour(house: House) -> None:
    one, me = house.ledgers[0], house.addresses[0]
    assert one.last_checkpoint(me) is None
    assert one.last_erasure(me) is None
    one.checkpoint(ROOT, 10)
    one.erasure_root(ROOT, 3)
    assert why(lambda: one.checkpoint(ROOT, 11)) == "early"
    house.wait(2 * HOUR)
    assert why(lambda: one.erasure_root(ROOT, 3)) == "rollback"
    one.erasure_root(b"s" * 32, 4)
    last = one.last_erasure(me)
    assert last is not None
    assert (last.root, last.size) == (b"s" * 32, 4)
    assert one.erasure_at(me, 3) == ROOT
    assert one.erasure_at(me, 2) is None


def test_a_stranger_becomes_a_member_by_three_votes(house: House) -> None:
    new = member(9)
    for ledger in house.ledgers[:2]:
        ledger.vote(new.address, new.key)
    assert len(house.ledgers[0].members()) == 4
    house.ledgers[2].vote(new.address, new.key)
    assert house.ledgers[2].members()[-1] == new


def test_what_is_no_kid_and_no_root_is_bad_input(house: House) -> None:
    one = house.ledgers[0]
    for kid in ("", "a" * 15, "é" * 16, "=" * 16, "a" * 17):
        with pytest.raises(BadInput):
            one.trusted(kid, Role.ISSUER, NOW)
    with pytest.raises(BadInput):
        one.checkpoint(b"short", 1)


def test_both_machines_come_to_the_same_state(node: anvil.Anvil | None) -> None:
    """The same calls at the same times by the same members: 32 bytes say that the machines agree on all of it."""
    if node is None:
        missing("anvil is not installed: make peers")
        return
    node.ask("anvil_reset")
    evm = node.ledgers()
    addresses = [anvil.address_of(anvil.account(at).public_key()) for at in range(4)]
    machine = Machine([Member(each, member(at).key) for at, each in enumerate(addresses)], START)
    assert machine.read("state") == (evm[0].state(),)
    for at, (who, name, arguments) in enumerate(
        [
            (0, "add_key", (*point(1), 1, START + 200 * DAY, START + 300 * DAY)),
            (1, "put_checkpoint", (ROOT, 4)),
            (2, "put_erasure", (ROOT, 5)),
            (3, "vote", (member(9).address, member(9).key)),
        ]
    ):
        time = START + 200 * DAY + at * HOUR
        node.ask("evm_setNextBlockTimestamp", time)
        evm[who]._write(name, *arguments)
        machine.begin(time)
        machine.apply(addresses[who], calldata(name, *arguments))
        assert machine.read("state") == (evm[0].state(),)
