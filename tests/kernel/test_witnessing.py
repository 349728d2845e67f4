"""The platform's side: heads go to witnesses and to a time-stamping authority; what comes back is verified, kept, shown."""

from __future__ import annotations

import asyncio
import io
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificates
from rich.console import Console
from sqlalchemy import delete, select, update

from egide.app import health
from egide.kernel import checkpoint, cosigned, stamping, tables
from egide.kernel.clock import iso
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.errors import StartupError
from egide.kernel.outward import Unreachable, post
from egide.kernel.settings import Settings
from egide.kernel.stamping import StampRefused
from egide.kernel.witness import MAX_REQUEST, Witness, trust
from egide.kernel.witness_client import WitnessClient
from tests.conftest import missing
from tests.kernel.authority import Authority, answering
from tests.kernel.logs import Grown
from tests.world import World

pytestmark = pytest.mark.anyio


class Beside:
    """A witness behind a tiny server; `away` and `lie` change what it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.witness = Witness(folder, "witness.example/w1")
        self.away = False
        self.lie: tuple[int, bytes, str] | None = None
        self.asked = 0

    def __call__(self, body: bytes) -> tuple[int, bytes, str]:
        self.asked += 1
        assert len(body) <= MAX_REQUEST
        if self.lie is not None:
            return self.lie
        if self.away:
            return 503, b"", "text/plain"
        answer = self.witness.add_checkpoint(body)
        return answer.status, answer.body.encode(), answer.content_type


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    made = Beside(tmp_path / "witness")
    yield made
    made.witness.close()


@pytest.fixture
async def watched(tmp_path: Path, beside: Beside) -> AsyncIterator[World]:
    """A platform with one witness, whose own turns are an hour apart: the tests take the turns."""
    with answering(beside) as address:
        made = World(tmp_path / "data", witnesses={address: beside.witness.vkey}, witness_every_s=3600)
        await made.start()
        trust(beside.folder, made.kernel.key.vkey)
        yield made
        await made.stop()


async def signed(world: World) -> int:
    """Does an act and waits until a head over it is signed; gives the ledger's size before."""
    await world.act("prefect", "orders.draft", **world.draft())
    kernel, size = world.kernel, world.kernel.log.size
    for _ in range(200):
        newest = kernel.latest_checkpoint()
        if newest is not None and newest[0] >= size:
            return size
        await asyncio.sleep(0.05)
    raise AssertionError("no head was signed")


async def turn(world: World) -> None:
    for each in world.kernel.witnessing.witnesses:
        each.every_s = 0  # so that no turn is left to "another process"
    await world.kernel.witnessing.now()


async def test_heads_are_cosigned_kept_and_shown(watched: World, beside: Beside) -> None:
    kernel = watched.kernel
    for _ in range(3):
        size = await signed(watched)
        await turn(watched)
        head = cosigned.best(kernel.store.reader(), "police")
        assert head is not None
        assert head.size >= size
        note = checkpoint.parse(head.note)
        assert len(CosignatureVerifier([beside.witness.vkey]).verify(note)) == 1
        assert checkpoint.verify(head.note, [kernel.key.vkey]).size == head.size
    assert kernel.witnessing.told() == []
    assert health(kernel)["ok"]


async def test_a_witness_whose_clock_is_beyond_the_calendar_is_kept_and_told(watched: World, beside: Beside) -> None:
    kernel = watched.kernel
    beside.witness._now = lambda: float(2**62)
    await signed(watched)
    await turn(watched)
    head = cosigned.best(kernel.store.reader(), "police")
    assert head is not None
    assert [iso(at) for _name, at in head.witnesses] == ["9999-12-31T23:59:59Z"]
    assert kernel.witnessing.told() == []


async def test_a_witness_that_is_away_is_told_after_a_while_and_asked_again(watched: World, beside: Beside) -> None:
    kernel = watched.kernel
    beside.away = True
    await signed(watched)
    await turn(watched)
    (party,) = kernel.witnessing.witnesses
    assert party.trouble is not None
    party.every_s = 10
    assert [party.wait_s()] == [20]
    assert kernel.witnessing.told() == []  # not yet late
    watched.clock.shift(timedelta(seconds=100))
    ((name, refuses, what),) = kernel.witnessing.told()
    assert (name, refuses) == ("witness.example/w1", False)
    assert "has not cosigned for 100 s" in what.en
    assert health(kernel)["ok"]  # the platform works; the page says what is missing
    assert "has not cosigned" in str(health(kernel)["parts"])
    for _ in range(20):
        await turn(watched)
    party.every_s = 10
    assert party.wait_s() == 300
    beside.away = False
    await turn(watched)
    assert kernel.witnessing.told() == []


async def test_a_rewritten_history_is_refused_and_said(watched: World, beside: Beside, tmp_path: Path) -> None:
    kernel = watched.kernel
    other = Grown(kernel.key, 0).grow(kernel.log.size + 1)
    assert beside.witness.add_checkpoint(other.request(0, 1)).status == 200  # what it cosigned was another first leaf
    await signed(watched)
    await turn(watched)
    ((_, refuses, what),) = kernel.witnessing.told()
    assert refuses
    assert "the history differs" in what.en
    state = health(kernel)
    assert not state["ok"]
    assert kernel.store.reader().execute(select(tables.cosignature)).first() is None


async def test_a_shortened_ledger_is_refused_and_said(watched: World, beside: Beside) -> None:
    kernel = watched.kernel
    size = await signed(watched)
    other = Grown(kernel.key).grow(size + 1000)
    assert beside.witness.add_checkpoint(other.request(0)).status == 200
    await turn(watched)
    ((_, refuses, what),) = kernel.witnessing.told()
    assert refuses
    assert "the ledger has only" in what.en


async def test_an_unknown_log_says_what_to_do(watched: World, beside: Beside) -> None:
    (beside.folder / "logs.vkeys").unlink()
    await signed(watched)
    await turn(watched)
    (party,) = watched.kernel.witnessing.witnesses
    assert party.trouble is not None
    assert "egide witness trust" in party.trouble.en


@pytest.mark.parametrize(
    "lie",
    [
        (200, b"", "text/plain"),
        (200, b"\xff\xfe", "text/plain"),
        (200, "— witness.example/w1 AAAA\n".encode(), "text/plain"),
        (200, b"x" * 100_000, "text/plain"),
        (409, b"many\n", "text/x.tlog.size"),
        (409, b"9" * 30, "text/x.tlog.size"),
        (302, b"", "text/plain"),
        (418, b"", "text/plain"),
    ],
)
async def test_no_answer_is_believed(watched: World, beside: Beside, lie: tuple[int, bytes, str]) -> None:
    beside.lie = lie
    await signed(watched)
    await turn(watched)
    (party,) = watched.kernel.witnessing.witnesses
    assert party.trouble is not None
    assert not party.refuses
    assert watched.kernel.store.reader().execute(select(tables.cosignature)).first() is None


async def test_nothing_new_asks_nobody_and_another_process_s_turn_counts(watched: World, beside: Beside) -> None:
    await signed(watched)
    await turn(watched)
    asked = beside.asked
    await turn(watched)
    assert beside.asked == asked
    await signed(watched)
    watched.kernel.witnessing.witnesses[0].every_s = 3600  # cosigned a moment ago, by whomever
    await watched.kernel.witnessing.now()
    assert beside.asked == asked


async def test_what_the_witness_already_has_is_learnt(watched: World, beside: Beside) -> None:
    """The rows are lost (a restored store): the witness says its size, and one more request suffices."""
    kernel = watched.kernel
    await signed(watched)
    await turn(watched)
    with kernel.store.side() as db:
        db.execute(delete(tables.cosignature))
    kernel.witnessing.witnesses[0].known = None
    size = await signed(watched)
    await turn(watched)
    head = cosigned.best(kernel.store.reader(), "police")
    assert head is not None
    assert head.size >= size


async def test_doctor_and_the_offline_verifier_see_the_witness(
    watched: World, beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from egide.app import build, capabilities, engines
    from egide.gateways import checks_data, composition, verify

    monkeypatch.setattr(composition, "_held", [composition.Composition(build, engines, capabilities, lambda *_: 0)])
    settings = Settings(data=watched.settings.data, witnesses=watched.settings.witnesses, demo=True, port=9)
    assert [each.mark for each in checks_data.witnesses(settings, lambda *_: None)] == ["note"]
    await signed(watched)
    await turn(watched)
    assert [each.mark for each in checks_data.witnesses(settings, lambda *_: None)] == ["good"]

    def heard(what: Callable[[Console], int]) -> tuple[int, str]:
        out = io.StringIO()
        return what(Console(file=out, width=200)), out.getvalue()

    assert heard(lambda console: verify.export_public(settings, tmp_path / "export", "public", console))[0] == 0
    keys = tmp_path / "keys"
    keys.write_text(f"{watched.kernel.key.vkey}\n{beside.witness.vkey}\n")
    code, said = heard(lambda console: verify.verify(tmp_path / "export", [keys], console))
    assert code == 0, said
    assert "Witness witness.example/w1: " in said
    assert "heads cosigned" in said
    assert heard(lambda console: verify.export_tiles(settings, tmp_path / "tiles", console))[0] == 0

    with watched.kernel.store.side() as db:  # a cosignature over another root: what a rewritten store looks like
        lie = Grown(watched.kernel.key, 0).grow(watched.kernel.log.size)
        size = int(db.execute(select(tables.cosignature.c.size)).scalars().all()[-1])
        other = Witness(tmp_path / "other", "witness.example/w1")
        other._key = beside.witness._key
        trust(tmp_path / "other", watched.kernel.key.vkey)
        line = other.add_checkpoint(lie.request(0, size)).body
        other.close()
        db.execute(update(tables.cosignature).where(tables.cosignature.c.size == size).values(line=line))
    ((finding),) = checks_data.witnesses(settings, lambda *_: None)
    assert finding.mark == "wrong"
    assert "it was rewritten" in finding.what.en


async def test_nobody_there(tmp_path: Path, beside: Beside) -> None:
    world = World(tmp_path / "data", witnesses={"http://127.0.0.1:9": beside.witness.vkey}, witness_every_s=3600)
    await world.start()
    await signed(world)
    await turn(world)
    assert "does not answer" in str(world.kernel.witnessing.witnesses[0].trouble)
    await world.stop()


@pytest.mark.parametrize(
    ("address", "key"), [("ftp://x", None), ("http://a b", None), ("https://w.example", "nonsense")]
)
def test_a_wrong_setting_stops_the_start(beside: Beside, address: str, key: str | None) -> None:
    with pytest.raises(StartupError):
        WitnessClient(address, key or beside.witness.vkey)


def test_no_redirect_is_followed() -> None:
    with answering(lambda _body: (307, b"", "text/plain")) as address:
        assert post(address, b"", "text/plain", 10).status == 307
    with pytest.raises(Unreachable):
        post(address, b"", "text/plain", 10)


# -- RFC 3161 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    try:
        return Authority(tmp_path / "tsa")
    except FileNotFoundError:
        missing("stamps are tested with openssl as the authority: install it")
        raise


@pytest.fixture
async def stamped(tmp_path: Path, authority: Authority) -> AsyncIterator[World]:
    with answering(authority) as address:
        made = World(tmp_path / "data", stamps=address, stamp_every_s=3600)
        await made.start()
        keys = tmp_path / "data" / "keys"
        (keys / stamping.AUTHORITY).write_bytes((authority.place / "tsa.pem").read_bytes())
        yield made
        await made.stop()


async def test_a_head_is_stamped_once_an_hour_and_anyone_can_check_it(
    stamped: World, authority: Authority, tmp_path: Path
) -> None:
    kernel = stamped.kernel
    size = await signed(stamped)
    await kernel.witnessing.now()
    ((at, token),) = cosigned.stamps(kernel.store.reader(), "police")
    head = cosigned.head(kernel.store.reader(), "police", at)
    assert head is not None
    assert at >= size
    assert head.stamped is not None
    body = checkpoint.parse(head.note).body
    (tmp_path / "head.txt").write_bytes(body)
    (tmp_path / "head.tsr").write_bytes(token)
    done = await asyncio.to_thread(
        subprocess.run,
        ["openssl", "ts", "-verify", "-data", tmp_path / "head.txt", "-in", tmp_path / "head.tsr", "-CAfile", authority.place / "tsa.pem"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Verification: OK" in done.stdout + done.stderr
    await signed(stamped)
    await kernel.witnessing.now()
    assert len(cosigned.stamps(kernel.store.reader(), "police")) == 1  # not due yet
    with kernel.store.side() as db:
        db.execute(update(tables.stamp).values(at=0))
    await kernel.witnessing.now()
    assert len(cosigned.stamps(kernel.store.reader(), "police")) == 2


async def test_a_stamp_on_something_else_is_refused(stamped: World, authority: Authority) -> None:
    question = stamping.Question(b"another message")
    authority.body = authority(question.encoded)[1]
    trusted = load_pem_x509_certificates((authority.place / "tsa.pem").read_bytes())
    assert stamping.verify(authority.body, question.body, trusted, question.nonce) > 0
    with pytest.raises(StampRefused):  # an old answer
        stamping.verify(authority.body, question.body, trusted, 1)
    with pytest.raises(StampRefused):
        stamping.verify(authority.body, b"a message", trusted)
    await signed(stamped)
    await stamped.kernel.witnessing.now()
    party = stamped.kernel.witnessing.authority
    assert party is not None
    assert party.trouble is not None
    assert cosigned.stamps(stamped.kernel.store.reader(), "police") == []


async def test_another_authority_s_stamp_and_noise_are_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    question = stamping.Question(b"message")
    answer = authority(question.encoded)[1]
    trusted = load_pem_x509_certificates((other.place / "tsa.pem").read_bytes())
    for token in (answer, b"", b"\x30", b"\x00" * 100, answer[:-1], answer + b"\0", b"x" * 100_000):
        with pytest.raises(StampRefused):
            stamping.verify(token, question.body, trusted)


async def test_without_its_certificate_nothing_is_asked(stamped: World) -> None:
    (stamped.folder / "keys" / stamping.AUTHORITY).unlink()
    await signed(stamped)
    await stamped.kernel.witnessing.now()
    party = stamped.kernel.witnessing.authority
    assert party is not None
    assert "certificate" in str(party.trouble)


def test_settings_hold_witnesses() -> None:
    assert Settings().witnesses == {}
