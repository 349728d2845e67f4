"""What a report of a hearing by video says besides: the statement, that rights were told, who confirmed what."""

from __future__ import annotations

import pytest

from egide.services.hearing_model import digest_of
from egide.services.hearing_sheet import sheets
from tests.services.hearings import SEEN, STATEMENT, begun, report
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_it_says_how_the_person_was_heard(world: World) -> None:
    case = await (await begun(world)).until("heard")
    await case.step("correct")
    await case.step("amend")
    for step in ("read_back", "confirm", "sign"):
        await case.step(step)
    told = report(world, case.file)
    assert told["statement"] == STATEMENT
    assert "n’ont pas été enregistrés" in told["notice"][0]
    assert sheets()["victim"].digest[:16] in told["notice"][1]
    assert SEEN in told["notice"][2]
    assert digest_of(STATEMENT)[:16] in told["notice"][3]
    assert "incidents" not in told
    assert told["signatures"][0]["name"] == world.person("officer").name
    questions = [item["question"] for section in told["sections"] for item in section["items"]]
    assert any("Demander une correction" in one for one in questions)
    assert any("Répondre à la demande de correction" in one for one in questions)


async def test_the_sheet_of_rights_is_a_document_to_print(world: World) -> None:
    case = await (await begun(world)).until("informed")
    told = report(world, case.file, "rights")
    assert [one["question"] for one in told["facts"]] == [line.label.fr for line in sheets()["victim"].lines]
    assert "R2-27" in told["legal"]


async def test_heard_in_person_it_says_nothing_of_a_video(world: World) -> None:
    case = await begun(world)
    await case.mine("come")
    await case.write("Entendu sur place.")
    await case.desk("hear_here")
    told = report(world, case.file)
    assert told["statement"] == "Entendu sur place."
    assert "notice" not in told
