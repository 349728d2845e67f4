"""After whole journeys nothing of the travellers is anywhere: in no file, no log, no answer, no block of the chain, no process.

Six travellers, each by another way, and two hundred of them where proofs are run. Each has a name, a document, a face, tokens,
secrets of their own; the platform is another process, with three other authorities beside it. Every place that is searched holds
something that must be found there.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from egide.border import erasure
from egide.border.ledger.contract import WORD_BYTES, functions, is_write
from egide.border.ledger.messages import Call, decode_certified, decode_message
from egide.engines.chain_store import SqliteChainStore
from egide.gateways.consortium_files import FOLDER
from egide.kernel import tables as kernel_tables
from egide.kernel.sealed_check import NOBODY
from egide.protocols import cose
from egide.protocols.vapid import decoded
from egide.protocols.wallet.tokens import Jwk
from tests import needles
from tests.border.airport import Airport
from tests.border.houses import NAMES
from tests.border.journeys import WAYS, Journey, Traveller, canaries, letters
from tests.border.kiosk import Kiosk
from tests.border.remote import Remote, remote
from tests.border.traveller import values
from tests.needles import Needles
from tests.waiting import PATIENCE_S

PROOF = os.environ.get("EGIDE_PROOF") == "1"
TRAVELLERS = 200 if PROOF else len(WAYS)
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(7200 if PROOF else 1200)]
HOURS = 4 if PROOF else 1  # roots of erasures that go out, an hour apart
AT_ONCE = 8 if PROOF else 3  # journeys under way together
# What at least is in this process, which plays them all.
HELD = frozenset({"surname", "document", "template", "secret", "picture"})
WINDOW = 8  # bytes or letters that two tokens may have in common by chance only once in 2^48


async def test_after_whole_journeys_nothing_of_the_travellers_is_anywhere(tmp_path: Path) -> None:
    place, log = tmp_path / "houses", tmp_path / "log"
    travellers = flown(TRAVELLERS)
    async with remote(place, log) as platform:
        journey_s, began = await played(platform, travellers), monotonic()
        wanted = Needles(each for who in travellers for each in canaries(who))
        unlike(travellers)
        found = wanted.in_all(needles.memory(os.getpid()), HELD)
        assert found >= HELD, "a control: here they are"
        planted = await plant(platform)
        found_where_it_is(platform, place, planted)  # at once: a log begins anew, and a control lives for two minutes
        assert looked(wanted, platform, place) == {}
        search_s = monotonic() - began
        await platform.close()
        assert files_with(wanted, place) == {}, "after it stopped"
        assert wanted.within(bytes(platform.said)) == set()
    logged = log.read_bytes()
    assert planted["log"] in logged, "a control: what is logged is there"
    assert wanted.within(logged) == set()
    chained(place, travellers)
    await readable(place, wanted)
    report({"travellers": TRAVELLERS, "journey_s": round(journey_s, 2), "search_s": round(search_s)})


def report(line: dict[str, Any]) -> None:
    """For docs/proofs.md, where `EGIDE_REPORTS` says in which folder."""
    if folder := os.environ.get("EGIDE_REPORTS"):
        with (Path(folder) / "canary.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")


def flown(count: int) -> list[Traveller]:
    """So many travellers, two on each flight."""
    flights = [f"Q{letters(2)} {number % 9000 + 1000}{letters(1)}" for number in range((count + 1) // 2)]
    return [Traveller(number, flights[number // 2]) for number in range(count)]


async def played(platform: Remote, travellers: list[Traveller]) -> float:
    """All their journeys; after each hour's the wallets verify what was erased. Gives the seconds of one."""
    kiosk, began = Kiosk(platform), monotonic()
    await a_room_for_each_control(platform, kiosk)
    share, turns = -(-len(travellers) // HOURS), asyncio.Semaphore(AT_ONCE)
    for start in range(0, len(travellers), share):
        leaves = datetime.fromtimestamp(platform.now(), UTC) + timedelta(hours=6)
        group = [Journey(platform, kiosk, who, leaves.isoformat()) for who in travellers[start : start + share]]
        await asyncio.gather(*(in_turn(each, turns) for each in group))
        await until(lambda: not rooms(platform), "every room is gone")
        await platform.told(hours=1.1)
        listed = await platform.ask("border.status.list")
        keys = {each["kid"]: each for each in (await platform.ask("border.trust.list"))["keys"]}
        key = keys[listed["issuer"]]
        for each in group:
            await each.proved(listed, Jwk("EC", "P-256", key["x"], key["y"], key["kid"]))
    return (monotonic() - began) / len(travellers)


async def in_turn(journey: Journey, turns: asyncio.Semaphore) -> None:
    async with turns:
        await journey.play()


def rooms(platform: Remote) -> list[int]:
    """The processes of controls and enrolments: the platform's children are nurseries, and theirs are rooms."""
    return [each for nursery in needles.children(platform.process.pid) for each in needles.children(nursery)]


async def a_room_for_each_control(platform: Remote, kiosk: Kiosk) -> None:
    """One traveller alone: a process is there while a control is, and gone with it."""
    who = Traveller(0, f"Q{letters(2)} 1000{letters(1)}")
    journey = Journey(platform, kiosk, who, kiosk.airport.agreement()["departure"])
    await journey.enrolled()
    await until(lambda: not rooms(platform), "the enrolment's is gone")
    for point, external in (("bag-drop", False), ("boarding", True)):
        gate = await platform.opened(point, external=external)
        assert len(rooms(platform)) == 1, "a control: there is one"
        more = journey.before(gate, who.person if external else None, None)
        assert (await platform.present(point, who.tokens[point], gate, **more))["result"] == "pass"
        await until(lambda: not rooms(platform), "the control's is gone")
    await journey.ended("border.journey.close")


async def until(condition: Callable[[], bool], what: str) -> None:
    end = monotonic() + PATIENCE_S
    while not condition():
        assert monotonic() < end, what
        await asyncio.sleep(0.02)


# -- where nothing may be --------------------------------------------------------------------------------------------------


def looked(wanted: Needles, platform: Remote, place: Path) -> dict[str, set[str]]:
    """What is found, by place: files with the log of what was just written, and every process that lives."""
    found = files_with(wanted, place)
    for pid in (platform.process.pid, *needles.children(platform.process.pid)):
        try:
            names = wanted.in_all(needles.memory(pid))
        except PermissionError:  # a nursery lets nobody look but the administrator (room/child.py)
            assert pid != platform.process.pid
            assert os.geteuid() != 0
            continue
        found |= {f"process {pid}": names} if names else {}
    return found


def files_with(wanted: Needles, place: Path) -> dict[str, set[str]]:
    found = {str(file): wanted.within(content) for file, content in needles.files(place).items()}
    return {file: names for file, names in found.items() if names}


async def plant(platform: Remote) -> dict[str, bytes]:
    """What must be found: words in the log, a key in the store's write-ahead log, one on the chain, a control in memory."""
    log = token_hex(16)
    await platform.told(log=log)
    made = await platform.act("administrator", "border.key.make", role="verifier")
    listed = {each["kid"]: each for each in (await platform.ask("border.trust.list"))["keys"]}
    control = (await platform.opened("bag-drop"))["control"]
    key = decoded(listed[platform.gates["facilitation"]]["x"])
    return {"log": log.encode(), "kid": made["kid"].encode(), "key": key, "control": control.encode()}


def found_where_it_is(platform: Remote, place: Path, planted: dict[str, bytes]) -> None:
    """The same search finds, in each place, what is there."""
    mine = Needles((name, planted[name]) for name in ("kid", "control"))
    assert mine.in_all(needles.memory(platform.process.pid), {"kid", "control"}) == {"kid", "control"}
    there = files_with(mine, place)
    assert there[str(place / "data" / "egide.db-wal")] == {"kid"}
    chained = Needles([("key", planted["key"])])
    for name in ("data", *NAMES[1:]):
        assert files_with(chained, place / name / FOLDER), f"the chain of {name}"
    held = Needles([("module", b"egide.border.room.work")])
    for pid in needles.children(platform.process.pid) if os.geteuid() == 0 else ():
        assert held.in_all(needles.memory(pid), {"module"}), "a nursery"


def chained(place: Path, travellers: list[Traveller]) -> None:
    """What was written on the chain is as much as hours and minutes, whoever travels, and none of its words is of one of them."""
    store = SqliteChainStore(place / "data" / FOLDER)
    calls = [decode_message(each.body) for block in store.blocks(1) for each in decode_certified(block).block.calls]
    store.close()
    written = [each.data for each in calls if isinstance(each, Call)]
    assert len(written) == len(calls)
    assert all(is_write(each) for each in written)
    names = {each.selector: name for name, each in functions().items()}
    counted = Counter(names[each[:4]] for each in written)
    assert counted["put_erasure"] == HOURS, "a control: the roots are there"
    assert counted["add_key"] in {3, 4}  # the planted one is listed within a minute or two
    assert set(counted) <= {"add_key", "put_erasure", "put_checkpoint", "put_status"}
    assert counted["put_checkpoint"] <= HOURS
    words = {each[at : at + WORD_BYTES] for each in written for at in range(4, len(each), WORD_BYTES)}
    theirs = {erasure.leaf_of(who.erased) for who in travellers}
    for who in travellers:
        texts = (who.surname, who.given, who.document, who.flight, who.erased, *who.receipts)
        theirs |= {sha256(text.encode()).digest() for text in texts}
        theirs |= {sha256(each).digest() for each in who.files.values()}
    assert not words & theirs


async def readable(place: Path, wanted: Needles) -> None:
    """Every body of the ledger that can still be opened, in clear; and nothing in them."""
    airport = Airport(place / "data")
    airport.issuer = "made before"
    airport.move(hours=2 * HOURS)  # no clock goes back behind what was recorded
    await airport.start()
    opened = list(bodies(airport))
    await airport.stop()
    assert any(b"bag-drop" in each for each in opened), "a control: bodies can be read"
    assert wanted.within(b"\n".join(opened)) == set()


def bodies(airport: Airport) -> Iterator[bytes]:
    entry, vault = kernel_tables.entry, airport.kernel.vault
    for row in airport.kernel.store.reader().execute(select(entry).where(entry.c.body.is_not(None))).all():
        leaf = msgspec.json.decode(row.leaf)
        yield vault.open_(row.actor or NOBODY, leaf["activity"], bytes(row.body), leaf["id"].encode())


# -- two tokens of one traveller -------------------------------------------------------------------------------------------


def unlike(travellers: list[Traveller]) -> None:
    """What gates of two points are shown of one traveller has nothing in common that nobody else's tokens have."""
    points_of: defaultdict[Any, set[tuple[int, str]]] = defaultdict(set)
    places: list[int] = []
    for number, who in enumerate(travellers):
        for point, token, claims in who.shown():
            body, pieces = shown(token, claims)
            places.append(body["status"]["status_list"]["idx"])
            for piece in pieces:
                points_of[piece].add((number, point))
    assert len(set(places)) == len(places), "no place in the status list serves twice"
    people = [({number for number, _ in seen}, {point for _, point in seen}) for seen in points_of.values()]
    assert any(len(who) == len(travellers) for who, _ in people), "a control: the issuer is everybody's"
    assert not [1 for who, at in people if len(who) == 1 and len(at) > 1]


def shown(token: Any, claims: tuple[str, ...]) -> tuple[dict[str, Any], set[Any]]:
    """(the signed part, every piece of every value that a gate is shown): over the network its claims; in a picture the whole."""
    signed, *disclosures = token.issued.credential.removesuffix("~").split("~")
    head, body, signature = signed.split(".")
    read = [msgspec.json.decode(decoded(each)) for each in disclosures]
    told = msgspec.json.decode(decoded(body))
    said: list[Any] = [
        msgspec.json.decode(decoded(head)),
        told,
        [each for each in read if each[1] in claims],
        signature,
    ]
    if {each[1] for each in read} <= set(claims):  # a spare one holds more than a point asks, and is not answered with
        cwt = cose.read1(token.issued.cwt)
        said += [cwt.header, cose.decode(cwt.payload or b""), cwt.signature]
    return told, {value[at : at + WINDOW] for value in values(said) for at in range(len(value) - WINDOW + 1)}
