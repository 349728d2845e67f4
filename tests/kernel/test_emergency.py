"""Emergency first: the ledger is down in real ways; the alert gets through, and stands there once, in order, afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from egide.app import health
from egide.engines.circuit import READ_S
from egide.kernel import tables
from egide.kernel.door import Outcome
from egide.kernel.errors import Refused
from egide.kernel.identity import ANONYMOUS
from egide.kernel.merkle import Frontier, leaf_hash
from egide.operations.board import board
from tests.engines.postgres import Server, postgres
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio
PROOF = os.environ.get("EGIDE_PROOF") == "1"
TURNS = 40 if PROOF else 4  # kills
GAP_S = 5.0 if PROOF else 0.4  # s between alerts while PostgreSQL is away
THROUGH_S = 3.0  # s from asking to the answer, however the database is
LONG = "x" * 3000


async def sends(world: World, text: str, address: str = "") -> Outcome:
    raw = json.dumps({"text": text}).encode()
    return await world.kernel.perform("operations.alert.send", raw, ANONYMOUS, address=address)


def fill(world: World) -> None:
    """No page more for the file."""
    world.full_at(1)


def drain(world: World) -> None:
    world.full_at(1_000_000)


async def back(world: World, seconds: float = 20) -> None:
    await world.until(lambda: world.kernel.emergency.waiting == 0, seconds)


def leaves(world: World, act: str = "operations.alert.send") -> list[dict[str, Any]]:
    """The act's leaves in the ledger's order; the ledger proves itself on the way."""
    db = world.kernel.store.reader()
    rows = db.execute(select(tables.entry.c.leaf).order_by(tables.entry.c.idx)).all()
    frontier = Frontier()
    size = min(len(rows), world.kernel.log.size)  # what another process has just appended is followed in a moment
    frontier.extend([leaf_hash(bytes(row.leaf)) for row in rows[:size]])
    assert frontier.root() == world.kernel.log.root(size)
    found = [json.loads(bytes(row.leaf)) for row in rows]
    ids = [leaf["id"] for leaf in found]
    assert len(ids) == len(set(ids))
    return [leaf for leaf in found if leaf["act"] == act]


def down(*_: object, **__: object) -> None:
    raise OSError("down")


def unplug(world: World) -> None:
    """Its ledger stays away until it is plugged in again, or its end."""
    writer = world.kernel.writer
    writer._transaction = down  # type: ignore[method-assign]  # an act of the platform's own that is written says: it is back
    writer._sign_alone = lambda: None  # type: ignore[method-assign]  # so does a head that is signed
    writer._try_again = lambda: None  # type: ignore[method-assign]  # as above
    time.sleep(0.1)  # what the writer was in the middle of says so too
    writer.failed = "down"


def plug(world: World) -> None:
    """Its ledger is back."""
    writer = world.kernel.writer
    del writer._transaction, writer._sign_alone, writer._try_again  # the class's own again
    writer.failed = None


async def test_ledger_up_nothing_is_journalled(world: World) -> None:
    done = await sends(world, "help")
    assert done.journal is None
    assert done.receipt is not None
    assert world.kernel.emergency.waiting == 0


async def test_a_full_disk_keeps_no_alert_back(world: World) -> None:
    officer = Terminal(world.person("officer"))
    await world.act("officer", "operations.alert.list", officer)
    fill(world)
    sent = []
    for number in range(60):
        since = time.monotonic()
        sent.append(await sends(world, f"{number} {LONG}"))
        assert time.monotonic() - since < THROUGH_S
    journalled = [each for each in sent if each.journal is not None]
    assert len(journalled) > 30
    assert all(each.journal is not None and each.journal.durable for each in journalled)
    seen = [each["alert"] for each in officer.pushed if each["push"] == "alert"]
    assert len({each["id"] for each in seen}) == 60
    assert seen[-1]["journal"]
    assert not next(part for part in health(world.kernel)["parts"] if part["id"] == "journal")["ok"]

    id_, secret = sent[-1].result.id, sent[-1].result.secret
    await world.act("officer", "operations.alert.answer", alert=id_, text="On my way")
    await world.act("officer", "operations.alert.take", alert=id_)
    raw = json.dumps({"alert": id_, "secret": secret}).encode()
    read = msgspec.to_builtins((await world.kernel.perform("operations.alert.follow", raw, ANONYMOUS)).result)["alert"]
    assert [word["text"] for word in read["words"]] == ["On my way"]
    assert read["taken"]
    assert read["journal"]

    drain(world)
    await back(world)
    found = leaves(world)
    assert len(found) == 60
    late = [leaf for leaf in found if leaf.get("cause", "").startswith("journal ")]
    assert len(late) == len(journalled)
    assert [leaf["id"] for leaf in late] == [each.journal.entry for each in journalled if each.journal is not None]
    assert len(leaves(world, "operations.alert.answer")) == 1
    await world.until(lambda: not officer.pushed[-1]["alert"]["journal"])
    assert not any(file.read_bytes().strip(b"\0") for file in (world.folder / "emergency").glob("*.journal")), (
        "personal data stays in the journal"
    )
    await world.stop()
    await world.start()
    shown = (await world.act("officer", "operations.alert.list"))["alerts"]
    assert len(shown) == 60
    assert shown[-1]["words"][0]["text"] == "On my way"
    assert shown[-1]["taken"]


async def test_the_law_still_refuses(world: World) -> None:
    world.kernel.writer.failed = "the ledger is down"
    with pytest.raises(Refused) as caught:
        await world.perform("prefect", "operations.alert.list")
    assert "GDPR-29" in [reason.rule for reason in caught.value.decision.reasons]
    assert world.kernel.emergency.waiting == 1
    await back(world)
    assert [leaf["outcome"] for leaf in leaves(world, "operations.alert.list")] == ["refused"]


async def test_an_uncertain_act_is_not_doubled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has taken the act, and the answer comes too late: it is journalled too, and stands there once."""
    monkeypatch.setattr("egide.kernel.emergency.ANSWER_S", 0.2)
    answer = world.kernel.door.committed
    held: list[Any] = []
    monkeypatch.setattr(world.kernel.door, "committed", held.append)
    done = await sends(world, "once")
    assert done.journal is not None
    monkeypatch.setattr(world.kernel.door, "committed", answer)
    await back(world)
    assert len(held) >= 1
    assert len(leaves(world)) == 1
    assert len((await world.act("officer", "operations.alert.list"))["alerts"]) == 1


async def test_a_thousand_alerts_wait_and_arrive_in_order(world: World) -> None:
    fill(world)
    while world.kernel.emergency.waiting == 0:
        await sends(world, LONG)
    first = len((await world.act("officer", "operations.alert.list"))["alerts"])
    texts = [f"alert {number}" for number in range(1000)]
    for text in texts:
        await sends(world, text)
    drain(world)
    await back(world, 90)
    shown = (await world.act("officer", "operations.alert.list"))["alerts"]
    assert [each["text"] for each in shown][first:] == texts
    assert len(leaves(world)) == first + 1000


async def test_the_journal_full_too_it_is_told_and_kept_in_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer = Terminal(world.person("officer"))
    await world.act("officer", "operations.alert.list", officer)
    unplug(world)

    def full(_content: bytes) -> int:
        raise OSError(28, "No space left on device")

    assert world.kernel.emergency._own is not None
    with monkeypatch.context() as patched:
        patched.setattr(world.kernel.emergency._own, "append", full)
        done = await sends(world, "help")
    assert done.journal is not None
    assert not done.journal.durable
    assert officer.pushed[-1]["alert"]["text"] == "help"
    await world.until(lambda: all(each.file is not None for each in world.kernel.emergency._waiting))
    plug(world)
    await back(world)
    assert len(leaves(world)) == 1


async def test_what_a_dead_process_left_is_appended_by_the_next(world: World) -> None:
    unplug(world)
    sent = [await sends(world, f"{number}") for number in range(5)]
    await world.stop()
    await world.start()
    shown = (await world.act("officer", "operations.alert.list"))["alerts"]
    assert [each["text"] for each in shown] == ["0", "1", "2", "3", "4"]
    await back(world)
    assert [leaf["id"] for leaf in leaves(world)] == [each.journal.entry for each in sent if each.journal is not None]
    raw = json.dumps({"alert": sent[0].result.id, "secret": sent[0].result.secret}).encode()
    assert (await world.kernel.perform("operations.alert.follow", raw, ANONYMOUS)).receipt is not None


async def test_a_tampered_journal_is_named_and_the_rest_saved(world: World) -> None:
    unplug(world)
    for number in range(5):
        await sends(world, f"{number}")
    await world.stop()
    (file,) = (world.folder / "emergency").glob("*.journal")
    data = bytearray(file.read_bytes())
    data[40] ^= 1
    file.write_bytes(data)
    await world.start()
    await back(world)
    assert len(leaves(world)) == 4
    told = next(part for part in health(world.kernel)["parts"] if part["id"] == "journal")
    assert not told["ok"]
    assert "was altered" in told["detail"]
    assert list((world.folder / "emergency").glob("*.damaged"))


CHILD = """
import asyncio, os, sys, json
from pathlib import Path
from tests.world import World
from egide.kernel.identity import ANONYMOUS
async def main():
    world = World(Path(sys.argv[1])); await world.start()
    if sys.argv[2] == "down":
        world.kernel.writer.failed = "down"
        world.kernel.writer._try_again = lambda: None
    number = int(sys.argv[3])
    print("ready", flush=True)
    while True:
        done = await world.kernel.perform("operations.alert.send", json.dumps({"text": f"{number}"}).encode(), ANONYMOUS)
        print(number, flush=True)
        number += 1
        if sys.argv[2] != "down": await asyncio.sleep(0.01)
asyncio.run(main())
"""


async def test_kill_9_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed while it journals, and while it appends what another left, again and again."""
    told: list[int] = []
    for turn in range(TURNS):
        words = [
            sys.executable,
            "-c",
            CHILD,
            str(tmp_path / "data"),
            "down" if turn % 2 == 0 else "up",
            str(turn * 100_000),
        ]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        await asyncio.sleep(0.15 + 0.11 * (turn % 6))
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in child.stdout.read().splitlines()[:-1]]
        child.stdout.close()
        child.wait()
    world = World(tmp_path / "data")
    await world.start()
    try:
        await back(world, 60)
        shown = [int(each["text"]) for each in (await world.act("officer", "operations.alert.list"))["alerts"]]
        assert len(shown) == len(set(shown))
        assert set(told) <= set(shown)
        assert len(leaves(world)) == len(shown)
    finally:
        await world.stop()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    """Two processes on one data folder."""
    both = World(tmp_path / "data"), World(tmp_path / "data")
    for each in both:
        await each.start()
    yield both
    for each in reversed(both):
        await each.stop()


async def test_what_one_process_journals_the_others_show(two: tuple[World, World]) -> None:
    """An alert that came in here is on the consoles there, with its mark, and answered there; both end in the ledger once."""
    first, second = two
    officer = Terminal(second.person("officer"))
    await second.act("officer", "operations.alert.list", officer)
    unplug(first)
    since = time.monotonic()
    sent = await sends(first, "help")
    assert sent.journal is not None
    await second.until(lambda: bool(officer.pushed), THROUGH_S - (time.monotonic() - since))
    assert officer.pushed[-1]["alert"]["text"] == "help"
    assert officer.pushed[-1]["alert"]["journal"]
    unplug(second)
    await second.act("officer", "operations.alert.answer", alert=sent.result.id, text="Coming")
    raw = json.dumps({"alert": sent.result.id, "secret": sent.result.secret}).encode()

    async def answered() -> bool:
        done = await first.kernel.perform("operations.alert.follow", raw, ANONYMOUS)
        return [word["text"] for word in done.result.alert["words"]] == ["Coming"]

    for _ in range(60):
        if await answered():
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("the sender does not see the answer")
    for each in two:
        del (
            each.kernel.writer._transaction,
            each.kernel.writer._sign_alone,
            each.kernel.writer._try_again,
        )  # the class's own
        each.kernel.writer.failed = None
    await back(first)
    await back(second)
    await second.until(lambda: not officer.pushed[-1]["alert"]["journal"])
    assert [leaf["id"] for leaf in leaves(second)] == [sent.journal.entry]
    assert len(leaves(second, "operations.alert.answer")) == 1


async def test_a_living_process_appends_what_a_dead_one_journalled(two: tuple[World, World]) -> None:
    first, second = two
    officer = Terminal(second.person("officer"))
    await second.act("officer", "operations.alert.list", officer)
    unplug(first)
    sent = [await sends(first, f"{number}") for number in range(5)]
    await second.until(lambda: len({each["alert"]["id"] for each in officer.pushed}) == 5)
    assert leaves(second) == []
    await first.stop()
    await second.until(lambda: not any(each["journal"] for each in board(second.kernel).shown()))
    await first.start()  # as a new process
    assert [leaf["id"] for leaf in leaves(second)] == [each.journal.entry for each in sent if each.journal is not None]
    assert not officer.pushed[-1]["alert"]["journal"]
    shown = (await second.act("officer", "operations.alert.list"))["alerts"]
    assert [each["text"] for each in shown] == ["0", "1", "2", "3", "4"]
    files = (second.folder / "emergency").glob("*.journal")
    assert not any(file.read_bytes().strip(b"\0") for file in files), "what is in the ledger stays in the journal"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
async def on_postgres(tmp_path: Path, server: Server, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made = World(tmp_path / "data", store=server.dsn(f"emergency{abs(hash(request.node.name))}"))
    await made.start()
    yield made
    await made.stop()


class Pulse:
    """The longest time the event loop was held, until `stop`."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            since = time.monotonic()
            await asyncio.sleep(0.01)
            self.worst = max(self.worst, time.monotonic() - since)

    async def stop(self) -> float:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return self.worst


@pytest.mark.parametrize("how", ["stopped", "paused"])
async def test_postgres_away(on_postgres: World, server: Server, how: str) -> None:
    world = on_postgres
    officer = Terminal(world.person("officer"))
    principal = officer.principal
    await world.act("officer", "operations.alert.list", officer)
    await sends(world, "before")
    server.stop() if how == "stopped" else server.pause()
    texts = [f"alert {number}" for number in range(8)]
    pulse, held = Pulse(), []
    try:
        for number, text in enumerate(texts):
            if number == 2:  # the outage is known: from here on nothing waits for the server
                held.append(await pulse.stop())
                pulse = Pulse()
            since = time.monotonic()
            done = await sends(world, text)
            assert time.monotonic() - since < THROUGH_S
            assert done.journal is not None
            assert officer.pushed[-1]["alert"]["text"] == text
            assert officer.pushed[-1]["alert"]["journal"]
            raw = json.dumps({"alert": done.result.id, "text": "Coming"}).encode()
            since = time.monotonic()
            await world.kernel.perform("operations.alert.answer", raw, principal)
            assert time.monotonic() - since < THROUGH_S
            await asyncio.sleep(GAP_S)
        assert world.kernel.store.away()
    finally:
        held.append(await pulse.stop())
        server.start() if how == "stopped" else server.resume()
    assert held[0] < READ_S + 1, "more than one read was waited for"
    assert held[1] < READ_S / 2, "the event loop waited for a server that is known to be away"
    await back(world, 60)
    shown = (await world.act("officer", "operations.alert.list"))["alerts"]
    assert [each["text"] for each in shown] == ["before", *texts]
    assert all(each["words"] for each in shown[1:])
    assert len(leaves(world)) == 9
    assert len(leaves(world, "operations.alert.answer")) == 8
    assert not any(each["journal"] for each in shown)
