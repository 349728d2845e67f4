"""The contract itself, in the embedded machine: who may write what, how often, and that nothing else finds a place."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egide.border.ledger import contract
from egide.border.ledger.contract import calldata, functions, is_write
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.machine import Machine
from egide.border.ledger.model import Role, kid_of, kid_word, quorum
from egide.kernel.errors import BadInput
from tests.border.ledger.parties import DAY, HOUR, MINUTE, START, member, members, point

ROOT = b"r" * 32
TOOL = Path(__file__).parents[3] / "tools" / "contract.py"


class Calls:
    """A machine with four members, and its calls by name."""

    def __init__(self) -> None:
        self.machine = Machine(members(), START)
        self.at = START

    def __call__(self, who: int, name: str, *arguments: int | bytes) -> None:
        self.machine.apply(member(who).address, calldata(name, *arguments))

    def wait(self, seconds: int) -> None:
        self.at += seconds
        self.machine.begin(self.at)

    def key(self, who: int, number: int, role: Role = Role.ISSUER) -> bytes:
        x, y = point(number)
        self(who, "add_key", x, y, role, self.at, self.at + 30 * DAY)
        return kid_word(kid_of(x, y))


@pytest.fixture
def call() -> Calls:
    return Calls()


def refused(call: Calls, why: str, who: int, name: str, *arguments: int | bytes) -> None:
    before = call.machine.read("state")
    with pytest.raises(LedgerRefused) as found:
        call(who, name, *arguments)
    assert found.value.why == why
    assert call.machine.read("state") == before


def test_what_is_committed_is_what_the_source_gives() -> None:
    pytest.importorskip("vyper", reason="vyper is not installed")
    spec = importlib.util.spec_from_file_location("contract_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.COMPILED.read_text("utf-8") == tool.text(tool.compiled(tool.SOURCE.read_text("utf-8")))


def test_the_interface_has_static_types_only() -> None:
    """No bytes, no string, no list of a length of its own: by type, a person's words cannot be said."""
    abi = msgspec.json.decode(Path(contract.__file__).with_name("consortium.json").read_bytes())["abi"]
    types = set()
    for entry in abi:
        assert entry["stateMutability"] != "payable"
        for part in [*entry["inputs"], *entry.get("outputs", [])]:
            types |= {each["type"] for each in part.get("components", [part])}
    assert types == {"address", "address[13]", "bytes32", "bytes32[13]", "uint8", "uint64", "uint256"}
    assert {entry["type"] for entry in abi} == {"constructor", "function"}  # no fallback, no event


def test_only_six_things_can_be_written() -> None:
    writes = {each.name: each.takes for each in functions().values() if each.writes}
    assert writes == {
        "add_key": ("bytes32", "bytes32", "uint8", "uint64", "uint64"),
        "remove_key": ("bytes32", "uint8"),
        "put_status": ("bytes32", "bytes32", "uint64"),
        "put_checkpoint": ("bytes32", "uint64"),
        "put_erasure": ("bytes32", "uint64"),
        "vote": ("address", "bytes32"),
    }


def test_a_key_is_trusted_until_its_owner_removes_it(call: Calls) -> None:
    kid = call.key(0, 1)
    x, y, since, until, owner = call.machine.read("key_of", kid, Role.ISSUER)
    assert (x, y, since, until, owner) == (*point(1), START, START + 30 * DAY, member(0).address)
    assert call.machine.read("key_of", kid, Role.VERIFIER)[4] == bytes(20)
    refused(call, "owner", 1, "remove_key", kid, Role.ISSUER)
    call(0, "remove_key", kid, Role.ISSUER)
    assert call.machine.read("key_of", kid, Role.ISSUER)[4] == bytes(20)
    refused(call, "key", 0, "remove_key", kid, Role.ISSUER)
    call.wait(MINUTE)
    call.key(0, 1)
    assert call.machine.read("entry_count") == (1,)


def test_what_is_no_key_is_not_listed(call: Calls) -> None:
    x, y = point(1)
    end = START + DAY
    refused(call, "key", 0, "add_key", x, x, 1, START, end)
    refused(call, "key", 0, "add_key", b"\xff" * 32, y, 1, START, end)
    refused(call, "role", 0, "add_key", x, y, 3, START, end)
    refused(call, "time", 0, "add_key", x, y, 1, START, START)
    refused(call, "time", 0, "add_key", x, y, 1, START - 2 * DAY, end)
    refused(call, "time", 0, "add_key", x, y, 1, START - 10, START - 5)
    refused(call, "time", 0, "add_key", x, y, 1, START, START + 1000 * DAY)
    refused(call, "member", 9, "add_key", x, y, 1, START, end)
    call.key(0, 1)
    refused(call, "owner", 1, "add_key", x, y, 1, START, end)


def test_a_status_list_never_goes_back(call: Calls) -> None:
    kid = call.key(0, 1)
    call(0, "put_status", kid, ROOT, 5)
    refused(call, "early", 0, "put_status", kid, ROOT, 6)
    call.wait(MINUTE)
    refused(call, "rollback", 0, "put_status", kid, ROOT, 5)
    refused(call, "root", 0, "put_status", kid, bytes(32), 6)
    refused(call, "owner", 1, "put_status", kid, ROOT, 6)
    call(0, "put_status", kid, b"s" * 32, 6)
    assert call.machine.read("status_of", kid) == (b"s" * 32, 6, START + MINUTE)
    call.wait(31 * DAY)
    refused(call, "time", 0, "put_status", kid, ROOT, 7)


@pytest.mark.parametrize("kind", ["checkpoint", "erasure"])
def test_roots_only_grow_and_stay_readable(call: Calls, kind: str) -> None:
    call(0, f"put_{kind}", ROOT, 10)
    refused(call, "early", 0, f"put_{kind}", ROOT, 11)
    call(1, f"put_{kind}", ROOT, 3)
    call.wait(HOUR)
    refused(call, "rollback", 0, f"put_{kind}", ROOT, 10)
    refused(call, "root", 0, f"put_{kind}", bytes(32), 11)
    refused(call, "member", 9, f"put_{kind}", ROOT, 11)
    refused(call, "root", 2, f"put_{kind}", ROOT, 1)  # that would be the hash of one entry
    call(0, f"put_{kind}", b"s" * 32, 11)
    assert call.machine.read(f"{kind}_of", member(0).address) == (b"s" * 32, 11, START + HOUR)
    assert call.machine.read(f"{kind}_at", member(0).address, 10) == (ROOT,)
    assert call.machine.read(f"{kind}_at", member(0).address, 9) == (bytes(32),)


def test_three_of_four_let_a_member_in_and_out(call: Calls) -> None:
    new = member(7)
    call(0, "vote", new.address, new.key)
    refused(call, "early", 0, "vote", new.address, new.key)
    call(1, "vote", new.address, new.key)
    assert call.machine.read("member_count") == (4,)
    call.wait(MINUTE)
    refused(call, "again", 0, "vote", new.address, new.key)
    call(2, "vote", new.address, new.key)
    assert call.machine.read("member_at", 4) == (new.address,)
    assert call.machine.read("member_key", new.address) == (new.key,)
    call.wait(MINUTE)
    for who in (0, 2, 3, 7):
        call(who, "vote", member(1).address, bytes(32))
    assert [call.machine.read("member_at", at)[0] for at in range(5)] == [
        *(member(who).address for who in (0, 2, 3, 7)),
        bytes(20),
    ]
    refused(call, "member", 1, "put_checkpoint", ROOT, 2)


def test_a_vote_of_before_a_change_counts_no_more(call: Calls) -> None:
    for who in (0, 1):
        call(who, "vote", member(7).address, member(7).key)
    call.wait(MINUTE)
    for who in (0, 1, 2):
        call(who, "vote", member(8).address, member(8).key)
    call.wait(MINUTE)
    call(3, "vote", member(7).address, member(7).key)
    assert call.machine.read("member_count") == (5,)


def test_the_key_of_who_left_can_be_removed_by_all(call: Calls) -> None:
    kid = call.key(3, 1)
    for who in (0, 1, 2):
        call(who, "vote", member(3).address, bytes(32))
    call(0, "remove_key", kid, Role.ISSUER)


def test_the_last_member_stays() -> None:
    machine = Machine(members(1), START)
    with pytest.raises(LedgerRefused, match="number of members"):
        machine.apply(member(0).address, calldata("vote", member(0).address, bytes(32)))


def test_the_last_of_a_kind_is_the_limit_whatever_is_tried(call: Calls) -> None:
    """One write per traveller is impossible by construction: of a day's seconds, each kind takes a fixed few."""
    kid = call.key(0, 1)
    taken, refusals = 0, set()
    for second in range(0, 2 * HOUR, 5):  # a traveller every five seconds, for two hours
        for name, arguments in (
            ("put_checkpoint", (ROOT, second + 2)),
            ("put_erasure", (ROOT, second + 2)),
            ("put_status", (kid, ROOT, second + 1)),
        ):
            try:
                call(0, name, *arguments)
                taken += 1
            except LedgerRefused as error:
                refusals.add(error.why)
        call.wait(5)
    assert refusals == {"early"}
    assert taken == 2 + 2 + 120


@given(data=st.binary(max_size=300))
def test_bytes_that_are_no_call_change_nothing(data: bytes) -> None:
    machine = _shared()
    before = machine.read("state")
    with machine.trial(), pytest.raises(LedgerRefused):
        machine.apply(member(0).address, data)
    assert machine.read("state") == before


@given(
    name=st.sampled_from(sorted(each.name for each in functions().values() if each.writes)),
    words=st.lists(st.binary(min_size=32, max_size=32), min_size=5, max_size=5),
    more=st.binary(min_size=1, max_size=64),
)
def test_a_call_carries_its_words_and_nothing_more(name: str, words: list[bytes], more: bytes) -> None:
    """The machine refuses what is longer, and so does the bytecode itself, on any node."""
    machine, function = _shared(), functions()[name]
    data = function.selector + b"".join(words[: len(function.takes)]) + more
    assert not is_write(data)
    with pytest.raises(LedgerRefused):
        machine.apply(member(0).address, data)
    with machine.trial(), pytest.raises(RuntimeError, match="Revert"):
        machine._evm.message_call("0x" + member(0).address.hex(), machine._place, calldata=data)


@given(digest=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_two_digests_do_not_pass_for_a_key(digest: bytes, other: bytes) -> None:
    machine = _shared()
    with machine.trial(), pytest.raises(LedgerRefused):
        machine.apply(member(0).address, calldata("add_key", digest, other, 1, START, START + DAY))


@pytest.mark.parametrize("value", [-1, 1 << 64, b"", b"x" * 31, b"x" * 33])
def test_a_value_that_its_type_does_not_hold_is_bad_input(value: int | bytes) -> None:
    with pytest.raises(BadInput):
        calldata("put_checkpoint", ROOT, value)
    with pytest.raises(BadInput):
        calldata("put_checkpoint", value, 1)


def test_a_quorum_is_two_thirds_and_one() -> None:
    assert [quorum(count) for count in (1, 2, 3, 4, 7, 10, 13)] == [1, 2, 3, 3, 5, 7, 9]


_MACHINES: list[Machine] = []


def _shared() -> Machine:
    """One machine for all cases of a property, which leave it as it was."""
    if not _MACHINES:
        _MACHINES.append(Machine(members(), START))
    return _MACHINES[0]
