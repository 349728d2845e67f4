"""Recording a hearing: not a byte without both agreements, none after either's stop, a chain that shows changes, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from egide.gateways import checks_stored
from egide.gateways.recordings import NUMBER, SECRET, _Door
from egide.kernel.errors import Conflict, EgideError, NotFound
from egide.kernel.retention import Keeper
from egide.services import recording_sheet, recording_store
from egide.services.model import EventBody, events_of
from egide.services.recording_sheet import checksum, said, sheets
from egide.services.recording_store import MAX_PART, START, prefix, recordings
from tests.gateways.browser import Browser
from tests.services.hearings import Case, begun, report, service, witness
from tests.services.test_filing import broken_rules
from tests.services.test_hearing_room import holder_joins, officer_joins
from tests.world import World

pytestmark = pytest.mark.anyio

PARTS = (b"\x1aE\xdf\xa3 first", b"second", b"third, and the last")
WATCHING = {"reason": "La date est contestée.", "purpose": "contest"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A platform whose operator allows hearings to be recorded."""
    made = World(tmp_path / "data", record_hearings="hearing")
    await made.start()
    yield made
    await made.stop()


def words(world: World) -> str:
    return recording_sheet.digest(world.kernel, service())


def steps(shown: dict[str, Any]) -> list[str]:
    return [one["step"] for one in shown["events"] if one["step"].startswith("record")]


async def asked(world: World, *, agree: bool = True, keep: bool = False) -> Case:
    """A hearing under way whose person was asked, and answered."""
    case = await (await begun(world)).until("heard")
    await case.desk("record_ask")
    await case.mine("record_answer", agree=agree, words=words(world), keep=keep)
    return case


async def recorded(case: Case) -> dict[str, Any]:
    """Begins: the grant."""
    found: dict[str, Any] = await case.desk("record_begin", words=words(case.world))
    return found


async def not_begun(case: Case) -> list[str]:
    """Why the officer, who agrees, cannot begin."""
    return await case.world.refused("officer", f"{case.name}.record_begin", file=case.file, words=words(case.world))


def sent(world: World, grant: dict[str, Any], *parts: bytes, at: int = 0) -> None:
    for number, content in enumerate(parts, at):
        assert recordings(world.kernel).take(grant["recording"], grant["secret"], number, content) == number + 1


def lying(world: World) -> list[str]:
    """Every byte of a recording that the store holds, by its name."""
    db = world.kernel.store.reader()
    rows = [str(row) for row in db.exec_driver_sql("select recording, number from service_recording_part").all()]
    return rows + [name for name in world.kernel.objects.names("recordings") if "hearing-" in name]


# -- no byte ------------------------------------------------------------------------------------------------------------------


async def test_without_both_agreements_not_a_byte(world: World) -> None:
    """Over the wire: whoever tries to send finds no grant, and nothing lies anywhere."""
    case = await (await begun(world)).until("heard")
    assert await not_begun(case) == ["CPP-recording-person"]
    await case.desk("record_ask")
    assert await not_begun(case) == ["CPP-recording-person"]
    await case.mine("record_answer", agree=False, words=words(world))
    for given, rules in (
        (words(world), ["CPP-recording-person"]),
        ("", ["CPP-recording-person", "CPP-recording-officer"]),
    ):
        assert set(await world.refused("officer", f"{case.name}.record_begin", file=case.file, words=given)) == set(
            rules
        )
    browser = Browser(world)
    for id_ in ("0" * 16, case.file):
        answer = await browser.client.put(
            f"/api/recordings/{id_}", content=PARTS[0], headers={NUMBER: "0", SECRET: "x"}
        )
        assert answer.status_code == 404
    await browser.close()
    assert lying(world) == []
    assert world.kernel.store.reader().exec_driver_sql("select count(*) from service_recording").scalar() == 0
    assert steps(await case.look()) == ["record_ask", "record_refuse"]
    # Refused is not for ever: the officer may ask again, and the hearing went on meanwhile.
    await case.desk("record_ask")
    with pytest.raises(Conflict):
        await case.mine("record_answer", agree=True, words="0" * 64)
    await case.mine("record_answer", agree=True, words=words(world))
    assert await world.refused("officer", f"{case.name}.record_begin", file=case.file, words="0" * 64) == [
        "CPP-recording-officer"
    ]
    assert lying(world) == []


async def test_it_is_off_unless_the_operator_allows_it(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    await world.start()
    try:
        case = await (await begun(world)).until("heard")
        assert (await case.room())["recording"] is None
        assert await world.refused("officer", f"{case.name}.record_ask", file=case.file) == ["CPP-recording-allowed"]
        agreed = await broken_rules(world, f"{case.name}.my_record_answer", **case.held, agree=True, words=words(world))
        assert agreed == ["CPP-recording-allowed"]
        heard = await (await witness(world)).until("heard")
        with pytest.raises(NotFound):  # of a witness nobody has words to agree to
            await heard.desk("record_ask")
    finally:
        await world.stop()


async def test_it_is_for_the_hearing_alone(world: World) -> None:
    case = await (await begun(world)).until("informed")
    assert await world.refused("officer", f"{case.name}.record_ask", file=case.file) == ["CPP-recording-hearing"]
    await case.step("ready")
    await case.desk("record_ask")
    with pytest.raises(Conflict):
        await case.desk("record_ask")
    await case.mine("record_answer", agree=True, words=words(world))
    with pytest.raises(Conflict):
        await case.mine("record_answer", agree=False, words=words(world))
    grant = await recorded(case)
    sent(world, grant, PARTS[0])
    await case.mine("come")  # to a station instead: the room closes, and with it the recording
    with pytest.raises(NotFound):
        sent(world, grant, PARTS[1], at=1)
    await asyncio.gather(*recordings(world.kernel)._tasks)
    assert steps(await case.look())[-1] == "record_over"
    assert len(lying(world)) == 2


async def test_another_appointment_asks_anew(world: World) -> None:
    case = await asked(world)
    await case.desk("defer")
    await case.until("heard")
    shown = (await case.room())["recording"]
    assert (shown["asked"], shown["answer"]) == (False, "")
    assert await not_begun(case) == ["CPP-recording-person"]


# -- what is kept -------------------------------------------------------------------------------------------------------------


async def test_parts_are_sealed_and_chained(world: World) -> None:
    case = await asked(world)
    shown = (await case.room())["recording"]
    assert (shown["asked"], shown["answer"], shown["running"]) == (True, "yes", "")
    grant = await recorded(case)
    held = recordings(world.kernel)
    sent(world, grant, *PARTS)
    assert held.take(grant["recording"], grant["secret"], 1, PARTS[1]) == 3, "the same again changes nothing"
    for number, content in ((1, b"another"), (5, b"too early")):
        with pytest.raises(Conflict):
            held.take(grant["recording"], grant["secret"], number, content)
    with pytest.raises(NotFound):
        held.take(grant["recording"], "x" * 43, 3, b"without its secret")
    for content in (b"", b"x" * (MAX_PART + 1)):
        with pytest.raises(EgideError):
            held.take(grant["recording"], grant["secret"], 3, content)
    chain = START
    for content in PARTS:
        chain = checksum(chain, content)
    for name in world.kernel.objects.names(prefix(grant["recording"])):
        assert not any(part in world.kernel.objects.get(name) for part in PARTS)
    assert (await case.look())["hearing"]["recording"]["running"] == grant["recording"]
    await case.desk("record_stop")
    with pytest.raises(NotFound):
        sent(world, grant, b"after the stop", at=3)
    (piece,) = (await case.room())["recording"]["pieces"]
    assert (piece["chain"], piece["how"], piece["kept"]) == (chain, "stop", True)
    (row,) = recording_store.of_file(world.kernel.store.reader(), case.file)
    assert b"".join(held.read(row)) == b"".join(PARTS)
    assert b"".join(held.read(row, 3, 14)) == b"".join(PARTS)[3:14]
    _rows, bodies = events_of(world.kernel, world.kernel.store.reader(), case.file)
    said_ = [msgspec.json.decode(one, type=EventBody) for one in bodies]
    assert [one.digest for one in said_ if one.digest][-3:] == [words(world), words(world), chain]
    for step in ("read_back", "confirm", "sign"):
        await case.step(step)
    notice = report(world, case.file)["notice"][0]
    assert "avec l’accord écrit" in notice
    assert chain in notice
    assert (await case.look())["wrong"] is None


async def test_a_part_that_was_changed_is_found(world: World) -> None:
    case = await asked(world)
    grant = await recorded(case)
    sent(world, grant, *PARTS)
    await case.desk("record_stop")
    held, id_ = recordings(world.kernel), grant["recording"]
    (row,) = recording_store.of_file(world.kernel.store.reader(), case.file)
    assert b"".join(held.read(row)) == b"".join(PARTS)
    name = world.kernel.objects.names(prefix(id_))[1]
    sealed = world.kernel.objects.get(name)
    world.kernel.objects.put(name, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(EgideError):
        b"".join(held.read(row))
    world.kernel.objects.put(name, sealed)
    # By somebody who has the keys: another content in its place, and then a recording that ends before.
    other = b"secand"
    link = checksum(checksum(START, PARTS[0]), other)
    bound = f"{id_}/1/{link}".encode()
    anew = world.kernel.vault.seal(recording_store.owner(id_), recording_store.PURPOSE, other, bound)
    world.kernel.objects.put(f"{prefix(id_)}/000001-{link[:16]}.seal", anew)
    world.tamper("update service_recording_part set link = ? where number = 1", link)
    with pytest.raises(Conflict):
        b"".join(held.read(row))
    world.tamper("delete from service_recording_part where number = 2")
    world.tamper("update service_recording set parts = 2, chain = ?", link)
    assert b"".join(held.read(recording_store.of_file(world.kernel.store.reader(), case.file)[0])) == PARTS[0] + other
    with pytest.raises(Conflict):  # the file's chain knows another
        await case.desk("record_watch", recording=id_, **WATCHING)


# -- either stops it ----------------------------------------------------------------------------------------------------------


async def test_taken_back_it_stops_at_once_and_is_erased(world: World) -> None:
    case = await asked(world)
    officer, holder = await officer_joins(case), await holder_joins(case)
    grant = await recorded(case)
    sent(world, grant, *PARTS)
    assert len(lying(world)) == 6
    started = world.clock.now_us()
    await case.mine("record_stop")
    for terminal in (officer, holder):
        told = {"push": "hearing", "file": case.file, "news": True, "recording": "over"}
        await world.until(lambda terminal=terminal, told=told: told in terminal.pushed)
    assert world.clock.now_us() - started < 1_000_000
    with pytest.raises(NotFound):
        sent(world, grant, b"one more", at=3)
    (piece,) = (await case.look())["hearing"]["recording"]["pieces"]
    assert not piece["kept"], "nobody watches it, even before the clock has looked"
    assert await _refused_to_watch(case, grant) == ["LED-recording-kept"]
    await Keeper(world.kernel, "retention.erase").tick()
    assert lying(world) == []
    assert steps(await case.look()) == ["record_ask", "record_agree", "record_begin", "record_withdraw_erase"]
    assert checks_stored.examine(world.kernel, lambda *_: None).problems == [], "nor does the doctor miss anything"
    for step in ("read_back", "confirm", "sign"):
        await case.step(step)
    assert "a retiré son accord" in report(world, case.file)["notice"][0]
    with pytest.raises(Conflict):
        await case.mine("record_stop")


async def _refused_to_watch(case: Case, grant: dict[str, Any]) -> list[str]:
    given = {"file": case.file, "recording": grant["recording"], **WATCHING}
    return await case.world.refused("officer", f"{case.name}.record_watch", **given)


async def test_taken_back_it_is_kept_where_the_person_had_said_so(world: World) -> None:
    case = await asked(world, keep=True)
    grant = await recorded(case)
    sent(world, grant, PARTS[0])
    await case.mine("record_stop")
    await Keeper(world.kernel, "retention.erase").tick()
    (piece,) = (await case.look())["hearing"]["recording"]["pieces"]
    assert (piece["kept"], piece["how"]) == (True, "withdraw")
    assert await not_begun(case) == ["CPP-recording-person"]


async def test_an_agreement_taken_back_before_it_begins(world: World) -> None:
    case = await asked(world)
    await case.mine("record_stop")
    assert await not_begun(case) == ["CPP-recording-person"]


async def test_a_browser_that_is_gone_is_an_incident(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_store, "SILENT_S", 0.2)
    case = await asked(world)
    first = await recorded(case)
    sent(world, first, PARTS[0])
    await world.until(lambda: recording_store.running(world.kernel.store.reader(), case.file) is None)
    second = await recorded(case)  # the agreement outlives a cut
    sent(world, second, PARTS[1])
    await recorded(case)  # the same officer's page was loaded again: the one before is closed
    await case.desk("record_stop")
    assert steps(await case.look())[2:] == [
        "record_begin",
        "record_cut",
        "record_begin",
        "record_cut",
        "record_begin",
        "record_stop",
    ]
    for step in ("read_back", "confirm", "sign"):
        await case.step(step)
    told = report(world, case.file)
    assert [one["text"] for one in told["incidents"]] == ["Enregistrement interrompu"] * 2
    assert len([one for one in told["notice"] if "avec l’accord écrit" in one]) == 3


# -- to watch -----------------------------------------------------------------------------------------------------------------


async def kept(world: World) -> tuple[Case, dict[str, Any]]:
    case = await asked(world)
    grant = await recorded(case)
    sent(world, grant, *PARTS)
    await case.desk("record_stop")
    return case, grant


async def test_it_is_watched_for_a_reason_in_ranges_on_a_lease(world: World) -> None:
    case, grant = await kept(world)
    given = {"file": case.file, "recording": grant["recording"]}
    assert await world.refused("officer", f"{case.name}.record_watch", **given), "without a reason"
    assert await world.refused("officer", f"{case.name}.record_watch", **given, reason="x", purpose="training")
    url = (await case.desk("record_watch", recording=grant["recording"], **WATCHING))["url"]
    officer, other = await Browser(world).enter("officer"), await Browser(world).enter("command")
    whole = b"".join(PARTS)
    answer = await officer.get(url)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, whole, "video/webm")
    answer = await officer.get(url, range="bytes=4-11")
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (
        206,
        whole[4:12],
        f"bytes 4-11/{len(whole)}",
    )
    assert (await officer.get(url, range="bytes=8-")).content == whole[8:]
    assert (await officer.get(url, range=f"bytes={len(whole)}-")).status_code == 416
    assert (await other.get(url)).status_code == 404, "an address is one person's"
    assert (await Browser(world).get(url)).status_code == 404
    assert (await officer.get("/api/recordings/nonsense")).status_code == 404
    world.move(hours=2)
    assert (await officer.get(url)).status_code == 404
    assert world.kernel.leases.held() == []
    for browser in (officer, other):
        await browser.close()


async def test_watching_ends_when_it_is_taken_back(world: World) -> None:
    """The stream itself: a part was sent, the person takes it back, no other follows."""
    case, grant = await kept(world)
    url = (await case.desk("record_watch", recording=grant["recording"], **WATCHING))["url"]
    who = world.person("officer")
    door = _Door(world.kernel, lambda _request: who)
    view, row = door._viewed(url.rpartition("/")[2], who)
    stream = door._leased(view, row, who, recordings(world.kernel).read(row))
    assert await anext(stream) == PARTS[0]
    (lease,) = world.kernel.leases.held()
    world.kernel.leases.renew()
    assert lease.alive()
    await case.mine("record_stop")  # after the officer stopped it, and all the same
    world.kernel.leases.renew()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert world.kernel.leases.held() == []


async def test_the_person_has_a_copy_once_the_hearing_is_over(world: World) -> None:
    case, grant = await kept(world)
    name, given = f"{case.name}.my_recording", {**case.held, "recording": grant["recording"]}
    assert await broken_rules(world, name, **given) == ["LED-recording-copy"]
    for step in ("read_back", "confirm", "sign"):
        await case.step(step)
    url = (await case.mine("recording", recording=grant["recording"]))["url"]
    transport = httpx.ASGITransport(world.application)
    async with httpx.AsyncClient(transport=transport, base_url=world.kernel.settings.origin) as client:
        answer = await client.get(url)
    assert answer.content == b"".join(PARTS)
    assert await broken_rules(world, name, **case.held, recording="0" * 16) == ["LED-recording-kept"]


async def test_its_own_time_ends_before_the_files(world: World) -> None:
    case, grant = await kept(world)
    world.move(days=32)
    assert await _refused_to_watch(case, grant) == ["LED-recording-kept"]
    await Keeper(world.kernel, "retention.erase").tick()
    assert lying(world) == []
    (piece,) = (await case.look())["hearing"]["recording"]["pieces"]
    assert not piece["kept"]
    assert (await case.look())["wrong"] is None, "the file stays, and says that it was"


async def test_it_is_erased_with_its_file(world: World) -> None:
    """Both that whose own time is over and that which a procedure would have kept."""
    case, _grant = await kept(world)
    for step in ("read_back", "confirm", "sign"):
        await case.step(step)
    world.move(days=32)
    await Keeper(world.kernel, "retention.erase").tick()
    world.move(days=170)
    for _ in range(3):
        await Keeper(world.kernel, "retention.erase").tick()
    assert lying(world) == []
    assert world.kernel.store.reader().exec_driver_sql("select count(*) from service_recording").scalar() == 0


def test_what_is_agreed_to_says_how_long() -> None:
    assert (said("P1M").fr, said("P2W").en) == ("1 mois", "2 weeks")
    for wrong in ("P1M2D", "1M", "PT1H"):
        with pytest.raises(ValueError, match="one unit"):
            said(wrong)
    assert all("{}" in "".join(line.fr for line in sheet.lines) for sheet in sheets().values())
