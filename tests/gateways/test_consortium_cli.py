"""`egide border consortium`: what operators do by hand, as acts, in words; on a chain of four and on a real node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from egide.border.clerk import Elsewhere
from egide.border.ledger.model import Ledger, Role
from egide.gateways import authority_cli, composition, consortium_cli
from egide.gateways.consortium_files import KEY, line_of
from egide.kernel.errors import BadInput, Conflict, NotFound
from egide.kernel.identity import OPERATOR
from egide.kernel.keyfile import write_private
from tests.border.airport import Airport
from tests.border.ledger import anvil
from tests.border.ledger.parties import member, point, signing_key
from tests.conftest import missing
from tests.gateways.conftest import heard
from tests.gateways.test_consortium import COMPOSED, MINUTE, airport_of, founded, four, ledger_of, listed

pytestmark = pytest.mark.anyio
__all__ = ["four"]  # a fixture
NEW = line_of("observer", signing_key(7))


async def said(airport: Airport, monkeypatch: pytest.MonkeyPatch, command: Any, *words: Any, **more: Any) -> str:
    """What a command says that asks this platform, in its process."""
    loop = asyncio.get_running_loop()

    def call(_settings: object, name: str, given: dict[str, Any]) -> dict[str, Any]:
        asked = airport.kernel.perform(name, msgspec.json.encode(given), OPERATOR)
        outcome = asyncio.run_coroutine_threadsafe(asked, loop).result(30)
        return {"result": msgspec.to_builtins(outcome.result)}

    monkeypatch.setattr(consortium_cli, "call", call)
    code, told = await asyncio.to_thread(
        heard, lambda console: command(airport.settings, *words, console=console, **more)
    )
    assert code == 0
    return told


def owner_of(ledger: Ledger, kid: str) -> bytes | None:
    listed_ = ledger.keys()
    return next((each.owner for each in listed_ if each.kid == kid), None)


async def test_a_member_is_proposed_seen_by_the_others_and_comes_in_by_three_votes(
    four: tuple[Airport, list[Ledger]], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, others = four
    new = member(7)
    await asyncio.to_thread(others[0].vote, new.address, new.key)
    await platform.until(ledger_of(platform).ballots)
    shown = await said(platform, monkeypatch, consortium_cli.show, as_json=False)
    (ballot,) = ledger_of(platform).ballots() or ()
    assert f"{ballot.id}: {new.address.hex()}, to come in, 1/3 votes." in shown
    assert f"egide border consortium vote {ballot.id}" in shown
    assert all(name in shown for name in ("PAF", "airport", "airline", "CNIL", "ici / here"))
    with pytest.raises(NotFound, match="No open vote"):
        await said(platform, monkeypatch, consortium_cli.vote_for, "ffffffff")
    voted = await said(platform, monkeypatch, consortium_cli.vote_for, ballot.id)
    assert "Voted: 2/3 votes." in voted
    assert "Voté : 2/3 voix." in voted
    found = json.loads(await said(platform, monkeypatch, consortium_cli.show, as_json=True))
    assert [(each["id"], each["mine"], len(each["by"])) for each in found["ballots"]] == [(ballot.id, True, 2)]
    await asyncio.to_thread(others[1].vote, new.address, new.key)
    await platform.until(lambda: len(ledger_of(platform).members()) == 5)
    assert "No vote is open." in await said(platform, monkeypatch, consortium_cli.show, as_json=False)


async def test_what_the_consortium_refuses_is_said_and_stands_in_the_ledger_as_failed(
    four: tuple[Airport, list[Ledger]], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, _ = four
    assert "1/3 votes" in await said(platform, monkeypatch, consortium_cli.vote_out, "CNIL")
    before = platform.kernel.log.size
    with pytest.raises(Conflict, match="Too soon"):
        await said(platform, monkeypatch, consortium_cli.vote_in, NEW)
    assert platform.kernel.log.size == before + 2, "decided, and failed"
    with pytest.raises(NotFound, match="No member is called so: nobody"):
        await said(platform, monkeypatch, consortium_cli.vote_out, "nobody")
    with pytest.raises(BadInput, match="no member’s line"):
        await said(platform, monkeypatch, consortium_cli.vote_in, "observer+12")


async def test_a_departed_members_key_is_shown_and_taken_off(
    four: tuple[Airport, list[Ledger]], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, others = four
    now = platform.clock.now_us() // 1_000_000
    kid = await asyncio.to_thread(others[2].add_key, *point(5), Role.VERIFIER, now, now + 1000)
    gone = owner_of(others[2], kid)
    assert gone is not None
    for each in others[:2]:
        await asyncio.to_thread(each.vote, gone, None)
    assert "decided" in await said(platform, monkeypatch, consortium_cli.vote_out, gone.hex())
    shown = await said(platform, monkeypatch, consortium_cli.show, as_json=False)
    assert f"egide border consortium remove-key {kid} --role verifier" in shown
    assert "Taken off" in await said(platform, monkeypatch, consortium_cli.remove_key, kid, "verifier")
    assert owner_of(ledger_of(platform), kid) is None


async def test_without_a_consortium_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Airport(tmp_path / "data")
    await made.start()
    with pytest.raises(NotFound, match="connected to no consortium"):
        await said(made, monkeypatch, consortium_cli.show, as_json=False)
    await made.stop()


async def test_an_officer_may_not_vote(four: tuple[Airport, list[Ledger]]) -> None:
    platform, _ = four
    new = member(7)
    assert await platform.refused("officer", "border.consortium.vote", address=new.address.hex(), key=new.key.hex())
    assert ledger_of(platform).ballots() == ()


async def test_the_contract_is_created_on_a_node_by_a_command_and_a_platform_works_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = anvil.program()
    if path is None:
        missing("anvil is not installed: make peers")
    monkeypatch.setattr(composition, "_held", [COMPOSED])
    for number, name in enumerate(("data", "airline")):
        pem = anvil.account(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(tmp_path / name / KEY, pem)
    lines = [
        heard(lambda console, name=name: authority_cli.node_key(tmp_path / name, name, console))[1].splitlines()[-1]
        for name in ("data", "airline")
    ]
    made = Airport(tmp_path / "data")
    await made.start()
    with anvil.running(path) as node:
        for line in lines:
            node.ask("anvil_setBalance", "0x" + line.split("+")[1], hex(10**20))
        told = await said(made, monkeypatch, consortium_cli.deploy, node.address, anvil.CHAIN, lines)
        with pytest.raises(BadInput, match="given twice"):
            await said(made, monkeypatch, consortium_cli.deploy, node.address, anvil.CHAIN, [lines[0], lines[0]])
        contract = told.splitlines()[-1].partition('"')[2].rstrip('"')
        await made.stop()
        again = Airport(tmp_path / "data", consortium=node.address, consortium_contract=contract)
        again.issuer, again.gates = made.issuer, made.gates
        await again.start()
        shown = json.loads(await said(again, monkeypatch, consortium_cli.show, as_json=True))
        assert [each["address"] for each in shown["members"]] == [line.split("+")[1] for line in lines]
        assert shown["ballots"] is None
        assert "A node keeps no list" in await said(again, monkeypatch, consortium_cli.show, as_json=False)
        assert "Others have to vote." in await said(
            again, monkeypatch, consortium_cli.vote_in, f"new+{'ab' * 20}+{'cd' * 32}"
        )
        with pytest.raises(Conflict, match="already"):
            await said(again, monkeypatch, consortium_cli.deploy, node.address, anvil.CHAIN, lines)
        await again.stop()


async def test_one_that_was_listed_here_stays_off_once_it_was_taken_off(
    four: tuple[Airport, list[Ledger]], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, _ = four
    await listed(platform)
    kid = platform.gates["facilitation"]
    await said(platform, monkeypatch, consortium_cli.remove_key, kid, "verifier")
    platform.move(seconds=MINUTE)
    await asyncio.to_thread(ledger_of(platform).list_keys)
    assert owner_of(ledger_of(platform), kid) is None


async def test_a_process_that_does_not_speak_for_the_member_decides_nothing_and_the_command_asks_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = founded(tmp_path, 1)[0]
    first, second = airport_of(settings), airport_of(settings)
    await first.start()
    second.issuer, second.gates, second.clock = first.issuer, first.gates, first.clock
    await second.start()
    before, new = second.kernel.log.size, member(7)
    with pytest.raises(Elsewhere):
        await said(second, monkeypatch, consortium_cli.vote_in, NEW)
    assert second.kernel.log.size == before
    assert "decided" in await said(first, monkeypatch, consortium_cli.vote_in, NEW)
    await second.until(lambda: new.address in [each.address for each in ledger_of(second).members()])
    await second.stop()
    await first.stop()
