"""`egide doctor` on the consortium: who answers, whether that decides, the last block and the clock; and it changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from egide.app import chain
from egide.gateways import checks_consortium, composition
from egide.gateways.consortium_files import KEY, OfChain, draw_key, given
from egide.gateways.consortium_machines import OwnChain
from egide.gateways.findings import Finding
from egide.kernel.errors import Text
from egide.kernel.keyfile import write_private
from egide.kernel.settings import Settings
from tests.border.ledger import anvil
from tests.conftest import missing
from tests.gateways.conftest import content
from tests.gateways.test_consortium import COMPOSED, NAMES, founded
from tests.waiting import PATIENCE_S


def found(settings: Settings) -> list[Finding]:
    return list(checks_consortium.consortium(settings, lambda *_: None))


def marks(settings: Settings) -> list[tuple[str, str]]:
    return [(each.mark, each.what.en) for each in found(settings)]


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Settings], list[OwnChain]]]:
    """Four authorities that run, each in its folder."""
    monkeypatch.setattr(composition, "_held", [COMPOSED])
    settings = founded(tmp_path, 4)
    machines = [machine_of(each) for each in settings]
    for each in machines:
        each.step()
    until = time.monotonic() + PATIENCE_S
    while not all(each.authority is not None and each.authority.joined for each in machines):
        assert time.monotonic() < until
        time.sleep(0.02)
    yield settings, machines
    for each in machines:
        each.close()


def machine_of(settings: Settings) -> OwnChain:
    place = given(settings)
    assert isinstance(place, OfChain)
    return OwnChain(place, chain(place.folder), time.time)


def test_without_a_consortium_nothing_is_said(tmp_path: Path) -> None:
    assert found(Settings(data=str(tmp_path))) == []


def test_all_is_well_and_nothing_changes(four: tuple[list[Settings], list[OwnChain]]) -> None:
    settings, machines = four
    machines[0].writer().checkpoint(b"r" * 32, 7)
    before = content(settings[0].folder)
    block, reached = found(settings[0])
    assert (block.mark, reached.mark) == ("good", "good")
    assert block.what.en.startswith("Consortium: block 1, of 20")
    assert reached.what.en == "Consortium: 4 of 4 authorities answer, 3 decide"
    assert reached.what.fr == "Consortium : 4 autorités sur 4 répondent, 3 décident"
    assert content(settings[0].folder) == before


def test_one_that_is_away_is_named_and_two_stop_the_writes(four: tuple[list[Settings], list[OwnChain]]) -> None:
    settings, machines = four
    machines[3].close()
    *_, reached = found(settings[0])
    assert (reached.mark, reached.what.en) == ("note", "Consortium: 3 of 4 authorities answer, 3 decide")
    assert reached.do == Text(
        "Ne répondent pas : CNIL. Prévenez ces membres.", "Not answering: CNIL. Tell these members."
    )
    machines[2].close()
    *_, reached = found(settings[0])
    assert (reached.mark, reached.what.en.rpartition(": ")[2]) == ("wrong", "no write is decided.")
    assert reached.do is not None
    assert "CNIL, airline" in reached.do.en


def test_an_own_authority_that_does_not_run_is_a_remark_with_what_to_do(
    four: tuple[list[Settings], list[OwnChain]],
) -> None:
    settings, machines = four
    machines[0].close()
    said = found(settings[0])
    assert [each.mark for each in said] == ["good", "note", "good"]
    assert said[1].what.en == "This house’s authority does not run."
    assert said[2].what.en == "Consortium: 3 of 4 authorities answer, 3 decide"


def test_a_member_without_an_address_and_a_key_that_is_no_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "_held", [COMPOSED])
    settings = founded(tmp_path, 4)[0]
    peers = {name: where for name, where in settings.consortium_peers.items() if name != NAMES[1]}
    lacking = msgspec.structs.replace(settings, consortium_peers=peers)
    said = marks(lacking)
    assert ("note", "Consortium: no block here yet.") in said
    assert ("note", "Address unknown: airport.") in said
    assert not (settings.folder / "consortium").exists(), "a check makes nothing"
    (settings.folder / KEY).unlink()
    draw_key(settings.folder)
    assert ("wrong", "The consortium’s key is no member’s.") in marks(settings)
    (settings.folder / "genesis.json").write_text("{}")
    assert [each.mark for each in found(settings)] == ["wrong"]


def test_a_block_from_the_future_tells_of_a_clock_that_is_behind(
    four: tuple[list[Settings], list[OwnChain]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, machines = four
    machines[0].writer().checkpoint(b"r" * 32, 7)
    now = time.time()
    monkeypatch.setattr(checks_consortium.time, "time", lambda: now - 100)
    block = found(settings[0])[0]
    assert block.mark == "wrong"
    assert "this machine’s clock is at least" in block.what.en
    assert block.do == checks_consortium.CLOCK
    monkeypatch.setattr(checks_consortium.time, "time", lambda: now + 3 * 3600 + 60)
    assert found(settings[0])[0].what.en.endswith(": nothing for 3 h.")


def test_an_altered_chain_is_told(four: tuple[list[Settings], list[OwnChain]]) -> None:
    settings, machines = four
    machines[0].writer().checkpoint(b"r" * 32, 7)
    machines[0]._store._store._run("UPDATE block SET body = x'00'")  # type: ignore[attr-defined]
    (altered,) = found(settings[0])
    assert altered.mark == "wrong"
    assert "Block 1 of the chain was altered" in altered.what.en


def test_a_node_is_asked_for_its_last_block_and_its_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "_held", [COMPOSED])
    path = anvil.program()
    if path is None:
        missing("anvil is not installed: make peers")
    pem = anvil.account(0).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(tmp_path / KEY, pem)
    with anvil.running(path) as node:
        contract = node.ledgers(2)[1]._node.contract  # type: ignore[attr-defined]
        settings = Settings(
            data=str(tmp_path), consortium=node.address, consortium_contract=f"{anvil.CHAIN}:0x{contract.hex()}"
        )
        assert marks(settings)[0][0] == "note", "its last block is old"
        node.wait(int(time.time()) - anvil.START)
        assert [mark for mark, _ in marks(settings)] == ["good", "good"]
        assert marks(settings)[1][1] == "Consortium: contract of 2 members"
        wrong = msgspec.structs.replace(settings, consortium_contract=f"{anvil.CHAIN}:0x{'ab' * 20}")
        assert marks(wrong)[1][0] == "wrong"
        other = msgspec.structs.replace(settings, consortium_contract=f"7:0x{contract.hex()}")
        assert "another chain" in marks(other)[0][1]
    assert [mark for mark, _ in marks(settings)] == ["wrong"]
