"""Rights on one's own file: what the law allows is done at once, the rest is refused with its article or answered in its term."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from egide.kernel.errors import BadInput, Conflict, NotFound, Refused
from egide.kernel.identity import ANONYMOUS
from egide.services.definition import catalogue
from tests.services.filings import WORDS, filed, filed_remotely
from tests.services.test_filing import asked
from tests.world import World

pytestmark = pytest.mark.anyio
FOLLOW_UP, THEFT = catalogue().find("follow-up"), catalogue().find("theft")


async def held(world: World, service: Any = FOLLOW_UP) -> tuple[dict[str, str], str]:
    """(number and code, the file) of what a resident filed."""
    done = await filed_remotely(world, service)
    return {"number": done["number"], "code": done["code"]}, done["file"]


async def refused(world: World, name: str, **given: Any) -> set[str]:
    with pytest.raises(Refused) as caught:
        await world.kernel.perform(name, msgspec.json.encode(given), ANONYMOUS, address="192.0.2.7")
    for reason in caught.value.decision.reasons:
        assert all((reason.fr, reason.en, reason.article, reason.remedy_fr, reason.remedy_en))
    return {reason.rule for reason in caught.value.decision.reasons}


async def test_a_copy_says_all_that_is_held_and_who_used_it(world: World) -> None:
    mine, file = await held(world)
    await world.act("officer", "services.follow_up.read", file=file)
    await world.act("command", "services.follow_up.read", file=file)
    copy = await asked(world, "services.rights.copy", **mine)
    assert copy["file"]["number"] == mine["number"]
    assert any(WORDS in line["fr"] for line in copy["lines"])
    assert copy["purposes"]
    assert copy["bases"]
    uses = [(one["by"]["en"], one["unit"], one["what"]["en"]) for one in copy["uses"]]
    assert [by for by, _, _ in uses[:1]] == ["You"]
    looked = [one for one in uses if one[2].startswith("Read a file")]
    assert [by for by, _, _ in looked] == ["Officer", "Command"]
    assert all(unit for _, unit, _ in looked)
    assert all(one["why"] for one in copy["uses"])
    # Not by name: an officer is told by function and unit.
    said = msgspec.json.encode(copy).decode()
    for persona in ("officer", "command"):
        assert world.person(persona).name not in said


async def test_a_judicial_file_is_answered_with_the_law_and_the_way_that_remains(world: World) -> None:
    mine, _file = await held(world, THEFT)
    assert await refused(world, "services.rights.copy", **mine) == {"LED-18-access"}
    assert await refused(world, "services.rights.erase", **mine) == {"LED-18-erasure", "GDPR-17-3-b-file"}
    assert await refused(world, "services.rights.ask", **mine, right="objection", text="Non") == {"LED-18-objection"}
    asked_ = await asked(world, "services.rights.ask", **mine, right="rectification", text="Le vélo est rouge.")
    assert asked_["due"]


async def test_nobody_exercises_a_right_on_another_s_file(world: World) -> None:
    mine, _file = await held(world)
    wrong = mine | {"code": "AAAA-AAAA"}
    for name, more in (("copy", {}), ("erase", {}), ("ask", {"right": "objection", "text": "x"})):
        assert "CRPA-holder" in await refused(world, f"services.rights.{name}", **wrong, **more)


async def test_what_is_closed_is_erased_at_once_and_what_is_open_is_not(world: World) -> None:
    mine, file = await held(world)
    assert await refused(world, "services.rights.erase", **mine) == {"GDPR-17-3-b-file"}
    await world.act("officer", "services.follow_up.reply", file=file, text="Voici la réponse.")
    await asked(world, "services.rights.erase", **mine)

    def gone() -> bool:
        row = world.kernel.store.reader().exec_driver_sql("select 1 from service_file where id = ?", (file,)).first()
        return row is None

    await world.until(gone, 20)
    assert "CRPA-holder" in await refused(world, "services.file.follow", **mine)


async def test_a_request_is_due_in_a_month_and_the_desk_sees_when_it_is_late(world: World) -> None:
    mine, file = await held(world)
    await world.act("officer", "services.follow_up.reply", file=file, text="Voici la réponse.")
    assert (await world.act("officer", "services.desk.queue"))["files"] == [], "it is closed"
    due = (await asked(world, "services.rights.ask", **mine, right="rectification", text="Mon nom est Petit."))["due"]
    with pytest.raises(Conflict):
        await asked(world, "services.rights.ask", **mine, right="objection", text="Encore")
    waits = (await world.act("officer", "services.desk.queue"))["files"]
    assert [(one["number"], one["due"], one["late"]) for one in waits] == [(mine["number"], due, False)]
    assert "Rectification" in waits[0]["said"]["en"]
    world.move(days=32)
    assert (await world.act("officer", "services.desk.queue"))["files"][0]["late"]
    shown = await asked(world, "services.file.follow", **mine)
    assert (shown["right"], shown["right_due"]) == ("rectification", due)
    opened = await world.act("officer", "services.follow_up.read", file=file)
    assert [one["act"] for one in opened["steps"]] == ["services.rights.grant", "services.rights.refuse"]
    # A refusal gives its reasons; an answer ends it.
    broken = await world.refused("officer", "services.rights.refuse", file=file)
    assert broken == ["LED-15"]
    await world.act("officer", "services.rights.grant", file=file, text="C’est corrigé.")
    assert (await world.act("officer", "services.desk.queue"))["files"] == []
    shown = await asked(world, "services.file.follow", **mine)
    assert (shown["right"], shown["wrong"]) == ("", None)
    assert [one["said"]["en"] for one in shown["events"][-2:]] == [
        "Rectification asked for",
        "Request of rights granted",
    ]
    with pytest.raises(NotFound):
        await world.act("officer", "services.rights.grant", file=file, text="Encore.")


async def test_an_objection_that_is_granted_stops_the_file_and_erases_it_once_its_answer_could_be_read(
    world: World,
) -> None:
    mine, file = await held(world)
    await asked(world, "services.rights.ask", **mine, right="objection", text="Ma situation est particulière.")
    await world.act("officer", "services.rights.grant", file=file, text="Nous arrêtons.")
    with pytest.raises(Conflict):
        await world.act("officer", "services.follow_up.reply", file=file, text="Trop tard.")
    assert (await asked(world, "services.file.follow", **mine))["closed"]
    assert (await world.act("officer", "services.follow_up.read", file=file))["steps"] == [], "nothing more is offered"
    world.move(days=31)
    reader = world.kernel.store.reader
    await world.until(
        lambda: reader().exec_driver_sql("select 1 from service_file where id = ?", (file,)).first() is None, 20
    )


async def test_words_are_due_and_bounded(world: World) -> None:
    mine, _file = await held(world)
    for text in ("", " \u0000 ", "a" * 4_001):
        with pytest.raises(BadInput):
            await asked(world, "services.rights.ask", **mine, right="rectification", text=text)


async def test_every_service_s_file_gives_its_copy_or_its_reason(world: World) -> None:
    for service in catalogue().current():
        if "chat" in (service.channels["remote"].modes if "remote" in service.channels else ()):
            continue  # kept by choice only, and by a way of its own
        done = await filed(world, service)
        mine = {"number": done["number"], "code": done["code"]}
        if world.kernel.activities[service.activity].regime == "LED":
            assert await refused(world, "services.rights.copy", **mine) == {"LED-18-access"}
        else:
            assert (await asked(world, "services.rights.copy", **mine))["file"]["service"] == service.id


async def test_an_objection_that_is_granted_keeps_no_file_longer_than_the_law_does(world: World) -> None:
    mine, file = await held(world)
    await world.act("officer", "services.follow_up.reply", file=file, text="Voici la réponse.")
    world.move(days=360)
    await asked(world, "services.rights.ask", **mine, right="objection", text="Ma situation est particulière.")
    await world.act("officer", "services.rights.grant", file=file, text="Nous arrêtons.")
    world.move(days=6)  # a year after its end
    reader = world.kernel.store.reader
    await world.until(
        lambda: reader().exec_driver_sql("select 1 from service_file where id = ?", (file,)).first() is None, 20
    )
