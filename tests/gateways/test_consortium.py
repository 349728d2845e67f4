"""A platform in a consortium: the authorities have the last word on keys, roots of erasures stand on the chain, no act waits."""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given as given_
from hypothesis import strategies as st
from rich.console import Console

from egide.app import build, capabilities, chain, engines, health, node
from egide.border import clerk, erasure, statuses
from egide.border.keys import CONSORTIUM
from egide.border.ledger import tcp
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.evidence import Fault
from egide.border.ledger.messages import Signed, encode
from egide.border.ledger.model import Ledger, Role
from egide.engines.chain_store import SqliteChainStore
from egide.gateways import authority_cli, composition, consortium, consortium_again, consortium_machines
from egide.gateways.consortium_files import KEY, OfChain, founder, given, read_genesis
from egide.gateways.consortium_machines import OwnChain
from egide.kernel.errors import BadInput, StartupError, Text, Unavailable
from egide.kernel.keyfile import write_private
from egide.kernel.settings import Settings
from tests.border.airport import Airport
from tests.border.houses import MINUTE, NAMES, airport_of, beside, founded, ledger_of, listed
from tests.border.ledger import anvil
from tests.conftest import missing
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

COMPOSED = composition.Composition(build, engines, capabilities, lambda *_: 0, chain, node)
FUZZED = TemporaryDirectory()  # one file, written again and again


def heard(what: Callable[[Console], object]) -> str:
    out = StringIO()
    what(Console(file=out, width=300))
    return out.getvalue()


async def refused(airport: Airport) -> list[str]:
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    return await airport.refused("officer", "border.control.open", **given)


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Airport]:
    made = airport_of(founded(tmp_path, 1)[0])
    await made.start()
    yield made
    await made.stop()


async def test_without_settings_nothing_is_started(tmp_path: Path) -> None:
    made = Airport(tmp_path / "data")
    await made.start()
    assert CONSORTIUM not in made.kernel.things
    assert "consortium" not in [part["id"] for part in health(made.kernel)["parts"]]
    assert not (made.folder / "consortium").exists()
    await made.passes("security", await made.traveller())
    await made.stop()


async def test_a_key_that_the_authorities_removed_stops_the_gate_at_once_and_is_not_listed_again(
    alone: Airport,
) -> None:
    assert await refused(alone) == ["EIDAS-5b-1"], "a control: nobody listed it yet"
    await listed(alone)
    await alone.passes("security", await alone.traveller())
    ledger_of(alone).remove_key(alone.gates["facilitation"], Role.VERIFIER)
    assert await refused(alone) == ["EIDAS-5b-1"]
    await listed(alone)
    assert await refused(alone) == ["EIDAS-5b-1"]


async def test_a_key_that_ended_here_is_taken_off_for_everybody(alone: Airport) -> None:
    await listed(alone)
    kid, ledger = alone.gates["facilitation"], ledger_of(alone)
    now = alone.clock.now_us() // 1_000_000
    assert ledger.trusted(kid, Role.VERIFIER, now) is not None
    await alone.act("administrator", "border.key.end", kid=kid)
    ledger.list_keys()
    assert ledger.trusted(kid, Role.VERIFIER, now) is None


async def test_a_platform_lists_its_keys_by_itself_and_says_where_its_authority_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consortium, "STEP_S", 0.01)
    monkeypatch.setattr(consortium, "LISTING", 1)
    made = airport_of(founded(tmp_path, 1)[0])
    await made.start()
    ledger = ledger_of(made)
    await made.until(ledger.keys)
    (key,) = ledger.keys()
    assert key.kid == made.issuer, "the oldest first, and the next in a minute"
    made.move(seconds=MINUTE)
    await made.until(lambda: len(ledger.keys()) == 2)
    assert ledger.told() == (True, Text("connecté", "connected"))
    monkeypatch.setattr(consortium_machines, "DEAD_S", -1.0)
    assert not ledger.told()[0]
    await made.stop()


def full(*_: object) -> None:
    raise OSError("database or disk is full")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits after a failure is given up at once, and tried again at once."""
    monkeypatch.setattr(tcp, "STUCK_S", 0.0)
    monkeypatch.setattr(consortium_again, "FIRST_S", 0.0)


@pytest.mark.usefixtures("at_once")
async def test_an_authority_that_a_full_disk_ended_is_told_and_runs_again_without_a_new_start_of_the_platform(
    alone: Airport, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ledger_of(alone)
    machine = ledger.machine
    assert isinstance(machine, OwnChain)
    with monkeypatch.context() as patched:
        patched.setattr(machine._store, "append", full)
        with pytest.raises(OSError, match="full"):
            await asyncio.to_thread(ledger.checkpoint, b"r" * 32, 7)
        await alone.until(lambda: not machine._transport.running)
        well, what = ledger.told()
        assert (well, what.en[:19]) == (False, "the authority ended")
        with pytest.raises(Unavailable, match="it starts again by itself"):
            ledger.checkpoint(b"r" * 32, 7)
    await asyncio.to_thread(machine.step)
    assert ledger.told()[0]
    assert "the authority runs again" in [each.getMessage() for each in caplog.records]
    await alone.until(lambda: ledger.last_checkpoint(machine.me))  # its words were kept: they decide it again


async def test_an_authority_that_does_not_start_is_tried_again_ever_later_and_holds_no_lock_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = airport_of(founded(tmp_path, 1)[0])
    now = [1000.0]
    monkeypatch.setattr(consortium_machines, "monotonic", lambda: now[0])
    with monkeypatch.context() as patched:
        patched.setattr(SqliteChainStore, "words", full)
        await made.start()  # a control: the platform starts without its authority
        ledger = ledger_of(made)
        assert "again by itself in 5 s" in ledger.told()[1].en
        now[0] += 5
        await asyncio.to_thread(ledger.machine.step)
        assert "again by itself in 10 s" in ledger.told()[1].en
        assert fcntl_free(made.folder / "consortium" / consortium_machines.LOCK)
    await asyncio.to_thread(ledger.machine.step)
    assert not ledger.told()[0], "a control: it is too early"
    now[0] += 10
    await asyncio.to_thread(ledger.machine.step)
    assert ledger.told() == (True, Text("connecté", "connected"))
    await asyncio.to_thread(ledger.checkpoint, b"r" * 32, 7)
    await made.stop()


def fcntl_free(file: Path) -> bool:
    with file.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def test_it_is_tried_every_five_minutes_at_last_and_soon_again_after_a_good_time() -> None:
    again, now = consortium_again.Again(), 0.0
    for wait in (5, 10, 20, 40, 80, 160, 300, 300, *[300] * 20):
        again.failed(now)
        assert not again.may(now + wait - 1)
        now += wait
        assert again.may(now)
    again.runs(now)
    again.failed(now + 10)
    assert not again.may(now + 300), "it did not hold"
    again.runs(now + 310)
    again.failed(now + 310 + consortium_again.WELL_S + 1)
    assert again.may(now + 310 + consortium_again.WELL_S + 6)


async def test_what_nobody_foresaw_ends_one_turn_and_not_all_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consortium, "STEP_S", 0.01)
    made = airport_of(founded(tmp_path, 1)[0])
    await made.start()
    ledger, steps = ledger_of(made), list[int]()

    def unforeseen() -> None:
        steps.append(1)
        raise SystemError("a panic of the machine")

    with monkeypatch.context() as patched:
        patched.setattr(ledger.machine, "step", unforeseen)
        await made.until(lambda: len(steps) > 2)
        assert ledger.told()[1].en == "an unforeseen error comes again: look at the log"
    await made.until(lambda: ledger.told()[0])
    await made.stop()


async def test_an_address_that_is_taken_is_told_and_the_platform_starts_all_the_same(tmp_path: Path) -> None:
    settings = founded(tmp_path, 1)[0]
    host, _, port = settings.consortium_listen.partition(":")
    made = airport_of(settings)
    with socket.create_server((host, int(port))):
        await made.start()
        ledger = ledger_of(made)
        assert ledger.told()[1].en == "the listening address is taken or not allowed"
    await asyncio.to_thread(ledger.machine.step)
    assert ledger.told()[0]
    await made.stop()


async def test_an_erasure_root_stands_on_the_chain_under_the_size_that_the_wallets_proof_names(alone: Airport) -> None:
    await listed(alone)
    wallet = await alone.traveller()
    ended = await alone.ask("border.journey.close", consent=wallet.consent, secret=wallet.secret)
    await clerk.Clerk(alone.kernel).hour()
    leaf = erasure.leaf_of(ended["receipt"]).hex()
    proof = erasure.Proof(**await alone.ask("border.erasure.prove", leaf=leaf))
    ledger = ledger_of(alone)
    assert proof.anchored >= erasure.LEAST
    assert ledger.erasure_at(ledger.machine.me, proof.anchored) == bytes.fromhex(proof.root)
    ledger.erasure_root(bytes.fromhex(proof.root), proof.anchored)  # told again: it stands there
    await clerk.Clerk(alone.kernel).minute()
    assert ledger.status_digest(alone.issuer) is not None


async def test_a_root_that_the_ledger_refuses_breaks_no_act_is_told_and_comes_again(alone: Airport) -> None:
    await listed(alone)
    hours = clerk.Clerk(alone.kernel)
    for _ in range(2):
        wallet = await alone.traveller()
        await alone.ask("border.journey.close", consent=wallet.consent, secret=wallet.secret)
        await hours.hour()
    ledger = ledger_of(alone)
    with pytest.raises(LedgerRefused, match="soon"):
        ledger.erasure_root(b"r" * 32, 1 << 20)
    assert ledger.told()[0], "it is not late yet"
    alone.move(hours=2.1)
    well, what = ledger.told()
    assert (well, what.en) == (False, "1 roots of erasures wait")
    (part,) = [part for part in health(alone.kernel)["parts"] if part["id"] == "consortium"]
    assert (part["ok"], part["detail"]) == (False, f"{what.fr} · {what.en}")
    await hours.hour()
    assert ledger.told()[0]


async def test_of_two_processes_one_is_the_authority_the_other_reads_its_blocks_and_takes_its_place(
    alone: Airport, caplog: pytest.LogCaptureFixture
) -> None:
    second = Airport(
        alone.folder, **{name: getattr(alone.settings, name) for name in ("consortium", "consortium_listen")}
    )
    second.issuer, second.gates, second.clock = alone.issuer, alone.gates, alone.clock
    await second.start()
    await listed(alone)
    first, other, now = ledger_of(alone), ledger_of(second), alone.clock.now_us() // 1_000_000
    kid = alone.gates["facilitation"]
    assert other.trusted(kid, Role.VERIFIER, now) == first.trusted(kid, Role.VERIFIER, now) is not None
    with pytest.raises(Unavailable, match="Another process"):
        other.list_keys()
    caplog.clear()
    await clerk.Clerk(second.kernel).minute()
    assert first.status_digest(alone.issuer) is None
    await clerk.Clerk(alone.kernel).minute()
    await clerk.Clerk(second.kernel).minute()
    assert caplog.records == [], "who is not the authority has nothing to say of it"
    said = first.status_digest(alone.issuer)
    assert said is not None
    assert said == statuses.statuses(second.kernel).published[alone.issuer]
    assert said.digest == statuses.digest_at(second.kernel.store.reader(), said.sequence), (
        "and would have told the same"
    )
    first.remove_key(kid, Role.VERIFIER)
    assert other.trusted(kid, Role.VERIFIER, now) is None, "at once, there too"
    await first.stop()
    alone.kernel.things.pop(CONSORTIUM)  # it is stopped already
    other.machine.step()
    other.checkpoint(b"r" * 32, 7)
    await second.stop()


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[tuple[Airport, list[Ledger]]]:
    """The platform and three authorities beside it, by TCP on this machine; all have the platform's time."""
    async with beside(founded(tmp_path, 4)) as (platform, machines):
        yield platform, [machine.writer() for machine in machines]


async def test_a_house_that_the_others_vote_out_opens_no_gate_and_they_take_its_keys_off(
    four: tuple[Airport, list[Ledger]],
) -> None:
    platform, others = four
    await listed(platform)
    await platform.passes("security", await platform.traveller())
    mine, kid = ledger_of(platform), platform.gates["facilitation"]
    for each in others:
        await asyncio.to_thread(each.vote, mine.machine.me, None)
    await platform.until(lambda: not mine.told()[0])
    assert await refused(platform) == ["EIDAS-5b-1"]
    now = platform.clock.now_us() // 1_000_000
    # A control: it is the keys' turn. One that has not heard of a key yet refuses to take it off.
    await platform.until(lambda: all(each.trusted(kid, Role.VERIFIER, now) is not None for each in others))
    await asyncio.to_thread(others[0].remove_key, kid, Role.VERIFIER)
    await platform.until(lambda: others[1].trusted(kid, Role.VERIFIER, now) is None)
    assert mine.told() == (False, Text("cette clé n’est celle d’aucun membre", "this key is no member’s"))
    await clerk.Clerk(platform.kernel).minute()  # a control: a ledger that refuses stops nothing here


def test_a_member_says_its_line_and_all_begin_with_the_same_genesis(tmp_path: Path) -> None:
    said = [heard(lambda console, name=name: authority_cli.key(tmp_path / name, name, console)) for name in NAMES]
    lines = [next(line for line in each.splitlines() if "+" in line) for each in said]
    assert (tmp_path / "PAF" / KEY).stat().st_mode & 0o777 == 0o600
    again = heard(lambda console: authority_cli.key(tmp_path / "PAF", "PAF", console))
    assert lines[0] in again, "drawn once"
    file = tmp_path / "genesis.json"
    told = heard(lambda console: authority_cli.genesis(lines, file, console))
    found = read_genesis(file)
    assert found.genesis().name().hex() in told
    assert set(found.names().values()) == set(NAMES)
    with pytest.raises(BadInput, match="exists already"):
        authority_cli.genesis(lines, file, Console(file=StringIO()))
    with pytest.raises(BadInput, match="distinct"):
        authority_cli.genesis([lines[0], lines[0]], tmp_path / "other.json", Console(file=StringIO()))
    with pytest.raises(BadInput, match="no member"):
        authority_cli.genesis(["PAF+12"], tmp_path / "other.json", Console(file=StringIO()))


def test_what_the_chain_says_is_shown_with_faults_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "_held", [COMPOSED])
    settings = founded(tmp_path, 4)[0]
    shown = heard(lambda console: authority_cli.show(settings, console))
    assert all(name in shown for name in NAMES)
    assert "No fault is known." in shown
    place = given(settings)
    assert isinstance(place, OfChain)
    store, liar = chain(place.folder), next(iter(place.peers))
    store.add_fault(encode(Fault("malformed", liar, 1)))
    store.add_fault(encode(Fault("equivocation", liar, 1, (Signed(liar, b"x", bytes(64)),))))
    store.close()
    out = StringIO()
    assert authority_cli.show(settings, Console(file=out, width=300)) == 1
    assert f"{place.names[liar]}: equivocation, 1 times (proved)." in out.getvalue()
    assert f"{place.names[liar]}: malformed, 1 times (no proof" in out.getvalue()
    with pytest.raises(StartupError, match="no genesis file"):
        authority_cli.show(Settings(data=str(tmp_path)), Console(file=StringIO()))


def test_a_genesis_of_a_time_beyond_the_calendar_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "_held", [COMPOSED])
    settings = founded(tmp_path, 1)[0]
    file = settings.folder / settings.consortium
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(read_genesis(file), at=(1 << 53) - 1)))
    shown = heard(lambda console: authority_cli.show(settings, console))
    assert "9999-12-31T23:59:59Z" in shown


def test_an_authority_without_a_platform_runs_until_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = founded(tmp_path, 1)[0]
    lines = [
        f"consortium = {json.dumps(settings.consortium)}",
        f"consortium_listen = {json.dumps(settings.consortium_listen)}",
    ]
    (settings.folder / "egide.toml").write_text("\n".join(lines))
    words = [sys.executable, "-m", "egide", "authority", "serve", "--data", settings.data]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert settings.consortium_listen in running.stdout.readline()
        monkeypatch.setattr(composition, "_held", [COMPOSED])
        with pytest.raises(StartupError, match="already runs"):
            authority_cli.serve(settings, Console(file=StringIO()))
    finally:
        running.terminate()
        assert running.wait(PATIENCE_S) == 0
        running.stdout.close()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"consortium": "absent.json"}, "cannot be read"),
        ({"consortium": "egide.toml"}, "no genesis file"),
        ({"consortium_listen": "here"}, "consortium_listen"),
        ({"consortium_peers": {"nobody": "127.0.0.1:1"}}, "consortium_peers"),
        ({"consortium": "https://node.example"}, "Unusable key file"),
    ],
)
def test_a_wrong_setting_stops_the_start_in_words(tmp_path: Path, changed: dict[str, Any], why: str) -> None:
    settings = founded(tmp_path, 1)[0]
    (settings.folder / "egide.toml").write_text("data")
    with pytest.raises(StartupError) as caught:
        given(msgspec.structs.replace(settings, **changed))
    assert why in str(caught.value)


@given_(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_genesis_file_is_one_or_is_refused(data: bytes) -> None:
    file = Path(FUZZED.name) / "genesis.json"
    file.write_bytes(data)
    with suppress(StartupError):
        read_genesis(file)
    with suppress(ValueError):
        founder(data.decode("latin-1"))


async def test_a_platform_on_a_node_goes_by_its_copy_of_the_list(tmp_path: Path) -> None:
    path = anvil.program()
    if path is None:
        missing("anvil is not installed: make peers")
    with anvil.running(path) as node:
        contract = node.ledgers(1)[0]._node.contract  # type: ignore[attr-defined]
        key = anvil.account(0).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(tmp_path / "data" / KEY, key)
        made = Airport(
            tmp_path / "data", consortium=node.address, consortium_contract=f"{anvil.CHAIN}:0x{contract.hex()}"
        )
        node.wait(int(time.time()) - anvil.START)
        await made.start()
        ledger, kid = ledger_of(made), made.issuer
        for _ in range(3):
            await asyncio.to_thread(ledger.list_keys)
            node.wait(MINUTE)
            made.move(seconds=MINUTE)
        now = made.clock.now_us() // 1_000_000
        assert ledger.trusted(kid, Role.ISSUER, now) is None, "a control: the copy is older"
        await asyncio.to_thread(ledger.machine.step)
        assert ledger.trusted(kid, Role.ISSUER, now) is not None
        assert ledger.told()[0]
    await asyncio.to_thread(ledger.machine.step)
    assert not ledger.told()[0]
    assert ledger.trusted(kid, Role.ISSUER, now) is not None, "the node is away: the copy serves on"
    await made.stop()
