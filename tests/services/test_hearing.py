"""The hearing by video: never imposed, rights first, alone and safe, corrected, confirmed, in person after a sexual offence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, TooMany
from egide.kernel.limits import Buckets
from egide.kernel.retention import Keeper
from egide.services import hearing, hearing_model, tables
from egide.services.definition import catalogue
from egide.services.hearing_sheet import sheets
from egide.services.model import EventBody, events_of
from tests.services.filings import WHO, lawful
from tests.services.hearings import SEEN, STATEMENT, Case, begun, report, service, soon, witness
from tests.services.test_filing import asked as ask
from tests.services.test_filing import broken_rules
from tests.world import World

pytestmark = pytest.mark.anyio


def steps(shown: dict[str, Any]) -> list[str]:
    return [one["step"] for one in shown["events"]]


async def test_from_the_request_to_the_signature(world: World) -> None:
    case = await begun(world)
    await case.until("confirmed")
    mine = await case.look()
    assert mine["hearing"]["statement"] == STATEMENT
    assert (await case.desk("sign"))["state"] == "recorded"
    after = await case.look()
    assert after["wrong"] is None
    assert after["closed"]
    assert steps(after) == [
        "file", "propose", "choose", "acknowledge", "ready", "identify", "ask_safe", "hear", "read_back", "confirm", "sign",
    ]  # fmt: skip
    _rows, words = events_of(world.kernel, world.kernel.store.reader(), case.file)
    said = [msgspec.json.decode(one, type=EventBody) for one in words]
    assert said[3].digest == sheets()["victim"].digest
    assert said[5].text == SEEN
    assert said[9].digest == hearing_model.digest_of(STATEMENT)


async def test_the_time_is_the_persons_choice(world: World) -> None:
    case = await begun(world)
    for wrong in ([], ["demain"], ["2020-01-01T10:00:00Z"], [soon(world, 24 * 90)], ["2026-12-01T10:00:00"]):
        with pytest.raises(BadInput):
            await case.desk("propose", slots=wrong)
    with pytest.raises(BadInput):
        await case.desk("propose", slots=[soon(world, hours) for hours in range(20, 27)])
    await case.step("propose")
    offered = (await case.look())["hearing"]["slots"]
    assert len(offered) == 2
    with pytest.raises(Conflict):
        await case.mine("choose", slot=soon(world, 30))
    await case.step("decline")
    assert (await case.look())["state"] == "asked"
    await case.desk("propose", slots=[soon(world, 70)])
    with pytest.raises(Conflict):  # what was proposed before is proposed no longer
        await case.mine("choose", slot=offered[0])
    chosen = await case.step("choose")
    assert chosen["state"] == "booked"
    shown = (await case.look())["hearing"]
    assert shown["slots"] == []
    assert shown["slot"]


@pytest.mark.parametrize("state", ["asked", "confirmed"])
async def test_a_station_instead_at_any_time_and_nothing_is_lost(world: World, state: str) -> None:
    case = await begun(world)
    if state != "asked":
        await case.until(state)
    before = await case.look()
    assert (await case.mine("come"))["state"] == "in_person"
    after = await case.look()
    assert not after["closed"]
    assert after["answers"] == before["answers"]
    assert after["hearing"]["statement"] == before["hearing"]["statement"]
    assert (await case.mine("by_video"))["state"] == "asked"
    await case.mine("come")
    await case.write("Entendu sur place.")
    assert (await case.desk("hear_here"))["state"] == "recorded"


async def test_rights_are_acknowledged_by_their_hash(world: World) -> None:
    case = await (await begun(world)).until("booked")
    for other in ("", "0" * 64, sheets()["witness"].digest):
        with pytest.raises(Conflict):
            await case.mine("acknowledge", sheet=other)
    assert (await case.step("acknowledge"))["state"] == "informed"


def test_every_sheet_is_known_by_all_it_says() -> None:
    victim = sheets()["victim"]
    changed = msgspec.structs.replace(victim, lines=victim.lines[:-1])
    assert victim.digest != changed.digest != msgspec.structs.replace(victim, version=2).digest
    for one in sheets().values():
        assert len(one.lines) > 4
        assert all(line.fr and line.en and line.label.fr and line.label.en for line in one.lines)


async def test_not_alone_is_told_to_the_officer_and_shown_to_nobody_else(world: World) -> None:
    case = await (await begun(world)).until("informed")
    before = await case.look()
    assert (await case.mine("ready", alone=False, call="06 11 22 33 44 le matin"))["state"] == "informed"
    after = await case.look()
    assert after["events"] == before["events"]
    assert after["head"] == before["head"]
    assert after["hearing"]["alone"] == after["hearing"]["call"] == ""
    desk = await case.room()
    assert desk["alone"]
    assert desk["call"] == "06 11 22 33 44 le matin"
    await case.step("ready")
    assert (await case.room())["alone"] == ""


async def forced(case: Case, state: str) -> None:
    """Puts a file into a state as nobody could: what refuses then is the law, not the table of states."""
    world = case.world
    with world.kernel.store.side() as db:
        db.execute(tables.file.update().where(tables.file.c.id == case.file).values(state=state))
        db.commit()


async def test_the_law_itself_refuses_a_hearing_that_skips_a_step(world: World) -> None:
    case = await begun(world)
    await forced(case, "safe")
    refused = await world.refused("officer", "services.hearing.hear", file=case.file)
    assert set(refused) == {"CPP-R2-25-choice", "CPP-R2-27-rights", "CPP-R2-26-identity", "CPP-R2-26-confidential"}
    await forced(case, "confirmed")
    assert await world.refused("officer", "services.hearing.sign", file=case.file) == ["CPP-R2-29-confirmed"]


async def test_what_was_done_before_a_postponement_counts_no_more(world: World) -> None:
    case = await (await begun(world)).until("safe")
    await case.desk("defer")
    shown = await case.look()
    assert shown["state"] == "asked"
    assert shown["events"][-1]["text"] == ""
    assert shown["hearing"]["slot"] == "", "the appointment is off"
    await forced(case, "safe")
    assert "CPP-R2-27-rights" in await world.refused("officer", "services.hearing.hear", file=case.file)


async def test_the_statement_is_seen_as_it_is_written_and_corrected_in_words(world: World) -> None:
    case = await (await begun(world)).until("heard")
    assert (await case.look())["hearing"]["statement"] == STATEMENT
    with pytest.raises(Conflict):  # written over something else than what is there
        await case.desk("write", text="Autre chose.", base="0" * 64)
    with pytest.raises(BadInput):
        await case.write("x" * (hearing.MAX_STATEMENT + 1))
    await case.step("read_back")
    with pytest.raises(Conflict):
        await case.write("Après la relecture.")
    assert (await case.step("correct"))["state"] == "heard"
    assert (await case.room())["unanswered"] == 1
    await case.write(STATEMENT.replace("18 h", "19 h"))
    await case.step("read_back")
    with pytest.raises(Conflict):  # of a text that is no more
        await case.mine("confirm", statement=hearing_model.digest_of(STATEMENT))
    await case.step("confirm")
    assert await world.refused("officer", "services.hearing.sign", file=case.file) == ["CPP-R2-29-corrections"]
    with pytest.raises(BadInput):
        await case.mine("correct", text=" ")
    await case.step("correct")
    for _ in range(2):
        await case.step("amend")
    await case.step("read_back")
    await case.step("confirm")
    await case.desk("sign")
    texts = [one["text"] for one in (await case.look())["events"] if one["step"] in ("correct", "amend")]
    assert len(texts) == 4
    assert all(texts)


async def test_a_sexual_offence_is_not_closed_without_a_hearing_in_person(world: World) -> None:
    case = await (await begun(world, "sexual")).until("confirmed")
    assert (await case.room())["due"]
    sign, call = "services.hearing.sign", "services.hearing.sign_and_call"
    for name in (sign, call):
        assert await world.refused("officer", name, file=case.file) == ["CPP-R2-25-in-person"]
    with pytest.raises(BadInput):
        await case.desk("fix", at=soon(world, 100), place=" ")
    await case.desk("fix", at=soon(world, 100), place="Commissariat central, bureau 12")
    assert await world.refused("officer", sign, file=case.file) == ["CPP-R2-25-in-person"]
    assert (await case.desk("sign_and_call"))["state"] == "follow_up"
    shown = await case.look()
    assert not shown["closed"]
    assert shown["hearing"]["in_person"]["place"] == "Commissariat central, bureau 12"
    done = await case.desk("hear_again", text="Entendue sur place, elle confirme.")
    assert done["state"] == "recorded"


async def test_an_officer_may_want_a_hearing_in_person_after_any_offence(world: World) -> None:
    case = await (await begun(world)).until("heard")
    assert not (await case.room())["due"]
    await case.desk("fix", at=soon(world, 100), place="Commissariat")
    await case.step("read_back")
    await case.step("confirm")
    assert await world.refused("officer", "services.hearing.sign", file=case.file) == ["CPP-R2-25-in-person"]
    assert (await case.desk("sign_and_call"))["state"] == "follow_up"


async def test_a_witness_is_heard_the_same_way_once_the_prosecutor_allows_it(world: World) -> None:
    case = await witness(world)
    await case.until("confirmed")
    assert (await case.desk("sign"))["state"] == "recorded"
    other = await (await witness(world)).until("heard")
    assert (await other.mine("in_person"))["state"] == "here"
    await other.desk("hear_here")
    assert (await other.desk("sign_here"))["state"] == "recorded"


async def test_words_in_the_room_are_kept_in_order_and_bounded(world: World) -> None:
    case = await (await begun(world)).until("informed")
    with pytest.raises(Conflict):
        await case.mine("say", text="Bonjour ?")
    await case.step("ready")
    await case.mine("say", text="Je n’entends rien.")
    await case.desk("say", text="On continue par écrit.")
    assert [(one["officer"], one["text"]) for one in (await case.look())["hearing"]["lines"]] == [
        (False, "Je n’entends rien."), (True, "On continue par écrit."),
    ]  # fmt: skip
    for wrong in (" ", "x" * (hearing.MAX_LINE + 1)):
        with pytest.raises(BadInput):
            await case.mine("say", text=wrong)
    world.kernel.things["hearing-pace"] = Buckets(0.0, 1)
    await case.mine("say", text="encore")
    with pytest.raises(TooMany):
        await case.mine("say", text="encore")


async def test_nobody_else_takes_part(world: World) -> None:
    case = await (await begun(world)).until("heard")
    strange = {"number": case.held["number"], "code": "AAAA-BBBB"}
    for step, given in (("say", {"text": "x"}), ("confirm", {}), ("ready", {}), ("choose", {}), ("acknowledge", {})):
        assert await broken_rules(world, f"services.hearing.my_{step}", **strange, **given) == ["CRPA-holder"]
    for step in ("propose", "identify", "fix"):
        assert await world.refused("magistrate", f"services.hearing.{step}", file=case.file)
    with pytest.raises(NotFound):  # another service's act
        await ask(world, "services.appointment.my_say", **case.held, text="x")


async def test_it_is_erased_with_its_file(world: World) -> None:
    case = await (await begun(world)).until("confirmed")
    await case.mine("say", text="Merci")
    await case.desk("sign")

    def held() -> list[Any]:
        db = world.kernel.store.reader()
        return [
            db.exec_driver_sql(f"select count(*) from {one}").scalar()
            for one in ("service_hearing", "service_hearing_line")
        ]

    assert held() == [1, 1]
    world.clock.shift(timedelta(days=200))
    await Keeper(world.kernel, "retention.erase").tick()
    assert held() == [0, 0]
    assert await broken_rules(world, "services.file.follow", **case.held) == ["CRPA-holder"]


async def test_a_file_of_the_version_before_goes_its_old_way(world: World) -> None:
    old = catalogue().find("hearing", 1)
    assert old is not None
    done = await world.act(
        "officer", "services.hearing.take", channel="counter", version=1, answers=lawful(old), who=dict(WHO)
    )  # fmt: skip
    case = Case(world, service(), done)
    await case.desk("book")
    await case.mine("acknowledge")
    for step in ("ask_safe", "hear", "read_back"):
        await case.desk(step)
    await case.mine("confirm")
    assert (await case.desk("sign"))["state"] == "recorded"
    assert (await case.look())["hearing"] is None
    with pytest.raises(EgideError):
        await case.desk("propose", slots=[soon(world)])


async def test_the_store_holds_none_of_it_in_the_clear(world: World) -> None:
    case = await (await begun(world)).until("heard")
    row = world.kernel.store.reader().execute(select(hearing_model.hearing_tables.hearing)).one()
    assert STATEMENT.encode() not in bytes(row.body)
    assert case.file == row.file


# -- a statement that is no complaint, said by video instead of written ---------------------------------------------------------


async def test_a_statement_is_said_by_video_where_the_person_would_rather(world: World) -> None:
    """It is nobody's hearing until the person says so; then the same guarantees, under the statement's own rules."""
    case = await begun(world, id_="statement")
    assert (await case.look())["hearing"] is None
    with pytest.raises(Conflict):
        await case.step("propose")
    await case.mine("speak")
    await case.until("safe")
    assert (await case.look())["hearing"]["sheet"] == sheets()["statement"].digest
    await case.desk("defer")
    await case.until("confirmed")
    assert (await case.desk("sign"))["state"] == "recorded"
    told = report(world, case.file)
    assert told["statement"] == STATEMENT
    assert not any("R2-29" in one for one in told["notice"])


async def test_the_law_refuses_a_statement_by_video_that_skips_a_step(world: World) -> None:
    case = await begun(world, id_="statement")
    await forced(case, "safe")
    assert set(await world.refused("officer", f"{case.name}.hear", file=case.file)) == {
        "CPP-statement-choice", "CPP-statement-rights", "CPP-statement-identity", "CPP-statement-confidential",
    }  # fmt: skip
    await forced(case, "heard")
    await case.step("correct")
    await forced(case, "confirmed")
    assert set(await world.refused("officer", f"{case.name}.sign", file=case.file)) == {
        "CPP-statement-confirmed", "CPP-statement-corrections",
    }  # fmt: skip


async def test_a_statement_goes_back_to_writing(world: World) -> None:
    case = await begun(world, id_="statement")
    await case.mine("speak")
    await case.step("propose")
    await case.mine("in_writing")
    assert (await case.look())["state"] == "filed"
    assert (await case.desk("record"))["state"] == "recorded"
